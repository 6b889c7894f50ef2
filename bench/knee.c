#include "bench/knee.h"

#include <stdio.h>

enum {
    ATTEMPTS = 3,
    NS_PER_MS = 1000 * 1000,
    CLOSED_PIPELINING = 4,
    BISECTIONS = 7,
};

/* The bisection's upper end, of what a closed loop gets. */
static const double more_than_closed = 1.25;
static const double a_little_more = 1.15;

static bool try_load(const struct load_options *base, const struct load_source *source, double rate,
                     struct knee_step *step, struct load_result *r)
{
    struct load_options o = *base;
    o.rate = rate;
    step->rate = rate;
    step->sustained = false;
    for (int i = 0; i < ATTEMPTS && !step->sustained; i++) {
        if (!load_run(&o, source, r)) {
            return false;
        }
        step->achieved = load_rate(r) / (double)source->items;
        step->p50_ms = (double)histogram_per_mille(&r->latency, 500) / NS_PER_MS;
        step->p99_ms = (double)histogram_per_mille(&r->latency, 990) / NS_PER_MS;
        step->p999_ms = (double)histogram_per_mille(&r->latency, 999) / NS_PER_MS;
        step->bad_share = load_bad_share(r);
        step->sustained = r->arrivals != 0 && step->bad_share == 0 && step->p99_ms <= KNEE_P99_MS;
    }
    return true;
}

static bool closed_rate(const struct load_options *base, const struct load_source *source,
                        double *out)
{
    static struct load_result r;
    struct load_options o = *base;
    o.rate = 0;
    o.pipelining = o.pipelining < CLOSED_PIPELINING ? o.pipelining : CLOSED_PIPELINING;
    const bool ok = load_run(&o, source, &r);
    *out = ok ? load_rate(&r) / (double)source->items : 0;
    return ok;
}

/* One more step; one that is sustained is the knee so far. */
static bool step(const struct load_options *options, const struct load_source *source, double rate,
                 struct knee *out, bool *sustained)
{
    static struct load_result r;
    struct knee_step *k = &out->step[out->steps++];
    if (!try_load(options, source, rate, k, &r)) {
        return false;
    }
    *sustained = k->sustained;
    if (k->sustained) {
        out->rate = rate;
        out->at = r;
    }
    return true;
}

bool knee_find(const struct load_options *options, const struct load_source *source,
               struct knee *out)
{
    *out = (struct knee){0};
    if (!closed_rate(options, source, &out->closed_rate)) {
        return false;
    }
    double low = 0, high = more_than_closed * out->closed_rate;
    for (int i = 0; i < BISECTIONS; i++) {
        bool sustained;
        if (!step(options, source, (low + high) / 2, out, &sustained)) {
            return false;
        }
        *(sustained ? &low : &high) = (low + high) / 2;
    }
    for (bool sustained = out->rate > 0; sustained && out->steps < KNEE_STEPS;) {
        if (!step(options, source, a_little_more * out->rate, out, &sustained)) {
            return false;
        }
    }
    if (out->rate == 0) {
        (void)fprintf(stderr, "eckabench: no load is answered whole and within %d ms\n",
                      KNEE_P99_MS);
    }
    return out->rate > 0;
}
