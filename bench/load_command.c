#include "bench/load_command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cards.h"
#include "bench/knee.h"
#include "bench/mix.h"
#include "bench/report.h"
#include "bench/requests.h"
#include "proto/wire/limits.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };
enum { NS_PER_US = 1000, US_PER_MS = 1000 };
enum { MIX_VERIFY, MIX_CHAIN, MIX_HANDOVER }; /* the order of mix_names */

const char load_command_help[] =
    "  eckabench load --endpoint E --server-key FILE.pub --key-file FILE [OPTION]...\n"
    "      A load on a running eckad: what became of the requests, and how long they took.\n"
    "      --clients N        connections (1)\n"
    "      --pipelining N     requests under way at each (1); in an open loop at most (4096)\n"
    "      --items N          items a request (1)\n"
    "      --mix M            operations and their weights (verify=1), as "
    "verify=8,chain=1,handover=1;\n"
    "                         chain and handover need --dir DIR with the PKI of tools/provision\n"
    "      --keys N           keys that verify's signatures are under, at most 64 (4)\n"
    "      --rate R           open loop: R pieces of work a second arrive, whatever becomes of "
    "the\n"
    "                         others, drawn from --seed N (1); without it a closed loop\n"
    "      --find-knee        the largest rate that is answered whole and in time, and its "
    "figures\n"
    "      --warmup S         not counted (1); --seconds S counted (10)\n"
    "      --deadline-ms N    of each request (5000)\n"
    "      --json FILE        the same figures\n";

static const char *const mix_names[MIX_SOURCES_MAX] = {"verify", "chain", "handover"};

struct command {
    struct load_options load;
    const char *server_key_file, *key_file, *dir, *json;
    char server_key[KEYFILE_Z85_SIZE];
    struct curve_key_pair keys;
    size_t items, verify_keys;
    unsigned weights[MIX_SOURCES_MAX];
    bool find_knee;
};

/* What a load is made of. */
struct work {
    struct cards *cards;
    struct requests *verify, *chain;
    struct handovers *handovers;
    struct mix mix;
};

/* -- options -- */

static bool take_number(const char *name, const char *text, double min, double max, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end != '\0' || *out < min || *out > max) {
        (void)fprintf(stderr, "eckabench: --%s takes a number from %g to %g\n", name, min, max);
        return false;
    }
    return true;
}

static bool take_count(const char *name, const char *text, double max, size_t *out)
{
    double n;
    if (!take_number(name, text, 1, max, &n)) {
        return false;
    }
    *out = (size_t)n;
    return true;
}

/* "verify=8,chain=1" */
static bool take_mix(struct command *c, const char *text)
{
    char copy[128], *rest = copy, *part;
    unsigned total = 0;
    memset(c->weights, 0, sizeof c->weights);
    (void)snprintf(copy, sizeof copy, "%s", text);
    while ((part = strsep(&rest, ",")) != NULL) {
        size_t i = 0, len = strcspn(part, "=");
        double weight = 1;
        while (i < MIX_SOURCES_MAX &&
               (strlen(mix_names[i]) != len || strncmp(mix_names[i], part, len) != 0)) {
            i++;
        }
        if (i == MIX_SOURCES_MAX) {
            (void)fprintf(stderr, "eckabench: --mix knows verify, chain and handover\n");
            return false;
        }
        if (part[len] == '=' && !take_number("mix", part + len + 1, 0, 1000, &weight)) {
            return false;
        }
        c->weights[i] = (unsigned)weight;
        total += c->weights[i];
    }
    return total != 0;
}

enum {
    CLIENTS = 256,
    PIPELINING,
    ITEMS,
    MIX,
    KEYS,
    RATE,
    SEED,
    KNEE,
    WARMUP,
    SECONDS,
    DEADLINE,
    ENDPOINT,
    SERVER_KEY,
    KEY_FILE,
    DIR,
    JSON
};

static const struct option long_options[] = {{"clients", required_argument, NULL, CLIENTS},
                                             {"pipelining", required_argument, NULL, PIPELINING},
                                             {"items", required_argument, NULL, ITEMS},
                                             {"mix", required_argument, NULL, MIX},
                                             {"keys", required_argument, NULL, KEYS},
                                             {"rate", required_argument, NULL, RATE},
                                             {"seed", required_argument, NULL, SEED},
                                             {"find-knee", no_argument, NULL, KNEE},
                                             {"warmup", required_argument, NULL, WARMUP},
                                             {"seconds", required_argument, NULL, SECONDS},
                                             {"deadline-ms", required_argument, NULL, DEADLINE},
                                             {"endpoint", required_argument, NULL, ENDPOINT},
                                             {"server-key", required_argument, NULL, SERVER_KEY},
                                             {"key-file", required_argument, NULL, KEY_FILE},
                                             {"dir", required_argument, NULL, DIR},
                                             {"json", required_argument, NULL, JSON},
                                             {0}};

static bool take_place(struct command *c, int option)
{
    switch (option) {
    case ENDPOINT:
        c->load.endpoint = optarg;
        return true;
    case SERVER_KEY:
        c->server_key_file = optarg;
        return true;
    case KEY_FILE:
        c->key_file = optarg;
        return true;
    case DIR:
        c->dir = optarg;
        return true;
    case JSON:
        c->json = optarg;
        return true;
    case KNEE:
        c->find_knee = true;
        return true;
    default:
        return false;
    }
}

static bool take_option(struct command *c, int option)
{
    double n;
    bool ok;
    switch (option) {
    case CLIENTS:
        return take_count("clients", optarg, LOAD_CLIENTS_MAX, &c->load.clients);
    case PIPELINING:
        return take_count("pipelining", optarg, LOAD_SLOTS_MAX, &c->load.pipelining);
    case ITEMS:
        return take_count("items", optarg, WIRE_VERIFY_ITEMS_MAX, &c->items);
    case KEYS:
        return take_count("keys", optarg, REQUEST_KEYS_MAX, &c->verify_keys);
    case MIX:
        return take_mix(c, optarg);
    case RATE:
        return take_number("rate", optarg, 0.001, 1e7, &c->load.rate);
    case WARMUP:
        return take_number("warmup", optarg, 0, 3600, &c->load.warmup);
    case SECONDS:
        return take_number("seconds", optarg, 0.01, 86400, &c->load.seconds);
    case SEED:
        ok = take_number("seed", optarg, 0, 1e15, &n);
        c->load.seed = (uint64_t)n;
        return ok;
    case DEADLINE:
        ok = take_number("deadline-ms", optarg, 1, 60000, &n);
        c->load.deadline_us = (uint64_t)n * US_PER_MS;
        return ok;
    default:
        return take_place(c, option);
    }
}

/* Requests under way at a client: one in a closed loop, in an open one as many as there is room
 * for. A handover keeps its cards in its slot, so that of these there is less room. */
static size_t default_pipelining(const struct command *c)
{
    const size_t most = c->weights[MIX_HANDOVER] != 0 ? 256 : 4096;
    const size_t room = LOAD_SLOTS_MAX / c->load.clients;
    return !(c->load.rate > 0) && !c->find_knee ? 1 : most < room ? most : room;
}

/* What depends on several options. */
static bool check(struct command *c)
{
    const bool cards = c->weights[MIX_CHAIN] + c->weights[MIX_HANDOVER] != 0;
    if (c->load.pipelining == 0) {
        c->load.pipelining = default_pipelining(c);
    }
    if (c->load.endpoint == NULL || c->server_key_file == NULL || c->key_file == NULL) {
        (void)fprintf(stderr, "eckabench: load needs --endpoint, --server-key and --key-file\n");
    } else if (cards && c->dir == NULL) {
        (void)fprintf(stderr, "eckabench: chain and handover need --dir with a test PKI\n");
    } else if (cards && c->items > WIRE_ITEMS_MAX) {
        (void)fprintf(stderr, "eckabench: chain and handover take at most %d items\n",
                      WIRE_ITEMS_MAX);
    } else if (load_slots(&c->load) > LOAD_SLOTS_MAX) {
        (void)fprintf(stderr, "eckabench: at most %d requests under way in all\n", LOAD_SLOTS_MAX);
    } else {
        return true;
    }
    return false;
}

static bool read_keys(struct command *c)
{
    char error[KEYFILE_ERROR_MAX];
    if (keyfile_read_public(c->server_key_file, c->server_key, error) != STATUS_OK ||
        keyfile_read_pair(c->key_file, &c->keys, error) != STATUS_OK) {
        (void)fprintf(stderr, "eckabench: %s\n", error);
        return false;
    }
    c->load.server_key = c->server_key;
    c->load.keys = &c->keys;
    return true;
}

/* -- work -- */

static bool work_init(struct work *w, const struct command *c)
{
    const size_t slots = load_slots(&c->load);
    mix_init(&w->mix, slots, c->load.seed);
    if (c->dir != NULL) {
        const bool handovers = c->weights[MIX_HANDOVER] != 0;
        w->cards = cards_new(c->dir, handovers ? slots * c->items : c->items);
        if (w->cards == NULL) {
            return false;
        }
    }
    if (c->weights[MIX_VERIFY] != 0) {
        w->verify = requests_verify(CURVE_P256, c->verify_keys, c->items);
        const struct load_source s = requests_source(w->verify);
        mix_add(&w->mix, &s, c->weights[MIX_VERIFY]);
    }
    if (c->weights[MIX_CHAIN] != 0) {
        w->chain = requests_chain(w->cards, c->items);
        const struct load_source s = requests_source(w->chain);
        mix_add(&w->mix, &s, c->weights[MIX_CHAIN]);
    }
    if (c->weights[MIX_HANDOVER] != 0) {
        w->handovers = handovers_new(w->cards, slots, c->items);
        const struct load_source s = handovers_source(w->handovers);
        mix_add(&w->mix, &s, c->weights[MIX_HANDOVER]);
    }
    return true;
}

static void work_fini(struct work *w)
{
    mix_fini(&w->mix);
    requests_free(&w->verify);
    requests_free(&w->chain);
    handovers_free(&w->handovers);
    cards_free(&w->cards);
}

/* -- results -- */

static double us(const struct load_result *r, unsigned per_mille)
{
    return (double)histogram_per_mille(&r->latency, per_mille) / NS_PER_US;
}

static void print_result(const struct command *c, const struct load_result *r)
{
    (void)printf("%s loop, %.2f s: %.0f items/s, %.0f pieces of work/s\n",
                 c->load.rate > 0 || c->find_knee ? "open" : "closed", r->seconds, load_rate(r),
                 load_rate(r) / (double)c->items);
    for (size_t i = 0; i < LOAD_OUTCOMES; i++) {
        if (r->outcome[i] != 0 || i == LOAD_OK) {
            (void)printf("  %-9s %llu\n", load_outcome_name((enum load_outcome)i),
                         (unsigned long long)r->outcome[i]);
        }
    }
    (void)printf("  latency   p50 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n", us(r, 500),
                 us(r, 990), us(r, 999), (double)r->latency.max / NS_PER_US);
}

static void print_knee(const struct knee *k)
{
    for (size_t i = 0; i < k->steps; i++) {
        (void)printf("  %10.0f/s  p99 %8.2f ms  %6.2f %% not OK  %s\n", k->step[i].rate,
                     k->step[i].p99_ms, 100 * k->step[i].bad_share,
                     k->step[i].sustained ? "sustained" : "too much");
    }
    (void)printf("knee at %.0f pieces of work/s; a closed loop gets %.0f\n", k->rate,
                 k->closed_rate);
}

/* Pieces of work a second, of each tenth of the time. */
static struct figure rate_of(const struct command *c, const struct load_result *r)
{
    double rates[LOAD_PARTS];
    for (size_t i = 0; i < LOAD_PARTS; i++) {
        rates[i] = r->part[i] * LOAD_PARTS / c->load.seconds / (double)c->items;
    }
    return figure_of(LOAD_PARTS, rates);
}

static void put_errors(json_t *result, const struct load_result *r)
{
    json_t *errors = json_object();
    for (size_t i = LOAD_OK + 1; i < LOAD_OUTCOMES; i++) {
        if (r->outcome[i] != 0) {
            (void)json_object_set_new(errors, load_outcome_name((enum load_outcome)i),
                                      json_integer((json_int_t)r->outcome[i]));
        }
    }
    if (json_object_size(errors) != 0) {
        (void)json_object_set_new(result, "status", json_string("partial"));
        (void)json_object_set_new(result, "why", json_string("not every request was answered OK"));
    }
    (void)json_object_set_new(result, "errors", errors);
}

static void put_result(struct document *d, const struct command *c, const struct load_result *r,
                       const struct knee *k)
{
    const bool open = c->load.rate > 0 || c->find_knee;
    const struct figure rate = rate_of(c, r);
    json_t *result = result_new(c->find_knee ? "load/knee" : "load/rate",
                                c->find_knee ? "The largest load answered whole and in time"
                                             : "Pieces of work answered",
                                "work/s", false, &rate);
    (void)json_object_set_new(result, "loop", json_string(open ? "open" : "closed"));
    if (open) {
        (void)json_object_set_new(result, "offered",
                                  json_real(c->find_knee ? k->rate : c->load.rate));
    }
    put_errors(result, r);
    result_set_latency(result, &r->latency);
    document_add_result(d, result);
    if (c->find_knee) {
        const struct service_curve curve = {
            .id = "load/knee", .title = "The load asked for", .unit = "work/s", .knee = *k};
        document_add_curve(d, report_curve_json(&curve));
    }
}

static bool run(struct command *c, struct document *d)
{
    static struct work w;
    static struct load_result r;
    static struct knee k;
    bool ok = work_init(&w, c);
    if (ok) {
        const struct load_source source = mix_source(&w.mix);
        ok = c->find_knee ? knee_find(&c->load, &source, &k) : load_run(&c->load, &source, &r);
    }
    if (ok && c->find_knee) {
        r = k.at;
        print_knee(&k);
    }
    if (ok) {
        print_result(c, &r);
        put_result(d, c, &r, &k);
    } else {
        document_stop(d, "the load could not be put on the server");
    }
    work_fini(&w);
    return ok;
}

int load_command(int argc, char **argv, char *const words[])
{
    static struct command c;
    int option;
    c = (struct command){
        .load = {.clients = 1, .seed = 1, .warmup = 1, .seconds = 10, .deadline_us = 5000000},
        .items = 1,
        .verify_keys = 4,
        .weights = {1},
    };
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (!take_option(&c, option)) {
            return EXIT_MISUSED;
        }
    }
    if (optind != argc || !check(&c)) {
        return EXIT_MISUSED;
    }
    if (!read_keys(&c)) {
        return EXIT_FAILED;
    }
    struct document *d = document_new("load", words, c.json);
    const bool ok = run(&c, d);
    return document_finish(&d) && ok ? EXIT_DONE : EXIT_FAILED;
}
