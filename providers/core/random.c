#include "providers/core/random.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "providers/core/secret.h"

enum {
    STRENGTH_BITS = 256,
    REQUEST_MAX = 1 << 16, /* bytes a call: SP 800-90A, table 3 */
};

struct drbg {
    EVP_RAND_CTX *rand;
};

static enum status instantiate(struct drbg *d, struct span token_seed)
{
    char cipher[] = "AES-256-CTR";
    int derivation_function = 1; /* so that a personalisation of any length is taken */
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, 0),
        OSSL_PARAM_construct_int(OSSL_DRBG_PARAM_USE_DF, &derivation_function),
        OSSL_PARAM_construct_end(),
    };
    EVP_RAND *ctr = EVP_RAND_fetch(NULL, "CTR-DRBG", NULL);
    if (ctr == NULL) {
        return STATUS_INTERNAL;
    }
    d->rand = EVP_RAND_CTX_new(ctr, NULL); /* no parent: its entropy is the OS's */
    EVP_RAND_free(ctr);
    if (d->rand == NULL || EVP_RAND_CTX_set_params(d->rand, params) != 1 ||
        EVP_RAND_instantiate(d->rand, STRENGTH_BITS, 0, token_seed.ptr, token_seed.len, NULL) !=
            1) {
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

enum status drbg_new(struct drbg **out, struct span token_seed)
{
    *out = NULL;
    struct drbg *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return STATUS_INTERNAL;
    }
    enum status status = instantiate(d, token_seed);
    if (status != STATUS_OK) {
        ERR_clear_error();
        drbg_free(&d);
        return status;
    }
    *out = d;
    return STATUS_OK;
}

void drbg_free(struct drbg **d)
{
    if (*d != NULL) {
        EVP_RAND_CTX_free((*d)->rand);
        free(*d);
        *d = NULL;
    }
}

enum status drbg_bytes(struct drbg *d, uint8_t *out, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n = len - done < REQUEST_MAX ? len - done : REQUEST_MAX;
        if (EVP_RAND_generate(d->rand, out + done, n, STRENGTH_BITS, 0, NULL, 0) != 1) {
            ERR_clear_error();
            secret_wipe(out, len);
            return STATUS_INTERNAL;
        }
        done += n;
    }
    return STATUS_OK;
}
