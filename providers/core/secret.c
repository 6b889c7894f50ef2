#include "providers/core/secret.h"

#include <openssl/crypto.h>
#include <sodium.h>

enum {
    SECRET_ALIGN = 16,
    LIBCRYPTO_HEAP =
        1 << 19,             /* locked bytes for libcrypto's secret BIGNUMs, all threads together */
    LIBCRYPTO_HEAP_MIN = 32, /* its smallest piece */
};

/* Both answers mean a heap of libcrypto's; only 1 says that it is locked and fenced. */
static enum status libcrypto_heap_init(void)
{
    if (CRYPTO_secure_malloc_initialized() == 1) {
        return STATUS_OK;
    }
    return CRYPTO_secure_malloc_init(LIBCRYPTO_HEAP, LIBCRYPTO_HEAP_MIN) == 1 ? STATUS_OK
                                                                              : STATUS_INTERNAL;
}

enum status secret_init(void)
{
    if (sodium_init() < 0) {
        return STATUS_INTERNAL;
    }
    return libcrypto_heap_init();
}

void *secret_alloc(size_t count, size_t size)
{
    size_t len = 0;
    if (__builtin_mul_overflow(count, size, &len) || len > SIZE_MAX - SECRET_ALIGN) {
        return NULL;
    }
    /* sodium_malloc() ends an allocation at its guard page: a round length keeps the start aligned.
     */
    len = (len + SECRET_ALIGN - 1) / SECRET_ALIGN * SECRET_ALIGN;
    void *p = sodium_malloc(len);
    if (p == NULL) {
        return NULL;
    }
    /* sodium_malloc() goes on without a lock when there is none to be had; this does not. */
    if (sodium_mlock(p, len) != 0) {
        sodium_free(p);
        return NULL;
    }
    sodium_memzero(p, len);
    return p;
}

void secret_free_(void **p)
{
    sodium_free(*p); /* wipes; takes NULL */
    *p = NULL;
}

void secret_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}

int secret_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}
