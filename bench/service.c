#include "bench/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure.h"
#include "bench/report.h"
#include "bench/requests.h"
#include "providers/provider.h"

enum {
    KNOWN_KEYS = 4,
    KERNEL_BATCH = 256,
    /* Known keys have all tables that they will get once so many batches built none. */
    SETTLED_BATCHES = 300,
    SETTLING_BATCHES_MAX = 20000,
    DEADLINE_US = 5 * 1000 * 1000,
    ROUNDS = 7,
    ROUNDS_QUICK = FIGURE_ROUNDS_MIN,
};

/* A run of less is a look at whether it works. */
static const double quick_seconds = 20;
/* What a kind's cases take together with slices of a second, about. */
static const struct {
    const char *kind;
    double seconds;
} full[] = {{"service", 150}, {"handover", 60}, {"flood", 90}};

/* -- rounds -- */

void cpu_meter_mark(void *arg, bool end)
{
    struct cpu_meter *m = arg;
    m->took_s = 0;
    for (size_t i = 0; i < m->n; i++) {
        const double now = process_cpu_s(m->of[i]);
        m->took_s += end ? now - m->began_s[i] : 0;
        m->first_took_s = i == 0 ? m->took_s : m->first_took_s;
        m->began_s[i] = now;
    }
}

void rounds_add(struct rounds *r, double ours, double theirs, double ratio)
{
    if (r->n < SERVICE_ROUNDS_MAX) {
        r->ours[r->n] = ours;
        r->theirs[r->n] = theirs;
        r->ratio[r->n++] = ratio;
    }
}

struct service_result *service_conclude(struct service_bench *b, const char *name,
                                        const char *title, const char *peer, struct rounds *r,
                                        double asked, bool at_most)
{
    struct service_result *out = &b->results[b->count++];
    *out = (struct service_result){
        .name = name,
        .title = title,
        .peer = peer,
        .unit = "items/cpu-s",
        .figure = figure_of(r->n, r->ours),
        .of_peer = figure_of(r->n, r->theirs),
        .ratio = figure_of(r->n, r->ratio),
        .asked = asked,
        .at_most = at_most,
    };
    const bool met = at_most ? out->ratio.value <= asked : out->ratio.value >= asked;
    out->verdict = met ? SERVICE_MET : SERVICE_MISSED;
    return out;
}

struct service_result *service_state(struct service_bench *b, const char *name, const char *title,
                                     const char *unit, bool less, struct figure figure)
{
    struct service_result *out = &b->results[b->count++];
    *out = (struct service_result){
        .name = name, .title = title, .unit = unit, .less = less, .figure = figure};
    return out;
}

void service_draw(struct service_bench *b, const char *id, const char *title, const char *unit,
                  const struct knee *knee)
{
    b->curve = (struct service_curve){.id = id, .title = title, .unit = unit, .knee = *knee};
}

bool service_load(struct service_bench *b, const struct server *server, struct load_options o,
                  const struct load_source *source, struct cpu_meter *meter,
                  struct load_result *out)
{
    o.endpoint = server->endpoint;
    o.server_key = b->d.server_key;
    o.keys = &b->d.bench;
    o.deadline_us = o.deadline_us != 0 ? o.deadline_us : DEADLINE_US;
    o.seconds = o.seconds > 0 ? o.seconds : b->slice;
    o.warmup = o.warmup > 0 ? o.warmup : b->slice / 4;
    if (meter != NULL) {
        o.mark = cpu_meter_mark;
        o.mark_arg = meter;
    }
    return load_run(&o, source, out);
}

/* Every answer was good: what is compared did the work. */
bool service_all_ok(const char *name, const struct load_result *r)
{
    for (size_t i = LOAD_OK + 1; i < LOAD_OUTCOMES; i++) {
        if (r->outcome[i] != 0) {
            (void)fprintf(stderr, "eckabench: %s: %llu of %llu %s\n", name,
                          (unsigned long long)r->outcome[i], (unsigned long long)r->arrivals,
                          load_outcome_name((enum load_outcome)i));
            return false;
        }
    }
    return true;
}

/* Closed loop on one server; items a processor second of it, 0 when something failed. */
static double cpu_rate(struct service_bench *b, const char *name, const struct server *server,
                       const struct load_options *o, const struct load_source *source)
{
    struct cpu_meter meter = {.n = 1, .of = {&server->process}};
    static struct load_result r;
    if (!service_load(b, server, *o, source, &meter, &r) || !service_all_ok(name, &r)) {
        return 0;
    }
    return r.items / meter.took_s;
}

/* -- the kernel itself -- */

struct kernel {
    struct provider *provider;
    struct verify_item items[KERNEL_BATCH];
};

static bool kernel_run(struct kernel *k, size_t n)
{
    enum status status[KERNEL_BATCH];
    bool ok = true;
    provider_verify_vartime(k->provider, n, k->items, status);
    for (size_t i = 0; i < n; i++) {
        ok = ok && status[i] == STATUS_OK;
    }
    return ok;
}

static bool kernel_init(struct kernel *k, const struct requests *requests)
{
    struct provider_stats last = {0}, now;
    if (provider_new(&k->provider) != STATUS_OK ||
        requests_items(requests, KERNEL_BATCH, k->items) != KERNEL_BATCH) {
        return false;
    }
    for (size_t i = 0, quiet = 0; quiet < SETTLED_BATCHES; i++, quiet++) {
        if (i == SETTLING_BATCHES_MAX || !kernel_run(k, KERNEL_BATCH)) {
            return false;
        }
        provider_stats(&now);
        quiet = now.builds != last.builds ? 0 : quiet;
        last = now;
    }
    return true;
}

/* Items a second of this thread's processor time, in batches of n; 0 when one fails. */
static double kernel_rate(struct kernel *k, size_t n, double seconds)
{
    const double begin = bench_cpu_s();
    double took;
    size_t done = 0;
    do {
        if (!kernel_run(k, n)) {
            return 0;
        }
        done += n;
        took = bench_cpu_s() - begin;
    } while (took < seconds);
    return (double)done / took;
}

/* A server that says yes to everything would win every race. */
static bool refuses(struct service_bench *b, const struct server *server, size_t items)
{
    static struct load_result r;
    const struct load_options o = {.clients = 1, .pipelining = 1, .seconds = b->slice / 20};
    struct requests *tampered = requests_tampered(items);
    const struct load_source source = requests_source(tampered);
    const bool ok =
        service_load(b, server, o, &source, NULL, &r) && service_all_ok("a refusal", &r);
    requests_free(&tampered);
    return ok;
}

/* -- service verify batch-64 known -- */

static bool verify_batch(struct service_bench *b)
{
    static const char name[] = "verify batch-64 known";
    const struct load_options o = {.clients = 8, .pipelining = 8};
    const double enough = 0.70, us_above = 0.5;
    struct rounds rounds = {0};
    double above[SERVICE_ROUNDS_MAX];
    struct kernel kernel = {0};
    struct server eckad = {0};
    struct requests *requests = requests_verify(CURVE_P256, KNOWN_KEYS, 64);
    const struct load_source source = requests_source(requests);
    bool ok = kernel_init(&kernel, requests) && deployment_start_eckad(&b->d, "eckad", 1, &eckad) &&
              refuses(b, &eckad, 64) &&
              cpu_rate(b, name, &eckad, &o, &source) > 0; /* tables are built */
    for (unsigned i = 0; ok && i < b->rounds; i++) {
        const double kernels = kernel_rate(&kernel, KERNEL_BATCH, b->slice / 4);
        const double ours = cpu_rate(b, name, &eckad, &o, &source);
        above[rounds.n] = 1e6 / ours - 1e6 / kernels;
        ok = ours > 0 && kernels > 0;
        rounds_add(&rounds, ours, kernels, ours / kernels);
    }
    if (ok) {
        struct service_result *r =
            service_conclude(b, name, "Verify in requests of 64, four known keys",
                             "the kernel at batch 256", &rounds, enough, false);
        const double us = bench_percentile(above, rounds.n, 50);
        r->verdict = us <= us_above ? SERVICE_MET : r->verdict;
        (void)snprintf(r->note, sizeof r->note,
                       "%.2f us of CPU an item above the kernel's (enough: %.2f)", us, us_above);
    }
    (void)process_stop(&eckad.process);
    provider_free(&kernel.provider);
    requests_free(&requests);
    return ok;
}

/* -- service verify single 32-clients -- */

static void single_conclude(struct service_bench *b, const char *name, struct rounds *rounds,
                            double one_each)
{
    const double floor = 9;
    struct service_result *r =
        service_conclude(b, name, "Verify, one signature a request, 32 clients",
                         "a server that verifies one a message with OpenSSL", rounds, floor, false);
    (void)snprintf(r->note, sizeof r->note,
                   "%.1f us of CPU a message, the peer's %.1f; with one request under way at each "
                   "client the ratio is %.1f",
                   1e6 / r->figure.value, 1e6 / r->of_peer.value, one_each);
}

static bool verify_single(struct service_bench *b)
{
    static const char name[] = "verify single 32-clients";
    const struct load_options o = {.clients = 32, .pipelining = 8};
    const struct load_options one = {.clients = 32, .pipelining = 1};
    struct rounds rounds = {0};
    double one_each[SERVICE_ROUNDS_MAX];
    struct server eckad = {0}, peer = {0};
    struct requests *requests = requests_verify(CURVE_P256, KNOWN_KEYS, 1);
    const struct load_source source = requests_source(requests);
    bool ok = deployment_start_eckad(&b->d, "eckad", 1, &eckad) &&
              deployment_start_peer(&b->d, "peer", false, &peer) && refuses(b, &peer, 1) &&
              cpu_rate(b, name, &eckad, &o, &source) > 0;
    for (unsigned i = 0; ok && i < b->rounds; i++) {
        const double theirs = cpu_rate(b, "the peer", &peer, &o, &source);
        const double ours = cpu_rate(b, name, &eckad, &o, &source);
        const double their_one = cpu_rate(b, "the peer", &peer, &one, &source);
        const double our_one = cpu_rate(b, name, &eckad, &one, &source);
        ok = ours > 0 && theirs > 0 && our_one > 0 && their_one > 0;
        one_each[i] = our_one / their_one;
        rounds_add(&rounds, ours, theirs, ours / theirs);
    }
    if (ok) {
        single_conclude(b, name, &rounds, bench_percentile(one_each, rounds.n, 50));
    }
    (void)process_stop(&eckad.process);
    (void)process_stop(&peer.process);
    requests_free(&requests);
    return ok;
}

/* -- service idle latency -- */

/* p50 in microseconds of one request in flight; 0 when something failed. all: may be NULL. */
static double idle_p50(struct service_bench *b, const struct server *server, bool echo,
                       const struct load_source *source, struct histogram *all)
{
    const struct load_options o = {.clients = 1, .pipelining = 1, .echo = echo};
    static struct load_result r;
    if (!service_load(b, server, o, source, NULL, &r) || !service_all_ok("one in flight", &r)) {
        return 0;
    }
    if (all != NULL) {
        histogram_add(all, &r.latency);
    }
    return (double)histogram_per_mille(&r.latency, 500) / 1000;
}

static bool idle_latency(struct service_bench *b)
{
    static const char name[] = "idle latency";
    const double ceiling = 1.5;
    struct rounds rounds = {0};
    double alone[SERVICE_ROUNDS_MAX];
    struct histogram all = {0};
    struct kernel kernel = {0};
    struct server eckad = {0}, echo = {0};
    struct requests *requests = requests_verify(CURVE_P256, KNOWN_KEYS, 1);
    const struct load_source source = requests_source(requests);
    bool ok = kernel_init(&kernel, requests) && deployment_start_eckad(&b->d, "eckad", 1, &eckad) &&
              deployment_start_peer(&b->d, "echo", true, &echo) &&
              idle_p50(b, &eckad, false, &source, NULL) > 0;
    for (unsigned i = 0; ok && i < b->rounds; i++) {
        const double theirs = idle_p50(b, &echo, true, &source, NULL);
        const double ours = idle_p50(b, &eckad, false, &source, &all);
        const double one = 1e6 / kernel_rate(&kernel, 1, b->slice / 10);
        ok = ours > 0 && theirs > 0;
        alone[rounds.n] = one;
        rounds_add(&rounds, ours, theirs, (ours - one) / theirs);
    }
    if (ok) {
        struct service_result *r =
            service_conclude(b, name, "One request under way: p50", "an echo over the same sockets",
                             &rounds, ceiling, true);
        r->unit = "us";
        r->less = true;
        r->latency = all;
        (void)snprintf(
            r->note, sizeof r->note,
            "p50 %.1f us; the echo %.1f, the kernel for one %.1f, which the ratio leaves "
            "out",
            r->figure.value, r->of_peer.value, bench_percentile(alone, rounds.n, 50));
    }
    (void)process_stop(&eckad.process);
    (void)process_stop(&echo.process);
    provider_free(&kernel.provider);
    requests_free(&requests);
    return ok;
}

/* -- all of them -- */

static const struct {
    const char *kind, *name;
    bool (*run)(struct service_bench *b);
} cases[] = {
    {"service", "verify batch-64 known", verify_batch},
    {"service", "verify single 32-clients", verify_single},
    {"service", "idle latency", idle_latency},
    {"service", "overload", service_overload},
    {"service", "drain", service_drain},
    {"service", "workers 1 to 2", service_workers},
    {"handover", "handover", service_handover},
    {"flood", "flood", service_flood},
    {"flood", "crowd", service_crowd},
};

/* Each case is written as it ends: what comes after may fail or be interrupted. */
static bool run_case(struct service_bench *b, bool (*run)(struct service_bench *b),
                     const char *kind, struct document *document)
{
    const size_t before = b->count;
    b->curve = (struct service_curve){0};
    const bool ok = run(b);
    for (size_t i = before; i < b->count; i++) {
        document_add_result(document, report_service_json(kind, &b->results[i]));
    }
    if (b->curve.knee.steps != 0) {
        document_add_curve(document, report_curve_json(&b->curve));
    }
    return document_save(document) && ok;
}

double service_seconds(const char *kind)
{
    size_t i = 0;
    while (strcmp(full[i].kind, kind) != 0) {
        i++;
    }
    return full[i].seconds;
}

bool service_run(const char *kind, const struct service_options *o, struct service_bench *b,
                 struct document *document)
{
    char why[128] = "the deployment could not be opened";
    const double share = o->seconds / service_seconds(kind);
    *b = (struct service_bench){
        .slice = share >= 1 ? 1 : share,
        .rounds = o->seconds < quick_seconds ? ROUNDS_QUICK : ROUNDS,
        .overload = 60 * share,
    };
    bool ok = deployment_open(&b->d, o->dir);
    for (size_t i = 0; ok && i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].kind, kind) == 0 &&
            (o->only == NULL || strstr(cases[i].name, o->only) != NULL)) {
            ok = run_case(b, cases[i].run, kind, document);
            (void)snprintf(why, sizeof why, "%s %s could not be measured", kind, cases[i].name);
        }
    }
    if (!ok) {
        document_stop(document, why);
    }
    deployment_close(&b->d);
    return ok;
}
