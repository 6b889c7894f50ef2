#include "proto/custody/custody.h"
