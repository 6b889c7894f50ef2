/*
 * The test PKI on disk: `smsr-change pki` makes it, `smsr-change run` loads it.
 *
 *   DIR/trust/ci-*.der, eum-*.der   X.509: what eckad pins
 *   DIR/sr-certs/sr-*.der           CERT.SR.ECDSA (7F21), one a key of the token, signed by the CI
 *   DIR/pki/ci-*.pem, eum-*.pem     the issuers' private keys: test material, mode 0600
 *   DIR/pki/ks1-master.key          of which each card's KS1 is diversified: test material, too
 *   DIR/trust.yaml                  the `trust:` block of policy.yaml
 *
 * P-256 is SGP.26's CI and EUM, brainpoolP256r1 a PKI of its own. FRP256v1 has no X.509 (OpenSSL
 * takes no explicit parameters there): its CERT.ECASD.ECKA are signed by the P-256 EUM.
 */
#ifndef SMSR_PKI_H
#define SMSR_PKI_H

#include "smsr/pki/issuer.h"

enum { PKI_SR_MAX = 8, PKI_CA_ID_MAX = 16, KS1_MASTER_LEN = 16 };

struct pki_sr_key { /* a public point of SK.SR.ECDSA */
    enum curve curve;
    uint8_t point[EC_POINT_LEN];
};

/* "P-256:<hex point>". BAD_CURVE, BAD_POINT. */
MUST_CHECK enum status pki_sr_key_parse(const char *text, struct pki_sr_key *out);

/* Makes everything below dir; what exists is never overwritten. Says on stderr what failed. */
MUST_CHECK enum status pki_write(const char *dir, const struct pki_sr_key keys[], size_t count);

/* One branch of the PKI: what makes cards for a curve, and what Beta and the cards check them with.
 */
struct pki {
    enum curve curve; /* of CI, EUM and SK.SR.ECDSA */
    uint8_t ci_point[EC_POINT_LEN];
    uint8_t ci_ski[ISSUER_SKI_LEN];
    uint8_t eum_point[EC_POINT_LEN];
    uint8_t eum_ski[ISSUER_SKI_LEN];
    uint8_t eum_id[SHA256_LEN]; /* SHA-256 of the EUM's certificate, as eckad names it */
    char eid_prefix[ISSUER_EID_PREFIX_MAX]; /* of the EIDs that it may give; "": any */
    uint8_t ca_id[PKI_CA_ID_MAX];
    size_t ca_id_len;
    EVP_PKEY *eum_key;
    uint8_t ks1_master[KS1_MASTER_LEN]; /* of which the EUM and Alpha diversify KS1 */
    uint8_t cert_sr[GP_CERT_MAX];       /* CERT.SR.ECDSA that Beta sends at step 7 */
    size_t cert_sr_len;
    uint8_t sr_key_id[SHA256_LEN]; /* SHA-256 of cert_sr */
};

/* Loads the branch that serves cards on a curve. */
MUST_CHECK enum status pki_load(const char *dir, enum curve card_curve, struct pki *out);
void pki_fini(struct pki *pki);

/* A CERT.SR.ECDSA for any point on P-256, signed by this branch's CI: another SM-SR's, or with
 * another role an SM-DP's. */
MUST_CHECK enum status pki_certify_sr(const char *dir, const struct pki *pki,
                                      const uint8_t point[static EC_POINT_LEN],
                                      enum gp_cert_role role, struct writer *out);

#endif
