/*
 * The ISD-R: the security domain that holds the SM-SR's key sets. Commands reach it out of a secure
 * channel that a key set protects, and only so.
 *
 * STORE DATA twice (ES5.EstablishISDRKeySet), DELETE (ES5.FinaliseISDRhandover), GET DATA E0 (key
 * information template), PUT KEY. A new key set appears whole, after every check, together with the
 * answer.
 */
#ifndef SMSR_ISDR_H
#define SMSR_ISDR_H

#include "proto/gp/apdu.h"
#include "proto/gp/handover.h"
#include "smsr/card/ecasd.h"
#include "smsr/trace.h"

enum {
    ISDR_SETS_MAX = 4,
    ISDR_KEYS = 3, /* ENC, MAC, DEK: key identifiers 01, 02, 03 */
    ISDR_ALL_KEYS = (1 << ISDR_KEYS) - 1,
    ISDR_ANSWER_MAX = RAPDU_DATA_MAX,
};

struct key_set {      /* secret */
    uint8_t kvn;      /* 0: the slot is free */
    uint8_t present;  /* bit i: key identifier i + 1 */
    uint64_t counter; /* of the last packet taken: the next must exceed it */
    uint8_t keys[ISDR_KEYS][SYM_AES128_KEY_LEN];
};

struct isdr {
    struct engine *engine;
    struct ecasd *ecasd;
    const struct trace *trace;
    struct key_set *sets; /* ISDR_SETS_MAX in the card's secret memory */
    struct span sin, sdin;
};

/* The set with this version number; NULL when there is none. */
struct key_set *isdr_find(const struct isdr *isdr, uint8_t kvn);

/* Room for one more; NULL when the card is full. */
struct key_set *isdr_free_slot(const struct isdr *isdr);

/* Runs one C-APDU that came under the key set of this version number; out receives the answer. */
MUST_CHECK enum card_sw isdr_command(struct isdr *isdr, uint8_t securing_kvn, struct span capdu,
                                     struct writer *out);

#endif
