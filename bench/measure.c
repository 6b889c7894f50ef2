#include "bench/measure.h"

#include <stdlib.h>
#include <time.h>

struct rounds { /* of one case */
    double ours[BENCH_ROUNDS_MAX];
    double theirs[BENCH_ROUNDS_MAX];
    double ratio[BENCH_ROUNDS_MAX];
};

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Calls a second during one slice. */
static double rate(void (*call)(void *), void *arg)
{
    double begin = now_s(), took;
    size_t calls = 0;
    do {
        call(arg);
        calls++;
        took = now_s() - begin;
    } while (took < BENCH_SLICE_MS / 1000.0);
    return (double)calls / took;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double *values, size_t n, size_t percent)
{
    qsort(values, n, sizeof *values, compare);
    return values[(n - 1) * percent / 100];
}

static void run_round(const struct bench_case *c, struct rounds *r, size_t round)
{
    /* by turns, so that neither always runs on the warmer machine */
    if (round % 2 == 0) {
        r->ours[round] = rate(c->ours, c->arg);
        r->theirs[round] = rate(c->theirs, c->arg);
    } else {
        r->theirs[round] = rate(c->theirs, c->arg);
        r->ours[round] = rate(c->ours, c->arg);
    }
    r->ratio[round] = r->ours[round] / r->theirs[round];
}

void bench_measure(size_t n, const struct bench_case cases[], struct bench_result out[],
                   double seconds)
{
    struct rounds *rounds = calloc(n, sizeof *rounds);
    size_t done = 0;
    if (rounds == NULL) {
        abort();
    }
    for (size_t i = 0; i < n; i++) { /* warm caches and tables; not counted */
        run_round(&cases[i], &rounds[i], 0);
    }
    double end = now_s() + seconds;
    while (done < BENCH_ROUNDS_MIN || (done < BENCH_ROUNDS_MAX && now_s() < end)) {
        for (size_t i = 0; i < n; i++) {
            run_round(&cases[i], &rounds[i], done);
        }
        done++;
    }
    for (size_t i = 0; i < n; i++) {
        struct rounds *r = &rounds[i];
        double items = (double)cases[i].items;
        out[i] = (struct bench_result){
            .items_per_s = items * percentile(r->ours, done, 50),
            .peer_items_per_s = items * percentile(r->theirs, done, 50),
            .ratio = percentile(r->ratio, done, 50),
            .ratio_low = percentile(r->ratio, done, 10),
            .ratio_high = percentile(r->ratio, done, 90),
            .rounds = done,
        };
    }
    free(rounds);
}
