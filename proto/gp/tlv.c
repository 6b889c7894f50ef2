#include "proto/gp/tlv.h"
