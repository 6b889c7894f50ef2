/*
 * Which backends there are, which one is used, and a thread's handle on it.
 *
 * The choice is one pointer, written by provider_select() before other threads exist and only read
 * afterwards.
 */
#include "providers/registry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/core/selftest.h"
#include "providers/libcrypto/backend.h"

struct provider {
    const struct provider_ops *ops;
    void *ctx;
    struct sym *sym;
};

/* The best first. */
static const struct provider_ops *const backends_compiled_in[] = {&libcrypto_backend, NULL};

static const struct provider_ops *selected;

const struct provider_ops *const *provider_backends(void)
{
    return backends_compiled_in;
}

const char *provider_name(void)
{
    return selected != NULL ? selected->name : "none";
}

struct reporter {
    void (*report)(void *arg, const char *sentence);
    void *arg;
};

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
        say(to, "backend %s: not usable here: %s", ops->name, why);
        return false;
    }
    if (selftest_backend(ops, failed) != STATUS_OK) {
        say(to, "backend %s: known-answer test failed: %s; not used", ops->name, failed);
        return false;
    }
    return true;
}

enum status provider_select_from(const struct provider_ops *const *backends, const char *wanted,
                                 void (*report)(void *arg, const char *sentence), void *arg)
{
    const struct reporter to = {report, arg};
    const bool any = wanted == NULL || wanted[0] == '\0';
    bool known = any;
    selected = NULL;
    if (!sym_fit(&to)) {
        return STATUS_INTERNAL;
    }
    for (; *backends != NULL && selected == NULL; backends++) {
        if (!any && strcmp((*backends)->name, wanted) != 0) {
            continue;
        }
        known = true;
        if (backend_fit(*backends, &to)) {
            selected = *backends;
            say(&to, "backend %s: known-answer tests passed; used", selected->name);
        }
    }
    if (!known) {
        say(&to, "no backend is called %s", wanted);
    }
    return selected != NULL ? STATUS_OK : STATUS_INTERNAL;
}

enum status provider_select(void (*report)(void *arg, const char *sentence), void *arg)
{
    return provider_select_from(backends_compiled_in, getenv("ECKA_BACKEND"), report, arg);
}

enum status provider_new_with(struct provider **out, const struct provider_ops *ops)
{
    *out = NULL;
    struct provider *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return STATUS_INTERNAL;
    }
    p->ops = ops;
    enum status status = sym_new(&p->sym);
    if (status == STATUS_OK) {
        status = ops->thread_new(&p->ctx);
    }
    if (status != STATUS_OK) {
        provider_free(&p);
        return status;
    }
    *out = p;
    return STATUS_OK;
}

enum status provider_new(struct provider **out)
{
    *out = NULL;
    return selected != NULL ? provider_new_with(out, selected) : STATUS_INTERNAL;
}

void provider_free(struct provider **pp)
{
    struct provider *p = *pp;
    if (p != NULL) {
        p->ops->thread_free(&p->ctx);
        sym_free(&p->sym);
        free(p);
        *pp = NULL;
    }
}

void provider_verify_vartime(struct provider *p, size_t n, const struct verify_item items[],
                             enum status out[])
{
    p->ops->verify_vartime(p->ctx, n, items, out);
}

void provider_keygen(struct provider *p, struct drbg *drbg, size_t n,
                     const struct keygen_item items[], enum status out[])
{
    p->ops->keygen(p->ctx, drbg, n, items, out);
}

enum status provider_check_point(struct provider *p, enum curve curve,
                                 const uint8_t point[EC_POINT_LEN])
{
    return p->ops->check_point(p->ctx, curve, point);
}

void provider_ecka(struct provider *p, size_t n, const struct ecka_item items[], enum status out[])
{
    p->ops->ecka(p->ctx, n, items, out);
}

struct sym *provider_sym(struct provider *p)
{
    return p->sym;
}
