/*
 * Tables of points for sums without doublings, of a public key Q and of G.
 *
 * A scalar u in [0, n) is made odd (u + n where it is even; n is odd) and cut into odd signed
 * digits: with b_k its bits, digit i < l-1 is d_i = (b_{wi+w} ... b_{wi+1} 1) - 2^w, which is odd
 * and in +-(2^w - 1), and the last is (... b_{w(l-1)+1} 1), odd and positive: forcing the lowest
 * bit of digit i + 1 to one borrows exactly what the 2^w of digit i takes away. So no digit is
 * zero, digits need no carry, and the entry of digit d is the one numbered (|d| - 1) / 2.
 *
 * Window i holds the odd multiples (2j+1) 2^(wi) Q, j < 2^(w-1), and the last window what its
 * digits need, with +R added in G's table and -R in every other, where R is a random point of the
 * process. The sums are then u1 G + R and u2 Q - R: what is summed without R are integers whose
 * sizes differ and stay below n, hence never equal or opposite points, and what holds R nobody can
 * predict. Only u1 G + R and u2 Q - R may meet their match, when the sum wanted is infinity.
 *
 * Entries are affine, in Montgomery form (R = 2^260), below p; brainpool's lie on the twist.
 */
#ifndef PROVIDERS_EC_IFMA_TABLE8_H
#define PROVIDERS_EC_IFMA_TABLE8_H

#include <stdint.h>

#include "providers/ec/kernel.h"

struct table8_entry {
    uint64_t x[4], y[4]; /* 64-bit words, least significant first */
} __attribute__((aligned(64)));

struct table8_shape {
    unsigned w;       /* bits a window */
    unsigned windows; /* l */
    unsigned last;    /* entries of the last window; the others hold 2^(w-1) */
};

/* What a struct ec_table of this family is. */
struct ifma_table {
    enum curve curve;
    enum ec_table_level level; /* EC_TABLE_NONE: of G */
    struct table8_shape shape;
    struct table8_entry *entries; /* window i from i 2^(w-1) on */
};

static inline const struct ifma_table *ifma_table_of(const struct ec_table *t)
{
    return (const struct ifma_table *)(const void *)t;
}

/* EC_TABLE_NONE: of G's table. */
struct table8_shape table8_shape_of(enum ec_table_level level);

/* G's table and +R, after ifma_global_init(). */
const struct ifma_table *table8_g(enum curve curve);
const struct table8_entry *table8_blind(enum curve curve);

#endif
