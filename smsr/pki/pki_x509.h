/*
 * Writes the X.509 certificates of the test PKI on brainpoolP256r1: a self-signed CI and an EUM
 * below it, with the extensions that SGP.26's have on P-256 (SGP.02 4.1.3; SGP.14 for the
 * profiles).
 */
#ifndef SMSR_PKI_X509_H
#define SMSR_PKI_X509_H

#include "smsr/pki/issuer.h"

/* The IIN that every EID below the EUM starts with, as the name constraint spells it. */
#define PKI_EID_PREFIX "89049032"

/* A self-signed CI certificate in DER. INTERNAL, NO_SPACE. */
MUST_CHECK enum status pki_x509_ci(EVP_PKEY *ci, struct writer *out);

/* An EUM certificate in DER, issued by the CI of the DER given. */
MUST_CHECK enum status pki_x509_eum(EVP_PKEY *eum, EVP_PKEY *ci, struct span ci_der,
                                    struct writer *out);

#endif
