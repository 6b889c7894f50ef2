#include "smsr/card/ecasd.h"

#include "providers/core/secret.h"

void ecasd_forget(struct ecasd *ecasd)
{
    ecasd->live = false;
    ecasd->sr_curve = CURVE_NONE;
    secret_wipe(ecasd->sr_point, sizeof(ecasd->sr_point));
    secret_wipe(ecasd->rc, sizeof(ecasd->rc));
}

static bool known_issuer(const struct ecasd *ecasd, const struct gp_cert *cert)
{
    struct span ours = span_of(ecasd->ci.key_id, sizeof(ecasd->ci.key_id));
    return cert->authority_key_id.len == 0 || span_eq(cert->authority_key_id, ours);
}

enum card_sw ecasd_accept_certificate(struct ecasd *ecasd, const struct gp_cert *cert,
                                      struct span *rc)
{
    *rc = (struct span){NULL, 0};
    ecasd_forget(ecasd);
    enum curve curve = curve_from_ref(cert->curve_ref);
    if (curve == CURVE_NONE) {
        return SW_WRONG_DATA;
    }
    if (!known_issuer(ecasd, cert)) {
        return SW_NOT_FOUND;
    }
    if (engine_verify_vartime(ecasd->engine, ecasd->ci.curve, ecasd->ci.point, cert->tbs,
                              cert->signature.ptr) != STATUS_OK) {
        return SW_VERIFY_FAILED;
    }
    if (drbg_bytes(ecasd->engine->drbg, ecasd->rc, ecasd->rc_len) != STATUS_OK) {
        return SW_FAULT;
    }
    memcpy(ecasd->sr_point, cert->point.ptr, EC_POINT_LEN);
    ecasd->sr_curve = curve;
    ecasd->live = true;
    *rc = span_of(ecasd->rc, ecasd->rc_len);
    return SW_OK;
}

static enum card_sw verify(struct ecasd *ecasd, const struct store_data_2 *sd)
{
    uint8_t bytes[SIGNED_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    signed_bytes_put(&w, sd->crt_a6, sd->epk_value, span_of(ecasd->rc, ecasd->rc_len));
    if (writer_check(&w) != STATUS_OK) {
        return SW_WRONG_DATA;
    }
    switch (engine_verify_vartime(ecasd->engine, ecasd->sr_curve, ecasd->sr_point, writer_span(&w),
                                  sd->signature.ptr)) {
    case STATUS_OK:
        return SW_OK;
    case STATUS_SIGNATURE_INVALID:
        return SW_VERIFY_FAILED;
    case STATUS_BAD_POINT:
        return SW_WRONG_DATA; /* the certified point is on no curve */
    default:
        return SW_FAULT;
    }
}

static enum card_sw agree(struct ecasd *ecasd, const struct store_data_2 *sd,
                          uint8_t z[static ECDH_Z_LEN])
{
    struct span epk;
    if (sd->signature.len != EC_SIGNATURE_LEN ||
        epk_parse(sd->epk_value, curve_ref(ecasd->curve), &epk) != STATUS_OK) {
        return SW_WRONG_DATA;
    }
    enum card_sw sw = verify(ecasd, sd);
    if (sw != SW_OK) {
        return sw;
    }
    enum status s = STATUS_INTERNAL;
    const struct ecka_item item = {ecasd->curve, ecasd->sk, epk.ptr, z};
    provider_ecka(ecasd->engine->provider, 1, &item, &s);
    if (s != STATUS_OK) {
        return s == STATUS_BAD_POINT ? SW_WRONG_DATA : SW_FAULT;
    }
    return SW_OK;
}

enum card_sw ecasd_agree(struct ecasd *ecasd, const struct store_data_2 *sd,
                         uint8_t z[static ECDH_Z_LEN])
{
    memset(z, 0, ECDH_Z_LEN);
    enum card_sw sw = ecasd->live ? agree(ecasd, sd, z) : SW_CONDITIONS;
    ecasd_forget(ecasd);
    return sw;
}
