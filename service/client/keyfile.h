/*
 * CURVE key files: what `eckactl keygen` writes and what libecka and eckad read.
 *
 *     eckad-curve-key 1
 *     public <40 Z85 characters>
 *     secret <40 Z85 characters>
 *
 * FILE holds the three lines with mode 0600, FILE.pub the first two with mode 0644. Any thread.
 * Every failure comes with one sentence that names the file.
 */
#ifndef SERVICE_CLIENT_KEYFILE_H
#define SERVICE_CLIENT_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

enum {
    CURVE_KEY_LEN = 32,
    KEYFILE_Z85_LEN = 40,                   /* five characters for four bytes */
    KEYFILE_Z85_SIZE = KEYFILE_Z85_LEN + 1, /* with its NUL */
    KEYFILE_ERROR_MAX = 512,                /* room for a sentence with a path */
};

struct curve_key_pair { /* wiped by who fills it: sodium_memzero */
    char public_key[KEYFILE_Z85_SIZE];
    char secret_key[KEYFILE_Z85_SIZE]; /* "" when only the public key was read */
};

/* The 32 bytes of a key in Z85 (ZeroMQ RFC 32); false when the text is not 40 characters of it. */
bool keyfile_z85_decode(const char *text, uint8_t key[static CURVE_KEY_LEN]);

/* Whether text is a key in Z85. */
bool keyfile_z85_valid(const char *text);

/* A new pair into path and path.pub; never overwrites either. BAD_REQUEST, INTERNAL. */
MUST_CHECK enum status keyfile_generate(const char *path, char error[static KEYFILE_ERROR_MAX]);

/* The public key of either file. BAD_REQUEST. */
MUST_CHECK enum status keyfile_read_public(const char *path,
                                           char public_key[static KEYFILE_Z85_SIZE],
                                           char error[static KEYFILE_ERROR_MAX]);

/* Both keys, which must belong together; a file that group or others may access is refused.
 * BAD_REQUEST, and then out is zero. */
MUST_CHECK enum status keyfile_read_pair(const char *path, struct curve_key_pair *out,
                                         char error[static KEYFILE_ERROR_MAX]);

#endif
