#include "proto/gp/handover.h"
