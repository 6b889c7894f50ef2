/*
 * The second operator: a credential beside the PIN, which ceremonies that a single person must not
 * hold alone ask for. The token keeps its Argon2id hash in a record, so it goes with every backup.
 *
 * A rule of this program, not of the token: whoever has the PIN and another PKCS#11 program can do
 * to the token what the PIN allows.
 */
#ifndef HSM_SECOND_H
#define HSM_SECOND_H

#include "hsm/token/token.h"

/* Whether the token asks for one. TOKEN_ERROR. */
MUST_CHECK enum status second_is_set(struct token *t, bool *set);

/* The file against the token's hash; file may be NULL. OK also when the token asks for none and
 * none is given. DENIED: none given, a wrong one, or one given that nothing is known of. */
MUST_CHECK enum status second_check(struct token *t, const char *file);

/* Writes the hash of the file's first line, which must not be the PIN. DENIED, BAD_REQUEST,
 * TOKEN_ERROR. */
MUST_CHECK enum status second_set(struct token *t, const char *file, const struct pin *pin);
MUST_CHECK enum status second_remove(struct token *t);

#endif
