#include "proto/gp/apdu.h"
