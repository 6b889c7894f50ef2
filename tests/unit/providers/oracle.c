#include "tests/unit/providers/oracle.h"

#include <openssl/bn.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *p, *a, *b, *n, *gx, *gy;
} domain[CURVE_COUNT] = {
    [CURVE_P256] = {"FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF",
                    "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC",
                    "5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B",
                    "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551",
                    "6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296",
                    "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"},
    [CURVE_BRAINPOOLP256R1] = {"A9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377",
                               "7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9",
                               "26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6",
                               "A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7",
                               "8BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262",
                               "547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997"},
    [CURVE_FRP256V1] = {"F1FD178C0B3AD58F10126DE8CE42435B3961ADBCABC8CA6DE8FCF353D86E9C03",
                        "F1FD178C0B3AD58F10126DE8CE42435B3961ADBCABC8CA6DE8FCF353D86E9C00",
                        "EE353FCA5428A9300D4ABA754A44C00FDFEC0C9AE4B1A1803075ED967B7BB73F",
                        "F1FD178C0B3AD58F10126DE8CE42435B53DC67E140D2BF941FFDD459C6D655E1",
                        "B6B3D4C356C139EB31183D4749D423958C27D2DCAF98B70164C97A2DD98F5CFF",
                        "6142E0F7C8B204911F9271F0F3ECEF8C2701C307E8E4C9E183115A1554062CFB"},
};

struct affine {
    BIGNUM *x, *y;
    bool infinity;
};

struct oracle {
    BN_CTX *bn;
    BIGNUM *p, *a, *b, *n;
    struct affine G;
};

static BIGNUM *number(BN_CTX *bn, const char *hex)
{
    BIGNUM *out = BN_CTX_get(bn);
    assert_non_null(out);
    if (hex != NULL) {
        assert_int_not_equal(BN_hex2bn(&out, hex), 0);
    }
    return out;
}

static struct affine point_new(BN_CTX *bn)
{
    return (struct affine){number(bn, NULL), number(bn, NULL), true};
}

static struct oracle begin(enum curve c)
{
    struct oracle o = {.bn = BN_CTX_new()};
    assert_non_null(o.bn);
    BN_CTX_start(o.bn);
    o.p = number(o.bn, domain[c].p);
    o.a = number(o.bn, domain[c].a);
    o.b = number(o.bn, domain[c].b);
    o.n = number(o.bn, domain[c].n);
    o.G = (struct affine){number(o.bn, domain[c].gx), number(o.bn, domain[c].gy), false};
    return o;
}

static void end(struct oracle *o)
{
    BN_CTX_end(o->bn);
    BN_CTX_free(o->bn);
}

static void assign(struct affine *to, const struct affine *from)
{
    assert_non_null(BN_copy(to->x, from->x));
    assert_non_null(BN_copy(to->y, from->y));
    to->infinity = from->infinity;
}

/* The slope of the line through P and Q, or of the tangent where they are the same point. */
static void slope(struct oracle *o, BIGNUM *l, const struct affine *P, const struct affine *Q)
{
    BIGNUM *d = BN_CTX_get(o->bn);
    assert_non_null(d);
    if (BN_cmp(P->x, Q->x) == 0) {
        assert_int_equal(BN_mod_sqr(l, P->x, o->p, o->bn), 1);
        assert_int_equal(BN_mul_word(l, 3), 1);
        assert_int_equal(BN_mod_add(l, l, o->a, o->p, o->bn), 1);
        assert_int_equal(BN_mod_lshift1(d, P->y, o->p, o->bn), 1);
    } else {
        assert_int_equal(BN_mod_sub(l, Q->y, P->y, o->p, o->bn), 1);
        assert_int_equal(BN_mod_sub(d, Q->x, P->x, o->p, o->bn), 1);
    }
    assert_non_null(BN_mod_inverse(d, d, o->p, o->bn));
    assert_int_equal(BN_mod_mul(l, l, d, o->p, o->bn), 1);
}

static void add(struct oracle *o, struct affine *R, const struct affine *P, const struct affine *Q)
{
    if (P->infinity || Q->infinity) {
        assign(R, P->infinity ? Q : P);
        return;
    }
    BN_CTX_start(o->bn);
    BIGNUM *l = BN_CTX_get(o->bn), *x = BN_CTX_get(o->bn), *y = BN_CTX_get(o->bn);
    assert_non_null(y);
    assert_int_equal(BN_mod_add(y, P->y, Q->y, o->p, o->bn), 1);
    if (BN_cmp(P->x, Q->x) == 0 && BN_is_zero(y)) {
        R->infinity = true;
    } else {
        slope(o, l, P, Q);
        assert_int_equal(BN_mod_sqr(x, l, o->p, o->bn), 1);
        assert_int_equal(BN_mod_sub(x, x, P->x, o->p, o->bn), 1);
        assert_int_equal(BN_mod_sub(x, x, Q->x, o->p, o->bn), 1);
        assert_int_equal(BN_mod_sub(y, P->x, x, o->p, o->bn), 1);
        assert_int_equal(BN_mod_mul(y, y, l, o->p, o->bn), 1);
        assert_int_equal(BN_mod_sub(R->y, y, P->y, o->p, o->bn), 1);
        assert_non_null(BN_copy(R->x, x));
        R->infinity = false;
    }
    BN_CTX_end(o->bn);
}

/* Double and add, from the top bit. */
static void mul(struct oracle *o, struct affine *R, const BIGNUM *k, const struct affine *P)
{
    struct affine sum = point_new(o->bn);
    for (int i = BN_num_bits(k); i-- > 0;) {
        add(o, &sum, &sum, &sum);
        if (BN_is_bit_set(k, i)) {
            add(o, &sum, &sum, P);
        }
    }
    assign(R, &sum);
}

static void store(const BIGNUM *v, uint8_t out[static FIELD_LEN])
{
    assert_int_equal(BN_bn2binpad(v, out, FIELD_LEN), FIELD_LEN);
}

bool oracle_mul(enum curve curve, const uint8_t k[static EC_SCALAR_LEN], const uint8_t *point,
                uint8_t out[static EC_POINT_LEN])
{
    struct oracle o = begin(curve);
    BIGNUM *scalar = number(o.bn, NULL);
    struct affine P = point_new(o.bn), R = point_new(o.bn);
    assert_non_null(BN_bin2bn(k, EC_SCALAR_LEN, scalar));
    assign(&P, &o.G);
    if (point != NULL) {
        assert_non_null(BN_bin2bn(point + 1, FIELD_LEN, P.x));
        assert_non_null(BN_bin2bn(point + 1 + FIELD_LEN, FIELD_LEN, P.y));
    }
    mul(&o, &R, scalar, &P);
    bool finite = !R.infinity;
    if (finite) {
        out[0] = POINT_UNCOMPRESSED;
        store(R.x, out + 1);
        store(R.y, out + 1 + FIELD_LEN);
    }
    end(&o);
    return finite;
}

void oracle_sign(enum curve curve, const uint8_t d[static EC_SCALAR_LEN],
                 const uint8_t digest[static SHA256_LEN], const uint8_t nonce[static EC_SCALAR_LEN],
                 uint8_t signature[static EC_SIGNATURE_LEN])
{
    struct oracle o = begin(curve);
    BIGNUM *r = number(o.bn, NULL), *s = number(o.bn, NULL), *k = number(o.bn, NULL);
    BIGNUM *e = number(o.bn, NULL);
    struct affine R = point_new(o.bn);
    assert_non_null(BN_bin2bn(nonce, EC_SCALAR_LEN, k));
    assert_non_null(BN_bin2bn(d, EC_SCALAR_LEN, s));
    assert_non_null(BN_bin2bn(digest, SHA256_LEN, e));
    mul(&o, &R, k, &o.G);
    assert_false(R.infinity);
    assert_int_equal(BN_nnmod(r, R.x, o.n, o.bn), 1);
    assert_int_equal(BN_mod_mul(s, s, r, o.n, o.bn), 1);
    assert_int_equal(BN_mod_add(s, s, e, o.n, o.bn), 1);
    assert_non_null(BN_mod_inverse(k, k, o.n, o.bn));
    assert_int_equal(BN_mod_mul(s, s, k, o.n, o.bn), 1);
    store(r, signature);
    store(s, signature + FIELD_LEN);
    end(&o);
}

/* x^3 + ax + b. */
static void right_side(struct oracle *o, BIGNUM *out, const BIGNUM *x)
{
    assert_int_equal(BN_mod_sqr(out, x, o->p, o->bn), 1);
    assert_int_equal(BN_mod_add(out, out, o->a, o->p, o->bn), 1);
    assert_int_equal(BN_mod_mul(out, out, x, o->p, o->bn), 1);
    assert_int_equal(BN_mod_add(out, out, o->b, o->p, o->bn), 1);
}

void oracle_small_point(enum curve curve, uint8_t point[static EC_POINT_LEN],
                        uint8_t x_plus_p[static EC_POINT_LEN])
{
    struct oracle o = begin(curve);
    BIGNUM *x = number(o.bn, NULL), *y = number(o.bn, NULL), *square = number(o.bn, NULL);
    bool found = false;
    for (BN_ULONG small = 0; !found; small++) {
        assert_int_equal(BN_set_word(x, small), 1);
        right_side(&o, square, x);
        found = BN_mod_sqrt(y, square, o.p, o.bn) != NULL;
    }
    point[0] = x_plus_p[0] = POINT_UNCOMPRESSED;
    store(x, point + 1);
    store(y, point + 1 + FIELD_LEN);
    store(y, x_plus_p + 1 + FIELD_LEN);
    assert_int_equal(BN_add(x, x, o.p), 1);
    store(x, x_plus_p + 1);
    end(&o);
}

void oracle_order(enum curve curve, int delta, uint8_t out[static EC_SCALAR_LEN])
{
    struct oracle o = begin(curve);
    int good = delta < 0 ? BN_sub_word(o.n, (BN_ULONG)-delta) : BN_add_word(o.n, (BN_ULONG)delta);
    assert_int_equal(good, 1);
    store(o.n, out);
    end(&o);
}
