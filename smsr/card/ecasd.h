/*
 * The ECASD: the security domain that the EUM put into the eUICC. It holds SK.ECASD.ECKA and
 * PK.CI.ECDSA, verifies the SM-SR's certificate and signature, and computes ShS. It knows no key
 * set.
 *
 * Single use: RC is bound to the PK.SR.ECDSA that it was made for, and both are gone after the next
 * call that takes a STORE DATA, whatever comes of it.
 */
#ifndef SMSR_ECASD_H
#define SMSR_ECASD_H

#include "proto/gp/key_establishment.h"
#include "smsr/card/card_sw.h"
#include "smsr/engine.h"
#include "smsr/pki/issuer.h"

struct ecasd_trust { /* PK.CI.ECDSA as personalised */
    enum curve curve;
    uint8_t point[EC_POINT_LEN];
    uint8_t key_id[ISSUER_SKI_LEN];
};

struct ecasd {
    struct engine *engine;
    struct ecasd_trust ci;
    enum curve curve;  /* of SK.ECASD.ECKA */
    const uint8_t *sk; /* EC_SCALAR_LEN in the card's secret memory */
    size_t rc_len;     /* what to answer: 16 or 32 */

    bool live; /* rc and sr_point are set */
    enum curve sr_curve;
    uint8_t sr_point[EC_POINT_LEN];
    uint8_t rc[RC_LEN_LONG];
};

/* Verifies CERT.SR.ECDSA with PK.CI.ECDSA, keeps its key and makes RC; rc borrows from the ECASD.
 */
MUST_CHECK enum card_sw ecasd_accept_certificate(struct ecasd *ecasd, const struct gp_cert *cert,
                                                 struct span *rc);

/*
 * Verifies the signature over CRT, ePK and RC, and computes ShS into z. RC is spent afterwards.
 * z is zero unless the answer is SW_OK.
 */
MUST_CHECK enum card_sw ecasd_agree(struct ecasd *ecasd, const struct store_data_2 *sd,
                                    uint8_t z[static ECDH_Z_LEN]);

/* Wipes RC and PK.SR: on reset and by any STORE DATA. */
void ecasd_forget(struct ecasd *ecasd);

#endif
