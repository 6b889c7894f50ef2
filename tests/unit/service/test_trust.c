/*
 * The trust store and the chain: the published CI and EUM of SGP.26 hold, and each check has a twin
 * that fails it alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "providers/ec/check.h"
#include "service/policy/trust.h"
#include "tests/unit/service/x509_maker.h"
#include "tests/unit/vectors.h"

enum { NOW = 1767225600 /* 2026-01-01 UTC */, DAY = 86400 };

struct place {
    char directory[64];
    struct vectors *sgp26;
    struct span ci, ci_brp, eum, ci_key;
    struct trust_ci_pin cis[2];
    struct trust_eum_pin eums[1];
    struct trust_pins config;
    struct trust *trust;
    char error[CONFIG_ERROR_MAX];
};

static char ci_file[] = "ci.der";
static char ci_brp_file[] = "ci-brp.der";
static char eum_file[] = "eum.der";

static void write_file(const struct place *p, const char *name, struct span der)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", p->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(der.ptr, 1, der.len, file), der.len);
    assert_int_equal(fclose(file), 0);
}

static void pin(struct span der, uint8_t out[32])
{
    assert_int_equal(EVP_Digest(der.ptr, der.len, out, NULL, EVP_sha256(), NULL), 1);
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    p->sgp26 = vectors_open("sgp26");
    p->ci = vector_hex(vectors_find(p->sgp26, "ci-nist"), "certificate");
    p->ci_key = vector_hex(vectors_find(p->sgp26, "ci-nist"), "key");
    p->ci_brp = vector_hex(vectors_find(p->sgp26, "ci-brp"), "certificate");
    p->eum = vector_hex(vectors_find(p->sgp26, "eum-nist"), "certificate");
    (void)snprintf(p->directory, sizeof(p->directory), "/tmp/eckad-trust-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    p->cis[0].file = ci_file;
    p->cis[1].file = ci_brp_file;
    p->eums[0] = (struct trust_eum_pin){.file = eum_file, .ca_id = {0xCA, 0x1D}, .ca_id_len = 2};
    p->config = (struct trust_pins){
        .directory = p->directory, .ci = p->cis, .ci_count = 2, .eum = p->eums, .eum_count = 1};
    write_file(p, ci_file, p->ci);
    write_file(p, ci_brp_file, p->ci_brp);
    pin(p->ci, p->cis[0].sha256);
    pin(p->ci_brp, p->cis[1].sha256);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char path[128];
    const char *names[] = {ci_file, ci_brp_file, eum_file};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", p->directory, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(p->directory), 0);
    trust_free(&p->trust);
    vectors_close(&p->sgp26);
    free(p);
    return 0;
}

/* Loads the store with this EUM certificate, pinned. */
static const struct trust_eum *load(struct place *p, struct span eum)
{
    trust_free(&p->trust);
    write_file(p, eum_file, eum);
    pin(eum, p->eums[0].sha256);
    enum status s = trust_load(&p->config, &p->trust, p->error);
    if (s != STATUS_OK) {
        print_error("%s\n", p->error);
    }
    assert_int_equal(s, STATUS_OK);
    const struct trust_eum *found = trust_find(p->trust, p->eums[0].sha256);
    assert_non_null(found);
    return found;
}

static void the_published_eum_holds(void **state)
{
    struct place *p = *state;
    const struct trust_eum *eum = load(p, p->eum);
    uint8_t other[TRUST_ID_LEN] = {0};
    assert_int_equal(eum->status, STATUS_OK);
    assert_int_equal(eum->curve, CURVE_P256);
    assert_int_equal(eum->prefix_count, 1);
    assert_string_equal(eum->prefixes[0], "89049032");
    assert_int_equal(eum->ski_len, 20);
    assert_memory_equal(eum->ski, "\xDD\x3D\xA2\x4D", 4);
    assert_int_equal(eum->point[0], 4);
    assert_null(trust_find(p->trust, other));
    assert_ptr_equal(trust_find_der(p->trust, p->eum), eum);
    assert_null(trust_find_der(p->trust, p->ci));
    assert_int_equal(p->trust->ci_count, 2);
    for (size_t i = 0; i < 2; i++) { /* each a point of its curve, and of no other */
        const struct trust_key *ci = &p->trust->cis[i];
        assert_int_equal(ci->curve, i == 0 ? CURVE_P256 : CURVE_BRAINPOOLP256R1);
        assert_int_equal(ec_check_point_vartime(ci->curve, ci->point), STATUS_OK);
    }
}

/* As many EUMs as may be pinned, all wanting the same slot: each is found, and no other. */
static void each_pinned_eum_is_found(void **state)
{
    (void)state;
    struct trust *trust = calloc(1, sizeof(*trust));
    uint8_t id[TRUST_ID_LEN] = {0};
    assert_non_null(trust);
    trust->eums = calloc(TRUST_CERTS_MAX, sizeof(*trust->eums));
    assert_non_null(trust->eums);
    trust->eum_count = TRUST_CERTS_MAX;
    for (unsigned i = 0; i < TRUST_CERTS_MAX; i++) {
        struct trust_eum *eum = &trust->eums[i];
        eum->id[0] = (uint8_t)i; /* the last bytes, which name the slot, are the same */
        eum->der[0] = (uint8_t)i;
        eum->der_len = 600;
    }
    trust_index(trust);
    for (unsigned i = 0; i < TRUST_CERTS_MAX; i++) {
        struct trust_eum *eum = &trust->eums[i];
        id[0] = (uint8_t)i;
        assert_ptr_equal(trust_find(trust, id), eum);
        assert_ptr_equal(trust_find_der(trust, span_of(eum->der, eum->der_len)), eum);
        assert_null(trust_find_der(trust, span_of(eum->der, eum->der_len - 1)));
        assert_null(trust_find_der(trust, span_of(eum->der, eum->der_len + 1)));
    }
    id[1] = 1;
    assert_null(trust_find(trust, id));
    assert_null(trust_find_der(trust, span_of(id, sizeof(id))));
    assert_null(trust_find_der(trust, span_of(id, 1)));
    assert_null(trust_find_der(trust, span_of(NULL, 0)));
    trust_free(&trust);
}

static void only_pinned_files_load(void **state)
{
    struct place *p = *state;
    load(p, p->eum);
    trust_free(&p->trust);
    p->eums[0].sha256[31] ^= 1;
    assert_int_equal(trust_load(&p->config, &p->trust, p->error), STATUS_BAD_REQUEST);
    assert_null(p->trust);
    assert_non_null(strstr(p->error, "eum.der"));
    p->eums[0].sha256[31] ^= 1;
    p->cis[0].sha256[0] ^= 1;
    assert_int_equal(trust_load(&p->config, &p->trust, p->error), STATUS_BAD_REQUEST);
    assert_non_null(strstr(p->error, "ci.der"));
    p->cis[0].sha256[0] ^= 1;
    p->cis[0].file = eum_file; /* the right pin, another file */
    assert_int_equal(trust_load(&p->config, &p->trust, p->error), STATUS_BAD_REQUEST);
    p->cis[0].file = (char[]){"none.der"};
    assert_int_equal(trust_load(&p->config, &p->trust, p->error), STATUS_BAD_REQUEST);
    assert_non_null(strstr(p->error, "none.der"));
    p->cis[0].file = ci_file;
}

/* A CI that is no CI stops the start; the EUM's certificate under a fresh CI of ours does not. */
static void an_unusable_ci_is_a_sentence(void **state)
{
    struct place *p = *state;
    static const uint8_t garbage[] = {0x30, 0x03, 0x02, 0x01, 0x00};
    write_file(p, eum_file, p->eum);
    pin(p->eum, p->eums[0].sha256);
    write_file(p, ci_file, span_of(garbage, sizeof(garbage)));
    pin(span_of(garbage, sizeof(garbage)), p->cis[0].sha256);
    assert_int_equal(trust_load(&p->config, &p->trust, p->error), STATUS_BAD_REQUEST);
    assert_non_null(strstr(p->error, "cannot be parsed"));
}

/* EUM certificates that fail one check each. */
static const struct {
    struct x509_recipe recipe;
    enum status expected;
} twins[] = {
    {{0}, STATUS_OK},
    {{.brainpool = true}, STATUS_OK},
    {{.other_issuer_name = true}, STATUS_EUM_CI_UNKNOWN},
    {{.other_authority_key_id = true}, STATUS_EUM_CI_UNKNOWN},
    {{.other_issuer_key = true}, STATUS_EUM_SIGNATURE},
    {{.sha1 = true}, STATUS_EUM_SIGNATURE},
    {{.not_ca = true}, STATUS_EUM_NOT_CA},
    {{.no_key_usage = true}, STATUS_EUM_KEY_USAGE},
    {{.key_usage = "critical,digitalSignature"}, STATUS_EUM_KEY_USAGE},
    {{.policy = "2.23.146.1.2.1.1"}, STATUS_EUM_POLICY},
    {{.no_policy = true}, STATUS_EUM_POLICY},
    {{.no_name_constraints = true}, STATUS_EUM_NAME_CONSTRAINTS},
    {{.prefix = "8904903x"}, STATUS_EUM_NAME_CONSTRAINTS},
    {{.prefix = "890490321234567890123456789012345"}, STATUS_EUM_NAME_CONSTRAINTS},
    {{.excluded = true}, STATUS_EUM_NAME_CONSTRAINTS},
    {{.curve = "secp384r1"}, STATUS_EUM_CURVE},
    {{.explicit_parameters = true}, STATUS_EUM_CURVE},
    {{.unknown_critical = true}, STATUS_EUM_MALFORMED},
};

static void each_eum_check_has_a_twin(void **state)
{
    struct place *p = *state;
    for (size_t i = 0; i < sizeof(twins) / sizeof(*twins); i++) {
        uint8_t der[WIRE_EUM_MAX];
        struct span eum = x509_make(&twins[i].recipe, p->ci, p->ci_key, der);
        enum status s = load(p, eum)->status;
        if (s != twins[i].expected) {
            print_error("twin %zu: %s\n", i, status_name(s));
        }
        assert_int_equal(s, twins[i].expected);
    }
    uint8_t cut[WIRE_EUM_MAX];
    memcpy(cut, p->eum.ptr, p->eum.len);
    assert_int_equal(load(p, span_of(cut, p->eum.len - 1))->status, STATUS_EUM_MALFORMED);
    cut[p->eum.len] = 0;
    assert_int_equal(load(p, span_of(cut, p->eum.len + 1))->status, STATUS_EUM_MALFORMED);
    cut[p->eum.len - 1] ^= 1;
    assert_int_equal(load(p, span_of(cut, p->eum.len))->status, STATUS_EUM_SIGNATURE);
}

/* A CI with pathlen 0 may not have a CA below it. */
static void the_ci_path_length_counts(void **state)
{
    struct place *p = *state;
    for (int allowed = 0; allowed <= 1; allowed++) {
        uint8_t ci_der[WIRE_EUM_MAX];
        uint8_t eum_der[WIRE_EUM_MAX];
        struct x509_recipe ci_recipe = {.self_signed = true,
                                        .basic_constraints = allowed
                                                                 ? "critical,CA:TRUE,pathlen:1"
                                                                 : "critical,CA:TRUE,pathlen:0"};
        struct x509_recipe eum_recipe = {0};
        struct span ci = x509_make(&ci_recipe, p->ci, p->ci_key, ci_der);
        struct span eum = x509_make(&eum_recipe, ci, p->ci_key, eum_der);
        write_file(p, ci_file, ci);
        pin(ci, p->cis[0].sha256);
        assert_int_equal(load(p, eum)->status, allowed ? STATUS_OK : STATUS_EUM_PATH_LENGTH);
    }
}

static void an_expired_eum_or_ci_is_told_apart_by_the_clock(void **state)
{
    struct place *p = *state;
    uint8_t der[WIRE_EUM_MAX];
    struct x509_recipe recipe = {.not_before = NOW, .not_after = NOW + DAY};
    const struct trust_eum *eum = load(p, x509_make(&recipe, p->ci, p->ci_key, der));
    assert_int_equal(eum->validity.not_before, NOW);
    assert_int_equal(eum->validity.not_after, NOW + DAY);
    recipe = (struct x509_recipe){.not_before = 1000000000, .not_after = 4000000000};
    eum = load(p, x509_make(&recipe, p->ci, p->ci_key, der));
    assert_int_equal(eum->validity.not_before, 1585729671); /* the CI's 2020-04-01 08:27:51 */
    assert_int_equal(eum->validity.not_after, 2690180871);  /* and its 2055-04-01 08:27:51 */
}

/* -- CERT.ECASD.ECKA -- */

static const uint8_t eid[GP_EID_LEN] = {0x89, 0x04, 0x90, 0x32, 0x12, 0x34, 0x56, 0x78,
                                        0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34};

/* A certificate that passes; tests change a field of it. */
static struct gp_cert_fields good_fields(const struct trust_eum *eum)
{
    static const uint8_t serial[] = {0x01};
    return (struct gp_cert_fields){
        .serial = span_of(serial, sizeof(serial)),
        .ca_id = span_of(eum->ca_id, eum->ca_id_len),
        .subject = span_of(eid, sizeof(eid)),
        .key_usage = GP_KEY_USAGE_AGREEMENT,
        .key_usage_len = 2,
        .effective = 20251231,
        .expiry = 20260131,
        .authority_key_id = span_of(eum->ski, eum->ski_len),
        .curve_ref = GP_CURVE_FRP256V1,
        .point = span_of(eum->point, sizeof(eum->point)),
    };
}

static enum status check_at(const struct trust_eum *eum, const struct gp_cert_fields *fields,
                            const uint8_t id[static GP_EID_LEN], int64_t now,
                            struct trust_chain *out)
{
    static const uint8_t signature[GP_SIGNATURE_LEN] = {1};
    static uint8_t der[GP_CERT_MAX];
    uint8_t tbs[GP_CERT_MAX];
    struct writer w = writer_of(tbs, sizeof(tbs));
    struct writer whole = writer_of(der, sizeof(der));
    gp_cert_put_tbs(&w, fields);
    gp_cert_put(&whole, writer_span(&w), span_of(signature, sizeof(signature)));
    assert_int_equal(writer_check(&whole), STATUS_OK);
    return trust_check_ecasd(eum, span_of(id, GP_EID_LEN), writer_span(&whole), now, out);
}

static enum status check(const struct trust_eum *eum, const struct gp_cert_fields *fields)
{
    struct trust_chain chain;
    return check_at(eum, fields, eid, NOW, &chain);
}

static void a_good_certificate_yields_its_key(void **state)
{
    struct place *p = *state;
    const struct trust_eum *eum = load(p, p->eum);
    struct gp_cert_fields f = good_fields(eum);
    struct trust_chain chain;
    assert_int_equal(check_at(eum, &f, eid, NOW, &chain), STATUS_OK);
    assert_ptr_equal(chain.eum, eum);
    assert_int_equal(chain.curve, CURVE_FRP256V1); /* certified on one curve, signed on another */
    assert_memory_equal(chain.cert.point.ptr, eum->point, GP_POINT_LEN);
    f.authority_key_id = span_of(NULL, 0); /* optional */
    f.effective = 0;
    assert_int_equal(check(eum, &f), STATUS_OK);
}

static void each_certificate_check_has_a_twin(void **state)
{
    struct place *p = *state;
    const struct trust_eum *eum = load(p, p->eum);
    uint8_t changed[64];
    struct gp_cert_fields f = good_fields(eum);

    f.key_usage = GP_KEY_USAGE_SIGN;
    f.key_usage_len = 1;
    assert_int_equal(check(eum, &f), STATUS_CERT_KEY_USAGE);
    f.key_usage = 0x80; /* the right number in one byte is another bit string */
    assert_int_equal(check(eum, &f), STATUS_CERT_KEY_USAGE);

    f = good_fields(eum);
    f.curve_ref = 0x01;
    assert_int_equal(check(eum, &f), STATUS_CERT_CURVE);

    f = good_fields(eum);
    f.ca_id.len--;
    assert_int_equal(check(eum, &f), STATUS_CERT_CA_ID);

    f = good_fields(eum);
    memcpy(changed, eum->ski, eum->ski_len);
    changed[19] ^= 1;
    f.authority_key_id = span_of(changed, eum->ski_len);
    assert_int_equal(check(eum, &f), STATUS_CERT_AUTHORITY_KEY_ID);

    f = good_fields(eum);
    memcpy(changed, eid, sizeof(eid));
    changed[15] ^= 1;
    f.subject = span_of(changed, sizeof(eid));
    assert_int_equal(check(eum, &f), STATUS_CERT_SUBJECT);

    f = good_fields(eum);
    f.expiry = 20251231;
    assert_int_equal(check(eum, &f), STATUS_CERT_EXPIRED);
    f = good_fields(eum);
    f.effective = 20260102;
    assert_int_equal(check(eum, &f), STATUS_CERT_NOT_YET_VALID);
}

static void the_eid_is_held_against_the_prefix(void **state)
{
    struct place *p = *state;
    const struct trust_eum *eum = load(p, p->eum);
    struct gp_cert_fields f = good_fields(eum);
    struct trust_chain chain;
    uint8_t id[GP_EID_LEN];
    for (int digit = 0; digit < 8; digit++) {
        memcpy(id, eid, sizeof(id));
        id[digit / 2] ^= digit % 2 == 0 ? 0x10 : 0x01;
        f.subject = span_of(id, sizeof(id));
        assert_int_equal(check_at(eum, &f, id, NOW, &chain), STATUS_EID_PREFIX);
    }
    memcpy(id, eid, sizeof(id));
    id[15] = 0x3A;
    f.subject = span_of(id, sizeof(id));
    assert_int_equal(check_at(eum, &f, id, NOW, &chain), STATUS_BAD_EID);
}

static void dates_count_in_whole_days(void **state)
{
    struct place *p = *state;
    const struct trust_eum *eum = load(p, p->eum);
    struct gp_cert_fields f = good_fields(eum);
    struct trust_chain chain;
    f.effective = 20260101;
    f.expiry = 20260101;
    assert_int_equal(check_at(eum, &f, eid, NOW - 1, &chain), STATUS_CERT_NOT_YET_VALID);
    assert_int_equal(check_at(eum, &f, eid, NOW, &chain), STATUS_OK);
    assert_int_equal(check_at(eum, &f, eid, NOW + DAY - 1, &chain), STATUS_OK);
    assert_int_equal(check_at(eum, &f, eid, NOW + DAY, &chain), STATUS_CERT_EXPIRED);
    f = good_fields(eum);
    f.expiry = 20991231;
    f.effective = 0;
    assert_int_equal(check_at(eum, &f, eid, eum->validity.not_before - 1, &chain),
                     STATUS_EUM_NOT_YET_VALID);
    assert_int_equal(check_at(eum, &f, eid, eum->validity.not_after, &chain), STATUS_OK);
    assert_int_equal(check_at(eum, &f, eid, eum->validity.not_after + 1, &chain),
                     STATUS_EUM_EXPIRED);
}

static void what_is_not_a_certificate_is_refused(void **state)
{
    struct place *p = *state;
    const struct trust_eum *eum = load(p, p->eum);
    struct trust_chain chain;
    static const uint8_t junk[] = {0x7F, 0x21, 0x01};
    assert_int_equal(
        trust_check_ecasd(eum, span_of(eid, sizeof(eid)), span_of(junk, sizeof(junk)), NOW, &chain),
        STATUS_CERT_MALFORMED);
    assert_int_equal(trust_check_ecasd(NULL, span_of(eid, sizeof(eid)), span_of(junk, sizeof(junk)),
                                       NOW, &chain),
                     STATUS_EUM_UNKNOWN);
    struct trust_eum bad = {.status = STATUS_EUM_POLICY};
    assert_int_equal(trust_check_ecasd(&bad, span_of(eid, sizeof(eid)), span_of(junk, sizeof(junk)),
                                       NOW, &chain),
                     STATUS_EUM_POLICY);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_published_eum_holds),
        cmocka_unit_test(each_pinned_eum_is_found),
        STORY(only_pinned_files_load),
        STORY(an_unusable_ci_is_a_sentence),
        STORY(each_eum_check_has_a_twin),
        STORY(the_ci_path_length_counts),
        STORY(an_expired_eum_or_ci_is_told_apart_by_the_clock),
        STORY(a_good_certificate_yields_its_key),
        STORY(each_certificate_check_has_a_twin),
        STORY(the_eid_is_held_against_the_prefix),
        STORY(dates_count_in_whole_days),
        STORY(what_is_not_a_certificate_is_refused),
    };
    return cmocka_run_group_tests_name("trust", tests, NULL, NULL);
}
