#include "hsm/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "hsm/log.h"
#include "hsm/recycle.h"
#include "hsm/token/recovery.h"
#include "hsm/upkeep.h"
#include "hsm/watchdog.h"
#include "providers/core/confine.h"

enum {
    CONNECTIONS_MAX = 16,
    BACKLOG = 16,
    POLL_SIGNAL = 0, /* places in the poll set */
    POLL_LISTEN = 1,
    POLL_FIRST = 2,
    SEND_TIMEOUT_S = 2,       /* a peer that does not read its answers is cut off */
    ARENA_SIZE = 1024 * 1024, /* a batch unpacked, and its answer: both below 128 KiB packed */
    SOCKET_BUFFER = 2 * CUSTODY_FRAME_MAX,
};

struct server {
    struct custodian *custodian;
    const struct config *config;
    struct pollfd fds[POLL_FIRST + CONNECTIONS_MAX];
    nfds_t n;
    uint8_t *in, *out; /* CUSTODY_FRAME_MAX each */
    void *arena_storage;
    struct arena arena;
    uint64_t batches;
    bool away; /* the token is: nobody is served */
    bool recycled;
};

/* A path nobody listens on any more may be taken over; one that answers may not. */
static bool path_is_free(const struct sockaddr_un *address)
{
    struct stat sb;
    if (lstat(address->sun_path, &sb) != 0) {
        return errno == ENOENT;
    }
    if (!S_ISSOCK(sb.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return dead && unlink(address->sun_path) == 0;
}

static int listen_at(const struct config *config)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    size_t len = strlen(config->socket);
    if (len >= sizeof address.sun_path) {
        log_line("the socket's path %s is too long", config->socket);
        return -1;
    }
    memcpy(address.sun_path, config->socket, len + 1);
    if (!path_is_free(&address)) {
        log_line("the socket %s is in use or cannot be replaced", config->socket);
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        log_line("the socket %s cannot be bound: %s", config->socket, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    /* Another user's eckad has to be able to connect at all; who it is, SO_PEERCRED tells. */
    if ((config->peer_uid != geteuid() && chmod(config->socket, 0666) != 0) ||
        listen(fd, BACKLOG) != 0) {
        log_line("the socket %s cannot listen: %s", config->socket, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

static int signal_fd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void accept_one(struct server *s)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    const struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
    const int size = SOCKET_BUFFER;

    int fd = accept4(s->fds[POLL_LISTEN].fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (s->away) {
        close(fd);
        return;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
        peer.uid != s->config->peer_uid) {
        log_line("a connection of another user was refused");
    } else if (s->n == POLL_FIRST + CONNECTIONS_MAX) {
        log_line("a connection beyond %d was refused", CONNECTIONS_MAX);
    } else if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0 ||
               setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0) {
        log_line("a connection could not be set up: %s", strerror(errno));
    } else {
        s->fds[s->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
        return;
    }
    close(fd);
}

enum receipt { RECEIVED, RECEIVED_NOTHING, CONNECTION_OVER };

/* Takes the next message. One too long for the buffer comes as an empty one, which no batch is, so
 * that it is refused and not read in part. */
static enum receipt receive(struct server *s, int fd, struct span *message)
{
    struct iovec iov = {.iov_base = s->in, .iov_len = CUSTODY_FRAME_MAX};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return RECEIVED_NOTHING;
    }
    if (n <= 0) {
        return CONNECTION_OVER;
    }
    *message = span_of(s->in, (size_t)n);
    if ((msg.msg_flags & MSG_TRUNC) != 0) {
        log_line("a message over %d bytes is refused", CUSTODY_FRAME_MAX);
        message->len = 0;
    }
    return RECEIVED;
}

/* Answers one message; false: the connection is over. */
static bool serve_message(struct server *s, int fd)
{
    struct span message;
    enum receipt receipt = receive(s, fd, &message);
    if (receipt != RECEIVED) {
        return receipt == RECEIVED_NOTHING;
    }
    struct writer out = writer_of(s->out, CUSTODY_FRAME_MAX);
    watchdog_begin(1);
    enum status st = custodian_batch(s->custodian, &s->arena, message, (uint64_t)time(NULL), &out);
    watchdog_end();
    s->batches++;
    if (st != STATUS_OK) {
        log_line("an answer could not be encoded");
        return false;
    }
    if (send(fd, out.ptr, out.len, MSG_NOSIGNAL) != (ssize_t)out.len) {
        log_line("an answer could not be sent: %s", strerror(errno));
        return false;
    }
    return true;
}

static void drop_connection(struct server *s, nfds_t i)
{
    close(s->fds[i].fd);
    s->fds[i] = s->fds[--s->n];
}

/* -- between batches -- */

static uint64_t monotonic_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Puts right what the last calls told of. While the token is away eckad has no connection here, and
 * so gives its batches to others. */
static enum status look_after_token(struct server *s)
{
    if (s->custodian->token.trouble == RV_NONE) {
        return STATUS_OK;
    }
    watchdog_begin(1);
    enum status st = recovery_run(s->custodian, monotonic_ms());
    watchdog_end();
    s->away = st == STATUS_UNAVAILABLE;
    while (s->away && s->n > POLL_FIRST) {
        drop_connection(s, s->n - 1);
    }
    return s->away ? STATUS_OK : st;
}

static enum status look_after(struct server *s)
{
    TRY(look_after_token(s));
    if (s->away) {
        return STATUS_OK;
    }
    watchdog_begin(1);
    upkeep_run(s->custodian, (uint64_t)time(NULL));
    watchdog_end();
    return look_after_token(s);
}

static int wait_ms(const struct server *s)
{
    return s->away ? RECOVERY_PAUSE_MS : upkeep_wait_ms(s->custodian, (uint64_t)time(NULL));
}

/* Takes the signal that is there: SIGHUP loads keys and certificates again, others end. */
static bool told_to_end(struct server *s)
{
    struct signalfd_siginfo info;
    if (read(s->fds[POLL_SIGNAL].fd, &info, sizeof info) != (ssize_t)sizeof info) {
        return false;
    }
    if (info.ssi_signo != SIGHUP) {
        return true;
    }
    watchdog_begin(1);
    (void)upkeep_reload(s->custodian);
    watchdog_end();
    return false;
}

static enum status loop(struct server *s)
{
    for (;;) {
        TRY(look_after(s));
        if (poll(s->fds, s->n, wait_ms(s)) < 0) {
            if (errno == EINTR) {
                continue;
            }
            log_line("poll: %s", strerror(errno));
            return STATUS_INTERNAL;
        }
        if (s->fds[POLL_SIGNAL].revents != 0 && told_to_end(s)) {
            return STATUS_OK;
        }
        /* Downwards, because dropping one moves the last into its place. */
        for (nfds_t i = s->n; i-- > POLL_FIRST && !s->away;) {
            if (s->fds[i].revents != 0 && !serve_message(s, s->fds[i].fd)) {
                drop_connection(s, i);
            }
            TRY(look_after_token(s)); /* the next batch need not meet the same trouble */
        }
        if (s->fds[POLL_LISTEN].revents != 0) {
            accept_one(s);
        }
        if (recycle_due(s->custodian)) {
            s->recycled = true;
            return STATUS_OK;
        }
    }
}

static enum status open_server(struct server *s)
{
    int signals = signal_fd();
    int listener = signals < 0 ? -1 : listen_at(s->config);

    s->in = malloc(CUSTODY_FRAME_MAX);
    s->out = malloc(CUSTODY_FRAME_MAX);
    s->arena_storage = aligned_alloc(16, ARENA_SIZE);
    s->fds[POLL_SIGNAL] = (struct pollfd){.fd = signals, .events = POLLIN};
    s->fds[POLL_LISTEN] = (struct pollfd){.fd = listener, .events = POLLIN};
    s->n = POLL_FIRST;
    if (signals < 0 || listener < 0 || s->in == NULL || s->out == NULL ||
        s->arena_storage == NULL) {
        return STATUS_INTERNAL;
    }
    arena_init(&s->arena, s->arena_storage, ARENA_SIZE);
    return STATUS_OK;
}

static void close_server(struct server *s)
{
    bool listened = s->fds[POLL_LISTEN].fd >= 0;
    for (nfds_t i = 0; i < s->n; i++) {
        if (s->fds[i].fd >= 0) {
            close(s->fds[i].fd);
        }
    }
    if (listened) {
        (void)unlink(s->config->socket);
    }
    free(s->in);
    free(s->out);
    free(s->arena_storage);
}

/* Once the token and the socket are open. A module that complains does so by syslog(3), which would
 * make its socket later. */
static enum status confine(enum sandbox sandbox)
{
    static const struct {
        const char *name;
        unsigned rights;
    } ways[] = {
        [SANDBOX_STRICT] = {"strict", CONFINE_WRITE_FILES},
        [SANDBOX_VENDOR] = {"vendor", CONFINE_WRITE_FILES | CONFINE_SOCKETS | CONFINE_MODULE},
    };
    if (sandbox == SANDBOX_OFF || !confine_calls_built()) {
        log_line("sandbox: none; every system call is left to the custodian and its module");
        return STATUS_OK;
    }
    openlog(NULL, LOG_NDELAY | LOG_PID, LOG_DAEMON);
    if (confine_calls(ways[sandbox].rights) != STATUS_OK) {
        log_line("system calls cannot be confined: %s", strerror(errno));
        return STATUS_INTERNAL;
    }
    log_line("sandbox: %s", ways[sandbox].name);
    return STATUS_OK;
}

/* The log's last leaves, and what the token remembers of it. */
static void stop_leaf(struct custodian *c)
{
    audit_settle(c->audit);
    audit_add(c->audit, &(struct audit_event){.op = AUDIT_OP_STOP, .principal = c->config->name});
    if (audit_commit(c->audit) == STATUS_OK) {
        audit_remember(c->audit);
    }
}

enum status serve(struct custodian *c, const struct config *config, bool *recycled)
{
    struct server s = {.custodian = c, .config = config};
    enum status st = open_server(&s);

    if (st == STATUS_OK) {
        st = confine(config->sandbox);
    }
    if (st == STATUS_OK) {
        log_line("ready");
        st = loop(&s);
        watchdog_begin(1);
        stop_leaf(c);
        watchdog_end();
        log_line("ended after %llu batches", (unsigned long long)s.batches);
    }
    close_server(&s);
    *recycled = s.recycled;
    return st;
}
