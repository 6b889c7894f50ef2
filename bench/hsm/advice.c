#include "bench/hsm/advice.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bench/hsm/interval.h"
#include "bench/hsm/worker.h"
#include "proto/custody/custody.h"

enum {
    CALL_TIMEOUT_MS = 3000, /* the defaults of a custodian and of eckad */
    CALL_TIMEOUT_MAX_MS = 60 * 1000,
    ROUND_MS = 1000,
    JOBS = 512,
    JOBS_MIN = 16,
    DEADLINE_S = 5,
    NS_PER_MS = 1000 * 1000,
};

static const double worth = 0.9;     /* of the best rate */
static const double too_wide = 0.1;  /* half an interval that little can be said of */
static const double call_margin = 4; /* over the slowest call seen */

unsigned advice_processes(const struct plan *plan, const struct hsm_case **best)
{
    double most = 0;
    unsigned processes = 1;
    *best = NULL;
    for (unsigned n = 1; n <= PROCESSES_MAX; n++) {
        const struct hsm_case *c = plan_find(plan, n, 1);
        most = c != NULL && c->figure.value > most ? c->figure.value : most;
    }
    for (unsigned n = PROCESSES_MAX; n >= 1; n--) {
        const struct hsm_case *c = plan_find(plan, n, 1);
        if (c != NULL && c->figure.value >= worth * most) {
            *best = c;
            processes = n;
        }
    }
    return processes;
}

struct text {
    char *at;
    size_t size, len;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(t->at + t->len, t->size - t->len, format, args);
    va_end(args);
    t->len += n > 0 && (size_t)n < t->size - t->len ? (size_t)n : 0;
}

struct piece {
    struct text because, yaml;
};

static struct piece next(struct advice *a)
{
    const size_t i = a->n++;
    return (struct piece){{a->of[i].because, sizeof a->of[i].because, 0},
                          {a->of[i].yaml, sizeof a->of[i].yaml, 0}};
}

/* "2 threads of a process do 0.91 (0.90 - 0.92) of what one does, 2 processes 1.93 (...)" */
static void say_scaling(struct text *t, const struct plan *plan)
{
    const struct hsm_case *threads = NULL, *processes = NULL;
    for (unsigned n = 2; n <= PROCESSES_MAX; n++) {
        const struct hsm_case *c = plan_find(plan, 1, n);
        threads = threads == NULL && c != NULL && c->ratio.samples != 0 ? c : threads;
        c = plan_find(plan, n, 1);
        processes = processes == NULL && c != NULL && c->ratio.samples != 0 ? c : processes;
    }
    if (threads != NULL) {
        put(t, "%u threads of one process sign %.2f times as fast as one (%.2f to %.2f). ",
            threads->load.threads, threads->ratio.value, threads->ratio.low, threads->ratio.high);
    }
    if (processes != NULL) {
        put(t, "%u processes %.2f times (%.2f to %.2f). ", processes->load.processes,
            processes->ratio.value, processes->ratio.low, processes->ratio.high);
    }
}

static void advise_custodians(struct advice *a, const struct plan *plan,
                              const struct hsm_case *best)
{
    struct piece p = next(a);
    say_scaling(&p.because, plan);
    put(&p.because,
        "A custodian is one process with one thread and one session: %u of them reach %.0f "
        "signatures a second on P-256.",
        a->custodians, best->figure.value);
    if (interval_width(&best->figure) > too_wide) {
        put(&p.because, " The machine was too busy for more than a guess: measure again.");
    }
    put(&p.yaml, "# eckad.yaml\ncustodians:\n");
    for (unsigned i = 1; i <= a->custodians; i++) {
        put(&p.yaml, "  - { name: c%u, socket: /run/eckad/custodian-%u.sock, group: hsm-1 }\n", i,
            i);
    }
}

/* Percent-encoded as RFC 7512 asks for it; a way to a file keeps its slashes. */
static void put_encoded(struct text *t, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
    for (; *text != '\0'; text++) {
        put(t, strchr(plain, *text) != NULL ? "%c" : "%%%02X", (unsigned char)*text);
    }
}

/* In two lines, which YAML makes one of. */
static void put_token_uri(struct text *t, const struct target *target)
{
    put(t, "token: \"pkcs11:token=");
    put_encoded(t, target->facts.label);
    put(t, "\\\n  ?module-path=");
    put_encoded(t, target->module);
    put(t, "\"\n");
}

static unsigned round_up(double value)
{
    return ((unsigned)(value / ROUND_MS) + 1) * ROUND_MS;
}

/* A batch of a custodian is so many calls at most, and a call as slow as the slowest seen here. */
static void advise_custodian(struct advice *a, const struct target *target,
                             const struct hsm_case *best)
{
    const bool soft = strstr(target->facts.module_manufacturer, "SoftHSM") != NULL;
    const double slowest = (double)histogram_per_mille(&best->latency, 999) / NS_PER_MS;
    const double batch = call_margin * CUSTODY_ITEMS_MAX * slowest;
    const unsigned timeout = batch <= CALL_TIMEOUT_MS      ? CALL_TIMEOUT_MS
                             : batch < CALL_TIMEOUT_MAX_MS ? round_up(batch)
                                                           : CALL_TIMEOUT_MAX_MS;
    struct piece p = next(a);
    put(&p.because,
        "p99.9 of a signature is %.2f ms; a batch of a custodian has at most %d, and %.0f times "
        "that long is a token that hangs.%s",
        slowest, CUSTODY_ITEMS_MAX, call_margin,
        soft ? "" : " This module is not SoftHSM: it may need more system calls than strict has.");
    put(&p.yaml, "# c1.yaml and the others\n");
    if (!target->throw_away) {
        put_token_uri(&p.yaml, target);
    }
    put(&p.yaml, "call_timeout_ms: %u\nsandbox: %s\n# eckad.yaml\ncustodian_timeout_ms: %u\n",
        timeout, soft ? "strict" : "vendor", timeout + ROUND_MS);
}

/* What waits is done before half of its deadline is over. */
static void advise_jobs(struct advice *a, const struct hsm_curve *curve)
{
    const double within = curve->knee.offered * DEADLINE_S / 2;
    const unsigned jobs = within >= JOBS ? JOBS : within <= JOBS_MIN ? JOBS_MIN : (unsigned)within;
    struct piece p = next(a);
    put(&p.because,
        "The knee is at %.0f signatures a second (p99 %.2f ms); beyond it a queue grows. %u "
        "requests of one signature wait %.2f s there at most.",
        curve->knee.offered, (double)histogram_per_mille(&curve->knee.latency, 990) / NS_PER_MS,
        jobs, jobs / curve->knee.offered);
    put(&p.yaml, "# eckad.yaml\njobs: %u\ndefault_deadline_ms: %d\n", jobs, DEADLINE_S * 1000);
}

void advice_make(struct advice *out, const struct plan *plan, const struct target *target,
                 const struct hsm_curve *curve)
{
    const struct hsm_case *best;
    *out = (struct advice){0};
    out->custodians = advice_processes(plan, &best);
    if (best == NULL) {
        return;
    }
    advise_custodians(out, plan, best);
    if (best->latency.count != 0) {
        advise_custodian(out, target, best);
    }
    if (curve != NULL && curve->knee.figure.samples != 0) {
        advise_jobs(out, curve);
    }
}
