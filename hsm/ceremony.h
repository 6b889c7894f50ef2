/*
 * keys-init: the one place where keys of this service come into being.
 */
#ifndef HSM_CEREMONY_H
#define HSM_CEREMONY_H

#include "hsm/config.h"
#include "proto/curve.h"

enum { SIGN_KEYS_MAX = 16 };

struct ceremony {
    bool init_token;         /* initialise a blank token first */
    const char *so_pin_file; /* with init_token */
    bool missing_only;       /* create what is missing beside what exists */
    size_t curve_count;      /* of the SR keys; 0: every curve a token supports */
    enum curve curves[CURVE_COUNT];
    size_t sign_key_count; /* generic-sign keys on P-256, by name */
    const char *sign_keys[SIGN_KEYS_MAX];
};

/*
 * Creates an SR key a curve, the first ticket and key-set masters, a checkpoint key and the
 * generic-sign keys named, and prints a line a key on
 * stdout. DENIED: keys of these purposes exist already (they are listed and left); other failures
 * as they come, a sentence in the log.
 */
MUST_CHECK enum status ceremony_keys_init(const struct config *config, const struct ceremony *c);

#endif
