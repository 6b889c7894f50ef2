#include "bench/mix.h"

#include <assert.h>
#include <stdlib.h>

void mix_init(struct mix *mix, size_t slots, uint64_t seed)
{
    *mix = (struct mix){.random = seed};
    mix->chosen = calloc(slots, sizeof *mix->chosen);
    if (mix->chosen == NULL) {
        abort();
    }
}

void mix_add(struct mix *mix, const struct load_source *source, unsigned weight)
{
    mix->sources[mix->n] = *source;
    mix->weights[mix->n++] = weight;
}

void mix_fini(struct mix *mix)
{
    free(mix->chosen);
    *mix = (struct mix){0};
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(struct mix *mix)
{
    uint64_t z = mix->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static size_t choose(struct mix *mix)
{
    unsigned total = 0;
    size_t i = 0;
    for (size_t k = 0; k < mix->n; k++) {
        total += mix->weights[k];
    }
    assert(total != 0);
    for (uint64_t left = next_random(mix) % total; left >= mix->weights[i]; i++) {
        left -= mix->weights[i];
    }
    return i;
}

static const struct load_source *source_of(struct mix *mix, size_t slot)
{
    if (mix->chosen[slot] == 0) {
        mix->chosen[slot] = (uint8_t)(1 + choose(mix));
    }
    return &mix->sources[mix->chosen[slot] - 1];
}

static struct span next_request(void *arg, size_t slot)
{
    const struct load_source *s = source_of(arg, slot);
    return s->next(s->arg, slot);
}

static enum load_step take_reply(void *arg, size_t slot, struct span reply)
{
    struct mix *mix = arg;
    const struct load_source *s = source_of(mix, slot);
    const enum load_step step = s->take(s->arg, slot, reply);
    if (step == LOAD_DONE) {
        mix->chosen[slot] = 0;
    }
    return step;
}

static void drop_work(void *arg, size_t slot)
{
    struct mix *mix = arg;
    if (mix->chosen[slot] != 0) {
        const struct load_source *s = source_of(mix, slot);
        if (s->drop != NULL) {
            s->drop(s->arg, slot);
        }
        mix->chosen[slot] = 0;
    }
}

struct load_source mix_source(struct mix *mix)
{
    return (struct load_source){.arg = mix,
                                .items = mix->sources[0].items,
                                .next = next_request,
                                .take = take_reply,
                                .drop = drop_work};
}
