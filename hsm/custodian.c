#include "hsm/custodian.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hsm/log.h"
#include "hsm/operation/agreement.h"
#include "hsm/recycle.h"
#include "hsm/token/recovery.h"
#include "hsm/upkeep.h"
#include "hsm/watchdog.h"
#include "providers/core/secret.h"

enum {
    TOKEN_SEED_LEN = 48, /* as much as a CTR-DRBG with AES-256 takes in */
    START_TIMES = 10,    /* call_timeout_ms: a start makes as many calls as many batches */
};

static void report_backend(void *arg, const char *sentence)
{
    (void)arg;
    log_line("%s", sentence);
}

static enum status seed_drbg(struct custodian *c)
{
    uint8_t *seed = secret_alloc(1, TOKEN_SEED_LEN);
    if (seed == NULL) {
        return STATUS_INTERNAL;
    }
    enum status st =
        token_rv(&c->token, "C_GenerateRandom",
                 c->token.p11->C_GenerateRandom(c->token.session, seed, TOKEN_SEED_LEN));
    if (st == STATUS_OK) {
        st = drbg_new(&c->drbg, span_of(seed, TOKEN_SEED_LEN));
    }
    secret_free(&seed);
    return st;
}

static enum status open_token(struct custodian *c, const struct config *config)
{
    struct pin *pin;
    char path[4096];

    TRY(token_load(&c->token, config->token));
    TRY(token_find(&c->token));
    TRY(pin_read(&pin, pin_path(config, path, sizeof path)));
    enum status st = token_login(&c->token, pin, false);
    secret_free(&pin);
    return st;
}

static enum status init_arithmetic(struct custodian *c)
{
    TRY(provider_select(report_backend, NULL));
    TRY(provider_new(&c->provider));
    c->sym = provider_sym(c->provider);
    c->generations = secret_alloc(1, sizeof *c->generations);
    c->secrets = secret_alloc(1, sizeof *c->secrets);
    return c->generations == NULL || c->secrets == NULL ? STATUS_INTERNAL : STATUS_OK;
}

static enum status start_leaf(struct custodian *c)
{
    char detail[AUDIT_DETAIL_MAX];
    (void)snprintf(detail, sizeof detail, "token %s, backend %s", c->token.label, provider_name());
    audit_add(c->audit, &(struct audit_event){
                            .op = AUDIT_OP_START, .principal = c->config->name, .detail = detail});
    return audit_commit(c->audit);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A token that failed while it was asked what it can do has said nothing: it is asked once more. */
static enum status probe(struct custodian *c)
{
    agreement_probe(c);
    if (c->token.trouble > RV_ITEM) {
        enum status st = recovery_run(c, now_ms());
        if (st != STATUS_OK) {
            return st == STATUS_DENIED ? st : STATUS_TOKEN_ERROR;
        }
        agreement_probe(c);
    }
    return c->token.trouble < RV_TOKEN ? STATUS_OK : STATUS_TOKEN_ERROR;
}

static enum status init_locked(struct custodian *c, const struct config *config)
{
    TRY(open_token(c, config));
    TRY(keys_load(&c->token, &c->keys));
    TRY(generations_sync(c->generations, c->sym, &c->token, &c->keys));
    TRY(upkeep_init(c, (uint64_t)time(NULL)));
    TRY(seed_drbg(c));
    TRY(recycle_init(c));
    sr_keys_load(c, config->sr_certs);
    TRY(probe(c));
    TRY(audit_open(&c->audit, &config->audit, &c->token, &c->keys));
    return start_leaf(c);
}

enum status custodian_token_agrees(struct token *t, bool out[static CURVE_COUNT])
{
    static struct custodian c; /* too wide for the stack */
    c = (struct custodian){.token = *t};
    enum status st = init_arithmetic(&c);
    if (st == STATUS_OK) {
        st = seed_drbg(&c);
    }
    if (st == STATUS_OK) {
        agreement_probe(&c);
        memcpy(out, c.token_agrees, sizeof c.token_agrees);
        t->trouble = c.token.trouble;
    }
    secret_free(&c.secrets);
    secret_free(&c.generations);
    drbg_free(&c.drbg);
    provider_free(&c.provider);
    return st;
}

enum status custodian_init(struct custodian *c, const struct config *config)
{
    int lock;

    *c = (struct custodian){
        .token.session = CK_INVALID_HANDLE, .config = config, .tars = config->tars};
    TRY(init_arithmetic(c));
    TRY(watchdog_init(config->name, config->call_timeout_ms));
    TRY(start_lock(config->lock_file, &lock));
    watchdog_begin(START_TIMES);
    enum status st = init_locked(c, config);
    watchdog_end();
    close(lock);
    return st;
}

void custodian_fini(struct custodian *c)
{
    upkeep_fini(c);
    audit_close(&c->audit);
    secret_free(&c->secrets);
    secret_free(&c->generations);
    drbg_free(&c->drbg);
    provider_free(&c->provider);
    token_fini(&c->token);
}
