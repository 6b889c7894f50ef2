#include "service/z85.h"

#include <string.h>

enum { Z85_BASE = 85, GROUP_CHARS = 5, GROUP_BYTES = 4 };

static const char alphabet[Z85_BASE + 1] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

static bool group_decode(const char *text, uint8_t out[static GROUP_BYTES])
{
    uint64_t value = 0;
    for (int i = 0; i < GROUP_CHARS; i++) {
        const char *digit = text[i] == '\0' ? NULL : strchr(alphabet, text[i]);
        if (digit == NULL) {
            return false;
        }
        value = value * Z85_BASE + (uint64_t)(digit - alphabet);
    }
    if (value > UINT32_MAX) {
        return false;
    }
    for (int i = 0; i < GROUP_BYTES; i++) {
        out[i] = (uint8_t)(value >> (8 * (GROUP_BYTES - 1 - i)));
    }
    return true;
}

bool z85_decode_key(const char *text, uint8_t out[static CURVE_KEY_LEN])
{
    memset(out, 0, CURVE_KEY_LEN);
    if (strlen(text) != CURVE_KEY_Z85_LEN) {
        return false;
    }
    for (int g = 0; g < CURVE_KEY_LEN / GROUP_BYTES; g++) {
        if (!group_decode(text + g * GROUP_CHARS, out + g * GROUP_BYTES)) {
            memset(out, 0, CURVE_KEY_LEN);
            return false;
        }
    }
    return true;
}
