/*
 * ECDSA verification. Few keys sign nearly everything, so a thread keeps the last ones ready in a
 * direct-mapped cache; a key that is not there costs an import.
 */
#include <openssl/err.h>
#include <string.h>

#include "providers/libcrypto/internal.h"

enum {
    /* SEQUENCE { INTEGER, INTEGER }, each integer of at most 33 bytes */
    DER_INTEGER_MAX = 2 + 1 + FIELD_LEN,
    DER_SIGNATURE_MAX = 2 + 2 * DER_INTEGER_MAX,
    DER_INTEGER = 0x02,
    DER_SEQUENCE = 0x30,
    DER_SIGN_BIT = 0x80,
};

/* One INTEGER in its shortest form; returns its length. The value is not 0. */
static size_t der_integer(uint8_t *out, const uint8_t value[static FIELD_LEN])
{
    size_t skip = 0;
    while (skip < FIELD_LEN - 1 && value[skip] == 0) {
        skip++;
    }
    size_t len = FIELD_LEN - skip;
    size_t pad = (value[skip] & DER_SIGN_BIT) != 0;
    out[0] = DER_INTEGER;
    out[1] = (uint8_t)(pad + len);
    out[2] = 0; /* the pad, or overwritten */
    memcpy(out + 2 + pad, value + skip, len);
    return 2 + pad + len;
}

/* The DER form of r || s that EVP takes; returns its length. */
static size_t der_signature(uint8_t out[static DER_SIGNATURE_MAX],
                            const uint8_t signature[static EC_SIGNATURE_LEN])
{
    size_t len = 2;
    len += der_integer(out + len, signature);
    len += der_integer(out + len, signature + FIELD_LEN);
    out[0] = DER_SEQUENCE;
    out[1] = (uint8_t)(len - 2);
    return len;
}

static void cached_key_fini(struct cached_key *k)
{
    EVP_PKEY_CTX_free(k->verify);
    EVP_PKEY_free(k->pkey);
    memset(k, 0, sizeof *k);
}

void key_cache_fini(struct libcrypto_ctx *ctx)
{
    for (size_t i = 0; i < KEY_CACHE_SLOTS; i++) {
        cached_key_fini(&ctx->cache[i]);
    }
}

/* Coordinates spread by themselves; who crafts keys for one slot slows that slot down, no more. */
static struct cached_key *slot_of(struct libcrypto_ctx *ctx, const struct verify_item *item)
{
    uint64_t x = load_be(item->public_key + 1, sizeof x);
    uint64_t y = load_be(item->public_key + 1 + FIELD_LEN, sizeof y);
    return &ctx->cache[(x ^ y ^ (uint64_t)item->curve) % KEY_CACHE_SLOTS];
}

/* Builds the key into an empty slot. BAD_POINT, INTERNAL. */
static enum status key_import(struct libcrypto_ctx *ctx, const struct verify_item *item,
                              struct cached_key *k)
{
    struct curve_ctx *c = curve_ctx(ctx, item->curve);
    TRY(point_import(c, item->public_key, ctx->bn));
    k->pkey = EVP_PKEY_new();
    if (k->pkey == NULL || EVP_PKEY_copy_parameters(k->pkey, c->domain) != 1 ||
        EVP_PKEY_set1_encoded_public_key(k->pkey, item->public_key, EC_POINT_LEN) != 1) {
        return STATUS_INTERNAL;
    }
    k->verify = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    if (k->verify == NULL || EVP_PKEY_verify_init(k->verify) != 1) {
        return STATUS_INTERNAL;
    }
    k->curve = item->curve;
    memcpy(k->point, item->public_key, EC_POINT_LEN);
    return STATUS_OK;
}

static enum status key_get(struct libcrypto_ctx *ctx, const struct verify_item *item,
                           EVP_PKEY_CTX **out)
{
    struct cached_key *k = slot_of(ctx, item);
    if (k->curve != item->curve || memcmp(k->point, item->public_key, EC_POINT_LEN) != 0) {
        struct cached_key fresh = {0};
        enum status status = key_import(ctx, item, &fresh);
        if (status != STATUS_OK) {
            cached_key_fini(&fresh);
            return status;
        }
        cached_key_fini(k); /* only a good key takes another's place */
        *k = fresh;
    }
    *out = k->verify;
    return STATUS_OK;
}

/*
 * 1 is valid, 0 invalid, anything else a failure of libcrypto; but that u1 G + u2 Q is infinity, an
 * ordinary invalid signature (SEC 1, 4.1.4, step 5), libcrypto calls a failure too.
 */
static enum status verdict_of(int verdict)
{
    if (verdict == 1) {
        return STATUS_OK;
    }
    bool infinity = ec_errors_hold(EC_R_POINT_AT_INFINITY);
    return verdict == 0 || infinity ? STATUS_SIGNATURE_INVALID : STATUS_COULD_NOT_TELL;
}

static enum status verify_one(struct libcrypto_ctx *ctx, const struct verify_item *item)
{
    const struct curve_params *params = curve_params(item->curve);
    if (params == NULL) {
        return STATUS_BAD_CURVE;
    }
    EVP_PKEY_CTX *key = NULL;
    enum status status = key_get(ctx, item, &key);
    if (status != STATUS_OK) {
        return status == STATUS_BAD_POINT ? status : STATUS_COULD_NOT_TELL;
    }
    if (!scalar_in_range(params, item->signature) ||
        !scalar_in_range(params, item->signature + FIELD_LEN)) {
        return STATUS_SIGNATURE_INVALID;
    }
    uint8_t der[DER_SIGNATURE_MAX];
    size_t der_len = der_signature(der, item->signature);
    /* Reduces a digest >= n itself. */
    return verdict_of(EVP_PKEY_verify(key, der, der_len, item->digest, SHA256_LEN));
}

void libcrypto_verify_vartime(void *ctx, size_t n, const struct verify_item items[],
                              enum status out[])
{
    ERR_clear_error(); /* what is in the queue afterwards is ours */
    for (size_t i = 0; i < n; i++) {
        out[i] = verify_one(ctx, &items[i]);
        if (out[i] != STATUS_OK) {
            ERR_clear_error();
        }
    }
}
