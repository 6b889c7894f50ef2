/*
 * What a token must say of a key before it is used: its class, that it cannot be read or leave,
 * that it was made in the token, and that it may do the one thing of its purpose and nothing else.
 *
 * A KEK is the one key that is made elsewhere: it enters wrapped, and a record in the token,
 * written by the ceremony that unwrapped it, holds its fingerprint (kek.h).
 */
#ifndef HSM_KEY_RULES_H
#define HSM_KEY_RULES_H

#include "hsm/token/keys.h"

enum attribute_answer { ATTRIBUTE_NO, ATTRIBUTE_YES, ATTRIBUTE_UNSTATED };

/* Every attribute that is looked at, with the word that reports it. */
struct key_attribute {
    CK_ATTRIBUTE_TYPE type;
    const char *word;
};
enum { KEY_ATTRIBUTE_COUNT = 16 };
extern const struct key_attribute key_attributes[KEY_ATTRIBUTE_COUNT];

enum attribute_answer key_attribute_read(struct token *t, CK_OBJECT_HANDLE object,
                                         CK_ATTRIBUTE_TYPE type);

/* The class of the object that holds the secret, and the one use it has (CKA_SIGN, CKA_WRAP). */
CK_OBJECT_CLASS key_class(enum key_purpose purpose);
CK_ATTRIBUTE_TYPE key_use(enum key_purpose purpose);

/* Why a key must not be used, in words that follow "refused, "; NULL when it may. */
const char *key_refusal(struct token *t, const struct token_key *key, CK_OBJECT_CLASS class);
/* The same for a key just made here, of which more is asked: it was never weaker, and nobody can
 * change or copy it. */
const char *key_weakness(struct token *t, const struct token_key *key);

#endif
