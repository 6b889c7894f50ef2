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

    PROVIDER_TABLE_BUDGET = 256 << 20, /* bytes of key tables, unless set */
    PROVIDER_RECHECK_ONE_IN = 4096,    /* verdicts, unless set: below 2 % of the fastest kernel */
    PROVIDER_PINS_MAX = 1024,
};

/* What a report begins with that somebody must look at: a backend answered wrongly. */
#define PROVIDER_ALARM "alarm: "

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

/*
 * What the key-table cache and the re-checks have done since the backend was chosen. A backend
 * without tables (libcrypto) leaves its part zero.
 */
struct provider_stats {
    uint64_t hits, misses; /* verifications whose key had a table, and others */
    uint64_t tables_small, tables_medium, tables_wide;
    uint64_t builds, evictions; /* of tables */
    uint64_t bytes, budget;     /* of tables */
    uint64_t rechecks;          /* verdicts compared with libcrypto's */
    uint64_t mismatches;        /* verdicts that were not libcrypto's */
};

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

    /* The three below: NULL where the backend keeps no tables. Any thread. */

    /* As provider_pin_key(); not now: the table is built by the workers, after batches. */
    enum status (*pin_key)(enum curve curve, const uint8_t point[EC_POINT_LEN], bool now);
    void (*set_table_budget)(size_t bytes);
    /* Fills its part; leaves the rest. */
    void (*stats)(struct provider_stats *out);
};

/* A thread's use of the selected backend, and its libcrypto contexts for the symmetric parts. */
struct provider;
struct sym; /* providers/kdf/sym.h */

/*
 * Once a process, before any provider_new: takes the backend that ECKA_BACKEND names, else the
 * first usable one that passes its known-answer tests. report receives one sentence a backend, and
 * later, from any thread that computes, what the re-checks of verdicts find. INTERNAL when none
 * passes.
 */
MUST_CHECK enum status provider_select(void (*report)(void *arg, const char *sentence), void *arg);

/* The name of the backend in use; "none" before provider_select. */
const char *provider_name(void);

/*
 * Why the backends that come before the one in use are not it, "ifma: this CPU has no AVX-512 IFMA;
 * ..."; "" where the first one is used. Any thread.
 */
enum { PROVIDER_REFUSED_MAX = 256 };
void provider_refused(char out[static PROVIDER_REFUSED_MAX]);

/* Every backend compiled in, NULL-terminated; for tests and benchmarks. */
const struct provider_ops *const *provider_backends(void);

MUST_CHECK enum status provider_new(struct provider **out);
/* The same with a given backend, whose verdicts are not re-checked; for tests and benchmarks. */
MUST_CHECK enum status provider_new_with(struct provider **out, const struct provider_ops *ops);
void provider_free(struct provider **p);

/*
 * A public key that will verify much: it gets a table now and is never evicted. After
 * provider_select(), before other threads compute. OK also from a backend without tables;
 * BAD_POINT, BAD_CURVE, NO_SPACE (the table budget, or PROVIDER_PINS_MAX), INTERNAL: the key
 * verifies all the same, without a table.
 */
MUST_CHECK enum status provider_pin_key(enum curve curve, const uint8_t point[EC_POINT_LEN]);

/* Bytes that the key tables may take; a smaller budget takes effect with the next batches. */
void provider_set_table_budget(size_t bytes);

/* About one verdict in so many is compared with libcrypto's; 0: none. For providers made later. */
void provider_set_recheck(uint32_t one_in);

/* Any thread; the numbers are of about one moment. */
void provider_stats(struct provider_stats *out);

/*
 * Verdicts are compared with libcrypto's in a sample that nobody can predict. When one differs, the
 * whole batch is verified again with libcrypto, an alarm is reported, and every thread's next batch
 * runs on the next backend that passes its tests.
 */
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
