/*
 * The arithmetic of eckad: a batch in, a status an item out.
 *
 * A backend is a table of functions over batches (struct provider_ops). provider_select() runs each
 * backend's known-answer tests and takes the best that passes. Each thread that computes owns one
 * struct provider; nothing here starts a thread, opens a socket or keeps a lock. Items of a batch
 * are independent: one bad item never changes its neighbours' results. Outputs of an item whose
 * status is not OK are zero.
 */
#ifndef PROVIDERS_PROVIDER_H
#define PROVIDERS_PROVIDER_H

#include <stddef.h>
#include <stdint.h>

#include "proto/bytes.h"
#include "proto/curve.h"

enum {
    EC_POINT_LEN = 65,     /* SEC 1, 2.3.3, uncompressed: 04 || x || y */
    EC_SCALAR_LEN = 32,    /* big-endian */
    EC_SIGNATURE_LEN = 64, /* r || s, big-endian */
    SHA256_LEN = 32,
    ECDH_Z_LEN = 32, /* the x-coordinate, left padded (BSI TR-03111, 4.3) */
};

/* One ECDSA verification (SEC 1, 4.1.4). Pointers are borrowed for the call. */
struct verify_item {
    enum curve curve;
    const uint8_t *public_key; /* EC_POINT_LEN */
    const uint8_t *digest;     /* SHA256_LEN; a value >= n is reduced */
    const uint8_t *signature;  /* EC_SIGNATURE_LEN; r and s in [1, n-1] or SIGNATURE_INVALID */
};

/* One key pair (SEC 1, 3.2.1): k is a secret. */
struct keygen_item {
    enum curve curve;
    uint8_t *k; /* out: EC_SCALAR_LEN */
    uint8_t *Q; /* out: EC_POINT_LEN */
};

/* One key agreement, ECKA-EG's Z (BSI TR-03111, 4.3.2.1): k and z are secrets. */
struct ecka_item {
    enum curve curve;
    const uint8_t *k;    /* EC_SCALAR_LEN */
    const uint8_t *peer; /* EC_POINT_LEN; checked to lie on the curve */
    uint8_t *z;          /* out: ECDH_Z_LEN */
};

struct drbg; /* providers/core/random.h */

struct provider_ops {
    const char *name; /* "libcrypto", ... */

    /* Whether this machine can run it; otherwise a sentence says why not. */
    const char *(*unusable)(void);

    MUST_CHECK enum status (*thread_new)(void **ctx);
    void (*thread_free)(void **ctx);

    /* OK, SIGNATURE_INVALID, BAD_POINT, BAD_CURVE, COULD_NOT_TELL. Public data: variable time. */
    void (*verify_vartime)(void *ctx, size_t n, const struct verify_item items[],
                           enum status out[]);
    /* OK, BAD_CURVE, INTERNAL. Scalars by rejection sampling from the DRBG. */
    void (*keygen)(void *ctx, struct drbg *drbg, size_t n, const struct keygen_item items[],
                   enum status out[]);
    /* Whether a public key is a point of its curve: OK, BAD_POINT, BAD_CURVE, INTERNAL. */
    enum status (*check_point)(void *ctx, enum curve curve, const uint8_t point[EC_POINT_LEN]);
    /* OK, BAD_POINT (also for a result at infinity), BAD_SCALAR, BAD_CURVE, INTERNAL. */
    void (*ecka)(void *ctx, size_t n, const struct ecka_item items[], enum status out[]);
};

/* A thread's use of the selected backend, and its libcrypto contexts for the symmetric parts. */
struct provider;
struct sym; /* providers/kdf/sym.h */

/*
 * Once a process, before any provider_new: takes the backend that ECKA_BACKEND names, else the
 * first usable one that passes its known-answer tests. report receives one sentence a backend.
 * INTERNAL when none passes.
 */
MUST_CHECK enum status provider_select(void (*report)(void *arg, const char *sentence), void *arg);

/* The selected backend's name; "none" before provider_select. */
const char *provider_name(void);

/* Every backend compiled in, NULL-terminated; for tests and benchmarks. */
const struct provider_ops *const *provider_backends(void);

MUST_CHECK enum status provider_new(struct provider **out);
/* The same with a given backend; for tests and benchmarks. */
MUST_CHECK enum status provider_new_with(struct provider **out, const struct provider_ops *ops);
void provider_free(struct provider **p);

void provider_verify_vartime(struct provider *p, size_t n, const struct verify_item items[],
                             enum status out[]);
MUST_CHECK enum status provider_check_point(struct provider *p, enum curve curve,
                                            const uint8_t point[EC_POINT_LEN]);
void provider_keygen(struct provider *p, struct drbg *drbg, size_t n,
                     const struct keygen_item items[], enum status out[]);
void provider_ecka(struct provider *p, size_t n, const struct ecka_item items[], enum status out[]);

/* The thread's symmetric contexts: SHA-256, X9.63, CMAC, SCP80, HKDF, AES-GCM. */
struct sym *provider_sym(struct provider *p);

#endif
