/*
 * The robot alone, driven by APDUs: what it answers to a Beta that does everything right, and to
 * one mistake at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/gp/scp80.h"
#include "smsr/card/card_image.h"
#include "tests/unit/smsr/bench.h"

static const uint8_t host_id[] = {0xC0, 0xFF, 0xEE, 0x01};
static const struct establishment plain = {.scenario = CRT_CERT_CHECKED, .kvn = 2};

static void setup(struct bench *b)
{
    bench_init(b, CURVE_P256, RC_LEN_SHORT);
}

/* Which key version numbers the card lists, one bit each; asserts that each has three keys. */
static unsigned listed_kvns(struct bench *b, struct key_set *set)
{
    struct key_info keys[KEY_INFO_MAX];
    struct reply r;
    size_t count;
    unsigned seen = 0;
    bench_apdu(b, set, INS_GET_DATA, 0, 0xE0, (struct span){NULL, 0}, &r);
    assert_int_equal(r.sw, SW_OK);
    assert_int_equal(key_info_parse(span_of(r.data, r.data_len), keys, &count), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        seen |= 1U << keys[i].kvn;
    }
    assert_int_equal(count, 3 * (size_t)__builtin_popcount(seen));
    return seen;
}

/* Establishes KS2 and asserts that the receipt is right. */
static void take_over(struct bench *b, const struct establishment *e, struct key_set *ks2)
{
    struct established made;
    struct reply r;
    struct span dr, receipt;
    bench_key_establishment(b, e, &made, &r);
    assert_int_equal(r.sw, SW_OK);
    assert_int_equal(answer_2_parse(span_of(r.data, r.data_len), &dr, &receipt), STATUS_OK);
    assert_int_equal(dr.len, (e->scenario & CRT_WITH_DR) != 0 ? DR_LEN : 0);
    assert_int_equal(bench_confirm(b, &made, dr, receipt, octets_span(&b->robot.eis.sin), ks2),
                     STATUS_OK);
}

static void finalise(struct bench *b, struct key_set *set, const struct key_range *ranges,
                     size_t count, struct reply *r)
{
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof(data));
    handover_put(&w, ranges, count);
    bench_apdu(b, set, INS_DELETE, 0, 0, writer_span(&w), r);
}

static void one_change(enum curve curve, size_t rc_len, uint8_t scenario)
{
    struct bench b;
    struct key_set ks2;
    struct reply r;
    const struct key_range keep = {2, 1, 3};
    bench_init(&b, curve, rc_len);
    struct establishment e = plain;
    e.scenario = scenario;
    if ((scenario & CRT_WITH_HOST_ID) != 0) {
        e.host_id = span_of(host_id, sizeof(host_id));
    }
    take_over(&b, &e, &ks2);
    assert_int_equal(listed_kvns(&b, b.ks1), 1U << 1 | 1U << 2);
    finalise(&b, &ks2, &keep, 1, &r);
    assert_int_equal(r.sw, SW_OK);
    assert_int_equal(listed_kvns(&b, &ks2), 1U << 2);
    bench_apdu(&b, b.ks1, INS_GET_DATA, 0, 0xE0, (struct span){NULL, 0}, &r);
    assert_int_equal(r.envelope_sw, SW_NOT_FOUND); /* Alpha's keys are gone */
    bench_fini(&b);
}

static void every_curve_scenario_and_challenge(void **state)
{
    static const uint8_t scenarios[] = {0x08, 0x0A, 0x0C, 0x0E};
    (void)state;
    for (enum curve c = CURVE_P256; c < CURVE_COUNT; c++) {
        one_change(c, RC_LEN_LONG, 0x08);
        for (size_t i = 0; i < sizeof(scenarios); i++) {
            one_change(c, RC_LEN_SHORT, scenarios[i]);
        }
    }
}

/* -- RC -- */

static void second_store_data_alone_is_refused(void **state)
{
    struct bench b;
    struct established made;
    struct reply r;
    uint8_t pk[EC_POINT_LEN], rc[RC_LEN_SHORT] = {0};
    (void)state;
    setup(&b);
    bench_pk_ecasd(&b, pk);
    bench_establish(&b, &plain, pk, span_of(rc, sizeof(rc)), (struct span){NULL, 0}, &made);
    bench_apdu(&b, b.ks1, INS_STORE_DATA, STORE_DATA_2_P1, 1,
               span_of(made.store_data, made.store_data_len), &r);
    assert_int_equal(r.sw, SW_CONDITIONS);
    bench_fini(&b);
}

static void challenge_is_spent_by_success(void **state)
{
    struct bench b;
    struct established made;
    struct reply r;
    (void)state;
    setup(&b);
    bench_key_establishment(&b, &plain, &made, &r);
    assert_int_equal(r.sw, SW_OK);
    bench_apdu(&b, b.ks1, INS_STORE_DATA, STORE_DATA_2_P1, 1,
               span_of(made.store_data, made.store_data_len), &r);
    assert_int_equal(r.sw, SW_CONDITIONS);
    bench_fini(&b);
}

/* A right second STORE DATA after something else happened to the RC that it answers. */
static uint16_t answer_after(void (*meddle)(struct bench *b))
{
    struct bench b;
    struct established made;
    struct reply r;
    struct span rc;
    uint8_t pk[EC_POINT_LEN];
    setup(&b);
    bench_store_certificate(&b, span_of(b.pki.cert_sr, b.pki.cert_sr_len), &r);
    assert_int_equal(answer_1_parse(span_of(r.data, r.data_len), &rc), STATUS_OK);
    bench_pk_ecasd(&b, pk);
    bench_establish(&b, &plain, pk, rc, (struct span){NULL, 0}, &made);
    meddle(&b);
    bench_apdu(&b, b.ks1, INS_STORE_DATA, STORE_DATA_2_P1, 1,
               span_of(made.store_data, made.store_data_len), &r);
    bench_fini(&b);
    return r.sw;
}

static void nothing(struct bench *b)
{
    (void)b;
}

static void get_data_between(struct bench *b)
{
    (void)listed_kvns(b, b->ks1);
}

static void reset(struct bench *b)
{
    euicc_reset(b->robot.card);
}

static void store_data_of_no_kind(struct bench *b)
{
    static const uint8_t data[] = {0x00};
    struct reply r;
    bench_apdu(b, b->ks1, INS_STORE_DATA, 0x08, 0, span_of(data, sizeof(data)), &r);
    assert_int_equal(r.sw, SW_WRONG_P1P2);
}

static void store_data_of_wrong_length(struct bench *b)
{
    static const uint8_t bytes[] = {0x80, 0xE2, 0x09, 0x00, 0x07, 0x3A, 0x01};
    struct reply r;
    bench_command(b, b->ks1, span_of(bytes, sizeof(bytes)), &r);
    assert_int_equal(r.sw, SW_WRONG_LENGTH);
}

static void malformed_second_store_data(struct bench *b)
{
    static const uint8_t data[] = {0x3A, 0x02, 0x05, 0xA6};
    struct reply r;
    bench_apdu(b, b->ks1, INS_STORE_DATA, STORE_DATA_2_P1, 1, span_of(data, sizeof(data)), &r);
    assert_int_equal(r.sw, SW_WRONG_DATA);
}

static void new_challenge(struct bench *b)
{
    struct reply r;
    bench_store_certificate(b, span_of(b->pki.cert_sr, b->pki.cert_sr_len), &r);
    assert_int_equal(r.sw, SW_OK);
}

static void challenge_is_spent_by_any_store_data_and_reset(void **state)
{
    (void)state;
    assert_int_equal(answer_after(nothing), SW_OK);
    assert_int_equal(answer_after(get_data_between), SW_OK);
    assert_int_equal(answer_after(reset), SW_CONDITIONS);
    assert_int_equal(answer_after(store_data_of_no_kind), SW_CONDITIONS);
    assert_int_equal(answer_after(store_data_of_wrong_length), SW_CONDITIONS);
    assert_int_equal(answer_after(malformed_second_store_data), SW_CONDITIONS);
    assert_int_equal(answer_after(new_challenge), SW_VERIFY_FAILED); /* signed over the old RC */
}

/* -- the second STORE DATA -- */

static uint16_t second_store_data(const struct establishment *e)
{
    struct bench b;
    struct established made;
    struct reply r;
    setup(&b);
    bench_key_establishment(&b, e, &made, &r);
    assert_int_equal(listed_kvns(&b, b.ks1), r.sw == SW_OK ? 1U << 1 | 1U << 2 : 1U << 1);
    bench_fini(&b);
    return r.sw;
}

static void what_the_card_refuses_to_establish(void **state)
{
    struct establishment e = plain;
    (void)state;
    assert_int_equal(second_store_data(&e), SW_OK);
    e.bad_signature = true;
    assert_int_equal(second_store_data(&e), SW_VERIFY_FAILED);
    e = plain;
    e.scenario = CRT_CERT_CHECKED | CRT_DELETE_KEYS;
    assert_int_equal(second_store_data(&e), SW_WRONG_DATA);
    e = plain;
    e.kvn = FACTORY_KVN; /* KS1 has it */
    assert_int_equal(second_store_data(&e), SW_WRONG_DATA);
    e.kvn = CRT_KVN_MAX + 1;
    assert_int_equal(second_store_data(&e), SW_WRONG_DATA);
    e = plain;
    e.epk_curve = CURVE_BRAINPOOLP256R1; /* a point, but not of the card's curve */
    assert_int_equal(second_store_data(&e), SW_WRONG_DATA);
}

static void signature_covers_the_crt(void **state)
{
    struct bench b;
    struct established made;
    struct reply r;
    struct span rc;
    uint8_t pk[EC_POINT_LEN];
    (void)state;
    setup(&b);
    bench_store_certificate(&b, span_of(b.pki.cert_sr, b.pki.cert_sr_len), &r);
    assert_int_equal(answer_1_parse(span_of(r.data, r.data_len), &rc), STATUS_OK);
    bench_pk_ecasd(&b, pk);
    bench_establish(&b, &plain, pk, rc, (struct span){NULL, 0}, &made);
    const struct crt other =
        crt_sm_sr_change(CRT_CERT_CHECKED, 3, 0, (struct span){NULL, 0}, (struct span){NULL, 0});
    uint8_t crt[CRT_MAX], data[STORE_DATA_MAX];
    struct writer cw = writer_of(crt, sizeof(crt));
    struct writer w = writer_of(data, sizeof(data));
    crt_put(&cw, &other);
    store_data_2_put(&w, writer_span(&cw), span_of(made.epk, sizeof(made.epk)),
                     span_of(made.signature, sizeof(made.signature)));
    bench_apdu(&b, b.ks1, INS_STORE_DATA, STORE_DATA_2_P1, 1, writer_span(&w), &r);
    assert_int_equal(r.sw, SW_VERIFY_FAILED);
    bench_fini(&b);
}

/* -- the first STORE DATA -- */

struct certificate { /* a CERT.SR.ECDSA with one thing bent */
    enum gp_cert_role role;
    uint16_t key_usage;
    bool other_issuer_id, tampered, unknown_curve;
};

static uint16_t first_store_data(const struct certificate *c)
{
    struct bench b;
    struct reply r;
    struct gp_cert good;
    uint8_t bytes[GP_CERT_MAX], issuer_id[ISSUER_SKI_LEN];
    struct writer w = writer_of(bytes, sizeof(bytes));
    EVP_PKEY *ci = NULL;
    setup(&b);
    assert_int_equal(gp_cert_parse(span_of(b.pki.cert_sr, b.pki.cert_sr_len), &good), STATUS_OK);
    /* A CI of the test's own, so that what it certifies is its choice. */
    assert_int_equal(issuer_generate(CURVE_P256, &ci), STATUS_OK);
    assert_int_equal(issuer_point(ci, b.pki.ci_point), STATUS_OK);
    robot_fini(&b.robot);
    assert_int_equal(factory_make(&b.factory, 8, "alpha", &b.silent, &b.robot), STATUS_OK);
    b.ks1 = b.robot.ks1;
    memcpy(issuer_id, b.pki.ci_ski, sizeof(issuer_id));
    issuer_id[0] ^= c->other_issuer_id ? 1 : 0;
    const struct gp_cert_fields fields = {
        .serial = good.serial,
        .ca_id = good.ca_id,
        .subject = good.subject,
        .key_usage = c->key_usage,
        .key_usage_len = 1,
        .expiry = good.expiry.yyyymmdd,
        .role = (uint8_t)c->role,
        .authority_key_id = span_of(issuer_id, sizeof(issuer_id)),
        .curve_ref = c->unknown_curve ? 0x7E : GP_CURVE_P256,
        .point = good.point,
    };
    assert_int_equal(issuer_certify(ci, &fields, &w), STATUS_OK);
    bytes[w.len - 1] ^= c->tampered ? 1 : 0;
    bench_store_certificate(&b, writer_span(&w), &r);
    EVP_PKEY_free(ci);
    bench_fini(&b);
    return r.sw;
}

static void what_certificates_the_card_refuses(void **state)
{
    const struct certificate good = {.role = GP_ROLE_SM_SR, .key_usage = GP_KEY_USAGE_SIGN};
    struct certificate c = good;
    (void)state;
    assert_int_equal(first_store_data(&c), SW_OK);
    c.key_usage = GP_KEY_USAGE_SIGN_ALT;
    assert_int_equal(first_store_data(&c), SW_OK);
    c.key_usage = 0x80;
    assert_int_equal(first_store_data(&c), SW_WRONG_DATA);
    c = good;
    c.role = GP_ROLE_SM_DP;
    assert_int_equal(first_store_data(&c), SW_WRONG_DATA);
    c.role = GP_ROLE_NONE;
    assert_int_equal(first_store_data(&c), SW_WRONG_DATA);
    c = good;
    c.tampered = true;
    assert_int_equal(first_store_data(&c), SW_VERIFY_FAILED);
    c = good;
    c.other_issuer_id = true;
    assert_int_equal(first_store_data(&c), SW_NOT_FOUND);
    c = good;
    c.unknown_curve = true;
    assert_int_equal(first_store_data(&c), SW_WRONG_DATA);
}

/* -- the channel -- */

static void counters_only_grow(void **state)
{
    static const uint8_t get_data[] = {0x80, 0xCA, 0x00, 0xE0, 0x00};
    const struct span capdu = span_of(get_data, sizeof(get_data));
    struct bench b;
    struct reply r;
    (void)state;
    setup(&b);
    b.ks1->counter = 0;
    bench_packet(&b, b.ks1, capdu, &r);
    assert_int_equal(r.rsc, SCP80_RSC_COUNTER_LOW); /* must exceed the initial one */
    b.ks1->counter = 41;
    bench_command(&b, b.ks1, capdu, &r);
    assert_int_equal(r.rsc, SCP80_RSC_OK);
    assert_int_equal(r.sw, SW_OK);
    bench_packet(&b, b.ks1, capdu, &r); /* replayed */
    assert_int_equal(r.opened, STATUS_OK);
    assert_int_equal(r.rsc, SCP80_RSC_COUNTER_LOW);
    assert_int_equal(r.executed, 0);
    b.ks1->counter = 41;
    bench_packet(&b, b.ks1, capdu, &r);
    assert_int_equal(r.rsc, SCP80_RSC_COUNTER_LOW);
    b.ks1->counter = 43;
    bench_packet(&b, b.ks1, capdu, &r);
    assert_int_equal(r.rsc, SCP80_RSC_OK);
    bench_fini(&b);
}

static void only_the_right_keys_are_answered(void **state)
{
    static const uint8_t get_data[] = {0x80, 0xCA, 0x00, 0xE0, 0x00};
    const struct span capdu = span_of(get_data, sizeof(get_data));
    struct bench b;
    struct key_set forged;
    struct reply r;
    (void)state;
    setup(&b);
    forged = *b.ks1;
    forged.keys[1][0] ^= 1;
    bench_command(&b, &forged, capdu, &r);
    assert_int_equal(r.envelope_sw, SW_SECURITY);
    forged = *b.ks1;
    forged.kvn = 9;
    bench_command(&b, &forged, capdu, &r);
    assert_int_equal(r.envelope_sw, SW_NOT_FOUND);
    bench_command(&b, b.ks1, capdu, &r); /* what the forgeries carried moved no counter */
    assert_int_equal(r.sw, SW_OK);
    bench_fini(&b);
}

static uint16_t raw(struct bench *b, const uint8_t *bytes, size_t len)
{
    uint8_t out[RAPDU_DATA_MAX + 2];
    struct rapdu r;
    size_t n = euicc_apdu(b->robot.card, span_of(bytes, len), out);
    assert_int_equal(rapdu_parse(span_of(out, n), &r), STATUS_OK);
    assert_int_equal(r.data.len, 0);
    return r.sw;
}

static void bare_commands_are_refused(void **state)
{
    static const uint8_t store_data[] = {0x80, 0xE2, 0x09, 0x00, 0x01, 0x00};
    static const uint8_t get_data[] = {0x80, 0xCA, 0x00, 0xE0, 0x00};
    static const uint8_t wrong_ins[] = {0x80, 0x12, 0x00, 0x00};
    static const uint8_t wrong_cla[] = {0xA0, 0xC2, 0x00, 0x00, 0x01, 0x00};
    static const uint8_t wrong_p1[] = {0x80, 0xC2, 0x01, 0x00, 0x01, 0x00};
    static const uint8_t wrong_lc[] = {0x80, 0xC2, 0x00, 0x00, 0x05, 0x00};
    static const uint8_t no_sms[] = {0x80, 0xC2, 0x00, 0x00, 0x02, 0xD1, 0x00};
    struct bench b;
    (void)state;
    setup(&b);
    assert_int_equal(raw(&b, store_data, sizeof(store_data)), SW_SECURITY);
    assert_int_equal(raw(&b, get_data, sizeof(get_data)), SW_SECURITY);
    assert_int_equal(raw(&b, wrong_ins, sizeof(wrong_ins)), SW_WRONG_INS);
    assert_int_equal(raw(&b, wrong_cla, sizeof(wrong_cla)), SW_WRONG_CLA);
    assert_int_equal(raw(&b, wrong_p1, sizeof(wrong_p1)), SW_WRONG_P1P2);
    assert_int_equal(raw(&b, wrong_lc, sizeof(wrong_lc)), SW_WRONG_LENGTH);
    assert_int_equal(raw(&b, no_sms, sizeof(no_sms)), SW_WRONG_DATA);
    assert_int_equal(raw(&b, wrong_ins, 1), SW_WRONG_LENGTH);
    bench_fini(&b);
}

/* -- FinaliseISDRhandover -- */

static void finalise_keeps_what_it_must(void **state)
{
    static const struct {
        struct key_range ranges[2];
        size_t count;
        uint16_t sw;
        unsigned left; /* key version numbers, one bit each */
    } cases[] = {
        {{{1, 1, 3}}, 1, SW_CONDITIONS, 1U << 1 | 1U << 2}, /* KS2 secures and is not listed */
        {{{2, 1, 2}}, 1, SW_CONDITIONS, 1U << 1 | 1U << 2}, /* nor whole */
        {{{2, 1, 3}, {5, 1, 3}}, 2, SW_NOT_FOUND, 1U << 1 | 1U << 2},
        {{{2, 1, 4}}, 1, SW_NOT_FOUND, 1U << 1 | 1U << 2},
        {{{2, 3, 1}}, 1, SW_WRONG_DATA, 1U << 1 | 1U << 2},
        {{{2, 1, 3}, {1, 1, 3}}, 2, SW_OK, 1U << 1 | 1U << 2},
        {{{2, 1, 1}, {2, 2, 3}}, 2, SW_OK, 1U << 2},
        {{{2, 1, 3}}, 1, SW_OK, 1U << 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b;
        struct key_set ks2;
        struct reply r;
        setup(&b);
        take_over(&b, &plain, &ks2);
        finalise(&b, &ks2, cases[i].ranges, cases[i].count, &r);
        assert_int_equal(r.sw, cases[i].sw);
        assert_int_equal(listed_kvns(&b, &ks2), cases[i].left);
        bench_fini(&b);
    }
}

static void finalise_wants_its_form(void **state)
{
    static const uint8_t ranges[] = {0xF2, 0x03, 0x01, 0x01, 0x03};
    static const uint8_t truncated[] = {0xF2, 0x03, 0x01, 0x01};
    struct bench b;
    struct reply r;
    (void)state;
    setup(&b);
    bench_apdu(&b, b.ks1, INS_DELETE, 0x01, 0, span_of(ranges, sizeof(ranges)), &r);
    assert_int_equal(r.sw, SW_WRONG_P1P2);
    bench_apdu(&b, b.ks1, INS_DELETE, 0, 0, span_of(truncated, sizeof(truncated)), &r);
    assert_int_equal(r.sw, SW_WRONG_DATA);
    bench_apdu(&b, b.ks1, INS_GET_DATA, 0, 0x66, (struct span){NULL, 0}, &r);
    assert_int_equal(r.sw, SW_WRONG_P1P2);
    bench_fini(&b);
}

/* -- what is kept -- */

struct keeper {
    unsigned saves, refuse; /* refuse: this one, counted from 1 */
    uint8_t image[CARD_IMAGE_LEN];
};

static enum status keep(void *arg, struct span image)
{
    struct keeper *k = arg;
    assert_int_equal(image.len, sizeof(k->image));
    if (++k->saves == k->refuse) {
        return STATUS_INTERNAL;
    }
    memcpy(k->image, image.ptr, image.len);
    return STATUS_OK;
}

/* A packet changes the card and what is kept of it, or neither. */
static void what_cannot_be_kept_has_not_happened(void **state)
{
    struct keeper k = {.refuse = 3}; /* after the card as it is now and the certificate */
    struct established made;
    struct key_set ks2;
    struct bench b;
    struct reply r;
    (void)state;
    setup(&b);
    assert_int_equal(euicc_keep_with(b.robot.card, keep, &k), STATUS_OK);
    bench_key_establishment(&b, &plain, &made, &r);
    assert_int_equal(r.envelope_sw, SW_MEMORY_FAILURE);
    assert_int_equal(listed_kvns(&b, b.ks1), 1U << 1);
    b.ks1->counter -= 2; /* that of the packet that was not taken, and of one before the listing */
    bench_store_certificate(&b, span_of(b.pki.cert_sr, b.pki.cert_sr_len), &r);
    assert_int_equal(r.rsc, SCP80_RSC_COUNTER_LOW);
    b.ks1->counter += 1;
    take_over(&b, &plain, &ks2);
    bench_fini(&b);
}

static void image_is_the_card(void **state)
{
    struct keeper k = {0};
    struct key_set ks2;
    struct bench b;
    struct euicc *card;
    struct span image = span_of(k.image, sizeof(k.image));
    (void)state;
    setup(&b);
    assert_int_equal(euicc_keep_with(b.robot.card, keep, &k), STATUS_OK);
    take_over(&b, &plain, &ks2);
    euicc_free(&b.robot.card);
    assert_int_equal(euicc_load(&b.robot.card, &b.engine, image, &b.silent), STATUS_OK);
    assert_int_equal(listed_kvns(&b, &ks2), 1U << 1 | 1U << 2);
    assert_int_equal(listed_kvns(&b, b.ks1), 1U << 1 | 1U << 2);
    for (size_t i = 0; i < sizeof(k.image); i++) {
        k.image[i] ^= 1;
        assert_int_equal(euicc_load(&card, &b.engine, image, &b.silent), STATUS_BLOB_MALFORMED);
        assert_null(card);
        k.image[i] ^= 1;
    }
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_kept_has_not_happened),
        cmocka_unit_test(image_is_the_card),
        cmocka_unit_test(every_curve_scenario_and_challenge),
        cmocka_unit_test(second_store_data_alone_is_refused),
        cmocka_unit_test(challenge_is_spent_by_success),
        cmocka_unit_test(challenge_is_spent_by_any_store_data_and_reset),
        cmocka_unit_test(what_the_card_refuses_to_establish),
        cmocka_unit_test(signature_covers_the_crt),
        cmocka_unit_test(what_certificates_the_card_refuses),
        cmocka_unit_test(counters_only_grow),
        cmocka_unit_test(only_the_right_keys_are_answered),
        cmocka_unit_test(bare_commands_are_refused),
        cmocka_unit_test(finalise_keeps_what_it_must),
        cmocka_unit_test(finalise_wants_its_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
