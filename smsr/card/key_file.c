#include "smsr/card/key_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "providers/core/secret.h"
#include "smsr/files.h"
#include "smsr/hex.h"

enum { TEXT_MAX = 512, KEY_TEXT_LEN = 2 * SYM_AES128_KEY_LEN };

static const char *const names[ISDR_KEYS] = {"enc", "mac", "dek"};

enum status key_file_write(const char *path, const struct key_set *set)
{
    char *text = secret_alloc(1, TEXT_MAX);
    if (text == NULL) {
        return STATUS_INTERNAL;
    }
    int n = snprintf(text, TEXT_MAX, "smsr-key-set 1\nkvn %02X\ncounter %" PRIu64 "\n", set->kvn,
                     set->counter);
    for (unsigned k = 0; k < ISDR_KEYS; k++) {
        n += snprintf(text + n, TEXT_MAX - (size_t)n, "%s ", names[k]);
        hex_encode(span_of(set->keys[k], sizeof(set->keys[k])), text + n);
        n += KEY_TEXT_LEN;
        n += snprintf(text + n, TEXT_MAX - (size_t)n, "\n");
    }
    enum status s = file_write_new(path, 0600, span_of(text, (size_t)n));
    secret_free(&text);
    return s;
}

/* "NAME VALUE\n" at *at, which moves behind it; the value with a NUL in place of the LF. */
static bool take_line(char **at, const char *name, char **value)
{
    size_t len = strlen(name);
    if (strncmp(*at, name, len) != 0 || (*at)[len] != ' ') {
        return false;
    }
    *value = *at + len + 1;
    char *end = strchr(*value, '\n');
    if (end == NULL) {
        return false;
    }
    *end = '\0';
    *at = end + 1;
    return true;
}

static bool take_number(char **at, const char *name, int base, uint64_t max, uint64_t *out)
{
    char *value, *end;
    if (!take_line(at, name, &value)) {
        return false;
    }
    *out = strtoull(value, &end, base);
    return *value != '\0' && *value != '-' && *end == '\0' && *out <= max;
}

static bool take_key(char **at, const char *name, uint8_t out[static SYM_AES128_KEY_LEN])
{
    char *value;
    size_t len;
    return take_line(at, name, &value) &&
           hex_decode(value, out, SYM_AES128_KEY_LEN, &len) == STATUS_OK &&
           len == SYM_AES128_KEY_LEN;
}

static bool parse(char *at, struct key_set *set)
{
    uint64_t version, kvn;
    bool ok = take_number(&at, "smsr-key-set", 10, 1, &version) && version == 1 &&
              take_number(&at, "kvn", 16, CRT_KVN_MAX, &kvn) && kvn >= CRT_KVN_MIN &&
              take_number(&at, "counter", 10, UINT64_MAX, &set->counter);
    for (unsigned k = 0; ok && k < ISDR_KEYS; k++) {
        ok = take_key(&at, names[k], set->keys[k]);
    }
    if (ok) {
        set->kvn = (uint8_t)kvn;
        set->present = ISDR_ALL_KEYS;
    }
    return ok && *at == '\0';
}

enum status key_file_read(const char *path, struct key_set *set)
{
    size_t len;
    char *text = secret_alloc(1, TEXT_MAX); /* zeroed: the text ends in a NUL */
    if (text == NULL) {
        return STATUS_INTERNAL;
    }
    enum status s = file_read(path, (uint8_t *)text, TEXT_MAX - 1, &len);
    if (s == STATUS_OK && !parse(text, set)) {
        fprintf(stderr, "smsr-change: %s: no key set file\n", path);
        secret_wipe(set, sizeof(*set));
        s = STATUS_INTERNAL;
    }
    secret_free(&text);
    return s;
}
