/*
 * What a test does with a token behind the service's back, raw Cryptoki:
 *
 *   token-tool MODULE LABEL PIN probe
 *       a line a private or secret key: CKA_ID in hex, then what the token answered when its value
 *       was asked for ("readable" or the CK_RV), then whether it could be made extractable.
 *   token-tool MODULE LABEL PIN create ID-HEX sensitive|readable kept|extractable [encrypt]
 *       an AES-256 key with this identity that may sign, and also encrypt when that is asked for.
 *   token-tool MODULE LABEL PIN plant ID-HEX sign|wrap LABEL VALUE-HEX
 *       an AES-256 key of a known value with this identity, label and use.
 *   token-tool MODULE LABEL PIN make aes|known|ec|rsa ID-HEX LABEL [WORD]...
 *       a key that is as it should be, but for words: an attribute that it has ("extractable",
 *       "decrypt") or has not ("not-private"). "known" is an AES-256 key of 32 bytes 07.
 *   token-tool MODULE LABEL PIN reidentify ID-HEX NEW-ID-HEX
 *       tries to give the private or secret key of this identity another one, then to copy it under
 *       that one; what the token answered to both, each "done" or "refused".
 *   token-tool MODULE LABEL PIN destroy ID-HEX
 *   token-tool MODULE LABEL PIN record APPLICATION LABEL VALUE
 *       a private data object of this text.
 *   token-tool MODULE LABEL - open-record APPLICATION LABEL VALUE
 *       a data object for everybody, without a PIN.
 *   token-tool MODULE LABEL PIN forget APPLICATION
 *       destroys every data object of this application.
 *   token-tool MODULE LABEL PIN unwrap-readable ID-HEX FILE
 *       tries to unwrap the file with this private key (RSA-OAEP, SHA-1) into an AES key that could
 *       be read.
 *   token-tool MODULE LABEL SO-PIN blank
 *       a token of this label without a user PIN.
 *
 * Ends with 1 and one sentence when a call fails.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS_MAX = 16,
    OBJECTS_MAX = 128,
    ID_MAX = 32,
    VALUE_MAX = 256,
    WRAPPED_MAX = 512,
    AES_256 = 32
};

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE session;

static void check(CK_RV rv, const char *call)
{
    if (rv != CKR_OK) {
        fprintf(stderr, "%s: 0x%lx\n", call, (unsigned long)rv);
        exit(1);
    }
}

static void load(const char *path)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    if (module != NULL) {
        *(void **)&get = dlsym(module, "C_GetFunctionList");
    }
    if (get == NULL) {
        fprintf(stderr, "%s is no PKCS#11 module\n", path);
        exit(1);
    }
    check(get(&p11), "C_GetFunctionList");
    check(p11->C_Initialize(NULL), "C_Initialize");
}

/* A PIN of "-": a session without a login. */
static void login(const char *label, const char *pin)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    check(p11->C_GetSlotList(CK_TRUE, slots, &n), "C_GetSlotList");
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        check(p11->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
        if (strncmp((const char *)info.label, label, strlen(label)) != 0) {
            continue;
        }
        check(
            p11->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
            "C_OpenSession");
        if (strcmp(pin, "-") != 0) {
            check(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin)), "C_Login");
        }
        return;
    }
    fprintf(stderr, "no token %s\n", label);
    exit(1);
}

static void blank(const char *label, const char *so_pin)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    CK_UTF8CHAR padded[32];
    memset(padded, ' ', sizeof padded);
    for (size_t i = 0; label[i] != '\0' && i < sizeof padded; i++) {
        padded[i] = (CK_UTF8CHAR)label[i];
    }
    check(p11->C_GetSlotList(CK_TRUE, slots, &n), "C_GetSlotList");
    check(p11->C_InitToken(slots[n - 1], (CK_UTF8CHAR_PTR)so_pin, strlen(so_pin), padded),
          "C_InitToken");
}

static CK_ULONG find(CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *out)
{
    CK_ULONG n = 0;
    check(p11->C_FindObjectsInit(session, template, count), "C_FindObjectsInit");
    check(p11->C_FindObjects(session, out, OBJECTS_MAX, &n), "C_FindObjects");
    check(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    return n;
}

static void probe_key(CK_OBJECT_HANDLE key)
{
    uint8_t id[ID_MAX], value[VALUE_MAX];
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE identity = {CKA_ID, id, sizeof id};
    CK_ATTRIBUTE secret = {CKA_VALUE, value, sizeof value};
    CK_ATTRIBUTE weaker = {CKA_EXTRACTABLE, &yes, sizeof yes};

    check(p11->C_GetAttributeValue(session, key, &identity, 1), "C_GetAttributeValue");
    CK_RV read = p11->C_GetAttributeValue(session, key, &secret, 1);
    CK_RV weakened = p11->C_SetAttributeValue(session, key, &weaker, 1);
    for (CK_ULONG i = 0; i < identity.ulValueLen; i++) {
        printf("%02x", id[i]);
    }
    printf(" value:%s weakened:%s\n", read == CKR_OK ? "readable" : "refused",
           weakened == CKR_OK ? "yes" : "refused");
}

static void probe(void)
{
    const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_SECRET_KEY};
    for (size_t c = 0; c < sizeof classes / sizeof classes[0]; c++) {
        CK_OBJECT_CLASS class = classes[c];
        CK_ATTRIBUTE template = {CKA_CLASS, &class, sizeof class};
        CK_OBJECT_HANDLE keys[OBJECTS_MAX];
        CK_ULONG n = find(&template, 1, keys);
        for (CK_ULONG i = 0; i < n; i++) {
            probe_key(keys[i]);
        }
    }
}

static size_t parse_hex(const char *hex, uint8_t out[static ID_MAX])
{
    size_t n = 0;
    unsigned octet;
    while (n < ID_MAX && sscanf(hex + 2 * n, "%2x", &octet) == 1) {
        out[n++] = (uint8_t)octet;
    }
    return n;
}

static void create(const char *hex, bool sensitive, bool extractable, bool encrypts)
{
    uint8_t id[ID_MAX];
    size_t id_len = parse_hex(hex, id);
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE, encrypt = encrypts;
    CK_BBOOL is_sensitive = sensitive, is_extractable = extractable;
    CK_ULONG len = AES_256;
    CK_OBJECT_HANDLE key;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SIGN, &yes, sizeof yes},
        {CKA_VERIFY, &no, sizeof no},
        {CKA_ENCRYPT, &encrypt, sizeof encrypt},
        {CKA_DECRYPT, &no, sizeof no},
        {CKA_WRAP, &no, sizeof no},
        {CKA_UNWRAP, &no, sizeof no},
        {CKA_DERIVE, &no, sizeof no},
        {CKA_SENSITIVE, &is_sensitive, sizeof is_sensitive},
        {CKA_EXTRACTABLE, &is_extractable, sizeof is_extractable},
        {CKA_VALUE_LEN, &len, sizeof len},
        {CKA_ID, id, id_len},
    };
    check(p11->C_GenerateKey(session, &mechanism, template, sizeof template / sizeof template[0],
                             &key),
          "C_GenerateKey");
}

static void plant(const char *hex, bool wraps, const char *label, const char *value_hex)
{
    uint8_t id[ID_MAX], value[ID_MAX];
    size_t id_len = parse_hex(hex, id), value_len = parse_hex(value_hex, value);
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE, sign = !wraps, wrap = wraps;
    CK_OBJECT_HANDLE key;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_SIGN, &sign, sizeof sign},
        {CKA_WRAP, &wrap, sizeof wrap},
        {CKA_VERIFY, &no, sizeof no},
        {CKA_ENCRYPT, &no, sizeof no},
        {CKA_DECRYPT, &no, sizeof no},
        {CKA_UNWRAP, &no, sizeof no},
        {CKA_DERIVE, &no, sizeof no},
        {CKA_ID, id, id_len},
        {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
        {CKA_VALUE, value, value_len},
    };
    check(p11->C_CreateObject(session, template, sizeof template / sizeof template[0], &key),
          "C_CreateObject");
}

/* -- make -- */

static struct trait { /* of a key that is as it should be; words change them */
    const char *word;
    CK_ATTRIBUTE_TYPE type;
    CK_BBOOL value;
    bool secret, private; /* which keys have it */
} traits[] = {
    {"token", CKA_TOKEN, CK_TRUE, true, true},
    {"private", CKA_PRIVATE, CK_TRUE, true, true},
    {"sensitive", CKA_SENSITIVE, CK_TRUE, true, true},
    {"extractable", CKA_EXTRACTABLE, CK_FALSE, true, true},
    {"sign", CKA_SIGN, CK_FALSE, true, true},
    {"sign-recover", CKA_SIGN_RECOVER, CK_FALSE, false, true},
    {"verify", CKA_VERIFY, CK_FALSE, true, false},
    {"encrypt", CKA_ENCRYPT, CK_FALSE, true, false},
    {"decrypt", CKA_DECRYPT, CK_FALSE, true, true},
    {"wrap", CKA_WRAP, CK_FALSE, true, false},
    {"unwrap", CKA_UNWRAP, CK_FALSE, true, true},
    {"derive", CKA_DERIVE, CK_FALSE, true, true},
    {"copyable", CKA_COPYABLE, CK_FALSE, true, true},
    {"modifiable", CKA_MODIFIABLE, CK_FALSE, true, true},
};

enum { TRAITS = sizeof traits / sizeof traits[0], TEMPLATE_MAX = TRAITS + 8 };

static void take_words(char **words, int n)
{
    for (int w = 0; w < n; w++) {
        bool no = strncmp(words[w], "not-", 4) == 0, known = false;
        for (size_t i = 0; i < TRAITS; i++) {
            if (strcmp(words[w] + (no ? 4 : 0), traits[i].word) == 0) {
                traits[i].value = no ? CK_FALSE : CK_TRUE;
                known = true;
            }
        }
        if (!known) {
            fprintf(stderr, "%s is no trait of a key\n", words[w]);
            exit(1);
        }
    }
}

static void make_secret(bool known, CK_ATTRIBUTE *t, CK_ULONG n)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG len = AES_256;
    uint8_t value[AES_256];
    CK_OBJECT_HANDLE key;
    memset(value, 7, sizeof value);
    if (!known) {
        t[n++] = (CK_ATTRIBUTE){CKA_VALUE_LEN, &len, sizeof len};
        check(p11->C_GenerateKey(session, &generate, t, n, &key), "C_GenerateKey");
        return;
    }
    t[n++] = (CK_ATTRIBUTE){CKA_CLASS, &class, sizeof class};
    t[n++] = (CK_ATTRIBUTE){CKA_KEY_TYPE, &type, sizeof type};
    t[n++] = (CK_ATTRIBUTE){CKA_VALUE, value, sizeof value};
    check(p11->C_CreateObject(session, t, n, &key), "C_CreateObject");
}

static void make_pair(bool rsa, CK_ATTRIBUTE *t, CK_ULONG n, CK_ATTRIBUTE id, CK_ATTRIBUTE label)
{
    static uint8_t p256[] = {0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
    static uint8_t exponent[] = {1, 0, 1};
    CK_MECHANISM generate = {rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG bits = 2048;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE public[] = {
        {CKA_TOKEN, &yes, sizeof yes},
        id,
        label,
        rsa ? (CK_ATTRIBUTE){CKA_MODULUS_BITS, &bits, sizeof bits}
            : (CK_ATTRIBUTE){CKA_EC_PARAMS, p256, sizeof p256},
        {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent},
    };
    CK_OBJECT_HANDLE keys[2];
    check(p11->C_GenerateKeyPair(session, &generate, public, rsa ? 5 : 4, t, n, &keys[0], &keys[1]),
          "C_GenerateKeyPair");
}

static void make(const char *kind, const char *hex, const char *label)
{
    uint8_t id[ID_MAX];
    bool secret = strcmp(kind, "aes") == 0 || strcmp(kind, "known") == 0;
    CK_ATTRIBUTE identity = {CKA_ID, id, parse_hex(hex, id)};
    CK_ATTRIBUTE name = {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)};
    CK_ATTRIBUTE t[TEMPLATE_MAX] = {identity, name};
    CK_ULONG n = 2;
    for (size_t i = 0; i < TRAITS; i++) {
        if (secret ? traits[i].secret : traits[i].private) {
            t[n++] = (CK_ATTRIBUTE){traits[i].type, &traits[i].value, sizeof traits[i].value};
        }
    }
    if (secret) {
        make_secret(strcmp(kind, "known") == 0, t, n);
    } else {
        make_pair(strcmp(kind, "rsa") == 0, t, n, identity, name);
    }
}

static void destroy(const char *hex)
{
    uint8_t id[ID_MAX];
    size_t id_len = parse_hex(hex, id);
    CK_ATTRIBUTE template = {CKA_ID, id, id_len};
    CK_OBJECT_HANDLE objects[OBJECTS_MAX];
    CK_ULONG n = find(&template, 1, objects);
    for (CK_ULONG i = 0; i < n; i++) {
        check(p11->C_DestroyObject(session, objects[i]), "C_DestroyObject");
    }
}

/* The one private or secret key of this identity. */
static CK_OBJECT_HANDLE find_key(const char *hex)
{
    uint8_t id[ID_MAX];
    size_t id_len = parse_hex(hex, id);
    const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_SECRET_KEY};
    CK_OBJECT_HANDLE keys[OBJECTS_MAX];
    for (size_t c = 0; c < sizeof classes / sizeof classes[0]; c++) {
        CK_OBJECT_CLASS class = classes[c];
        CK_ATTRIBUTE search[] = {{CKA_CLASS, &class, sizeof class}, {CKA_ID, id, id_len}};
        if (find(search, 2, keys) == 1) {
            return keys[0];
        }
    }
    (void)fputs("no such key\n", stderr);
    exit(1);
}

static void reidentify(const char *hex, const char *new_hex)
{
    uint8_t id[ID_MAX];
    size_t id_len = parse_hex(new_hex, id);
    CK_OBJECT_HANDLE key = find_key(hex), copy;
    CK_ATTRIBUTE identity = {CKA_ID, id, id_len};
    CK_RV set = p11->C_SetAttributeValue(session, key, &identity, 1);
    CK_RV copied = p11->C_CopyObject(session, key, &identity, 1, &copy);
    printf("set:%s copied:%s\n", set == CKR_OK ? "done" : "refused",
           copied == CKR_OK ? "done" : "refused");
}

static void unwrap_readable(const char *hex, const char *path)
{
    uint8_t id[ID_MAX], wrapped[WRAPPED_MAX];
    size_t id_len = parse_hex(hex, id);
    CK_OBJECT_CLASS private_class = CKO_PRIVATE_KEY, secret_class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE search[] = {{CKA_CLASS, &private_class, sizeof private_class},
                             {CKA_ID, id, id_len}};
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &secret_class, sizeof secret_class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},
        {CKA_SENSITIVE, &no, sizeof no},
        {CKA_EXTRACTABLE, &yes, sizeof yes},
    };
    CK_RSA_PKCS_OAEP_PARAMS oaep = {
        .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
    CK_OBJECT_HANDLE keys[OBJECTS_MAX], unwrapped;
    FILE *file = fopen(path, "rb");
    size_t len = file == NULL ? 0 : fread(wrapped, 1, sizeof wrapped, file);

    if (len == 0 || find(search, 2, keys) != 1) {
        (void)fputs("no such key or file\n", stderr);
        exit(1);
    }
    (void)fclose(file);
    check(p11->C_UnwrapKey(session, &mechanism, keys[0], wrapped, len, template,
                           sizeof template / sizeof template[0], &unwrapped),
          "C_UnwrapKey");
}

static void put_record(const char *application, const char *label, const char *value, bool open)
{
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_BBOOL yes = CK_TRUE, private = !open;
    CK_OBJECT_HANDLE object;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &private, sizeof private},
        {CKA_APPLICATION, (void *)(uintptr_t)application, strlen(application)},
        {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
        {CKA_VALUE, (void *)(uintptr_t)value, strlen(value)},
    };
    check(p11->C_CreateObject(session, template, sizeof template / sizeof template[0], &object),
          "C_CreateObject");
}

static void forget(const char *application)
{
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_OBJECT_HANDLE objects[OBJECTS_MAX];
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_APPLICATION, (void *)(uintptr_t)application, strlen(application)},
    };
    CK_ULONG n = find(template, 2, objects);
    for (CK_ULONG i = 0; i < n; i++) {
        check(p11->C_DestroyObject(session, objects[i]), "C_DestroyObject");
    }
}

int main(int argc, char **argv)
{
    const char *verb = argc > 4 ? argv[4] : "";
    if (!(argc == 5 && strcmp(verb, "probe") == 0) && !(argc == 5 && strcmp(verb, "blank") == 0) &&
        !(argc == 6 && (strcmp(verb, "destroy") == 0 || strcmp(verb, "forget") == 0)) &&
        !(argc == 8 && (strcmp(verb, "record") == 0 || strcmp(verb, "open-record") == 0)) &&
        !(argc >= 8 && strcmp(verb, "make") == 0) &&
        !((argc == 8 || argc == 9) && strcmp(verb, "create") == 0) &&
        !(argc == 7 && strcmp(verb, "unwrap-readable") == 0) &&
        !(argc == 7 && strcmp(verb, "reidentify") == 0) &&
        !(argc == 9 && strcmp(verb, "plant") == 0)) {
        (void)fputs("usage: see the head of token_tool.c\n", stderr);
        return 2;
    }
    load(argv[1]);
    if (strcmp(verb, "blank") == 0) {
        blank(argv[2], argv[3]);
        return 0;
    }
    login(argv[2], argv[3]);
    if (strcmp(verb, "probe") == 0) {
        probe();
    } else if (strcmp(verb, "destroy") == 0) {
        destroy(argv[5]);
    } else if (strcmp(verb, "reidentify") == 0) {
        reidentify(argv[5], argv[6]);
    } else if (strcmp(verb, "unwrap-readable") == 0) {
        unwrap_readable(argv[5], argv[6]);
    } else if (strcmp(verb, "record") == 0) {
        put_record(argv[5], argv[6], argv[7], false);
    } else if (strcmp(verb, "open-record") == 0) {
        put_record(argv[5], argv[6], argv[7], true);
    } else if (strcmp(verb, "make") == 0) {
        take_words(argv + 8, argc - 8);
        make(argv[5], argv[6], argv[7]);
    } else if (strcmp(verb, "forget") == 0) {
        forget(argv[5]);
    } else if (strcmp(verb, "plant") == 0) {
        plant(argv[5], strcmp(argv[6], "wrap") == 0, argv[7], argv[8]);
    } else {
        create(argv[5], strcmp(argv[6], "sensitive") == 0, strcmp(argv[7], "extractable") == 0,
               argc == 9 && strcmp(argv[8], "encrypt") == 0);
    }
    check(p11->C_Finalize(NULL), "C_Finalize");
    return 0;
}
