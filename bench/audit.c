#include "bench/audit.h"

#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "bench/cards.h"
#include "bench/measure.h"

enum { ROUNDS = 11, ROUNDS_QUICK = 2 };

static const double quick_seconds = 20;

struct sides {
    struct server strict, off;
};

static bool on_a_disk(const char *dir)
{
    struct statfs fs;
    if (statfs(dir, &fs) != 0 || fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC) {
        (void)fprintf(stderr, "eckabench: %s is not on a disk; TMPDIR names another place\n", dir);
        return false;
    }
    return true;
}

static bool start(struct service_bench *b, struct sides *s)
{
    if (b->d.custodians_known < 2) {
        (void)fprintf(stderr, "eckabench: audit needs a directory of two custodians: "
                              "tools/provision --custodians 2\n");
        return false;
    }
    if (!deployment_start_custodians(&b->d, 1) ||
        !deployment_start_eckad(&b->d, "eckad-strict", 1, &s->strict)) {
        return false;
    }
    b->d.custodians_before = 1;
    return deployment_start_unaudited(&b->d) &&
           deployment_start_eckad(&b->d, "eckad-off", 1, &s->off);
}

static bool run(struct service_bench *b, const struct server *server, const struct load_options *o,
                const struct load_source *source, struct load_result *out)
{
    const bool ok =
        service_load(b, server, *o, source, NULL, out) && out->outcome[LOAD_OK] == out->arrivals;
    if (!ok) {
        (void)fprintf(stderr, "eckabench: an Establish failed\n");
    }
    return ok;
}

/* Alternates, and begins with the other side each round. */
static bool both(struct service_bench *b, const struct sides *s, const struct load_options *o,
                 const struct load_source *source, struct load_result *strict,
                 struct load_result *off, unsigned round)
{
    return round % 2 == 0
               ? run(b, &s->off, o, source, off) && run(b, &s->strict, o, source, strict)
               : run(b, &s->strict, o, source, strict) && run(b, &s->off, o, source, off);
}

static bool throughput(struct service_bench *b, const struct sides *s, struct cards *cards)
{
    const struct load_options o = {.clients = 16, .pipelining = 16};
    static struct load_result strict, off;
    struct rounds rounds = {0};
    struct handovers *h = handovers_new(cards, load_slots(&o), 1);
    const struct load_source source = handovers_establish_source(h);
    bool ok = both(b, s, &o, &source, &strict, &off, 0);
    for (unsigned i = 0; ok && i < b->rounds; i++) {
        ok = both(b, s, &o, &source, &strict, &off, i);
        rounds_add(&rounds, load_rate(&strict), load_rate(&off),
                   load_rate(&strict) / load_rate(&off));
    }
    if (ok) {
        struct service_result *r =
            service_conclude(b, "audit 256 in flight", "audit off", &rounds, 0.85, false);
        (void)snprintf(r->note, sizeof r->note, "strict audit costs %.1f %% of Establish",
                       100 * (1 - r->ratio));
    }
    handovers_free(&h);
    return ok;
}

static bool latency(struct service_bench *b, const struct sides *s, struct cards *cards)
{
    const struct load_options o = {.clients = 1, .pipelining = 1};
    static struct load_result strict, off;
    struct rounds rounds = {0};
    double p99[SERVICE_ROUNDS_MAX];
    struct handovers *h = handovers_new(cards, load_slots(&o), 1);
    const struct load_source source = handovers_establish_source(h);
    bool ok = both(b, s, &o, &source, &strict, &off, 0);
    for (unsigned i = 0; ok && i < b->rounds; i++) {
        ok = both(b, s, &o, &source, &strict, &off, i);
        const double ours = (double)histogram_per_mille(&strict.latency, 500) / 1e9;
        const double theirs = (double)histogram_per_mille(&off.latency, 500) / 1e9;
        p99[rounds.n] = (double)histogram_per_mille(&strict.latency, 990) / 1e3;
        rounds_add(&rounds, 1 / ours, 1 / theirs, theirs / ours);
    }
    if (ok) {
        struct service_result *r =
            service_conclude(b, "audit one at a time", "audit off", &rounds, 0, false);
        r->verdict = SERVICE_STATED;
        (void)snprintf(r->note, sizeof r->note, "p50 %.0f us, %.0f without; p99 %.0f us",
                       1e6 / r->items_per_s, 1e6 / r->peer_items_per_s,
                       bench_percentile(p99, rounds.n, 50));
    }
    handovers_free(&h);
    return ok;
}

bool audit_run(const struct service_options *o, struct service_bench *b)
{
    struct sides sides = {0};
    *b = (struct service_bench){.rounds = o->seconds < quick_seconds ? ROUNDS_QUICK : ROUNDS,
                                .unit = "items/s"};
    /* Two cases, two sides, a round more that is not counted, and a quarter to settle. */
    b->slice = o->seconds / (2 * 2 * (b->rounds + 1) * 1.25);
    bool ok = on_a_disk(o->dir) && deployment_open(&b->d, o->dir) && start(b, &sides);
    if (ok) {
        struct cards *cards = cards_new(b->d.dir, 256);
        ok = cards != NULL && throughput(b, &sides, cards) && latency(b, &sides, cards);
        cards_free(&cards);
    }
    (void)process_stop(&sides.strict.process);
    (void)process_stop(&sides.off.process);
    deployment_close(&b->d);
    return ok;
}
