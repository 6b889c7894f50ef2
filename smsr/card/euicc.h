/*
 * The simulated eUICC, the robot: C-APDU bytes in, R-APDU bytes out, and nothing else.
 *
 * What comes in are ENVELOPEs (SMS-PP download); their SCP80 packets carry the commands for the
 * ISD-R. A packet that authenticates is answered with a proof of receipt in the R-APDU of its last
 * ENVELOPE (U: formally by SMS-SUBMIT). A packet does all it asks for and is answered, or it has
 * done nothing: a tear leaves the keys there were, or those and the new ones. No clock: the card
 * compares no dates. One thread; a card is one object and cards share nothing but the engine.
 */
#ifndef SMSR_EUICC_H
#define SMSR_EUICC_H

#include "smsr/card/isdr.h"

/* ISD-R: AID A0000005591010FFFFFFFF8900000100, TAR 000001 (SGP.02 2.2.3; U for the TAR). */
enum { EUICC_TAR_LEN = 3 };
extern const uint8_t EUICC_ISDR_TAR[EUICC_TAR_LEN];

struct euicc_personalisation { /* what the EUM puts in; borrowed for the call */
    enum curve curve;          /* of SK.ECASD.ECKA */
    const uint8_t *sk_ecasd;   /* EC_SCALAR_LEN */
    struct ecasd_trust ci;
    size_t rc_len;             /* 16 or 32 */
    struct span sin, sdin;     /* at most CRT_ID_MAX bytes each */
    const struct key_set *ks1; /* the first SM-SR's */
};

/* Keeps an image for good before it returns OK. */
typedef enum status euicc_keep(void *arg, struct span image);

struct euicc;

/* BAD_LENGTH; INTERNAL when there is no memory for secrets. */
MUST_CHECK enum status euicc_new(struct euicc **out, struct engine *engine,
                                 const struct euicc_personalisation *p, const struct trace *trace);
/* The card that an image was made of. BLOB_MALFORMED too. */
MUST_CHECK enum status euicc_load(struct euicc **out, struct engine *engine, struct span image,
                                  const struct trace *trace);
void euicc_free(struct euicc **card);

/*
 * From now on whatever a packet changes (a counter, a key set) is kept before its answer leaves. A
 * packet whose changes cannot be kept is answered 6581 and has changed nothing. Keeps the card as
 * it is now, at once.
 */
MUST_CHECK enum status euicc_keep_with(struct euicc *card, euicc_keep *keep, void *arg);

/* The ISD-R's key sets as they lie in the card, ISDR_SETS_MAX of them: for a judge, who may look.
 */
const struct key_set *euicc_open_up(const struct euicc *card);

/* One C-APDU. Always answers; returns the length of the R-APDU. */
size_t euicc_apdu(struct euicc *card, struct span capdu, uint8_t rapdu[static RAPDU_DATA_MAX + 2]);

/* Power off and on: RC, PK.SR and half-received messages are gone, keys and counters stay. */
void euicc_reset(struct euicc *card);

#endif
