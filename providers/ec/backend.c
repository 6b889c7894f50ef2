#include "providers/ec/backend.h"

#include <stdlib.h>
#include <unistd.h>

#include "providers/core/curves.h"
#include "providers/ec/check.h"
#include "providers/ec/internal.h"

/* -- the family -- */

enum { FAMILY_NEW, FAMILY_BUSY, FAMILY_READY, FAMILY_BROKEN };

static int family_set_up(struct ec_family *f)
{
    if (f->kernel->unusable() != NULL || f->kernel->global_init() != STATUS_OK ||
        ec_cache_new(&f->cache, f->kernel, atomic_load(&f->budget)) != STATUS_OK) {
        return FAMILY_BROKEN;
    }
    return FAMILY_READY;
}

/* Sets the kernel up; a thread that comes while another does so waits for it. */
static enum status family_ready(struct ec_family *f)
{
    int state = FAMILY_NEW;
    if (atomic_compare_exchange_strong(&f->state, &state, FAMILY_BUSY)) {
        state = family_set_up(f);
        atomic_store(&f->state, state);
    }
    while (state == FAMILY_BUSY) {
        (void)usleep(1000);
        state = atomic_load(&f->state);
    }
    return state == FAMILY_READY ? STATUS_OK : STATUS_INTERNAL;
}

void ec_thread_free(void **ctx)
{
    struct ec_thread *t = *ctx;
    if (t == NULL) {
        return;
    }
    ec_cache_reader_free(&t->reader);
    if (t->scratch != NULL) {
        t->family->kernel->scratch_free(&t->scratch);
    }
    free(t);
    *ctx = NULL;
}

enum status ec_thread_new(struct ec_family *family, void **ctx)
{
    *ctx = NULL;
    TRY(family_ready(family));
    struct ec_thread *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return STATUS_INTERNAL;
    }
    t->family = family;
    void *made = t;
    enum status s = family->kernel->scratch_new(&t->scratch);
    if (s == STATUS_OK) {
        s = ec_cache_reader_new(&t->reader, family->cache);
    }
    if (s != STATUS_OK) {
        ec_thread_free(&made);
        return s;
    }
    *ctx = made;
    return STATUS_OK;
}

enum status ec_pin_key(struct ec_family *family, enum curve curve,
                       const uint8_t point[EC_POINT_LEN], bool now)
{
    struct ec_scratch *scratch = NULL;
    TRY(ec_check_point_vartime(curve, point));
    TRY(family_ready(family));
    if (now) {
        TRY(family->kernel->scratch_new(&scratch));
    }
    enum status s = ec_cache_pin(family->cache, curve, point, scratch);
    if (scratch != NULL) {
        family->kernel->scratch_free(&scratch);
    }
    return s;
}

void ec_set_table_budget(struct ec_family *family, size_t bytes)
{
    atomic_store(&family->budget, bytes);
    if (atomic_load(&family->state) == FAMILY_READY) {
        ec_cache_set_budget(family->cache, bytes);
    }
}

void ec_stats(struct ec_family *family, struct provider_stats *out)
{
    out->budget = atomic_load(&family->budget);
    if (atomic_load(&family->state) == FAMILY_READY) {
        ec_cache_stats(family->cache, out);
    }
}

enum status ec_check_point(void *ctx, enum curve curve, const uint8_t point[EC_POINT_LEN])
{
    (void)ctx;
    return ec_check_point_vartime(curve, point);
}

/* -- verification -- */

static bool curve_valid(enum curve curve)
{
    return curve > CURVE_NONE && curve < CURVE_COUNT;
}

/* Part 0, which no curve has, takes the items that go to no kernel. */
static uint8_t part_of(enum curve curve, const struct ec_table *table)
{
    return (uint8_t)(2 * (unsigned)curve + (table != NULL));
}

/* Where each part begins among the sorted; begins[EC_PARTS_MAX] is n. */
static void sort_parts(struct ec_thread *t, size_t n, size_t begins[static EC_PARTS_MAX + 1])
{
    size_t next[EC_PARTS_MAX];
    memset(begins, 0, (EC_PARTS_MAX + 1) * sizeof begins[0]);
    for (size_t i = 0; i < n; i++) {
        begins[t->part[i] + 1]++;
    }
    for (size_t p = 0; p < EC_PARTS_MAX; p++) {
        begins[p + 1] += begins[p];
        next[p] = begins[p];
    }
    for (size_t i = 0; i < n; i++) {
        t->order[next[t->part[i]]++] = (uint16_t)i;
    }
}

static void classify(struct ec_thread *t, size_t n, const struct verify_item items[])
{
    for (size_t i = 0; i < n; i++) {
        t->part[i] = 0;
        t->table[i] = NULL;
        if (curve_valid(items[i].curve)) {
            t->table[i] = ec_cache_use(t->reader, items[i].curve, items[i].public_key);
            t->part[i] = part_of(items[i].curve, t->table[i]);
        }
    }
}

static void verify_part(struct ec_thread *t, size_t part, size_t begin, size_t n)
{
    const struct ec_kernel *k = t->family->kernel;
    const struct verify_item *const *items = &t->verify[begin];
    const struct ec_table *const *tables = &t->sorted_table[begin];
    enum status *status = &t->status[begin];
    const enum curve curve = (enum curve)(part / 2);
    if (curve == CURVE_NONE) {
        for (size_t i = 0; i < n; i++) {
            status[i] = STATUS_BAD_CURVE;
        }
    } else if (part % 2 == 0) {
        k->verify_unknown_vartime(t->scratch, curve, n, items, status);
    } else if (n == 1 && k->verify_one_vartime != NULL) {
        status[0] = k->verify_one_vartime(t->scratch, curve, items[0], tables[0]);
    } else {
        k->verify_known_vartime(t->scratch, curve, n, items, tables, status);
    }
}

static void verify_chunk(struct ec_thread *t, size_t n, const struct verify_item items[],
                         enum status out[])
{
    size_t begins[EC_PARTS_MAX + 1];
    classify(t, n, items);
    sort_parts(t, n, begins);
    for (size_t i = 0; i < n; i++) {
        t->verify[i] = &items[t->order[i]];
        t->sorted_table[i] = t->table[t->order[i]];
        t->status[i] = STATUS_COULD_NOT_TELL;
    }
    for (size_t p = 0; p < EC_PARTS_MAX; p++) {
        if (begins[p + 1] > begins[p]) {
            verify_part(t, p, begins[p], begins[p + 1] - begins[p]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        out[t->order[i]] = t->status[i];
    }
}

void ec_verify_vartime(void *ctx, size_t n, const struct verify_item items[], enum status out[])
{
    struct ec_thread *t = ctx;
    ec_cache_enter(t->reader);
    for (size_t done = 0; done < n; done += EC_CHUNK) {
        size_t chunk = n - done < EC_CHUNK ? n - done : EC_CHUNK;
        verify_chunk(t, chunk, items + done, out + done);
    }
    ec_cache_leave(t->reader);
    ec_cache_work(t->reader, t->scratch, n);
}
