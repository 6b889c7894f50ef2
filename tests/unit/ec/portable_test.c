#include "tests/unit/ec/portable_test.h"

enum { KEPT = 24, STEP = 300 };

static struct kept {
    enum curve curve;
    uint8_t point[EC_POINT_LEN];
    struct ec_table *tables[EC_TABLE_LEVELS];
    uint64_t used; /* when last asked for */
} kept[KEPT];

static uint64_t now;

static const struct ec_kernel *const kernel = &ec_kernel_portable;

static void drop(struct kept *k)
{
    for (int level = EC_TABLE_SMALL; level < EC_TABLE_LEVELS; level++) {
        kernel->table_free(&k->tables[level]);
        assert_null(k->tables[level]);
    }
    memset(k, 0, sizeof *k);
}

int kernel_world_new(void **state)
{
    struct kernel_world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_status("secrets", secret_init(), STATUS_OK);
    assert_null(kernel->unusable());
    assert_status("global init", kernel->global_init(), STATUS_OK);
    assert_status("scratch", kernel->scratch_new(&w->scratch), STATUS_OK);
    const struct provider_ops *const *backends = provider_backends();
    while (strcmp((*backends)->name, "libcrypto") != 0) {
        backends++;
        assert_non_null(*backends);
    }
    assert_status("reference", provider_new_with(&w->reference, *backends), STATUS_OK);
    *state = w;
    return 0;
}

int kernel_world_free(void **state)
{
    struct kernel_world *w = *state;
    for (size_t i = 0; i < KEPT; i++) {
        drop(&kept[i]);
    }
    kernel->scratch_free(&w->scratch);
    provider_free(&w->reference);
    free(w);
    return 0;
}

static struct ec_table *build(struct kernel_world *w, enum curve curve,
                              const uint8_t point[static EC_POINT_LEN], enum ec_table_level level)
{
    struct ec_build *b = NULL;
    const enum status status = kernel->build_begin(&b, curve, point, level);
    if (status != STATUS_OK) {
        assert_status("a table's key", status, STATUS_BAD_POINT);
        assert_null(b);
        return NULL;
    }
    struct ec_table *t = NULL;
    for (size_t steps = 0; t == NULL; steps++) {
        assert_true(steps <= kernel->table_bytes(curve, level) / STEP);
        t = kernel->build_step(b, w->scratch, STEP);
    }
    kernel->build_free(&b);
    assert_null(b);
    return t;
}

const struct ec_table *table_of(struct kernel_world *w, enum curve curve,
                                const uint8_t point[static EC_POINT_LEN], enum ec_table_level level)
{
    struct kept *k = &kept[0]; /* the longest unused: none that the same call still needs */
    now++;
    for (size_t i = 0; i < KEPT; i++) {
        if (kept[i].curve == curve && memcmp(kept[i].point, point, EC_POINT_LEN) == 0) {
            kept[i].used = now;
            return kept[i].tables[level];
        }
        k = kept[i].used < k->used ? &kept[i] : k;
    }
    drop(k);
    k->used = now;
    k->curve = curve;
    memcpy(k->point, point, EC_POINT_LEN);
    for (int l = EC_TABLE_SMALL; l < EC_TABLE_LEVELS; l++) {
        k->tables[l] = build(w, curve, point, (enum ec_table_level)l);
    }
    return k->tables[level];
}

enum { CHECK_MAX = 200 };

static void check_unknown(struct kernel_world *w, const char *what, size_t n,
                          const struct verify_item items[], const enum status want[])
{
    const struct verify_item *pointers[CHECK_MAX];
    enum status out[CHECK_MAX];
    for (size_t i = 0; i < n; i++) {
        pointers[i] = &items[i];
        out[i] = STATUS_INTERNAL;
    }
    kernel->verify_unknown_vartime(w->scratch, items[0].curve, n, pointers, out);
    for (size_t i = 0; i < n; i++) {
        assert_status(what, out[i], want[i]);
    }
}

/* The items in slices of fewer keys than tables are kept. */
static void check_known(struct kernel_world *w, const char *what, size_t n,
                        const struct verify_item items[], const enum status want[], size_t mix)
{
    for (size_t first = 0; first < n; first += KEPT) {
        const struct verify_item *pointers[KEPT];
        const struct ec_table *tables[KEPT];
        enum status out[KEPT], expected[KEPT];
        size_t count = 0;
        for (size_t i = first; i < n && i < first + KEPT; i++) {
            const size_t level = mix < EC_TABLE_LEVELS ? mix : 1 + i % (EC_TABLE_LEVELS - 1);
            const struct ec_table *t =
                table_of(w, items[i].curve, items[i].public_key, (enum ec_table_level)level);
            assert_int_equal(t == NULL, want[i] == STATUS_BAD_POINT);
            if (t != NULL) {
                pointers[count] = &items[i];
                tables[count] = t;
                expected[count] = want[i];
                out[count++] = STATUS_INTERNAL;
            }
        }
        kernel->verify_known_vartime(w->scratch, items[0].curve, count, pointers, tables, out);
        for (size_t i = 0; i < count; i++) {
            assert_status(what, out[i], expected[i]);
        }
    }
}

void check_verify(struct kernel_world *w, const char *what, size_t n,
                  const struct verify_item items[], const enum status want[])
{
    enum status reference[CHECK_MAX];
    assert_true(n <= CHECK_MAX);
    provider_verify_vartime(w->reference, n, items, reference);
    for (size_t i = 0; want != NULL && i < n; i++) {
        assert_status(what, reference[i], want[i]);
    }
    check_unknown(w, what, n, items, reference);
    for (size_t mix = EC_TABLE_SMALL; mix <= EC_TABLE_LEVELS; mix++) {
        check_known(w, what, n, items, reference, mix);
    }
}

void seeded_pair(struct kernel_world *w, enum curve curve, uint8_t k[static EC_SCALAR_LEN],
                 uint8_t Q[static EC_POINT_LEN])
{
    enum status status = STATUS_INTERNAL;
    do {
        seeded_bytes(k, EC_SCALAR_LEN);
    } while (!scalar_in_range(curve_params(curve), k));
    kernel->mul_base(w->scratch, curve, 1, (const uint8_t *const[]){k}, (uint8_t *const[]){Q},
                     &status);
    assert_status("key pair", status, STATUS_OK);
}
