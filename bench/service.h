/*
 * What eckad makes of its kernels: the service against the arithmetic alone, against a server that
 * verifies one signature a message, against an echo, against the token, and under overload.
 *
 * Throughput is items a second of processor time of the server's processes, all their threads, so
 * that the generator beside it and whoever else uses the machine count for nobody. The ways
 * alternate in short rounds and the ratio is taken round by round.
 */
#ifndef BENCH_SERVICE_H
#define BENCH_SERVICE_H

#include "bench/deployment.h"
#include "bench/document.h"
#include "bench/knee.h"

enum { SERVICE_RESULTS_MAX = 16, SERVICE_NOTE_MAX = 400, SERVICE_ROUNDS_MAX = 25 };

enum service_verdict { SERVICE_STATED, SERVICE_MET, SERVICE_MISSED };

struct service_result {
    const char *name, *title;
    const char *peer; /* what it is compared with; NULL: nothing */
    const char *unit; /* of the figure and the peer's: items/cpu-s, items/s, us, ... */
    bool less;        /* of it is better */
    struct figure figure, of_peer;
    struct figure ratio; /* without samples there is none */
    double asked;        /* of the ratio; 0 with SERVICE_STATED: nothing */
    bool at_most;        /* it is a ceiling */
    enum service_verdict verdict;
    struct histogram latency;    /* of requests; may be empty */
    char note[SERVICE_NOTE_MAX]; /* the figure in words, with what the ratio does not say */
};

struct service_options {
    const char *dir, *only; /* only: NULL for all */
    double seconds;         /* for all cases together, about */
};

struct service_curve { /* latency against load, as the knee was looked for */
    const char *id, *title, *unit;
    struct knee knee;
};

struct service_bench {
    struct deployment d;
    double slice; /* seconds of one side of one round */
    unsigned rounds;
    double overload; /* seconds under twice the knee's load */
    size_t count;
    struct service_result results[SERVICE_RESULTS_MAX];
    struct service_curve curve; /* of the case that ran last; without a knee there is none */
};

/* What all cases of a kind are given when nobody says. */
double service_seconds(const char *kind);

/*
 * Runs the cases of a kind, "service", "handover" or "flood", and writes each into the document as
 * it ends; false when one could not be run. Everything that was started has ended.
 */
bool service_run(const char *kind, const struct service_options *options, struct service_bench *out,
                 struct document *document);

/* -- for the cases -- */

/* A processor clock over some servers, read where a load's counting begins and ends. */
struct cpu_meter {
    size_t n;
    const struct process *of[2 + DEPLOYMENT_CUSTODIANS_MAX];
    double began_s[2 + DEPLOYMENT_CUSTODIANS_MAX];
    double took_s; /* of all, and of the first alone */
    double first_took_s;
};
void cpu_meter_mark(void *meter, bool end);

struct rounds { /* both sides of a case */
    size_t n;
    double ours[SERVICE_ROUNDS_MAX], theirs[SERVICE_ROUNDS_MAX], ratio[SERVICE_ROUNDS_MAX];
};
void rounds_add(struct rounds *r, double ours, double theirs, double ratio);
/* The next place in out->results, in items/cpu-s. The verdict is by ratio and what is asked of it.
 */
struct service_result *service_conclude(struct service_bench *b, const char *name,
                                        const char *title, const char *peer, struct rounds *rounds,
                                        double asked, bool at_most);
/* One that is compared with nothing, stated. */
struct service_result *service_state(struct service_bench *b, const char *name, const char *title,
                                     const char *unit, bool less, struct figure figure);
/* The curve of the case that runs. */
void service_draw(struct service_bench *b, const char *id, const char *title, const char *unit,
                  const struct knee *knee);

/* A load on a server as the bench principal, one slice long; what a case leaves 0 is filled in. */
bool service_load(struct service_bench *b, const struct server *server, struct load_options options,
                  const struct load_source *source, struct cpu_meter *meter,
                  struct load_result *out);

/* False, with a sentence on stderr, when an answer was not good. */
bool service_all_ok(const char *name, const struct load_result *r);

bool service_handover(struct service_bench *b); /* handover.c */
bool service_overload(struct service_bench *b); /* overload.c */
bool service_workers(struct service_bench *b);
bool service_drain(struct service_bench *b); /* drain.c */
bool service_flood(struct service_bench *b); /* flood.c */
bool service_crowd(struct service_bench *b);

#endif
