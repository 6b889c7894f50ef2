/*
 * The cards of a fleet in one file: the image of each (smsr/card/card_image.h), replaced in a
 * transaction at every change. The file holds keys in the open: test material, mode 0600.
 */
#ifndef SMSR_CARD_BOOK_H
#define SMSR_CARD_BOOK_H

#include "smsr/card/card_image.h"
#include "smsr/store/db.h"

MUST_CHECK bool card_book_open(struct db **out, const char *path, enum db_sync sync);

/* STATUS_OK; INTERNAL when it could not be kept. */
MUST_CHECK enum status card_book_save(struct db *db, const uint8_t eid[static GP_EID_LEN],
                                      struct span image);
/* false when there is no such card, or the file fails. */
MUST_CHECK bool card_book_load(struct db *db, const uint8_t eid[static GP_EID_LEN],
                               uint8_t image[static CARD_IMAGE_LEN]);

#endif
