#include "hsm/ceremony.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hsm/keys.h"
#include "hsm/log.h"
#include "providers/core/secret.h"

/* What every token gets beside its sr-establish keys. */
static const enum key_purpose always[] = {KEY_TICKET, KEY_KEYSET, KEY_CHECKPOINT};

static void print_key(const struct token_key *key)
{
    char label[KEY_LABEL_MAX];
    if (key->name[0] != '\0') {
        snprintf(label, sizeof label, "%s", key->name);
    } else {
        key_label(label, key->purpose, key->generation);
    }
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

/* A key that already is what would be made. */
static const struct token_key *find_key(const struct key_list *list, const struct key_order *order)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct token_key *key = &list->keys[i];
        if (key->purpose == order->purpose && key->curve == order->curve &&
            (order->name == NULL || strcmp(key->name, order->name) == 0)) {
            return key;
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

/* Prints what exists; whether there was anything. */
static bool list_existing(const struct key_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        print_key(&list->keys[i]);
    }
    return list->n != 0;
}

static enum status create_missing(struct token *t, struct key_list *list, struct key_order order)
{
    struct token_key key;
    if (find_key(list, &order) != NULL) {
        return STATUS_OK;
    }
    if (list->n == TOKEN_KEYS_MAX) {
        log_line("the token holds %d keys already", TOKEN_KEYS_MAX);
        return STATUS_NO_SPACE;
    }
    order.generation = next_generation(list, order.purpose);
    order.now = (uint64_t)time(NULL);
    TRY(keys_create(t, &order, &key));
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
        TRY(create_missing(t, &list,
                           (struct key_order){.purpose = KEY_SR_ESTABLISH, .curve = curves[i]}));
    }
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        enum curve curve = key_purpose_is_ec(always[i]) ? CURVE_P256 : CURVE_NONE;
        TRY(create_missing(t, &list, (struct key_order){.purpose = always[i], .curve = curve}));
    }
    for (size_t i = 0; i < c->sign_key_count; i++) {
        TRY(create_missing(t, &list,
                           (struct key_order){.purpose = KEY_GENERIC_SIGN,
                                              .curve = CURVE_P256,
                                              .name = c->sign_keys[i]}));
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
