/*
 * One message in, one message out: decodes a batch, lets its operation answer, encodes the answer.
 */
#include <assert.h>
#include <string.h>

#include "hsm/custodian.h"
#include "hsm/log.h"
#include "providers/core/secret.h"

enum status answer_bytes(struct arena *arena, ProtobufCBinaryData *field, struct span bytes)
{
    *field = (ProtobufCBinaryData){0};
    if (bytes.len == 0) {
        return STATUS_OK;
    }
    field->data = arena_alloc(arena, bytes.len, 1);
    if (field->data == NULL) {
        return STATUS_NO_SPACE;
    }
    field->len = bytes.len;
    memcpy(field->data, bytes.ptr, bytes.len);
    return STATUS_OK;
}

/*
 * An answer of this kind in the arena, with as many items as the batch has, each initialised and
 * counted in c->operations.
 * protobuf-c gives every message its own type, so this is the one place that is a macro.
 */
#define ANSWER_NEW(out, arena, count, Item, ITEM_INIT, ANSWER_INIT)                                \
    do {                                                                                           \
        static const Item empty_item = ITEM_INIT;                                                  \
        Item *storage = arena_alloc(arena, count, sizeof *storage);                                \
        (out) = arena_alloc(arena, 1, sizeof *(out));                                              \
        Item **items = arena_alloc(arena, count, sizeof(void *));                                  \
        if (storage == NULL || (out) == NULL || items == NULL) {                                   \
            return STATUS_NO_SPACE;                                                                \
        }                                                                                          \
        *(out) = (typeof(*(out)))ANSWER_INIT;                                                      \
        for (size_t item = 0; item < (count); item++) {                                            \
            storage[item] = empty_item;                                                            \
            items[item] = &storage[item];                                                          \
        }                                                                                          \
        c->operations += (count);                                                                  \
        (out)->n_items = (count);                                                                  \
        (out)->items = items;                                                                      \
    } while (0)

static enum status hello(struct custodian *c, struct arena *arena, const custody_batch *batch,
                         custody_answer *answer)
{
    Ecka__Custody__V1__HelloAnswer *out = arena_alloc(arena, 1, sizeof *out);
    ProtobufCBinaryData *ids = arena_alloc(arena, c->sr.n + 1, sizeof *ids);
    char *refused = arena_alloc(arena, PROVIDER_REFUSED_MAX, 1);

    if (out == NULL || ids == NULL || refused == NULL) {
        return STATUS_NO_SPACE;
    }
    if (batch->hello->probe) {
        TRY(generation_try(c->generations, &c->token, &c->keys));
    }
    *out = (Ecka__Custody__V1__HelloAnswer)ECKA__CUSTODY__V1__HELLO_ANSWER__INIT;
    for (size_t i = 0; i < c->sr.n; i++) {
        ids[i] = (ProtobufCBinaryData){.len = SHA256_LEN, .data = c->sr.list[i].id};
    }
    out->version = CUSTODY_VERSION;
    out->token = c->token.label;
    out->backend = (char *)provider_name();
    provider_refused(refused);
    out->backend_refused = refused;
    out->audit = c->audit == NULL ? (char *)"" : c->config->audit.origin;
    out->n_sr_key_ids = c->sr.n;
    out->sr_key_ids = ids;
    out->ticket_generation = generation_newest(c->generations, KEY_TICKET)->number;
    out->keyset_generation = generation_newest(c->generations, KEY_KEYSET)->number;
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_HELLO;
    answer->hello = out;
    return STATUS_OK;
}

static enum status establish(struct custodian *c, struct arena *arena, uint64_t now,
                             const custody_batch *batch, custody_answer *answer)
{
    ANSWER_NEW(answer->establish, arena, batch->establish->n_items,
               Ecka__Custody__V1__EstablishedItem, ECKA__CUSTODY__V1__ESTABLISHED_ITEM__INIT,
               ECKA__CUSTODY__V1__ESTABLISH_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_ESTABLISH;
    return establish_batch(c, arena, now, batch->establish, answer->establish);
}

static enum status confirm(struct custodian *c, struct arena *arena, uint64_t now,
                           const custody_batch *batch, custody_answer *answer)
{
    ANSWER_NEW(answer->confirm, arena, batch->confirm->n_items, Ecka__Custody__V1__ConfirmedItem,
               ECKA__CUSTODY__V1__CONFIRMED_ITEM__INIT, ECKA__CUSTODY__V1__CONFIRM_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_CONFIRM;
    return confirm_batch(c, arena, now, batch->confirm, answer->confirm);
}

static enum status scp80_wrap(struct custodian *c, struct arena *arena, const custody_batch *batch,
                              custody_answer *answer)
{
    ANSWER_NEW(answer->scp80_wrap, arena, batch->scp80_wrap->n_items,
               Ecka__Custody__V1__Scp80WrappedItem, ECKA__CUSTODY__V1__SCP80_WRAPPED_ITEM__INIT,
               ECKA__CUSTODY__V1__SCP80_WRAP_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_SCP80_WRAP;
    return scp80_wrap_batch(c, arena, batch->scp80_wrap, answer->scp80_wrap);
}

static enum status scp80_unwrap(struct custodian *c, struct arena *arena,
                                const custody_batch *batch, custody_answer *answer)
{
    ANSWER_NEW(answer->scp80_unwrap, arena, batch->scp80_unwrap->n_items,
               Ecka__Custody__V1__Scp80UnwrappedItem, ECKA__CUSTODY__V1__SCP80_UNWRAPPED_ITEM__INIT,
               ECKA__CUSTODY__V1__SCP80_UNWRAP_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_SCP80_UNWRAP;
    return scp80_unwrap_batch(c, arena, batch->scp80_unwrap, answer->scp80_unwrap);
}

static enum status sign_all(struct custodian *c, struct arena *arena, const custody_batch *batch,
                            custody_answer *answer)
{
    ANSWER_NEW(answer->sign, arena, batch->sign->n_items, Ecka__Custody__V1__SignedItem,
               ECKA__CUSTODY__V1__SIGNED_ITEM__INIT, ECKA__CUSTODY__V1__SIGN_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_SIGN;
    return sign_batch(c, arena, batch->sign, answer->sign);
}

static enum status agree_all(struct custodian *c, struct arena *arena, const custody_batch *batch,
                             custody_answer *answer)
{
    ANSWER_NEW(answer->agree, arena, batch->agree->n_items, Ecka__Custody__V1__AgreedItem,
               ECKA__CUSTODY__V1__AGREED_ITEM__INIT, ECKA__CUSTODY__V1__AGREE_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_AGREE;
    return agree_batch(c, arena, batch->agree, answer->agree);
}

static enum status key_set_create(struct custodian *c, struct arena *arena,
                                  const custody_batch *batch, custody_answer *answer)
{
    ANSWER_NEW(answer->key_set_create, arena, batch->key_set_create->n_items,
               Ecka__Custody__V1__KeySetCreatedItem, ECKA__CUSTODY__V1__KEY_SET_CREATED_ITEM__INIT,
               ECKA__CUSTODY__V1__KEY_SET_CREATE_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_KEY_SET_CREATE;
    return key_set_create_batch(c, arena, batch->key_set_create, answer->key_set_create);
}

static enum status scp03_open_all(struct custodian *c, struct arena *arena,
                                  const custody_batch *batch, custody_answer *answer)
{
    ANSWER_NEW(answer->scp03_open, arena, batch->scp03_open->n_items,
               Ecka__Custody__V1__Scp03OpenedItem, ECKA__CUSTODY__V1__SCP03_OPENED_ITEM__INIT,
               ECKA__CUSTODY__V1__SCP03_OPEN_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_SCP03_OPEN;
    return scp03_open_batch(c, arena, batch->scp03_open, answer->scp03_open);
}

static enum status scp03_wrap_all(struct custodian *c, struct arena *arena,
                                  const custody_batch *batch, custody_answer *answer)
{
    ANSWER_NEW(answer->scp03_wrap, arena, batch->scp03_wrap->n_items,
               Ecka__Custody__V1__Scp03WrappedItem, ECKA__CUSTODY__V1__SCP03_WRAPPED_ITEM__INIT,
               ECKA__CUSTODY__V1__SCP03_WRAP_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_SCP03_WRAP;
    return scp03_wrap_batch(c, arena, batch->scp03_wrap, answer->scp03_wrap);
}

static enum status scp03_unwrap_all(struct custodian *c, struct arena *arena,
                                    const custody_batch *batch, custody_answer *answer)
{
    ANSWER_NEW(answer->scp03_unwrap, arena, batch->scp03_unwrap->n_items,
               Ecka__Custody__V1__Scp03UnwrappedItem, ECKA__CUSTODY__V1__SCP03_UNWRAPPED_ITEM__INIT,
               ECKA__CUSTODY__V1__SCP03_UNWRAP_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_SCP03_UNWRAP;
    return scp03_unwrap_batch(c, arena, batch->scp03_unwrap, answer->scp03_unwrap);
}

static enum status reseal_all(struct custodian *c, struct arena *arena, const custody_batch *batch,
                              custody_answer *answer)
{
    ANSWER_NEW(answer->reseal, arena, batch->reseal->n_items, Ecka__Custody__V1__ResealedItem,
               ECKA__CUSTODY__V1__RESEALED_ITEM__INIT, ECKA__CUSTODY__V1__RESEAL_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_RESEAL;
    return reseal_batch(c, arena, batch->reseal, answer->reseal);
}

static enum status rewrap_all(struct custodian *c, struct arena *arena, uint64_t now,
                              const custody_batch *batch, custody_answer *answer)
{
    ANSWER_NEW(answer->rewrap, arena, batch->rewrap->n_items, Ecka__Custody__V1__RewrappedItem,
               ECKA__CUSTODY__V1__REWRAPPED_ITEM__INIT, ECKA__CUSTODY__V1__REWRAP_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_REWRAP;
    return rewrap_batch(c, arena, now, batch->rewrap, answer->rewrap);
}

static enum status note_all(struct custodian *c, struct arena *arena, const custody_batch *batch,
                            custody_answer *answer)
{
    ANSWER_NEW(answer->note, arena, batch->note->n_items, Ecka__Custody__V1__NotedItem,
               ECKA__CUSTODY__V1__NOTED_ITEM__INIT, ECKA__CUSTODY__V1__NOTE_ANSWER__INIT);
    answer->kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_NOTE;
    return note_batch(c, batch->note);
}

static enum status answer_batch(struct custodian *c, struct arena *arena, uint64_t now,
                                const custody_batch *batch, custody_answer *answer)
{
    switch (batch->kind_case) {
    case ECKA__CUSTODY__V1__BATCH__KIND_HELLO:
        return hello(c, arena, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_ESTABLISH:
        return establish(c, arena, now, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_CONFIRM:
        return confirm(c, arena, now, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_SCP80_WRAP:
        return scp80_wrap(c, arena, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_SCP80_UNWRAP:
        return scp80_unwrap(c, arena, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_SIGN:
        return sign_all(c, arena, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_AGREE:
        return agree_all(c, arena, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_KEY_SET_CREATE:
        return key_set_create(c, arena, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_SCP03_OPEN:
        return scp03_open_all(c, arena, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_SCP03_WRAP:
        return scp03_wrap_all(c, arena, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_SCP03_UNWRAP:
        return scp03_unwrap_all(c, arena, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_RESEAL:
        return reseal_all(c, arena, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_REWRAP:
        return rewrap_all(c, arena, now, batch, answer);
    case ECKA__CUSTODY__V1__BATCH__KIND_NOTE:
        return note_all(c, arena, batch, answer);
    default:
        return STATUS_BAD_REQUEST;
    }
}

/* What is released is in the audit log first. Where that cannot be, the batch is refused as a
 * whole: before anything is done, unless the disk went full just now. */
static enum status answer_audited(struct custodian *c, struct arena *arena, uint64_t now,
                                  const custody_batch *batch, custody_answer *answer)
{
    enum status st = audit_admit(c->audit, batch_begins(batch));
    if (st == STATUS_OK) {
        st = answer_batch(c, arena, now, batch, answer);
        enum status written = audit_commit(c->audit);
        if (written != STATUS_OK) {
            audit_discard(c->audit);
            st = written;
        }
    }
    leaves_of_refusals(c, batch, st == STATUS_OK ? answer : NULL, st);
    return st;
}

static enum status encode(const custody_answer *answer, struct writer *out)
{
    size_t size = ecka__custody__v1__answer__get_packed_size(answer);
    if (size > CUSTODY_FRAME_MAX || size > out->cap) {
        return STATUS_NO_SPACE;
    }
    out->len = ecka__custody__v1__answer__pack(answer, out->ptr);
    return STATUS_OK;
}

static void refuse(custody_answer *answer, enum status st, char *detail)
{
    uint64_t id = answer->id;
    *answer = (custody_answer)ECKA__CUSTODY__V1__ANSWER__INIT;
    answer->id = id;
    answer->status = (uint32_t)st;
    answer->detail = detail;
}

enum status custodian_batch(struct custodian *c, struct arena *arena, struct span frame,
                            uint64_t now, struct writer *out)
{
    custody_answer answer = ECKA__CUSTODY__V1__ANSWER__INIT;
    custody_batch *batch = NULL;
    char detail[WIRE_DETAIL_MAX] = "";

    c->uses.now = now;
    arena_reset(arena);
    *out = writer_of(out->ptr, out->cap);
    enum status st = custody_batch_decode(arena, frame, &batch, detail);
    if (batch != NULL) {
        answer.id = batch->id;
    }
    if (st == STATUS_OK) {
        assert(batch != NULL);
        st = answer_audited(c, arena, now, batch, &answer);
    }
    secret_wipe(c->secrets, sizeof *c->secrets);
    if (st == STATUS_OK) {
        st = encode(&answer, out);
    }
    if (st != STATUS_OK) {
        if (st != STATUS_AUDIT_UNAVAILABLE) { /* which is said once, not with each batch */
            log_line("batch refused: %s %s", status_name(st), detail);
        }
        refuse(&answer, st, detail);
        st = encode(&answer, out);
    }
    return st;
}
