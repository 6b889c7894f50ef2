/*
 * Inside of the portable kernel: what its files share.
 *
 * Functions over a curve are written once as inline templates over struct fe4_mod and compiled
 * twice, for P-256 and for any prime.
 */
#ifndef PROVIDERS_EC_PORTABLE_PORTABLE_H
#define PROVIDERS_EC_PORTABLE_PORTABLE_H

#include "providers/core/curves.h"
#include "providers/ec/kernel.h"
#include "providers/ec/portable/points.h"

enum {
    SCALAR_BITS = 256,
    CACHE_LINE = 64,
    CHUNK = 64, /* items that share inversions; more gain little and leave the cache */

    BASE_WIDTH = 13, /* G's table for verification: 19 * 4096 + 512 entries, 5 MB a curve */
    SMALL_WIDTH = 5, /* 54 KiB */
    MEDIUM_WIDTH = 8,
    WIDE_WIDTH = 11,

    /* Most windows a scalar has: at SMALL_WIDTH, see table_shape(). */
    WINDOWS_MAX = 51,
    BASE_WINDOWS = 20,
    SUM_MAX = BASE_WINDOWS + WINDOWS_MAX, /* points in the sum that verifies a signature */
    PAIRS_MAX = CHUNK * (SUM_MAX / 2),

    SECRET_WIDTH = 5, /* constant time: windows of 16 entries, each scanned whole */
    SECRET_ENTRIES = 1 << (SECRET_WIDTH - 1),
    SECRET_WINDOWS = SCALAR_BITS / SECRET_WIDTH, /* and bit 255 above them */
    SECRET_TOP = SECRET_WINDOWS * SECRET_WIDTH,
};

_Static_assert(BASE_WINDOWS == SCALAR_BITS / BASE_WIDTH + 1, "see table_shape()");
_Static_assert(WINDOWS_MAX == SCALAR_BITS / SMALL_WIDTH, "see table_shape()");
_Static_assert(SECRET_TOP == SCALAR_BITS - 1, "the top digit of an odd scalar is 1");

/*
 * A scalar u, odd and below 2^257, as a sum of one odd digit a window of w bits:
 *
 *     d_i = 2 b_i + 1 - 2^w, with b_i the bits w i + 1 .. w i + w of u, for each window but the
 * last, d_i = 2 b_i + 1, with b_i all bits from w i + 1 on, for the last.
 *
 * (From the lowest: u - d_0 = u - (u mod 2^(w+1)) + 2^w is an odd multiple of 2^w, whose bits above
 * bit w are u's own.) Entry j of window i is (2 j + 1) 2^(w i) Q: of |d_i|, j is b_i without its
 * top bit where that is set, else d_i is negative and j is the complement of b_i.
 */
struct table_shape {
    unsigned width, windows;
    unsigned last_bits; /* the last window has 2^last_bits entries, the others 2^(width - 1) */
};

struct ec_table {
    enum curve curve;
    struct table_shape shape;
    struct pt_aff entries[] __attribute__((aligned(CACHE_LINE)));
};

/* What a signature's verification sums, per curve; global_init makes them, then they are read only.
 */
struct base_point {
    struct ec_table *wide;   /* of G, for verification, with offset */
    struct ec_table *secret; /* of G, SECRET_WIDTH, without offset, and 2^255 G as its last entry */
    struct pt_aff offset;    /* R, random for each process: on G's last window, off every Q's */
};

extern struct base_point base_points[CURVE_COUNT];

/* sum = a + b. sum may be a or b, or an operand of a pair before it; of none behind it. */
struct affine_pair {
    const struct pt_aff *a, *b;
    struct pt_aff *sum;
    bool *failed; /* set where a = +-b; sum is then any point */
};

/* A signature ready to be summed. */
struct prepared {
    struct fe4 r, u1, u2; /* plain, below n */
};

struct pick {
    const struct pt_aff *entry;
    bool negative;
};

struct sum {
    size_t g, q; /* points that remain of u1 G and of u2 Q; once both are 1, they are added */
    bool done, failed;
};

struct ec_scratch {
    /* of affine_add_vartime() */
    struct fe4 difference[PAIRS_MAX], product[PAIRS_MAX];
    struct affine_pair pairs[PAIRS_MAX];
    /* of a chunk of verifications */
    struct prepared prepared[CHUNK];
    size_t item[CHUNK];
    struct sum sums[CHUNK];
    struct pick picks[CHUNK][SUM_MAX];
    struct pt_aff points[CHUNK][SUM_MAX] __attribute__((aligned(CACHE_LINE)));
    /* of a chunk of secret multiplications */
    struct pt_aff multiples[CHUNK][SECRET_ENTRIES];
    struct pt_jac doublings[CHUNK * SECRET_WIDTH];
    struct pt_aff affine[CHUNK * SECRET_WIDTH];
    struct pt_jac results[CHUNK];
    struct pt_aff finished[CHUNK];
};

FE4_INLINE struct fe4_mod field_of(enum curve curve, bool p256)
{
    return (struct fe4_mod){&ec64_curves[curve].p, p256};
}

FE4_INLINE struct fe4_mod order_of(enum curve curve)
{
    return (struct fe4_mod){&ec64_curves[curve].n, false};
}

/* The entry of window i, and its digit's sign, for an odd u below 2^257; u's bit 256 is `high`. */
FE4_INLINE struct pick table_pick(const struct ec_table *t, unsigned i, struct fe4 u, uint64_t high)
{
    const struct table_shape *s = &t->shape;
    const size_t half = (size_t)1 << (s->width - 1);
    const struct pt_aff *window = t->entries + i * half;
    const unsigned at = i * s->width + 1;
    if (i + 1 == s->windows) {
        const uint64_t low = fe4_bits(u, at, s->last_bits - 1);
        return (struct pick){window + (low | high << (s->last_bits - 1)), false};
    }
    const uint64_t b = fe4_bits(u, at, s->width);
    const bool negative = (b & half) == 0;
    return (struct pick){window + ((negative ? ~b : b) & (half - 1)), negative};
}

/* Every pair's sum, with one inversion. n <= PAIRS_MAX. 5M + 1S a pair. */
void affine_add_vartime(enum curve curve, struct ec_scratch *s, size_t n,
                        const struct affine_pair pairs[]);

/* Finite points to affine, with one inversion; n <= PAIRS_MAX. secret: in constant time, and what
 * the scratch holds of them is wiped. */
void jac_to_affine(enum curve curve, struct ec_scratch *s, size_t n, const struct pt_jac in[],
                   struct pt_aff out[], bool secret);

/* 04 || x || y to a point of the curve, on its twist; BAD_POINT. */
MUST_CHECK enum status point_decode(enum curve curve, const uint8_t in[static EC_POINT_LEN],
                                    struct pt_aff *out);
/* The way back. */
void point_encode(enum curve curve, const struct pt_aff *in, uint8_t out[static EC_POINT_LEN]);

/* Range checks, e and s^-1 for n <= CHUNK items: fills s->prepared and s->item with those whose
 * out[] is OK and whose r and s are in range; sets SIGNATURE_INVALID elsewhere. Returns how many.
 */
size_t prepare_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                       const struct verify_item *const items[], enum status out[]);

/* Whether X / zz, on the twist, is r mod n. */
bool x_matches_vartime(enum curve curve, struct fe4 x, struct fe4 zz, struct fe4 r);

/* u1 G + u2 Q against r: exact for whatever points meet. OK or SIGNATURE_INVALID. */
enum status verify_exact_vartime(enum curve curve, const struct prepared *p,
                                 const struct pt_aff *Q);

/* Of a table for verification of this width; and its bytes, as allocated. */
struct table_shape table_shape(unsigned width);
size_t table_shape_bytes(struct table_shape shape);

/* A table of *Q, plus *offset (or nothing) on every entry of its last window. INTERNAL. */
MUST_CHECK enum status table_build_begin(struct ec_build **out, enum curve curve,
                                         const struct pt_aff *Q, struct table_shape shape,
                                         const struct pt_aff *offset);
struct ec_table *table_build_step(struct ec_build *b, struct ec_scratch *s, size_t points);
void table_build_free(struct ec_build **b);
void table_free(struct ec_table **t);

void portable_verify_known_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                                   const struct verify_item *const items[],
                                   const struct ec_table *const tables[], enum status out[]);
void portable_verify_unknown_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                                     const struct verify_item *const items[], enum status out[]);
void portable_mul_base(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                       uint8_t *const Q[], enum status out[]);
void portable_ecka(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                   const uint8_t *const peer[], uint8_t *const z[], enum status out[]);

#endif
