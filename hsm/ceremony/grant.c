/*
 * keys-grant: who may have key sets rewrapped under which KEK, and how many.
 */
#include <inttypes.h>
#include <stdio.h>

#include "hsm/ceremony/stage.h"
#include "hsm/log.h"
#include "hsm/operation/grants.h"

static enum status revoke(struct stage *s)
{
    const struct ceremony *c = s->asked;
    if (stage_only_says(s, "revoke the grant of %s for %s", c->principal, c->name)) {
        return STATUS_OK;
    }
    TRY(grants_revoke(&s->token, c->principal, c->name));
    printf("revoked %s %s\n", c->principal, c->name);
    return stage_event(s, "revoked principal=%s kek=%s", c->principal, c->name);
}

enum status ceremony_grant(struct stage *s)
{
    const struct ceremony *c = s->asked;

    TRY(stage_second(s));
    if (c->revoke) {
        return revoke(s);
    }
    if (keys_newest(&s->keys, KEY_KEK, c->name) == NULL) {
        log_line("the token holds no KEK %s; eckactl keys import-kek brings one in", c->name);
        return STATUS_DENIED;
    }
    if (stage_only_says(s, "grant %s %" PRIu64 " key sets under %s", c->principal, c->quota,
                        c->name)) {
        return STATUS_OK;
    }
    TRY(grants_create(&s->token, c->principal, c->name, c->quota, s->now));
    printf("granted %s %s %" PRIu64 "\n", c->principal, c->name, c->quota);
    return stage_event(s, "granted principal=%s kek=%s quota=%" PRIu64, c->principal, c->name,
                       c->quota);
}
