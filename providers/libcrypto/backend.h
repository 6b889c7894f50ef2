/*
 * The reference backend: OpenSSL 3's libcrypto, its public interfaces alone. It runs everywhere and
 * is what faster backends are compared with.
 */
#ifndef PROVIDERS_LIBCRYPTO_BACKEND_H
#define PROVIDERS_LIBCRYPTO_BACKEND_H

#include "providers/provider.h"

extern const struct provider_ops libcrypto_backend;

#endif
