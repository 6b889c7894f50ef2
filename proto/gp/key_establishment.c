#include "proto/gp/key_establishment.h"

#include "proto/gp/tlv.h"

enum {
    TAG_RC_OR_DR = 0x85, /* RC in the first answer, DR in the second and in the receipt's input */
    TAG_RECEIPT = 0x86,
    TAG_EPK_POINT = 0xB0,
    TAG_EPK_CURVE = 0xF0,
    POINT_UNCOMPRESSED = 0x04,
};

/* What the custodian sizes its buffers by must hold what these functions write. */
_Static_assert(SIGNED_BYTES_MAX >=
                   (2 + 1 + CRT_MAX) + (2 + 1 + 2 + GP_POINT_LEN + 3) + (2 + 1 + RC_LEN_LONG),
               "three DGIs, ePK in its longer form");
_Static_assert(RECEIPT_INPUT_MAX >= CRT_MAX + 3 + DR_LEN, "A6, then DR as a DGI");

void epk_put(struct writer *w, enum epk_form form, uint8_t curve_ref,
             const uint8_t point[static GP_POINT_LEN])
{
    if (form == EPK_RAW) {
        put_bytes(w, point, GP_POINT_LEN);
        return;
    }
    tlv_put(w, TAG_EPK_POINT, span_of(point, GP_POINT_LEN));
    tlv_put_u8(w, TAG_EPK_CURVE, curve_ref);
}

static bool point_form_valid(struct span point)
{
    return point.len == GP_POINT_LEN && point.ptr[0] == POINT_UNCOMPRESSED;
}

static enum status read_epk_tlv(struct span value, uint8_t card_curve_ref, struct span *point)
{
    struct cursor in = cursor_of(value);
    uint8_t ref;
    TRY(tlv_expect(&in, TAG_EPK_POINT, point));
    TRY(tlv_expect_u8(&in, TAG_EPK_CURVE, &ref));
    TRY(cursor_expect_end(&in));
    if (ref != card_curve_ref) {
        return STATUS_BAD_CURVE;
    }
    return point_form_valid(*point) ? STATUS_OK : STATUS_BAD_POINT;
}

/* The two forms differ in their first byte: 04 of a point, B0 of a TLV. */
static enum status read_epk(struct span value, uint8_t card_curve_ref, struct span *point)
{
    if (value.len != 0 && value.ptr[0] == TAG_EPK_POINT) {
        return read_epk_tlv(value, card_curve_ref, point);
    }
    *point = value;
    return point_form_valid(value) ? STATUS_OK : STATUS_BAD_POINT;
}

enum status epk_parse(struct span value, uint8_t card_curve_ref, struct span *point)
{
    *point = (struct span){0};
    enum status s = read_epk(value, card_curve_ref, point);
    if (s != STATUS_OK) {
        *point = (struct span){0};
    }
    return s;
}

void signed_bytes_put(struct writer *w, struct span crt_a6, struct span epk_value, struct span rc)
{
    dgi_put(w, DGI_KEY_ESTABLISHMENT, crt_a6);
    dgi_put(w, DGI_PUBLIC_KEY, epk_value);
    dgi_put(w, DGI_CHALLENGE, rc);
}

void store_data_1_put(struct writer *w, struct span cert_sr)
{
    dgi_put(w, DGI_CERTIFICATE, cert_sr);
}

void store_data_2_put(struct writer *w, struct span crt_a6, struct span epk_value,
                      struct span signature)
{
    dgi_put(w, DGI_KEY_ESTABLISHMENT, crt_a6);
    dgi_put(w, DGI_PUBLIC_KEY, epk_value);
    dgi_put(w, DGI_SIGNATURE, signature);
}

enum status store_data_1_parse(struct span data, struct span *cert_sr)
{
    struct cursor in = cursor_of(data);
    struct span value;
    *cert_sr = (struct span){0};
    TRY(dgi_expect(&in, DGI_CERTIFICATE, &value));
    TRY(cursor_expect_end(&in));
    *cert_sr = value;
    return STATUS_OK;
}

static enum status read_store_data_2(struct span data, struct store_data_2 *out)
{
    struct cursor in = cursor_of(data);
    TRY(dgi_expect(&in, DGI_KEY_ESTABLISHMENT, &out->crt_a6));
    TRY(dgi_expect(&in, DGI_PUBLIC_KEY, &out->epk_value));
    TRY(dgi_expect(&in, DGI_SIGNATURE, &out->signature));
    TRY(cursor_expect_end(&in));
    return out->signature.len == GP_SIGNATURE_LEN ? STATUS_OK : STATUS_TLV_MALFORMED;
}

enum status store_data_2_parse(struct span data, struct store_data_2 *out)
{
    *out = (struct store_data_2){0};
    enum status s = read_store_data_2(data, out);
    if (s != STATUS_OK) {
        *out = (struct store_data_2){0};
    }
    return s;
}

void answer_1_put(struct writer *w, struct span rc)
{
    tlv_put(w, TAG_RC_OR_DR, rc);
}

enum status answer_1_parse(struct span in, struct span *rc)
{
    struct cursor c = cursor_of(in);
    struct span value;
    *rc = (struct span){0};
    TRY(tlv_expect(&c, TAG_RC_OR_DR, &value));
    TRY(cursor_expect_end(&c));
    if (value.len != RC_LEN_SHORT && value.len != RC_LEN_LONG) {
        return STATUS_BAD_RC;
    }
    *rc = value;
    return STATUS_OK;
}

void answer_2_put(struct writer *w, struct span dr, struct span receipt)
{
    if (dr.len != 0) {
        tlv_put(w, TAG_RC_OR_DR, dr);
    }
    tlv_put(w, TAG_RECEIPT, receipt);
}

static enum status read_answer_2(struct cursor *in, struct span *dr, struct span *receipt)
{
    struct tlv t;
    TRY(tlv_next(in, &t));
    if (t.tag == TAG_RC_OR_DR) {
        *dr = t.value;
        if (dr->len != DR_LEN) {
            return STATUS_BAD_LENGTH;
        }
        TRY(tlv_next(in, &t));
    }
    if (t.tag != TAG_RECEIPT) {
        return STATUS_TLV_MALFORMED;
    }
    *receipt = t.value;
    TRY(cursor_expect_end(in));
    return receipt->len == RECEIPT_LEN ? STATUS_OK : STATUS_BAD_LENGTH;
}

enum status answer_2_parse(struct span in, struct span *dr, struct span *receipt)
{
    struct cursor c = cursor_of(in);
    *dr = *receipt = (struct span){0};
    enum status s = read_answer_2(&c, dr, receipt);
    if (s != STATUS_OK) {
        *dr = *receipt = (struct span){0};
    }
    return s;
}

static enum status check_dr(const struct crt *crt, struct span dr)
{
    if ((crt->scenario_params & CRT_WITH_DR) == 0) {
        return dr.len == 0 ? STATUS_OK : STATUS_DR_UNEXPECTED;
    }
    if (dr.len == 0) {
        return STATUS_DR_MISSING;
    }
    return dr.len == DR_LEN ? STATUS_OK : STATUS_BAD_LENGTH;
}

static enum status check_ids(const struct crt *crt, const struct span ids[static 3])
{
    bool wanted = (crt->scenario_params & CRT_WITH_HOST_ID) != 0;
    for (size_t i = 0; i < 3; i++) {
        if (wanted != (ids[i].len != 0) || ids[i].len > CRT_ID_MAX) {
            return STATUS_BAD_HOST_ID;
        }
    }
    return STATUS_OK;
}

enum status shared_info_put(struct writer *w, const struct crt *crt, struct span dr,
                            struct span sin)
{
    const struct span ids[3] = {crt->host_id, sin, crt->sdin};
    TRY(check_dr(crt, dr));
    TRY(check_ids(crt, ids));
    put_u8(w, crt->key_usage);
    put_u8(w, crt->key_type);
    put_u8(w, crt->key_length);
    put_span(w, dr);
    for (size_t i = 0; i < 3 && ids[i].len != 0; i++) {
        ber_length_put(w, ids[i].len);
        put_span(w, ids[i]);
    }
    return writer_check(w);
}

void receipt_input_put(struct writer *w, enum receipt_dr_form form, struct span crt_a6,
                       struct span dr)
{
    put_span(w, crt_a6);
    if (dr.len == 0) {
        return;
    }
    if (form == RECEIPT_DR_DGI) {
        dgi_put(w, DGI_CHALLENGE, dr);
    } else {
        tlv_put(w, TAG_RC_OR_DR, dr);
    }
}
