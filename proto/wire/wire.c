#include "proto/wire/wire.h"
