#include "tests/unit/gp/samples.h"

#include "proto/gp/cert.h"
#include "proto/gp/handover.h"
#include "proto/gp/key_establishment.h"
#include "proto/gp/put_key.h"
#include "proto/gp/tlv.h"

static const uint8_t point[GP_POINT_LEN] = {0x04, 0x11, 0x22};
static const uint8_t filler[TEST_BYTES_MAX] = {0xA1, 0xA2, 0xA3, 0xA4};
static const struct span none = {0};

/* tlv and dgi: one after the other to the end. */

static void put_tlvs(struct writer *w)
{
    tlv_put_u8(w, 0x90, 0x01);
    tlv_put(w, 0x5F37, span_of(filler, 0x80));
    tlv_put(w, 0xDF817F, span_of(filler, 0x100));
}

static enum status read_tlvs(struct span in)
{
    struct cursor c = cursor_of(in);
    struct bytes again;
    bytes_init(&again);
    while (c.left != 0) {
        struct tlv t;
        spoil(&t, sizeof t);
        enum status s = tlv_next(&c, &t);
        if (s != STATUS_OK) {
            assert_int_equal(t.tag, 0);
            assert_empty(t.value);
            assert_empty(t.raw);
            return s;
        }
        assert_inside(t.raw, in);
        assert_inside(t.value, t.raw);
        tlv_put(&again.w, t.tag, t.value);
    }
    assert_spans_equal(bytes_span(&again), in);
    return STATUS_OK;
}

static bool tlv_prefix(size_t len)
{
    return len == 0 || len == 3 || len == 3 + 4 + 0x80;
}

static void put_dgis(struct writer *w)
{
    dgi_put(w, DGI_CERTIFICATE, span_of(filler, 0x10));
    dgi_put(w, DGI_CHALLENGE, span_of(filler, 0xFF));
}

static enum status read_dgis(struct span in)
{
    struct cursor c = cursor_of(in);
    struct bytes again;
    bytes_init(&again);
    while (c.left != 0) {
        uint16_t tag = 0xEEEE;
        struct span value;
        spoil(&value, sizeof value);
        enum status s = dgi_next(&c, &tag, &value);
        assert_inside(value, in);
        if (s != STATUS_OK) {
            assert_int_equal(tag, 0);
            assert_empty(value);
            return s;
        }
        dgi_put(&again.w, tag, value);
    }
    assert_spans_equal(bytes_span(&again), in);
    return STATUS_OK;
}

static bool dgi_prefix(size_t len)
{
    return len == 0 || len == 3 + 0x10;
}

/* cert */

static void put_cert(struct writer *w)
{
    uint8_t storage[GP_CERT_MAX];
    struct writer tbs = writer_of(storage, sizeof storage);
    const struct gp_cert_fields fields = {
        .serial = span_of(filler, 3),
        .ca_id = span_of(filler, 16),
        .subject = span_of(filler, 16),
        .key_usage = GP_KEY_USAGE_SIGN,
        .key_usage_len = 1,
        .effective = 20240101,
        .expiry = 20341231,
        .role = GP_ROLE_SM_SR,
        .authority_key_id = span_of(filler, 20),
        .curve_ref = GP_CURVE_P256,
        .point = span_of(point, sizeof point),
    };
    gp_cert_put_tbs(&tbs, &fields);
    gp_cert_put(w, writer_span(&tbs), span_of(filler, GP_SIGNATURE_LEN));
}

static enum status read_cert(struct span in)
{
    struct gp_cert c;
    spoil(&c, sizeof c);
    enum status s = gp_cert_parse(in, &c);
    const struct span views[] = {c.raw,     c.tbs,   c.serial,    c.ca_id,
                                 c.subject, c.point, c.signature, c.authority_key_id};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        if (s == STATUS_OK) {
            assert_inside(views[i], in);
        } else {
            assert_empty(views[i]);
        }
    }
    if (s != STATUS_OK) {
        assert_int_equal(c.key_usage | c.key_usage_len | c.role | c.curve_ref, 0);
        assert_int_equal(c.effective.yyyymmdd | c.expiry.yyyymmdd, 0);
        assert_false(c.has_effective || c.has_discretionary);
        return s;
    }
    struct bytes again;
    bytes_init(&again);
    gp_cert_put(&again.w, c.tbs, c.signature);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

/* crt */

static void put_crt(struct writer *w)
{
    const struct crt crt = crt_sm_sr_change(CRT_CERT_CHECKED, 0x02, 0x1234, none, none);
    crt_put(w, &crt);
}

static void put_crt_with_ids(struct writer *w)
{
    struct crt crt = crt_sm_sr_change(CRT_CERT_CHECKED | CRT_WITH_HOST_ID, 0x02, 0,
                                      span_of(filler, 8), span_of(filler, CRT_ID_MAX));
    crt.has_key_access = true;
    crt_put(w, &crt);
}

static enum status read_crt(struct span in)
{
    struct crt crt;
    spoil(&crt, sizeof crt);
    enum status s = crt_parse(in, &crt);
    if (s != STATUS_OK) {
        assert_int_equal(crt.scenario_params | crt.key_usage | crt.key_type | crt.key_length, 0);
        assert_int_equal(crt.key_id | crt.kvn | crt.counter_len | crt.key_access, 0);
        assert_true(crt.counter == 0 && !crt.has_key_access);
        assert_empty(crt.host_id);
        assert_empty(crt.sdin);
        return s;
    }
    assert_inside(crt.host_id, in);
    assert_inside(crt.sdin, in);
    struct bytes again;
    bytes_init(&again);
    crt_put(&again.w, &crt);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

/* key_establishment */

static void put_epk_raw(struct writer *w)
{
    epk_put(w, EPK_RAW, GP_CURVE_P256, point);
}

static void put_epk_tlv(struct writer *w)
{
    epk_put(w, EPK_TLV, GP_CURVE_P256, point);
}

static enum status read_epk(struct span in)
{
    struct span p;
    spoil(&p, sizeof p);
    enum status s = epk_parse(in, GP_CURVE_P256, &p);
    assert_inside(p, in);
    if (s != STATUS_OK) {
        assert_empty(p);
        return s;
    }
    struct bytes again;
    bytes_init(&again);
    epk_put(&again.w, in.len == GP_POINT_LEN ? EPK_RAW : EPK_TLV, GP_CURVE_P256, p.ptr);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

static void put_store_data_1(struct writer *w)
{
    store_data_1_put(w, span_of(filler, 0xA9));
}

static enum status read_store_data_1(struct span in)
{
    struct span cert;
    spoil(&cert, sizeof cert);
    enum status s = store_data_1_parse(in, &cert);
    if (s != STATUS_OK) {
        assert_empty(cert);
        return s;
    }
    assert_inside(cert, in);
    struct bytes again;
    bytes_init(&again);
    store_data_1_put(&again.w, cert);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

static void put_store_data_2(struct writer *w)
{
    store_data_2_put(w, span_of(filler, 0x17), span_of(point, sizeof point),
                     span_of(filler, GP_SIGNATURE_LEN));
}

static enum status read_store_data_2(struct span in)
{
    struct store_data_2 d;
    spoil(&d, sizeof d);
    enum status s = store_data_2_parse(in, &d);
    if (s != STATUS_OK) {
        assert_empty(d.crt_a6);
        assert_empty(d.epk_value);
        assert_empty(d.signature);
        return s;
    }
    assert_inside(d.crt_a6, in);
    assert_inside(d.epk_value, in);
    assert_inside(d.signature, in);
    struct bytes again;
    bytes_init(&again);
    store_data_2_put(&again.w, d.crt_a6, d.epk_value, d.signature);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

static void put_answer_1(struct writer *w)
{
    answer_1_put(w, span_of(filler, RC_LEN_LONG));
}

static enum status read_answer_1(struct span in)
{
    struct span rc;
    spoil(&rc, sizeof rc);
    enum status s = answer_1_parse(in, &rc);
    if (s != STATUS_OK) {
        assert_empty(rc);
        return s;
    }
    assert_inside(rc, in);
    struct bytes again;
    bytes_init(&again);
    answer_1_put(&again.w, rc);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

static void put_answer_2(struct writer *w)
{
    answer_2_put(w, none, span_of(filler, RECEIPT_LEN));
}

static void put_answer_2_with_dr(struct writer *w)
{
    answer_2_put(w, span_of(filler, DR_LEN), span_of(filler, RECEIPT_LEN));
}

static enum status read_answer_2(struct span in)
{
    struct span dr;
    struct span receipt;
    spoil(&dr, sizeof dr);
    spoil(&receipt, sizeof receipt);
    enum status s = answer_2_parse(in, &dr, &receipt);
    if (s != STATUS_OK) {
        assert_empty(dr);
        assert_empty(receipt);
        return s;
    }
    assert_inside(dr, in);
    assert_inside(receipt, in);
    struct bytes again;
    bytes_init(&again);
    answer_2_put(&again.w, dr, receipt);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

/* handover */

static void put_handover(struct writer *w)
{
    const struct key_range ranges[] = {{0x02, 0x01, 0x03}, {0x40, 0x01, 0x02}};
    handover_put(w, ranges, sizeof ranges / sizeof ranges[0]);
}

static enum status read_handover(struct span in)
{
    struct key_range ranges[HANDOVER_RANGES_MAX];
    size_t count = 99;
    spoil(ranges, sizeof ranges);
    enum status s = handover_parse(in, ranges, &count);
    if (s != STATUS_OK) {
        assert_int_equal(count, 0);
        assert_zero(ranges, sizeof ranges);
        return s;
    }
    struct bytes again;
    bytes_init(&again);
    handover_put(&again.w, ranges, count);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

static bool handover_prefix(size_t len)
{
    return len == 5;
}

static void put_key_info(struct writer *w)
{
    const struct key_info keys[] = {{1, 2, 0x88, 0x10}, {2, 2, 0x88, 0x10}, {3, 2, 0x88, 0x10}};
    key_info_put(w, keys, sizeof keys / sizeof keys[0]);
}

static enum status read_key_info(struct span in)
{
    struct key_info keys[KEY_INFO_MAX];
    size_t count = 99;
    spoil(keys, sizeof keys);
    enum status s = key_info_parse(in, keys, &count);
    if (s != STATUS_OK) {
        assert_int_equal(count, 0);
        assert_zero(keys, sizeof keys);
        return s;
    }
    struct bytes again;
    bytes_init(&again);
    key_info_put(&again.w, keys, count);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

static void put_put_key(struct writer *w)
{
    const struct put_key_block block = {PUT_KEY_TYPE_AES, filler, filler + 1};
    const struct put_key in = {.kvn = 0x30, .n = 3, .blocks = {block, block, block}};
    put_key_put(w, PUT_KEY_PSK_FORM, &in);
}

static void put_put_key_psk(struct writer *w)
{
    const struct put_key in = {
        .kvn = 0x40, .n = 1, .blocks = {{PUT_KEY_TYPE_PSK, filler, filler + 1}}};
    put_key_put(w, PUT_KEY_PSK_BARE, &in);
}

static enum status read_put_key(struct span in)
{
    struct put_key put;
    spoil(&put, sizeof put);
    enum status s = put_key_parse(in, &put);
    if (s != STATUS_OK) {
        assert_int_equal(put.kvn, 0);
        assert_int_equal(put.n, 0);
        return s;
    }
    for (size_t i = 0; i < put.n; i++) {
        assert_inside(span_of(put.blocks[i].value, PUT_KEY_VALUE_LEN), in);
        assert_inside(span_of(put.blocks[i].kcv, PUT_KEY_KCV_LEN), in);
    }
    /* Blocks of a PSK in both forms in one message are read; nobody builds that. */
    struct bytes again;
    bool same = put.n > 1;
    for (int form = PUT_KEY_PSK_AS_AES; form <= PUT_KEY_PSK_BARE; form++) {
        bytes_init(&again);
        put_key_put(&again.w, (enum put_key_psk_form)form, &put);
        same = same || span_eq(bytes_span(&again), in);
    }
    assert_true(same);
    return s;
}

static bool put_key_prefix(size_t len)
{
    return len == 1 + PUT_KEY_BLOCK_MAX || len == 1 + 2 * PUT_KEY_BLOCK_MAX;
}

const struct sample object_samples[] = {
    {"tlv", put_tlvs, read_tlvs, tlv_prefix},
    {"dgi", put_dgis, read_dgis, dgi_prefix},
    {"certificate", put_cert, read_cert, NULL},
    {"crt", put_crt, read_crt, NULL},
    {"crt with ids", put_crt_with_ids, read_crt, NULL},
    {"epk, raw", put_epk_raw, read_epk, NULL},
    {"epk, TLV", put_epk_tlv, read_epk, NULL},
    {"STORE DATA 1", put_store_data_1, read_store_data_1, NULL},
    {"STORE DATA 2", put_store_data_2, read_store_data_2, NULL},
    {"answer 1", put_answer_1, read_answer_1, NULL},
    {"answer 2", put_answer_2, read_answer_2, NULL},
    {"answer 2 with DR", put_answer_2_with_dr, read_answer_2, NULL},
    {"handover", put_handover, read_handover, handover_prefix},
    {"key information", put_key_info, read_key_info, NULL},
    {"PUT KEY", put_put_key, read_put_key, put_key_prefix},
    {"PUT KEY, a PSK", put_put_key_psk, read_put_key, NULL},
};

const size_t object_sample_count = sizeof object_samples / sizeof object_samples[0];
