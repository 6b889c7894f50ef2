#include "proto/gp/scp80.h"
