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
#include "bench/load.h"

enum { SERVICE_CASES_MAX = 8, SERVICE_NOTE_MAX = 320, SERVICE_ROUNDS_MAX = 25 };

enum service_verdict { SERVICE_STATED, SERVICE_MET, SERVICE_MISSED };

struct service_result {
    const char *name, *peer; /* what it is compared with */
    double items_per_s;      /* of processor time; 0 where the case is about something else */
    double peer_items_per_s;
    double ratio, ratio_low, ratio_high; /* median, 10th and 90th percentile of the rounds */
    double floor;                        /* what was asked of the ratio */
    bool at_most;                        /* it is a ceiling */
    enum service_verdict verdict;
    size_t rounds;
    char note[SERVICE_NOTE_MAX]; /* the figure in words, with what the ratio does not say */
};

struct service_options {
    const char *dir, *only; /* only: NULL for all */
    double seconds;         /* for all cases together, about */
};

struct service_bench {
    struct deployment d;
    double slice; /* seconds of one side of one round */
    unsigned rounds;
    double overload;  /* seconds under twice the knee's load */
    const char *unit; /* of a side's figures; NULL: items/cpu-s */
    size_t count;
    struct service_result results[SERVICE_CASES_MAX];
};

/* Runs the cases; false when one could not be run. Everything it started has ended. */
bool service_run(const struct service_options *options, struct service_bench *out);

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

struct rounds { /* both sides of a case, in items a processor second */
    size_t n;
    double ours[SERVICE_ROUNDS_MAX], theirs[SERVICE_ROUNDS_MAX], ratio[SERVICE_ROUNDS_MAX];
};
void rounds_add(struct rounds *r, double ours, double theirs, double ratio);
/* The next place in out->results, filled with medians. The verdict is by ratio and floor. */
struct service_result *service_conclude(struct service_bench *b, const char *name, const char *peer,
                                        struct rounds *rounds, double floor, bool at_most);

/* A load on a server as the bench principal, one slice long; what a case leaves 0 is filled in. */
bool service_load(struct service_bench *b, const struct server *server, struct load_options options,
                  const struct load_source *source, struct cpu_meter *meter,
                  struct load_result *out);

bool service_overload(struct service_bench *b); /* overload.c */
bool service_workers(struct service_bench *b);
bool service_drain(struct service_bench *b); /* drain.c */
bool service_flood(struct service_bench *b); /* flood.c */

#endif
