#include "bench/measure.h"

#include <stdlib.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

struct rounds { /* of one case */
    double ours[BENCH_ROUNDS_MAX];
    double theirs[BENCH_ROUNDS_MAX];
    double ticks[BENCH_ROUNDS_MAX];
    double ratio[BENCH_ROUNDS_MAX];
};

double bench_now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now_ticks(void)
{
#if defined(__x86_64__)
    return (double)__rdtsc();
#else
    return 0;
#endif
}

/* Items a second during one slice: of so many calls, or of BENCH_SLICE_MS. */
static double rate(void (*call)(void *), void *arg, size_t calls, size_t items, double *ticks)
{
    const double begin = bench_cpu_s(), wall = bench_now_s(), first = now_ticks();
    double took;
    size_t done = 0;
    do {
        call(arg);
        done++;
        took = bench_cpu_s() - begin;
    } while (calls != 0 ? done < calls : took < BENCH_SLICE_MS / 1000.0);
    const double share = took / (bench_now_s() - wall); /* of the processor */
    *ticks = share * (now_ticks() - first) / (double)(done * items);
    return (double)(done * items) / took;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_percentile(double *values, size_t n, size_t percent)
{
    qsort(values, n, sizeof *values, compare);
    return values[(n - 1) * percent / 100];
}

static void run_round(const struct bench_case *c, struct rounds *r, size_t round)
{
    double unused;
    /* by turns, so that neither always runs on the warmer machine */
    if (round % 2 == 0) {
        r->ours[round] = rate(c->ours, c->arg, c->calls, c->items, &r->ticks[round]);
        r->theirs[round] = rate(c->theirs, c->arg, 0, c->peer_items, &unused);
    } else {
        r->theirs[round] = rate(c->theirs, c->arg, 0, c->peer_items, &unused);
        r->ours[round] = rate(c->ours, c->arg, c->calls, c->items, &r->ticks[round]);
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
    for (size_t i = 0; i < n; i++) { /* warm caches; not counted */
        run_round(&cases[i], &rounds[i], 0);
    }
    double end = bench_now_s() + seconds;
    while (done < BENCH_ROUNDS_MIN || (done < BENCH_ROUNDS_MAX && bench_now_s() < end)) {
        for (size_t i = 0; i < n; i++) {
            run_round(&cases[i], &rounds[i], done);
        }
        done++;
    }
    for (size_t i = 0; i < n; i++) {
        struct rounds *r = &rounds[i];
        out[i] = (struct bench_result){
            .items_per_s = figure_of(done, r->ours),
            .peer_items_per_s = figure_of(done, r->theirs),
            .ratio = figure_of(done, r->ratio),
            .ticks_per_item = bench_percentile(r->ticks, done, 50),
        };
    }
    free(rounds);
}
