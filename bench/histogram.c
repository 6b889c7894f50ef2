#include "bench/histogram.h"

static unsigned bucket_of(uint64_t ns)
{
    if (ns < HISTOGRAM_STEPS) {
        return (unsigned)ns;
    }
    if (ns >> HISTOGRAM_TOP_BITS != 0) {
        return HISTOGRAM_BUCKETS - 1;
    }
    const unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_STEP_BITS;
    return (shift << HISTOGRAM_STEP_BITS) + (unsigned)(ns >> shift);
}

/* The largest value of a bucket. */
static uint64_t top_of(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_STEPS) {
        return bucket;
    }
    const unsigned shift = (bucket >> HISTOGRAM_STEP_BITS) - 1;
    const uint64_t step = (bucket & (HISTOGRAM_STEPS - 1)) | HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void histogram_record(struct histogram *h, uint64_t ns)
{
    h->buckets[bucket_of(ns)]++;
    h->count++;
    h->max = ns > h->max ? ns : h->max;
}

void histogram_add(struct histogram *h, const struct histogram *more)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        h->buckets[i] += more->buckets[i];
    }
    h->count += more->count;
    h->max = more->max > h->max ? more->max : h->max;
}

uint64_t histogram_rank(const struct histogram *h, uint64_t rank)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen != 0 && seen >= rank) {
            const uint64_t top = i < HISTOGRAM_BUCKETS - 1 ? top_of(i) : UINT64_MAX;
            return top < h->max ? top : h->max;
        }
    }
    return h->max;
}

uint64_t histogram_per_mille(const struct histogram *h, unsigned per_mille)
{
    return histogram_rank(h, (h->count * per_mille + 999) / 1000); /* at least so many */
}
