#include "service/policy/eid_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool eid_prefix_valid(const char *text)
{
    size_t len = strlen(text);
    return len >= 1 && len <= EID_DIGITS && strspn(text, "0123456789") == len;
}

static int by_digits(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool begins(const char *digits, const char *prefix)
{
    return strncmp(digits, prefix, strlen(prefix)) == 0;
}

enum status eid_set_init(struct eid_set *set, char *const prefixes[], size_t count)
{
    *set = (struct eid_set){0};
    if (count == 0) {
        return STATUS_OK;
    }
    set->prefixes = calloc(count, sizeof(*set->prefixes));
    if (set->prefixes == NULL) {
        return STATUS_INTERNAL;
    }
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(set->prefixes[i], sizeof(set->prefixes[i]), "%s", prefixes[i]);
    }
    qsort(set->prefixes, count, sizeof(*set->prefixes), by_digits);
    for (size_t i = 0; i < count; i++) { /* what a prefix covers stands right behind it */
        if (set->count == 0 || !begins(set->prefixes[i], set->prefixes[set->count - 1])) {
            memmove(set->prefixes[set->count++], set->prefixes[i], sizeof(*set->prefixes));
        }
    }
    return STATUS_OK;
}

void eid_set_fini(struct eid_set *set)
{
    free(set->prefixes);
    *set = (struct eid_set){0};
}

const char *eid_set_find(const struct eid_set *set, const uint8_t eid[static GP_EID_LEN])
{
    char digits[EID_DIGITS + 1] = "";
    for (size_t i = 0; i < EID_DIGITS; i++) { /* a nibble above 9 becomes no digit */
        digits[i] = (char)('0' + (i % 2 == 0 ? eid[i / 2] >> 4 : eid[i / 2] & 0xF));
    }
    size_t low = 0,
           high = set->count; /* all before low are not behind the EID, all from high are */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(set->prefixes[middle], digits) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && begins(digits, set->prefixes[low - 1]) ? set->prefixes[low - 1] : NULL;
}
