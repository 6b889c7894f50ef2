/*
 * keys-init, keys-rotate, keys-second-operator.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hsm/ceremony/second.h"
#include "hsm/ceremony/stage.h"
#include "hsm/log.h"

/* What every token gets beside its sr-establish keys. */
static const enum key_purpose always[] = {KEY_TICKET, KEY_KEYSET, KEY_CHECKPOINT};

static enum curve usual_curve(enum key_purpose purpose)
{
    return key_purpose_is_ec(purpose) ? CURVE_P256 : CURVE_NONE;
}

static bool is_there(const struct key_list *list, const struct key_order *order)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct token_key *key = &list->keys[i];
        if (key->purpose == order->purpose && key->curve == order->curve &&
            (order->name == NULL || strcmp(key->name, order->name) == 0)) {
            return true;
        }
    }
    return false;
}

static enum status create_missing(struct stage *s, struct key_order order)
{
    return is_there(&s->keys, &order) ? STATUS_OK : stage_create(s, order);
}

static enum status create_all(struct stage *s)
{
    static const enum curve every[] = {CURVE_P256, CURVE_BRAINPOOLP256R1};
    const struct ceremony *c = s->asked;
    const enum curve *curves = c->curve_count == 0 ? every : c->curves;
    size_t n = c->curve_count == 0 ? sizeof every / sizeof every[0] : c->curve_count;

    for (size_t i = 0; i < n; i++) {
        TRY(create_missing(s, (struct key_order){.purpose = KEY_SR_ESTABLISH, .curve = curves[i]}));
    }
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        TRY(create_missing(
            s, (struct key_order){.purpose = always[i], .curve = usual_curve(always[i])}));
    }
    for (size_t i = 0; i < c->sign_key_count; i++) {
        TRY(create_missing(s, (struct key_order){.purpose = KEY_GENERIC_SIGN,
                                                 .curve = CURVE_P256,
                                                 .name = c->sign_keys[i]}));
    }
    return STATUS_OK;
}

/* Where a second operator is known, they have to agree; where none is, one may be set here. */
static enum status agree_or_set(struct stage *s)
{
    const char *file = s->asked->second_operator;
    bool set = false;

    if (s->token.session == CK_INVALID_HANDLE) { /* a dry run before there is a token */
        return STATUS_OK;
    }
    TRY(second_is_set(&s->token, &set));
    if (set || file == NULL) {
        return stage_second(s);
    }
    if (stage_only_says(s, "set the second operator")) {
        return STATUS_OK;
    }
    TRY(second_set(&s->token, file, s->pin));
    return stage_event(s, "second-operator set");
}

enum status ceremony_init(struct stage *s)
{
    TRY(agree_or_set(s));
    for (size_t i = 0; i < s->keys.n; i++) {
        stage_print_key(&s->keys.keys[i]);
    }
    if (s->keys.n != 0 && !s->asked->missing_only) {
        log_line("the token holds keys already; they are left as they are. --missing-only makes "
                 "what is missing, eckactl keys rotate a new generation");
        return STATUS_DENIED;
    }
    return create_all(s);
}

/* The generation that a new one follows; NULL after a sentence. */
static const struct token_key *predecessor(struct stage *s)
{
    const struct ceremony *c = s->asked;
    const struct token_key *newest = NULL;

    for (size_t i = 0; i < s->keys.n; i++) {
        const struct token_key *key = &s->keys.keys[i];
        if (key->purpose == c->purpose && (c->name == NULL || strcmp(key->name, c->name) == 0) &&
            (c->curve_count == 0 || key->curve == c->curves[0]) &&
            (newest == NULL || key->generation > newest->generation)) {
            newest = key;
        }
    }
    if (newest == NULL) {
        log_line("the token holds no such %s key to follow; eckactl keys init --missing-only makes "
                 "a first one",
                 key_purpose_name(c->purpose));
    }
    return newest;
}

enum status ceremony_rotate(struct stage *s)
{
    const struct ceremony *c = s->asked;
    if (c->purpose == KEY_KEK) {
        log_line("a KEK comes from the other HSM: eckactl keys import-kek with the same --name "
                 "makes its next generation");
        return STATUS_DENIED;
    }
    const struct token_key *old = predecessor(s);
    if (old == NULL) {
        return STATUS_DENIED;
    }
    TRY(stage_create(s, (struct key_order){.purpose = c->purpose,
                                           .curve = old->curve,
                                           .name = old->name[0] == '\0' ? NULL : old->name}));
    if (!c->dry_run) {
        log_line("done; custodians use it after SIGHUP%s",
                 c->purpose == KEY_SR_ESTABLISH
                     ? " and with its certificate: eckactl keys csr, keys install-cert"
                     : "");
    }
    return STATUS_OK;
}

enum status ceremony_second_operator(struct stage *s)
{
    bool set;
    TRY(second_is_set(&s->token, &set));
    if (!s->asked->remove) {
        printf("second-operator %s\n", set ? "set" : "not set");
        return STATUS_OK;
    }
    if (!set) {
        log_line("the token knows no second operator");
        return STATUS_DENIED;
    }
    TRY(stage_second(s));
    if (stage_only_says(s, "remove the second operator")) {
        return STATUS_OK;
    }
    TRY(second_remove(&s->token));
    return stage_event(s, "second-operator removed");
}
