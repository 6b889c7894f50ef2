#include "bench/audit.h"

#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "bench/cards.h"
#include "bench/report.h"

enum { ROUNDS = 11, ROUNDS_QUICK = FIGURE_ROUNDS_MIN, NS_PER_US = 1000 };

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
            service_conclude(b, "256 in flight", "Establish with strict audit, 256 in flight",
                             "audit off", &rounds, 0.85, false);
        r->unit = "items/s";
        (void)snprintf(r->note, sizeof r->note, "strict audit costs %.1f %% of Establish",
                       100 * (1 - r->ratio.value));
    }
    handovers_free(&h);
    return ok;
}

static bool latency(struct service_bench *b, const struct sides *s, struct cards *cards)
{
    const struct load_options o = {.clients = 1, .pipelining = 1};
    static struct load_result strict, off;
    struct rounds rounds = {0};
    struct histogram all = {0};
    struct handovers *h = handovers_new(cards, load_slots(&o), 1);
    const struct load_source source = handovers_establish_source(h);
    bool ok = both(b, s, &o, &source, &strict, &off, 0);
    for (unsigned i = 0; ok && i < b->rounds; i++) {
        ok = both(b, s, &o, &source, &strict, &off, i);
        const double ours = (double)histogram_per_mille(&strict.latency, 500) / NS_PER_US;
        const double theirs = (double)histogram_per_mille(&off.latency, 500) / NS_PER_US;
        histogram_add(&all, &strict.latency);
        rounds_add(&rounds, ours, theirs, ours / theirs);
    }
    if (ok) {
        struct service_result *r =
            service_conclude(b, "one at a time", "Establish with strict audit, one at a time: p50",
                             "audit off", &rounds, 0, true);
        r->verdict = SERVICE_STATED;
        r->unit = "us";
        r->less = true;
        r->latency = all;
        (void)snprintf(r->note, sizeof r->note, "p50 %.0f us, %.0f without; p99 %.0f us",
                       r->figure.value, r->of_peer.value,
                       (double)histogram_per_mille(&all, 990) / NS_PER_US);
    }
    handovers_free(&h);
    return ok;
}

bool audit_run(const char *kind, const struct service_options *o, struct service_bench *b,
               struct document *document)
{
    struct sides sides = {0};
    *b = (struct service_bench){.rounds = o->seconds < quick_seconds ? ROUNDS_QUICK : ROUNDS};
    /* Two cases, two sides, a round more that is not counted, and a quarter to settle. */
    b->slice = o->seconds / (2 * 2 * (b->rounds + 1) * 1.25);
    bool ok = on_a_disk(o->dir) && deployment_open(&b->d, o->dir) && start(b, &sides);
    if (ok) {
        struct cards *cards = cards_new(b->d.dir, 256);
        ok = cards != NULL && throughput(b, &sides, cards) && latency(b, &sides, cards);
        cards_free(&cards);
    }
    for (size_t i = 0; i < b->count; i++) {
        document_add_result(document, report_service_json(kind, &b->results[i]));
    }
    if (!ok) {
        document_stop(document, "Establish could not be measured");
    }
    (void)process_stop(&sides.strict.process);
    (void)process_stop(&sides.off.process);
    deployment_close(&b->d);
    return ok;
}
