#include "proto/gp/crt.h"

#include "proto/gp/tlv.h"

enum {
    TAG_CRT = 0xA6,
    TAG_SCENARIO = 0x90,
    TAG_KEY_USAGE = 0x95,
    TAG_KEY_ACCESS = 0x96,
    TAG_KEY_TYPE = 0x80,
    TAG_KEY_LENGTH = 0x81,
    TAG_KEY_ID = 0x82,
    TAG_KVN = 0x83,
    TAG_COUNTER = 0x91,
    TAG_SDIN = 0x45,
    TAG_HOST_ID = 0x84,

    SCENARIO_LEN = 2,
    KEY_ACCESS_ANY = 0x00,
    /* What an SM-SR Change may choose; the certificate has always been checked before. */
    SCENARIO_FREE_BITS = CRT_WITH_DR | CRT_WITH_HOST_ID,
};

/* The lengths of tag 91 that the standard knows. */
static bool counter_len_known(size_t len)
{
    return len == 0 || len == 2 || len == 3 || len == 5 || len == 8;
}

static bool fits_in_bytes(uint64_t value, size_t bytes)
{
    return bytes >= sizeof value || value >> (8 * bytes) == 0;
}

static bool id_len_valid(struct span id)
{
    return id.len >= 1 && id.len <= CRT_ID_MAX;
}

struct crt crt_sm_sr_change(uint8_t scenario_params, uint8_t kvn, uint64_t counter,
                            struct span host_id, struct span sdin)
{
    return (struct crt){
        .scenario_params = scenario_params,
        .key_usage = CRT_USAGE_SECURE_CHANNEL,
        .key_type = CRT_KEY_TYPE_AES,
        .key_length = CRT_KEY_LENGTH_16,
        .key_id = CRT_FIRST_KEY_ID,
        .kvn = kvn,
        .counter_len = counter == 0 ? 0 : CRT_COUNTER_LEN_NONZERO,
        .counter = counter,
        .sdin = sdin,
        .host_id = host_id,
    };
}

void crt_put(struct writer *w, const struct crt *crt)
{
    uint8_t storage[CRT_MAX];
    struct writer body = writer_of(storage, sizeof storage);
    const uint8_t scenario[SCENARIO_LEN] = {CRT_SCENARIO_3, crt->scenario_params};

    tlv_put(&body, TAG_SCENARIO, span_of(scenario, sizeof scenario));
    tlv_put_u8(&body, TAG_KEY_USAGE, crt->key_usage);
    if (crt->has_key_access) {
        tlv_put_u8(&body, TAG_KEY_ACCESS, crt->key_access);
    }
    tlv_put_u8(&body, TAG_KEY_TYPE, crt->key_type);
    tlv_put_u8(&body, TAG_KEY_LENGTH, crt->key_length);
    tlv_put_u8(&body, TAG_KEY_ID, crt->key_id);
    tlv_put_u8(&body, TAG_KVN, crt->kvn);
    if (!counter_len_known(crt->counter_len) || !fits_in_bytes(crt->counter, crt->counter_len)) {
        w->overflow = true; /* never a truncated counter */
        return;
    }
    tlv_put_header(&body, TAG_COUNTER, crt->counter_len);
    put_be(&body, crt->counter, crt->counter_len);
    if (crt->sdin.len != 0) {
        tlv_put(&body, TAG_SDIN, crt->sdin);
    }
    if (crt->host_id.len != 0) {
        tlv_put(&body, TAG_HOST_ID, crt->host_id);
    }
    tlv_put_built(w, TAG_CRT, &body);
}

static enum status read_scenario(struct cursor *in, struct crt *out)
{
    struct span v;
    TRY(tlv_expect(in, TAG_SCENARIO, &v));
    if (v.len != SCENARIO_LEN || v.ptr[0] != CRT_SCENARIO_3) {
        return STATUS_CRT_MALFORMED;
    }
    out->scenario_params = v.ptr[1];
    return STATUS_OK;
}

static enum status read_key_access(struct cursor *in, struct crt *out)
{
    struct cursor ahead = *in;
    struct tlv t;
    TRY(tlv_next(&ahead, &t));
    if (t.tag != TAG_KEY_ACCESS) {
        return STATUS_OK;
    }
    out->has_key_access = true;
    return tlv_expect_u8(in, TAG_KEY_ACCESS, &out->key_access);
}

static enum status read_counter(struct cursor *in, struct crt *out)
{
    struct span v;
    TRY(tlv_expect(in, TAG_COUNTER, &v));
    if (!counter_len_known(v.len)) {
        return STATUS_CRT_MALFORMED;
    }
    out->counter_len = (uint8_t)v.len;
    out->counter = load_be(v.ptr, v.len);
    return STATUS_OK;
}

/* 45 and 84, which stand there exactly when b3 says so. */
static enum status read_ids(struct cursor *in, struct crt *out)
{
    if ((out->scenario_params & CRT_WITH_HOST_ID) == 0) {
        return STATUS_OK;
    }
    TRY(tlv_expect(in, TAG_SDIN, &out->sdin));
    TRY(tlv_expect(in, TAG_HOST_ID, &out->host_id));
    return id_len_valid(out->sdin) && id_len_valid(out->host_id) ? STATUS_OK : STATUS_CRT_MALFORMED;
}

static enum status read_fields(struct cursor *in, struct crt *out)
{
    TRY(read_scenario(in, out));
    TRY(tlv_expect_u8(in, TAG_KEY_USAGE, &out->key_usage));
    TRY(read_key_access(in, out));
    TRY(tlv_expect_u8(in, TAG_KEY_TYPE, &out->key_type));
    TRY(tlv_expect_u8(in, TAG_KEY_LENGTH, &out->key_length));
    TRY(tlv_expect_u8(in, TAG_KEY_ID, &out->key_id));
    TRY(tlv_expect_u8(in, TAG_KVN, &out->kvn));
    TRY(read_counter(in, out));
    TRY(read_ids(in, out));
    return cursor_expect_end(in);
}

enum status crt_parse(struct span in, struct crt *out)
{
    struct cursor c = cursor_of(in);
    struct span body;
    *out = (struct crt){0};
    if (tlv_expect(&c, TAG_CRT, &body) != STATUS_OK || c.left != 0) {
        return STATUS_CRT_MALFORMED;
    }
    c = cursor_of(body);
    if (read_fields(&c, out) != STATUS_OK) {
        *out = (struct crt){0};
        return STATUS_CRT_MALFORMED;
    }
    return STATUS_OK;
}

static enum status check_ids(const struct crt *crt)
{
    bool wanted = (crt->scenario_params & CRT_WITH_HOST_ID) != 0;
    bool right = wanted ? id_len_valid(crt->host_id) && id_len_valid(crt->sdin)
                        : crt->host_id.len == 0 && crt->sdin.len == 0;
    return right ? STATUS_OK : STATUS_BAD_HOST_ID;
}

enum status crt_check_isdr(const struct crt *crt)
{
    if ((crt->scenario_params & ~SCENARIO_FREE_BITS) != CRT_CERT_CHECKED) {
        return STATUS_BAD_SCENARIO;
    }
    if (crt->key_usage != CRT_USAGE_SECURE_CHANNEL) {
        return STATUS_BAD_KEY_USAGE;
    }
    if (crt->has_key_access && crt->key_access != KEY_ACCESS_ANY) {
        return STATUS_CRT_MALFORMED;
    }
    if (crt->key_type != CRT_KEY_TYPE_AES || crt->key_length != CRT_KEY_LENGTH_16 ||
        crt->key_id != CRT_FIRST_KEY_ID) {
        return STATUS_CRT_MALFORMED;
    }
    if (crt->kvn < CRT_KVN_MIN || crt->kvn > CRT_KVN_MAX) {
        return STATUS_BAD_KVN;
    }
    if (!counter_len_known(crt->counter_len) || !fits_in_bytes(crt->counter, crt->counter_len) ||
        !fits_in_bytes(crt->counter, CRT_COUNTER_MAX_LEN)) {
        return STATUS_BAD_COUNTER;
    }
    return check_ids(crt);
}
