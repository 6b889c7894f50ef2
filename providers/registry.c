/*
 * Which backends there are, which one is used, and a thread's handle on it.
 *
 * The choice is one pointer. provider_select() writes it before other threads compute; afterwards
 * it changes only when a re-check finds a wrong verdict. Threads notice that at their next batch by
 * the number of choices made.
 */
#include "providers/registry.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/core/selftest.h"
#include "providers/ec/backend.h"
#include "providers/libcrypto/backend.h"
#include "providers/recheck.h"

struct provider {
    const struct provider_ops *ops;
    void *ctx;
    struct sym *sym;
    struct recheck recheck;
    bool follows;  /* the process's choice */
    unsigned seen; /* choices, when ops was taken */
};

/* The best first. */
static const struct provider_ops *const backends_compiled_in[] = {
    &ec_backend_ifma, &ec_backend_portable, &libcrypto_backend, NULL};

/* The candidates of the last provider_select(), and whom to tell. */
struct reporter {
    void (*report)(void *arg, const char *sentence);
    void *arg;
};
static const struct provider_ops *const *candidates = backends_compiled_in;
static struct reporter reporter;

/* Why each candidate was refused, in their order; constants, NULL where it was not. */
enum { CANDIDATES_MAX = 8 };
static const char *_Atomic refusals[CANDIDATES_MAX];

static const struct provider_ops *_Atomic selected;
static atomic_uint choices;
/* What the known-answer tests used; they count for nobody. */
static _Atomic uint64_t tested_hits, tested_misses;
static _Atomic uint32_t recheck_one_in = PROVIDER_RECHECK_ONE_IN;

/* Pinned keys, for a backend that takes another's place. Written at start alone. */
static struct {
    enum curve curve;
    uint8_t point[EC_POINT_LEN];
} pins[PROVIDER_PINS_MAX];
static size_t pin_count;

const struct provider_ops *const *provider_backends(void)
{
    return backends_compiled_in;
}

const char *provider_name(void)
{
    const struct provider_ops *ops = atomic_load(&selected);
    return ops != NULL ? ops->name : "none";
}

void provider_refused(char out[static PROVIDER_REFUSED_MAX])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < CANDIDATES_MAX && candidates[i] != NULL; i++) {
        const char *why = atomic_load(&refusals[i]);
        if (why != NULL && len < PROVIDER_REFUSED_MAX) {
            len += (size_t)snprintf(out + len, PROVIDER_REFUSED_MAX - len, "%s%s: %s",
                                    len > 0 ? "; " : "", candidates[i]->name, why);
        }
    }
}

static void refuse(const struct provider_ops *ops, const char *why)
{
    for (size_t i = 0; i < CANDIDATES_MAX && candidates[i] != NULL; i++) {
        if (candidates[i] == ops) {
            atomic_store(&refusals[i], why);
        }
    }
}

static void choose(const struct provider_ops *ops)
{
    struct provider_stats tested = {0};
    if (ops != NULL && ops->stats != NULL) {
        ops->stats(&tested);
    }
    atomic_store(&tested_hits, tested.hits);
    atomic_store(&tested_misses, tested.misses);
    atomic_store(&selected, ops);
    atomic_fetch_add(&choices, 1);
}

__attribute__((format(printf, 2, 3))) static void say(const struct reporter *to, const char *format,
                                                      ...)
{
    char sentence[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (to->report != NULL) {
        to->report(to->arg, sentence);
    }
}

/* The symmetric functions are libcrypto's whichever backend computes the curves. */
static bool sym_fit(const struct reporter *to)
{
    char failed[SELFTEST_NAME_SIZE] = "setting up";
    struct sym *sym = NULL;
    bool fit = sym_new(&sym) == STATUS_OK && selftest_sym(sym, failed) == STATUS_OK;
    sym_free(&sym);
    if (!fit) {
        say(to, "symmetric functions: known-answer test failed: %s", failed);
    }
    return fit;
}

static bool backend_fit(const struct provider_ops *ops, const struct reporter *to)
{
    char failed[SELFTEST_NAME_SIZE] = "";
    const char *why = ops->unusable();
    if (why != NULL) {
        refuse(ops, why);
        say(to, "backend %s: not usable here: %s", ops->name, why);
        return false;
    }
    if (selftest_backend(ops, failed) != STATUS_OK) {
        refuse(ops, "a known-answer test failed");
        say(to, "backend %s: known-answer test failed: %s; not used", ops->name, failed);
        return false;
    }
    return true;
}

enum status provider_select_from(const struct provider_ops *const *backends, const char *wanted,
                                 void (*report)(void *arg, const char *sentence), void *arg)
{
    const bool any = wanted == NULL || wanted[0] == '\0';
    bool known = any;
    candidates = backends;
    reporter = (struct reporter){report, arg};
    choose(NULL);
    for (size_t i = 0; i < CANDIDATES_MAX; i++) {
        atomic_store(&refusals[i], NULL);
    }
    if (!sym_fit(&reporter)) {
        return STATUS_INTERNAL;
    }
    for (; *backends != NULL && atomic_load(&selected) == NULL; backends++) {
        if (!any && strcmp((*backends)->name, wanted) != 0) {
            refuse(*backends, "ECKA_BACKEND names another");
            continue;
        }
        known = true;
        if (backend_fit(*backends, &reporter)) {
            say(&reporter, "backend %s: known-answer tests passed; used", (*backends)->name);
            choose(*backends);
        }
    }
    if (!known) {
        say(&reporter, "no backend is called %s", wanted);
    }
    return atomic_load(&selected) != NULL ? STATUS_OK : STATUS_INTERNAL;
}

enum status provider_select(void (*report)(void *arg, const char *sentence), void *arg)
{
    return provider_select_from(backends_compiled_in, getenv("ECKA_BACKEND"), report, arg);
}

/* The next candidate after the wrong one that is fit; libcrypto, which found it out, if none is. */
static const struct provider_ops *successor(const struct provider_ops *wrong)
{
    const struct provider_ops *const *b = candidates;
    while (*b != NULL && *b != wrong) {
        b++;
    }
    for (b += *b != NULL; *b != NULL && *b != &libcrypto_backend; b++) {
        if (backend_fit(*b, &reporter)) {
            return *b;
        }
    }
    return &libcrypto_backend;
}

/* The workers build these tables after their batches. */
static void hand_on_pins(const struct provider_ops *ops)
{
    for (size_t i = 0; ops->pin_key != NULL && i < pin_count; i++) {
        if (ops->pin_key(pins[i].curve, pins[i].point, false) != STATUS_OK) {
            say(&reporter, "backend %s: a pinned key gets no table", ops->name);
        }
    }
}

/* From here on libcrypto answers, until the backend's successor has passed its tests. */
static void disable(const struct provider_ops *wrong)
{
    const struct provider_ops *expected = wrong;
    if (!atomic_compare_exchange_strong(&selected, &expected, &libcrypto_backend)) {
        return; /* another thread was first */
    }
    atomic_fetch_add(&choices, 1);
    refuse(wrong, "a verdict differed from libcrypto's");
    say(&reporter, PROVIDER_ALARM "backend %s: a verdict differs from libcrypto's; disabled",
        wrong->name);
    const struct provider_ops *next = successor(wrong);
    if (next != &libcrypto_backend) {
        hand_on_pins(next);
        choose(next);
    }
    say(&reporter, PROVIDER_ALARM "backend %s: used in place of %s", next->name, wrong->name);
}

static enum status take(struct provider *p, const struct provider_ops *ops)
{
    void *ctx = NULL;
    TRY(ops->thread_new(&ctx));
    if (p->ops != NULL) {
        p->ops->thread_free(&p->ctx);
    }
    p->ops = ops;
    p->ctx = ctx;
    return STATUS_OK;
}

/* A disabled backend computes nothing more: without memory for its successor the batch fails. */
static bool follow(struct provider *p)
{
    unsigned now = atomic_load(&choices);
    const struct provider_ops *ops = atomic_load(&selected);
    if (!p->follows || p->seen == now || ops == NULL) {
        return true;
    }
    if (ops != p->ops && take(p, ops) != STATUS_OK) {
        return false;
    }
    p->seen = now;
    return true;
}

static enum status provider_make(struct provider **out, const struct provider_ops *ops,
                                 bool follows, unsigned seen)
{
    *out = NULL;
    struct provider *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return STATUS_INTERNAL;
    }
    p->follows = follows;
    p->seen = seen;
    enum status status = sym_new(&p->sym);
    if (status == STATUS_OK) {
        status = take(p, ops);
    }
    if (status == STATUS_OK && follows) {
        status = recheck_init(&p->recheck, atomic_load(&recheck_one_in));
    }
    if (status != STATUS_OK) {
        provider_free(&p);
        return status;
    }
    *out = p;
    return STATUS_OK;
}

enum status provider_new_with(struct provider **out, const struct provider_ops *ops)
{
    return provider_make(out, ops, false, 0);
}

enum status provider_new(struct provider **out)
{
    *out = NULL;
    unsigned seen = atomic_load(&choices); /* before the choice: at worst it is taken again */
    const struct provider_ops *ops = atomic_load(&selected);
    return ops != NULL ? provider_make(out, ops, true, seen) : STATUS_INTERNAL;
}

void provider_free(struct provider **pp)
{
    struct provider *p = *pp;
    if (p != NULL) {
        if (p->ops != NULL) {
            p->ops->thread_free(&p->ctx);
        }
        recheck_fini(&p->recheck);
        sym_free(&p->sym);
        free(p);
        *pp = NULL;
    }
}

static void fail_all(size_t n, enum status out[], enum status status)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = status;
    }
}

void provider_verify_vartime(struct provider *p, size_t n, const struct verify_item items[],
                             enum status out[])
{
    if (!follow(p)) {
        fail_all(n, out, STATUS_COULD_NOT_TELL);
        return;
    }
    p->ops->verify_vartime(p->ctx, n, items, out);
    if (p->ops != &libcrypto_backend && !recheck_batch_vartime(&p->recheck, n, items, out)) {
        disable(p->ops);
    }
}

void provider_keygen(struct provider *p, struct drbg *drbg, size_t n,
                     const struct keygen_item items[], enum status out[])
{
    if (follow(p)) {
        p->ops->keygen(p->ctx, drbg, n, items, out);
        return;
    }
    fail_all(n, out, STATUS_INTERNAL);
    for (size_t i = 0; i < n; i++) {
        memset(items[i].k, 0, EC_SCALAR_LEN);
        memset(items[i].Q, 0, EC_POINT_LEN);
    }
}

enum status provider_check_point(struct provider *p, enum curve curve,
                                 const uint8_t point[EC_POINT_LEN])
{
    return follow(p) ? p->ops->check_point(p->ctx, curve, point) : STATUS_INTERNAL;
}

void provider_ecka(struct provider *p, size_t n, const struct ecka_item items[], enum status out[])
{
    if (follow(p)) {
        p->ops->ecka(p->ctx, n, items, out);
        return;
    }
    fail_all(n, out, STATUS_INTERNAL);
    for (size_t i = 0; i < n; i++) {
        memset(items[i].z, 0, ECDH_Z_LEN);
    }
}

struct sym *provider_sym(struct provider *p)
{
    return p->sym;
}

enum status provider_pin_key(enum curve curve, const uint8_t point[EC_POINT_LEN])
{
    const struct provider_ops *ops = atomic_load(&selected);
    if (ops == NULL || pin_count == PROVIDER_PINS_MAX) {
        return ops == NULL ? STATUS_INTERNAL : STATUS_NO_SPACE;
    }
    if (ops->pin_key != NULL) {
        TRY(ops->pin_key(curve, point, true));
    }
    pins[pin_count].curve = curve;
    memcpy(pins[pin_count].point, point, EC_POINT_LEN);
    pin_count++;
    return STATUS_OK;
}

void provider_set_table_budget(size_t bytes)
{
    for (const struct provider_ops *const *b = candidates; *b != NULL; b++) {
        if ((*b)->set_table_budget != NULL) {
            (*b)->set_table_budget(bytes);
        }
    }
}

void provider_set_recheck(uint32_t one_in)
{
    atomic_store(&recheck_one_in, one_in);
}

void provider_stats(struct provider_stats *out)
{
    const struct provider_ops *ops = atomic_load(&selected);
    *out = (struct provider_stats){0};
    if (ops != NULL && ops->stats != NULL) {
        ops->stats(out);
        out->hits -= atomic_load(&tested_hits);
        out->misses -= atomic_load(&tested_misses);
    }
    out->rechecks = recheck_count();
    out->mismatches = recheck_mismatches();
}
