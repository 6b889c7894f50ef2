/*
 * What is tested is what would hurt most: a signature that does not verify must not pass, a point
 * off its curve must not be multiplied, and what was derived must be what the standards derive.
 */
#include "providers/core/selftest.h"

#include <stdio.h>

#include "providers/core/curves.h"
#include "providers/core/random.h"
#include "providers/core/secret.h"

/* Hex digits, most significant first. */
struct ec_kat {
    enum curve curve;
    const char *public_key, *digest, *signature; /* verifies */
    const char *private_key, *peer, *z;          /* agrees */
};

static const struct ec_kat ec_kats[] = {
    {
        /* Wycheproof, tcId 1 of each file */
        .curve = CURVE_P256,
        .public_key = "04"
                      "2927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838"
                      "c7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e",
        .digest = "bb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023",
        .signature = "2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18"
                     "4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76",
        .private_key = "0612465c89a023ab17855b0a6bcebfd3febb53aef84138647b5352e02c10c346",
        .peer = "04"
                "62d5bd3372af75fe85a040715d0f502428e07046868b0bfdfa61d731afe44f26"
                "ac333a93a9e70a81cd5a95b5bf8d13990eb741c8c38872b4a07d275a014e30cf",
        .z = "53020d908b0219328b658b525f26780e3ae12bcd952bb25a93bc0895e1714285",
    },
    {
        /* Wycheproof, tcId 1; RFC 7027, A.1 */
        .curve = CURVE_BRAINPOOLP256R1,
        .public_key = "04"
                      "2676bd1e3fd83f3328d1af941442c036760f09587729419053083eb61d1ed22c"
                      "2cf769688a5ffd67da1899d243e66bcabe21f9e78335263bf5308b8e41a71b39",
        .digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        .signature = "745be1da902d19c76c8f57d4a1f3362b4b20ed7c8de8fc0463d566795f979cea"
                     "5916c317a1e325b53735216a0fa37737f08b32245c88084817b468a41f5afee9",
        .private_key = "81db1ee100150ff2ea338d708271be38300cb54241d79950f77b063039804f1d",
        .peer = "04"
                "8d2d688c6cf93e1160ad04cc4429117dc2c41825e1e9fca0addd34e6f1b39f7b"
                "990c57520812be512641e47034832106bc7d3e8dd0e4c7f1136d7006547cec6a",
        .z = "89afc39d41d3b327814b80940b042590f96556ec91e6ae7939bce31f3a18bf2b",
    },
    {
        /* nobody published any: tools/frp256v1.py computed these; the digest exceeds n */
        .curve = CURVE_FRP256V1,
        .public_key = "04"
                      "7f560db59392e148b5382df851f624d534a630802006692d31321fa0ea7e870b"
                      "5475dfb2f72960b7bc3b48d1f9c07f6dd05edbb435e561487ebe950b735be603",
        .digest = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        .signature = "00c87db69b297761629fcaf3e50865d36a213e0291ba1a0ed09c8d317eec8785"
                     "1b6e644b2bdfce6d67eba3703cf002a8262f35d1244c622ecbf49ff9eae88ff7",
        .private_key = "7e8a1ada84439df42d636bb9605368d35c48ee0bce9b849220af9f93b84df5d9",
        .peer = "04"
                "06bd622e2c8ede0f757315daa150ead1f40cb0d6e40dca6574b4036b03ae33d8"
                "d65bc3c8cb8237adf86f521892bae6313976456c6f11ca44822db4ee38c2f3da",
        .z = "73e4dfc59b3a348aefd8e4b389cfdd2f152423dbfd9ccfed6a2a49514e17b4a9",
    },
};

static const struct { /* NIST CAVP 800-135, ansx963_2001, SHA-256 */
    const char *z, *shared_info, *key_data;
} x963_kat = {
    .z = "22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d",
    .shared_info = "75eef81aa3041e33b80971203d2c0c52",
    .key_data = "c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e"
                "52a13d9c7c6fc878c50c5ea0bc7b00e0da2447cfd874f6cf92f30d0097111485"
                "500c90c3af8b487872d04685d14c8d1dc8d7fa08beb0ce0ababc11f0bd496269"
                "142d43525a78e5bc79a17f59676a5706dc54d54d4d1f0bd7e386128ec26afc21",
};

static const struct { /* RFC 4493, example 3 */
    const char *key, *msg, *mac;
} cmac_kat = {
    .key = "2b7e151628aed2a6abf7158809cf4f3c",
    .msg = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
           "30c81c46a35ce411",
    .mac = "dfa66747de9ae63030ca32611497c827",
};

/* Bytes of a constant above; its digits are digits, since the tests run it. */
static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; hex[0] != '\0'; hex += 2) {
        unsigned byte = 0;
        for (size_t i = 0; i < 2; i++) {
            byte = byte << 4 | (unsigned)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
        }
        out[n++] = (uint8_t)byte;
    }
    return n;
}

enum {
    /* 5 uses a round: after 4 rounds the key is worth a table, after 26 a wider one, and that takes
     * some 20 rounds, since a small batch pays for 256 points. */
    TABLE_ROUNDS = 64,
};

static bool all_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) {
        any |= p[i];
    }
    return any == 0;
}

/* Verifies again and again, until a backend that keeps tables has made two levels of them. */
static bool test_verify(const struct provider_ops *ops, void *ctx, const struct ec_kat *kat)
{
    const size_t rounds = ops->stats != NULL ? TABLE_ROUNDS : 1;
    enum { GOOD, OTHER_DIGEST, OTHER_S, S_IS_N, OFF_CURVE, GOOD_AGAIN, ITEMS };
    static const enum status expected[ITEMS] = {
        [GOOD] = STATUS_OK,
        [OTHER_DIGEST] = STATUS_SIGNATURE_INVALID,
        [OTHER_S] = STATUS_SIGNATURE_INVALID,
        [S_IS_N] = STATUS_SIGNATURE_INVALID,
        [OFF_CURVE] = STATUS_BAD_POINT,
        [GOOD_AGAIN] = STATUS_OK,
    };
    uint8_t Q[ITEMS][EC_POINT_LEN], digest[ITEMS][SHA256_LEN], signature[ITEMS][EC_SIGNATURE_LEN];
    struct verify_item items[ITEMS];
    enum status got[ITEMS];
    for (size_t i = 0; i < ITEMS; i++) {
        (void)unhex(kat->public_key, Q[i]);
        (void)unhex(kat->digest, digest[i]);
        (void)unhex(kat->signature, signature[i]);
        items[i] = (struct verify_item){kat->curve, Q[i], digest[i], signature[i]};
        got[i] = STATUS_INTERNAL;
    }
    digest[OTHER_DIGEST][SHA256_LEN - 1] ^= 1;
    signature[OTHER_S][EC_SIGNATURE_LEN - 1] ^= 1;
    memcpy(signature[S_IS_N] + FIELD_LEN, curve_params(kat->curve)->n, FIELD_LEN);
    Q[OFF_CURVE][EC_POINT_LEN - 1] ^= 1;
    for (size_t round = 0; round < rounds; round++) {
        ops->verify_vartime(ctx, ITEMS, items, got);
        for (size_t i = 0; i < ITEMS; i++) {
            if (got[i] != expected[i]) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < ITEMS; i++) { /* one alone may have its own way */
        ops->verify_vartime(ctx, 1, &items[i], got);
        if (got[0] != expected[i]) {
            return false;
        }
    }
    return true;
}

static bool test_agreement(const struct provider_ops *ops, void *ctx, const struct ec_kat *kat)
{
    enum { GOOD, OFF_CURVE, ZERO_SCALAR, GOOD_AGAIN, ITEMS };
    static const enum status expected[ITEMS] = {
        [GOOD] = STATUS_OK,
        [OFF_CURVE] = STATUS_BAD_POINT,
        [ZERO_SCALAR] = STATUS_BAD_SCALAR,
        [GOOD_AGAIN] = STATUS_OK,
    };
    uint8_t k[ITEMS][EC_SCALAR_LEN], peer[ITEMS][EC_POINT_LEN], z[ITEMS][ECDH_Z_LEN];
    uint8_t expected_z[ECDH_Z_LEN];
    struct ecka_item items[ITEMS];
    enum status got[ITEMS];
    (void)unhex(kat->z, expected_z);
    for (size_t i = 0; i < ITEMS; i++) {
        (void)unhex(kat->private_key, k[i]);
        (void)unhex(kat->peer, peer[i]);
        memset(z[i], 0xFF, sizeof z[i]);
        items[i] = (struct ecka_item){kat->curve, k[i], peer[i], z[i]};
        got[i] = STATUS_INTERNAL;
    }
    peer[OFF_CURVE][EC_POINT_LEN - 1] ^= 1;
    memset(k[ZERO_SCALAR], 0, sizeof k[ZERO_SCALAR]);
    ops->ecka(ctx, ITEMS, items, got);
    for (size_t i = 0; i < ITEMS; i++) {
        bool output = expected[i] == STATUS_OK ? memcmp(z[i], expected_z, sizeof expected_z) == 0
                                               : all_zero(z[i], sizeof z[i]);
        if (got[i] != expected[i] || !output) {
            return false;
        }
    }
    return true;
}

/* Two new pairs: different, each Q = kG (by agreement with G), and both sides agree on Z. */
static bool test_keygen(const struct provider_ops *ops, void *ctx, struct drbg *drbg,
                        enum curve curve)
{
    const struct curve_params *params = curve_params(curve);
    uint8_t k[2][EC_SCALAR_LEN] = {0}, Q[2][EC_POINT_LEN] = {0}, z[4][ECDH_Z_LEN] = {0};
    uint8_t G[EC_POINT_LEN] = {POINT_UNCOMPRESSED};
    memcpy(G + 1, params->gx, FIELD_LEN);
    memcpy(G + 1 + FIELD_LEN, params->gy, FIELD_LEN);
    const struct keygen_item pairs[] = {{curve, k[0], Q[0]}, {curve, k[1], Q[1]}};
    const struct ecka_item agreements[] = {
        {curve, k[0], Q[1], z[0]},
        {curve, k[1], Q[0], z[1]},
        {curve, k[0], G, z[2]},
        {curve, k[1], G, z[3]},
    };
    enum status got[2] = {STATUS_INTERNAL, STATUS_INTERNAL};
    enum status agreed[4] = {STATUS_INTERNAL, STATUS_INTERNAL, STATUS_INTERNAL, STATUS_INTERNAL};
    ops->keygen(ctx, drbg, 2, pairs, got);
    ops->ecka(ctx, 4, agreements, agreed);
    bool good = got[0] == STATUS_OK && got[1] == STATUS_OK &&
                memcmp(k[0], k[1], sizeof k[0]) != 0 && memcmp(z[0], z[1], sizeof z[0]) == 0 &&
                memcmp(z[2], Q[0] + 1, FIELD_LEN) == 0 && memcmp(z[3], Q[1] + 1, FIELD_LEN) == 0;
    for (size_t i = 0; i < 4; i++) {
        good = good && agreed[i] == STATUS_OK;
    }
    secret_wipe(k, sizeof k);
    secret_wipe(z, sizeof z);
    return good;
}

static enum status fail(char failed[static SELFTEST_NAME_SIZE], const char *what, const char *where)
{
    (void)snprintf(failed, SELFTEST_NAME_SIZE, "%s%s%s", what, where[0] != '\0' ? " on " : "",
                   where);
    return STATUS_INTERNAL;
}

static enum status test_curves(const struct provider_ops *ops, void *ctx, struct drbg *drbg,
                               char failed[static SELFTEST_NAME_SIZE])
{
    for (size_t i = 0; i < sizeof ec_kats / sizeof ec_kats[0]; i++) {
        const struct ec_kat *kat = &ec_kats[i];
        if (!test_verify(ops, ctx, kat)) {
            return fail(failed, "ECDSA verification", curve_name(kat->curve));
        }
        if (!test_agreement(ops, ctx, kat)) {
            return fail(failed, "key agreement", curve_name(kat->curve));
        }
        if (!test_keygen(ops, ctx, drbg, kat->curve)) {
            return fail(failed, "key generation", curve_name(kat->curve));
        }
    }
    return STATUS_OK;
}

enum status selftest_backend(const struct provider_ops *ops, char failed[static SELFTEST_NAME_SIZE])
{
    struct drbg *drbg = NULL;
    void *ctx = NULL;
    enum status status;
    if (drbg_new(&drbg, span_of(NULL, 0)) != STATUS_OK) {
        status = fail(failed, "the random generator", "");
    } else if (ops->thread_new(&ctx) != STATUS_OK) {
        status = fail(failed, "setting up", "");
    } else {
        status = test_curves(ops, ctx, drbg, failed);
    }
    ops->thread_free(&ctx);
    drbg_free(&drbg);
    return status;
}

enum status selftest_sym(struct sym *s, char failed[static SELFTEST_NAME_SIZE])
{
    enum { ROOM = 128 };
    uint8_t a[ROOM], b[ROOM], expected[ROOM], got[ROOM];
    size_t z_len = unhex(x963_kat.z, a);
    size_t info_len = unhex(x963_kat.shared_info, b);
    size_t out_len = unhex(x963_kat.key_data, expected);
    if (sym_x963(s, span_of(a, z_len), span_of(b, info_len), got, out_len) != STATUS_OK ||
        memcmp(got, expected, out_len) != 0) {
        return fail(failed, "X9.63 key derivation", "");
    }
    size_t key_len = unhex(cmac_kat.key, a);
    size_t msg_len = unhex(cmac_kat.msg, b);
    (void)unhex(cmac_kat.mac, expected);
    if (sym_cmac(s, span_of(a, key_len), span_of(b, msg_len), got) != STATUS_OK ||
        memcmp(got, expected, SYM_CMAC_LEN) != 0) {
        return fail(failed, "AES-CMAC", "");
    }
    return STATUS_OK;
}
