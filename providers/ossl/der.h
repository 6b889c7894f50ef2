/*
 * ECDSA-Sig-Value (RFC 3279, 2.2.3) in DER, for orders of 256 bits: SEQUENCE { INTEGER r, INTEGER s
 * }. Pure functions.
 */
#ifndef PROVIDERS_OSSL_DER_H
#define PROVIDERS_OSSL_DER_H

#include <stdbool.h>

#include "proto/bytes.h"

enum {
    DER_RS_LEN = 64,
    DER_SIGNATURE_MAX = 2 + 2 * (2 + 1 + 32), /* each integer with a byte for its sign */
};

/* r || s of an encoding that is DER to the last byte, both below 2^256; false for any other. */
bool der_read_signature(uint8_t rs[static DER_RS_LEN], struct span der);

/* The length of the encoding. */
size_t der_write_signature(uint8_t out[static DER_SIGNATURE_MAX],
                           const uint8_t rs[static DER_RS_LEN]);

#endif
