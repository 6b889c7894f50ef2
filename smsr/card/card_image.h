/*
 * What a card keeps without power, as one string of bytes: its keys, what the EUM put in, every key
 * set with its counter. Secret; the caller's storage is locked memory.
 *
 *   "ECKACARD" 01 | curve CI-curve (references of tag F0) | RC length | CI point 65, key id 20
 *   | SIN length, 32 | SDIN length, 32 | SK.ECASD.ECKA 32
 *   | sets { KVN, present, counter 8, three keys of 16 } | SHA-256 of all before
 */
#ifndef SMSR_CARD_IMAGE_H
#define SMSR_CARD_IMAGE_H

#include "smsr/card/euicc.h"

enum {
    CARD_SET_LEN = 1 + 1 + 8 + ISDR_KEYS * SYM_AES128_KEY_LEN,
    CARD_IMAGE_LEN = 8 + 1 + 3 + EC_POINT_LEN + ISSUER_SKI_LEN + 2 * (1 + CRT_ID_MAX) +
                     EC_SCALAR_LEN + ISDR_SETS_MAX * CARD_SET_LEN + SHA256_LEN,
};

/* p->ks1 is left out: sets holds them all. INTERNAL when nothing can be hashed. */
MUST_CHECK enum status card_image_put(struct sym *sym, const struct euicc_personalisation *p,
                                      const struct key_set sets[static ISDR_SETS_MAX],
                                      uint8_t out[static CARD_IMAGE_LEN]);

/* p borrows from the image. BLOB_MALFORMED when it is not what card_image_put() made. */
MUST_CHECK enum status card_image_parse(struct sym *sym, struct span image,
                                        struct euicc_personalisation *p,
                                        struct key_set sets[static ISDR_SETS_MAX]);

#endif
