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

struct on_server {
    const struct load_options *options;
    const struct load_source *source;
    struct load_result *at; /* of the last load that was sustained */
};

static bool try_load(void *arg, struct knee_step *step)
{
    static struct load_result r;
    const struct on_server *on = arg;
    struct load_options o = *on->options;
    o.rate = step->rate;
    if (!load_run(&o, on->source, &r)) {
        return false;
    }
    step->achieved = load_rate(&r) / (double)on->source->items;
    step->p50_ms = (double)histogram_per_mille(&r.latency, 500) / NS_PER_MS;
    step->p99_ms = (double)histogram_per_mille(&r.latency, 990) / NS_PER_MS;
    step->p999_ms = (double)histogram_per_mille(&r.latency, 999) / NS_PER_MS;
    step->bad_share = load_bad_share(&r);
    step->sustained = r.arrivals != 0 && step->bad_share == 0 && step->p99_ms <= KNEE_P99_MS;
    if (step->sustained) {
        *on->at = r;
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
static bool step(double rate, knee_try *try, void *arg, struct knee *out, bool *sustained)
{
    struct knee_step *k = &out->step[out->steps++];
    *sustained = false;
    for (int i = 0; i < ATTEMPTS && !*sustained; i++) {
        *k = (struct knee_step){.rate = rate};
        if (!try(arg, k)) {
            out->steps--;
            return false;
        }
        *sustained = k->sustained;
    }
    out->rate = *sustained ? rate : out->rate;
    return true;
}

bool knee_search(double closed_rate, knee_try *try, void *arg, struct knee *out)
{
    double low = 0, high = more_than_closed * closed_rate;
    out->closed_rate = closed_rate;
    out->rate = 0;
    out->steps = 0;
    for (int i = 0; i < BISECTIONS; i++) {
        bool sustained;
        if (!step((low + high) / 2, try, arg, out, &sustained)) {
            return false;
        }
        *(sustained ? &low : &high) = (low + high) / 2;
    }
    for (bool sustained = out->rate > 0; sustained && out->steps < KNEE_STEPS;) {
        if (!step(a_little_more * out->rate, try, arg, out, &sustained)) {
            return false;
        }
    }
    return out->rate > 0;
}

bool knee_find(const struct load_options *options, const struct load_source *source,
               struct knee *out)
{
    double closed;
    *out = (struct knee){0};
    struct on_server on = {options, source, &out->at};
    if (!closed_rate(options, source, &closed)) {
        return false;
    }
    const bool ok = knee_search(closed, try_load, &on, out);
    if (!ok && out->rate == 0) {
        (void)fprintf(stderr, "eckabench: no load is answered whole and within %d ms\n",
                      KNEE_P99_MS);
    }
    return ok;
}
