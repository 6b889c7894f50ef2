#include "tests/unit/ec/fake_kernel.h"

#include <assert.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>

#include "providers/libcrypto/backend.h"

struct ec_scratch {
    void *reference;
};

struct ec_build {
    struct ec_table *table;
    size_t points_left;
};

_Thread_local struct fake_log fake_log;
atomic_long fake_tables_alive;
bool fake_mul_base_slips, fake_mul_base_other_scalar;

static const char *unusable(void)
{
    return NULL;
}

static enum status global_init(void)
{
    return STATUS_OK;
}

static enum status scratch_new(struct ec_scratch **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? libcrypto_backend.thread_new(&(*out)->reference) : STATUS_INTERNAL;
}

static void scratch_free(struct ec_scratch **s)
{
    if (*s != NULL) {
        libcrypto_backend.thread_free(&(*s)->reference);
        free(*s);
        *s = NULL;
    }
}

static size_t table_bytes(enum curve curve, enum ec_table_level level)
{
    static const size_t bytes[EC_TABLE_LEVELS] = {
        [EC_TABLE_SMALL] = FAKE_SMALL_BYTES,
        [EC_TABLE_MEDIUM] = FAKE_MEDIUM_BYTES,
        [EC_TABLE_WIDE] = FAKE_WIDE_BYTES,
    };
    assert(curve > CURVE_NONE && curve < CURVE_COUNT);
    return bytes[level];
}

static void table_free(struct ec_table **t)
{
    if (*t != NULL) {
        assert((*t)->magic == FAKE_TABLE_MAGIC);
        (*t)->magic = 0;
        free(*t);
        *t = NULL;
        atomic_fetch_sub(&fake_tables_alive, 1);
    }
}

static enum status build_begin(struct ec_build **out, enum curve curve,
                               const uint8_t point[static EC_POINT_LEN], enum ec_table_level level)
{
    static const size_t points[EC_TABLE_LEVELS] = {
        [EC_TABLE_SMALL] = FAKE_SMALL_POINTS,
        [EC_TABLE_MEDIUM] = FAKE_MEDIUM_POINTS,
        [EC_TABLE_WIDE] = FAKE_WIDE_POINTS,
    };
    *out = NULL;
    if (point[1] == FAKE_OFF_CURVE) {
        return STATUS_BAD_POINT;
    }
    struct ec_build *b = calloc(1, sizeof *b);
    struct ec_table *t = calloc(1, sizeof *t);
    assert(b != NULL && t != NULL);
    *t = (struct ec_table){.magic = FAKE_TABLE_MAGIC, .curve = curve, .level = level};
    memcpy(t->point, point, EC_POINT_LEN);
    b->table = t;
    b->points_left = points[level];
    atomic_fetch_add(&fake_tables_alive, 1);
    *out = b;
    return STATUS_OK;
}

static struct ec_table *build_step(struct ec_build *b, struct ec_scratch *s, size_t points)
{
    (void)s;
    if (points > fake_log.longest_step) {
        fake_log.longest_step = points;
    }
    if (points < b->points_left) {
        b->points_left -= points;
        return NULL;
    }
    struct ec_table *done = b->table;
    b->table = NULL;
    return done;
}

static void build_free(struct ec_build **b)
{
    if (*b != NULL) {
        table_free(&(*b)->table);
        free(*b);
        *b = NULL;
    }
}

static void note(enum fake_call call, enum curve curve, size_t n)
{
    if (fake_log.calls < FAKE_CALLS_MAX) {
        fake_log.call[fake_log.calls].call = call;
        fake_log.call[fake_log.calls].curve = curve;
        fake_log.call[fake_log.calls].n = n;
        fake_log.calls++;
    }
}

void fake_table_check(const struct ec_table *table, enum curve curve,
                      const uint8_t point[static EC_POINT_LEN])
{
    if (table->magic != FAKE_TABLE_MAGIC || table->curve != curve ||
        memcmp(table->point, point, EC_POINT_LEN) != 0) {
        abort();
    }
}

static enum status verdict(const struct verify_item *item)
{
    if (item->public_key[1] == FAKE_OFF_CURVE) {
        return STATUS_BAD_POINT;
    }
    return item->signature[0] == item->digest[0] ? STATUS_OK : STATUS_SIGNATURE_INVALID;
}

static void verify_known(struct ec_scratch *s, enum curve curve, size_t n,
                         const struct verify_item *const items[],
                         const struct ec_table *const tables[], enum status out[])
{
    (void)s;
    note(FAKE_KNOWN, curve, n);
    for (size_t i = 0; i < n; i++) {
        assert(items[i]->curve == curve);
        fake_table_check(tables[i], curve, items[i]->public_key);
        out[i] = verdict(items[i]);
    }
}

static void verify_unknown(struct ec_scratch *s, enum curve curve, size_t n,
                           const struct verify_item *const items[], enum status out[])
{
    (void)s;
    note(FAKE_UNKNOWN, curve, n);
    for (size_t i = 0; i < n; i++) {
        assert(items[i]->curve == curve);
        out[i] = verdict(items[i]);
    }
}

static enum status verify_one(struct ec_scratch *s, enum curve curve,
                              const struct verify_item *item, const struct ec_table *table)
{
    (void)s;
    note(FAKE_ONE, curve, 1);
    fake_table_check(table, curve, item->public_key);
    return verdict(item);
}

/* Q = kG by libcrypto, on the two curves that it knows by name. */
static void multiply(const EC_GROUP *group, const uint8_t *k, uint8_t *Q)
{
    BIGNUM *scalar = BN_bin2bn(k, EC_SCALAR_LEN, NULL);
    EC_POINT *point = EC_POINT_new(group);
    assert(scalar != NULL && point != NULL);
    if (fake_mul_base_other_scalar) { /* the bits above the lowest, twice */
        BN_rshift1(scalar, scalar);
    }
    if (EC_POINT_mul(group, point, scalar, NULL, NULL, NULL) != 1 ||
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, Q, EC_POINT_LEN, NULL) !=
            EC_POINT_LEN) {
        abort();
    }
    EC_POINT_free(point);
    BN_free(scalar);
}

static void mul_base(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                     uint8_t *const Q[], enum status out[])
{
    (void)s;
    EC_GROUP *group = EC_GROUP_new_by_curve_name(curve == CURVE_P256 ? NID_X9_62_prime256v1
                                                                     : NID_brainpoolP256r1);
    assert(group != NULL && curve != CURVE_FRP256V1);
    for (size_t i = 0; i < n; i++) {
        multiply(group, k[i], Q[i]);
        out[i] = STATUS_OK;
    }
    if (fake_mul_base_slips) {
        Q[0][EC_POINT_LEN - 1] ^= 1;
    }
    EC_GROUP_free(group);
}

static void ecka(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                 const uint8_t *const peer[], uint8_t *const z[], enum status out[])
{
    for (size_t i = 0; i < n; i++) {
        const struct ecka_item item = {curve, k[i], peer[i], z[i]};
        libcrypto_backend.ecka(s->reference, 1, &item, &out[i]);
    }
}

void fake_point(uint8_t point[static EC_POINT_LEN], uint32_t number)
{
    memset(point, 0, EC_POINT_LEN);
    point[0] = 0x04;
    memcpy(point + 2, &number, sizeof number);
}

const struct ec_kernel fake_kernel = {
    .name = "fake",
    .unusable = unusable,
    .global_init = global_init,
    .scratch_new = scratch_new,
    .scratch_free = scratch_free,
    .table_bytes = table_bytes,
    .build_begin = build_begin,
    .build_step = build_step,
    .build_free = build_free,
    .table_free = table_free,
    .verify_known_vartime = verify_known,
    .verify_unknown_vartime = verify_unknown,
    .verify_one_vartime = verify_one,
    .mul_base = mul_base,
    .ecka = ecka,
};
