#include "providers/ossl/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "providers/core/curves.h"
#include "providers/ossl/process.h"

enum { GROUP_NAME_MAX = 64 };

struct key *key_new(struct module *m)
{
    struct key *k = calloc(1, sizeof *k);
    if (k != NULL) {
        k->module = m;
        atomic_init(&k->users, 1);
    }
    return k;
}

struct key *key_take(struct key *k)
{
    if (k != NULL) {
        atomic_fetch_add(&k->users, 1);
    }
    return k;
}

void key_free(struct key *k)
{
    if (k != NULL && atomic_fetch_sub(&k->users, 1) == 1) {
        EVP_PKEY_free(k->standard);
        free(k);
    }
}

static enum curve curve_of(const EVP_PKEY *standard)
{
    char group[GROUP_NAME_MAX] = "";
    if (EVP_PKEY_get_group_name(standard, group, sizeof group, NULL) != 1) {
        return CURVE_NONE; /* explicit parameters of no curve with a name */
    }
    if (strcmp(group, "prime256v1") == 0) {
        return CURVE_P256;
    }
    return strcmp(group, "brainpoolP256r1") == 0 ? CURVE_BRAINPOOLP256R1 : CURVE_NONE;
}

static bool put_coordinate(const EVP_PKEY *standard, const char *name, uint8_t *out)
{
    BIGNUM *value = NULL;
    const bool ok = EVP_PKEY_get_bn_param(standard, name, &value) == 1 &&
                    BN_bn2binpad(value, out, FIELD_LEN) == FIELD_LEN;
    BN_free(value);
    return ok;
}

/* By its coordinates, since the key's own encoding may be compressed. */
static bool point_of(const EVP_PKEY *standard, uint8_t point[static EC_POINT_LEN])
{
    point[0] = POINT_UNCOMPRESSED;
    return put_coordinate(standard, OSSL_PKEY_PARAM_EC_PUB_X, point + 1) &&
           put_coordinate(standard, OSSL_PKEY_PARAM_EC_PUB_Y, point + 1 + FIELD_LEN);
}

/* Asks for sizes, not for values. */
static void look_for_halves(struct key *k)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_PRIV_KEY, NULL, 0),
        OSSL_PARAM_END,
    };
    if (EVP_PKEY_get_params(k->standard, params) == 1) {
        k->has_public = OSSL_PARAM_modified(&params[0]);
        k->has_private = OSSL_PARAM_modified(&params[1]);
    }
}

void key_set(struct key *k, EVP_PKEY *standard)
{
    if (standard != k->standard) {
        EVP_PKEY_free(k->standard);
        k->standard = standard;
    }
    k->has_public = k->has_private = false;
    k->curve = CURVE_NONE;
    if (standard == NULL) {
        return;
    }
    look_for_halves(k);
    const enum curve curve = k->has_public ? curve_of(standard) : CURVE_NONE;
    if (curve != CURVE_NONE && point_of(standard, k->point)) {
        k->curve = curve;
    }
}

EVP_PKEY_CTX *key_context(const struct key *k)
{
    EVP_PKEY_CTX *ctx = NULL;
    if (k->standard != NULL) {
        ctx = EVP_PKEY_CTX_new_from_pkey(process()->libctx, k->standard, NULL);
    }
    if (ctx == NULL) {
        module_error(k->module, REASON_DELEGATION, "no context for the key");
    }
    return ctx;
}
