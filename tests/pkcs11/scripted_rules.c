/*
 * The script at work: which rule a call meets, how often each was met, whether the token is there.
 *
 * Counts and the token's absence are in memory that processes share through the file of counts, so
 * a rule for the third call happens once although it ends the process that made it. The script is
 * read anew when its file has changed, at the next call or while one hangs.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/pkcs11/scripted.h"

enum {
    TEXT_MAX = 32 * 1024,
    SLOTS_MAX = 64,
    LOOK_MS = 2, /* how often a call that hangs looks at the script */
};

static const uint64_t magic = 0x01313150414b4345; /* "ECKAP11" and 1, as the file begins */

struct shared { /* as it stands in the file of counts, every number of 64 bits */
    _Atomic uint64_t magic;
    _Atomic uint64_t script; /* whose hits these are, and whose token is gone */
    _Atomic uint64_t gone;   /* when, in nanoseconds of CLOCK_MONOTONIC; 0: it is there */
    _Atomic uint64_t back;   /* when it comes back; 0: when the script changes */
    _Atomic uint64_t gone_rv;
    _Atomic uint64_t calls[CALL_COUNT];
    _Atomic uint64_t hits[RULES_MAX]; /* calls that a rule is about, its turn or not */
};

static struct shared own; /* without a file */
static struct shared *shared;
static struct script script;
static struct stat seen; /* of the script as it was read */
static uint64_t gone_handled;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void sleep_ms(uint64_t ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

static void share_locked(void)
{
    const char *path = getenv("ECKA_P11_COUNTS");
    shared = &own;
    if (path != NULL) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        void *mapped = MAP_FAILED;
        if (fd >= 0 && ftruncate(fd, sizeof *shared) == 0) {
            mapped = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        }
        if (mapped == MAP_FAILED) {
            (void)fprintf(stderr, "scripted: %s cannot hold counts: %s\n", path, strerror(errno));
            abort();
        }
        close(fd);
        shared = mapped;
    }
    atomic_store(&shared->magic, magic);
}

/* Counts begin anew with another text; of the same one they go on, in another process too. */
static void begin_locked(void)
{
    if (atomic_exchange(&shared->script, script.hash) != script.hash) {
        atomic_store(&shared->gone, 0);
        for (size_t i = 0; i < RULES_MAX; i++) {
            atomic_store(&shared->hits[i], 0);
        }
    }
}

static bool unchanged(const struct stat *now)
{
    return now->st_ino == seen.st_ino && now->st_size == seen.st_size &&
           now->st_mtim.tv_sec == seen.st_mtim.tv_sec &&
           now->st_mtim.tv_nsec == seen.st_mtim.tv_nsec;
}

/* No script, or none there yet: nothing happens. */
static void look_locked(void)
{
    static char text[TEXT_MAX + 1];
    const char *path = getenv("ECKA_P11_SCRIPT");
    struct stat now = {0};
    size_t len = 0;

    if (shared == NULL) {
        share_locked();
    }
    if (path == NULL || (stat(path, &now) != 0 && seen.st_ino == 0) || unchanged(&now)) {
        return;
    }
    FILE *file = now.st_ino == 0 ? NULL : fopen(path, "re");
    if (file != NULL) {
        len = fread(text, 1, TEXT_MAX, file);
        (void)fclose(file);
    }
    text[len] = '\0';
    script_parse(&script, text);
    seen = now;
    begin_locked();
}

static unsigned thread_number(void)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned own_number;
    if (own_number == 0) {
        own_number = 1 + atomic_fetch_add(&threads, 1);
    }
    return own_number;
}

static bool its_turn(const struct rule *rule, uint64_t hit)
{
    return hit >= rule->from && (rule->to == 0 || hit <= rule->to) &&
           (rule->every == 0 || hit % rule->every == 0);
}

/* What this call meets: delays, whose sum it gets, and the first rule of another kind. */
static struct rule meet_locked(enum call call, unsigned thread, uint64_t *delay_ms)
{
    struct rule met = {.deed = DEED_NONE};
    for (size_t i = 0; i < script.n_rules; i++) {
        const struct rule *rule = &script.rules[i];
        if (!rule->calls[call] || (rule->thread != 0 && rule->thread != thread) ||
            !its_turn(rule, 1 + atomic_fetch_add(&shared->hits[i], 1))) {
            continue;
        }
        if (rule->deed == DEED_DELAY) {
            *delay_ms += rule->ms;
        } else if (met.deed == DEED_NONE) {
            met = *rule;
        }
    }
    return met;
}

static void close_sessions(void)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    if (real->C_GetSlotList(CK_TRUE, slots, &n) == CKR_OK) {
        for (CK_ULONG i = 0; i < n; i++) {
            (void)real->C_CloseAllSessions(slots[i]);
        }
    }
}

bool script_token_is_gone(void)
{
    uint64_t since = atomic_load(&shared->gone), back = atomic_load(&shared->back);
    if (since == 0) {
        return false;
    }
    pthread_mutex_lock(&lock);
    bool mine = gone_handled != since;
    gone_handled = since;
    pthread_mutex_unlock(&lock);
    if (mine) { /* what was open is lost, in each process, and stays so when the token is back */
        close_sessions();
    }
    return back == 0 || now_ns() < back;
}

/* What does without a token. */
static bool is_of_the_library(enum call call)
{
    return call == CALL_C_Initialize || call == CALL_C_Finalize || call == CALL_C_GetInfo ||
           call == CALL_C_GetSlotList || call == CALL_C_GetSlotInfo;
}

static void hang(const struct rule *rule)
{
    const uint64_t end = now_ns() + rule->ms * 1000000U;
    const uint64_t begun = script.hash;
    bool changed = false;
    while (!changed && (rule->ms == 0 || now_ns() < end)) {
        sleep_ms(LOOK_MS);
        pthread_mutex_lock(&lock);
        look_locked();
        changed = script.hash != begun;
        pthread_mutex_unlock(&lock);
    }
}

/* True: fate->rv is what the caller gets to hear. */
static bool do_deed(const struct rule *rule, struct fate *fate)
{
    switch (rule->deed) {
    case DEED_RV:
        fate->rv = rule->rv;
        return true;
    case DEED_HANG:
        hang(rule);
        return false;
    case DEED_CRASH:
        abort();
    case DEED_VANISH:
        atomic_store(&shared->gone_rv, rule->rv);
        atomic_store(&shared->back, rule->ms == 0 ? 0 : now_ns() + rule->ms * 1000000U);
        atomic_store(&shared->gone, now_ns());
        (void)script_token_is_gone();
        fate->rv = rule->rv;
        return true;
    case DEED_RESET:
        close_sessions();
        return false;
    case DEED_FLIP:
        fate->flip = true;
        return false;
    default:
        return false;
    }
}

bool script_before(enum call call, struct fate *fate)
{
    uint64_t delay_ms = 0;
    unsigned thread = thread_number();

    *fate = (struct fate){.rv = CKR_OK};
    pthread_mutex_lock(&lock);
    look_locked();
    (void)atomic_fetch_add(&shared->calls[call], 1);
    struct rule met = meet_locked(call, thread, &delay_ms);
    pthread_mutex_unlock(&lock);

    if (delay_ms != 0) {
        sleep_ms(delay_ms);
    }
    if (!is_of_the_library(call) && script_token_is_gone()) {
        fate->rv = atomic_load(&shared->gone_rv);
        return true;
    }
    if (met.after) {
        fate->after = met;
        return false;
    }
    return do_deed(&met, fate);
}

CK_RV script_after(const struct fate *fate, CK_RV rv)
{
    struct fate late = {.rv = rv};
    return do_deed(&fate->after, &late) ? late.rv : rv;
}

size_t script_lies(struct lie out[static LIES_MAX])
{
    pthread_mutex_lock(&lock);
    size_t n = script.n_lies;
    memcpy(out, script.lies, n * sizeof *out);
    pthread_mutex_unlock(&lock);
    return n;
}
