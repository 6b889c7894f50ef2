#include "smsr/card/isdr.h"

#include "providers/core/secret.h"
#include "smsr/card/put_key.h"

enum {
    CLA_GP = 0x80,
    GET_DATA_KEY_INFO = 0xE0,
    STORE_DATA_1_P2 = 0x00,
    STORE_DATA_2_P2 = 0x01,
};

struct key_set *isdr_find(const struct isdr *isdr, uint8_t kvn)
{
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        if (kvn != 0 && isdr->sets[i].kvn == kvn) {
            return &isdr->sets[i];
        }
    }
    return NULL;
}

struct key_set *isdr_free_slot(const struct isdr *isdr)
{
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        if (isdr->sets[i].kvn == 0) {
            return &isdr->sets[i];
        }
    }
    return NULL;
}

/* -- STORE DATA 1: steps 8 to 12 -- */

static bool is_sm_sr(const struct gp_cert *cert)
{
    return cert->role == GP_ROLE_SM_SR && cert->key_usage_len == 1 &&
           (cert->key_usage == GP_KEY_USAGE_SIGN || cert->key_usage == GP_KEY_USAGE_SIGN_ALT);
}

static enum card_sw store_certificate(struct isdr *isdr, struct span data, struct writer *out)
{
    struct span cert_bytes, rc;
    struct gp_cert cert;
    ecasd_forget(isdr->ecasd);
    if (store_data_1_parse(data, &cert_bytes) != STATUS_OK ||
        gp_cert_parse(cert_bytes, &cert) != STATUS_OK || !is_sm_sr(&cert)) {
        return SW_WRONG_DATA;
    }
    trace_step(isdr->trace, 9, PARTY_ISDR, PARTY_ECASD, "CERT.SR.ECDSA",
               "tag 73 says SM-SR; to be verified");
    enum card_sw sw = ecasd_accept_certificate(isdr->ecasd, &cert, &rc);
    trace_step(isdr->trace, 10, PARTY_ECASD, PARTY_ECASD, "verify with PK.CI.ECDSA", "SW %04X%s",
               (unsigned)sw, sw == SW_OK ? ": verified; PK.SR.ECDSA kept" : "");
    if (sw != SW_OK) {
        return sw;
    }
    trace_step(isdr->trace, 11, PARTY_ECASD, PARTY_ISDR, "RC", "%zu random bytes, single use",
               rc.len);
    answer_1_put(out, rc);
    return SW_OK;
}

/* -- STORE DATA 2: steps 16 to 21 -- */

/* Key data, then receipt and key set out of it: receipt key | ENC | MAC | DEK. */
static enum status derive(struct isdr *isdr, const struct crt *crt, struct span crt_a6,
                          struct span z, struct span dr, struct key_set *set,
                          uint8_t receipt[static RECEIPT_LEN])
{
    uint8_t info[SHARED_INFO_MAX], input[RECEIPT_INPUT_MAX], key_data[KEY_DATA_LEN];
    struct writer iw = writer_of(info, sizeof(info));
    struct writer rw = writer_of(input, sizeof(input));
    struct span sin =
        (crt->scenario_params & CRT_WITH_HOST_ID) != 0 ? isdr->sin : (struct span){NULL, 0};
    enum status s = shared_info_put(&iw, crt, dr, sin);
    if (s == STATUS_OK) {
        s = sym_x963(isdr->engine->sym, z, writer_span(&iw), key_data, sizeof(key_data));
    }
    receipt_input_put(&rw, RECEIPT_DR_FORM, crt_a6, dr);
    if (s == STATUS_OK) {
        s = writer_check(&rw);
    }
    if (s == STATUS_OK) {
        s = sym_cmac(isdr->engine->sym, span_of(key_data, SYM_AES128_KEY_LEN), writer_span(&rw),
                     receipt);
    }
    if (s == STATUS_OK) {
        memcpy(set->keys, key_data + SYM_AES128_KEY_LEN, sizeof(set->keys));
        set->kvn = crt->kvn;
        set->present = ISDR_ALL_KEYS;
        set->counter = crt->counter;
    }
    secret_wipe(key_data, sizeof(key_data));
    secret_wipe(info, sizeof(info));
    return s;
}

/* Whether the CRT asks for what this ISD-R gives: never b1, its own SDIN, a free version number. */
static enum card_sw check_crt(const struct isdr *isdr, struct span crt_a6, struct crt *crt)
{
    if (crt_parse(crt_a6, crt) != STATUS_OK || crt_check_isdr(crt) != STATUS_OK ||
        isdr_find(isdr, crt->kvn) != NULL) {
        return SW_WRONG_DATA;
    }
    if ((crt->scenario_params & CRT_WITH_HOST_ID) != 0 && !span_eq(crt->sdin, isdr->sdin)) {
        return SW_WRONG_DATA;
    }
    return SW_OK;
}

static enum card_sw install(struct isdr *isdr, const struct crt *crt, struct span crt_a6,
                            struct span z, struct writer *out)
{
    uint8_t dr_bytes[DR_LEN], receipt[RECEIPT_LEN];
    struct span dr = {NULL, 0};
    struct key_set *slot = isdr_free_slot(isdr);
    if (slot == NULL) {
        return SW_NO_MEMORY;
    }
    if ((crt->scenario_params & CRT_WITH_DR) != 0) {
        dr = span_of(dr_bytes, sizeof(dr_bytes));
        if (drbg_bytes(isdr->engine->drbg, dr_bytes, sizeof(dr_bytes)) != STATUS_OK) {
            return SW_FAULT;
        }
    }
    if (derive(isdr, crt, crt_a6, z, dr, slot, receipt) != STATUS_OK) {
        secret_wipe(slot, sizeof(*slot));
        return SW_FAULT;
    }
    trace_step(isdr->trace, 20, PARTY_ISDR, PARTY_ISDR, "derive KS2",
               "KVN %02X, 3 AES keys, receipt%s; KS1 still there", crt->kvn,
               dr.len != 0 ? " over DR" : "");
    answer_2_put(out, dr, span_of(receipt, sizeof(receipt)));
    return SW_OK;
}

static enum card_sw store_key_establishment(struct isdr *isdr, struct span data, struct writer *out)
{
    struct store_data_2 sd;
    struct crt crt;
    uint8_t z[ECDH_Z_LEN];
    if (!isdr->ecasd->live) {
        ecasd_forget(isdr->ecasd);
        return SW_CONDITIONS;
    }
    enum card_sw sw = store_data_2_parse(data, &sd) == STATUS_OK ? check_crt(isdr, sd.crt_a6, &crt)
                                                                 : SW_WRONG_DATA;
    if (sw != SW_OK) {
        ecasd_forget(isdr->ecasd);
        return sw;
    }
    trace_step(isdr->trace, 17, PARTY_ISDR, PARTY_ECASD, "CRT, ePK.SR.ECKA, signature",
               "KVN %02X is free", crt.kvn);
    sw = ecasd_agree(isdr->ecasd, &sd, z);
    trace_step(isdr->trace, 18, PARTY_ECASD, PARTY_ECASD, "verify with PK.SR.ECDSA, ECKA",
               "SW %04X%s; RC spent", (unsigned)sw,
               sw == SW_OK ? ": verified over CRT, ePK and RC" : "");
    if (sw == SW_OK) {
        trace_step(isdr->trace, 19, PARTY_ECASD, PARTY_ISDR, "ShS", "inside the card");
        sw = install(isdr, &crt, sd.crt_a6, span_of(z, sizeof(z)), out);
    }
    secret_wipe(z, sizeof(z));
    return sw;
}

static enum card_sw store_data(struct isdr *isdr, const struct apdu *apdu, struct writer *out)
{
    if (apdu->p1 == STORE_DATA_1_P1 && apdu->p2 == STORE_DATA_1_P2) {
        return store_certificate(isdr, apdu->data, out);
    }
    if (apdu->p1 == STORE_DATA_2_P1 && apdu->p2 == STORE_DATA_2_P2) {
        return store_key_establishment(isdr, apdu->data, out);
    }
    ecasd_forget(isdr->ecasd); /* any STORE DATA spends RC, also one that is nothing */
    return SW_WRONG_P1P2;
}

/* -- DELETE: ES5.FinaliseISDRhandover, step 25 -- */

/* Bits of the key identifiers that a range names; 0 when it is no range of a key set's. */
static uint8_t range_mask(const struct key_range *range)
{
    uint8_t mask = 0;
    if (range->first == 0 || range->first > range->last || range->last > ISDR_KEYS) {
        return 0;
    }
    for (unsigned id = range->first; id <= range->last; id++) {
        mask = (uint8_t)(mask | 1U << (id - 1));
    }
    return mask;
}

/* What stays of each set. SW_NOT_FOUND when a range names a key that is not there. */
static enum card_sw plan(const struct isdr *isdr, const struct key_range *ranges, size_t count,
                         uint8_t keep[static ISDR_SETS_MAX])
{
    uint8_t listed[ISDR_SETS_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        const struct key_set *set = isdr_find(isdr, ranges[i].kvn);
        uint8_t mask = range_mask(&ranges[i]);
        if (set == NULL || mask == 0 || (set->present & mask) != mask) {
            return SW_NOT_FOUND;
        }
        size_t slot = (size_t)(set - isdr->sets);
        listed[slot] = (uint8_t)(listed[slot] | mask);
    }
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        /* NOLINTNEXTLINE(misc-redundant-expression): a switch of the build */
        keep[i] = HANDOVER_MEANING == HANDOVER_KEEP_LISTED
                      ? listed[i]
                      : (uint8_t)(isdr->sets[i].present & ~listed[i]);
    }
    return SW_OK;
}

static enum card_sw finalise(struct isdr *isdr, uint8_t securing_kvn, const struct apdu *apdu)
{
    struct key_range ranges[HANDOVER_RANGES_MAX];
    uint8_t keep[ISDR_SETS_MAX];
    size_t count;
    if (apdu->p1 != 0 || apdu->p2 != 0) {
        return SW_WRONG_P1P2;
    }
    if (handover_parse(apdu->data, ranges, &count) != STATUS_OK) {
        return SW_WRONG_DATA;
    }
    enum card_sw sw = plan(isdr, ranges, count, keep);
    if (sw != SW_OK) {
        return sw;
    }
    const struct key_set *securing = isdr_find(isdr, securing_kvn);
    if (securing == NULL || keep[securing - isdr->sets] != securing->present) {
        return SW_CONDITIONS; /* the card would lock itself out of its own channel */
    }
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        struct key_set *set = &isdr->sets[i];
        for (unsigned k = 0; k < ISDR_KEYS; k++) {
            if ((keep[i] >> k & 1) == 0) {
                secret_wipe(set->keys[k], sizeof(set->keys[k]));
            }
        }
        set->present = keep[i];
        if (keep[i] == 0) {
            secret_wipe(set, sizeof(*set));
        }
    }
    return SW_OK;
}

/* -- GET DATA -- */

static enum card_sw get_data(const struct isdr *isdr, const struct apdu *apdu, struct writer *out)
{
    struct key_info info[ISDR_SETS_MAX * ISDR_KEYS];
    size_t count = 0;
    if (apdu->p1 != 0 || apdu->p2 != GET_DATA_KEY_INFO) {
        return SW_WRONG_P1P2;
    }
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        for (unsigned k = 0; k < ISDR_KEYS; k++) {
            if ((isdr->sets[i].present >> k & 1) != 0) {
                info[count++] = (struct key_info){(uint8_t)(k + 1), isdr->sets[i].kvn,
                                                  CRT_KEY_TYPE_AES, CRT_KEY_LENGTH_16};
            }
        }
    }
    key_info_put(out, info, count);
    return SW_OK;
}

static enum card_sw dispatch(struct isdr *isdr, uint8_t securing_kvn, const struct apdu *apdu,
                             struct writer *out)
{
    if (apdu->cla != CLA_GP) {
        return SW_WRONG_CLA;
    }
    switch (apdu->ins) {
    case INS_STORE_DATA:
        return store_data(isdr, apdu, out);
    case INS_DELETE:
        return finalise(isdr, securing_kvn, apdu);
    case INS_GET_DATA:
        return get_data(isdr, apdu, out);
    case INS_PUT_KEY:
        return isdr_put_key(isdr, securing_kvn, apdu, out);
    default:
        return SW_WRONG_INS;
    }
}

enum card_sw isdr_command(struct isdr *isdr, uint8_t securing_kvn, struct span capdu,
                          struct writer *out)
{
    struct apdu apdu;
    if (apdu_parse(capdu, &apdu) != STATUS_OK) {
        if (capdu.len >= 2 && capdu.ptr[1] == INS_STORE_DATA) {
            ecasd_forget(isdr->ecasd); /* also one whose Lc is wrong */
        }
        return SW_WRONG_LENGTH;
    }
    return dispatch(isdr, securing_kvn, &apdu, out);
}
