/*
 * The transcript of a ceremony: one line an event, appended, never changed. The last line of each
 * ceremony is "sha256 HEX" over every byte of the file before it, so a file of several ceremonies
 * is a chain, and one that does not fit its last hash is refused.
 *
 * Written by one ceremony at a time (the file is locked). No secret ever passes here.
 */
#ifndef HSM_TRANSCRIPT_H
#define HSM_TRANSCRIPT_H

#include <stdbool.h>

#include "proto/status.h"

struct transcript { /* all zero: nothing is kept */
    bool open;
    int fd;
    void *hash; /* EVP_MD_CTX */
};

/* Opens or makes the file (mode 0600). DENIED: what is in it does not fit its last hash, or another
 * ceremony writes it. BAD_REQUEST: it cannot be opened. A sentence is in the log. */
MUST_CHECK enum status transcript_open(struct transcript *t, const char *path);
/* Appends the time and the event; nothing when no transcript is kept. INTERNAL: the line is not
 * there. */
MUST_CHECK enum status transcript_line(struct transcript *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Appends the hash and closes. INTERNAL. */
MUST_CHECK enum status transcript_close(struct transcript *t);

#endif
