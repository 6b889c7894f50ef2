/*
 * Z85 (ZeroMQ RFC 32): 40 characters of a CURVE key to its 32 bytes.
 */
#ifndef SERVICE_Z85_H
#define SERVICE_Z85_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CURVE_KEY_LEN = 32,
    CURVE_KEY_Z85_LEN = 40, /* five characters for four bytes */
};

/* False when the text is not 40 characters of Z85. Variable time in the text. */
bool z85_decode_key(const char *text, uint8_t out[static CURVE_KEY_LEN]);

#endif
