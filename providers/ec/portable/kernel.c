/*
 * The portable kernel: plain C with 128-bit products, for any machine.
 *
 * global_init draws one random point R a curve. It stands in the last window of G's table and, with
 * the other sign, of every key's: who makes signatures or keys cannot steer sums that hold it into
 * equal points.
 */
#include <openssl/rand.h>
#include <stdlib.h>

#include "providers/core/secret.h"
#include "providers/ec/portable/portable.h"

struct base_point base_points[CURVE_COUNT];

static const unsigned level_width[EC_TABLE_LEVELS] = {
    [EC_TABLE_SMALL] = SMALL_WIDTH, [EC_TABLE_MEDIUM] = MEDIUM_WIDTH, [EC_TABLE_WIDE] = WIDE_WIDTH};

static const char *unusable(void)
{
    return NULL;
}

static enum status scratch_new(struct ec_scratch **out)
{
    *out = aligned_alloc(CACHE_LINE, sizeof **out);
    if (*out == NULL) {
        return STATUS_INTERNAL;
    }
    memset(*out, 0, sizeof **out); /* faults its pages in here rather than in a batch */
    return STATUS_OK;
}

static void scratch_free(struct ec_scratch **s)
{
    free(*s);
    *s = NULL;
}

static enum status build_whole(struct ec_table **out, struct ec_scratch *s, enum curve curve,
                               const struct pt_aff *Q, struct table_shape shape,
                               const struct pt_aff *offset)
{
    struct ec_build *b = NULL;
    TRY(table_build_begin(&b, curve, Q, shape, offset));
    do {
        *out = table_build_step(b, s, SIZE_MAX);
    } while (*out == NULL);
    table_build_free(&b);
    return STATUS_OK;
}

/* R = r G for a random r in [1, n-1]. */
static enum status random_point(struct ec_scratch *s, enum curve curve, struct pt_aff *out)
{
    uint8_t r[EC_SCALAR_LEN], point[EC_POINT_LEN];
    const uint8_t *const k[] = {r};
    uint8_t *const Q[] = {point};
    enum status status = STATUS_INTERNAL;
    do {
        if (RAND_priv_bytes(r, sizeof r) != 1) {
            break;
        }
        portable_mul_base(s, curve, 1, k, Q, &status);
    } while (status == STATUS_BAD_SCALAR); /* at most every third, for brainpoolP256r1 */
    secret_wipe(r, sizeof r);
    return status == STATUS_OK ? point_decode(curve, point, out) : STATUS_INTERNAL;
}

static enum status base_init(struct ec_scratch *s, enum curve curve)
{
    const struct ec64_curve *c = &ec64_curves[curve];
    const struct table_shape secret = {SECRET_WIDTH, SECRET_WINDOWS + 1, 0};
    const struct pt_aff G = {fe4_of(c->gx), fe4_of(c->gy)};
    struct base_point *base = &base_points[curve];
    if (base->wide != NULL) {
        return STATUS_OK;
    }
    if (base->secret == NULL) {
        TRY(build_whole(&base->secret, s, curve, &G, secret, NULL));
    }
    TRY(random_point(s, curve, &base->offset));
    return build_whole(&base->wide, s, curve, &G, table_shape(BASE_WIDTH), &base->offset);
}

static enum status global_init(void)
{
    struct ec_scratch *s = NULL;
    TRY(scratch_new(&s));
    enum status status = STATUS_OK;
    for (int c = CURVE_P256; c < CURVE_COUNT && status == STATUS_OK; c++) {
        status = base_init(s, (enum curve)c);
    }
    scratch_free(&s);
    return status;
}

static size_t table_bytes(enum curve curve, enum ec_table_level level)
{
    (void)curve;
    return table_shape_bytes(table_shape(level_width[level]));
}

static enum status build_begin(struct ec_build **out, enum curve curve,
                               const uint8_t point[static EC_POINT_LEN], enum ec_table_level level)
{
    const struct fe4_mod p = {&ec64_curves[curve].p, false};
    struct pt_aff Q, offset = base_points[curve].offset;
    *out = NULL;
    TRY(point_decode(curve, point, &Q));
    offset.y = fe4_neg(p, offset.y);
    return table_build_begin(out, curve, &Q, table_shape(level_width[level]), &offset);
}

const struct ec_kernel ec_kernel_portable = {
    .name = "portable",
    .unusable = unusable,
    .global_init = global_init,
    .scratch_new = scratch_new,
    .scratch_free = scratch_free,
    .table_bytes = table_bytes,
    .build_begin = build_begin,
    .build_step = table_build_step,
    .build_free = table_build_free,
    .table_free = table_free,
    .verify_known_vartime = portable_verify_known_vartime,
    .verify_unknown_vartime = portable_verify_unknown_vartime,
    .verify_one_vartime = NULL,
    .mul_base = portable_mul_base,
    .ecka = portable_ecka,
};
