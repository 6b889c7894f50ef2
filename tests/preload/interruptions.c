/*
 * An LD_PRELOAD library for the parties of SM-SR Change: a bad network, and an end at any moment.
 *
 *   ECKA_INTERRUPTIONS="SEED KILL_AT LOST REPEATED LATE"
 *
 * Moments are counted around each write to a file, in its middle, and around each message sent to a
 * party; at the KILL_AT-th (0: never) the process kills itself. Of 1000 messages to parties so many
 * are lost, said twice, and held back for up to LATE_MS, so that later ones overtake them; SEED
 * draws which. What goes to eckad goes as it is. The main thread alone counts and is bent.
 *
 * To $ECKA_SENT each message to a party appends what became of it ('s'ent, 'l'ost, 'r'epeated,
 * late: 'd'), its length in four bytes, and itself when it is for a card: all that left, for who
 * reads it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum {
    LATE_MS = 3000,
    HELD_MAX = 64,
    PER_MILLE = 1000,
    RECORD_HEAD = 5,
    /* An Envelope begins with version, from and to, two bytes each; 3 << 3 is the head of `to`. */
    TO_AT = 4,
    TO_HEAD = 3 << 3,
    TO_EUICC = 4,
};

struct held {
    void *socket; /* NULL: free */
    uint64_t due_ms;
    void *bytes;
    size_t len;
};

static struct held held[HELD_MAX];
static uint64_t state;
static unsigned long long kill_at;
static unsigned lost, repeated, late;
static bool asked;

#define SHOWN __attribute__((visibility("default")))

static void *real(const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    if (symbol == NULL) {
        abort(); /* nothing is proven by a call that does nothing */
    }
    return symbol;
}

/* Whether this process is to be interrupted; the first call reads how. */
static bool on(void)
{
    static bool wanted;
    if (!asked) {
        const char *text = getenv("ECKA_INTERRUPTIONS");
        unsigned long long seed = 0;
        asked = true;
        wanted = text != NULL &&
                 sscanf(text, "%llu %llu %u %u %u", &seed, &kill_at, &lost, &repeated, &late) == 5;
        if (text != NULL && !wanted) {
            abort();
        }
        state = seed;
    }
    return wanted && gettid() == getpid();
}

/* SplitMix64. */
static uint64_t draw(uint64_t below)
{
    uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) % below;
}

static void moment(void)
{
    if (kill_at != 0 && --kill_at == 0) {
        (void)raise(SIGKILL);
    }
}

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* -- files -- */

SHOWN ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    ssize_t (*next)(int, const void *, size_t, off64_t) =
        (ssize_t(*)(int, const void *, size_t, off64_t))real("pwrite64");
    if (!on()) {
        return next(fd, bytes, len, at);
    }
    moment();
    ssize_t half = next(fd, bytes, len / 2, at);
    if (half < 0) {
        return half;
    }
    moment();
    ssize_t rest = next(fd, (const char *)bytes + half, len - (size_t)half, at + half);
    moment();
    return rest < 0 ? half : half + rest;
}

SHOWN int ftruncate64(int fd, off64_t len)
{
    int (*next)(int, off64_t) = (int (*)(int, off64_t))real("ftruncate64");
    if (!on()) {
        return next(fd, len);
    }
    moment();
    int rc = next(fd, len);
    moment();
    return rc;
}

SHOWN int fdatasync(int fd)
{
    int (*next)(int) = (int (*)(int))real("fdatasync");
    if (!on()) {
        return next(fd);
    }
    moment();
    int rc = next(fd);
    moment();
    return rc;
}

/* -- messages -- */

static void record(char fate, const uint8_t *bytes, size_t len)
{
    static int fd = -1;
    static uint8_t out[RECORD_HEAD + 65536];
    const char *path = getenv("ECKA_SENT");
    bool to_card = len > TO_AT + 1 && bytes[TO_AT] == TO_HEAD && bytes[TO_AT + 1] == TO_EUICC;
    size_t kept = to_card && len <= sizeof(out) - RECORD_HEAD ? len : 0;
    if (path == NULL) {
        return;
    }
    if (fd < 0) {
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    }
    out[0] = (uint8_t)fate;
    for (unsigned i = 0; i < 4; i++) {
        out[1 + i] = (uint8_t)(kept >> (24 - 8 * i));
    }
    memcpy(out + RECORD_HEAD, bytes, kept);
    if (write(fd, out, RECORD_HEAD + kept) != (ssize_t)(RECORD_HEAD + kept)) {
        abort();
    }
}

static int option_of(void *socket, int option)
{
    int value = 0;
    size_t len = sizeof(value);
    return zmq_getsockopt(socket, option, &value, &len) == 0 ? value : -1;
}

/* Whether a message goes out to a party now; while a party is away, its messages are tried again.
 */
static bool to_party(void *socket)
{
    return option_of(socket, ZMQ_TYPE) == ZMQ_PUSH &&
           (option_of(socket, ZMQ_EVENTS) & ZMQ_POLLOUT) != 0;
}

static int send_now(void *socket, const void *bytes, size_t len, int flags)
{
    int (*next)(void *, const void *, size_t, int) =
        (int (*)(void *, const void *, size_t, int))real("zmq_send");
    return next(socket, bytes, len, flags);
}

/* False when there is no room: then it goes at once. */
static bool hold(void *socket, const void *bytes, size_t len)
{
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (held[i].socket == NULL && (held[i].bytes = malloc(len)) != NULL) {
            memcpy(held[i].bytes, bytes, len);
            held[i].socket = socket;
            held[i].len = len;
            held[i].due_ms = now_ms() + draw(LATE_MS);
            return true;
        }
    }
    return false;
}

static void release(void)
{
    uint64_t now = now_ms();
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (held[i].socket != NULL && held[i].due_ms <= now) {
            (void)send_now(held[i].socket, held[i].bytes, held[i].len, ZMQ_DONTWAIT);
            free(held[i].bytes);
            held[i] = (struct held){0};
        }
    }
}

SHOWN int zmq_send(void *socket, const void *bytes, size_t len, int flags)
{
    if (!on() || !to_party(socket)) {
        return send_now(socket, bytes, len, flags);
    }
    moment();
    uint64_t fate = draw(PER_MILLE);
    if (fate < lost) {
        record('l', bytes, len);
        return (int)len;
    }
    if (fate < lost + late && hold(socket, bytes, len)) {
        record('d', bytes, len);
        return (int)len;
    }
    bool twice = fate >= lost + late && fate < lost + late + repeated;
    record(twice ? 'r' : 's', bytes, len);
    int rc = send_now(socket, bytes, len, flags);
    if (rc >= 0 && twice) {
        (void)send_now(socket, bytes, len, flags);
    }
    moment();
    return rc;
}

SHOWN int zmq_poll(zmq_pollitem_t *items, int count, long timeout_ms)
{
    int (*next)(zmq_pollitem_t *, int, long) =
        (int (*)(zmq_pollitem_t *, int, long))real("zmq_poll");
    if (on()) {
        release();
    }
    return next(items, count, timeout_ms);
}
