#include "tests/unit/ec/seeded.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

void seeded_start(void)
{
    const char *given = getenv("ECKA_SEED");
    if (given != NULL) {
        state = strtoull(given, NULL, 0);
    } else if (RAND_bytes((unsigned char *)&state, sizeof state) != 1) {
        abort();
    }
    printf("ECKA_SEED=0x%016" PRIx64 "\n", state);
}

/* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). */
uint64_t seeded_word(void)
{
    state += 0x9E3779B97F4A7C15;
    uint64_t z = state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

void seeded_bytes(void *out, size_t len)
{
    uint8_t *p = out;
    while (len > 0) {
        const uint64_t word = seeded_word();
        const size_t take = len < sizeof word ? len : sizeof word;
        memcpy(p, &word, take);
        p += take;
        len -= take;
    }
}
