/*
 * X.509 certificates to order, for the trust tests: a good EUM certificate, or one with one fault.
 */
#ifndef TESTS_UNIT_SERVICE_X509_MAKER_H
#define TESTS_UNIT_SERVICE_X509_MAKER_H

#include "proto/bytes.h"

struct x509_recipe { /* all zero: a good EUM certificate on P-256 for EIDs 89049032... */
    int64_t not_before, not_after;
    const char *basic_constraints, *key_usage, *policy, *prefix, *curve;
    bool brainpool, not_ca, no_key_usage, no_policy, no_name_constraints, excluded;
    bool other_issuer_name, other_authority_key_id, other_issuer_key, sha1;
    bool explicit_parameters, unknown_critical;
    bool self_signed; /* a CI: its name and key are the issuer's */
};

/* The certificate, signed by the issuer whose certificate and P-256 scalar are given. out has
 * WIRE_EUM_MAX bytes. Ends the test when libcrypto fails. */
struct span x509_make(const struct x509_recipe *recipe, struct span issuer, struct span issuer_key,
                      uint8_t *out);

#endif
