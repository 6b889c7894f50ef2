#include "providers/recheck.h"

#include <stdatomic.h>

#include "providers/core/random.h"
#include "providers/libcrypto/backend.h"

static _Atomic uint64_t compared, differed;

static enum status draw_gap(struct recheck *r)
{
    uint8_t bytes[sizeof(uint64_t)];
    TRY(drbg_bytes(r->drbg, bytes, sizeof bytes));
    /* 0 .. 2 (one_in - 1): with the item itself one_in on average */
    r->until = load_be(bytes, sizeof bytes) % (2 * (uint64_t)r->one_in - 1);
    return STATUS_OK;
}

enum status recheck_init(struct recheck *r, uint32_t one_in)
{
    *r = (struct recheck){.one_in = one_in};
    if (one_in == 0) {
        return STATUS_OK;
    }
    enum status s = libcrypto_backend.thread_new(&r->reference);
    if (s == STATUS_OK) {
        s = drbg_new(&r->drbg, span_of(NULL, 0));
    }
    if (s == STATUS_OK) {
        s = draw_gap(r);
    }
    if (s != STATUS_OK) {
        recheck_fini(r);
    }
    return s;
}

void recheck_fini(struct recheck *r)
{
    libcrypto_backend.thread_free(&r->reference);
    drbg_free(&r->drbg);
}

/* Who could not tell does not contradict. */
static bool agree(enum status a, enum status b)
{
    return a == b || a == STATUS_COULD_NOT_TELL || b == STATUS_COULD_NOT_TELL;
}

bool recheck_batch_vartime(struct recheck *r, size_t n, const struct verify_item items[],
                           enum status out[])
{
    size_t i = 0;
    if (r->reference == NULL) {
        return true;
    }
    for (; r->until < n - i; i++) {
        i += (size_t)r->until;
        if (draw_gap(r) != STATUS_OK) {
            r->until = 0; /* without randomness every item is compared */
        }
        enum status theirs = STATUS_COULD_NOT_TELL;
        libcrypto_backend.verify_vartime(r->reference, 1, &items[i], &theirs);
        atomic_fetch_add_explicit(&compared, 1, memory_order_relaxed);
        if (!agree(out[i], theirs)) {
            atomic_fetch_add_explicit(&differed, 1, memory_order_relaxed);
            libcrypto_backend.verify_vartime(r->reference, n, items, out);
            return false;
        }
    }
    r->until -= n - i;
    return true;
}

uint64_t recheck_count(void)
{
    return atomic_load_explicit(&compared, memory_order_relaxed);
}

uint64_t recheck_mismatches(void)
{
    return atomic_load_explicit(&differed, memory_order_relaxed);
}
