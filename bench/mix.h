/*
 * A mix of operations: each piece of work is drawn by weight, and goes on as its own source says.
 */
#ifndef BENCH_MIX_H
#define BENCH_MIX_H

#include "bench/load.h"

enum { MIX_SOURCES_MAX = 3 };

struct mix {
    size_t n;
    struct load_source sources[MIX_SOURCES_MAX];
    unsigned weights[MIX_SOURCES_MAX];
    uint64_t random;
    uint8_t *chosen; /* by each slot: 1 + the number of its source; 0: none */
};

/* Sources of the same number of items, for so many slots. Not 0 weights together. */
void mix_init(struct mix *mix, size_t slots, uint64_t seed);
void mix_add(struct mix *mix, const struct load_source *source, unsigned weight);
void mix_fini(struct mix *mix);
struct load_source mix_source(struct mix *mix);

#endif
