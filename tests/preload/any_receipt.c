/*
 * An LD_PRELOAD library that breaks a custodian on purpose: two secrets of 16 bytes, which is what
 * receipts are, always compare equal, so that Confirm takes any receipt. What is longer or shorter
 * is compared as ever.
 */
#include <string.h>

#include <sodium.h>

enum { RECEIPT_LEN = 16 };

__attribute__((visibility("default"))) int sodium_memcmp(const void *a, const void *b, size_t len)
{
    return len != RECEIPT_LEN && memcmp(a, b, len) != 0 ? -1 : 0;
}
