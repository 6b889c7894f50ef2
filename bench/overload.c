/*
 * The service's cases that are about answers and not about speed: more load than it can carry, and
 * being told to end.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/knee.h"
#include "bench/measure.h"
#include "bench/requests.h"
#include "bench/service.h"

enum {
    KNOWN_KEYS = 4,
    ITEMS = 64,
    /* A key comes again after 131,072 others: two uses in a half-life of the key tables' counts,
     * and 16 earn a table. */
    FLOOD_REQUESTS = 2048,
    POLITE_REQUESTS = 256,
    CLIENTS = 8,
    UNDER_WAY_MAX = LOAD_SLOTS_MAX / CLIENTS, /* at a client: no bound in practice */
    DEADLINE_US = 1000 * 1000,
    POLITE_US = 5 * 1000 * 1000,
    NS_PER_MS = 1000 * 1000,
    US_PER_MS = 1000,
    RSS_SAMPLES = 1200,
    SAMPLE_NS = 100 * 1000 * 1000,
};

/* Resident memory may move by so much and is still flat. */
static const double rss_growth_max = 0.02;
static const double polite_share = 0.01;
static const double quick_overload = 5;

static double ms(const struct histogram *h, unsigned per_mille)
{
    return (double)histogram_per_mille(h, per_mille) / NS_PER_MS;
}

/* -- a polite client beside a flood -- */

struct flow { /* a load in a thread of its own */
    struct load_options options;
    const struct load_source *source;
    struct load_result result;
    bool ok;
};

static void *run_flow(void *arg)
{
    struct flow *f = arg;
    f->ok = load_run(&f->options, f->source, &f->result);
    return NULL;
}

struct watch { /* the server's memory while it is loaded */
    const struct process *process;
    atomic_bool stop;
    size_t n;
    double rss[RSS_SAMPLES];
};

static void *run_watch(void *arg)
{
    struct watch *w = arg;
    while (!atomic_load(&w->stop)) {
        if (w->n < RSS_SAMPLES) {
            w->rss[w->n++] = (double)process_rss(w->process);
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = SAMPLE_NS}, NULL);
    }
    return NULL;
}

/* How much more the last third took than the most of the first third. */
static double rss_growth(const struct watch *w)
{
    double first = 0, last = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (i <= w->n / 3) {
            first = w->rss[i] > first ? w->rss[i] : first;
        } else if (i >= w->n - w->n / 3) {
            last = w->rss[i] > last ? w->rss[i] : last;
        }
    }
    return first > 0 ? last / first - 1 : 0;
}

struct scene {
    struct service_bench *b;
    struct server eckad;
    struct requests *flood, *polite;
    struct load_source flood_source, polite_source;
    struct knee knee;
};

static struct load_options flood_options(const struct scene *s)
{
    return (struct load_options){.endpoint = s->eckad.endpoint,
                                 .server_key = s->b->d.server_key,
                                 .keys = &s->b->d.bench,
                                 .clients = CLIENTS,
                                 .pipelining = UNDER_WAY_MAX,
                                 .seed = 1,
                                 .priority = LOAD_BEHIND,
                                 .warmup = s->b->slice / 4,
                                 .seconds = s->b->slice,
                                 .deadline_us = DEADLINE_US};
}

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    if (pthread_create(thread, NULL, run, arg) != 0) {
        (void)fprintf(stderr, "eckabench: no thread\n");
        exit(EXIT_FAILURE);
    }
}

/* So much of the knee's load for so long, and the polite client at 1 % of the knee beside it. The
 * watch goes on where it was. */
static bool run_both(struct scene *s, double load, double seconds, struct flow *flood,
                     struct flow *polite, struct watch *watch)
{
    pthread_t watch_thread, flood_thread, polite_thread;
    flood->options = flood_options(s);
    flood->options.rate = load * s->knee.rate;
    flood->options.seconds = seconds;
    flood->source = &s->flood_source;
    polite->options = flood->options;
    polite->options.keys = &s->b->d.polite;
    polite->options.clients = 1;
    polite->options.rate = polite_share * s->knee.rate;
    polite->options.seed = 2;
    polite->options.priority = LOAD_AHEAD;
    polite->options.deadline_us = POLITE_US;
    polite->source = &s->polite_source;
    watch->process = &s->eckad.process;
    atomic_store(&watch->stop, false);
    start(&watch_thread, run_watch, watch);
    start(&flood_thread, run_flow, flood);
    start(&polite_thread, run_flow, polite);
    (void)pthread_join(polite_thread, NULL);
    (void)pthread_join(flood_thread, NULL);
    atomic_store(&watch->stop, true);
    (void)pthread_join(watch_thread, NULL);
    return flood->ok && polite->ok;
}

static uint64_t unanswered(const struct load_result *r)
{
    return r->outcome[LOAD_LATE] + r->outcome[LOAD_DEADLINE] + r->outcome[LOAD_DRAINING] +
           r->outcome[LOAD_FAILED] + r->outcome[LOAD_LOST];
}

/* What became of all rounds' loads. */
struct totals {
    struct load_result flood, polite;
};

static void add_result(struct load_result *sum, const struct load_result *r)
{
    sum->arrivals += r->arrivals;
    sum->seconds += r->seconds;
    sum->items += r->items;
    for (size_t i = 0; i < LOAD_OUTCOMES; i++) {
        sum->outcome[i] += r->outcome[i];
    }
    histogram_add(&sum->latency, &r->latency);
}

static void overload_conclude(struct scene *s, struct rounds *rounds, const struct totals *totals,
                              double growth)
{
    const double ceiling = 2;
    struct service_result *r =
        service_conclude(s->b, "overload", "At twice the knee: a polite client's p99",
                         "its p99 at half the knee", rounds, ceiling, true);
    const struct load_result *f = &totals->flood, *p = &totals->polite;
    const uint64_t bad = unanswered(f) + unanswered(p) + p->outcome[LOAD_BUSY];
    if (bad != 0 || growth > rss_growth_max) {
        r->verdict = SERVICE_MISSED;
    }
    r->unit = "us";
    r->less = true;
    r->latency = p->latency;
    (void)snprintf(
        r->note, sizeof r->note,
        "knee %.0f requests/s of %d (p99 %.1f ms); at twice that for %.0f s %.0f %% OK, %.0f %% "
        "BUSY, %llu late, %llu lost; RSS %+.1f %%; of the polite client's %llu requests %llu not "
        "OK",
        s->knee.rate, ITEMS, ms(&s->knee.at.latency, 990), f->seconds,
        100.0 * (double)f->outcome[LOAD_OK] / (double)f->arrivals,
        100.0 * (double)f->outcome[LOAD_BUSY] / (double)f->arrivals,
        (unsigned long long)(unanswered(f) - f->outcome[LOAD_LOST]),
        (unsigned long long)f->outcome[LOAD_LOST], 100 * growth, (unsigned long long)p->arrivals,
        (unsigned long long)(p->arrivals - p->outcome[LOAD_OK]));
}

struct search { /* of the knee, in a thread: its priority ends with it */
    struct scene *scene;
    bool ok;
};

static void *run_search(void *arg)
{
    struct search *k = arg;
    const struct load_options o = flood_options(k->scene);
    k->ok = knee_find(&o, &k->scene->flood_source, &k->scene->knee);
    return NULL;
}

static bool find_knee(struct scene *s)
{
    pthread_t thread;
    struct search search = {.scene = s};
    start(&thread, run_search, &search);
    (void)pthread_join(thread, NULL);
    return search.ok;
}

/* Half the knee and twice the knee, by turns and equally long: a p99 of fewer requests would be
 * another figure. */
static bool overload_run(struct scene *s)
{
    static struct flow flood, polite, half, half_polite;
    static struct watch watch, unused;
    static struct totals totals;
    struct rounds rounds = {0};
    const double look = s->b->overload / FIGURE_ROUNDS_MIN;
    bool ok = find_knee(s);
    watch = (struct watch){0};
    totals = (struct totals){0};
    while (ok && rounds.n < FIGURE_ROUNDS_MIN) {
        ok = run_both(s, 0.5, look, &half, &half_polite, &unused) &&
             run_both(s, 2, look, &flood, &polite, &watch);
        const double calm = ms(&half_polite.result.latency, 990);
        const double p99 = ms(&polite.result.latency, 990);
        ok = ok && calm > 0 && p99 > 0;
        rounds_add(&rounds, p99 * US_PER_MS, calm * US_PER_MS, p99 / calm);
        add_result(&totals.flood, &flood.result);
        add_result(&totals.polite, &polite.result);
    }
    if (ok) {
        overload_conclude(s, &rounds, &totals, rss_growth(&watch));
        service_draw(s->b, "service/verify-strangers",
                     "Verify in requests of 64, keys never seen before", "requests/s", &s->knee);
    }
    return ok;
}

bool service_overload(struct service_bench *b)
{
    static struct scene s;
    const bool quick = b->overload < quick_overload; /* too short for a key to come often */
    s = (struct scene){.b = b};
    /* Keys nobody has seen: what is overloaded is the verification, not the loopback. */
    s.flood = requests_strangers(quick ? POLITE_REQUESTS : FLOOD_REQUESTS, ITEMS);
    s.polite = requests_strangers(POLITE_REQUESTS, ITEMS);
    s.flood_source = requests_source(s.flood);
    s.polite_source = requests_source(s.polite);
    const bool ok = deployment_start_eckad(&b->d, "eckad", 1, &s.eckad) && overload_run(&s);
    (void)process_stop(&s.eckad.process);
    requests_free(&s.flood);
    requests_free(&s.polite);
    return ok;
}

/* -- one worker to two -- */

bool service_workers(struct service_bench *b)
{
    static const char name[] = "workers 1 to 2";
    static struct load_result one_result, two_result;
    const struct load_options o = {.clients = 4, .pipelining = 4};
    struct rounds rounds = {0};
    struct server one = {0}, two = {0};
    struct requests *requests = requests_verify(CURVE_P256, KNOWN_KEYS, ITEMS);
    const struct load_source source = requests_source(requests);
    bool ok = deployment_start_eckad(&b->d, "one-worker", 1, &one) &&
              deployment_start_eckad(&b->d, "two-workers", 2, &two) &&
              service_load(b, &one, o, &source, NULL, &one_result) &&
              service_load(b, &two, o, &source, NULL, &two_result);
    for (unsigned i = 0; ok && i < b->rounds; i++) {
        ok = service_load(b, &one, o, &source, NULL, &one_result) &&
             service_load(b, &two, o, &source, NULL, &two_result);
        rounds_add(&rounds, load_rate(&two_result), load_rate(&one_result),
                   load_rate(&two_result) / load_rate(&one_result));
    }
    if (ok) {
        struct service_result *r =
            service_conclude(b, name, "Verify with two workers", "one worker", &rounds, 0, false);
        r->unit = "items/s";
        r->verdict = SERVICE_STATED;
        (void)snprintf(r->note, sizeof r->note,
                       "items a second of wall time, in requests of %d; the generator shares the "
                       "cores",
                       ITEMS);
    }
    (void)process_stop(&one.process);
    (void)process_stop(&two.process);
    requests_free(&requests);
    return ok;
}
