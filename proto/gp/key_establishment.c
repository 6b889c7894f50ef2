#include "proto/gp/key_establishment.h"
