/*
 * Generation keys: what blobs are sealed with, derived from the token's masters at start and kept
 * in locked memory. The masters themselves never leave the token.
 *
 * Generation key = SP 800-108 counter mode with AES-CMAC in the token, two blocks:
 *   CMAC(master, i(4) || label || 00 || generation(4) || 256(4)), i = 1, 2.
 * The salt key of a generation = HKDF-SHA-256(generation key, info "eckad salt 1").
 */
#ifndef HSM_GENERATION_H
#define HSM_GENERATION_H

#include "hsm/token/keys.h"
#include "hsm/uses.h"
#include "providers/kdf/sym.h"

enum {
    GENERATIONS_MAX = 32, /* of tickets and key sets together */
    GENERATION_KEY_LEN = SYM_AES256_KEY_LEN,
};

struct generation {
    enum key_purpose purpose; /* ticket or keyset */
    uint32_t number;
    uint8_t key[GENERATION_KEY_LEN];
    uint8_t salt_key[GENERATION_KEY_LEN];
};

struct generations { /* in secret_alloc'd memory */
    size_t n;
    struct generation list[GENERATIONS_MAX];
    /* Asked when a blob names a generation that is not here, unless NULL; true: look again. */
    bool (*look_again)(void *arg, enum key_purpose purpose, uint32_t number);
    void *look_arg;
    struct use_counts *uses; /* unless NULL */
};

/* Adds a generation; what a test does without a token. NO_SPACE, INTERNAL. */
MUST_CHECK enum status generations_add(struct generations *g, struct sym *sym,
                                       enum key_purpose purpose, uint32_t number,
                                       const uint8_t key[static GENERATION_KEY_LEN]);

/* Derives every generation whose master is among the keys and wipes those whose master is not.
 * TOKEN_ERROR when one of the two purposes would have none: then nothing is wiped. */
MUST_CHECK enum status generations_sync(struct generations *g, struct sym *sym, struct token *t,
                                        const struct key_list *keys);

/* The one of this number, the newest; NULL when there is none. */
const struct generation *generation_find(const struct generations *g, enum key_purpose purpose,
                                         uint32_t number);
const struct generation *generation_newest(const struct generations *g, enum key_purpose purpose);

/* The one that a blob names, after another look into the token when it is not known. */
const struct generation *generation_named(const struct generations *g, enum key_purpose purpose,
                                          uint32_t number);
/* Counts that a blob was opened or sealed under it, for a key-set generation. */
void generation_used(const struct generations *g, const struct generation *used);

/* Has the token derive the newest ticket generation once more: OK when it is the one there is, or
 * TOKEN_ERROR. */
MUST_CHECK enum status generation_try(const struct generations *g, struct token *t,
                                      const struct key_list *keys);

#endif
