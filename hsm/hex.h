/*
 * Bytes as lower-case hexadecimal text.
 */
#ifndef HSM_HEX_H
#define HSM_HEX_H

#include <stddef.h>
#include <stdint.h>

/* out takes 2 * len + 1 bytes. */
static inline void hex_put(char *out, const uint8_t *in, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 0x0F];
    }
    out[2 * len] = '\0';
}

#endif
