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

/* What a return value asks for (ckr.def), in the order of how far it goes. */
enum rv_action {
#define ACTION(name, what, test) RV_##name,
#include "hsm/token/ckr.def"
#undef ACTION
};

enum {
    TOKEN_LABEL_LEN = 32, /* CK_TOKEN_INFO.label, blank padded */
    TOKEN_SERIAL_LEN = 16,
    PIN_MAX = 255, /* bytes of a PIN */
};

struct token {
    CK_FUNCTION_LIST_PTR p11;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session; /* CK_INVALID_HANDLE: none */
    char label[TOKEN_LABEL_LEN + 1];
    unsigned char serial[TOKEN_SERIAL_LEN];
    bool pin_refused;       /* what token_login() got to hear */
    enum rv_action trouble; /* the most that a return value asked for since recovery.c looked */
    void *uri;              /* P11KitUri */
    void *libp11;           /* PKCS11_CTX */
    void *module;           /* dlopen's handle: keeps p11 valid */
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
/* A value without an entry in the table, a vendor's, asks for RV_SESSION. */
enum rv_action rv_action(CK_RV rv);

/* OK or TOKEN_ERROR, the failure logged with the function's name and noted in t->trouble. */
MUST_CHECK enum status token_rv(struct token *t, const char *function, CK_RV rv);
/* Whether one of them told that the session or more is gone, and with it all that follows. */
static inline bool token_lost(const struct token *t)
{
    return t->trouble >= RV_LOGIN;
}
/* As token_rv(), of a question that the token may well answer with no: an attribute that is not
 * there, a mechanism that it lacks. What is more than a no is a failure, logged and noted. */
bool token_says(struct token *t, const char *function, CK_RV rv);

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

/* Whether the slot holds the token that token_find() found: OK or TOKEN_ERROR. */
MUST_CHECK enum status token_same(struct token *t);

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

/* Reads a PIN from a file that only its owner may read, or from a descriptor (fd:N); pin in
 * secret_alloc'd memory, freed by the caller. BAD_REQUEST. */
MUST_CHECK enum status pin_read(struct pin **out, const char *path);
/* The configured PIN file's path, or the systemd credential's; NULL when there is neither. */
const char *pin_path(const struct config *c, char *buf, size_t cap);

/* Waits a little longer each time for what another process is writing; false: it was enough. */
bool token_race_pause(unsigned tries);

/* Opens the session and logs in as the user. DENIED: the PIN is wrong, never tried again.
 * TOKEN_ERROR for everything else. */
MUST_CHECK enum status token_login(struct token *t, const struct pin *pin, bool read_write);

/* Puts a new session in the place of the one there is, which may be dead. */
MUST_CHECK enum status token_session_renew(struct token *t);
/* Logs the session in that lost its login; one that has it is left alone, *fresh then false. DENIED
 * and TOKEN_ERROR as above. */
MUST_CHECK enum status token_login_again(struct token *t, const struct config *config, bool *fresh);

/* Puts a read-write session in the place of the read-only one, which is logged in, and back. */
MUST_CHECK enum status token_write_begin(struct token *t, CK_SESSION_HANDLE *kept);
void token_write_end(struct token *t, CK_SESSION_HANDLE kept);

#endif
