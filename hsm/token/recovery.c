#include "hsm/token/recovery.h"

#include "hsm/log.h"
#include "hsm/upkeep.h"

/* A session that is logged in, and keys whose handles are this login's. */
static enum status renew(struct custodian *c, enum rv_action asked)
{
    const bool stale = asked >= RV_KEYS;
    bool fresh;
    if (asked != RV_KEYS) {
        TRY(token_session_renew(&c->token));
    }
    TRY(token_login_again(&c->token, c->config, &fresh));
    if ((fresh || stale) && !upkeep_reload(c)) {
        return STATUS_TOKEN_ERROR;
    }
    log_line(fresh   ? "logged in to the token again"
             : stale ? "the token's keys are loaded again"
                     : "a new session with the token");
    return STATUS_OK;
}

/* As at the start, but that the module stays loaded and the token has to be the same one. */
static enum status reopen(struct custodian *c)
{
    struct token *t = &c->token;
    (void)t->p11->C_CloseAllSessions(t->slot);
    t->session = CK_INVALID_HANDLE;
    TRY(token_same(t));
    TRY(renew(c, RV_TOKEN));
    log_line("the token is open again");
    return STATUS_OK;
}

/* Whether trying again in this process can help. */
static enum status judge(struct custodian *c, uint64_t now_ms)
{
    if (c->token.trouble == RV_PROCESS) {
        log_line("the token's module needs a new process");
        return STATUS_TOKEN_ERROR;
    }
    if (c->away_ms == 0) {
        c->away_ms = now_ms;
        log_line("the token is away; it is asked for until it comes back");
    }
    if (now_ms - c->away_ms >= RECOVERY_PATIENCE_MS) {
        log_line("the token did not come back in %d s; a new process is needed",
                 RECOVERY_PATIENCE_MS / 1000);
        return STATUS_TOKEN_ERROR;
    }
    return STATUS_UNAVAILABLE;
}

enum status recovery_run(struct custodian *c, uint64_t now_ms)
{
    const enum rv_action asked = c->token.trouble;
    enum status st = STATUS_TOKEN_ERROR;

    if (asked <= RV_ITEM) {
        c->token.trouble = RV_NONE;
        return STATUS_OK;
    }
    if (asked >= RV_PROCESS) {
        return asked == RV_STAY_DOWN ? STATUS_DENIED : judge(c, now_ms);
    }
    c->token.trouble = RV_NONE;
    if (asked < RV_TOKEN) {
        st = renew(c, asked);
    }
    if (st == STATUS_TOKEN_ERROR && c->token.trouble < RV_PROCESS) {
        st = reopen(c);
    }
    if (st == STATUS_OK) {
        c->away_ms = 0;
        return STATUS_OK;
    }
    if (st == STATUS_DENIED || c->token.trouble == RV_STAY_DOWN) {
        return STATUS_DENIED;
    }
    st = judge(c, now_ms);
    c->token.trouble = RV_TOKEN; /* whatever it was: from the beginning next time */
    return st;
}
