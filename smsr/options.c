#include "smsr/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "smsr/hex.h"

enum code {
    DIR_ = 256,
    STORE,
    CARDS,
    LISTEN,
    ALPHA,
    BETA,
    NETWORK,
    ENDPOINT,
    SERVER_KEY,
    KEY_FILE,
    NAME,
    KEYS,
    CURVE,
    TAKE_CURVE,
    RC_LEN,
    DR,
    CUSTODY,
    HOST_ID,
    SECOND_SET,
    HOSTILE,
    CAPACITY,
    PEER_PATIENCE,
    CARD_PATIENCE,
    CARD_ATTEMPTS,
    SYNC,
    LOSE,
    SEED,
    LATENCY,
    EIDS,
    EID,
    EIDS_FROM,
    COUNT,
    RATE,
    JOBS,
    OUT,
    VALIDITY,
    TRIES,
};

static const struct option table[] = {{"dir", required_argument, NULL, DIR_},
                                      {"store", required_argument, NULL, STORE},
                                      {"cards", required_argument, NULL, CARDS},
                                      {"listen", required_argument, NULL, LISTEN},
                                      {"alpha", required_argument, NULL, ALPHA},
                                      {"beta", required_argument, NULL, BETA},
                                      {"network", required_argument, NULL, NETWORK},
                                      {"endpoint", required_argument, NULL, ENDPOINT},
                                      {"server-key", required_argument, NULL, SERVER_KEY},
                                      {"key-file", required_argument, NULL, KEY_FILE},
                                      {"name", required_argument, NULL, NAME},
                                      {"keys", required_argument, NULL, KEYS},
                                      {"curve", required_argument, NULL, CURVE},
                                      {"take-curve", required_argument, NULL, TAKE_CURVE},
                                      {"rc-len", required_argument, NULL, RC_LEN},
                                      {"dr", no_argument, NULL, DR},
                                      {"custody", required_argument, NULL, CUSTODY},
                                      {"host-id", required_argument, NULL, HOST_ID},
                                      {"second-set", no_argument, NULL, SECOND_SET},
                                      {"hostile", no_argument, NULL, HOSTILE},
                                      {"capacity", required_argument, NULL, CAPACITY},
                                      {"peer-patience-ms", required_argument, NULL, PEER_PATIENCE},
                                      {"card-patience-ms", required_argument, NULL, CARD_PATIENCE},
                                      {"card-attempts", required_argument, NULL, CARD_ATTEMPTS},
                                      {"sync", required_argument, NULL, SYNC},
                                      {"lose", required_argument, NULL, LOSE},
                                      {"seed", required_argument, NULL, SEED},
                                      {"latency-ms", required_argument, NULL, LATENCY},
                                      {"eids", required_argument, NULL, EIDS},
                                      {"eid", required_argument, NULL, EID},
                                      {"eids-from", required_argument, NULL, EIDS_FROM},
                                      {"count", required_argument, NULL, COUNT},
                                      {"rate", required_argument, NULL, RATE},
                                      {"jobs", required_argument, NULL, JOBS},
                                      {"out", required_argument, NULL, OUT},
                                      {"validity", required_argument, NULL, VALIDITY},
                                      {"tries", required_argument, NULL, TRIES},
                                      {"verbose", no_argument, NULL, 'v'},
                                      {0}};

/* A decimal number in [min, max]. */
static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    enum { DECIMAL = 10 };
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, DECIMAL);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && *out >= min &&
           *out <= max;
}

static bool add_peer(struct options *o, enum party party, const char *endpoint)
{
    for (size_t i = 0; i < TRANSPORT_PEERS_MAX; i++) {
        if (o->transport.peers[party][i] == NULL) {
            o->transport.peers[party][i] = endpoint;
            return true;
        }
    }
    return false;
}

static bool take_text(struct options *o, int c, const char *arg)
{
    const char **texts[] = {[0] = &o->dir,
                            [STORE - DIR_] = &o->store,
                            [CARDS - DIR_] = &o->cards,
                            [LISTEN - DIR_] = &o->transport.listen,
                            [KEY_FILE - DIR_] = &o->key_file,
                            [NAME - DIR_] = &o->name,
                            [KEYS - DIR_] = &o->transport.keys,
                            [EIDS - DIR_] = &o->eids,
                            [EID - DIR_] = &o->eid,
                            [OUT - DIR_] = &o->out};
    size_t at = (size_t)(c - DIR_);
    if (c < DIR_ || at >= sizeof(texts) / sizeof(texts[0]) || texts[at] == NULL) {
        return false;
    }
    *texts[at] = arg;
    return true;
}

static bool take_number(struct options *o, int c, const char *arg)
{
    enum { MS_MAX = 3600000, US_PER_MS = 1000, COUNT_MAX = 10000000, JOBS_MAX = 100000 };
    uint64_t n = 0;
    bool ok;
    switch (c) {
    case CAPACITY:
        return number(arg, 0, INT64_MAX, &o->capacity);
    case PEER_PATIENCE:
        ok = number(arg, 1, MS_MAX, &n);
        o->patience.peer_us = n * US_PER_MS;
        return ok;
    case CARD_PATIENCE:
        ok = number(arg, 1, MS_MAX, &n);
        o->patience.card_us = n * US_PER_MS;
        return ok;
    case CARD_ATTEMPTS:
        ok = number(arg, 1, 100, &n);
        o->patience.card_attempts = (unsigned)n;
        return ok;
    case LOSE:
        ok = number(arg, 0, 999, &n);
        o->transport.lose_per_mille = (unsigned)n;
        return ok;
    case SEED:
        return number(arg, 0, UINT64_MAX, &o->transport.seed);
    case LATENCY:
        return number(arg, 0, MS_MAX, &o->latency_ms);
    case EIDS_FROM:
        return number(arg, 0, UINT64_MAX / 2, &o->from);
    case COUNT:
        return number(arg, 1, COUNT_MAX, &o->count);
    case RATE:
        return number(arg, 1, COUNT_MAX, &o->rate);
    case JOBS:
        return number(arg, 1, JOBS_MAX, &o->jobs);
    case VALIDITY:
        return number(arg, 1, 86400, &o->validity_s);
    default:
        return c == TRIES && number(arg, 1, 1000, &o->tries);
    }
}

static bool take_other(struct options *o, int c, const char *arg)
{
    bool ok;
    enum curve curve;
    switch (c) {
    case ALPHA:
        return add_peer(o, PARTY_ALPHA, arg);
    case BETA:
        return add_peer(o, PARTY_BETA, arg);
    case NETWORK:
        return add_peer(o, PARTY_ISDR, arg);
    case ENDPOINT:
        ok = o->endpoint_count < ECKA_ENDPOINTS_MAX;
        o->endpoints[ok ? o->endpoint_count++ : 0].address = arg;
        return ok;
    case SERVER_KEY:
        ok = o->server_key_count < ECKA_ENDPOINTS_MAX;
        o->endpoints[ok ? o->server_key_count++ : 0].server_key_file = arg;
        return ok;
    case CURVE:
        o->curve = curve_from_name(arg);
        return o->curve != CURVE_NONE;
    case TAKE_CURVE:
        curve = curve_from_name(arg);
        o->curves |= UINT32_C(1) << curve;
        return curve != CURVE_NONE;
    case RC_LEN:
        o->rc_len = strcmp(arg, "32") == 0 ? RC_LEN_LONG : RC_LEN_SHORT;
        return o->rc_len == RC_LEN_LONG || strcmp(arg, "16") == 0;
    case DR:
        return o->with_dr = true;
    case HOSTILE:
        return o->hostile = true;
    case SECOND_SET:
        return o->second_set = true;
    case CUSTODY:
        o->custody = strcmp(arg, "token") == 0 ? ECKA_CUSTODY_TOKEN : ECKA_CUSTODY_MEMORY;
        return o->custody == ECKA_CUSTODY_TOKEN || strcmp(arg, "memory") == 0;
    case HOST_ID:
        return hex_decode(arg, o->host_id.b, sizeof(o->host_id.b), &o->host_id.len) == STATUS_OK &&
               o->host_id.len != 0;
    case SYNC:
        o->sync = strcmp(arg, "process") == 0 ? DB_SYNC_PROCESS : DB_SYNC_FULL;
        return o->sync == DB_SYNC_PROCESS || strcmp(arg, "full") == 0;
    default:
        return c == 'v' && (o->verbose = true);
    }
}

bool options_parse(int argc, char **argv, struct options *out)
{
    int c;
    *out = (struct options){.curve = CURVE_P256,
                            .rc_len = RC_LEN_SHORT,
                            .patience = patience_default,
                            .count = 1,
                            .from = 1,
                            .rate = 100,
                            .jobs = 1000,
                            .capacity = INT64_MAX,
                            .validity_s = 900,
                            .tries = 1,
                            .latency_ms = 0};
    while ((c = getopt_long(argc, argv, "v", table, NULL)) != -1) {
        if (c == '?') {
            return false;
        }
        if (!take_text(out, c, optarg) && !take_number(out, c, optarg) &&
            !take_other(out, c, optarg)) {
            fprintf(stderr, "smsr-change %s: %s is no value for that option\n", argv[0],
                    optarg != NULL ? optarg : "nothing");
            return false;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "smsr-change %s: what is %s?\n", argv[0], argv[optind]);
        return false;
    }
    if (out->transport.keys == NULL && out->dir != NULL &&
        path_join(out->keys_in_dir, out->dir, "parties") == STATUS_OK) {
        out->transport.keys = out->keys_in_dir;
    }
    out->csv = out->out != NULL && strlen(out->out) > 4 &&
               strcmp(out->out + strlen(out->out) - 4, ".csv") == 0;
    return true;
}

bool options_need(const char *command, const char *const names[], const bool given[], size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        if (!given[i]) {
            fprintf(stderr, "smsr-change %s needs %s\n", command, names[i]);
            all = false;
        }
    }
    return all;
}

struct trace options_trace(const struct options *o)
{
    const char *no_colour = getenv("NO_COLOR");
    return (struct trace){
        .out = o->verbose ? stdout : NULL,
        .colour = isatty(STDOUT_FILENO) == 1 && (no_colour == NULL || no_colour[0] == '\0'),
        .prefix = "",
    };
}

bool options_pair_endpoints(struct options *o)
{
    if (o->server_key_count == 1) {
        for (; o->server_key_count < o->endpoint_count; o->server_key_count++) {
            o->endpoints[o->server_key_count].server_key_file = o->endpoints[0].server_key_file;
        }
    }
    return o->endpoint_count != 0 && o->server_key_count == o->endpoint_count;
}
