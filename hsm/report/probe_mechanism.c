/*
 * Mechanisms with the parameters that an attempt gives them, and their names.
 */
#include <string.h>

#include "hsm/report/probe.h"

enum { IV16 = 16, IV8 = 8, GCM_NONCE = 12, GCM_TAG_BITS = 128, CTR_BITS = 128, STRING_LEN = 32 };

/* SEC1, the base point of P-256: a peer's point for a key agreement whose result nobody sees. */
static const uint8_t peer_point[EC_POINT_LEN] = {
    0x04, 0x6B, 0x17, 0xD1, 0xF2, 0xE1, 0x2C, 0x42, 0x47, 0xF8, 0xBC, 0xE6, 0xE5,
    0x63, 0xA4, 0x40, 0xF2, 0x77, 0x03, 0x7D, 0x81, 0x2D, 0xEB, 0x33, 0xA0, 0xF4,
    0xA1, 0x39, 0x45, 0xD8, 0x98, 0xC2, 0x96, 0x4F, 0xE3, 0x42, 0xE2, 0xFE, 0x1A,
    0x7F, 0x9B, 0x8E, 0xE7, 0xEB, 0x4A, 0x7C, 0x0F, 0x9E, 0x16, 0x2B, 0xCE, 0x33,
    0x57, 0x6B, 0x31, 0x5E, 0xCE, 0xCB, 0xB6, 0x40, 0x68, 0x37, 0xBF, 0x51, 0xF5};

#define NAMED(mechanism)                                                                           \
    {                                                                                              \
        mechanism, #mechanism                                                                      \
    }
static const struct {
    CK_MECHANISM_TYPE type;
    const char *name;
} names[] = {
    NAMED(CKM_AES_CBC),
    NAMED(CKM_AES_CBC_ENCRYPT_DATA),
    NAMED(CKM_AES_CBC_PAD),
    NAMED(CKM_AES_CMAC),
    NAMED(CKM_AES_CTR),
    NAMED(CKM_AES_ECB),
    NAMED(CKM_AES_ECB_ENCRYPT_DATA),
    NAMED(CKM_AES_GCM),
    NAMED(CKM_AES_KEY_WRAP),
    NAMED(CKM_AES_KEY_WRAP_PAD),
    NAMED(CKM_AES_MAC),
    NAMED(CKM_CONCATENATE_BASE_AND_DATA),
    NAMED(CKM_CONCATENATE_DATA_AND_BASE),
    NAMED(CKM_DES_CBC),
    NAMED(CKM_DES_CBC_PAD),
    NAMED(CKM_DES_ECB),
    NAMED(CKM_DES3_CBC),
    NAMED(CKM_DES3_CBC_ENCRYPT_DATA),
    NAMED(CKM_DES3_CBC_PAD),
    NAMED(CKM_DES3_CMAC),
    NAMED(CKM_DES3_ECB),
    NAMED(CKM_DES3_ECB_ENCRYPT_DATA),
    NAMED(CKM_ECDH1_COFACTOR_DERIVE),
    NAMED(CKM_ECDH1_DERIVE),
    NAMED(CKM_ECDSA),
    NAMED(CKM_RSA_PKCS),
    NAMED(CKM_RSA_PKCS_OAEP),
    NAMED(CKM_RSA_X_509),
    NAMED(CKM_SHA256_HMAC),
    NAMED(CKM_SHA256_RSA_PKCS),
    NAMED(CKM_XOR_BASE_AND_DATA),
};

const char *mechanism_name(CK_MECHANISM_TYPE type)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].type == type) {
            return names[i].name;
        }
    }
    return NULL;
}

static void point_at(struct parameters *out, void *parameter, size_t len)
{
    out->mechanism.pParameter = parameter;
    out->mechanism.ulParameterLen = len;
}

CK_MECHANISM_PTR mechanism_with(struct parameters *out, CK_MECHANISM_TYPE type,
                                enum parameter parameter)
{
    *out = (struct parameters){.mechanism = {type, NULL, 0}};
    switch (parameter) {
    case PARAMETER_IV16:
        point_at(out, out->bytes, IV16);
        break;
    case PARAMETER_IV8:
        point_at(out, out->bytes, IV8);
        break;
    case PARAMETER_GCM:
        out->of.gcm = (CK_GCM_PARAMS){.pIv = out->bytes,
                                      .ulIvLen = GCM_NONCE,
                                      .ulIvBits = 8 * GCM_NONCE,
                                      .ulTagBits = GCM_TAG_BITS};
        point_at(out, &out->of.gcm, sizeof out->of.gcm);
        break;
    case PARAMETER_CTR:
        out->of.ctr = (CK_AES_CTR_PARAMS){.ulCounterBits = CTR_BITS};
        point_at(out, &out->of.ctr, sizeof out->of.ctr);
        break;
    case PARAMETER_OAEP: /* with SHA-1, which every token knows */
        out->of.oaep = (CK_RSA_PKCS_OAEP_PARAMS){
            .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};
        point_at(out, &out->of.oaep, sizeof out->of.oaep);
        break;
    case PARAMETER_ECDH:
        out->of.ecdh = (CK_ECDH1_DERIVE_PARAMS){.kdf = CKD_NULL,
                                                .ulPublicDataLen = sizeof peer_point,
                                                .pPublicData = (CK_BYTE_PTR)peer_point};
        point_at(out, &out->of.ecdh, sizeof out->of.ecdh);
        break;
    case PARAMETER_STRING:
        out->of.string = (CK_KEY_DERIVATION_STRING_DATA){.pData = out->bytes, .ulLen = STRING_LEN};
        point_at(out, &out->of.string, sizeof out->of.string);
        break;
    case PARAMETER_AES_CBC_STRING:
        out->of.aes_cbc =
            (CK_AES_CBC_ENCRYPT_DATA_PARAMS){.pData = out->bytes, .length = STRING_LEN};
        point_at(out, &out->of.aes_cbc, sizeof out->of.aes_cbc);
        break;
    case PARAMETER_DES_CBC_STRING:
        out->of.des_cbc =
            (CK_DES_CBC_ENCRYPT_DATA_PARAMS){.pData = out->bytes, .length = STRING_LEN};
        point_at(out, &out->of.des_cbc, sizeof out->of.des_cbc);
        break;
    default:
        break;
    }
    return &out->mechanism;
}
