/*
 * A key set in a file (mode 0600), for handing a made card's first keys to whoever plays Alpha.
 * Test material, in the clear:
 *
 *   smsr-key-set 1
 *   kvn 01
 *   counter 0          of the last packet sent
 *   enc 32 hexadecimal digits
 *   mac ...
 *   dek ...
 */
#ifndef SMSR_KEY_FILE_H
#define SMSR_KEY_FILE_H

#include "smsr/card/isdr.h"

/* A new file; one that exists is left alone. Both say on stderr what is wrong, and answer INTERNAL.
 */
MUST_CHECK enum status key_file_write(const char *path, const struct key_set *set);
/* set is in secret memory. */
MUST_CHECK enum status key_file_read(const char *path, struct key_set *set);

#endif
