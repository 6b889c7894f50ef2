/*
 * Random numbers that a seed brings back (splitmix64): for tests alone, never for keys that matter.
 */
#ifndef TESTS_UNIT_EC_PRNG_H
#define TESTS_UNIT_EC_PRNG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct prng {
    uint64_t state;
};

static inline uint64_t prng_word(struct prng *p)
{
    uint64_t z = p->state += 0x9E3779B97F4A7C15U; /* 2^64 / the golden ratio */
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return z ^ z >> 31;
}

/* Below n; the bias of n / 2^64 is nothing to a test. */
static inline size_t prng_below(struct prng *p, size_t n)
{
    return (size_t)(prng_word(p) % n);
}

static inline void prng_bytes(struct prng *p, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)prng_word(p);
    }
}

/* ECKA_SEED, or a new one; printed, so that a failure can be had again. */
static inline uint64_t prng_seed(const char *test)
{
    uint64_t seed = 0;
    const char *given = getenv("ECKA_SEED");
    if (given != NULL) {
        seed = strtoull(given, NULL, 0);
    } else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        abort();
    }
    (void)printf("%s: ECKA_SEED=0x%016llx\n", test, (unsigned long long)seed);
    (void)fflush(stdout);
    return seed;
}

#endif
