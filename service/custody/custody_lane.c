#include "service/custody/custody_lane.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "service/clock.h"
#include "service/custody/custody_codec.h"
#include "service/observe/log.h"

/* -- one exchange -- */

static enum status send_frame(struct custody_lane *lane, size_t len)
{
    ssize_t n;
    do {
        n = send(lane->fd, lane->frame, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)len ? STATUS_OK : STATUS_DISCONNECTED;
}

static enum status receive_frame(struct custody_lane *lane, struct span *out)
{
    struct pollfd p = {.fd = lane->fd, .events = POLLIN};
    uint64_t end = clock_us() + (uint64_t)lane->timeout_ms * US_PER_MS;
    for (;;) {
        uint64_t now = clock_us();
        int ready = now < end ? poll(&p, 1, (int)((end - now) / US_PER_MS) + 1) : 0;
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            LOG_ABOUT(CUSTODIAN_SILENT, lane->config->name, "custodian %s: silent for %u ms",
                      lane->config->name, lane->timeout_ms);
            return STATUS_DISCONNECTED;
        }
        break;
    }
    ssize_t n;
    do {
        n = recv(lane->fd, lane->frame, CUSTODY_FRAME_MAX, MSG_TRUNC);
    } while (n < 0 && errno == EINTR);
    if (n <= 0 || n > CUSTODY_FRAME_MAX) {
        return STATUS_DISCONNECTED;
    }
    *out = span_of(lane->frame, (size_t)n);
    return STATUS_OK;
}

/* Sends a batch message and reads the answer to it. Anything unexpected loses the connection: after
 * it nobody knows which answer belongs to which batch. */
static enum status exchange(struct custody_lane *lane, const custody_batch *message,
                            enum custody_kind kind, size_t items, custody_answer **out)
{
    size_t len = ecka__custody__v1__batch__get_packed_size(message);
    if (len > CUSTODY_FRAME_MAX) {
        return STATUS_NO_SPACE;
    }
    (void)ecka__custody__v1__batch__pack(message, lane->frame);
    TRY(send_frame(lane, len));
    struct span frame;
    TRY(receive_frame(lane, &frame));
    if (custody_answer_decode(&lane->arena, frame, message->id, kind, items, out) != STATUS_OK) {
        LOG_ABOUT(CUSTODIAN_MALFORMED, lane->config->name, "custodian %s: its answer is malformed",
                  lane->config->name);
        return STATUS_DISCONNECTED;
    }
    return STATUS_OK;
}

/* -- connecting -- */

static int connect_to(const char *path, unsigned timeout_ms)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path); /* config checked it */
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int size = 2 * CUSTODY_FRAME_MAX; /* room for a whole batch and the kernel's bookkeeping */
    struct timeval timeout = {.tv_sec = timeout_ms / MS_PER_S,
                              .tv_usec = timeout_ms % MS_PER_S * US_PER_MS};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void copy_text(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text);
}

static void keep_hello(struct custody_lane *lane, const Ecka__Custody__V1__HelloAnswer *a)
{
    struct lane_hello hello = {
        .ticket_generation = a->ticket_generation,
        .keyset_generation = a->keyset_generation,
        .sr_key_count =
            a->n_sr_key_ids < LANE_SR_KEYS_MAX ? a->n_sr_key_ids : (size_t)LANE_SR_KEYS_MAX,
    };
    copy_text(hello.token, sizeof(hello.token), a->token);
    copy_text(hello.backend, sizeof(hello.backend), a->backend);
    copy_text(hello.backend_refused, sizeof(hello.backend_refused), a->backend_refused);
    copy_text(hello.audit, sizeof(hello.audit), a->audit);
    for (size_t i = 0; i < hello.sr_key_count; i++) {
        memcpy(hello.sr_key_ids[i], a->sr_key_ids[i].data, sizeof(hello.sr_key_ids[i]));
    }
    (void)pthread_mutex_lock(&lane->hello_lock);
    lane->hello = hello;
    (void)pthread_mutex_unlock(&lane->hello_lock);
}

/* DISCONNECTED: the custodian does not answer as one. With a try, what became of that. */
static enum status say_hello(struct custody_lane *lane, bool probe)
{
    Ecka__Custody__V1__Hello hello = ECKA__CUSTODY__V1__HELLO__INIT;
    custody_batch message = ECKA__CUSTODY__V1__BATCH__INIT;
    custody_answer *answer = NULL;
    hello.version = CUSTODY_VERSION;
    hello.probe = probe;
    message.id = ++lane->next_id;
    message.kind_case = ECKA__CUSTODY__V1__BATCH__KIND_HELLO;
    message.hello = &hello;
    arena_reset(&lane->arena);
    TRY(exchange(lane, &message, CUSTODY_HELLO, 1, &answer));
    if (answer->status == STATUS_TOKEN_ERROR && probe) {
        return STATUS_TOKEN_ERROR;
    }
    if (answer->status != STATUS_OK) {
        LOG_ABOUT(CUSTODIAN_REFUSED_HELLO, lane->config->name, "custodian %s: refused Hello: %s",
                  lane->config->name, status_name((enum status)answer->status));
        return STATUS_DISCONNECTED;
    }
    keep_hello(lane, answer->hello);
    lane->hello_us = clock_us();
    return STATUS_OK;
}

static void lose(struct custody_lane *lane)
{
    if (atomic_exchange(&lane->up, false)) {
        atomic_fetch_add(&lane->losses, 1);
        LOG_ABOUT(CUSTODIAN_LOST, lane->config->name, "custodian %s: connection lost",
                  lane->config->name);
    }
    if (lane->fd >= 0) {
        (void)close(lane->fd);
    }
    lane->fd = -1;
}

static bool try_connect(struct custody_lane *lane)
{
    lane->fd = connect_to(lane->config->socket, lane->timeout_ms);
    if (lane->fd < 0) {
        return false;
    }
    if (say_hello(lane, false) != STATUS_OK) {
        lose(lane);
        return false;
    }
    LOG_ABOUT(CUSTODIAN_UP, lane->config->name, "custodian %s: up", lane->config->name);
    atomic_store(&lane->up, true);
    wake_signal(lane->done_wake); /* what waits for a lane can go */
    return true;
}

/* -- the thread -- */

static void give_back(struct custody_lane *lane, struct batch *batch)
{
    if (ring_push(&lane->done, batch)) { /* always: it has room for the one batch there is */
        wake_signal(lane->done_wake);
    }
}

static void work(struct custody_lane *lane, struct batch *batch)
{
    custody_batch message;
    custody_answer *answer = NULL;
    batch->lost = false;
    batch_drop_late(batch, clock_us());
    if (batch->live == 0) {
        give_back(lane, batch);
        return;
    }
    batch->started_us = clock_us();
    arena_reset(&lane->arena);
    enum status s = custody_encode(&lane->arena, batch, ++lane->next_id, &message);
    if (s == STATUS_OK) {
        s = exchange(lane, &message, custody_kind_of(batch->kind), batch->live, &answer);
    }
    if (s == STATUS_OK) {
        custody_fill(batch, answer);
        if (answer->status != STATUS_OK) {
            LOG_ABOUT(CUSTODIAN_REFUSED_BATCH, lane->config->name,
                      "custodian %s: refused a batch: %s %s", lane->config->name,
                      status_name((enum status)answer->status), answer->detail);
        }
    } else if (s == STATUS_DISCONNECTED) {
        lose(lane); /* before the batch is back, so that it does not come here again */
        batch->lost = true;
    } else {
        LOG(BATCH_TOO_LARGE, "a custody batch exceeds its limits: %s", status_name(s));
        custody_fail(batch, STATUS_INTERNAL);
    }
    batch->ended_us = clock_us();
    give_back(lane, batch);
}

/* Waits for a batch or for the custodian to go away. */
static void wait_idle(struct custody_lane *lane)
{
    struct pollfd p[2] = {{.fd = lane->wake.fd, .events = POLLIN},
                          {.fd = lane->fd, .events = POLLIN}};
    if (poll(p, 2, LANE_HELLO_MS) <= 0) {
        return;
    }
    if (p[0].revents != 0) {
        wake_take(&lane->wake);
    }
    if (p[1].revents != 0) { /* a custodian speaks only when asked: this is its end */
        lose(lane);
        wake_signal(lane->done_wake);
    }
}

/* NULL with the wake-up armed: what comes after this look wakes. */
static struct batch *next_batch(struct custody_lane *lane)
{
    struct batch *batch = ring_pop(&lane->todo);
    if (batch == NULL) {
        wake_arm(&lane->wake);
        batch = ring_pop(&lane->todo);
        if (batch != NULL) {
            wake_disarm(&lane->wake);
        }
    }
    return batch;
}

/* A custodian may load other keys while it serves, and one that hangs is better lost before it has
 * a batch. */
static void ask_again(struct custody_lane *lane)
{
    if (clock_us() - lane->hello_us < (uint64_t)LANE_HELLO_MS * US_PER_MS) {
        return;
    }
    if (say_hello(lane, false) != STATUS_OK) {
        lose(lane);
        wake_signal(lane->done_wake);
    }
}

static void try_token(struct custody_lane *lane)
{
    if (atomic_load(&lane->probe) != LANE_PROBE_ASKED) {
        return;
    }
    enum status s = lane->fd >= 0 ? say_hello(lane, true) : STATUS_DISCONNECTED;
    if (s != STATUS_OK && s != STATUS_TOKEN_ERROR) {
        lose(lane);
    }
    atomic_store(&lane->probe, s == STATUS_OK ? LANE_PROBE_PASSED : LANE_PROBE_FAILED);
    wake_signal(lane->done_wake);
}

void custody_lane_probe(struct custody_lane *lane)
{
    atomic_store(&lane->probe, LANE_PROBE_ASKED);
    wake_signal(&lane->wake);
}

/* -- notes -- */

static enum status send_notes(struct custody_lane *lane, size_t count, const struct note notes[])
{
    static const Ecka__Custody__V1__NoteItem empty = ECKA__CUSTODY__V1__NOTE_ITEM__INIT;
    Ecka__Custody__V1__NoteItem items[NOTES_MAX], *list[NOTES_MAX];
    Ecka__Custody__V1__Note body = ECKA__CUSTODY__V1__NOTE__INIT;
    custody_batch message = ECKA__CUSTODY__V1__BATCH__INIT;
    custody_answer *answer = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct note *n = &notes[i];
        const bool refused = n->event == CUSTODY_NOTE_REFUSED;
        items[i] = empty;
        items[i].event = n->event;
        items[i].principal = (char *)n->principal; /* only read, as the others */
        items[i].operation = (char *)n->operation;
        items[i].status = (uint32_t)n->status;
        items[i].count = n->count;
        items[i].sha256 = (ProtobufCBinaryData){.len = refused ? 0 : sizeof(n->sha256),
                                                .data = (uint8_t *)n->sha256};
        items[i].detail = (char *)n->detail;
        list[i] = &items[i];
    }
    body.n_items = count;
    body.items = list;
    message.id = ++lane->next_id;
    message.kind_case = ECKA__CUSTODY__V1__BATCH__KIND_NOTE;
    message.note = &body;
    arena_reset(&lane->arena);
    TRY(exchange(lane, &message, CUSTODY_NOTE, count, &answer));
    return (enum status)answer->status;
}

/* What waits for an audit log, at most so often; all: at the end. What is not taken waits on. */
static void tell_notes(struct custody_lane *lane, bool all)
{
    struct note notes[NOTES_MAX];
    const uint64_t now = clock_us();
    if (lane->notes == NULL || lane->fd < 0 ||
        (!all && now - lane->notes_us < (uint64_t)LANE_NOTES_MS * US_PER_MS)) {
        return;
    }
    lane->notes_us = now;
    const size_t count = notes_take(lane->notes, notes);
    const enum status s = count == 0 ? STATUS_OK : send_notes(lane, count, notes);
    if (s != STATUS_OK) {
        notes_put_back(lane->notes, count, notes);
    }
    if (s == STATUS_DISCONNECTED) {
        lose(lane);
        wake_signal(lane->done_wake);
    }
}

static void *lane_main(void *arg)
{
    struct custody_lane *lane = arg;
    int pause_ms = LANE_RETRY_MIN_MS;
    place_here(&lane->place);
    while (!atomic_load(&lane->stop)) {
        if (lane->fd < 0) {
            if (try_connect(lane)) {
                pause_ms = LANE_RETRY_MIN_MS;
            }
        } else {
            ask_again(lane);
        }
        try_token(lane);
        tell_notes(lane, false);
        struct batch *batch = next_batch(lane);
        if (batch != NULL && lane->fd < 0) {
            batch->live = batch->count; /* handed over while the custodian was being lost */
            batch->lost = true;
            give_back(lane, batch);
        } else if (batch != NULL) {
            work(lane, batch);
        } else if (atomic_load(&lane->stop)) {
            break; /* as well after arming */
        } else if (atomic_load(&lane->probe) == LANE_PROBE_ASKED) {
            wake_disarm(&lane->wake); /* likewise */
        } else if (lane->fd >= 0) {
            wait_idle(lane);
        } else {
            wake_wait(&lane->wake, pause_ms);
            pause_ms = pause_ms * 2 < LANE_RETRY_MAX_MS ? pause_ms * 2 : LANE_RETRY_MAX_MS;
        }
    }
    tell_notes(lane, true);
    return NULL;
}

static void lane_fini(struct custody_lane *lane)
{
    if (lane->fd >= 0) {
        (void)close(lane->fd);
    }
    free(lane->storage);
    free(lane->frame);
    ring_fini(&lane->todo);
    ring_fini(&lane->done);
    wake_fini(&lane->wake);
    (void)pthread_mutex_destroy(&lane->hello_lock);
}

enum status custody_lane_start(struct custody_lane *lane, const struct config_custodian *config,
                               unsigned timeout_ms, const struct place *place,
                               struct wake *done_wake, struct notes *notes)
{
    *lane = (struct custody_lane){.place = *place,
                                  .config = config,
                                  .timeout_ms = timeout_ms,
                                  .done_wake = done_wake,
                                  .notes = notes,
                                  .wake = {.fd = -1},
                                  .fd = -1};
    atomic_init(&lane->stop, false);
    atomic_init(&lane->up, false);
    atomic_init(&lane->probe, LANE_PROBE_NONE);
    (void)pthread_mutex_init(&lane->hello_lock, NULL); /* cannot fail with default attributes */
    lane->storage = aligned_alloc(16, LANE_ARENA);
    lane->frame = malloc(CUSTODY_FRAME_MAX);
    if (lane->storage != NULL) {
        arena_init(&lane->arena, lane->storage, LANE_ARENA);
    }
    if (lane->storage != NULL && lane->frame != NULL && wake_init(&lane->wake) == STATUS_OK &&
        ring_init(&lane->todo, 1) == STATUS_OK && ring_init(&lane->done, 1) == STATUS_OK &&
        pthread_create(&lane->thread, NULL, lane_main, lane) == 0) {
        return STATUS_OK;
    }
    lane_fini(lane);
    return STATUS_INTERNAL;
}

void custody_lane_stop(struct custody_lane *lane)
{
    atomic_store(&lane->stop, true);
    wake_signal(&lane->wake);
    (void)pthread_join(lane->thread, NULL);
    lane_fini(lane);
}

void custody_lane_hello(struct custody_lane *lane, struct lane_hello *out)
{
    (void)pthread_mutex_lock(&lane->hello_lock);
    *out = lane->hello;
    (void)pthread_mutex_unlock(&lane->hello_lock);
}
