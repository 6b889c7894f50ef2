#include "proto/gp/crt.h"
