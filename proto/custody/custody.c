/*
 * Lengths of the custody messages, checked once. Every item is checked before any is acted on, so a
 * malformed item refuses its batch: eckad builds these messages, and one that is malformed is a
 * fault or an attack, not a client's mistake.
 */
#include "proto/custody/custody.h"

#include <stdio.h>
#include <string.h>

enum {
    EID = 16,
    POINT = 65,
    SHA256_ID = 32,
    RECEIPT = 16,
    KCVS = 9,
    SIGNATURE = 64,
    CHALLENGE = 8,
    CRYPTOGRAM = 8,
    DIGEST = 32,
};

typedef const ProtobufCBinaryData bin;

static const bool name_chars[256] = {
    ['.'] = true, ['_'] = true, ['-'] = true, ['0' ... '9'] = true, ['a' ... 'z'] = true,
};

bool principal_valid(const char *name)
{
    size_t n = 0;
    while (name_chars[(uint8_t)name[n]] && n <= WIRE_PRINCIPAL_MAX) {
        n++;
    }
    return n >= 1 && n <= WIRE_PRINCIPAL_MAX && name[n] == '\0';
}

static bool is(bin b, size_t len)
{
    return b.len == len;
}

static bool below(bin b, size_t max)
{
    return b.len <= max;
}

/* The name of the first field that is wrong, or NULL. */
static const char *establish_fault(const Ecka__Custody__V1__EstablishItem *i)
{
    return !principal_valid(i->principal)    ? "principal"
           : !is(i->eid, EID)                ? "eid"
           : !is(i->pk_ecasd, POINT)         ? "pk_ecasd"
           : !is(i->sr_key_id, SHA256_ID)    ? "sr_key_id"
           : !below(i->rc, WIRE_ID_MAX)      ? "rc"
           : i->kvn > UINT8_MAX              ? "kvn"
           : i->scenario > UINT8_MAX         ? "scenario"
           : i->key_usage > UINT8_MAX        ? "key_usage"
           : !below(i->host_id, WIRE_ID_MAX) ? "host_id"
           : !below(i->sin, WIRE_ID_MAX)     ? "sin"
           : !below(i->sdin, WIRE_ID_MAX)    ? "sdin"
                                             : NULL;
}

static const char *confirm_fault(const Ecka__Custody__V1__ConfirmItem *i)
{
    return !principal_valid(i->principal)       ? "principal"
           : !below(i->ticket, WIRE_TICKET_MAX) ? "ticket"
           : !is(i->eid, EID)                   ? "eid"
           : !is(i->receipt, RECEIPT)           ? "receipt"
           : !below(i->dr, WIRE_ID_MAX)         ? "dr"
                                                : NULL;
}

static const char *wrap_fault(const Ecka__Custody__V1__Scp80WrapItem *i)
{
    return !principal_valid(i->principal)         ? "principal"
           : !below(i->key_set, WIRE_KEY_SET_MAX) ? "key_set"
           : !is(i->eid, EID)                     ? "eid"
           : i->kvn > UINT8_MAX                   ? "kvn"
           : i->spi > UINT16_MAX                  ? "spi"
           : i->tar > 0xFFFFFF                    ? "tar"
           : !below(i->payload, WIRE_PAYLOAD_MAX) ? "payload"
                                                  : NULL;
}

static const char *unwrap_fault(const Ecka__Custody__V1__Scp80UnwrapItem *i)
{
    return !principal_valid(i->principal)         ? "principal"
           : !below(i->key_set, WIRE_KEY_SET_MAX) ? "key_set"
           : !is(i->eid, EID)                     ? "eid"
           : i->kvn > UINT8_MAX                   ? "kvn"
           : !below(i->packet, WIRE_PACKET_MAX)   ? "packet"
                                                  : NULL;
}

/* A label that is none of a key's is the operation's to answer: it names nothing. */
static bool is_label(const char *label)
{
    return strnlen(label, WIRE_LABEL_MAX + 1) <= WIRE_LABEL_MAX;
}

static const char *sign_fault(const Ecka__Custody__V1__SignItem *i)
{
    return !principal_valid(i->principal) ? "principal"
           : !is_label(i->key_label)      ? "key_label"
           : !is(i->digest, DIGEST)       ? "digest"
                                          : NULL;
}

static const char *agree_fault(const Ecka__Custody__V1__AgreeItem *i)
{
    return !principal_valid(i->principal)                 ? "principal"
           : !is(i->peer, POINT)                          ? "peer"
           : !below(i->shared_info, WIRE_SHARED_INFO_MAX) ? "shared_info"
                                                          : NULL;
}

static const char *create_fault(const Ecka__Custody__V1__KeySetCreateItem *i)
{
    return !principal_valid(i->principal)         ? "principal"
           : !below(i->key_set, WIRE_KEY_SET_MAX) ? "key_set"
           : !is(i->eid, EID)                     ? "eid"
           : i->kvn > UINT8_MAX                   ? "kvn"
           : i->kind > UINT8_MAX                  ? "kind"
           : i->new_kvn > UINT8_MAX               ? "new_kvn"
                                                  : NULL;
}

static const char *scp03_open_fault(const Ecka__Custody__V1__Scp03OpenItem *i)
{
    return !principal_valid(i->principal)         ? "principal"
           : !below(i->key_set, WIRE_KEY_SET_MAX) ? "key_set"
           : !is(i->eid, EID)                     ? "eid"
           : i->kvn > UINT8_MAX                   ? "kvn"
           : !is(i->host_challenge, CHALLENGE)    ? "host_challenge"
           : !is(i->card_challenge, CHALLENGE)    ? "card_challenge"
           : !is(i->card_cryptogram, CRYPTOGRAM)  ? "card_cryptogram"
           : i->security_level > UINT8_MAX        ? "security_level"
                                                  : NULL;
}

static const char *scp03_wrap_fault(const Ecka__Custody__V1__Scp03WrapItem *i)
{
    return !principal_valid(i->principal)         ? "principal"
           : !below(i->session, WIRE_SESSION_MAX) ? "session"
           : !is(i->eid, EID)                     ? "eid"
           : !below(i->apdu, WIRE_APDU_MAX)       ? "apdu"
                                                  : NULL;
}

static const char *scp03_unwrap_fault(const Ecka__Custody__V1__Scp03UnwrapItem *i)
{
    return !principal_valid(i->principal)         ? "principal"
           : !below(i->session, WIRE_SESSION_MAX) ? "session"
           : !is(i->eid, EID)                     ? "eid"
           : !below(i->apdu, WIRE_APDU_MAX)       ? "apdu"
                                                  : NULL;
}

static const char *reseal_fault(const Ecka__Custody__V1__ResealItem *i)
{
    return !principal_valid(i->principal)         ? "principal"
           : !below(i->key_set, WIRE_KEY_SET_MAX) ? "key_set"
           : !is(i->eid, EID)                     ? "eid"
           : i->kvn > UINT8_MAX                   ? "kvn"
                                                  : NULL;
}

static const char *rewrap_fault(const Ecka__Custody__V1__RewrapItem *i)
{
    return !principal_valid(i->principal)         ? "principal"
           : !is_label(i->kek_label)              ? "kek_label"
           : !below(i->key_set, WIRE_KEY_SET_MAX) ? "key_set"
           : !is(i->eid, EID)                     ? "eid"
           : i->kvn > UINT8_MAX                   ? "kvn"
                                                  : NULL;
}

static const char *note_fault(const Ecka__Custody__V1__NoteItem *i)
{
    bool refused = i->event == CUSTODY_NOTE_REFUSED;
    return i->event < CUSTODY_NOTE_POLICY || i->event > CUSTODY_NOTE_REFUSED ? "event"
           : i->principal[0] != '\0' && !principal_valid(i->principal)       ? "principal"
           : refused && !is_label(i->operation)                              ? "operation"
           : !status_known(i->status)                                        ? "status"
           : i->count == 0                                                   ? "count"
           : !is(i->sha256, refused ? 0 : SHA256_ID)                         ? "sha256"
           : strlen(i->detail) >= WIRE_DETAIL_MAX                            ? "detail"
                                                                             : NULL;
}

static const char *hello_fault(const Ecka__Custody__V1__Hello *h)
{
    return h->version == CUSTODY_VERSION ? NULL : "version";
}

/* Walks the items of one kind; leaves the faulty item's number in at. */
#define ITEMS_FAULT(list, fault_of)                                                                \
    do {                                                                                           \
        n = (list)->n_items;                                                                       \
        for (size_t i = 0; i < n && n <= CUSTODY_ITEMS_MAX && fault == NULL; i++) {                \
            fault = fault_of((list)->items[i]);                                                    \
            *at = i;                                                                               \
        }                                                                                          \
    } while (0)

static const char *batch_fault(const custody_batch *b, size_t *at)
{
    const char *fault = NULL;
    size_t n = 1;
    *at = 0;
    switch (b->kind_case) {
    case ECKA__CUSTODY__V1__BATCH__KIND_HELLO:
        fault = hello_fault(b->hello);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_ESTABLISH:
        ITEMS_FAULT(b->establish, establish_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_CONFIRM:
        ITEMS_FAULT(b->confirm, confirm_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_SCP80_WRAP:
        ITEMS_FAULT(b->scp80_wrap, wrap_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_SCP80_UNWRAP:
        ITEMS_FAULT(b->scp80_unwrap, unwrap_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_SIGN:
        ITEMS_FAULT(b->sign, sign_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_AGREE:
        ITEMS_FAULT(b->agree, agree_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_KEY_SET_CREATE:
        ITEMS_FAULT(b->key_set_create, create_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_SCP03_OPEN:
        ITEMS_FAULT(b->scp03_open, scp03_open_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_SCP03_WRAP:
        ITEMS_FAULT(b->scp03_wrap, scp03_wrap_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_SCP03_UNWRAP:
        ITEMS_FAULT(b->scp03_unwrap, scp03_unwrap_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_RESEAL:
        ITEMS_FAULT(b->reseal, reseal_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_REWRAP:
        ITEMS_FAULT(b->rewrap, rewrap_fault);
        break;
    case ECKA__CUSTODY__V1__BATCH__KIND_NOTE:
        ITEMS_FAULT(b->note, note_fault);
        break;
    default:
        return "kind";
    }
    return n == 0 || n > CUSTODY_ITEMS_MAX ? "items" : fault;
}

enum status custody_batch_decode(struct arena *arena, struct span frame, custody_batch **out,
                                 char detail[static WIRE_DETAIL_MAX])
{
    size_t at;
    detail[0] = '\0';
    *out = frame.len > CUSTODY_FRAME_MAX
               ? NULL
               : ecka__custody__v1__batch__unpack(&arena->allocator, frame.len, frame.ptr);
    if (*out == NULL) {
        (void)snprintf(detail, WIRE_DETAIL_MAX, "the message is no ecka.custody.v1.Batch");
        return STATUS_BAD_REQUEST;
    }
    const char *fault = batch_fault(*out, &at);
    if (fault != NULL) {
        (void)snprintf(detail, WIRE_DETAIL_MAX, "field %s of item %zu is malformed", fault, at);
        return STATUS_BAD_REQUEST;
    }
    return STATUS_OK;
}

/* An item that failed carries nothing; one that is done carries whole fields. */
static bool established_ok(const Ecka__Custody__V1__EstablishedItem *i)
{
    return i->status != STATUS_OK ||
           (is(i->epk, POINT) && is(i->signature, SIGNATURE) && is(i->custody, CUSTODY_BYTES) &&
            below(i->crt, WIRE_CERT_MAX) && below(i->store_data, WIRE_CERT_MAX) &&
            below(i->ticket, WIRE_TICKET_MAX));
}

static bool confirmed_ok(const Ecka__Custody__V1__ConfirmedItem *i)
{
    return i->status != STATUS_OK || (below(i->key_set, WIRE_KEY_SET_MAX) && is(i->kcvs, KCVS) &&
                                      is(i->custody, CUSTODY_BYTES));
}

static bool wrapped_ok(const Ecka__Custody__V1__Scp80WrappedItem *i)
{
    return below(i->packet, WIRE_PACKET_MAX);
}

static bool unwrapped_ok(const Ecka__Custody__V1__Scp80UnwrappedItem *i)
{
    return i->por_status <= UINT8_MAX && i->tar <= 0xFFFFFF && below(i->payload, WIRE_PACKET_MAX);
}

static bool signed_ok(const Ecka__Custody__V1__SignedItem *i)
{
    return i->status != STATUS_OK || is(i->signature, SIGNATURE);
}

static bool agreed_ok(const Ecka__Custody__V1__AgreedItem *i)
{
    return i->status != STATUS_OK || (is(i->epk, POINT) && is(i->custody, CUSTODY_BYTES) &&
                                      below(i->key_blob, WIRE_KEY_SET_MAX));
}

static bool created_ok(const Ecka__Custody__V1__KeySetCreatedItem *i)
{
    return i->status != STATUS_OK || (below(i->new_key_set, WIRE_KEY_SET_MAX) &&
                                      below(i->put_key, WIRE_PUT_KEY_MAX) && is(i->kcvs, KCVS));
}

static bool scp03_opened_ok(const Ecka__Custody__V1__Scp03OpenedItem *i)
{
    return below(i->session, WIRE_SESSION_MAX) && below(i->apdu, WIRE_APDU_MAX);
}

static bool scp03_wrapped_ok(const Ecka__Custody__V1__Scp03WrappedItem *i)
{
    return below(i->session, WIRE_SESSION_MAX) && below(i->apdu, WIRE_APDU_MAX);
}

static bool scp03_unwrapped_ok(const Ecka__Custody__V1__Scp03UnwrappedItem *i)
{
    return below(i->session, WIRE_SESSION_MAX) && below(i->apdu, WIRE_APDU_MAX);
}

static bool resealed_ok(const Ecka__Custody__V1__ResealedItem *i)
{
    return below(i->key_set, WIRE_KEY_SET_MAX);
}

static bool rewrapped_ok(const Ecka__Custody__V1__RewrappedItem *i)
{
    return i->status != STATUS_OK ||
           (below(i->wrapped, WIRE_WRAPPED_MAX) && below(i->manifest, WIRE_MANIFEST_MAX) &&
            is(i->signature, SIGNATURE));
}

static bool noted_ok(const Ecka__Custody__V1__NotedItem *i)
{
    return i->status == STATUS_OK;
}

static bool hello_ok(const Ecka__Custody__V1__HelloAnswer *h)
{
    bool ok = h->version == CUSTODY_VERSION;
    for (size_t i = 0; i < h->n_sr_key_ids; i++) {
        ok = ok && is(h->sr_key_ids[i], SHA256_ID);
    }
    return ok;
}

#define ALL_ITEMS(list, item_ok)                                                                   \
    do {                                                                                           \
        ok = (list)->n_items == items;                                                             \
        for (size_t i = 0; ok && i < items; i++) {                                                 \
            ok = status_known((list)->items[i]->status) && item_ok((list)->items[i]);              \
        }                                                                                          \
    } while (0)

static bool answer_ok(const custody_answer *a, size_t items)
{
    bool ok = false;
    switch (a->kind_case) {
    case ECKA__CUSTODY__V1__ANSWER__KIND_HELLO:
        ok = hello_ok(a->hello);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_ESTABLISH:
        ALL_ITEMS(a->establish, established_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_CONFIRM:
        ALL_ITEMS(a->confirm, confirmed_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_SCP80_WRAP:
        ALL_ITEMS(a->scp80_wrap, wrapped_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_SCP80_UNWRAP:
        ALL_ITEMS(a->scp80_unwrap, unwrapped_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_SIGN:
        ALL_ITEMS(a->sign, signed_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_AGREE:
        ALL_ITEMS(a->agree, agreed_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_KEY_SET_CREATE:
        ALL_ITEMS(a->key_set_create, created_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_SCP03_OPEN:
        ALL_ITEMS(a->scp03_open, scp03_opened_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_SCP03_WRAP:
        ALL_ITEMS(a->scp03_wrap, scp03_wrapped_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_SCP03_UNWRAP:
        ALL_ITEMS(a->scp03_unwrap, scp03_unwrapped_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_RESEAL:
        ALL_ITEMS(a->reseal, resealed_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_REWRAP:
        ALL_ITEMS(a->rewrap, rewrapped_ok);
        break;
    case ECKA__CUSTODY__V1__ANSWER__KIND_NOTE:
        ALL_ITEMS(a->note, noted_ok);
        break;
    default:
        break;
    }
    return ok;
}

enum status custody_answer_decode(struct arena *arena, struct span frame, uint64_t id,
                                  enum custody_kind kind, size_t items, custody_answer **out)
{
    *out = frame.len > CUSTODY_FRAME_MAX
               ? NULL
               : ecka__custody__v1__answer__unpack(&arena->allocator, frame.len, frame.ptr);
    if (*out == NULL || (*out)->id != id || !status_known((*out)->status)) {
        return STATUS_BAD_REQUEST;
    }
    if ((*out)->status != STATUS_OK) {
        return (*out)->kind_case == ECKA__CUSTODY__V1__ANSWER__KIND__NOT_SET ? STATUS_OK
                                                                             : STATUS_BAD_REQUEST;
    }
    if ((int)(*out)->kind_case != (int)kind) {
        return STATUS_BAD_REQUEST;
    }
    return answer_ok(*out, items) ? STATUS_OK : STATUS_BAD_REQUEST;
}
