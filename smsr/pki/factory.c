#include "smsr/pki/factory.h"

#include <inttypes.h>
#include <stdio.h>

#include "providers/core/secret.h"
#include "smsr/hex.h"
#include "smsr/pki/pki_x509.h"

enum {
    ECASD_EFFECTIVE = 20240101,
    ECASD_EXPIRY = 20500101,
    ECASD_REGISTERED = 1704067200, /* ECASD_EFFECTIVE in seconds since 1970 */
    CHECK_MODULUS = 97, /* ISO/IEC 7064 MOD 97-10, as SGP.02 2.2.2 takes it for the EID */
};

static const uint8_t ISDR_AID[EIS_AID_LEN] = {0xA0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xFF,
                                              0xFF, 0xFF, 0xFF, 0x89, 0x00, 0x00, 0x01, 0x00};
static const uint8_t ISDP_AID[EIS_AID_LEN] = {0xA0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xFF,
                                              0xFF, 0xFF, 0xFF, 0x89, 0x00, 0x00, 0x10, 0x00};
static const uint8_t ISDP_LOAD_FILE_AID[EIS_AID_LEN] = {
    0xA0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0x00, 0x00, 0x0D, 0x00};
static const uint8_t ISDP_MODULE_AID[EIS_AID_LEN] = {
    0xA0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0x00, 0x00, 0x0E, 0x00};
static const uint8_t ISDR_SIN[] = {0x88, 0x37, 0x01}; /* the registered identifier of its issuer */

/* 8 digits of prefix, 22 of number, 2 that make the whole leave 1 modulo 97. */
enum status factory_eid(uint64_t number, uint8_t out[static GP_EID_LEN])
{
    char digits[EID_TEXT_LEN + 1];
    unsigned rest = 0;
    size_t len;
    (void)snprintf(digits, sizeof(digits), "%s%022" PRIu64 "00", PKI_EID_PREFIX, number);
    for (size_t i = 0; i < EID_TEXT_LEN; i++) {
        rest = (rest * 10 + (unsigned)(digits[i] - '0')) % CHECK_MODULUS;
    }
    unsigned check = CHECK_MODULUS + 1 - rest;
    digits[EID_TEXT_LEN - 2] = (char)('0' + check / 10);
    digits[EID_TEXT_LEN - 1] = (char)('0' + check % 10);
    return hex_decode(digits, out, GP_EID_LEN, &len);
}

enum status factory_certify(const struct pki *pki, enum curve curve,
                            const uint8_t eid[static GP_EID_LEN],
                            const uint8_t point[static EC_POINT_LEN], struct writer *out)
{
    uint8_t serial[8];
    struct writer sw = writer_of(serial, sizeof(serial));
    put_bytes(&sw, eid + GP_EID_LEN - sizeof(serial), sizeof(serial));
    const struct gp_cert_fields fields = {
        .serial = writer_span(&sw),
        .ca_id = span_of(pki->ca_id, pki->ca_id_len),
        .subject = span_of(eid, GP_EID_LEN),
        .key_usage = GP_KEY_USAGE_AGREEMENT,
        .key_usage_len = 2,
        .effective = ECASD_EFFECTIVE,
        .expiry = ECASD_EXPIRY,
        .role = GP_ROLE_NONE,
        .authority_key_id = span_of(pki->eum_ski, sizeof(pki->eum_ski)),
        .curve_ref = curve_ref(curve),
        .point = span_of(point, EC_POINT_LEN),
    };
    return issuer_certify(pki->eum_key, &fields, out);
}

static enum status fill_signed(const struct factory *f, const uint8_t *eid, const uint8_t *point,
                               struct eis *eis)
{
    uint8_t bytes[EIS_SIGNED_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct eis_signed *info = &eis->signed_info;
    memcpy(info->eid, eid, GP_EID_LEN);
    memcpy(info->eum_id, f->pki->eum_id, sizeof(info->eum_id));
    memcpy(info->isdp_load_file_aid, ISDP_LOAD_FILE_AID, sizeof(ISDP_LOAD_FILE_AID));
    memcpy(info->isdp_module_aid, ISDP_MODULE_AID, sizeof(ISDP_MODULE_AID));
    (void)snprintf(info->platform, sizeof(info->platform), "simulated eUICC");
    (void)snprintf(info->platform_version, sizeof(info->platform_version), "4.2.0");
    info->capabilities = (struct eis_capabilities){
        .cat_tp = false, .http = true, .secure_packet = "12.1", .remote_provisioning = "4.2"};
    info->production_date = ECASD_EFFECTIVE;
    struct writer cw = writer_of(info->ecasd_cert, sizeof(info->ecasd_cert));
    TRY(factory_certify(f->pki, f->curve, eid, point, &cw));
    info->ecasd_cert_len = cw.len;
    eis_signed_put(&w, info);
    TRY(writer_check(&w));
    return issuer_sign(f->pki->eum_key, writer_span(&w), eis->eum_signature);
}

/* The bootstrap subscription, to which the card falls back, and the one that it works with. */
static void fill_profiles(struct eis *eis)
{
    eis->profile_count = 2;
    eis->profiles[0] = (struct eis_profile){
        .iccid = "89990100000000000001",
        .mno_id = "bootstrap.mno.example",
        .fallback = true,
        .emergency = true,
        .msisdn = "999700000001",
        .imsi = "999010000000001",
        .state = EIS_PROFILE_DISABLED,
        .smdp_id = "eum.sm-dp.example",
        .type = "bootstrap",
        .allocated_memory = 32768,
        .free_memory = 4096,
        .rule_count = 1,
        .rules = {{EIS_DELETE, EIS_NOT_ALLOWED}},
        .connectivity = {.smsc = "999700000099", .apn = "boot.example"},
    };
    memcpy(eis->profiles[0].isdp_aid, ISDP_AID, sizeof(ISDP_AID));
    eis->profiles[1] = (struct eis_profile){
        .iccid = "89990200000000000001",
        .mno_id = "home.mno.example",
        .msisdn = "999800000001",
        .imsi = "999020000000001",
        .state = EIS_PROFILE_ENABLED,
        .smdp_id = "home.sm-dp.example",
        .type = "m2m-basic",
        .allocated_memory = 65536,
        .free_memory = 8192,
        .rule_count = 2,
        .rules = {{EIS_DISABLE, EIS_NOT_ALLOWED}, {EIS_DELETE, EIS_AUTO_DELETE}},
        .connectivity = {.smsc = "999800000099", .apn = "m2m.example"},
    };
    memcpy(eis->profiles[1].isdp_aid, ISDP_AID, sizeof(ISDP_AID));
    eis->profiles[1].isdp_aid[EIS_AID_LEN - 2] = 0x11;
}

static enum status fill_eis(const struct factory *f, const uint8_t *eid, const uint8_t *point,
                            const char *smsr_id, struct eis *eis)
{
    memset(eis, 0, sizeof(*eis));
    TRY(fill_signed(f, eid, point, eis));
    eis->remaining_memory = 524288;
    eis->available_memory = 393216;
    eis->last_audit_date = ECASD_EFFECTIVE;
    (void)snprintf(eis->smsr_id, sizeof(eis->smsr_id), "%s", smsr_id);
    memcpy(eis->isdr_aid, ISDR_AID, sizeof(ISDR_AID));
    memcpy(eis->isdr_tar, EUICC_ISDR_TAR, sizeof(eis->isdr_tar));
    (void)snprintf(eis->isdr_role, sizeof(eis->isdr_role), "ISD-R");
    TRY(octets_set(&eis->sin, span_of(ISDR_SIN, sizeof(ISDR_SIN))));
    TRY(octets_set(&eis->sdin, span_of(eid, GP_EID_LEN)));
    fill_profiles(eis);
    eis_audit_add(eis, ECASD_REGISTERED, "eum.example", "RegisterEIS", "Executed-Success");
    eis->property_count = 2;
    eis->properties[0] = (struct eis_property){"billing-account", "4711"};
    eis->properties[1] = (struct eis_property){"internal-shard", "eu-west-3"};
    return STATUS_OK;
}

/* KS1 as the EIS lists it: number, counter and check values. */
static enum status list_ks1(const struct factory *f, const struct key_set *ks1, struct eis *eis)
{
    struct eis_key_set *set = &eis->key_sets[0];
    uint8_t kcv[SYM_KCV_LEN];
    eis->key_set_count = 1;
    *set = (struct eis_key_set){.kvn = ks1->kvn, .type = EIS_SET_SCP80, .key_count = ISDR_KEYS};
    for (unsigned i = 0; i < ISDR_KEYS; i++) {
        set->keys[i].index = (uint8_t)(i + 1);
        TRY(sym_kcv(f->engine->sym, ks1->keys[i], kcv));
        TRY(octets_set(&set->keys[i].kcv, span_of(kcv, sizeof(kcv))));
    }
    return STATUS_OK;
}

enum status factory_diversify(struct engine *engine, const uint8_t master[static KS1_MASTER_LEN],
                              const uint8_t eid[static GP_EID_LEN], struct key_set *out)
{
    memset(out, 0, sizeof(*out));
    out->kvn = FACTORY_KVN;
    out->present = ISDR_ALL_KEYS;
    for (unsigned i = 0; i < ISDR_KEYS; i++) {
        uint8_t id = (uint8_t)(i + 1);
        const struct span parts[] = {span_of(eid, GP_EID_LEN), span_of(&id, 1)};
        TRY(sym_cmac_parts(engine->sym, span_of(master, KS1_MASTER_LEN), 2, parts, out->keys[i]));
    }
    return STATUS_OK;
}

struct fresh_keys {
    uint8_t sk_ecasd[EC_SCALAR_LEN];
    struct key_set ks1;
};

static enum status generate(const struct factory *f, const uint8_t *eid, struct fresh_keys *keys,
                            uint8_t point[static EC_POINT_LEN])
{
    enum status s = STATUS_INTERNAL;
    const struct keygen_item item = {f->curve, keys->sk_ecasd, point};
    provider_keygen(f->engine->provider, f->engine->drbg, 1, &item, &s);
    TRY(s);
    return factory_diversify(f->engine, f->pki->ks1_master, eid, &keys->ks1);
}

static enum status make(const struct factory *f, const uint8_t *eid, const char *smsr_id,
                        const struct trace *trace, struct fresh_keys *keys, struct robot *out)
{
    uint8_t point[EC_POINT_LEN];
    TRY(generate(f, eid, keys, point));
    TRY(fill_eis(f, eid, point, smsr_id, &out->eis));
    TRY(list_ks1(f, &keys->ks1, &out->eis));
    struct euicc_personalisation p = {
        .curve = f->curve,
        .sk_ecasd = keys->sk_ecasd,
        .ci = {.curve = f->pki->curve},
        .rc_len = f->rc_len,
        .sin = octets_span(&out->eis.sin),
        .sdin = octets_span(&out->eis.sdin),
        .ks1 = &keys->ks1,
    };
    memcpy(p.ci.point, f->pki->ci_point, sizeof(p.ci.point));
    memcpy(p.ci.key_id, f->pki->ci_ski, sizeof(p.ci.key_id));
    out->ks1 = secret_alloc(1, sizeof(*out->ks1));
    if (out->ks1 == NULL) {
        return STATUS_INTERNAL;
    }
    memcpy(out->ks1, &keys->ks1, sizeof(*out->ks1));
    return euicc_new(&out->card, f->engine, &p, trace);
}

enum status factory_make(const struct factory *factory, uint64_t number, const char *smsr_id,
                         const struct trace *trace, struct robot *out)
{
    uint8_t eid[GP_EID_LEN];
    memset(out, 0, sizeof(*out));
    TRY(factory_eid(number, eid));
    struct fresh_keys *keys = secret_alloc(1, sizeof(*keys));
    enum status s = STATUS_INTERNAL;
    if (keys != NULL) {
        s = make(factory, eid, smsr_id, trace, keys, out);
    }
    secret_free(&keys);
    if (s != STATUS_OK) {
        robot_fini(out);
    }
    return s;
}

void robot_fini(struct robot *robot)
{
    euicc_free(&robot->card);
    secret_free(&robot->ks1);
}
