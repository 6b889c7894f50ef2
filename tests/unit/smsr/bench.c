#include "tests/unit/smsr/bench.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "providers/core/secret.h"
#include "providers/scp/scp80.h"

enum { ROBOT_NUMBER = 7, CLA_GP = 0x80 };

#define assert_ok(s) assert_int_equal((s), STATUS_OK)

void bench_init(struct bench *b, enum curve curve, size_t rc_len)
{
    struct pki_sr_key sr;
    memset(b, 0, sizeof(*b));
    assert_ok(engine_init(&b->engine));
    (void)snprintf(b->dir, sizeof(b->dir), "/tmp/smsr-test-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    sr.curve = curve == CURVE_FRP256V1 ? CURVE_P256 : curve;
    assert_ok(issuer_generate(sr.curve, &b->sr_key));
    assert_ok(issuer_point(b->sr_key, sr.point));
    assert_ok(pki_write(b->dir, &sr, 1));
    assert_ok(pki_load(b->dir, curve, &b->pki));
    b->factory = (struct factory){&b->engine, &b->pki, curve, rc_len};
    b->silent.prefix = "";
    assert_ok(factory_make(&b->factory, ROBOT_NUMBER, "alpha", &b->silent, &b->robot));
    b->ks1 = b->robot.ks1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void bench_fini(struct bench *b)
{
    enum { OPEN_DIRS = 4 };
    robot_fini(&b->robot);
    pki_fini(&b->pki);
    EVP_PKEY_free(b->sr_key);
    engine_fini(&b->engine);
    (void)nftw(b->dir, remove_one, OPEN_DIRS, FTW_DEPTH | FTW_PHYS);
}

void bench_pk_ecasd(const struct bench *b, uint8_t out[static EC_POINT_LEN])
{
    struct gp_cert cert;
    const struct eis_signed *info = &b->robot.eis.signed_info;
    assert_ok(gp_cert_parse(span_of(info->ecasd_cert, info->ecasd_cert_len), &cert));
    memcpy(out, cert.point.ptr, EC_POINT_LEN);
}

/* -- Beta's arithmetic -- */

static void make_z(struct bench *b, enum curve curve, const uint8_t *pk_ecasd,
                   struct established *out)
{
    uint8_t esk[EC_SCALAR_LEN];
    enum status s = STATUS_INTERNAL;
    const struct keygen_item pair = {curve, esk, out->epk};
    provider_keygen(b->engine.provider, b->engine.drbg, 1, &pair, &s);
    assert_ok(s);
    const struct ecka_item agree = {curve, esk, pk_ecasd, out->z};
    if (curve == b->factory.curve) {
        provider_ecka(b->engine.provider, 1, &agree, &s);
        assert_ok(s);
    }
}

void bench_establish(struct bench *b, const struct establishment *e, const uint8_t *pk_ecasd,
                     struct span rc, struct span sdin, struct established *out)
{
    uint8_t signed_bytes[SIGNED_BYTES_MAX];
    struct writer cw = writer_of(out->crt, sizeof(out->crt));
    struct writer sw = writer_of(signed_bytes, sizeof(signed_bytes));
    struct writer dw = writer_of(out->store_data, sizeof(out->store_data));
    memset(out->z, 0, sizeof(out->z));
    make_z(b, e->epk_curve == CURVE_NONE ? b->factory.curve : e->epk_curve, pk_ecasd, out);
    bool host = (e->scenario & CRT_WITH_HOST_ID) != 0;
    struct crt crt =
        crt_sm_sr_change(e->scenario, e->kvn, 0, e->host_id, host ? sdin : (struct span){NULL, 0});
    crt_put(&cw, &crt);
    struct span epk = span_of(out->epk, sizeof(out->epk));
    signed_bytes_put(&sw, writer_span(&cw), epk, rc);
    assert_ok(writer_check(&sw));
    assert_ok(issuer_sign(b->sr_key, writer_span(&sw), out->signature));
    out->signature[EC_SIGNATURE_LEN - 1] ^= e->bad_signature ? 1 : 0;
    store_data_2_put(&dw, writer_span(&cw), epk, span_of(out->signature, sizeof(out->signature)));
    assert_ok(writer_check(&dw));
    out->crt_len = cw.len;
    out->store_data_len = dw.len;
}

enum status bench_confirm(struct bench *b, const struct established *e, struct span dr,
                          struct span receipt, struct span sin, struct key_set *ks2)
{
    uint8_t info[SHARED_INFO_MAX], input[RECEIPT_INPUT_MAX], key_data[KEY_DATA_LEN];
    uint8_t expected[SYM_CMAC_LEN];
    struct writer iw = writer_of(info, sizeof(info));
    struct writer rw = writer_of(input, sizeof(input));
    struct crt crt;
    struct span crt_a6 = span_of(e->crt, e->crt_len);
    TRY(crt_parse(crt_a6, &crt));
    bool host = (crt.scenario_params & CRT_WITH_HOST_ID) != 0;
    TRY(shared_info_put(&iw, &crt, dr, host ? sin : (struct span){NULL, 0}));
    TRY(sym_x963(b->engine.sym, span_of(e->z, sizeof(e->z)), writer_span(&iw), key_data,
                 sizeof(key_data)));
    receipt_input_put(&rw, RECEIPT_DR_FORM, crt_a6, dr);
    TRY(sym_cmac(b->engine.sym, span_of(key_data, SYM_AES128_KEY_LEN), writer_span(&rw), expected));
    if (!span_eq(receipt, span_of(expected, sizeof(expected)))) {
        return STATUS_RECEIPT_MISMATCH;
    }
    memset(ks2, 0, sizeof(*ks2));
    ks2->kvn = crt.kvn;
    ks2->present = ISDR_ALL_KEYS;
    memcpy(ks2->keys, key_data + SYM_AES128_KEY_LEN, sizeof(ks2->keys));
    return STATUS_OK;
}

/* -- the card's side of the bench -- */

static void open_reply(struct bench *b, const struct scp80_keys *keys, struct span packet,
                       struct reply *out)
{
    struct scp80_response response = {0};
    uint8_t plain[RAPDU_DATA_MAX];
    struct writer w = writer_of(plain, sizeof(plain));
    struct span last;
    struct rapdu r;
    out->opened = scp80_unwrap_response(b->engine.sym, keys, packet, &response, &w);
    out->rsc = response.rsc;
    if (out->opened != STATUS_OK || w.len == 0) {
        return;
    }
    assert_ok(expanded_answer_parse(writer_span(&w), &out->executed, &last));
    assert_ok(rapdu_parse(last, &r));
    out->sw = r.sw;
    out->data_len = r.data.len;
    memcpy(out->data, r.data.ptr, r.data.len);
}

void bench_packet(struct bench *b, const struct key_set *set, struct span capdu, struct reply *out)
{
    uint8_t script[SCP80_DATA_MAX], packet[SCP80_PACKET_MAX], envelope[APDU_MAX];
    uint8_t answer[RAPDU_DATA_MAX + 2];
    struct writer sw = writer_of(script, sizeof(script));
    struct writer pw = writer_of(packet, sizeof(packet));
    const struct scp80_keys keys = {set->keys[0], set->keys[1]};
    const struct scp80_header header = scp80_command_header(set->kvn, EUICC_ISDR_TAR, set->counter);
    struct rapdu r = {.sw = 0};
    memset(out, 0, sizeof(*out));
    expanded_commands_put(&sw, &capdu, 1);
    assert_ok(writer_check(&sw));
    assert_ok(scp80_wrap_command(b->engine.sym, &keys, &header, writer_span(&sw), &pw));
    for (size_t i = 1; i <= sms_segment_count(pw.len); i++) {
        struct writer ew = writer_of(envelope, sizeof(envelope));
        assert_ok(sms_envelope_put(&ew, writer_span(&pw), 1, i));
        size_t len = euicc_apdu(b->robot.card, writer_span(&ew), answer);
        assert_ok(rapdu_parse(span_of(answer, len), &r));
    }
    out->envelope_sw = r.sw;
    out->opened = STATUS_SCP80_MALFORMED;
    if (r.sw == SW_OK) {
        open_reply(b, &keys, r.data, out);
    }
}

void bench_command(struct bench *b, struct key_set *set, struct span capdu, struct reply *out)
{
    set->counter++;
    bench_packet(b, set, capdu, out);
}

void bench_apdu(struct bench *b, struct key_set *set, uint8_t ins, uint8_t p1, uint8_t p2,
                struct span data, struct reply *out)
{
    uint8_t bytes[APDU_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    const struct apdu apdu = {CLA_GP, ins, p1, p2, data, false, 0};
    apdu_put(&w, &apdu);
    assert_ok(writer_check(&w));
    bench_command(b, set, writer_span(&w), out);
}

void bench_store_certificate(struct bench *b, struct span cert, struct reply *out)
{
    uint8_t data[STORE_DATA_MAX];
    struct writer w = writer_of(data, sizeof(data));
    store_data_1_put(&w, cert);
    assert_ok(writer_check(&w));
    bench_apdu(b, b->ks1, INS_STORE_DATA, STORE_DATA_1_P1, 0, writer_span(&w), out);
}

void bench_key_establishment(struct bench *b, const struct establishment *e,
                             struct established *made, struct reply *out)
{
    struct reply first;
    struct span rc;
    uint8_t pk_ecasd[EC_POINT_LEN];
    bench_store_certificate(b, span_of(b->pki.cert_sr, b->pki.cert_sr_len), &first);
    assert_int_equal(first.sw, SW_OK);
    assert_ok(answer_1_parse(span_of(first.data, first.data_len), &rc));
    assert_int_equal(rc.len, b->factory.rc_len);
    bench_pk_ecasd(b, pk_ecasd);
    bench_establish(b, e, pk_ecasd, rc, octets_span(&b->robot.eis.sdin), made);
    bench_apdu(b, b->ks1, INS_STORE_DATA, STORE_DATA_2_P1, 1,
               span_of(made->store_data, made->store_data_len), out);
}
