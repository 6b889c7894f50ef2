/*
 * What the parts of the scripted PKCS#11 module share. README.md has the language of scripts.
 *
 * Any thread may call in. What a script says is read under one lock, which nobody holds while a
 * call waits or is in the real module.
 */
#ifndef TESTS_PKCS11_SCRIPTED_H
#define TESTS_PKCS11_SCRIPTED_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum call {
#define CALL(name, shape)      CALL_##name,
#define CALL_OUT(name, shape)  CALL_##name,
#define CALL_LIED(name, shape) CALL_##name,
#include "tests/pkcs11/scripted_calls.def"
#undef CALL
#undef CALL_OUT
#undef CALL_LIED
    CALL_COUNT
};

enum { RULES_MAX = 64, LIES_MAX = 64, LIE_ID_MAX = 32 };

enum deed {
    DEED_NONE,
    DEED_RV,
    DEED_DELAY,
    DEED_HANG,
    DEED_CRASH,
    DEED_VANISH,
    DEED_RESET,
    DEED_FLIP,
};

struct rule {
    bool calls[CALL_COUNT];
    unsigned thread;          /* 0: any; else numbered by their first call */
    uint64_t from, to, every; /* of the calls that it is about, from 1; every: 0 or a period */
    bool after;               /* the call is made first */
    enum deed deed;
    CK_RV rv;    /* of RV and VANISH */
    uint64_t ms; /* of DELAY, HANG and VANISH; 0: until the script changes */
};

enum lie_kind {
    LIE_SAY,     /* C_GetAttributeValue says so */
    LIE_MAKE,    /* new keys come out so, whatever was asked for */
    LIE_UNKNOWN, /* no template for a new key may name it */
};

struct lie {
    enum lie_kind kind;
    CK_ATTRIBUTE_TYPE type;
    CK_BBOOL value;
    size_t id_len; /* of SAY: 0: every object */
    uint8_t id[LIE_ID_MAX];
};

struct script {
    uint64_t hash; /* of its text; 0: there is none */
    size_t n_rules, n_lies;
    struct rule rules[RULES_MAX];
    struct lie lies[LIES_MAX];
};

extern CK_FUNCTION_LIST_PTR real; /* SoftHSM's, or whatever ECKA_P11_MODULE names */

/* -- scripted_text.c -- */

/* Ends the program with a sentence when the text is no script. */
void script_parse(struct script *out, const char *text);
const char *call_name(enum call call);

/* -- scripted_rules.c -- */

struct fate { /* of one call */
    CK_RV rv;
    bool flip;
    struct rule after; /* deed DEED_NONE: nothing */
};

/* Counts the call and does what the script says; true: it is not made, fate->rv is its answer. */
bool script_before(enum call call, struct fate *fate);
/* What the caller gets to hear of a call that was made. */
CK_RV script_after(const struct fate *fate, CK_RV rv);
bool script_token_is_gone(void);
/* A copy of the lies as they are now; how many. */
size_t script_lies(struct lie out[static LIES_MAX]);

/* -- scripted_lies.c: calls whose answers are made up, with the signatures of the real ones -- */

CK_RV lied_C_GetSlotList(CK_BBOOL present, CK_SLOT_ID_PTR slots, CK_ULONG_PTR count);
CK_RV lied_C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO_PTR info);
CK_RV lied_C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                               CK_ATTRIBUTE_PTR template, CK_ULONG n);
CK_RV lied_C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                         CK_ATTRIBUTE_PTR template, CK_ULONG n, CK_OBJECT_HANDLE_PTR key);
CK_RV lied_C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                             CK_ATTRIBUTE_PTR publics, CK_ULONG n_publics,
                             CK_ATTRIBUTE_PTR privates, CK_ULONG n_privates,
                             CK_OBJECT_HANDLE_PTR public, CK_OBJECT_HANDLE_PTR private);
CK_RV lied_C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                       CK_OBJECT_HANDLE unwrapping, CK_BYTE_PTR wrapped, CK_ULONG len,
                       CK_ATTRIBUTE_PTR template, CK_ULONG n, CK_OBJECT_HANDLE_PTR key);
CK_RV lied_C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE base,
                       CK_ATTRIBUTE_PTR template, CK_ULONG n, CK_OBJECT_HANDLE_PTR key);

#endif
