#include "service/client/shape.h"

enum { DEFAULT_KEY_USAGE = 0x10, DEFAULT_SPI = 0x1639 };

#define MEMBER(type, member, form, or_0, message, field)                                           \
    {                                                                                              \
#member, form, or_0, offsetof(struct ecka_##type, member),                                 \
            offsetof(Ecka__V1__##message, field)                                                   \
    }
#define POINTER(type, member, message, field)                                                      \
    MEMBER(type, member, MEMBER_POINTER, 0, message, field)
#define OCTETS(type, member, message, field) MEMBER(type, member, MEMBER_OCTETS, 0, message, field)
#define BYTES(type, member, message, field)  MEMBER(type, member, MEMBER_BYTES, 0, message, field)
#define U8(type, member, message, field)     MEMBER(type, member, MEMBER_U8, 0, message, field)
#define U64(type, member, message, field)    MEMBER(type, member, MEMBER_U64, 0, message, field)
#define INT(type, member, message, field)    MEMBER(type, member, MEMBER_INT, 0, message, field)

/* A nested item's member goes by its own name. */
#define CHAIN(type, prefix, message)                                                               \
    {"eid", MEMBER_POINTER, 0, offsetof(struct ecka_##type, prefix eid),                           \
     offsetof(Ecka__V1__##message, eids)},                                                         \
        {"ecasd_cert", MEMBER_BYTES, 0, offsetof(struct ecka_##type, prefix ecasd_cert),           \
         offsetof(Ecka__V1__##message, ecasd_certs)},                                              \
    {                                                                                              \
        "eum", MEMBER_BYTES, 0, offsetof(struct ecka_##type, prefix eum),                          \
            offsetof(Ecka__V1__##message, eums)                                                    \
    }

#define KEY_SET(type, message)                                                                     \
    BYTES(type, key_set, message, key_sets), POINTER(type, eid, message, eids),                    \
        U8(type, kvn, message, kvns)
#define SESSION(type, message)                                                                     \
    BYTES(type, session, message, sessions), BYTES(type, apdu, message, apdus)
#define STATUS(type, message) INT(type, status, message, item_status)

static const struct member verify_items[] = {/* and its keys, request.c */
                                             POINTER(verify_item, digest, Verify, digests),
                                             POINTER(verify_item, signature, Verify, signatures)};
static const struct member verify_results[] = {
    {"status", MEMBER_INT, 0, 0, offsetof(Ecka__V1__VerifyResult, item_status)}};

static const struct member chain_items[] = {CHAIN(chain_item, , VerifyChain)};
static const struct member chain_results[] = {
    STATUS(chain_result, VerifyChainResult),
    INT(chain_result, curve, VerifyChainResult, curves),
    OCTETS(chain_result, pk_ecasd, VerifyChainResult, pk_ecasd),
};

static const struct member establish_items[] = {
    CHAIN(establish_item, chain., Establish),
    BYTES(establish_item, rc, Establish, rcs),
    BYTES(establish_item, host_id, Establish, host_ids),
    BYTES(establish_item, sin, Establish, sins),
    BYTES(establish_item, sdin, Establish, sdins),
    U8(establish_item, kvn, Establish, kvns),
    U8(establish_item, scenario, Establish, scenarios),
    MEMBER(establish_item, key_usage, MEMBER_U8, DEFAULT_KEY_USAGE, Establish, key_usages),
    U64(establish_item, counter, Establish, counters),
    U64(establish_item, expiry, Establish, expiries),
};
static const struct member establish_results[] = {
    STATUS(establish_result, EstablishResult),
    OCTETS(establish_result, epk, EstablishResult, epks),
    OCTETS(establish_result, signature, EstablishResult, signatures),
    OCTETS(establish_result, custody, EstablishResult, custody),
    BYTES(establish_result, crt, EstablishResult, crts),
    BYTES(establish_result, store_data, EstablishResult, store_data),
    BYTES(establish_result, ticket, EstablishResult, tickets),
};

static const struct member confirm_items[] = {
    BYTES(confirm_item, ticket, Confirm, tickets),
    BYTES(confirm_item, dr, Confirm, drs),
    POINTER(confirm_item, eid, Confirm, eids),
    POINTER(confirm_item, receipt, Confirm, receipts),
};
static const struct member confirm_results[] = {
    STATUS(confirm_result, ConfirmResult),
    OCTETS(confirm_result, kcvs, ConfirmResult, kcvs),
    OCTETS(confirm_result, custody, ConfirmResult, custody),
    BYTES(confirm_result, key_set, ConfirmResult, key_sets),
};

static const struct member wrap_items[] = {
    KEY_SET(scp80_wrap_item, Scp80Wrap),
    BYTES(scp80_wrap_item, payload, Scp80Wrap, payloads),
    MEMBER(scp80_wrap_item, spi, MEMBER_U16, DEFAULT_SPI, Scp80Wrap, spis),
    OCTETS(scp80_wrap_item, tar, Scp80Wrap, tars),
    U64(scp80_wrap_item, counter, Scp80Wrap, counters),
};
static const struct member wrap_results[] = {
    STATUS(scp80_wrap_result, Scp80WrapResult),
    BYTES(scp80_wrap_result, packet, Scp80WrapResult, packets),
};

static const struct member unwrap_items[] = {
    KEY_SET(scp80_unwrap_item, Scp80Unwrap),
    BYTES(scp80_unwrap_item, packet, Scp80Unwrap, packets),
};
static const struct member unwrap_results[] = {
    STATUS(scp80_unwrap_result, Scp80UnwrapResult),
    U8(scp80_unwrap_result, por_status, Scp80UnwrapResult, por_status),
    OCTETS(scp80_unwrap_result, tar, Scp80UnwrapResult, tars),
    U64(scp80_unwrap_result, counter, Scp80UnwrapResult, counters),
    BYTES(scp80_unwrap_result, payload, Scp80UnwrapResult, payloads),
};

static const struct member sign_items[] = {POINTER(sign_item, digest, Sign, digests)};
static const struct member sign_results[] = {
    STATUS(sign_result, SignResult),
    OCTETS(sign_result, signature, SignResult, signatures),
};

static const struct member agree_items[] = {
    POINTER(agree_item, peer, Agree, peers),
    BYTES(agree_item, shared_info, Agree, shared_infos),
};
static const struct member agree_results[] = {
    STATUS(agree_result, AgreeResult),
    OCTETS(agree_result, epk, AgreeResult, epks),
    OCTETS(agree_result, custody, AgreeResult, custody),
    BYTES(agree_result, key_blob, AgreeResult, key_blobs),
};

static const struct member create_items[] = {
    KEY_SET(key_set_create_item, KeySetCreate),
    U8(key_set_create_item, kind, KeySetCreate, kinds),
    U8(key_set_create_item, new_kvn, KeySetCreate, new_kvns),
};
static const struct member create_results[] = {
    STATUS(key_set_create_result, KeySetCreateResult),
    OCTETS(key_set_create_result, kcvs, KeySetCreateResult, kcvs),
    BYTES(key_set_create_result, new_key_set, KeySetCreateResult, new_key_sets),
    BYTES(key_set_create_result, put_key, KeySetCreateResult, put_keys),
};

static const struct member open_items[] = {
    KEY_SET(scp03_open_item, Scp03Open),
    POINTER(scp03_open_item, host_challenge, Scp03Open, host_challenges),
    POINTER(scp03_open_item, card_challenge, Scp03Open, card_challenges),
    POINTER(scp03_open_item, card_cryptogram, Scp03Open, card_cryptograms),
    U8(scp03_open_item, security_level, Scp03Open, security_levels),
};
static const struct member open_results[] = {
    STATUS(scp03_result, Scp03OpenResult),
    SESSION(scp03_result, Scp03OpenResult),
};

static const struct member scp03_wrap_items[] = {
    POINTER(scp03_item, eid, Scp03Wrap, eids),
    SESSION(scp03_item, Scp03Wrap),
};
static const struct member scp03_wrap_results[] = {
    STATUS(scp03_result, Scp03WrapResult),
    SESSION(scp03_result, Scp03WrapResult),
};

static const struct member scp03_unwrap_items[] = {
    POINTER(scp03_item, eid, Scp03Unwrap, eids),
    SESSION(scp03_item, Scp03Unwrap),
};
static const struct member scp03_unwrap_results[] = {
    STATUS(scp03_result, Scp03UnwrapResult),
    SESSION(scp03_result, Scp03UnwrapResult),
};

static const struct member reseal_items[] = {KEY_SET(key_set_item, Reseal)};
static const struct member reseal_results[] = {
    STATUS(reseal_result, ResealResult),
    BYTES(reseal_result, key_set, ResealResult, key_sets),
};

static const struct member rewrap_items[] = {KEY_SET(key_set_item, Rewrap)};
static const struct member rewrap_results[] = {
    STATUS(rewrap_result, RewrapResult),
    OCTETS(rewrap_result, signature, RewrapResult, signatures),
    BYTES(rewrap_result, wrapped, RewrapResult, wrapped),
    BYTES(rewrap_result, manifest, RewrapResult, manifests),
};

#define MEMBERS(list, type)                                                                        \
    {                                                                                              \
        list, sizeof(list) / sizeof(*(list)), sizeof(type)                                         \
    }
#define SHAPE(OP, word, item, result)                                                              \
    [ECKA_##OP] = {WIRE_OP_##OP, MEMBERS(word##_items, item), MEMBERS(word##_results, result)}

static const struct client_shape shapes[] = {
    SHAPE(VERIFY, verify, struct ecka_verify_item, int),
    SHAPE(VERIFY_CHAIN, chain, struct ecka_chain_item, struct ecka_chain_result),
    SHAPE(ESTABLISH, establish, struct ecka_establish_item, struct ecka_establish_result),
    SHAPE(CONFIRM, confirm, struct ecka_confirm_item, struct ecka_confirm_result),
    SHAPE(SCP80_WRAP, wrap, struct ecka_scp80_wrap_item, struct ecka_scp80_wrap_result),
    SHAPE(SCP80_UNWRAP, unwrap, struct ecka_scp80_unwrap_item, struct ecka_scp80_unwrap_result),
    [ECKA_INFO] = {.op = WIRE_OP_INFO},
    SHAPE(SIGN, sign, struct ecka_sign_item, struct ecka_sign_result),
    SHAPE(AGREE, agree, struct ecka_agree_item, struct ecka_agree_result),
    SHAPE(KEY_SET_CREATE, create, struct ecka_key_set_create_item,
          struct ecka_key_set_create_result),
    SHAPE(SCP03_OPEN, open, struct ecka_scp03_open_item, struct ecka_scp03_result),
    SHAPE(SCP03_WRAP, scp03_wrap, struct ecka_scp03_item, struct ecka_scp03_result),
    SHAPE(SCP03_UNWRAP, scp03_unwrap, struct ecka_scp03_item, struct ecka_scp03_result),
    SHAPE(RESEAL, reseal, struct ecka_key_set_item, struct ecka_reseal_result),
    SHAPE(REWRAP, rewrap, struct ecka_key_set_item, struct ecka_rewrap_result),
};

const struct client_shape *client_shape(enum ecka_op op)
{
    /* The first stands for no operation. */
    return &shapes[(size_t)op < sizeof shapes / sizeof *shapes ? op : 0];
}
