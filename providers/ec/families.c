/* The families there are, each with its backend. */
#include "providers/ec/backend.h"

EC_BACKEND(ifma, ec_kernel_ifma, "ifma");
EC_BACKEND(portable, ec_kernel_portable, "portable");
