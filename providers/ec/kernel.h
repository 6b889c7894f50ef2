/*
 * What a kernel family (ifma, portable) offers to the dispatch that turns it into a backend.
 *
 * The dispatch (ec/backend.c) sorts a batch by curve and by whether a key has a table, and hands
 * each part to one of these functions; statuses come back an item. Functions whose names end in
 * _vartime see public data alone. A struct ec_scratch is a thread's working memory.
 */
#ifndef PROVIDERS_EC_KERNEL_H
#define PROVIDERS_EC_KERNEL_H

#include "providers/provider.h"

/*
 * Tables of a public key (and of G): for each window i of w bits the odd multiples of 2^(wi) Q, so
 * that a scalar in odd signed digits is a sum of one entry a window. Immutable once built; shared
 * by threads. Levels differ in w: a wider table costs more to build and less to use.
 */
enum ec_table_level {
    EC_TABLE_NONE,
    EC_TABLE_SMALL,
    EC_TABLE_MEDIUM,
    EC_TABLE_WIDE,
    EC_TABLE_LEVELS
};

struct ec_table; /* the family's own; begins where its builder says */
struct ec_build; /* a table under construction */
struct ec_scratch;

struct ec_kernel {
    const char *name; /* "ifma", "portable" */

    /* NULL when this machine can run it, else a sentence that says why not. */
    const char *(*unusable)(void);

    /* Once a process, before anything else: the tables of G, per-process random points. */
    MUST_CHECK enum status (*global_init)(void);

    MUST_CHECK enum status (*scratch_new)(struct ec_scratch **out);
    void (*scratch_free)(struct ec_scratch **s);

    /* Bytes of a finished table. */
    size_t (*table_bytes)(enum curve curve, enum ec_table_level level);
    /* BAD_POINT when the point is not on its curve; INTERNAL when there is no memory. */
    MUST_CHECK enum status (*build_begin)(struct ec_build **out, enum curve curve,
                                          const uint8_t point[static EC_POINT_LEN],
                                          enum ec_table_level level);
    /* Does at most `points` point operations more; the table when it is done, else NULL. */
    struct ec_table *(*build_step)(struct ec_build *b, struct ec_scratch *s, size_t points);
    void (*build_free)(struct ec_build **b); /* with what was built, if it was not given out */
    void (*table_free)(struct ec_table **t);

    /* n items on one curve, each with its key's table; any n, levels may mix. */
    void (*verify_known_vartime)(struct ec_scratch *s, enum curve curve, size_t n,
                                 const struct verify_item *const items[],
                                 const struct ec_table *const tables[], enum status out[]);
    /* n items on one curve whose keys have no table: decoded, checked to be on the curve. */
    void (*verify_unknown_vartime)(struct ec_scratch *s, enum curve curve, size_t n,
                                   const struct verify_item *const items[], enum status out[]);
    /* One item with a table, for latency; NULL where verify_known_vartime does as well. */
    enum status (*verify_one_vartime)(struct ec_scratch *s, enum curve curve,
                                      const struct verify_item *item, const struct ec_table *table);

    /* n scalars k in [1, n-1] (secret; the caller drew them) to Q = kG; constant time. */
    void (*mul_base)(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                     uint8_t *const Q[], enum status out[]);
    /* z = x(k peer): k secret, peer checked; BAD_POINT, BAD_SCALAR. Constant time in k. */
    void (*ecka)(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                 const uint8_t *const peer[], uint8_t *const z[], enum status out[]);
};

extern const struct ec_kernel ec_kernel_ifma;
extern const struct ec_kernel ec_kernel_portable;

#endif
