/*
 * See custody_codec.h. What a field of an item is to its column or entry is a line of a table; the
 * shape of the operation and protobuf-c's descriptors say where either lies. A batch of
 * CUSTODY_ITEMS_MAX items always fits a frame, both ways; the assertions below hold the limits to
 * that, so no batch has to be cut at run time.
 */
#include "service/custody/custody_codec.h"

#include "proto/gp/crt.h"
#include "proto/wire/shape.h"
#include "providers/provider.h"
#include "service/job.h"

enum {
    EID_LEN = 16,
    SR_KEY_ID_LEN = 32,
    RECEIPT_BYTES = 16,
    KCVS_BYTES = 9,
    CHALLENGE_BYTES = 8,
    DEFAULT_SPI = 0x1639, /* counter, cipher and checksum; proof of receipt asked for */

    /* Tag and length of a field; at most 14 fields and as many numbers of 10 bytes an item. */
    FIELD_HEAD = 4,
    ITEM_OVERHEAD = 14 * FIELD_HEAD + 6 * 10 + WIRE_PRINCIPAL_MAX + EID_LEN,
};

#define FITS(bytes)                                                                                \
    _Static_assert(CUSTODY_ITEMS_MAX * ((bytes) + ITEM_OVERHEAD) < CUSTODY_FRAME_MAX, #bytes)
FITS(EC_POINT_LEN + SR_KEY_ID_LEN + 4 * WIRE_ID_MAX); /* Establish: RC and three ids */
FITS(WIRE_TICKET_MAX + RECEIPT_BYTES + WIRE_ID_MAX);  /* Confirm */
FITS(WIRE_KEY_SET_MAX + WIRE_PACKET_MAX);             /* wrap and unwrap */
FITS(EC_POINT_LEN + EC_SIGNATURE_LEN + 2 * WIRE_CERT_MAX + WIRE_TICKET_MAX); /* established */
FITS(EC_POINT_LEN + WIRE_SHARED_INFO_MAX);                                   /* Agree */
FITS(EC_POINT_LEN + WIRE_KEY_SET_MAX + CUSTODY_BYTES);                       /* agreed */
FITS(WIRE_KEY_SET_MAX + WIRE_PUT_KEY_MAX + KCVS_BYTES);                      /* created */
FITS(WIRE_KEY_SET_MAX + 3 * CHALLENGE_BYTES);                                /* Scp03Open */
FITS(WIRE_SESSION_MAX + WIRE_APDU_MAX);                                      /* SCP03, both ways */
FITS(WIRE_KEY_SET_MAX + WIRE_LABEL_MAX);                                     /* Rewrap */
FITS(WIRE_WRAPPED_MAX + WIRE_MANIFEST_MAX + EC_SIGNATURE_LEN);               /* rewrapped */

/* -- what becomes what -- */

enum item_form { ITEM_BYTES, ITEM_TEXT, ITEM_U32, ITEM_U64 };

struct bridge {
    size_t at; /* in the client's message */
    size_t item_at;
    enum item_form form;
    uint32_t absent; /* the number, where the column was left out */
};

#define BRIDGE(message, field, Item, item_field, form, absent)                                     \
    {                                                                                              \
        offsetof(Ecka__V1__##message, field), offsetof(Ecka__Custody__V1__##Item, item_field),     \
            form, absent                                                                           \
    }
#define BYTES(message, field, Item, item_field)                                                    \
    BRIDGE(message, field, Item, item_field, ITEM_BYTES, 0)
#define TEXT(message, field, Item, item_field)                                                     \
    BRIDGE(message, field, Item, item_field, ITEM_TEXT, 0)
#define U32(message, field, Item, item_field) BRIDGE(message, field, Item, item_field, ITEM_U32, 0)
#define U64(message, field, Item, item_field) BRIDGE(message, field, Item, item_field, ITEM_U64, 0)
#define U32_OR(message, field, Item, item_field, absent)                                           \
    BRIDGE(message, field, Item, item_field, ITEM_U32, absent)

#define KEY_SET(message)                                                                           \
    BYTES(message, eids, message##Item, eid), BYTES(message, key_sets, message##Item, key_set),    \
        U32(message, kvns, message##Item, kvn)
#define SESSION_AND_APDU(message, Item)                                                            \
    BYTES(message, sessions, Item, session), BYTES(message, apdus, Item, apdu)

/* And from the first stage the curve and the point, put_chain(). */
static const struct bridge establish_in[] = {
    BYTES(Establish, eids, EstablishItem, eid),
    BYTES(Establish, sr_key_id, EstablishItem, sr_key_id),
    BYTES(Establish, rcs, EstablishItem, rc),
    U32(Establish, kvns, EstablishItem, kvn),
    U32(Establish, scenarios, EstablishItem, scenario),
    U32_OR(Establish, key_usages, EstablishItem, key_usage, CRT_USAGE_SECURE_CHANNEL),
    U64(Establish, counters, EstablishItem, counter),
    BYTES(Establish, host_ids, EstablishItem, host_id),
    BYTES(Establish, sins, EstablishItem, sin),
    BYTES(Establish, sdins, EstablishItem, sdin),
    U64(Establish, expiries, EstablishItem, expiry),
    U32(Establish, custody, EstablishItem, custody),
};
static const struct bridge establish_out[] = {
    BYTES(EstablishResult, epks, EstablishedItem, epk),
    BYTES(EstablishResult, crts, EstablishedItem, crt),
    BYTES(EstablishResult, store_data, EstablishedItem, store_data),
    BYTES(EstablishResult, signatures, EstablishedItem, signature),
    BYTES(EstablishResult, tickets, EstablishedItem, ticket),
    BYTES(EstablishResult, custody, EstablishedItem, custody),
};

static const struct bridge confirm_in[] = {
    BYTES(Confirm, tickets, ConfirmItem, ticket),
    BYTES(Confirm, eids, ConfirmItem, eid),
    BYTES(Confirm, receipts, ConfirmItem, receipt),
    BYTES(Confirm, drs, ConfirmItem, dr),
};
static const struct bridge confirm_out[] = {
    BYTES(ConfirmResult, key_sets, ConfirmedItem, key_set),
    BYTES(ConfirmResult, kcvs, ConfirmedItem, kcvs),
    BYTES(ConfirmResult, custody, ConfirmedItem, custody),
};

static const struct bridge wrap_in[] = {
    KEY_SET(Scp80Wrap),
    U32_OR(Scp80Wrap, spis, Scp80WrapItem, spi, DEFAULT_SPI),
    U32(Scp80Wrap, tars, Scp80WrapItem, tar),
    U64(Scp80Wrap, counters, Scp80WrapItem, counter),
    BYTES(Scp80Wrap, payloads, Scp80WrapItem, payload),
};
static const struct bridge wrap_out[] = {
    BYTES(Scp80WrapResult, packets, Scp80WrappedItem, packet),
};

static const struct bridge unwrap_in[] = {
    KEY_SET(Scp80Unwrap),
    BYTES(Scp80Unwrap, packets, Scp80UnwrapItem, packet),
};
static const struct bridge unwrap_out[] = {
    U32(Scp80UnwrapResult, por_status, Scp80UnwrappedItem, por_status),
    U32(Scp80UnwrapResult, tars, Scp80UnwrappedItem, tar),
    U64(Scp80UnwrapResult, counters, Scp80UnwrappedItem, counter),
    BYTES(Scp80UnwrapResult, payloads, Scp80UnwrappedItem, payload),
};

static const struct bridge sign_in[] = {
    TEXT(Sign, key_label, SignItem, key_label),
    BYTES(Sign, digests, SignItem, digest),
};
static const struct bridge sign_out[] = {
    BYTES(SignResult, signatures, SignedItem, signature),
};

static const struct bridge agree_in[] = {
    U32(Agree, curve, AgreeItem, curve),
    BYTES(Agree, peers, AgreeItem, peer),
    BYTES(Agree, shared_infos, AgreeItem, shared_info),
    U32(Agree, length, AgreeItem, length),
    U32(Agree, custody, AgreeItem, custody),
};
static const struct bridge agree_out[] = {
    BYTES(AgreeResult, epks, AgreedItem, epk),
    BYTES(AgreeResult, key_blobs, AgreedItem, key_blob),
    BYTES(AgreeResult, custody, AgreedItem, custody),
};

static const struct bridge key_set_create_in[] = {
    KEY_SET(KeySetCreate),
    U32(KeySetCreate, kinds, KeySetCreateItem, kind),
    U32(KeySetCreate, new_kvns, KeySetCreateItem, new_kvn),
};
static const struct bridge key_set_create_out[] = {
    BYTES(KeySetCreateResult, new_key_sets, KeySetCreatedItem, new_key_set),
    BYTES(KeySetCreateResult, put_keys, KeySetCreatedItem, put_key),
    BYTES(KeySetCreateResult, kcvs, KeySetCreatedItem, kcvs),
};

static const struct bridge scp03_open_in[] = {
    KEY_SET(Scp03Open),
    BYTES(Scp03Open, host_challenges, Scp03OpenItem, host_challenge),
    BYTES(Scp03Open, card_challenges, Scp03OpenItem, card_challenge),
    BYTES(Scp03Open, card_cryptograms, Scp03OpenItem, card_cryptogram),
    U32(Scp03Open, security_levels, Scp03OpenItem, security_level),
};
static const struct bridge scp03_open_out[] = {
    SESSION_AND_APDU(Scp03OpenResult, Scp03OpenedItem),
};

static const struct bridge scp03_wrap_in[] = {
    BYTES(Scp03Wrap, eids, Scp03WrapItem, eid),
    SESSION_AND_APDU(Scp03Wrap, Scp03WrapItem),
};
static const struct bridge scp03_wrap_out[] = {
    SESSION_AND_APDU(Scp03WrapResult, Scp03WrappedItem),
};

static const struct bridge scp03_unwrap_in[] = {
    BYTES(Scp03Unwrap, eids, Scp03UnwrapItem, eid),
    SESSION_AND_APDU(Scp03Unwrap, Scp03UnwrapItem),
};
static const struct bridge scp03_unwrap_out[] = {
    SESSION_AND_APDU(Scp03UnwrapResult, Scp03UnwrappedItem),
};

static const struct bridge reseal_in[] = {KEY_SET(Reseal)};
static const struct bridge reseal_out[] = {
    BYTES(ResealResult, key_sets, ResealedItem, key_set),
};

static const struct bridge rewrap_in[] = {
    KEY_SET(Rewrap),
    TEXT(Rewrap, kek_label, RewrapItem, kek_label),
};
static const struct bridge rewrap_out[] = {
    BYTES(RewrapResult, wrapped, RewrappedItem, wrapped),
    BYTES(RewrapResult, manifests, RewrappedItem, manifest),
    BYTES(RewrapResult, signatures, RewrappedItem, signature),
};

struct codec {
    enum custody_kind custody;
    enum wire_op op;
    const struct bridge *in, *out;
    size_t in_count, out_count;
};

#define CODEC(KIND, NUMBER, word)                                                                  \
    [KIND] = {CUSTODY_##NUMBER,                                                                    \
              WIRE_OP_##NUMBER,                                                                    \
              word##_in,                                                                           \
              word##_out,                                                                          \
              sizeof(word##_in) / sizeof(struct bridge),                                           \
              sizeof(word##_out) / sizeof(struct bridge)}

static const struct codec codecs[KIND_COUNT] = {
    CODEC(KIND_ESTABLISH, ESTABLISH, establish),
    CODEC(KIND_CONFIRM, CONFIRM, confirm),
    CODEC(KIND_WRAP, SCP80_WRAP, wrap),
    CODEC(KIND_UNWRAP, SCP80_UNWRAP, unwrap),
    CODEC(KIND_SIGN, SIGN, sign),
    CODEC(KIND_AGREE, AGREE, agree),
    CODEC(KIND_KEY_SET_CREATE, KEY_SET_CREATE, key_set_create),
    CODEC(KIND_SCP03_OPEN, SCP03_OPEN, scp03_open),
    CODEC(KIND_SCP03_WRAP, SCP03_WRAP, scp03_wrap),
    CODEC(KIND_SCP03_UNWRAP, SCP03_UNWRAP, scp03_unwrap),
    CODEC(KIND_RESEAL, RESEAL, reseal),
    CODEC(KIND_REWRAP, REWRAP, rewrap),
};

enum custody_kind custody_kind_of(enum batch_kind kind)
{
    return codecs[kind].custody;
}

/* -- lists of items, as protobuf-c lays them out -- */

enum { FIRST_FIELD = 1 }; /* the items of a list, an item's principal, an answered item's status */

/* A member of the oneof in Batch or Answer: one list of items. */
static const ProtobufCFieldDescriptor *list_of(const ProtobufCMessageDescriptor *message,
                                               enum custody_kind kind)
{
    return protobuf_c_message_descriptor_get_field(message, (unsigned)kind);
}

static const ProtobufCMessageDescriptor *message_of(const ProtobufCFieldDescriptor *f)
{
    return f->descriptor;
}

static const ProtobufCFieldDescriptor *first_field(const ProtobufCFieldDescriptor *of)
{
    return protobuf_c_message_descriptor_get_field(message_of(of), FIRST_FIELD);
}

static void **pointer_at(const void *message, const ProtobufCFieldDescriptor *f)
{
    return (void **)(void *)((char *)(uintptr_t)message + f->offset);
}

/* -- to the custodian -- */

static void put_field(const struct bridge *b, const struct wire_field *f, const void *message,
                      size_t i, void *item)
{
    void *to = (char *)item + b->item_at;
    if (b->form == ITEM_TEXT) {
        *(char **)to = wire_label(message, f);
        return;
    }
    if (f->form == WIRE_NUMBER) {
        *(uint32_t *)to = wire_number(message, f);
        return;
    }
    struct span octets = wire_octets(message, f, i);
    if (b->form == ITEM_BYTES) { /* only read */
        *(ProtobufCBinaryData *)to =
            (ProtobufCBinaryData){.len = octets.len, .data = (uint8_t *)(uintptr_t)octets.ptr};
        return;
    }
    uint64_t number = octets.len == 0 ? b->absent : load_be(octets.ptr, octets.len);
    if (b->form == ITEM_U64) {
        *(uint64_t *)to = number;
    } else {
        *(uint32_t *)to = (uint32_t)number;
    }
}

static void put_chain(const struct batcher_item *item, Ecka__Custody__V1__EstablishItem *out)
{
    const struct job_results *results = &job_of(item)->results;
    out->curve = results->curves[item->index];
    out->pk_ecasd.data = results->pk_ecasd + (size_t)item->index * EC_POINT_LEN;
    out->pk_ecasd.len = EC_POINT_LEN;
}

static void put_item(const struct codec *codec, const struct batcher_item *item, void *out)
{
    const struct job *job = job_of(item);
    const struct wire_shape *shape = wire_shape(codec->op);
    const void *message = wire_body(&job->request);
    for (size_t k = 0; k < codec->in_count; k++) {
        const struct bridge *b = &codec->in[k];
        put_field(b, wire_field_at(shape->in, b->at), message, item->index, out);
    }
    if (codec->op == WIRE_OP_ESTABLISH) {
        put_chain(item, out);
    }
}

enum status custody_encode(struct arena *arena, const struct batch *batch, uint64_t id,
                           custody_batch *out)
{
    const struct codec *codec = &codecs[batch->kind];
    const ProtobufCFieldDescriptor *list =
        list_of(&ecka__custody__v1__batch__descriptor, codec->custody);
    const ProtobufCFieldDescriptor *items = first_field(list);
    const ProtobufCFieldDescriptor *principal = first_field(items);
    size_t size = message_of(items)->sizeof_message;
    ProtobufCMessage *message = arena_alloc(arena, 1, message_of(list)->sizeof_message);
    char *storage = arena_alloc(arena, batch->live, size);
    void **pointers = arena_alloc(arena, batch->live, sizeof(void *));
    if (message == NULL || storage == NULL || pointers == NULL) {
        return STATUS_NO_SPACE;
    }
    for (size_t i = 0; i < batch->live; i++) {
        pointers[i] = storage + i * size;
        protobuf_c_message_init(message_of(items), pointers[i]);
        *pointer_at(pointers[i], principal) = job_of(batch->items[i])->principal->name;
        put_item(codec, batch->items[i], pointers[i]);
    }
    protobuf_c_message_init(message_of(list), message);
    *pointer_at(message, items) = pointers;
    *(size_t *)(void *)((char *)message + items->quantifier_offset) = batch->live;
    ecka__custody__v1__batch__init(out);
    out->id = id;
    out->kind_case = (Ecka__Custody__V1__Batch__KindCase)codec->custody;
    *pointer_at(out, list) = message;
    return STATUS_OK;
}

/* -- and back -- */

static void set_status(const struct batcher_item *item, uint32_t s)
{
    job_of(item)->results.status[item->index] = (uint8_t)s;
}

static uint64_t item_number(const struct bridge *b, const void *from)
{
    return b->form == ITEM_U64 ? *(const uint64_t *)from : *(const uint32_t *)from;
}

/* A value into its column or entry; false when it does not fit. */
static bool fill_field(const struct bridge *b, const struct wire_field *f, void *result, size_t i,
                       const void *item)
{
    const void *from = (const char *)item + b->item_at;
    const ProtobufCBinaryData *value = from;
    if (f->form == WIRE_COLUMN) {
        struct writer w = writer_of(wire_column(result, f)->data + f->width * i, f->width);
        if (b->form == ITEM_BYTES) {
            put_span(&w, span_of(value->data, value->len));
        } else {
            put_be(&w, item_number(b, from), f->width);
        }
        return writer_check(&w) == STATUS_OK && (b->form != ITEM_BYTES || value->len == f->width);
    }
    size_t n;
    ProtobufCBinaryData *entry = &wire_entries(result, f, &n)[i];
    if (value->len > f->width) {
        return false;
    }
    if (value->len > 0) {
        memcpy(entry->data, value->data, value->len);
    }
    entry->len = value->len;
    return true;
}

/* An item that failed carries nothing; but a proof of receipt that reports a failure is authentic,
 * and an SCP03 session goes on behind a status word that nothing protects: what they hold goes back
 * with the status. */
static bool carries_results(uint32_t s)
{
    return s == STATUS_OK || s == STATUS_SCP80_STATUS || s == STATUS_SCP03_UNPROTECTED;
}

static void fill_item(const struct codec *codec, const struct batcher_item *item, uint32_t s,
                      const void *answered)
{
    struct job_results *results = &job_of(item)->results;
    const struct wire_shape *shape = wire_shape(codec->op);
    set_status(item, s);
    if (!carries_results(s)) {
        return;
    }
    for (size_t k = 0; k < codec->out_count; k++) {
        const struct bridge *b = &codec->out[k];
        const struct wire_field *f = wire_field_at(shape->out, b->at);
        if (!fill_field(b, f, results->result, item->index, answered)) {
            set_status(item, STATUS_INTERNAL);
        }
    }
}

void custody_fill(const struct batch *batch, const custody_answer *answer)
{
    if (answer->status != STATUS_OK) {
        custody_fail(batch, (enum status)answer->status);
        return;
    }
    const struct codec *codec = &codecs[batch->kind];
    const ProtobufCFieldDescriptor *list =
        list_of(&ecka__custody__v1__answer__descriptor, codec->custody);
    const ProtobufCFieldDescriptor *items = first_field(list);
    const ProtobufCFieldDescriptor *status = first_field(items);
    void *const *answered = *pointer_at(*pointer_at(answer, list), items);
    for (size_t i = 0; i < batch->live; i++) {
        const uint32_t *s = (const void *)((const char *)answered[i] + status->offset);
        fill_item(codec, batch->items[i], *s, answered[i]);
    }
}

void custody_fail(const struct batch *batch, enum status s)
{
    for (size_t i = 0; i < batch->live; i++) {
        set_status(batch->items[i], s);
    }
}
