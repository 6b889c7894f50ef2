/*
 * A ticket's contents: what Establish knows and Confirm needs, so that nobody keeps anything
 * between the two.
 *
 * version(1) curve(1) sr_key_id(32) signed_hash(32) epk(65) issued(8) expiry(8) rc(1 + n)
 * crt(1 + n) sin(1 + n) secret(1 + n). The secret is Z when the CRT asks for DR, else the key data.
 * Written into and read from the blob scratch; views point there.
 */
#ifndef HSM_TICKET_H
#define HSM_TICKET_H

#include "hsm/sealed/blob.h"

struct ticket {
    enum curve curve;           /* of PK.ECASD.ECKA */
    const uint8_t *sr_key_id;   /* SHA256_LEN */
    const uint8_t *signed_hash; /* SHA256_LEN, of the bytes SK.SR.ECDSA signed */
    const uint8_t *epk;         /* EC_POINT_LEN */
    uint64_t issued, expiry;    /* seconds since 1970 UTC */
    struct span rc;
    struct span crt; /* the A6 as signed: KVN, counter, HostID and SDIN stand in it */
    struct span sin; /* empty without host ids; the one input of SharedInfo not in the CRT */
    struct span secret;
};

/* NO_SPACE when a field is longer than its limit. */
MUST_CHECK enum status ticket_put(struct writer *w, const struct ticket *t);
/* BLOB_MALFORMED. */
MUST_CHECK enum status ticket_parse(struct span in, struct ticket *out);

#endif
