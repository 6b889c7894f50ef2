/*
 * A kernel that only counts: tables are small blocks of known sizes, a signature is good when its
 * first byte is the digest's, and a point whose second byte is FAKE_OFF_CURVE is on no curve.
 *
 * A freed table is poisoned before it goes, so a reader that still uses it is found out.
 */
#ifndef TESTS_UNIT_EC_FAKE_KERNEL_H
#define TESTS_UNIT_EC_FAKE_KERNEL_H

#include <stdatomic.h>

#include "providers/ec/kernel.h"

enum {
    FAKE_OFF_CURVE = 0xFF,
    FAKE_SMALL_BYTES = 50000,
    FAKE_MEDIUM_BYTES = 250000,
    FAKE_WIDE_BYTES = 1000000,
    FAKE_SMALL_POINTS = 800,
    FAKE_MEDIUM_POINTS = 4000,
    FAKE_WIDE_POINTS = 13000,
    FAKE_CALLS_MAX = 32,
    FAKE_TABLE_MAGIC = 0x7AB1E,
};

struct ec_table {
    uint32_t magic;
    enum curve curve;
    enum ec_table_level level;
    uint8_t point[EC_POINT_LEN];
};

enum fake_call { FAKE_KNOWN, FAKE_UNKNOWN, FAKE_ONE };

/* What was asked of the kernel by this thread since fake_reset(). */
struct fake_log {
    size_t calls;
    struct {
        enum fake_call call;
        enum curve curve;
        size_t n;
    } call[FAKE_CALLS_MAX];
    size_t longest_step; /* points */
};

extern _Thread_local struct fake_log fake_log;
extern atomic_long fake_tables_alive;

/* Whether mul_base spoils its last result, or its scalars. */
extern bool fake_mul_base_slips, fake_mul_base_other_scalar;

extern const struct ec_kernel fake_kernel;

/* Fails the process when the table is not alive or of another key. */
void fake_table_check(const struct ec_table *table, enum curve curve,
                      const uint8_t point[static EC_POINT_LEN]);

/* A point that only the fake kernel takes for one: the number in it. */
void fake_point(uint8_t point[static EC_POINT_LEN], uint32_t number);

#endif
