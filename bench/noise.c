#include "bench/noise.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure.h"

enum {
    SAMPLES_MAX = 4096, /* 17 minutes; then the oldest go */
    PAUSE_NS = 250 * 1000 * 1000,
    TURNS = 1 << 19, /* about a millisecond */
};

struct samples { /* in memory that both processes see */
    _Atomic size_t taken;
    double seconds[SAMPLES_MAX];
};

struct machine { /* seconds of processor time since it started */
    double busy, steal;
};

struct noise {
    pid_t child;
    struct samples *samples;
    double began_s, own_s;
    struct machine machine;
};

/* xorshift64, which no compiler shortens: each turn needs the one before. */
static uint64_t fixed_work(uint64_t x)
{
    for (int i = 0; i < TURNS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static void sample(struct samples *s)
{
    volatile uint64_t x = 1;
    for (;;) {
        const double begin = bench_cpu_s();
        x = fixed_work(x);
        const size_t n = atomic_load(&s->taken);
        s->seconds[n % SAMPLES_MAX] = bench_cpu_s() - begin;
        atomic_store(&s->taken, n + 1);
        (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
}

static struct machine machine_now(void)
{
    struct machine m = {.busy = -1, .steal = -1};
    unsigned long long user, nice, system, steal;
    const double hz = (double)sysconf(_SC_CLK_TCK);
    FILE *f = fopen("/proc/stat", "re");
    if (f != NULL) {
        if (fscanf(f, "cpu %llu %llu %llu %*u %*u %*u %*u %llu", &user, &nice, &system, &steal) ==
            4) {
            m.busy = (double)(user + nice + system) / hz;
            m.steal = (double)steal / hz;
        }
        (void)fclose(f);
    }
    return m;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* Processor time of this process and of its children that have ended. */
static double own_s(void)
{
    struct rusage self, children;
    (void)getrusage(RUSAGE_SELF, &self);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    return seconds_of(self.ru_utime) + seconds_of(self.ru_stime) + seconds_of(children.ru_utime) +
           seconds_of(children.ru_stime);
}

struct noise *noise_start(void)
{
    const pid_t parent = getpid();
    struct noise *n = calloc(1, sizeof *n);
    if (n == NULL) {
        return NULL;
    }
    n->samples =
        mmap(NULL, sizeof *n->samples, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    n->child = n->samples != MAP_FAILED ? fork() : -1;
    if (n->child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            sample(n->samples);
        }
        _exit(EXIT_FAILURE);
    }
    if (n->child < 0) {
        free(n);
        return NULL;
    }
    n->began_s = bench_now_s();
    n->own_s = own_s();
    n->machine = machine_now();
    return n;
}

static double share(const struct noise *n, double seconds)
{
    const double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    const double all = (bench_now_s() - n->began_s) * cores;
    return seconds <= 0 || all <= 0 ? 0 : 100 * seconds / all;
}

struct noise_figures noise_read(const struct noise *n)
{
    struct noise_figures out = {.others_percent = -1, .steal_percent = -1};
    static double seconds[SAMPLES_MAX];
    if (n == NULL) {
        return out;
    }
    const size_t taken = atomic_load(&n->samples->taken);
    out.samples = taken < SAMPLES_MAX ? taken : SAMPLES_MAX;
    if (out.samples != 0) {
        memcpy(seconds, n->samples->seconds, out.samples * sizeof *seconds);
        const double low = bench_percentile(seconds, out.samples, 10);
        const double middle = bench_percentile(seconds, out.samples, 50);
        out.spread_percent = 100 * (bench_percentile(seconds, out.samples, 90) - low) / middle;
    }
    return out;
}

struct noise_figures noise_stop(struct noise **noise)
{
    struct noise *n = *noise;
    *noise = NULL;
    if (n == NULL) {
        return noise_read(NULL);
    }
    (void)kill(n->child, SIGKILL);
    (void)waitpid(n->child, NULL, 0);
    struct noise_figures out = noise_read(n);
    const struct machine now = machine_now();
    if (now.busy >= 0 && n->machine.busy >= 0) {
        out.others_percent = share(n, now.busy - n->machine.busy - (own_s() - n->own_s));
        out.steal_percent = share(n, now.steal - n->machine.steal);
    }
    (void)munmap(n->samples, sizeof *n->samples);
    free(n);
    return out;
}
