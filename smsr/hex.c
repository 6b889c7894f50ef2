#include "smsr/hex.h"

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum status hex_decode(const char *text, uint8_t *out, size_t cap, size_t *len)
{
    size_t digits = strlen(text);
    *len = 0;
    if (digits % 2 != 0 || digits / 2 > cap) {
        return STATUS_BAD_LENGTH;
    }
    for (size_t i = 0; i < digits / 2; i++) {
        int high = digit(text[2 * i]);
        int low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return STATUS_BAD_LENGTH;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    *len = digits / 2;
    return STATUS_OK;
}

void hex_encode(struct span in, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < in.len; i++) {
        out[2 * i] = digits[in.ptr[i] >> 4];
        out[2 * i + 1] = digits[in.ptr[i] & 0x0F];
    }
    out[2 * in.len] = '\0';
}
