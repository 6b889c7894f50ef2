#include "bench/hsm/crew.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    NS_PER_S = 1000 * 1000 * 1000,
    LOOK_NS = 20 * 1000 * 1000, /* between two looks whether a worker lives */
};

volatile sig_atomic_t hsm_interrupted;

static double watchdog_s = 10;

void crew_watchdog(double seconds)
{
    watchdog_s = seconds;
}

void *memory_shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void memory_unshare(void *memory, size_t size)
{
    if (memory != NULL) {
        (void)munmap(memory, size);
    }
}

static uint64_t ns_of(double seconds)
{
    return (uint64_t)(seconds * NS_PER_S);
}

/* A child that ends with this process, and whom ^C at the terminal does not reach: it is told. */
static pid_t child(void)
{
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGINT, SIG_IGN);
        (void)signal(SIGTERM, SIG_DFL);
        if (getppid() != parent) {
            _exit(1);
        }
    }
    return pid;
}

static void say_end(int status, char out[static 64])
{
    if (WIFSIGNALED(status)) {
        (void)snprintf(out, 64, "died by SIG%s", sigabbrev_np(WTERMSIG(status)));
    } else {
        (void)snprintf(out, 64, "ended by itself with status %d", WEXITSTATUS(status));
    }
}

/* -- one process aside -- */

bool process_aside(void (*function)(void *arg), void *arg, double seconds, char why[static 128])
{
    const uint64_t end = clock_ns() + ns_of(seconds);
    int status = 0;
    char how[64];
    const pid_t pid = child();
    if (pid == 0) {
        function(arg);
        _exit(0);
    }
    if (pid < 0) {
        (void)snprintf(why, 128, "no process can be made: %s", strerror(errno));
        return false;
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_ns() > end) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, NULL, 0);
            (void)snprintf(why, 128, "the module did not answer within %g s", seconds);
            return false;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_NS / 10}, NULL);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return true;
    }
    say_end(status, how);
    (void)snprintf(why, 128, "the process that loaded the module %s", how);
    return false;
}

/* -- a crew -- */

static unsigned all_threads(const struct crew *crew)
{
    return crew->of->load.processes * crew->of->load.threads;
}

static void kill_all(struct crew *crew)
{
    for (unsigned i = 0; i < crew->of->load.processes; i++) {
        if (crew->pids[i] != 0) {
            (void)kill(crew->pids[i], SIGKILL);
            (void)waitpid(crew->pids[i], NULL, 0);
            crew->pids[i] = 0;
            crew->lost = true;
        }
    }
}

/* The call that a process is in; NULL: none. */
static const char *call_of(const struct crew *crew, unsigned process)
{
    const unsigned threads = crew->of->load.threads;
    const char *call = NULL;
    for (unsigned i = 0; i < threads && call == NULL; i++) {
        call = atomic_load(&crew->shared->threads[process * threads + i].call);
    }
    return call;
}

static uint64_t done_so_far(const struct crew *crew)
{
    uint64_t done = 0;
    for (unsigned i = 0; i < all_threads(crew); i++) {
        done += crew->shared->threads[i].done;
    }
    return done;
}

/* A worker that ended before it was told to. */
static bool somebody_died(struct crew *crew)
{
    for (unsigned i = 0; i < crew->of->load.processes; i++) {
        int status;
        char how[64];
        if (crew->pids[i] != 0 && waitpid(crew->pids[i], &status, WNOHANG) == crew->pids[i]) {
            const char *call = call_of(crew, i);
            crew->pids[i] = 0;
            say_end(status, how);
            case_end(crew->of, CASE_FAILED, "process %u of %u %s%s%s after %llu operations", i + 1,
                     crew->of->load.processes, how, call != NULL ? " in " : "",
                     call != NULL ? call : "", (unsigned long long)done_so_far(crew));
            return true;
        }
    }
    return false;
}

static void say_hung(struct crew *crew)
{
    unsigned process = 0;
    while (process + 1 < crew->of->load.processes && call_of(crew, process) == NULL) {
        process++;
    }
    const char *call = call_of(crew, process);
    case_end(crew->of, CASE_FAILED,
             "process %u of %u stalled: %s did not return within %g s, after %llu operations",
             process + 1, crew->of->load.processes, call != NULL ? call : "it", watchdog_s,
             (unsigned long long)done_so_far(crew));
}

/* Waits for so many posts. False: the crew has ended. */
static bool wait_posts(struct crew *crew, unsigned n, double seconds)
{
    const uint64_t end = clock_ns() + ns_of(seconds);
    while (n > 0) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_NS;
        until.tv_sec += until.tv_nsec / NS_PER_S;
        until.tv_nsec %= NS_PER_S;
        if (sem_timedwait(&crew->shared->done, &until) == 0) {
            n--;
        } else if (hsm_interrupted) {
            case_end(crew->of, CASE_SKIPPED, "interrupted");
            break;
        } else if (somebody_died(crew)) {
            break;
        } else if (clock_ns() > end) {
            say_hung(crew);
            break;
        }
    }
    if (n > 0) {
        crew->lost = true;
        kill_all(crew);
    }
    return n == 0;
}

static void say_not_ready(struct crew *crew, const struct failure *f)
{
    const struct lane *lane = lane_of(crew->of->load.lane);
    const enum case_status status = f->lacking ? CASE_UNSUPPORTED : CASE_FAILED;
    if (f->text[0] != '\0') {
        case_end(crew->of, status, "%s", f->text);
    } else {
        case_end(crew->of, status, "%s answered %s", f->call != NULL ? f->call : "the module",
                 lane->error_name(f->code));
    }
    if (f->code != 0 && !f->lacking) {
        case_count_error(crew->of->errors, f->code, 1);
    }
}

/* One of them, before the next begins: modules that are libraries race when they start together. */
static bool start_one(struct crew *crew, unsigned i, const struct target *target)
{
    struct worker w = {
        .target = target, .load = &crew->of->load, .shared = crew->shared, .index = i};
    const pid_t pid = child();
    if (pid == 0) {
        worker_run(&w);
    }
    if (pid < 0) {
        case_end(crew->of, CASE_FAILED, "no process can be made: %s", strerror(errno));
        return false;
    }
    crew->pids[i] = pid;
    if (!wait_posts(crew, 1, watchdog_s)) {
        return false;
    }
    if (!atomic_load(&crew->shared->ready[i])) {
        say_not_ready(crew, &crew->shared->failures[i]);
        return false;
    }
    return true;
}

bool crew_start(struct crew *crew, struct hsm_case *of, const struct target *target)
{
    *crew = (struct crew){.of = of, .shared = memory_shared(sizeof *crew->shared)};
    if (crew->shared == NULL) {
        case_end(of, CASE_FAILED, "there is no memory");
        return false;
    }
    (void)sem_init(&crew->shared->done, 1, 0);
    for (unsigned i = 0; i < all_threads(crew); i++) {
        (void)sem_init(&crew->shared->threads[i].go, 1, 0);
    }
    for (unsigned i = 0; i < of->load.processes; i++) {
        if (hsm_interrupted || !start_one(crew, i, target)) {
            crew_end(crew);
            return false;
        }
    }
    return true;
}

static bool run_phase(struct crew *crew, enum phase phase, double seconds)
{
    if (crew->lost || hsm_interrupted) {
        return false;
    }
    crew->shared->phase = phase;
    for (unsigned i = 0; i < all_threads(crew); i++) {
        (void)sem_post(&crew->shared->threads[i].go);
    }
    return wait_posts(crew, all_threads(crew), seconds + watchdog_s);
}

static double rate_of(const struct crew *crew, unsigned batch)
{
    double rate = 0;
    for (unsigned i = 0; i < all_threads(crew); i++) {
        const struct thread_record *r = &crew->shared->threads[i];
        rate += r->ns[batch] == 0 ? 0 : (double)r->ops[batch] / (double)r->ns[batch] * NS_PER_S;
    }
    return rate;
}

double crew_warm_up(struct crew *crew, double seconds)
{
    crew->shared->slice_ns = ns_of(seconds);
    return run_phase(crew, PHASE_WARM_UP, seconds) ? 0 : -1;
}

double crew_closed(struct crew *crew, unsigned batch, double seconds)
{
    crew->shared->slice_ns = ns_of(seconds);
    crew->shared->batch = batch;
    return run_phase(crew, PHASE_CLOSED, seconds) ? rate_of(crew, batch) : -1;
}

bool crew_open(struct crew *crew, double seconds, double give_up_after)
{
    struct shared *s = crew->shared;
    atomic_store(&s->next_arrival, 0);
    s->start_ns = clock_ns() + LOOK_NS / 4; /* all threads are there by then */
    s->give_up_ns = s->start_ns + ns_of(seconds + give_up_after);
    return run_phase(crew, PHASE_OPEN, seconds + give_up_after);
}

/* -- the end -- */

static void add_up(struct crew *crew)
{
    struct hsm_case *c = crew->of;
    for (unsigned i = 0; i < all_threads(crew); i++) {
        const struct thread_record *r = &crew->shared->threads[i];
        histogram_add(&c->latency, &r->latency);
        c->failures += r->failed;
        for (size_t e = 0; e < ERRORS_MAX; e++) {
            if (r->errors[e].count != 0) {
                case_count_error(c->errors, r->errors[e].code, r->errors[e].count);
            }
        }
    }
}

/* Told to end, and waited for: what they made goes with them. */
static void dismiss(struct crew *crew)
{
    const uint64_t end = clock_ns() + ns_of(watchdog_s);
    crew->shared->phase = PHASE_END;
    for (unsigned i = 0; i < all_threads(crew); i++) {
        (void)sem_post(&crew->shared->threads[i].go);
    }
    for (unsigned i = 0; i < crew->of->load.processes; i++) {
        while (crew->pids[i] != 0 && clock_ns() < end) {
            if (waitpid(crew->pids[i], NULL, WNOHANG) == crew->pids[i]) {
                crew->pids[i] = 0;
            } else {
                (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_NS / 20}, NULL);
            }
        }
    }
}

void crew_end(struct crew *crew)
{
    if (crew->shared != NULL) {
        dismiss(crew);
        kill_all(crew);
        add_up(crew);
        memory_unshare(crew->shared, sizeof *crew->shared);
        crew->shared = NULL;
    }
}
