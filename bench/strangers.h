/*
 * Keys that nobody has seen before, each with one signature: what a verifier meets when signers are
 * unknown. Made fast, d, d + 1, d + 2 ..., all under one nonce: for measuring alone.
 */
#ifndef BENCH_STRANGERS_H
#define BENCH_STRANGERS_H

#include <stdint.h>

#include "providers/provider.h"

struct stranger {
    uint8_t Q[EC_POINT_LEN];
    uint8_t digest[SHA256_LEN];
    uint8_t signature[EC_SIGNATURE_LEN];
};

/* On P-256 or brainpoolP256r1; failures end the program. To free(). */
struct stranger *strangers_new(enum curve curve, size_t n);

#endif
