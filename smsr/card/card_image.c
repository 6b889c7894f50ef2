#include "smsr/card/card_image.h"

#include "proto/curve.h"
#include "providers/core/secret.h"

enum { COUNTER_LEN = 8, KEYS_LEN = ISDR_KEYS * SYM_AES128_KEY_LEN };

static const uint8_t MAGIC[] = {'E', 'C', 'K', 'A', 'C', 'A', 'R', 'D', 1};

static void put_padded(struct writer *w, struct span s)
{
    static const uint8_t zeros[CRT_ID_MAX];
    put_u8(w, (uint8_t)s.len);
    put_span(w, s);
    put_bytes(w, zeros, CRT_ID_MAX - s.len);
}

enum status card_image_put(struct sym *sym, const struct euicc_personalisation *p,
                           const struct key_set sets[static ISDR_SETS_MAX],
                           uint8_t out[static CARD_IMAGE_LEN])
{
    struct writer w = writer_of(out, CARD_IMAGE_LEN - SHA256_LEN);
    put_bytes(&w, MAGIC, sizeof(MAGIC));
    put_u8(&w, curve_ref(p->curve));
    put_u8(&w, curve_ref(p->ci.curve));
    put_u8(&w, (uint8_t)p->rc_len);
    put_bytes(&w, p->ci.point, sizeof(p->ci.point));
    put_bytes(&w, p->ci.key_id, sizeof(p->ci.key_id));
    put_padded(&w, p->sin);
    put_padded(&w, p->sdin);
    put_bytes(&w, p->sk_ecasd, EC_SCALAR_LEN);
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        put_u8(&w, sets[i].kvn);
        put_u8(&w, sets[i].present);
        put_be(&w, sets[i].counter, COUNTER_LEN);
        put_bytes(&w, sets[i].keys, KEYS_LEN);
    }
    TRY(writer_check(&w));
    return sym_sha256(sym, writer_span(&w), out + w.len);
}

static enum status take_padded(struct cursor *in, struct span *out)
{
    uint8_t len;
    TRY(cursor_u8(in, &len));
    TRY(cursor_take(in, CRT_ID_MAX, out));
    if (len > CRT_ID_MAX) {
        return STATUS_BLOB_MALFORMED;
    }
    out->len = len;
    return STATUS_OK;
}

static enum status take_personalisation(struct cursor *in, struct euicc_personalisation *p)
{
    struct span head, point, key_id, sk;
    memset(p, 0, sizeof(*p));
    TRY(cursor_take(in, 3, &head));
    TRY(cursor_take(in, sizeof(p->ci.point), &point));
    TRY(cursor_take(in, sizeof(p->ci.key_id), &key_id));
    p->curve = curve_from_ref(head.ptr[0]);
    p->ci.curve = curve_from_ref(head.ptr[1]);
    p->rc_len = head.ptr[2];
    memcpy(p->ci.point, point.ptr, point.len);
    memcpy(p->ci.key_id, key_id.ptr, key_id.len);
    TRY(take_padded(in, &p->sin));
    TRY(take_padded(in, &p->sdin));
    TRY(cursor_take(in, EC_SCALAR_LEN, &sk));
    p->sk_ecasd = sk.ptr;
    return STATUS_OK;
}

static enum status take_set(struct cursor *in, struct key_set *set)
{
    struct span counter, keys;
    TRY(cursor_u8(in, &set->kvn));
    TRY(cursor_u8(in, &set->present));
    TRY(cursor_take(in, COUNTER_LEN, &counter));
    TRY(cursor_take(in, KEYS_LEN, &keys));
    set->counter = load_be(counter.ptr, counter.len);
    memcpy(set->keys, keys.ptr, keys.len);
    return STATUS_OK;
}

enum status card_image_parse(struct sym *sym, struct span image, struct euicc_personalisation *p,
                             struct key_set sets[static ISDR_SETS_MAX])
{
    uint8_t digest[SHA256_LEN];
    struct span magic;
    if (image.len != CARD_IMAGE_LEN) {
        return STATUS_BLOB_MALFORMED;
    }
    struct span body = span_of(image.ptr, image.len - SHA256_LEN);
    struct cursor in = cursor_of(body);
    TRY(sym_sha256(sym, body, digest));
    TRY(cursor_take(&in, sizeof(MAGIC), &magic));
    if (memcmp(digest, image.ptr + body.len, sizeof(digest)) != 0 ||
        !span_eq(magic, span_of(MAGIC, sizeof(MAGIC)))) {
        return STATUS_BLOB_MALFORMED;
    }
    TRY(take_personalisation(&in, p));
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        TRY(take_set(&in, &sets[i]));
    }
    return p->curve != CURVE_NONE && p->ci.curve != CURVE_NONE ? cursor_expect_end(&in)
                                                               : STATUS_BLOB_MALFORMED;
}
