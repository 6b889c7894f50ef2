#include "hsm/ceremony.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "hsm/keys.h"
#include "hsm/log.h"
#include "providers/core/secret.h"

static const enum key_purpose masters[] = {KEY_TICKET, KEY_KEYSET};

static void print_key(const struct token_key *key)
{
    char label[KEY_LABEL_MAX];
    key_label(label, key->purpose, key->generation);
    printf("key %s %" PRIu32 " %s %s ", key_purpose_name(key->purpose), key->generation,
           key->curve == CURVE_NONE ? "AES-256" : curve_name(key->curve), label);
    if (key->curve == CURVE_NONE) {
        puts("-");
        return;
    }
    for (size_t i = 0; i < sizeof key->point; i++) {
        printf("%02x", key->point[i]);
    }
    putchar('\n');
}

/* The key of this purpose, on this curve if it is an SR key. */
static const struct token_key *find_key(const struct key_list *list, enum key_purpose purpose,
                                        enum curve curve)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->keys[i].purpose == purpose && list->keys[i].curve == curve) {
            return &list->keys[i];
        }
    }
    return NULL;
}

static uint32_t next_generation(const struct key_list *list, enum key_purpose purpose)
{
    uint32_t newest = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (list->keys[i].purpose == purpose && list->keys[i].generation > newest) {
            newest = list->keys[i].generation;
        }
    }
    return newest + 1;
}

static bool is_made_here(const struct token_key *key)
{
    return key->purpose == KEY_SR_ESTABLISH || key->purpose == KEY_TICKET ||
           key->purpose == KEY_KEYSET;
}

/* Prints what exists; whether there was anything. */
static bool list_existing(const struct key_list *list)
{
    bool any = false;
    for (size_t i = 0; i < list->n; i++) {
        if (is_made_here(&list->keys[i])) {
            print_key(&list->keys[i]);
            any = true;
        }
    }
    return any;
}

static enum status create_missing(struct token *t, struct key_list *list, enum key_purpose purpose,
                                  enum curve curve)
{
    struct token_key key;
    if (find_key(list, purpose, curve) != NULL) {
        return STATUS_OK;
    }
    if (list->n == TOKEN_KEYS_MAX) {
        log_line("the token holds %d keys already", TOKEN_KEYS_MAX);
        return STATUS_NO_SPACE;
    }
    uint32_t generation = next_generation(list, purpose);
    if (purpose == KEY_SR_ESTABLISH) {
        TRY(keys_create_sr(t, curve, generation, &key));
    } else {
        TRY(keys_create_master(t, purpose, generation, &key));
    }
    list->keys[list->n++] = key;
    print_key(&key);
    return STATUS_OK;
}

static enum status make_keys(struct token *t, const struct ceremony *c)
{
    static const enum curve every[] = {CURVE_P256, CURVE_BRAINPOOLP256R1};
    const enum curve *curves = c->curve_count == 0 ? every : c->curves;
    size_t n = c->curve_count == 0 ? sizeof every / sizeof every[0] : c->curve_count;
    struct key_list list;

    TRY(keys_load(t, &list));
    if (list_existing(&list) && !c->missing_only) {
        log_line("the token holds keys already; they are left as they are");
        return STATUS_DENIED;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(create_missing(t, &list, KEY_SR_ESTABLISH, curves[i]));
    }
    for (size_t i = 0; i < sizeof masters / sizeof masters[0]; i++) {
        TRY(create_missing(t, &list, masters[i], CURVE_NONE));
    }
    return fflush(stdout) == 0 ? STATUS_OK : STATUS_INTERNAL;
}

/* The token, blank or not, becomes one that can be logged in to. */
static enum status prepare_token(struct token *t, const struct ceremony *c, const struct pin *pin)
{
    if (!c->init_token || (c->missing_only && token_exists(t))) {
        return token_find(t);
    }
    if (token_exists(t)) {
        log_line("a token answers to the URI already; it is not initialised again");
        return STATUS_DENIED;
    }
    struct pin *so_pin;
    TRY(pin_read(&so_pin, c->so_pin_file));
    enum status st = token_initialise(t, so_pin, pin);
    secret_free(&so_pin);
    return st;
}

enum status ceremony_keys_init(const struct config *config, const struct ceremony *c)
{
    struct token token;
    struct pin *pin = NULL;
    char path[4096];
    int lock;

    TRY(start_lock(config->lock_file, &lock));
    enum status st = token_load(&token, config->token);
    if (st == STATUS_OK) {
        st = pin_read(&pin, pin_path(config, path, sizeof path));
    }
    if (st == STATUS_OK) {
        st = prepare_token(&token, c, pin);
    }
    if (st == STATUS_OK) {
        st = token_login(&token, pin, true);
    }
    if (st == STATUS_OK) {
        st = make_keys(&token, c);
    }
    secret_free(&pin);
    token_fini(&token);
    close(lock);
    return st;
}
