#include "hsm/sealed/keyset.h"

#include "hsm/custodian.h"

enum { KEY_SET_VERSION = 1, KEY_SET_COUNTER_LEN = 8, PSK_VERSION = 1 };

enum status key_set_open(struct custodian *c, unsigned types, const char *principal,
                         const ProtobufCBinaryData *eid, const ProtobufCBinaryData *blob,
                         uint32_t kvn, struct key_set *out)
{
    struct blob_scratch *scratch = &c->secrets->blob;
    struct blob_opened opened;

    TRY(blob_open_any(c->generations, c->sym, scratch, types, principal, eid->data,
                      span_of_field(blob), &opened));
    if (kvn != opened.kvn) {
        return STATUS_BLOB_KVN;
    }
    return key_set_parse(span_of(scratch->plain, opened.plain_len), out);
}

enum status key_set_put(struct writer *w, const struct key_set *k)
{
    put_u8(w, KEY_SET_VERSION);
    put_be(w, k->counter, KEY_SET_COUNTER_LEN);
    put_bytes(w, k->enc, SYM_AES128_KEY_LEN);
    put_bytes(w, k->mac, SYM_AES128_KEY_LEN);
    put_bytes(w, k->dek, SYM_AES128_KEY_LEN);
    return writer_check(w);
}

enum status key_set_parse(struct span in, struct key_set *out)
{
    *out = (struct key_set){0};
    if (in.len != KEY_SET_PLAIN_LEN || in.ptr[0] != KEY_SET_VERSION) {
        return STATUS_BLOB_MALFORMED;
    }
    const uint8_t *keys = in.ptr + 1 + KEY_SET_COUNTER_LEN;
    *out = (struct key_set){
        .counter = load_be(in.ptr + 1, KEY_SET_COUNTER_LEN),
        .enc = keys,
        .mac = keys + SYM_AES128_KEY_LEN,
        .dek = keys + 2 * SYM_AES128_KEY_LEN,
    };
    return STATUS_OK;
}

enum status psk_put(struct writer *w, const uint8_t psk[static SYM_AES128_KEY_LEN])
{
    put_u8(w, PSK_VERSION);
    put_bytes(w, psk, SYM_AES128_KEY_LEN);
    return writer_check(w);
}

enum status psk_parse(struct span in, const uint8_t **psk)
{
    *psk = NULL;
    if (in.len != PSK_PLAIN_LEN || in.ptr[0] != PSK_VERSION) {
        return STATUS_BLOB_MALFORMED;
    }
    *psk = in.ptr + 1;
    return STATUS_OK;
}
