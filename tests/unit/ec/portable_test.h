/*
 * What the tests of the portable kernel share: its scratch, a reference (the libcrypto backend) and
 * tables that are kept for keys seen before.
 */
#ifndef TESTS_UNIT_EC_PORTABLE_TEST_H
#define TESTS_UNIT_EC_PORTABLE_TEST_H

#include "providers/ec/kernel.h"
#include "tests/unit/ec/seeded.h"
#include "tests/unit/providers/oracle.h"
#include "tests/unit/providers/provider_test.h"

struct kernel_world {
    struct ec_scratch *scratch;
    struct provider *reference;
};

/* Group setup and teardown; *state becomes a struct kernel_world *. */
int kernel_world_new(void **state);
int kernel_world_free(void **state);

/* The key's table, NULL where it is no point of the curve; until the world ends. */
const struct ec_table *table_of(struct kernel_world *w, enum curve curve,
                                const uint8_t point[static EC_POINT_LEN],
                                enum ec_table_level level);

/*
 * Verifies the items (all on one curve) without tables, and those whose key is a point with tables
 * of each level and of mixed ones: every status must be want[i], or the reference's where want is
 * NULL; and the reference's is want[i] too.
 */
void check_verify(struct kernel_world *w, const char *what, size_t n,
                  const struct verify_item items[], const enum status want[]);

/* A random scalar in [1, n-1], and its multiple of G by the kernel. */
void seeded_pair(struct kernel_world *w, enum curve curve, uint8_t k[static EC_SCALAR_LEN],
                 uint8_t Q[static EC_POINT_LEN]);

#endif
