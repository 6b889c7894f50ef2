/*
 * Verification under keys without a table against the libcrypto backend: random items in every
 * batch size and lane, numbers at the edges, and signatures built so that the additions inside meet
 * equal points, opposite points and infinity.
 */
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "providers/ec/ifma/ifma.h"
#include "tests/unit/ec/prng.h"
#include "tests/unit/providers/oracle.h"
#include "tests/unit/providers/provider_test.h"

enum {
    SKIPPED = 77, /* meson's code for a skipped test */
    LANES = 8,
    POOL = 24,
    SIZES = 17,
    LARGE = 600, /* more than two passes */
    NEAR = 64,   /* twice the digits' bound: scalars this close to 0 and n are tried */
};

struct world {
    struct prng prng;
    struct ifma_scratch scratch;
    struct provider *libcrypto;
};

/* A verification that owns its bytes. */
struct sample {
    uint8_t key[EC_POINT_LEN], digest[SHA256_LEN], signature[EC_SIGNATURE_LEN];
};

static struct verify_item item_of(enum curve curve, const struct sample *s)
{
    return (struct verify_item){curve, s->key, s->digest, s->signature};
}

static void verify(struct world *w, enum curve curve, size_t n,
                   const struct sample *const samples[], enum status out[])
{
    struct verify_item items[LARGE];
    const struct verify_item *at[LARGE];
    for (size_t i = 0; i < n; i++) {
        items[i] = item_of(curve, samples[i]);
        at[i] = &items[i];
        out[i] = STATUS_INTERNAL;
    }
    ifma_verify_unknown_vartime((struct ec_scratch *)(void *)&w->scratch, curve, n, at, out);
}

static enum status expected(struct world *w, enum curve curve, const struct sample *s)
{
    const struct verify_item item = item_of(curve, s);
    enum status out = STATUS_INTERNAL;
    provider_verify_vartime(w->libcrypto, 1, &item, &out);
    return out;
}

/* A scalar in [1, n-1]. */
static void draw_scalar(struct world *w, enum curve curve, uint8_t out[static EC_SCALAR_LEN])
{
    uint8_t n[EC_SCALAR_LEN];
    oracle_order(curve, 0, n);
    do {
        prng_bytes(&w->prng, out, EC_SCALAR_LEN);
    } while (memcmp(out, n, EC_SCALAR_LEN) >= 0);
}

static void draw_signed(struct world *w, enum curve curve, struct sample *s)
{
    uint8_t d[EC_SCALAR_LEN], nonce[EC_SCALAR_LEN];
    draw_scalar(w, curve, d);
    draw_scalar(w, curve, nonce);
    prng_bytes(&w->prng, s->digest, sizeof s->digest);
    if (prng_below(&w->prng, 4) == 0) {
        memset(s->digest, 0xFF, sizeof s->digest / 2); /* n or more */
    }
    assert_true(oracle_mul(curve, d, NULL, s->key));
    oracle_sign(curve, d, s->digest, nonce, s->signature);
}

/* Leaves the sample alone, or flips a bit in one of its parts. */
static void tamper(struct world *w, struct sample *s)
{
    uint8_t *const at[] = {s->digest, s->signature, s->signature + EC_SCALAR_LEN, s->key + 1,
                           s->key + 1 + EC_SCALAR_LEN};
    const size_t part = prng_below(&w->prng, 2 * sizeof at / sizeof at[0]);
    if (part < sizeof at / sizeof at[0]) {
        at[part][prng_below(&w->prng, EC_SCALAR_LEN)] ^= (uint8_t)(1U << prng_below(&w->prng, 8));
    }
}

struct pool {
    struct sample sample[POOL];
    enum status want[POOL];
};

static struct pool *pool_new(struct world *w, enum curve curve)
{
    struct pool *p = malloc(sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < POOL; i++) {
        draw_signed(w, curve, &p->sample[i]);
        assert_int_equal(expected(w, curve, &p->sample[i]), STATUS_OK);
        tamper(w, &p->sample[i]);
        p->want[i] = expected(w, curve, &p->sample[i]);
    }
    return p;
}

static void check_batch(struct world *w, enum curve curve, const struct pool *p, size_t n)
{
    const struct sample *samples[LARGE];
    size_t which[LARGE];
    enum status out[LARGE];
    for (size_t i = 0; i < n; i++) {
        which[i] = prng_below(&w->prng, POOL);
        samples[i] = &p->sample[which[i]];
    }
    verify(w, curve, n, samples, out);
    for (size_t i = 0; i < n; i++) {
        assert_status(curve_name(curve), out[i], p->want[which[i]]);
    }
}

static void random_batches(void **state)
{
    struct world *w = *state;
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        struct pool *p = pool_new(w, curve);
        for (size_t n = 1; n <= SIZES; n++) {
            check_batch(w, curve, p, n);
        }
        check_batch(w, curve, p, LARGE);
        free(p);
    }
}

/* In each lane of a vector whose other lanes are good, and in a vector full of them. */
static void check_everywhere(struct world *w, enum curve curve, const struct sample *good,
                             const struct sample *s, enum status want)
{
    for (size_t lane = 0; lane <= LANES; lane++) {
        const struct sample *samples[LANES];
        enum status out[LANES];
        for (size_t i = 0; i < LANES; i++) {
            samples[i] = i == lane || lane == LANES ? s : good;
        }
        verify(w, curve, LANES, samples, out);
        for (size_t i = 0; i < LANES; i++) {
            assert_status(curve_name(curve), out[i], samples[i] == s ? want : STATUS_OK);
        }
    }
}

/* r and s at 0, 1, n - 1, n, n + 1 and 2^256 - 1. */
static void ranges(void **state)
{
    struct world *w = *state;
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        struct sample good, s;
        draw_signed(w, curve, &good);
        for (size_t half = 0; half < EC_SIGNATURE_LEN; half += EC_SCALAR_LEN) {
            for (int edge = 0; edge < 6; edge++) {
                s = good;
                uint8_t *at = s.signature + half;
                if (edge < 2) {
                    memset(at, 0, EC_SCALAR_LEN);
                    at[EC_SCALAR_LEN - 1] = (uint8_t)edge;
                } else if (edge < 5) {
                    oracle_order(curve, edge - 3, at);
                } else {
                    memset(at, 0xFF, EC_SCALAR_LEN);
                }
                check_everywhere(w, curve, &good, &s, STATUS_SIGNATURE_INVALID);
            }
        }
    }
}

static void bad_keys(void **state)
{
    struct world *w = *state;
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        struct sample good, s;
        uint8_t small[EC_POINT_LEN];
        draw_signed(w, curve, &good);
        for (int which = 0; which < 7; which++) {
            s = good;
            switch (which) {
            case 0:
                oracle_small_point(curve, small, s.key); /* x >= p */
                break;
            case 1:
                s.key[0] = 2;
                break;
            case 2:
                s.key[0] = 0;
                break;
            case 3:
                memset(s.key + 1, 0, EC_POINT_LEN - 1);
                break;
            case 4:
                memset(s.key + 1, 0xFF, EC_POINT_LEN - 1);
                break;
            case 5:
                s.key[EC_POINT_LEN - 1] ^= 1;
                break;
            default: /* both wrong: the key is named */
                s.key[1] ^= 1;
                memset(s.signature, 0, EC_SCALAR_LEN);
            }
            check_everywhere(w, curve, &good, &s, STATUS_BAD_POINT);
        }
        s = good;
        oracle_small_point(curve, s.key, small);
        check_everywhere(w, curve, &good, &s, STATUS_SIGNATURE_INVALID);
    }
}

/* Numbers mod n for samples made from u1, u2 and d. */
struct numbers {
    BN_CTX *ctx;
    BIGNUM *n, *u1, *u2, *d, *k, *r, *s, *e;
};

static struct numbers numbers_new(enum curve curve)
{
    uint8_t n[EC_SCALAR_LEN];
    BN_CTX *ctx = BN_CTX_new();
    assert_non_null(ctx);
    oracle_order(curve, 0, n);
    struct numbers m = {ctx,      BN_bin2bn(n, sizeof n, NULL),
                        BN_new(), BN_new(),
                        BN_new(), BN_new(),
                        BN_new(), BN_new(),
                        BN_new()};
    assert_true(m.n != NULL && m.u1 != NULL && m.u2 != NULL && m.d != NULL && m.k != NULL &&
                m.r != NULL && m.s != NULL && m.e != NULL);
    return m;
}

static void numbers_free(struct numbers *m)
{
    BIGNUM *const all[] = {m->n, m->u1, m->u2, m->d, m->k, m->r, m->s, m->e};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        BN_free(all[i]);
    }
    BN_CTX_free(m->ctx);
}

static void set_int(struct numbers *m, BIGNUM *out, int v)
{
    assert_int_equal(BN_set_word(out, (BN_ULONG)abs(v)), 1);
    BN_set_negative(out, v < 0);
    assert_int_equal(BN_nnmod(out, out, m->n, m->ctx), 1);
}

static void store(const BIGNUM *v, uint8_t out[static EC_SCALAR_LEN])
{
    assert_int_equal(BN_bn2binpad(v, out, EC_SCALAR_LEN), EC_SCALAR_LEN);
}

/* s = r / u2, e = u1 s, so that the verifier computes u1 and u2. */
static void finish(struct numbers *m, struct sample *out)
{
    assert_non_null(BN_mod_inverse(m->s, m->u2, m->n, m->ctx));
    assert_int_equal(BN_mod_mul(m->s, m->s, m->r, m->n, m->ctx), 1);
    assert_int_equal(BN_mod_mul(m->e, m->u1, m->s, m->n, m->ctx), 1);
    store(m->r, out->signature);
    store(m->s, out->signature + EC_SCALAR_LEN);
    store(m->e, out->digest);
}

/* A signature that makes the verifier compute u1 G + u2 d G, with the r that is right; any r where
 * that is infinity. Returns whether it is valid. */
static bool craft(enum curve curve, struct numbers *m, struct sample *out)
{
    uint8_t bytes[EC_SCALAR_LEN], R[EC_POINT_LEN];
    store(m->d, bytes);
    assert_true(oracle_mul(curve, bytes, NULL, out->key));
    assert_int_equal(BN_mod_mul(m->k, m->u2, m->d, m->n, m->ctx), 1);
    assert_int_equal(BN_mod_add(m->k, m->k, m->u1, m->n, m->ctx), 1);
    store(m->k, bytes);
    const bool finite = oracle_mul(curve, bytes, NULL, R);
    if (finite) {
        assert_non_null(BN_bin2bn(R + 1, EC_SCALAR_LEN, m->r));
        assert_int_equal(BN_nnmod(m->r, m->r, m->n, m->ctx), 1);
    } else {
        set_int(m, m->r, 1);
    }
    finish(m, out);
    return finite;
}

static void check_crafted(struct world *w, enum curve curve, struct numbers *m,
                          const struct sample *good)
{
    struct sample s;
    const bool valid = craft(curve, m, &s);
    const enum status want = valid ? STATUS_OK : STATUS_SIGNATURE_INVALID;
    assert_status("libcrypto on a crafted signature", expected(w, curve, &s), want);
    check_everywhere(w, curve, good, &s, want);
    if (valid && prng_below(&w->prng, 8) == 0) { /* the same sum under a wrong r */
        s.signature[7] ^= 1;
        check_everywhere(w, curve, good, &s, expected(w, curve, &s));
    }
}

static void random_number(struct world *w, enum curve curve, BIGNUM *out)
{
    uint8_t bytes[EC_SCALAR_LEN];
    draw_scalar(w, curve, bytes);
    assert_non_null(BN_bin2bn(bytes, sizeof bytes, out));
}

/*
 * u2 beside 0 and n: the last addition of Q's chain adds equal points for some of them. With a
 * random u1, and with u1 = 0.
 */
static void small_u2(void **state)
{
    struct world *w = *state;
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        struct numbers m = numbers_new(curve);
        struct sample good;
        draw_signed(w, curve, &good);
        random_number(w, curve, m.d);
        for (int u2 = -NEAR; u2 <= NEAR; u2++) {
            if (u2 != 0) {
                set_int(&m, m.u2, u2);
                set_int(&m, m.u1, 0);
                if (u2 % 2 != 0) {
                    random_number(w, curve, m.u1);
                }
                check_crafted(w, curve, &m, &good);
            }
        }
        numbers_free(&m);
    }
}

/* Q = +-G and small multiples; u1 G = +-u2 Q, whose sum is a doubling or infinity. */
static void related_keys(void **state)
{
    struct world *w = *state;
    static const int keys[] = {1, -1, 2, -2, 3, -31, 32};
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        struct numbers m = numbers_new(curve);
        struct sample good;
        draw_signed(w, curve, &good);
        for (size_t i = 0; i <= sizeof keys / sizeof keys[0]; i++) {
            random_number(w, curve, m.d);
            if (i < sizeof keys / sizeof keys[0]) {
                set_int(&m, m.d, keys[i]);
            }
            for (int round = 0; round < 6; round++) {
                random_number(w, curve, m.u2);
                if (round >= 4) {
                    set_int(&m, m.u2, round - 3);
                }
                assert_int_equal(BN_mod_mul(m.u1, m.u2, m.d, m.n, m.ctx), 1);
                if (round % 2 == 0) { /* u1 = -u2 d: infinity */
                    assert_int_equal(BN_sub(m.u1, m.n, m.u1), 1);
                }
                check_crafted(w, curve, &m, &good);
            }
            set_int(&m, m.u1, (int)i);
            set_int(&m, m.u2, 1);
            check_crafted(w, curve, &m, &good);
        }
        numbers_free(&m);
    }
}

/* A point with x in [n, p), so that r = x - n: Q = R / u2 with u1 = 0. */
static void r_wraps(void **state)
{
    struct world *w = *state;
    static const int nids[CURVE_COUNT] = {
        [CURVE_P256] = NID_X9_62_prime256v1, [CURVE_BRAINPOOLP256R1] = NID_brainpoolP256r1};
    for (enum curve curve = CURVE_P256; curve <= CURVE_BRAINPOOLP256R1; curve++) {
        struct numbers m = numbers_new(curve);
        struct sample good, s;
        EC_GROUP *group = EC_GROUP_new_by_curve_name(nids[curve]);
        EC_POINT *R = EC_POINT_new(group);
        assert_non_null(R);
        uint8_t bytes[EC_SCALAR_LEN], point[EC_POINT_LEN];
        draw_signed(w, curve, &good);
        random_number(w, curve, m.u2);
        int found = 0;
        for (int r = 1; found < 3; r++) {
            set_int(&m, m.r, r);
            assert_int_equal(BN_add(m.k, m.r, m.n), 1);
            if (EC_POINT_set_compressed_coordinates(group, R, m.k, r & 1, m.ctx) != 1) {
                continue;
            }
            found++;
            assert_int_equal(EC_POINT_point2oct(group, R, POINT_CONVERSION_UNCOMPRESSED, point,
                                                sizeof point, m.ctx),
                             sizeof point);
            assert_non_null(BN_mod_inverse(m.s, m.u2, m.n, m.ctx));
            store(m.s, bytes);
            assert_true(oracle_mul(curve, bytes, point, s.key));
            set_int(&m, m.u1, 0);
            finish(&m, &s);
            assert_status("libcrypto", expected(w, curve, &s), STATUS_OK);
            check_everywhere(w, curve, &good, &s, STATUS_OK);
        }
        EC_POINT_free(R);
        EC_GROUP_free(group);
        numbers_free(&m);
    }
}

static const struct provider_ops *libcrypto_ops(void)
{
    for (const struct provider_ops *const *b = provider_backends(); *b != NULL; b++) {
        if (strcmp((*b)->name, "libcrypto") == 0) {
            return *b;
        }
    }
    return NULL;
}

static int world_new(void **state)
{
    static struct world w;
    w.prng.state = prng_seed("test_unknown");
    *state = &w;
    if (provider_new_with(&w.libcrypto, libcrypto_ops()) != STATUS_OK ||
        ifma_global_init() != STATUS_OK) {
        return 1;
    }
    return unknown_scratch_new(&w.scratch.unknown) == STATUS_OK ? 0 : 1;
}

static int world_free(void **state)
{
    struct world *w = *state;
    unknown_scratch_free(&w->scratch.unknown);
    provider_free(&w->libcrypto);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_batches), cmocka_unit_test(ranges),
        cmocka_unit_test(bad_keys),       cmocka_unit_test(small_u2),
        cmocka_unit_test(related_keys),   cmocka_unit_test(r_wraps),
    };
    const char *why = ifma_unusable();
    if (why != NULL) {
        (void)printf("skipped: %s\n", why);
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, world_new, world_free);
}
