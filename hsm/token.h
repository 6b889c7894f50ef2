/*
 * One PKCS#11 token: found by its RFC 7512 URI, logged in to, one session.
 *
 * libp11 loads the module and lists its slots; everything after that is raw Cryptoki through the
 * module's own function list, so that each CK_RV is seen. One thread uses a token.
 */
#ifndef HSM_TOKEN_H
#define HSM_TOKEN_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hsm/config.h"
#include "proto/bytes.h"

enum {
    TOKEN_LABEL_LEN = 32, /* CK_TOKEN_INFO.label, blank padded */
    PIN_MAX = 255,        /* bytes of a PIN */
};

struct token {
    CK_FUNCTION_LIST_PTR p11;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session; /* CK_INVALID_HANDLE: none */
    char label[TOKEN_LABEL_LEN + 1];
    bool pin_refused; /* what token_login() got to hear */
    bool lost;        /* the session is gone for good: the process has to start again */
    void *uri;        /* P11KitUri */
    void *libp11;     /* PKCS11_CTX */
    void *module;     /* dlopen's handle: keeps p11 valid */
};

/* A PIN in locked memory. */
struct pin {
    size_t len;
    uint8_t bytes[PIN_MAX + 1];
};

/* -- rv.c -- */

/* "CKR_PIN_INCORRECT"; NULL: the standard has no name for it. */
const char *rv_name(CK_RV rv);
/* "CKR_PIN_INCORRECT (0xa0)" for the log; the text is overwritten by the next call. */
const char *rv_text(CK_RV rv);

/* -- module.c -- */

/* Parses the URI and loads its module. BAD_REQUEST, TOKEN_ERROR; a sentence is in the log. */
MUST_CHECK enum status token_load(struct token *t, const char *uri);
/* Logs out, closes, unloads; also after a failed token_load. */
void token_fini(struct token *t);

/* Finds the one slot whose token the URI names. TOKEN_ERROR: none or several. */
MUST_CHECK enum status token_find(struct token *t);
/* Whether a token that the URI names is there at all. */
bool token_exists(struct token *t);
/* Initialises the first blank slot with the URI's token label. TOKEN_ERROR. */
MUST_CHECK enum status token_initialise(struct token *t, const struct pin *so_pin,
                                        const struct pin *user_pin);

/* OK or TOKEN_ERROR, the failure logged with the function's name; notes a lost session. */
MUST_CHECK enum status token_rv(struct token *t, const char *function, CK_RV rv);

/* -- token_check.c -- */

/* Why keys must not be made in a token with these CKF_ flags, in words that end a sentence; NULL:
 * they may. */
const char *token_weakness(CK_FLAGS flags);
/* The same of the token found, and whether it has the mechanisms. DENIED after a sentence. */
MUST_CHECK enum status token_check(struct token *t);

/* -- login.c -- */

/* Takes the start-up lock; *fd is closed by the caller when the token is ready. INTERNAL. */
MUST_CHECK enum status start_lock(const char *path, int *fd);
/* The same without waiting: BUSY when somebody has it. */
MUST_CHECK enum status start_lock_now(const char *path, int *fd);

/* Reads a PIN from a file that only its owner may read; pin in secret_alloc'd memory, freed by the
 * caller. BAD_REQUEST. */
MUST_CHECK enum status pin_read(struct pin **out, const char *path);
/* The configured PIN file's path, or the systemd credential's; NULL when there is neither. */
const char *pin_path(const struct config *c, char *buf, size_t cap);

/* Opens the session and logs in as the user. DENIED: the PIN is wrong, never tried again.
 * TOKEN_ERROR for everything else. */
MUST_CHECK enum status token_login(struct token *t, const struct pin *pin, bool read_write);

/* Puts a read-write session in the place of the read-only one, which is logged in, and back. */
MUST_CHECK enum status token_write_begin(struct token *t, CK_SESSION_HANDLE *kept);
void token_write_end(struct token *t, CK_SESSION_HANDLE kept);

#endif
