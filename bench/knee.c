#include "bench/knee.h"

#include <stdio.h>

enum {
    ATTEMPTS = 3,
    NS_PER_MS = 1000 * 1000,
    CLOSED_PIPELINING = 4,
};

/* The bisection's upper end, of what a closed loop gets. */
static const double more_than_closed = 1.25;

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
        step->p99_ms = (double)histogram_per_mille(&r->latency, 990) / NS_PER_MS;
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

bool knee_find(const struct load_options *options, const struct load_source *source,
               struct knee *out)
{
    static struct load_result r;
    *out = (struct knee){0};
    if (!closed_rate(options, source, &out->closed_rate)) {
        return false;
    }
    double low = 0, high = more_than_closed * out->closed_rate;
    while (out->steps < KNEE_STEPS) {
        struct knee_step *step = &out->step[out->steps++];
        if (!try_load(options, source, (low + high) / 2, step, &r)) {
            return false;
        }
        if (step->sustained) {
            low = step->rate;
            out->rate = step->rate;
            out->at = r;
        } else {
            high = step->rate;
        }
    }
    if (out->rate == 0) {
        (void)fprintf(stderr, "eckabench: no load is answered whole and within %d ms\n",
                      KNEE_P99_MS);
    }
    return out->rate > 0;
}
