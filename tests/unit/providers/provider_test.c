#include "tests/unit/providers/provider_test.h"

static void print(void *arg, const char *sentence)
{
    (void)arg;
    print_message("%s\n", sentence);
}

int fixture_new(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL || secret_init() != STATUS_OK || provider_select(print, NULL) != STATUS_OK ||
        provider_new(&f->provider) != STATUS_OK ||
        drbg_new(&f->drbg, span_of("test", 4)) != STATUS_OK) {
        free(f);
        return -1;
    }
    f->sym = provider_sym(f->provider);
    *state = f;
    return 0;
}

int fixture_free(void **state)
{
    struct fixture *f = *state;
    provider_free(&f->provider);
    drbg_free(&f->drbg);
    free(f);
    return 0;
}

void assert_status(const char *what, enum status got, enum status want)
{
    if (got != want) {
        fail_msg("%s: got %s, want %s", what, status_name(got), status_name(want));
    }
}

void assert_bytes(const char *what, const void *got, const void *want, size_t len)
{
    if (len != 0 && memcmp(got, want, len) != 0) {
        print_error("%s:\n", what);
        assert_memory_equal(got, want, len);
    }
}

void assert_zero(const char *what, const void *got, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (((const uint8_t *)got)[i] != 0) {
            fail_msg("%s: not wiped", what);
        }
    }
}

enum status verify_one(struct fixture *f, enum curve curve, const uint8_t *public_key,
                       const uint8_t *digest, const uint8_t *signature)
{
    const struct verify_item item = {curve, public_key, digest, signature};
    enum status out = STATUS_INTERNAL;
    provider_verify_vartime(f->provider, 1, &item, &out);
    return out;
}

enum status agree_one(struct fixture *f, enum curve curve, const uint8_t *k, const uint8_t *peer,
                      uint8_t z[static ECDH_Z_LEN])
{
    const struct ecka_item item = {curve, k, peer, z};
    enum status out = STATUS_INTERNAL;
    memset(z, 0xA5, ECDH_Z_LEN); /* so that zeros are seen to be written */
    provider_ecka(f->provider, 1, &item, &out);
    return out;
}

void new_pair(struct fixture *f, enum curve curve, uint8_t k[static EC_SCALAR_LEN],
              uint8_t Q[static EC_POINT_LEN])
{
    const struct keygen_item item = {curve, k, Q};
    enum status out = STATUS_INTERNAL;
    provider_keygen(f->provider, f->drbg, 1, &item, &out);
    assert_status("key generation", out, STATUS_OK);
}
