#include "hsm/keyset.h"

enum { KEY_SET_VERSION = 1, KEY_SET_COUNTER_LEN = 8 };

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
