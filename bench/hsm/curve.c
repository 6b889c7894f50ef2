#include "bench/hsm/curve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/hsm/crew.h"
#include "bench/hsm/group.h"
#include "bench/hsm/interval.h"

enum { STEPS_ABOUT = 20, OPEN_BATCHES = 16, NS_PER_S = 1000 * 1000 * 1000, NS_PER_US = 1000 };

static const double warm_share = 0.2;    /* of a step, not counted */
static const double keeps_up = 0.97;     /* of what arrives is done in the time: no queue grows */
static const double give_up_after = 0.2; /* s: what has not begun by then never will */
static const double below_knee[] = {0.25, 0.5, 0.75, 0.9};

struct search {
    struct hsm_curve *out;
    struct crew crew;
    double step_s;
    uint64_t random;
};

/* Uniform in (0, 1]. SplitMix64 (Steele, Lea, Flood 2014). */
static double uniform(struct search *s)
{
    uint64_t z = s->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return ((double)((z ^ (z >> 31)) >> 11) + 1) * 0x1p-53;
}

/* A Poisson process: times between arrivals are exponential. How many of them count. */
static uint64_t draw(struct search *s, double rate)
{
    struct shared *m = s->crew.shared;
    uint64_t counted = 0;
    double at = 0;
    m->warm_ns = (uint64_t)(warm_share * s->step_s * NS_PER_S);
    m->slice_ns = ((uint64_t)(s->step_s * NS_PER_S) - m->warm_ns) / OPEN_BATCHES;
    for (m->arrivals_n = 0; m->arrivals_n < ARRIVALS_MAX; m->arrivals_n++) {
        at += -log(uniform(s)) / rate;
        if (at >= s->step_s) {
            break;
        }
        m->arrivals[m->arrivals_n] = (uint64_t)(at * NS_PER_S);
        counted += m->arrivals[m->arrivals_n] >= m->warm_ns ? 1 : 0;
    }
    return counted;
}

static unsigned threads_of(const struct search *s)
{
    return s->out->load.processes * s->out->load.threads;
}

/* What the threads recorded of one load, which is then forgotten there. */
static void gather(struct search *s, struct hsm_case *c)
{
    struct shared *m = s->crew.shared;
    for (size_t b = 0; b < OPEN_BATCHES; b++) {
        uint64_t ops = 0;
        for (unsigned i = 0; i < threads_of(s); i++) {
            ops += m->threads[i].ops[b];
        }
        c->rate[b] = (double)ops * NS_PER_S / (double)m->slice_ns;
    }
    c->batches = OPEN_BATCHES;
    for (unsigned i = 0; i < threads_of(s); i++) {
        struct thread_record *r = &m->threads[i];
        histogram_add(&c->latency, &r->latency);
        memset(r->ops, 0, sizeof r->ops);
        memset(&r->latency, 0, sizeof r->latency);
    }
}

static double ms(const struct histogram *h, unsigned per_mille)
{
    return (double)histogram_per_mille(h, per_mille) / 1e6;
}

static void add_point(struct hsm_curve *out, const struct knee_step *step,
                      const struct histogram *latency)
{
    if (out->n < CURVE_POINTS_MAX && latency->count != 0) {
        out->points[out->n++] =
            (struct curve_point){step->rate, step->achieved, step->bad_share, *latency};
    }
}

static bool try_load(void *arg, struct knee_step *step)
{
    struct search *s = arg;
    static struct hsm_case c;
    c = (struct hsm_case){.load = s->out->load, .offered = step->rate};
    const uint64_t counted = draw(s, step->rate);
    if (!crew_open(&s->crew, s->step_s, give_up_after)) {
        return false;
    }
    gather(s, &c);
    c.figure = interval_of(c.batches, c.rate);
    const double arrived = (double)counted / ((1 - warm_share) * s->step_s);
    step->achieved = c.figure.value;
    step->p50_ms = ms(&c.latency, 500);
    step->p99_ms = ms(&c.latency, 990);
    step->p999_ms = ms(&c.latency, 999);
    step->bad_share = counted == 0 ? 0 : 1 - (double)c.latency.count / (double)counted;
    step->sustained = counted != 0 && step->bad_share == 0 && step->p99_ms <= KNEE_P99_MS &&
                      step->achieved >= keeps_up * arrived;
    if (step->sustained && step->rate > s->out->knee.offered) {
        s->out->knee = c;
    }
    add_point(s->out, step, &c.latency);
    return true;
}

static int by_load(const void *a, const void *b)
{
    const struct curve_point *x = a, *y = b;
    return (x->offered > y->offered) - (x->offered < y->offered);
}

/* Of a load that was tried more than once, the last try is the one that counted. */
static void sort_points(struct hsm_curve *out)
{
    size_t n = 0;
    for (size_t i = 0; i < out->n; i++) {
        if (n > 0 && out->points[n - 1].offered == out->points[i].offered) {
            n--;
        }
        out->points[n++] = out->points[i];
    }
    out->n = n;
    qsort(out->points, n, sizeof out->points[0], by_load);
}

bool curve_measure(struct hsm_curve *out, const struct target *target, const struct hsm_load *load,
                   double closed, double seconds)
{
    static struct hsm_case of;
    struct knee knee;
    struct search s = {.out = out, .step_s = seconds / STEPS_ABOUT, .random = 1};
    *out = (struct hsm_curve){.load = *load};
    of = (struct hsm_case){.load = *load};
    if (!crew_start(&s.crew, &of, target)) {
        return false;
    }
    bool ok = crew_warm_up(&s.crew, s.step_s / 4) >= 0;
    if (ok && knee_search(closed, try_load, &s, &knee)) {
        for (size_t i = 0; ok && i < sizeof below_knee / sizeof below_knee[0]; i++) {
            struct knee_step step = {.rate = below_knee[i] * knee.rate};
            ok = try_load(&s, &step);
        }
    }
    crew_end(&s.crew);
    sort_points(out);
    return out->n != 0;
}

/* -- JSON -- */

static json_t *us(const struct histogram *h, unsigned per_mille)
{
    return json_real((double)histogram_per_mille(h, per_mille) / NS_PER_US);
}

json_t *curve_json(const struct hsm_curve *c)
{
    char id[CASE_ID_MAX], title[CASE_WHY_MAX];
    json_t *points = json_array(), *knee = json_null();
    const struct hsm_case open = {.load = c->load, .offered = 1};
    case_id(&open, id);
    (void)snprintf(title, sizeof title, "%s on %s, %s: %u process%s, %u thread%s",
                   operation_name(c->load.operation), curve_name(c->load.curve),
                   lane_name(c->load.lane), c->load.processes, c->load.processes == 1 ? "" : "es",
                   c->load.threads, c->load.threads == 1 ? "" : "s each");
    for (size_t i = 0; i < c->n; i++) {
        const struct curve_point *p = &c->points[i];
        (void)json_array_append_new(
            points,
            json_pack("{s:f, s:f, s:o, s:o, s:o, s:f}", "offered", p->offered, "achieved",
                      p->achieved, "p50_us", us(&p->latency, 500), "p99_us", us(&p->latency, 990),
                      "p999_us", us(&p->latency, 999), "not_ok", p->not_ok < 0 ? 0.0 : p->not_ok));
    }
    if (c->knee.figure.samples != 0) {
        knee = json_pack("{s:f, s:o}", "offered", c->knee.offered, "p99_us",
                         us(&c->knee.latency, 990));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "id", id, "title", title, "unit", "op/s",
                     "points", points, "knee", knee);
}
