#include "proto/gp/cert.h"
