#include "providers/core/scalar.h"

#include "providers/core/secret.h"

enum {
    /* A draw is refused with at most 1 - n/2^256 < 0.34 (brainpoolP256r1): 0.34^128 < 2^-198. */
    DRAWS_MAX = 128,
};

enum status scalar_draw(const struct curve_params *c, struct drbg *drbg,
                        uint8_t k[static FIELD_LEN])
{
    for (size_t i = 0; i < DRAWS_MAX; i++) {
        TRY(drbg_bytes(drbg, k, FIELD_LEN));
        if (scalar_in_range(c, k)) {
            return STATUS_OK;
        }
    }
    secret_wipe(k, FIELD_LEN);
    return STATUS_INTERNAL;
}

void scalar_add(const struct curve_params *c, uint8_t out[static FIELD_LEN],
                const uint8_t a[static FIELD_LEN], const uint8_t b[static FIELD_LEN])
{
    uint8_t sum[FIELD_LEN], less[FIELD_LEN];
    unsigned carry = 0, borrow = 0;
    for (size_t i = FIELD_LEN; i-- > 0;) {
        carry += (unsigned)a[i] + b[i];
        sum[i] = (uint8_t)carry;
        carry >>= 8;
        unsigned difference = (unsigned)sum[i] - c->n[i] - borrow;
        less[i] = (uint8_t)difference;
        borrow = difference >> 8 & 1;
    }
    /* sum - n unless that is negative: no carry out of the sum, and a borrow */
    unsigned negative = borrow & (carry ^ 1);
    uint8_t keep = (uint8_t)(0U - negative);
    for (size_t i = 0; i < FIELD_LEN; i++) {
        out[i] = (uint8_t)((sum[i] & keep) | (less[i] & ~keep));
    }
    secret_wipe(sum, sizeof sum);
    secret_wipe(less, sizeof less);
}
