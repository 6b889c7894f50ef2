/*
 * See shape.h. A line is a field: its message, its name, its width or longest entry. That every
 * field of ecka.proto stands here, and as what it is there, is a test.
 */
#include "proto/wire/shape.h"

#include <assert.h>

enum {
    POINT = 65,
    EID = 16,
    DIGEST = 32,
    SIGNATURE = 64,
    COUNTER = 5,
    TAR = 3,
    SPI = 2,
    EXPIRY = 8,
    RECEIPT = 16,
    KCVS = 9,
    KEY_INDEX = 2,
    SHA256_ID = 32,
    CHALLENGE = 8,
    CRYPTOGRAM = 8,
};

#define AT(message, field)   offsetof(Ecka__V1__##message, field)
#define LIST(message, field) AT(message, field), AT(message, n_##field)

/* The first four are of N items, the last three of all of them. */
#define COLUMN(message, field, width)                                                              \
    {                                                                                              \
#field, WIRE_COLUMN, false, width, AT(message, field), 0                                   \
    }
#define COLUMN_OR_NONE(message, field, width)                                                      \
    {                                                                                              \
#field, WIRE_COLUMN, true, width, AT(message, field), 0                                    \
    }
#define ENTRIES(message, field, max)                                                               \
    {                                                                                              \
#field, WIRE_ENTRIES, false, max, LIST(message, field)                                     \
    }
#define ENTRIES_OR_NONE(message, field, max)                                                       \
    {                                                                                              \
#field, WIRE_ENTRIES, true, max, LIST(message, field)                                      \
    }
#define SHARED(message, field, max)                                                                \
    {                                                                                              \
#field, WIRE_SHARED, false, max, LIST(message, field)                                      \
    }
#define SHARED_OR_NONE(message, field, max)                                                        \
    {                                                                                              \
#field, WIRE_SHARED, true, max, LIST(message, field)                                       \
    }
#define VALUE(message, field, width)                                                               \
    {                                                                                              \
#field, WIRE_VALUE, false, width, AT(message, field), 0                                    \
    }
#define LABEL(message, field)                                                                      \
    {                                                                                              \
#field, WIRE_LABEL, false, WIRE_LABEL_MAX, AT(message, field), 0                           \
    }
#define NUMBER(message, field, max)                                                                \
    {                                                                                              \
#field, WIRE_NUMBER, false, max, AT(message, field), 0                                     \
    }
#define NUMBER_OR_0(message, field, max)                                                           \
    {                                                                                              \
#field, WIRE_NUMBER, true, max, AT(message, field), 0                                      \
    }
#define KEYS(message, field, width)                                                                \
    {                                                                                              \
#field, WIRE_KEYS, true, width, AT(message, field), 0                                      \
    }

/* A curve that there is not is the items' fault, not the request's. */
#define CURVE(message)  NUMBER_OR_0(message, curve, UINT32_MAX)
#define STATUS(message) COLUMN(message, item_status, 1)

/* A blob, and whose it is said to be. */
#define KEY_SET(message)                                                                           \
    COLUMN(message, eids, EID), ENTRIES(message, key_sets, WIRE_KEY_SET_MAX),                      \
        COLUMN(message, kvns, 1)
#define SESSION_AND_APDU(message)                                                                  \
    ENTRIES(message, sessions, WIRE_SESSION_MAX), ENTRIES(message, apdus, WIRE_APDU_MAX)

static const struct wire_field verify_in[] = {
    COLUMN(Verify, digests, DIGEST),
    COLUMN(Verify, signatures, SIGNATURE),
    KEYS(Verify, public_keys, POINT),
    KEYS(Verify, key_index, KEY_INDEX),
    CURVE(Verify),
};
static const struct wire_field verify_out[] = {STATUS(VerifyResult)};

static const struct wire_field verify_chain_in[] = {
    COLUMN(VerifyChain, eids, EID),
    ENTRIES(VerifyChain, ecasd_certs, WIRE_CERT_MAX),
    SHARED(VerifyChain, eums, WIRE_EUM_MAX),
};
static const struct wire_field verify_chain_out[] = {
    STATUS(VerifyChainResult),
    COLUMN(VerifyChainResult, curves, 1),
    COLUMN(VerifyChainResult, pk_ecasd, POINT),
};

static const struct wire_field establish_in[] = {
    COLUMN(Establish, eids, EID),
    VALUE(Establish, sr_key_id, SHA256_ID),
    ENTRIES(Establish, ecasd_certs, WIRE_CERT_MAX),
    SHARED(Establish, eums, WIRE_EUM_MAX),
    ENTRIES(Establish, rcs, WIRE_ID_MAX),
    COLUMN(Establish, kvns, 1),
    COLUMN(Establish, scenarios, 1),
    COLUMN_OR_NONE(Establish, counters, COUNTER),
    ENTRIES_OR_NONE(Establish, host_ids, WIRE_ID_MAX),
    ENTRIES_OR_NONE(Establish, sins, WIRE_ID_MAX),
    ENTRIES_OR_NONE(Establish, sdins, WIRE_ID_MAX),
    COLUMN(Establish, expiries, EXPIRY),
    COLUMN_OR_NONE(Establish, key_usages, 1),
    NUMBER_OR_0(Establish, custody, ECKA__V1__CUSTODY__CUSTODY_MEMORY),
};
static const struct wire_field establish_out[] = {
    STATUS(EstablishResult),
    COLUMN(EstablishResult, epks, POINT),
    ENTRIES(EstablishResult, crts, WIRE_CRT_MAX),
    ENTRIES(EstablishResult, store_data, WIRE_CERT_MAX),
    COLUMN(EstablishResult, signatures, SIGNATURE),
    ENTRIES(EstablishResult, tickets, WIRE_TICKET_MAX),
    COLUMN(EstablishResult, custody, CUSTODY_BYTES),
};

static const struct wire_field confirm_in[] = {
    COLUMN(Confirm, eids, EID),
    ENTRIES(Confirm, tickets, WIRE_TICKET_MAX),
    COLUMN(Confirm, receipts, RECEIPT),
    ENTRIES_OR_NONE(Confirm, drs, WIRE_ID_MAX),
};
static const struct wire_field confirm_out[] = {
    STATUS(ConfirmResult),
    ENTRIES(ConfirmResult, key_sets, WIRE_KEY_SET_MAX),
    COLUMN(ConfirmResult, kcvs, KCVS),
    COLUMN(ConfirmResult, custody, CUSTODY_BYTES),
};

static const struct wire_field scp80_wrap_in[] = {
    KEY_SET(Scp80Wrap),
    COLUMN_OR_NONE(Scp80Wrap, spis, SPI),
    COLUMN(Scp80Wrap, tars, TAR),
    COLUMN(Scp80Wrap, counters, COUNTER),
    ENTRIES(Scp80Wrap, payloads, WIRE_PAYLOAD_MAX),
};
static const struct wire_field scp80_wrap_out[] = {
    STATUS(Scp80WrapResult),
    ENTRIES(Scp80WrapResult, packets, WIRE_PACKET_MAX),
};

static const struct wire_field scp80_unwrap_in[] = {
    KEY_SET(Scp80Unwrap),
    ENTRIES(Scp80Unwrap, packets, WIRE_PACKET_MAX),
};
static const struct wire_field scp80_unwrap_out[] = {
    STATUS(Scp80UnwrapResult),
    COLUMN(Scp80UnwrapResult, por_status, 1),
    COLUMN(Scp80UnwrapResult, tars, TAR),
    COLUMN(Scp80UnwrapResult, counters, COUNTER),
    ENTRIES(Scp80UnwrapResult, payloads, WIRE_PACKET_MAX),
};

static const struct wire_field sign_in[] = {
    COLUMN(Sign, digests, DIGEST),
    LABEL(Sign, key_label),
};
static const struct wire_field sign_out[] = {
    STATUS(SignResult),
    COLUMN(SignResult, signatures, SIGNATURE),
};

static const struct wire_field agree_in[] = {
    COLUMN(Agree, peers, POINT),
    CURVE(Agree),
    SHARED_OR_NONE(Agree, shared_infos, WIRE_SHARED_INFO_MAX),
    NUMBER(Agree, length, WIRE_AGREED_MAX),
    NUMBER_OR_0(Agree, custody, ECKA__V1__CUSTODY__CUSTODY_MEMORY),
};
static const struct wire_field agree_out[] = {
    STATUS(AgreeResult),
    COLUMN(AgreeResult, epks, POINT),
    ENTRIES(AgreeResult, key_blobs, WIRE_KEY_SET_MAX),
    COLUMN(AgreeResult, custody, CUSTODY_BYTES),
};

static const struct wire_field key_set_create_in[] = {
    KEY_SET(KeySetCreate),
    COLUMN(KeySetCreate, kinds, 1),
    COLUMN(KeySetCreate, new_kvns, 1),
};
static const struct wire_field key_set_create_out[] = {
    STATUS(KeySetCreateResult),
    ENTRIES(KeySetCreateResult, new_key_sets, WIRE_KEY_SET_MAX),
    ENTRIES(KeySetCreateResult, put_keys, WIRE_PUT_KEY_MAX),
    COLUMN(KeySetCreateResult, kcvs, KCVS),
};

static const struct wire_field scp03_open_in[] = {
    KEY_SET(Scp03Open),
    COLUMN(Scp03Open, host_challenges, CHALLENGE),
    COLUMN(Scp03Open, card_challenges, CHALLENGE),
    COLUMN(Scp03Open, card_cryptograms, CRYPTOGRAM),
    COLUMN(Scp03Open, security_levels, 1),
};
static const struct wire_field scp03_open_out[] = {
    STATUS(Scp03OpenResult),
    SESSION_AND_APDU(Scp03OpenResult),
};

static const struct wire_field scp03_wrap_in[] = {
    COLUMN(Scp03Wrap, eids, EID),
    SESSION_AND_APDU(Scp03Wrap),
};
static const struct wire_field scp03_wrap_out[] = {
    STATUS(Scp03WrapResult),
    SESSION_AND_APDU(Scp03WrapResult),
};

static const struct wire_field scp03_unwrap_in[] = {
    COLUMN(Scp03Unwrap, eids, EID),
    SESSION_AND_APDU(Scp03Unwrap),
};
static const struct wire_field scp03_unwrap_out[] = {
    STATUS(Scp03UnwrapResult),
    SESSION_AND_APDU(Scp03UnwrapResult),
};

static const struct wire_field reseal_in[] = {KEY_SET(Reseal)};
static const struct wire_field reseal_out[] = {
    STATUS(ResealResult),
    ENTRIES(ResealResult, key_sets, WIRE_KEY_SET_MAX),
};

static const struct wire_field rewrap_in[] = {
    KEY_SET(Rewrap),
    LABEL(Rewrap, kek_label),
};
static const struct wire_field rewrap_out[] = {
    STATUS(RewrapResult),
    ENTRIES(RewrapResult, wrapped, WIRE_WRAPPED_MAX),
    ENTRIES(RewrapResult, manifests, WIRE_MANIFEST_MAX),
    COLUMN(RewrapResult, signatures, SIGNATURE),
};

#define FIELDS(list)                                                                               \
    {                                                                                              \
        list, sizeof(list) / sizeof(*(list))                                                       \
    }
/* The operation's number, name and message are one word in three spellings. */
#define SHAPE(NUMBER, Name, word, items)                                                           \
    [WIRE_OP_##NUMBER - WIRE_OP_FIRST] = {WIRE_OP_##NUMBER,                                        \
                                          #Name,                                                   \
                                          items,                                                   \
                                          &ecka__v1__##word##__descriptor,                         \
                                          &ecka__v1__##word##_result__descriptor,                  \
                                          FIELDS(word##_in),                                       \
                                          FIELDS(word##_out)}

static const struct wire_shape shapes[] = {
    SHAPE(VERIFY, Verify, verify, WIRE_VERIFY_ITEMS_MAX),
    SHAPE(VERIFY_CHAIN, VerifyChain, verify_chain, WIRE_ITEMS_MAX),
    SHAPE(ESTABLISH, Establish, establish, WIRE_ITEMS_MAX),
    SHAPE(CONFIRM, Confirm, confirm, WIRE_ITEMS_MAX),
    SHAPE(SCP80_WRAP, Scp80Wrap, scp80_wrap, WIRE_ITEMS_MAX),
    SHAPE(SCP80_UNWRAP, Scp80Unwrap, scp80_unwrap, WIRE_ITEMS_MAX),
    [WIRE_OP_INFO - WIRE_OP_FIRST] = {.op = WIRE_OP_INFO,
                                      .name = "Info",
                                      .request = &ecka__v1__info__descriptor,
                                      .result = &ecka__v1__info_result__descriptor},
    SHAPE(SIGN, Sign, sign, WIRE_ITEMS_MAX),
    SHAPE(AGREE, Agree, agree, WIRE_ITEMS_MAX),
    SHAPE(KEY_SET_CREATE, KeySetCreate, key_set_create, WIRE_ITEMS_MAX),
    SHAPE(SCP03_OPEN, Scp03Open, scp03_open, WIRE_ITEMS_MAX),
    SHAPE(SCP03_WRAP, Scp03Wrap, scp03_wrap, WIRE_ITEMS_MAX),
    SHAPE(SCP03_UNWRAP, Scp03Unwrap, scp03_unwrap, WIRE_ITEMS_MAX),
    SHAPE(RESEAL, Reseal, reseal, WIRE_ITEMS_MAX),
    SHAPE(REWRAP, Rewrap, rewrap, WIRE_ITEMS_MAX),
};
_Static_assert(sizeof(shapes) / sizeof(*shapes) == WIRE_OP_END - WIRE_OP_FIRST, "each has one");

const struct wire_shape *wire_shape(enum wire_op op)
{
    return op >= WIRE_OP_FIRST && op < WIRE_OP_END ? &shapes[op - WIRE_OP_FIRST] : NULL;
}

const struct wire_field *wire_field_at(struct wire_fields fields, size_t at)
{
    const struct wire_field *f = fields.list;
    while (f->at != at) {
        f++;
        assert(f < fields.list + fields.count);
    }
    return f;
}
