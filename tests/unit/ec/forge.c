#include "tests/unit/ec/forge.h"

#include <openssl/obj_mac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(int ok)
{
    if (ok <= 0) {
        (void)fprintf(stderr, "forge: libcrypto failed\n");
        abort();
    }
}

static BIGNUM *take(struct forge *f)
{
    BIGNUM *v = BN_CTX_get(f->bn);
    need(v != NULL);
    return v;
}

static EC_GROUP *explicit_group(const struct curve_params *c, BN_CTX *ctx)
{
    BIGNUM *p = BN_bin2bn(c->p, FIELD_LEN, NULL), *a = BN_bin2bn(c->a, FIELD_LEN, NULL);
    BIGNUM *b = BN_bin2bn(c->b, FIELD_LEN, NULL), *n = BN_bin2bn(c->n, FIELD_LEN, NULL);
    BIGNUM *x = BN_bin2bn(c->gx, FIELD_LEN, NULL), *y = BN_bin2bn(c->gy, FIELD_LEN, NULL);
    EC_GROUP *group = EC_GROUP_new_curve_GFp(p, a, b, ctx);
    EC_POINT *g = EC_POINT_new(group);
    need(g != NULL);
    need(EC_POINT_set_affine_coordinates(group, g, x, y, ctx));
    need(EC_GROUP_set_generator(group, g, n, BN_value_one()));
    EC_POINT_free(g);
    BIGNUM *const all[] = {p, a, b, n, x, y};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        BN_free(all[i]);
    }
    return group;
}

void forge_open(struct forge *f, enum curve curve)
{
    *f = (struct forge){.curve = curve, .bn = BN_CTX_new(), .p = BN_new(), .n = BN_new()};
    const struct curve_params *params = curve_params(curve);
    if (curve == CURVE_P256) {
        f->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    } else if (curve == CURVE_BRAINPOOLP256R1) {
        f->group = EC_GROUP_new_by_curve_name(NID_brainpoolP256r1);
    } else {
        f->group = explicit_group(params, f->bn);
    }
    need(f->group != NULL && BN_bin2bn(params->p, FIELD_LEN, f->p) != NULL);
    need(BN_bin2bn(params->n, FIELD_LEN, f->n) != NULL);
}

void forge_close(struct forge *f)
{
    EC_GROUP_free(f->group);
    BN_CTX_free(f->bn);
    BN_free(f->p);
    BN_free(f->n);
}

struct verify_item forged_item(const struct forged *c)
{
    return (struct verify_item){c->curve, c->Q, c->digest, c->signature};
}

static void store(const BIGNUM *v, uint8_t out[static FIELD_LEN])
{
    need(BN_bn2binpad(v, out, FIELD_LEN) == FIELD_LEN);
}

static void encode(struct forge *f, const EC_POINT *P, uint8_t out[static EC_POINT_LEN])
{
    need(EC_POINT_point2oct(f->group, P, POINT_CONVERSION_UNCOMPRESSED, out, EC_POINT_LEN, f->bn) ==
         EC_POINT_LEN);
}

void forge_point(struct forge *f, const BIGNUM *d, uint8_t out[static EC_POINT_LEN])
{
    EC_POINT *Q = EC_POINT_new(f->group);
    need(EC_POINT_mul(f->group, Q, d, NULL, NULL, f->bn));
    encode(f, Q, out);
    EC_POINT_free(Q);
}

/* r = x mod n of k G; false for infinity. */
static bool x_of_multiple(struct forge *f, const BIGNUM *k, BIGNUM *r)
{
    EC_POINT *R = EC_POINT_new(f->group);
    need(EC_POINT_mul(f->group, R, k, NULL, NULL, f->bn));
    bool finite = EC_POINT_is_at_infinity(f->group, R) == 0;
    if (finite) {
        need(EC_POINT_get_affine_coordinates(f->group, R, r, NULL, f->bn));
        need(BN_nnmod(r, r, f->n, f->bn));
    }
    EC_POINT_free(R);
    return finite;
}

bool forge_scalars(struct forge *f, const BIGNUM *d, const BIGNUM *u1, const BIGNUM *u2,
                   struct forged *out)
{
    BN_CTX_start(f->bn);
    BIGNUM *k = take(f), *r = take(f), *s = take(f), *e = take(f);
    out->curve = f->curve;
    forge_point(f, d, out->Q);
    need(BN_mod_mul(k, u2, d, f->n, f->bn));
    need(BN_mod_add(k, k, u1, f->n, f->bn));
    const bool finite = !BN_is_zero(k) && x_of_multiple(f, k, r);
    if (!finite) {
        need(BN_one(r));
    }
    out->want = finite ? STATUS_OK : STATUS_SIGNATURE_INVALID;
    const bool possible = !BN_is_zero(r);
    if (possible) {
        need(BN_mod_inverse(s, u2, f->n, f->bn) != NULL);
        need(BN_mod_mul(s, s, r, f->n, f->bn));
        need(BN_mod_mul(e, u1, s, f->n, f->bn));
        store(e, out->digest);
        store(r, out->signature);
        store(s, out->signature + FIELD_LEN);
    }
    BN_CTX_end(f->bn);
    return possible;
}

bool forge_sum(struct forge *f, struct prng *prng, const BIGNUM *x, const BIGNUM *r,
               enum status want, struct forged *out)
{
    BN_CTX_start(f->bn);
    BIGNUM *u1 = take(f), *u2 = take(f), *s = take(f), *e = take(f);
    EC_POINT *R = EC_POINT_new(f->group), *Q = EC_POINT_new(f->group);
    const bool there =
        EC_POINT_set_compressed_coordinates(f->group, R, x, (int)prng_below(prng, 2), f->bn) == 1;
    if (there) { /* Q = (R - u1 G) / u2 */
        forge_random(f, prng, u1);
        forge_random(f, prng, u2);
        need(BN_mod_inverse(s, u2, f->n, f->bn) != NULL);
        need(BN_mod_mul(e, u1, s, f->n, f->bn));
        need(BN_sub(e, f->n, e));
        need(EC_POINT_mul(f->group, Q, e, R, s, f->bn));
        out->curve = f->curve;
        out->want = want;
        encode(f, Q, out->Q);
        need(BN_mod_mul(s, s, r, f->n, f->bn)); /* s = r / u2, e = u1 s */
        need(BN_mod_mul(e, u1, s, f->n, f->bn));
        store(e, out->digest);
        store(r, out->signature);
        store(s, out->signature + FIELD_LEN);
    }
    EC_POINT_free(R);
    EC_POINT_free(Q);
    BN_CTX_end(f->bn);
    return there;
}

bool forge_sign(struct forge *f, const BIGNUM *d, const BIGNUM *k,
                const uint8_t digest[static SHA256_LEN], struct forged *out)
{
    BN_CTX_start(f->bn);
    BIGNUM *r = take(f), *s = take(f), *e = take(f), *inverse = take(f);
    out->curve = f->curve;
    out->want = STATUS_OK;
    forge_point(f, d, out->Q);
    memcpy(out->digest, digest, SHA256_LEN);
    need(x_of_multiple(f, k, r));
    need(BN_bin2bn(digest, SHA256_LEN, e) != NULL);
    need(BN_mod_mul(s, r, d, f->n, f->bn));
    need(BN_mod_add(s, s, e, f->n, f->bn));
    need(BN_mod_inverse(inverse, k, f->n, f->bn) != NULL);
    need(BN_mod_mul(s, s, inverse, f->n, f->bn));
    store(r, out->signature);
    store(s, out->signature + FIELD_LEN);
    const bool possible = !BN_is_zero(r) && !BN_is_zero(s);
    BN_CTX_end(f->bn);
    return possible;
}

void forge_random(struct forge *f, struct prng *prng, BIGNUM *out)
{
    uint8_t bytes[FIELD_LEN];
    do {
        prng_bytes(prng, bytes, sizeof bytes);
        need(BN_bin2bn(bytes, sizeof bytes, out) != NULL);
        need(BN_nnmod(out, out, f->n, f->bn));
    } while (BN_is_zero(out));
}

/* Runs of equal bits, of random lengths. */
static void bit_runs(struct prng *prng, uint8_t out[static FIELD_LEN])
{
    unsigned bit = (unsigned)prng_below(prng, 2);
    memset(out, 0, FIELD_LEN);
    for (size_t i = 0; i < 8 * FIELD_LEN; bit ^= 1) {
        for (size_t left = 1 + prng_below(prng, 40); left > 0 && i < 8 * FIELD_LEN; left--, i++) {
            out[i / 8] = (uint8_t)(out[i / 8] | bit << i % 8);
        }
    }
}

void forge_edge(struct forge *f, struct prng *prng, BIGNUM *out)
{
    uint8_t bytes[FIELD_LEN];
    const size_t small = 1 + prng_below(prng, 40);
    switch (prng_below(prng, 7)) {
    case 0: /* small */
        need(BN_set_word(out, small));
        return;
    case 1: /* n less a small one */
        need(BN_copy(out, f->n) != NULL && BN_sub_word(out, small) == 1);
        return;
    case 2: /* a power of two, or one beside it */
        BN_zero(out);
        need(BN_set_bit(out, 1 + (int)prng_below(prng, 254)));
        need(prng_below(prng, 2) == 0 ? BN_sub_word(out, prng_below(prng, 2))
                                      : BN_add_word(out, 1));
        return;
    case 3: /* n less that */
        BN_zero(out);
        need(BN_set_bit(out, (int)prng_below(prng, 254)));
        need(BN_sub(out, f->n, out));
        return;
    case 4: /* about n / 2 */
        need(BN_rshift1(out, f->n));
        need(prng_below(prng, 2) == 0 ? BN_sub_word(out, small) : BN_add_word(out, small));
        return;
    case 5: { /* the same window over and over */
        const unsigned w = 2 + (unsigned)prng_below(prng, 12);
        BN_zero(out);
        for (unsigned i = 0; i < 256; i++) {
            if ((small * 0x9E37U >> i % w & 1) != 0) {
                need(BN_set_bit(out, (int)i));
            }
        }
        break;
    }
    default:
        bit_runs(prng, bytes);
        need(BN_bin2bn(bytes, sizeof bytes, out) != NULL);
    }
    need(BN_nnmod(out, out, f->n, f->bn));
    if (BN_is_zero(out)) {
        need(BN_one(out));
    }
}
