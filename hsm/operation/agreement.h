/*
 * ECKA-EG (BSI TR-03111, 4.3) at either custody: in the custodian's locked memory, a SIMD batch at
 * a time, or inside the token, one after the other, where neither eSK nor Z ever is outside it.
 *
 * What a token can do is found out at start, by doing it and comparing with this process's own
 * arithmetic; what it cannot is refused, and never done in memory instead.
 */
#ifndef HSM_AGREEMENT_H
#define HSM_AGREEMENT_H

#include "hsm/custodian.h"

/*
 * Where eSK and Z of one item shall be, in *at: CUSTODY_AT_MEMORY (also for CUSTODY_NONE) or
 * CUSTODY_AT_TOKEN. BAD_CUSTODY: no such custody; CUSTODY_LACKING: the token cannot do it on this
 * curve.
 */
MUST_CHECK enum status agreement_custody(const struct custodian *c, uint32_t asked,
                                         enum curve curve, uint8_t *at);

struct agreement { /* in memory; the index in the batch names Z */
    enum curve curve;
    const uint8_t *peer; /* EC_POINT_LEN */
    uint8_t *Q;          /* out: EC_POINT_LEN, ePK */
};

/*
 * A key pair and Z for each item, at most CUSTODY_ITEMS_MAX; eSK is gone when it returns, Z of item
 * i is in c->secrets->agreement.z[i]. BAD_CURVE, BAD_POINT, INTERNAL an item.
 */
void agreement_in_memory(struct custodian *c, size_t n, const struct agreement items[],
                         enum status st[]);

/*
 * A key pair, Z and X9.63 in the token; what reaches this process is ePK and the derived bytes. The
 * session objects are destroyed before it returns. BAD_POINT, TOKEN_ERROR.
 */
MUST_CHECK enum status agreement_in_token(struct custodian *c, enum curve curve,
                                          const uint8_t peer[static EC_POINT_LEN],
                                          struct span shared_info, uint8_t Q[static EC_POINT_LEN],
                                          uint8_t *out, size_t out_len);

/* Fills c->token_agrees: for each curve, whether the token does the whole of agreement_in_token()
 * rightly and keeps what it must; the log says which. */
void agreement_probe(struct custodian *c);

#endif
