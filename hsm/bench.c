#include "hsm/bench.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hsm/log.h"
#include "hsm/token/keys.h"
#include "providers/core/secret.h"

enum { BURST = 64 }; /* calls between two looks at the clock; and the warm-up */

static double clock_s(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const struct token_key *signing_key(const struct key_list *keys)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (keys->keys[i].purpose == KEY_SR_ESTABLISH && keys->keys[i].curve == CURVE_P256) {
            return &keys->keys[i];
        }
    }
    return NULL;
}

static enum status burst(struct token *t, const struct token_key *key)
{
    uint8_t digest[SHA256_LEN], signature[EC_SIGNATURE_LEN];
    for (unsigned i = 0; i < BURST; i++) {
        memset(digest, (int)(i + 1), sizeof digest);
        TRY(keys_sign_sr(t, key, digest, signature));
    }
    return STATUS_OK;
}

static enum status measure(struct token *t, double seconds)
{
    struct key_list keys;
    unsigned long long calls = 0;

    TRY(keys_load(t, &keys));
    const struct token_key *key = signing_key(&keys);
    if (key == NULL) {
        log_line("the token holds no sr-establish key on P-256 to sign with");
        return STATUS_BAD_REQUEST;
    }
    TRY(burst(t, key));
    const double wall = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    do {
        TRY(burst(t, key));
        calls += BURST;
    } while (clock_s(CLOCK_MONOTONIC) - wall < seconds);
    printf("{\"calls\": %llu, \"cpu_s\": %.6f, \"wall_s\": %.6f}\n", calls,
           clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu, clock_s(CLOCK_MONOTONIC) - wall);
    return fflush(stdout) == 0 ? STATUS_OK : STATUS_INTERNAL;
}

static enum status open_token(struct token *t, const struct config *config)
{
    struct pin *pin;
    char path[4096];

    TRY(token_find(t));
    TRY(pin_read(&pin, pin_path(config, path, sizeof path)));
    enum status st = token_login(t, pin, false);
    secret_free(&pin);
    return st;
}

enum status bench_sign(const struct config *config, double seconds)
{
    struct token token;
    int lock;

    TRY(start_lock(config->lock_file, &lock));
    enum status st = token_load(&token, config->token);
    if (st == STATUS_OK) {
        st = open_token(&token, config);
    }
    close(lock);
    if (st == STATUS_OK) {
        st = measure(&token, seconds);
    }
    token_fini(&token);
    return st;
}
