/* The symmetric functions against the standards' vectors; contexts are reused across all of them.
 */
#include "tests/unit/providers/provider_test.h"

static struct span text(const char *s)
{
    return span_of(s, strlen(s));
}

/* Bytes of a hex text, in storage that the next call but three takes again. */
static struct span hex(const char *digits)
{
    static uint8_t storage[4][128];
    static size_t next;
    uint8_t *out = storage[next++ % 4];
    size_t n = 0;
    for (; digits[0] != '\0'; digits += 2) {
        const char byte[3] = {digits[0], digits[1], '\0'};
        assert_true(n < sizeof storage[0]);
        out[n++] = (uint8_t)strtoul(byte, NULL, 16);
    }
    return span_of(out, n);
}

static void assert_hex(const char *what, const void *got, const char *digits)
{
    struct span want = hex(digits);
    assert_bytes(what, got, want.ptr, want.len);
}

static void sha256(void **state)
{
    struct fixture *f = *state;
    uint8_t out[32];
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_status("abc", sym_sha256(f->sym, text("abc"), out), STATUS_OK);
    assert_hex("abc", out, abc);
    const struct span parts[] = {text("a"), text(""), text("bc")};
    assert_status("parts", sym_sha256_parts(f->sym, 3, parts, out), STATUS_OK);
    assert_hex("parts", out, abc);
    assert_status("empty", sym_sha256_parts(f->sym, 0, NULL, out), STATUS_OK);
    assert_hex("empty", out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void check_x963(struct fixture *f, const char *file)
{
    struct vectors *v = vectors_open(file);
    for (size_t i = 0; i < vectors_count(v); i++) {
        const struct vector *c = vectors_at(v, i);
        struct span want = vector_hex(c, "key_data");
        uint8_t out[256];
        /* Every length is a prefix of the longest, and nothing is written behind it. */
        for (size_t len = 0; len <= want.len; len++) {
            memset(out, 0xA5, sizeof out);
            assert_status(
                vector_name(c),
                sym_x963(f->sym, vector_hex(c, "z"), vector_hex(c, "shared_info"), out, len),
                STATUS_OK);
            assert_bytes(vector_name(c), out, want.ptr, len);
            assert_int_equal(out[len], 0xA5);
        }
    }
    vectors_close(&v);
}

static void x963(void **state)
{
    check_x963(*state, "x963_cavp");
    check_x963(*state, "ecdh_x963");
}

static void cmac_rfc4493(void **state)
{
    struct fixture *f = *state;
    struct vectors *v = vectors_open("aes_cmac_rfc4493");
    assert_int_equal(vectors_count(v), 4);
    for (size_t i = 0; i < vectors_count(v); i++) {
        const struct vector *c = vectors_at(v, i);
        struct span msg = vector_hex(c, "msg");
        uint8_t mac[SYM_CMAC_LEN];
        for (size_t cut = 0; cut <= msg.len; cut++) { /* in two parts, wherever the cut falls */
            const struct span parts[] = {span_of(msg.ptr, cut),
                                         span_of(msg.ptr + cut, msg.len - cut)};
            assert_status(vector_name(c),
                          sym_cmac_parts(f->sym, vector_hex(c, "key"), 2, parts, mac), STATUS_OK);
            assert_bytes(vector_name(c), mac, vector_bytes(c, "tag", SYM_CMAC_LEN), SYM_CMAC_LEN);
        }
    }
    vectors_close(&v);
}

static void cmac_wycheproof(void **state)
{
    struct fixture *f = *state;
    struct vectors *v = vectors_open("wycheproof_aes_cmac");
    size_t good = 0, bad = 0, refused = 0;
    for (size_t i = 0; i < vectors_count(v); i++) {
        const struct vector *c = vectors_at(v, i);
        struct span key = vector_hex(c, "key");
        uint8_t mac[SYM_CMAC_LEN];
        memset(mac, 0xA5, sizeof mac);
        enum status status = sym_cmac(f->sym, key, vector_hex(c, "msg"), mac);
        if (key.len != SYM_AES128_KEY_LEN && key.len != SYM_AES192_KEY_LEN &&
            key.len != SYM_AES256_KEY_LEN) {
            assert_status(vector_name(c), status, STATUS_BAD_LENGTH);
            assert_zero(vector_name(c), mac, sizeof mac);
            refused++;
            continue;
        }
        assert_status(vector_name(c), status, STATUS_OK);
        bool valid = vector_is(c, "result", "valid");
        bool same = secret_equal(mac, vector_bytes(c, "tag", sizeof mac), sizeof mac) == 1;
        assert_int_equal(same, valid);
        good += valid;
        bad += !valid;
    }
    assert_true(good == 63 && bad == 243 && refused == 5);
    vectors_close(&v);
}

static void hmac_rfc4231(void **state)
{
    struct fixture *f = *state;
    uint8_t out[32], key[131];
    assert_status("2",
                  sym_hmac_sha256(f->sym, text("Jefe"), text("what do ya want for nothing?"), out),
                  STATUS_OK);
    assert_hex("2", out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key); /* longer than a block: hashed first */
    assert_status("6",
                  sym_hmac_sha256(f->sym, span_of(key, sizeof key),
                                  text("Test Using Larger Than Block-Size Key - Hash Key First"),
                                  out),
                  STATUS_OK);
    assert_hex("6", out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    /* The empty key, and the empty message: HMAC_SHA256("", ""). */
    assert_status("empty", sym_hmac_sha256(f->sym, text(""), text(""), out), STATUS_OK);
    assert_hex("empty", out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void hkdf_rfc5869(void **state)
{
    struct fixture *f = *state;
    uint8_t out[64];
    struct span ikm = hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
    assert_status("1",
                  sym_hkdf(f->sym, ikm, hex("000102030405060708090a0b0c"),
                           hex("f0f1f2f3f4f5f6f7f8f9"), out, 42),
                  STATUS_OK);
    assert_hex(
        "1", out,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    assert_status("3", sym_hkdf(f->sym, ikm, text(""), text(""), out, 42), STATUS_OK);
    assert_hex(
        "3", out,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    static uint8_t large[255 * 32 + 1];
    assert_status("largest", sym_hkdf(f->sym, ikm, text(""), text(""), large, sizeof large - 1),
                  STATUS_OK);
    assert_status("too large", sym_hkdf(f->sym, ikm, text(""), text(""), large, sizeof large),
                  STATUS_BAD_LENGTH);
    assert_zero("too large", large, sizeof large);
}

static void key_check_values(void **state)
{
    struct fixture *f = *state;
    struct vectors *v = vectors_open("scp03");
    const struct vector *keys = vectors_find(v, "AES128_11"), *kcv = vectors_find(v, "kcv");
    static const char *const names[][2] = {
        {"static_enc", "enc"}, {"static_mac", "mac"}, {"static_dek", "dek"}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t out[SYM_KCV_LEN];
        assert_status(names[i][1],
                      sym_kcv(f->sym, vector_bytes(keys, names[i][0], SYM_AES128_KEY_LEN), out),
                      STATUS_OK);
        assert_bytes(names[i][1], out, vector_bytes(kcv, names[i][1], SYM_KCV_LEN), SYM_KCV_LEN);
    }
    vectors_close(&v);
}

/* F.2.1, F.2.3 and F.2.5: the first two blocks under each key length. */
static void cbc_sp800_38a(void **state)
{
    struct fixture *f = *state;
    static const char plain[] = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";
    static const char *const cases[][2] = {
        {"2b7e151628aed2a6abf7158809cf4f3c",
         "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
        {"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
         "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"},
        {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
         "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"},
    };
    uint8_t iv[SYM_BLOCK], storage[SYM_AES256_KEY_LEN];
    memcpy(iv, hex("000102030405060708090a0b0c0d0e0f").ptr, sizeof iv);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span key = hex(cases[i][0]);
        uint8_t buf[32];
        memcpy(storage, key.ptr, key.len);
        key.ptr = storage;
        memcpy(buf, hex(plain).ptr, sizeof buf);
        assert_status("encrypt", sym_cbc_encrypt(f->sym, key, iv, buf, buf, 32), STATUS_OK);
        assert_hex("encrypt", buf, cases[i][1]);
        assert_status("decrypt", sym_cbc_decrypt(f->sym, key, iv, buf, buf, 32), STATUS_OK);
        assert_hex("decrypt", buf, plain);
        assert_status("empty", sym_cbc_encrypt(f->sym, key, iv, buf, buf, 0), STATUS_OK);
        assert_status("length", sym_cbc_encrypt(f->sym, key, iv, buf, buf, 17), STATUS_BAD_LENGTH);
        assert_zero("length", buf, 17);
        assert_status("key", sym_cbc_encrypt(f->sym, span_of(buf, 20), iv, buf, buf, 32),
                      STATUS_BAD_LENGTH);
        assert_zero("key", buf, sizeof buf);
    }
}

/* Test cases 13, 14 and 16 of the GCM submission to NIST. */
static void gcm_known_answers(void **state)
{
    struct fixture *f = *state;
    uint8_t key[32] = {0}, nonce[SYM_GCM_NONCE_LEN] = {0}, zeros[16] = {0}, out[60], tag[16];
    assert_status("13", sym_gcm_seal(f->sym, key, nonce, text(""), text(""), out, tag), STATUS_OK);
    assert_hex("13", tag, "530f8afbc74536b9a963b4f1c4cb738b");
    assert_status(
        "14", sym_gcm_seal(f->sym, key, nonce, text(""), span_of(zeros, sizeof zeros), out, tag),
        STATUS_OK);
    assert_hex("14", out, "cea7403d4d606b6e074ec5d3baf39d18");
    assert_hex("14", tag, "d0d1c8a799996bf0265b98b5d48ab919");
    memcpy(key, hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").ptr, 32);
    memcpy(nonce, hex("cafebabefacedbaddecaf888").ptr, sizeof nonce);
    struct span plain =
        hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95"
            "956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    assert_status("16",
                  sym_gcm_seal(f->sym, key, nonce, hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
                               plain, out, tag),
                  STATUS_OK);
    assert_hex(
        "16", out,
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b0"
        "8b1056828838c5f61e6393ba7a0abcc9f662");
    assert_hex("16", tag, "76fc6ece0f4e1768cddf8853bb2d551b");
}

/* Each input flipped in turn: BLOB_FORGED and zeros, then the untouched text still opens. */
static void gcm_tampered(void **state)
{
    struct fixture *f = *state;
    enum { TEXT = 37, AAD = 21 };
    struct {
        uint8_t key[32], nonce[SYM_GCM_NONCE_LEN], aad[AAD], text[TEXT], tag[SYM_GCM_TAG_LEN];
    } in;
    uint8_t plain[TEXT], out[TEXT];
    assert_status("random", drbg_bytes(f->drbg, (uint8_t *)&in, sizeof in), STATUS_OK);
    memcpy(plain, in.text, TEXT);
    assert_status("seal",
                  sym_gcm_seal(f->sym, in.key, in.nonce, span_of(in.aad, AAD),
                               span_of(in.text, TEXT), in.text, in.tag),
                  STATUS_OK);
    for (size_t at = 0; at <= sizeof in; at++) {
        uint8_t *byte = at < sizeof in ? (uint8_t *)&in + at : NULL;
        if (byte != NULL) {
            *byte ^= 0x20;
        }
        memset(out, 0xA5, sizeof out);
        enum status status = sym_gcm_open(f->sym, in.key, in.nonce, span_of(in.aad, AAD),
                                          span_of(in.text, TEXT), in.tag, out);
        if (byte != NULL) {
            assert_status("tampered", status, STATUS_BLOB_FORGED);
            assert_zero("tampered", out, sizeof out);
            *byte ^= 0x20;
        } else {
            assert_status("untouched", status, STATUS_OK);
            assert_bytes("untouched", out, plain, TEXT);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256),
        cmocka_unit_test(x963),
        cmocka_unit_test(cmac_rfc4493),
        cmocka_unit_test(cmac_wycheproof),
        cmocka_unit_test(hmac_rfc4231),
        cmocka_unit_test(hkdf_rfc5869),
        cmocka_unit_test(key_check_values),
        cmocka_unit_test(cbc_sp800_38a),
        cmocka_unit_test(gcm_known_answers),
        cmocka_unit_test(gcm_tampered),
    };
    return cmocka_run_group_tests(tests, fixture_new, fixture_free);
}
