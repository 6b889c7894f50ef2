#include "hsm/sealed/generation.h"

#include <string.h>

#include "hsm/log.h"
#include "providers/core/secret.h"

static const char salt_info[] = "eckad salt 1";

enum status generations_add(struct generations *g, struct sym *sym, enum key_purpose purpose,
                            uint32_t number, const uint8_t key[static GENERATION_KEY_LEN])
{
    if (g->n == GENERATIONS_MAX) {
        return STATUS_NO_SPACE;
    }
    struct generation *new = &g->list[g->n];
    TRY(sym_hkdf(sym, span_of(key, GENERATION_KEY_LEN), span_of(NULL, 0),
                 span_of(salt_info, sizeof salt_info - 1), new->salt_key, sizeof new->salt_key));
    new->purpose = purpose;
    new->number = number;
    memcpy(new->key, key, GENERATION_KEY_LEN);
    g->n++;
    return STATUS_OK;
}

static enum status derive_key(struct token *t, const struct token_key *master,
                              uint8_t out[static GENERATION_KEY_LEN])
{
    for (size_t i = 0; i < GENERATION_KEY_LEN / SYM_CMAC_LEN; i++) {
        uint8_t input[64];
        struct writer w = writer_of(input, sizeof input);
        put_be(&w, i + 1, 4);
        put_bytes(&w, "eckad ", 6);
        put_bytes(&w, key_purpose_name(master->purpose), strlen(key_purpose_name(master->purpose)));
        put_u8(&w, 0);
        put_be(&w, master->generation, 4);
        put_be(&w, 8 * GENERATION_KEY_LEN, 4);
        TRY(writer_check(&w));
        TRY(keys_master_cmac(t, master, writer_span(&w), out + i * SYM_CMAC_LEN));
    }
    return STATUS_OK;
}

static void drop(struct generations *g, size_t i)
{
    g->list[i] = g->list[--g->n];
    secret_wipe(&g->list[g->n], sizeof g->list[g->n]);
}

static enum status add_missing(struct generations *g, struct sym *sym, struct token *t,
                               const struct key_list *keys, uint8_t key[static GENERATION_KEY_LEN])
{
    for (size_t i = 0; i < keys->n; i++) {
        const struct token_key *master = &keys->keys[i];
        if (!key_purpose_is_master(master->purpose) ||
            generation_find(g, master->purpose, master->generation) != NULL) {
            continue;
        }
        TRY(derive_key(t, master, key));
        TRY(generations_add(g, sym, master->purpose, master->generation, key));
    }
    return STATUS_OK;
}

enum status generations_sync(struct generations *g, struct sym *sym, struct token *t,
                             const struct key_list *keys)
{
    if (keys_newest(keys, KEY_TICKET, NULL) == NULL ||
        keys_newest(keys, KEY_KEYSET, NULL) == NULL) {
        log_line("the token holds no ticket or no keyset master; run the keys-init ceremony");
        return STATUS_TOKEN_ERROR;
    }
    uint8_t *key = secret_alloc(1, GENERATION_KEY_LEN);
    if (key == NULL) {
        return STATUS_INTERNAL;
    }
    for (size_t i = g->n; i-- > 0;) {
        if (keys_find(keys, g->list[i].purpose, g->list[i].number) == NULL) {
            drop(g, i);
        }
    }
    enum status st = add_missing(g, sym, t, keys, key);
    secret_free(&key);
    if (st == STATUS_NO_SPACE) {
        log_line("the token holds more than %d generations", GENERATIONS_MAX);
    }
    return st;
}

enum status generation_try(const struct generations *g, struct token *t,
                           const struct key_list *keys)
{
    const struct generation *newest = generation_newest(g, KEY_TICKET);
    const struct token_key *master =
        newest == NULL ? NULL : keys_find(keys, KEY_TICKET, newest->number);
    uint8_t *key = secret_alloc(1, GENERATION_KEY_LEN);

    if (master == NULL || key == NULL) {
        secret_free(&key);
        return STATUS_TOKEN_ERROR;
    }
    enum status st = derive_key(t, master, key);
    if (st == STATUS_OK && !secret_equal(key, newest->key, GENERATION_KEY_LEN)) {
        log_line("the token derives another ticket generation %u than before", newest->number);
        st = STATUS_TOKEN_ERROR;
    }
    secret_free(&key);
    return st;
}

const struct generation *generation_find(const struct generations *g, enum key_purpose purpose,
                                         uint32_t number)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->list[i].purpose == purpose && g->list[i].number == number) {
            return &g->list[i];
        }
    }
    return NULL;
}

const struct generation *generation_newest(const struct generations *g, enum key_purpose purpose)
{
    const struct generation *newest = NULL;
    for (size_t i = 0; i < g->n; i++) {
        if (g->list[i].purpose == purpose &&
            (newest == NULL || g->list[i].number > newest->number)) {
            newest = &g->list[i];
        }
    }
    return newest;
}

const struct generation *generation_named(const struct generations *g, enum key_purpose purpose,
                                          uint32_t number)
{
    const struct generation *found = generation_find(g, purpose, number);
    if (found == NULL && g->look_again != NULL && g->look_again(g->look_arg, purpose, number)) {
        found = generation_find(g, purpose, number);
    }
    return found;
}

void generation_used(const struct generations *g, const struct generation *used)
{
    if (g->uses != NULL && used->purpose == KEY_KEYSET) { /* tickets end by time */
        uses_add(g->uses, used->purpose, used->number);
    }
}
