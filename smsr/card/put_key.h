/*
 * PUT KEY of the ISD-R: one more set of three AES keys, under the DEK of the set that secures the
 * command (GlobalPlatform Card Specification 11.8). It appears whole or not at all.
 */
#ifndef SMSR_PUT_KEY_H
#define SMSR_PUT_KEY_H

#include "smsr/card/isdr.h"

/* out: the key version number and the key check values. 6A80 for a number that is taken. */
MUST_CHECK enum card_sw isdr_put_key(struct isdr *isdr, uint8_t securing_kvn,
                                     const struct apdu *apdu, struct writer *out);

#endif
