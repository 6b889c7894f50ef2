#include "hsm/token/kek.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "hsm/clock_text.h"
#include "hsm/hex.h"
#include "hsm/token/record.h"

enum {
    ZERO_KEY_LEN = 32,
    AES_KW_LEN = ZERO_KEY_LEN + 8, /* RFC 3394: one block of eight bytes more */
    RECORD_MIN = sizeof "created=2026-01-01T00:00:00Z fingerprint=" - 1 + 2 * KEK_FINGERPRINT_LEN,
};

static const char created_word[] = "created=";
static const char fingerprint_word[] = " fingerprint=";

/* A session key of zeros, which is there to be wrapped. */
static enum status make_zero_key(struct token *t, CK_OBJECT_HANDLE *out)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    uint8_t zeros[ZERO_KEY_LEN] = {0};
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},       {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &no, sizeof no},   {CKA_EXTRACTABLE, &yes, sizeof yes},
        {CKA_VALUE, zeros, sizeof zeros},
    };
    return token_rv(
        t, "C_CreateObject (zero key)",
        t->p11->C_CreateObject(t->session, template, sizeof template / sizeof template[0], out));
}

enum status kek_fingerprint(struct token *t, CK_OBJECT_HANDLE kek,
                            uint8_t out[static KEK_FINGERPRINT_LEN])
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_WRAP, NULL, 0};
    CK_OBJECT_HANDLE zero;
    uint8_t wrapped[AES_KW_LEN];
    CK_ULONG len = sizeof wrapped;

    memset(out, 0, KEK_FINGERPRINT_LEN);
    TRY(make_zero_key(t, &zero));
    enum status st = token_rv(t, "C_WrapKey",
                              t->p11->C_WrapKey(t->session, &mechanism, kek, zero, wrapped, &len));
    (void)t->p11->C_DestroyObject(t->session, zero);
    TRY(st);
    if (len != sizeof wrapped || SHA256(wrapped, len, out) == NULL) {
        return STATUS_TOKEN_ERROR;
    }
    return STATUS_OK;
}

static bool find_record(struct token *t, uint32_t generation, struct record *out)
{
    char label[KEY_LABEL_MAX];
    bool found = false;
    key_label(label, KEY_KEK, generation);
    return record_find(t, KEK_RECORDS, label, out, &found) == STATUS_OK && found &&
           out->len >= RECORD_MIN;
}

const char *kek_refusal(struct token *t, const struct token_key *key)
{
    struct record record;
    uint8_t fingerprint[KEK_FINGERPRINT_LEN];
    char hex[2 * KEK_FINGERPRINT_LEN + 1];

    if (!find_record(t, key->generation, &record)) {
        return "no ceremony has recorded that it came in wrapped";
    }
    const char *recorded = strstr(record.value, fingerprint_word);
    if (recorded == NULL || kek_fingerprint(t, key->handle, fingerprint) != STATUS_OK) {
        return "its fingerprint cannot be told";
    }
    hex_put(hex, fingerprint, sizeof fingerprint);
    recorded += sizeof fingerprint_word - 1;
    return strncmp(recorded, hex, sizeof hex - 1) == 0
               ? NULL
               : "it is not the key that its record says came in wrapped";
}

uint64_t kek_created(struct token *t, const struct token_key *key)
{
    struct record record;
    char text[CLOCK_TEXT_MAX];
    if (!find_record(t, key->generation, &record) ||
        strncmp(record.value, created_word, sizeof created_word - 1) != 0) {
        return 0;
    }
    memcpy(text, record.value + sizeof created_word - 1,
           sizeof text - 1); /* RECORD_MIN is longer */
    text[sizeof text - 1] = '\0';
    return clock_of_text(text);
}

enum status kek_record(struct token *t, const struct token_key *key, uint64_t now,
                       const uint8_t transport[static SHA256_LEN])
{
    uint8_t fingerprint[KEK_FINGERPRINT_LEN];
    char label[KEY_LABEL_MAX], created[CLOCK_TEXT_MAX], value[RECORD_VALUE_MAX];
    char hex[2 * KEK_FINGERPRINT_LEN + 1], transport_hex[2 * SHA256_LEN + 1];

    TRY(kek_fingerprint(t, key->handle, fingerprint));
    key_label(label, KEY_KEK, key->generation);
    clock_text(created, now);
    hex_put(hex, fingerprint, sizeof fingerprint);
    hex_put(transport_hex, transport, SHA256_LEN);
    snprintf(value, sizeof value, "%s%s%s%s transport=%s", created_word, created, fingerprint_word,
             hex, transport_hex);
    return record_create(t, KEK_RECORDS, label, value);
}

enum status kek_forget(struct token *t, uint32_t generation)
{
    struct record record;
    char label[KEY_LABEL_MAX];
    bool found;
    key_label(label, KEY_KEK, generation);
    TRY(record_find(t, KEK_RECORDS, label, &record, &found));
    return found ? record_destroy(t, &record) : STATUS_OK;
}
