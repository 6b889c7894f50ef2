/*
 * The issuers of the test PKI, CI and EUM: EC key pairs of OpenSSL's that sign certificates.
 *
 * Test material: the keys lie in plain PEM files (mode 0600) and in ordinary memory. Nothing of the
 * service or of Beta is here.
 */
#ifndef SMSR_ISSUER_H
#define SMSR_ISSUER_H

#include <openssl/evp.h>

#include "proto/gp/cert.h"
#include "providers/provider.h"

enum { ISSUER_SKI_LEN = 20, ISSUER_CERT_MAX = 2048 };

/* P-256 and brainpoolP256r1 only; BAD_CURVE for another one, INTERNAL when OpenSSL fails. */
MUST_CHECK enum status issuer_generate(enum curve curve, EVP_PKEY **out);
/* From a private scalar and its point. */
MUST_CHECK enum status issuer_import(enum curve curve, const uint8_t scalar[static EC_SCALAR_LEN],
                                     const uint8_t point[static EC_POINT_LEN], EVP_PKEY **out);

MUST_CHECK enum status issuer_point(const EVP_PKEY *key, uint8_t out[static EC_POINT_LEN]);

/* ECDSA with SHA-256 over the bytes, r || s. */
MUST_CHECK enum status issuer_sign(EVP_PKEY *key, struct span message,
                                   uint8_t out[static EC_SIGNATURE_LEN]);

/* Builds a 7F21 certificate signed by the key. NO_SPACE, INTERNAL. */
MUST_CHECK enum status issuer_certify(EVP_PKEY *key, const struct gp_cert_fields *fields,
                                      struct writer *out);

/* Reads public key and SubjectKeyIdentifier out of an X.509 certificate. CERT_MALFORMED. */
MUST_CHECK enum status issuer_read_x509(struct span der, uint8_t point[static EC_POINT_LEN],
                                        uint8_t ski[static ISSUER_SKI_LEN]);

/* The first digits of the EIDs that an EUM may give, out of its certificate's name constraints; ""
 * when it has none of the kind. */
enum { ISSUER_EID_PREFIX_MAX = 33 };
void issuer_eid_prefix(struct span der, char out[static ISSUER_EID_PREFIX_MAX]);

MUST_CHECK enum status issuer_sha256(struct span in, uint8_t out[static SHA256_LEN]);

#endif
