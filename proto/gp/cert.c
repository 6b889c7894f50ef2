#include "proto/gp/cert.h"

#include "proto/gp/tlv.h"

enum {
    TAG_CERTIFICATE = 0x7F21,
    TAG_SERIAL = 0x93,
    TAG_CA_ID = 0x42,
    TAG_SUBJECT = 0x5F20,
    TAG_KEY_USAGE = 0x95,
    TAG_EFFECTIVE = 0x5F25,
    TAG_EXPIRY = 0x5F24,
    TAG_DISCRETIONARY = 0x73,
    TAG_DISCRETIONARY_PRIMITIVE = 0x53,
    TAG_PUBLIC_KEY = 0x7F49,
    TAG_POINT = 0xB0,
    TAG_CURVE = 0xF0,
    TAG_SIGNATURE = 0x5F37,
    TAG_ROLE = 0xC8,
    TAG_AUTHORITY_KEY_ID = 0xC9,

    ID_MAX = 16, /* serial, CA id and subject id */
    KEY_USAGE_MAX = 2,
    DATE_LEN = 4, /* BCD YYYYMMDD */
    POINT_UNCOMPRESSED = 0x04,
};

/* One place in a template's order; a tag that stands there may have an alternative. */
struct place {
    uint32_t tag;
    uint32_t or_tag;
    bool optional;
    enum status (*take)(struct gp_cert *cert, const struct tlv *t);
};

/* Keeps a value of min to max bytes. */
static enum status keep(struct span value, size_t min, size_t max, struct span *out)
{
    if (value.len < min || value.len > max) {
        return STATUS_CERT_MALFORMED;
    }
    *out = value;
    return STATUS_OK;
}

static size_t place_of(const struct place *places, size_t count, uint32_t tag)
{
    for (size_t i = 0; i < count; i++) {
        if (places[i].tag == tag || places[i].or_tag == tag) {
            return i;
        }
    }
    return count;
}

/* Reads a value whose TLVs stand in the order of places, each once, no other among them. */
static enum status read_places(struct gp_cert *cert, struct span value, const struct place *places,
                               size_t count)
{
    struct cursor in = cursor_of(value);
    size_t next = 0; /* places before this one are behind us */
    uint32_t seen = 0;
    while (in.left != 0) {
        struct tlv t;
        if (tlv_next(&in, &t) != STATUS_OK) {
            return STATUS_CERT_MALFORMED;
        }
        size_t at = place_of(places, count, t.tag);
        if (at == count) {
            return STATUS_CERT_UNKNOWN_TLV;
        }
        if ((seen >> at & 1) != 0) {
            return STATUS_CERT_REPEATED_TLV;
        }
        if (at < next) {
            return STATUS_CERT_MALFORMED;
        }
        TRY(places[at].take(cert, &t));
        seen |= UINT32_C(1) << at;
        next = at + 1;
    }
    for (size_t i = 0; i < count; i++) {
        if ((seen >> i & 1) == 0 && !places[i].optional) {
            return STATUS_CERT_MALFORMED;
        }
    }
    return STATUS_OK;
}

static enum status read_serial(struct gp_cert *cert, const struct tlv *t)
{
    return keep(t->value, 1, ID_MAX, &cert->serial);
}

static enum status read_ca_id(struct gp_cert *cert, const struct tlv *t)
{
    return keep(t->value, 1, ID_MAX, &cert->ca_id);
}

static enum status read_subject(struct gp_cert *cert, const struct tlv *t)
{
    return keep(t->value, 1, ID_MAX, &cert->subject);
}

static enum status read_key_usage(struct gp_cert *cert, const struct tlv *t)
{
    struct span v;
    TRY(keep(t->value, 1, KEY_USAGE_MAX, &v));
    cert->key_usage = (uint16_t)load_be(v.ptr, v.len);
    cert->key_usage_len = (uint8_t)v.len;
    return STATUS_OK;
}

static bool bcd_valid(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] >> 4 > 9 || (s.ptr[i] & 0x0F) > 9) {
            return false;
        }
    }
    return true;
}

static uint32_t bcd_value(uint8_t b)
{
    return (uint32_t)(b >> 4) * 10 + (b & 0x0F);
}

static enum status read_date(struct span value, struct gp_date *out)
{
    struct span v;
    TRY(keep(value, DATE_LEN, DATE_LEN, &v));
    if (!bcd_valid(v)) {
        return STATUS_CERT_MALFORMED;
    }
    uint32_t year = bcd_value(v.ptr[0]) * 100 + bcd_value(v.ptr[1]);
    uint32_t month = bcd_value(v.ptr[2]);
    uint32_t day = bcd_value(v.ptr[3]);
    if (month < 1 || month > 12 || day < 1 || day > 31) {
        return STATUS_CERT_MALFORMED;
    }
    out->yyyymmdd = (year * 100 + month) * 100 + day;
    return STATUS_OK;
}

static enum status read_effective(struct gp_cert *cert, const struct tlv *t)
{
    cert->has_effective = true;
    return read_date(t->value, &cert->effective);
}

static enum status read_expiry(struct gp_cert *cert, const struct tlv *t)
{
    return read_date(t->value, &cert->expiry);
}

/* Whether the tag stands in the value before the TLV at end. */
static bool tag_before(struct span value, const uint8_t *end, uint32_t tag)
{
    struct cursor in = {value.ptr, (size_t)(end - value.ptr)};
    struct tlv t;
    while (in.left != 0 && tlv_next(&in, &t) == STATUS_OK) {
        if (t.tag == tag) {
            return true;
        }
    }
    return false;
}

static enum status read_discretionary_tlv(struct gp_cert *cert, const struct tlv *t)
{
    if (t->tag == TAG_ROLE) {
        struct span v;
        TRY(keep(t->value, 1, 1, &v));
        cert->role = v.ptr[0];
    } else if (t->tag == TAG_AUTHORITY_KEY_ID) {
        TRY(keep(t->value, 1, SIZE_MAX, &cert->authority_key_id));
    }
    return STATUS_OK; /* any other is tolerated: C0 to C2 exist */
}

static enum status read_discretionary(struct gp_cert *cert, const struct tlv *t)
{
    struct cursor in = cursor_of(t->value);
    cert->has_discretionary = true;
    while (in.left != 0) {
        struct tlv inner;
        if (tlv_next(&in, &inner) != STATUS_OK) {
            return STATUS_CERT_MALFORMED;
        }
        if (tag_before(t->value, inner.raw.ptr, inner.tag)) {
            return STATUS_CERT_REPEATED_TLV;
        }
        TRY(read_discretionary_tlv(cert, &inner));
    }
    return STATUS_OK;
}

static enum status read_point(struct gp_cert *cert, const struct tlv *t)
{
    TRY(keep(t->value, GP_POINT_LEN, GP_POINT_LEN, &cert->point));
    return cert->point.ptr[0] == POINT_UNCOMPRESSED ? STATUS_OK : STATUS_CERT_MALFORMED;
}

static enum status read_curve(struct gp_cert *cert, const struct tlv *t)
{
    struct span v;
    TRY(keep(t->value, 1, 1, &v));
    cert->curve_ref = v.ptr[0];
    return STATUS_OK;
}

static enum status read_public_key(struct gp_cert *cert, const struct tlv *t)
{
    static const struct place places[] = {
        {.tag = TAG_POINT, .take = read_point},
        {.tag = TAG_CURVE, .take = read_curve},
    };
    return read_places(cert, t->value, places, sizeof places / sizeof places[0]);
}

static enum status read_signature(struct gp_cert *cert, const struct tlv *t)
{
    TRY(keep(t->value, GP_SIGNATURE_LEN, GP_SIGNATURE_LEN, &cert->signature));
    /* The signature is the last TLV, so all that stands before it is what it signs. */
    const uint8_t *start = cert->tbs.ptr;
    cert->tbs = span_of(start, (size_t)(t->raw.ptr - start));
    return STATUS_OK;
}

static enum status read_certificate(struct span in, struct gp_cert *cert)
{
    static const struct place places[] = {
        {.tag = TAG_SERIAL, .take = read_serial},
        {.tag = TAG_CA_ID, .take = read_ca_id},
        {.tag = TAG_SUBJECT, .take = read_subject},
        {.tag = TAG_KEY_USAGE, .take = read_key_usage},
        {.tag = TAG_EFFECTIVE, .optional = true, .take = read_effective},
        {.tag = TAG_EXPIRY, .take = read_expiry},
        {TAG_DISCRETIONARY, TAG_DISCRETIONARY_PRIMITIVE, true, read_discretionary},
        {.tag = TAG_PUBLIC_KEY, .take = read_public_key},
        {.tag = TAG_SIGNATURE, .take = read_signature},
    };
    struct cursor c = cursor_of(in);
    struct span body;
    if (in.len > GP_CERT_MAX || tlv_expect(&c, TAG_CERTIFICATE, &body) != STATUS_OK ||
        c.left != 0) {
        return STATUS_CERT_MALFORMED;
    }
    cert->raw = in;
    cert->tbs = body;
    return read_places(cert, body, places, sizeof places / sizeof places[0]);
}

enum status gp_cert_parse(struct span in, struct gp_cert *out)
{
    *out = (struct gp_cert){0};
    enum status s = read_certificate(in, out);
    if (s != STATUS_OK) {
        *out = (struct gp_cert){0};
    }
    return s;
}

static uint8_t bcd_of(uint32_t two_digits)
{
    return (uint8_t)(two_digits / 10 << 4 | two_digits % 10);
}

static void put_date(struct writer *w, uint32_t tag, uint32_t yyyymmdd)
{
    const uint8_t bcd[DATE_LEN] = {
        bcd_of(yyyymmdd / 1000000 % 100),
        bcd_of(yyyymmdd / 10000 % 100),
        bcd_of(yyyymmdd / 100 % 100),
        bcd_of(yyyymmdd % 100),
    };
    tlv_put(w, tag, span_of(bcd, sizeof bcd));
}

static void put_key_usage(struct writer *w, uint16_t key_usage, uint8_t len)
{
    const uint8_t bytes[KEY_USAGE_MAX] = {(uint8_t)(key_usage >> 8), (uint8_t)key_usage};
    tlv_put(w, TAG_KEY_USAGE, len == 1 ? span_of(bytes + 1, 1) : span_of(bytes, KEY_USAGE_MAX));
}

static void put_discretionary(struct writer *w, uint8_t role, struct span authority_key_id)
{
    size_t role_size = role != GP_ROLE_NONE ? tlv_size(TAG_ROLE, 1) : 0;
    size_t id_size =
        authority_key_id.len != 0 ? tlv_size(TAG_AUTHORITY_KEY_ID, authority_key_id.len) : 0;
    if (role_size + id_size == 0) {
        return;
    }
    tlv_put_header(w, TAG_DISCRETIONARY, role_size + id_size);
    if (role_size != 0) {
        tlv_put_u8(w, TAG_ROLE, role);
    }
    if (id_size != 0) {
        tlv_put(w, TAG_AUTHORITY_KEY_ID, authority_key_id);
    }
}

void gp_cert_put_tbs(struct writer *w, const struct gp_cert_fields *fields)
{
    tlv_put(w, TAG_SERIAL, fields->serial);
    tlv_put(w, TAG_CA_ID, fields->ca_id);
    tlv_put(w, TAG_SUBJECT, fields->subject);
    put_key_usage(w, fields->key_usage, fields->key_usage_len);
    if (fields->effective != 0) {
        put_date(w, TAG_EFFECTIVE, fields->effective);
    }
    put_date(w, TAG_EXPIRY, fields->expiry);
    put_discretionary(w, fields->role, fields->authority_key_id);
    tlv_put_header(w, TAG_PUBLIC_KEY,
                   tlv_size(TAG_POINT, fields->point.len) + tlv_size(TAG_CURVE, 1));
    tlv_put(w, TAG_POINT, fields->point);
    tlv_put_u8(w, TAG_CURVE, fields->curve_ref);
}

void gp_cert_put(struct writer *w, struct span tbs, struct span signature)
{
    tlv_put_header(w, TAG_CERTIFICATE, tbs.len + tlv_size(TAG_SIGNATURE, signature.len));
    put_span(w, tbs);
    tlv_put(w, TAG_SIGNATURE, signature);
}

bool gp_eid_valid(struct span eid)
{
    return eid.len == GP_EID_LEN && bcd_valid(eid);
}
