#include "hsm/sealed/ticket.h"

enum { TICKET_VERSION = 1 };

static void put_counted(struct writer *w, struct span s, size_t max)
{
    if (s.len > max) {
        w->overflow = true;
        return;
    }
    put_u8(w, (uint8_t)s.len);
    put_span(w, s);
}

static enum status take_counted(struct cursor *in, size_t max, struct span *out)
{
    uint8_t len;
    TRY(cursor_u8(in, &len));
    return len > max ? STATUS_BLOB_MALFORMED : cursor_take(in, len, out);
}

enum status ticket_put(struct writer *w, const struct ticket *t)
{
    put_u8(w, TICKET_VERSION);
    put_u8(w, (uint8_t)t->curve);
    put_bytes(w, t->sr_key_id, SHA256_LEN);
    put_bytes(w, t->signed_hash, SHA256_LEN);
    put_bytes(w, t->epk, EC_POINT_LEN);
    put_be(w, t->issued, 8);
    put_be(w, t->expiry, 8);
    put_counted(w, t->rc, RC_LEN_LONG);
    put_counted(w, t->crt, CRT_MAX);
    put_counted(w, t->sin, CRT_ID_MAX);
    put_counted(w, t->secret, KEY_DATA_LEN);
    return writer_check(w);
}

static enum status parse(struct cursor *in, struct ticket *out)
{
    struct span s;

    TRY(cursor_take(in, 2, &s));
    if (s.ptr[0] != TICKET_VERSION || s.ptr[1] == CURVE_NONE || s.ptr[1] >= CURVE_COUNT) {
        return STATUS_BLOB_MALFORMED;
    }
    out->curve = (enum curve)s.ptr[1];
    TRY(cursor_take(in, SHA256_LEN, &s));
    out->sr_key_id = s.ptr;
    TRY(cursor_take(in, SHA256_LEN, &s));
    out->signed_hash = s.ptr;
    TRY(cursor_take(in, EC_POINT_LEN, &s));
    out->epk = s.ptr;
    TRY(cursor_take(in, 8, &s));
    out->issued = load_be(s.ptr, 8);
    TRY(cursor_take(in, 8, &s));
    out->expiry = load_be(s.ptr, 8);
    TRY(take_counted(in, RC_LEN_LONG, &out->rc));
    TRY(take_counted(in, CRT_MAX, &out->crt));
    TRY(take_counted(in, CRT_ID_MAX, &out->sin));
    TRY(take_counted(in, KEY_DATA_LEN, &out->secret));
    return cursor_expect_end(in);
}

enum status ticket_parse(struct span in, struct ticket *out)
{
    struct cursor c = cursor_of(in);
    *out = (struct ticket){0};
    if (parse(&c, out) != STATUS_OK) {
        *out = (struct ticket){0};
        return STATUS_BLOB_MALFORMED;
    }
    return STATUS_OK;
}
