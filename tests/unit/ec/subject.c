#include "tests/unit/ec/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/core/secret.h"

static const struct ec_kernel *const kernels[] = {
    &ec_kernel_ifma,
    &ec_kernel_portable,
    NULL,
};

enum way { WAY_UNKNOWN, WAY_KNOWN, WAY_ONE, WAY_BACKEND };

enum {
    TABLES_MAX = 4096, /* of one call */
    TABLES_KEPT = 256, /* between calls, and those that were used lately */
    CALLS_KEPT = 2,
    STEP = 37, /* points of a table built at a time: no divisor of any */
};

struct key_table {
    enum curve curve;
    uint8_t point[EC_POINT_LEN];
    struct ec_table *table; /* NULL: no point of its curve */
    size_t used;            /* by that call */
};

struct subject_state {
    enum way way;
    enum ec_table_level level; /* EC_TABLE_NONE: any, by the key */
    const struct ec_kernel *kernel;
    struct ec_scratch *scratch;
    struct provider *provider;
    size_t calls, tables;
    struct key_table table[TABLES_MAX];
};

static void need(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "subject: %s failed\n", what);
        abort();
    }
}

/* -- setting up -- */

static const struct provider_ops *backend_of(const struct ec_kernel *kernel)
{
    const struct provider_ops *const *b = provider_backends();
    while (*b != NULL && strcmp((*b)->name, kernel->name) != 0) {
        b++;
    }
    return *b;
}

/* ECKA_TEST_OWNER: a program built for one family leaves the others out. */
static bool asked_for(const char *owner)
{
    const char *only = getenv("ECKA_TEST_OWNER");
    return only == NULL || strcmp(only, owner) == 0;
}

/*
 * A kernel's global state is made once a process: by its backend, where it has one, since the
 * backend would make it again.
 */
static bool kernel_ready(const struct ec_kernel *kernel)
{
    static const struct ec_kernel *done[SUBJECTS_MAX];
    size_t i = 0;
    if (!asked_for(kernel->name)) {
        return false;
    }
    const char *why = kernel->unusable();
    if (why != NULL) {
        (void)printf("skipped: kernel %s: %s\n", kernel->name, why);
        return false;
    }
    while (done[i] != NULL && done[i] != kernel) {
        i++;
    }
    if (done[i] == NULL) {
        const struct provider_ops *backend = backend_of(kernel);
        void *ctx = NULL;
        if (backend != NULL) {
            need(backend->thread_new(&ctx) == STATUS_OK, "the backend");
            backend->thread_free(&ctx);
        } else {
            need(kernel->global_init() == STATUS_OK, "global_init");
        }
        done[i] = kernel;
    }
    return true;
}

static size_t add(struct subject *out, size_t n, const struct ec_kernel *kernel, enum way way,
                  enum ec_table_level level, const char *name)
{
    char *full = malloc(64);
    struct subject_state *s = calloc(1, sizeof *s);
    need(n < SUBJECTS_MAX && full != NULL && s != NULL, "memory");
    (void)snprintf(full, 64, "%s %s", kernel->name, name);
    *s = (struct subject_state){.way = way, .level = level, .kernel = kernel};
    need(kernel->scratch_new(&s->scratch) == STATUS_OK, "scratch_new");
    out[n] = (struct subject){.name = full,
                              .owner = kernel->name,
                              .kernel = kernel,
                              .slow = strcmp(kernel->name, "ifma") != 0,
                              .state = s};
    return n + 1;
}

static size_t add_kernel(struct subject *out, size_t n, const struct ec_kernel *kernel)
{
    if (kernel->verify_unknown_vartime != NULL) {
        n = add(out, n, kernel, WAY_UNKNOWN, EC_TABLE_NONE, "unknown");
    }
    if (kernel->verify_known_vartime != NULL) {
        n = add(out, n, kernel, WAY_KNOWN, EC_TABLE_SMALL, "known small");
        n = add(out, n, kernel, WAY_KNOWN, EC_TABLE_NONE, "known any");
    }
    if (kernel->verify_one_vartime != NULL) {
        n = add(out, n, kernel, WAY_ONE, EC_TABLE_NONE, "one");
    }
    return n;
}

static size_t add_backend(struct subject *out, size_t n, const struct provider_ops *ops)
{
    const char *why = ops->unusable();
    if (why != NULL) {
        (void)printf("skipped: backend %s: %s\n", ops->name, why);
        return n;
    }
    char *full = malloc(64);
    struct subject_state *s = calloc(1, sizeof *s);
    need(n < SUBJECTS_MAX && full != NULL && s != NULL, "memory");
    (void)snprintf(full, 64, "backend %s", ops->name);
    s->way = WAY_BACKEND;
    need(provider_new_with(&s->provider, ops) == STATUS_OK, "provider_new_with");
    out[n] = (struct subject){
        .name = full, .owner = ops->name, .slow = strcmp(ops->name, "ifma") != 0, .state = s};
    return n + 1;
}

size_t subjects_open(enum subject_kind kind, struct subject out[static SUBJECTS_MAX])
{
    size_t n = 0;
    need(secret_init() == STATUS_OK, "secret_init");
    for (size_t i = 0; (kind & SUBJECT_KERNELS) != 0 && kernels[i] != NULL; i++) {
        if (kernel_ready(kernels[i])) {
            n = add_kernel(out, n, kernels[i]);
        }
    }
    const struct provider_ops *const *b = provider_backends();
    for (; (kind & SUBJECT_BACKENDS) != 0 && *b != NULL; b++) {
        if (asked_for((*b)->name)) {
            n = add_backend(out, n, *b);
        }
    }
    return n;
}

/* All but those used by one of the last so many calls. */
static void tables_drop(struct subject_state *s, size_t calls)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->tables; i++) {
        struct key_table *k = &s->table[i];
        if (s->calls - k->used < calls) {
            s->table[kept++] = *k;
        } else if (k->table != NULL) {
            s->kernel->table_free(&k->table);
        }
    }
    s->tables = kept;
}

void subjects_close(size_t n, struct subject s[])
{
    for (size_t i = 0; i < n; i++) {
        struct subject_state *state = s[i].state;
        tables_drop(state, 0);
        if (state->kernel != NULL) {
            state->kernel->scratch_free(&state->scratch);
        }
        provider_free(&state->provider);
        free((void *)(uintptr_t)s[i].name);
        free(state);
    }
}

/* -- tables -- */

static struct ec_table *build(struct subject_state *s, const struct verify_item *item,
                              enum ec_table_level level)
{
    struct ec_build *b = NULL;
    enum status status = s->kernel->build_begin(&b, item->curve, item->public_key, level);
    if (status == STATUS_BAD_POINT) {
        need(b == NULL, "build_begin, which left a build behind");
        return NULL;
    }
    need(status == STATUS_OK, "build_begin");
    struct ec_table *t = NULL;
    while (t == NULL) {
        t = s->kernel->build_step(b, s->scratch, STEP);
    }
    s->kernel->build_free(&b);
    return t;
}

/* The key's table, made when it is first seen; NULL for what is no point of its curve. */
static const struct ec_table *table_of(struct subject_state *s, const struct verify_item *item)
{
    for (size_t i = 0; i < s->tables; i++) {
        struct key_table *k = &s->table[i];
        if (k->curve == item->curve && memcmp(k->point, item->public_key, EC_POINT_LEN) == 0) {
            k->used = s->calls;
            return k->table;
        }
    }
    /* Any level, by the key: the wider, the rarer. */
    static const enum ec_table_level any[] = {EC_TABLE_WIDE,  EC_TABLE_MEDIUM, EC_TABLE_MEDIUM,
                                              EC_TABLE_SMALL, EC_TABLE_SMALL,  EC_TABLE_SMALL};
    enum ec_table_level level = s->level;
    if (level == EC_TABLE_NONE) {
        level = any[item->public_key[EC_POINT_LEN - 1] % (sizeof any / sizeof any[0])];
    }
    need(s->tables < TABLES_MAX, "room for tables");
    struct key_table *k = &s->table[s->tables++];
    k->curve = item->curve;
    k->used = s->calls;
    memcpy(k->point, item->public_key, EC_POINT_LEN);
    k->table = build(s, item, level);
    return k->table;
}

/* -- verifying -- */

struct part { /* items of one curve, and where their answers go */
    size_t n;
    const struct verify_item **items;
    const struct ec_table **tables;
    size_t *place;
    enum status *out;
};

static struct part part_new(size_t n)
{
    struct part p = {.items = calloc(n + 1, sizeof(void *)),
                     .tables = calloc(n + 1, sizeof(void *)),
                     .place = calloc(n + 1, sizeof(size_t)),
                     .out = calloc(n + 1, sizeof(enum status))};
    need(p.items != NULL && p.tables != NULL && p.place != NULL && p.out != NULL, "memory");
    return p;
}

static void part_free(struct part *p)
{
    free(p->items);
    free(p->tables);
    free(p->place);
    free(p->out);
}

/* Items of one curve; those with no table where one is wanted are BAD_POINT at once. */
static void gather(struct subject_state *s, struct part *p, enum curve curve, size_t n,
                   const struct verify_item items[], enum status out[])
{
    p->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].curve != curve) {
            continue;
        }
        const bool known = s->way != WAY_UNKNOWN;
        const struct ec_table *table = known ? table_of(s, &items[i]) : NULL;
        if (known && table == NULL) {
            out[i] = STATUS_BAD_POINT;
            continue;
        }
        p->items[p->n] = &items[i];
        p->tables[p->n] = table;
        p->place[p->n] = i;
        p->out[p->n++] = STATUS_INTERNAL;
    }
}

static void run(struct subject_state *s, const struct part *p, enum curve curve)
{
    if (s->way == WAY_UNKNOWN) {
        s->kernel->verify_unknown_vartime(s->scratch, curve, p->n, p->items, p->out);
    } else if (s->way == WAY_KNOWN) {
        s->kernel->verify_known_vartime(s->scratch, curve, p->n, p->items, p->tables, p->out);
    } else {
        for (size_t i = 0; i < p->n; i++) {
            p->out[i] = s->kernel->verify_one_vartime(s->scratch, curve, p->items[i], p->tables[i]);
        }
    }
}

void subject_verify(const struct subject *subject, size_t n, const struct verify_item items[],
                    enum status out[])
{
    struct subject_state *s = subject->state;
    if (s->way == WAY_BACKEND) {
        provider_verify_vartime(s->provider, n, items, out);
        return;
    }
    s->calls++;
    if (s->tables > TABLES_KEPT) {
        tables_drop(s, CALLS_KEPT);
    }
    struct part p = part_new(n);
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        gather(s, &p, (enum curve)c, n, items, out);
        run(s, &p, (enum curve)c);
        for (size_t i = 0; i < p.n; i++) {
            out[p.place[i]] = p.out[i];
        }
    }
    part_free(&p);
}

size_t kernels_open(struct usable_kernel out[static SUBJECTS_MAX])
{
    size_t n = 0;
    need(secret_init() == STATUS_OK, "secret_init");
    for (size_t i = 0; kernels[i] != NULL; i++) {
        if (kernel_ready(kernels[i])) {
            out[n].kernel = kernels[i];
            need(kernels[i]->scratch_new(&out[n].scratch) == STATUS_OK, "scratch_new");
            n++;
        }
    }
    return n;
}

void kernels_close(size_t n, struct usable_kernel k[])
{
    for (size_t i = 0; i < n; i++) {
        k[i].kernel->scratch_free(&k[i].scratch);
    }
}
