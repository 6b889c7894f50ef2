/*
 * The choice of a backend, with the candidates and the wish as arguments; provider_select() is this
 * with the compiled-in backends and ECKA_BACKEND.
 */
#ifndef PROVIDERS_REGISTRY_H
#define PROVIDERS_REGISTRY_H

#include "providers/provider.h"

/* wanted: a backend's name, then no other is taken; NULL or empty for the first that is fit. */
MUST_CHECK enum status provider_select_from(const struct provider_ops *const *backends,
                                            const char *wanted,
                                            void (*report)(void *arg, const char *sentence),
                                            void *arg);

#endif
