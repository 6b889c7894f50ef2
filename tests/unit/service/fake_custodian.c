#include "tests/unit/service/fake_custodian.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/custody/custody.h"

enum { POLL_MS = 10 };

struct exchange {
    uint8_t frame[CUSTODY_FRAME_MAX];
    uint8_t storage[4 * CUSTODY_FRAME_MAX] __attribute__((aligned(16)));
    struct arena arena;
};

static void fill_hello(struct exchange *x, custody_answer *a)
{
    static uint8_t id[32] = {0x5A};
    Ecka__Custody__V1__HelloAnswer *h = arena_alloc(&x->arena, 1, sizeof(*h));
    ProtobufCBinaryData *ids = arena_alloc(&x->arena, 1, sizeof(*ids));
    ecka__custody__v1__hello_answer__init(h);
    *ids = (ProtobufCBinaryData){.len = sizeof(id), .data = id};
    h->version = CUSTODY_VERSION;
    h->token = (char *)"fake";
    h->backend = (char *)"none";
    h->sr_key_ids = ids;
    h->n_sr_key_ids = 1;
    h->ticket_generation = 3;
    a->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_HELLO;
    a->hello = h;
}

/* Each ticket comes back as the key set; a receipt that starts with FF is a mismatch. */
static void fill_confirm(struct exchange *x, const custody_batch *b, size_t items,
                         custody_answer *a)
{
    static uint8_t kcvs[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static uint8_t custody[CUSTODY_BYTES] = {1, 0, 2, 2};
    Ecka__Custody__V1__ConfirmAnswer *c = arena_alloc(&x->arena, 1, sizeof(*c));
    ecka__custody__v1__confirm_answer__init(c);
    c->items = arena_alloc(&x->arena, items + 1, sizeof(void *));
    for (size_t i = 0; i < items; i++) {
        Ecka__Custody__V1__ConfirmedItem *item = arena_alloc(&x->arena, 1, sizeof(*item));
        ecka__custody__v1__confirmed_item__init(item);
        item->status = STATUS_RECEIPT_MISMATCH;
        if (b->confirm->items[i]->receipt.data[0] != 0xFF) {
            item->status = STATUS_OK;
            item->key_set = b->confirm->items[i]->ticket;
            item->kcvs = (ProtobufCBinaryData){.len = sizeof(kcvs), .data = kcvs};
            item->custody = (ProtobufCBinaryData){.len = sizeof(custody), .data = custody};
        }
        c->items[i] = item;
    }
    c->n_items = items;
    a->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_CONFIRM;
    a->confirm = c;
}

static void fill_note(struct exchange *x, size_t items, custody_answer *a)
{
    Ecka__Custody__V1__NoteAnswer *n = arena_alloc(&x->arena, 1, sizeof(*n));
    Ecka__Custody__V1__NotedItem *item = arena_alloc(&x->arena, 1, sizeof(*item));
    ecka__custody__v1__note_answer__init(n);
    ecka__custody__v1__noted_item__init(item);
    n->n_items = items;
    n->items = arena_alloc(&x->arena, items, sizeof(void *));
    for (size_t i = 0; i < items; i++) {
        n->items[i] = item;
    }
    a->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_NOTE;
    a->note = n;
}

static void send_answer(struct exchange *x, int fd, const custody_answer *a)
{
    size_t len = ecka__custody__v1__answer__pack(a, x->frame);
    (void)send(fd, x->frame, len, MSG_NOSIGNAL);
}

static enum fake_deed next_deed(struct fake_custodian *f)
{
    unsigned n = atomic_fetch_add(&f->batches, 1);
    if (n < f->deed_count) {
        return f->deeds[n];
    }
    return f->last_for_ever ? f->deeds[f->deed_count - 1] : FAKE_ANSWER;
}

/* False when the connection is to be closed. */
static bool serve_one(struct fake_custodian *f, struct exchange *x, int fd)
{
    char detail[WIRE_DETAIL_MAX];
    custody_batch *b = NULL;
    custody_answer a = ECKA__CUSTODY__V1__ANSWER__INIT;
    ssize_t n = recv(fd, x->frame, sizeof(x->frame), 0);
    arena_init(&x->arena, x->storage, sizeof(x->storage));
    if (n <= 0 ||
        custody_batch_decode(&x->arena, span_of(x->frame, (size_t)n), &b, detail) != STATUS_OK) {
        return false;
    }
    a.id = b->id;
    if (b->kind_case == ECKA__CUSTODY__V1__BATCH__KIND_HELLO) {
        if (b->hello->probe && atomic_fetch_add(&f->probes, 1) < f->failing_probes) {
            a.status = STATUS_TOKEN_ERROR;
        } else {
            fill_hello(x, &a);
        }
        send_answer(x, fd, &a);
        return true;
    }
    if (b->kind_case == ECKA__CUSTODY__V1__BATCH__KIND_NOTE) {
        fill_note(x, b->note->n_items, &a);
        send_answer(x, fd, &a);
        return true;
    }
    enum fake_deed deed = next_deed(f);
    (void)poll(NULL, 0, (int)atomic_load(&f->delay_ms));
    switch (deed) {
    case FAKE_DIE:
        return false;
    case FAKE_GARBAGE:
        (void)send(fd, "\xff\xff\xff", 3, MSG_NOSIGNAL);
        return true;
    case FAKE_REFUSE:
        a.status = STATUS_TOKEN_ERROR;
        break;
    case FAKE_WRONG_ID:
        a.id++;
        fill_confirm(x, b, b->confirm->n_items, &a);
        break;
    case FAKE_ONE_SHORT:
        fill_confirm(x, b, b->confirm->n_items - 1, &a);
        break;
    case FAKE_ANSWER:
        fill_confirm(x, b, b->confirm->n_items, &a);
        break;
    }
    send_answer(x, fd, &a);
    return true;
}

static void *fake_main(void *arg)
{
    static struct exchange x;
    struct fake_custodian *f = arg;
    int fd = -1;
    while (!atomic_load(&f->stop)) {
        struct pollfd p = {.fd = fd >= 0 ? fd : f->listener, .events = POLLIN};
        if (poll(&p, 1, POLL_MS) <= 0) {
            continue;
        }
        if (fd < 0) {
            fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        } else if (!serve_one(f, &x, fd)) {
            (void)close(fd);
            fd = -1;
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return NULL;
}

void fake_custodian_start(struct fake_custodian *f, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(f->path, sizeof(f->path), "%s", path);
    memcpy(address.sun_path, f->path, sizeof(f->path));
    f->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_true(f->listener >= 0);
    assert_int_equal(bind(f->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(f->listener, 4), 0);
    assert_int_equal(pthread_create(&f->thread, NULL, fake_main, f), 0);
}

void fake_custodian_stop(struct fake_custodian *f)
{
    atomic_store(&f->stop, true);
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    assert_int_equal(close(f->listener), 0);
    assert_int_equal(unlink(f->path), 0);
}
