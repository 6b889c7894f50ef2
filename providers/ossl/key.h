/*
 * A key: one of the default provider's, in this module's library context, and beside it what the
 * kernels and the service need to know.
 *
 * Keys are counted; a count may be taken and given back by any thread. Everything else about a key
 * changes only while it has a single user, as OpenSSL's own keys do.
 */
#ifndef PROVIDERS_OSSL_KEY_H
#define PROVIDERS_OSSL_KEY_H

#include <openssl/evp.h>

#include "providers/ossl/module.h"
#include "providers/provider.h"

struct key {
    struct module *module;
    atomic_uint users;
    EVP_PKEY *standard; /* NULL: an empty key */
    bool has_public, has_private;

    enum curve curve; /* NONE: no public key that the kernels can verify with */
    uint8_t point[EC_POINT_LEN];

    char label[REMOTE_LABEL_MAX + 1]; /* of a private key behind the service; "": none */
};

/* NULL when memory is out. */
struct key *key_new(struct module *m);
struct key *key_take(struct key *k);
void key_free(struct key *k);

/* Gives k this key, or NULL; the old one is freed. */
void key_set(struct key *k, EVP_PKEY *standard);

static inline bool key_is_remote(const struct key *k)
{
    return k->label[0] != '\0';
}

/* A context of the default provider's for it; NULL with an error. */
EVP_PKEY_CTX *key_context(const struct key *k);

#endif
