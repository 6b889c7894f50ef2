#include "providers/core/secret.h"
#include "smsr/card/card_image.h"
#include "smsr/hostile/bout.h"

enum { KNOWN_NUMBER = 999999999 };

struct reader { /* of a chip under the microscope */
    struct sym *sym;
    uint8_t *sk;
};

static enum status read_out(void *arg, struct span image)
{
    struct reader *r = arg;
    struct euicc_personalisation p;
    struct key_set *sets = secret_alloc(ISDR_SETS_MAX, sizeof(*sets));
    enum status s = sets != NULL ? card_image_parse(r->sym, image, &p, sets) : STATUS_INTERNAL;
    if (s == STATUS_OK) {
        memcpy(r->sk, p.sk_ecasd, EC_SCALAR_LEN);
    }
    secret_free(&sets);
    return s;
}

/* An eUICC that a true EUM certified, and whose key he has. */
static enum status known_euicc(struct arsenal *a, const struct factory *factory)
{
    const struct trace silent = {.prefix = ""};
    struct reader reader = {factory->engine->sym, a->known_sk};
    struct robot robot;
    struct gp_cert cert;
    TRY(factory_make(factory, KNOWN_NUMBER, ALPHA_SMSR_ID, &silent, &robot));
    enum status s = euicc_keep_with(robot.card, read_out, &reader);
    a->known_eis = robot.eis;
    robot_fini(&robot);
    TRY(s);
    const struct eis_signed *info = &a->known_eis.signed_info;
    TRY(gp_cert_parse(span_of(info->ecasd_cert, info->ecasd_cert_len), &cert));
    memcpy(a->known_point, cert.point.ptr, sizeof(a->known_point));
    return STATUS_OK;
}

static enum status certify(const struct factory *factory, const char *dir, const EVP_PKEY *key,
                           enum gp_cert_role role, uint8_t *out, size_t *len)
{
    uint8_t point[EC_POINT_LEN];
    struct writer w = writer_of(out, GP_CERT_MAX);
    TRY(issuer_point(key, point));
    TRY(pki_certify_sr(dir, factory->pki, point, role, &w));
    *len = w.len;
    return STATUS_OK;
}

enum status arsenal_init(struct arsenal *a, const struct factory *factory, const char *dir)
{
    memset(a, 0, sizeof(*a));
    TRY(issuer_generate(CURVE_P256, &a->gamma_key));
    TRY(certify(factory, dir, a->gamma_key, GP_ROLE_SM_SR, a->gamma_cert, &a->gamma_cert_len));
    TRY(certify(factory, dir, a->gamma_key, GP_ROLE_SM_DP, a->dp_cert, &a->dp_cert_len));
    memcpy(a->forged_cert, a->gamma_cert, a->gamma_cert_len);
    a->forged_cert_len = a->gamma_cert_len;
    a->forged_cert[a->forged_cert_len - 1] ^= 1; /* nobody signed that */
    return known_euicc(a, factory);
}

void arsenal_fini(struct arsenal *a)
{
    EVP_PKEY_free(a->gamma_key);
    secret_wipe(a, sizeof(*a));
}
