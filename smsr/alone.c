#include "smsr/alone.h"

#include <stdio.h>
#include <stdlib.h>

#include "providers/core/secret.h"
#include "smsr/clock.h"
#include "smsr/host/beta_host.h"
#include "smsr/network.h"
#include "smsr/options.h"
#include "smsr/pki/factory.h"
#include "smsr/until.h"

enum { EXIT_USAGE = 2, TURN_MS = 50, US_PER_MS = 1000 };

const char alone_usage[] =
    "       smsr-change stock --dir DIR --store ALPHA.db --cards CARDS.db --eids FILE --count N\n"
    "                         [--eids-from N] [--curve CURVE] [--rc-len 16|32]\n"
    "       smsr-change network --dir DIR --cards CARDS.db --listen ENDPOINT [--latency-ms "
    "MEDIAN]\n"
    "       smsr-change alpha --dir DIR --store ALPHA.db --listen ENDPOINT --beta ENDPOINT...\n"
    "                         --network ENDPOINT [--hostile] [-v]\n"
    "       smsr-change beta --dir DIR --store BETA.db --listen ENDPOINT --alpha ENDPOINT\n"
    "                         --network ENDPOINT --endpoint E --server-key FILE.pub --key-file "
    "FILE\n"
    "                         [--name NAME] [--capacity N] [--second-set] [--dr] [--host-id HEX]\n"
    "                         [--custody memory|token] [--take-curve CURVE]... [-v]\n"
    "         all of them: [--sync full|process] [--peer-patience-ms N] [--card-patience-ms N]\n"
    "                      [--card-attempts N] [--lose PER_MILLE] [--seed N]\n"
    "         and [--keys DIR], the parties' CURVE keys: DIR/parties of --dir when not given\n";

struct setup { /* what every party has */
    struct options o;
    struct engine engine;
    struct pki pki;
    struct transport *transport;
    struct trace trace;
};

static int usage_error(void)
{
    fprintf(stderr, "usage:\n%s", alone_usage);
    return EXIT_USAGE;
}

/* self: the party whose messages come and go; PARTY_COUNT: none do. */
static bool set_up(struct setup *s, enum party self)
{
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* steps appear as they happen, also in a pipe */
    s->trace = options_trace(&s->o);
    if (pki_load(s->o.dir, s->o.curve, &s->pki) != STATUS_OK) {
        fprintf(stderr, "smsr-change: the PKI in %s cannot be used\n", s->o.dir);
        return false;
    }
    if (engine_init(&s->engine) != STATUS_OK) {
        fprintf(stderr, "smsr-change: no provider passes its known-answer tests\n");
        return false;
    }
    until_told();
    s->o.transport.self = self;
    return self == PARTY_COUNT || transport_open(&s->transport, &s->o.transport);
}

static void tear_down(struct setup *s)
{
    transport_close(&s->transport);
    engine_fini(&s->engine);
    pki_fini(&s->pki);
}

static void send_out(void *arg, const struct message *m)
{
    transport_send(arg, m);
}

/* What a test waits for. */
static void say_ready(const char *who)
{
    fprintf(stderr, "smsr-change %s: ready\n", who);
}

/* -- stock -- */

struct stock {
    struct db *alphas, *cards;
    FILE *eids;
};

struct shelf { /* where a new card is kept */
    struct db *cards;
    const uint8_t *eid;
};

static enum status keep(void *arg, struct span image)
{
    const struct shelf *shelf = arg;
    return card_book_save(shelf->cards, shelf->eid, image);
}

static bool make_one(struct setup *s, struct stock *stock, uint64_t number)
{
    const struct factory factory = {&s->engine, &s->pki, s->o.curve, s->o.rc_len};
    struct robot robot;
    char eid[EID_TEXT_LEN + 1];
    if (factory_make(&factory, number, ALPHA_SMSR_ID, &s->trace, &robot) != STATUS_OK) {
        return false;
    }
    struct shelf shelf = {stock->cards, robot.eis.signed_info.eid};
    eid_text(shelf.eid, eid);
    bool ok = euicc_keep_with(robot.card, keep, &shelf) == STATUS_OK &&
              alpha_store_add(stock->alphas, &robot.eis) && fprintf(stock->eids, "%s\n", eid) > 0;
    robot_fini(&robot);
    return ok;
}

static bool make_all(struct setup *s, struct stock *stock)
{
    stock->eids = fopen(s->o.eids, "a");
    if (stock->eids == NULL) {
        perror(s->o.eids);
        return false;
    }
    bool ok = alpha_store_open(&stock->alphas, s->o.store, DB_SYNC_PROCESS) &&
              card_book_open(&stock->cards, s->o.cards, DB_SYNC_PROCESS);
    for (uint64_t i = 0; ok && i < s->o.count; i++) {
        ok = make_one(s, stock, s->o.from + i);
    }
    ok = fclose(stock->eids) == 0 && ok;
    db_close(&stock->alphas);
    db_close(&stock->cards);
    return ok;
}

int main_stock(int argc, char **argv)
{
    static const char *const names[] = {"--dir", "--store", "--cards", "--eids"};
    struct setup s = {0};
    struct stock stock = {0};
    if (!options_parse(argc, argv, &s.o)) {
        return usage_error();
    }
    const bool given[] = {s.o.dir != NULL, s.o.store != NULL, s.o.cards != NULL, s.o.eids != NULL};
    if (!options_need(argv[0], names, given, sizeof(given))) {
        return usage_error();
    }
    bool ok = set_up(&s, PARTY_COUNT) && make_all(&s, &stock);
    tear_down(&s);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* -- network -- */

static bool serve_network(struct setup *s)
{
    struct network *network;
    struct message m;
    const struct network_options o = {.engine = &s->engine,
                                      .cards = s->o.cards,
                                      .sync = s->o.sync,
                                      .median_ms = (unsigned)s->o.latency_ms,
                                      .seed = s->o.transport.seed,
                                      .trace = &s->trace,
                                      .transport = s->transport};
    if (!network_open(&network, &o)) {
        return false;
    }
    say_ready("network");
    while (!told_to_end()) {
        transport_wait(s->transport, -1, network_turn(network, clock_calendar_us(), TURN_MS));
        while (transport_receive(s->transport, &m)) {
            network_receive(network, &m, clock_calendar_us());
        }
    }
    network_close(&network);
    return true;
}

int main_network(int argc, char **argv)
{
    static const char *const names[] = {"--dir", "--cards", "--listen"};
    struct setup s = {0};
    if (!options_parse(argc, argv, &s.o)) {
        return usage_error();
    }
    const bool given[] = {s.o.dir != NULL, s.o.cards != NULL, s.o.transport.listen != NULL};
    if (!options_need(argv[0], names, given, sizeof(given))) {
        return usage_error();
    }
    bool ok = set_up(&s, PARTY_ISDR) && serve_network(&s);
    tear_down(&s);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* -- Alpha -- */

/*
 * A hostile Alpha puts an ephemeral key of its own in the place of Beta's, to share KS2 with the
 * card. smsr/hostile/ has everything else that one can do.
 */
static void bend(struct setup *s, struct message *m)
{
    uint8_t scalar[EC_SCALAR_LEN];
    enum status status = STATUS_INTERNAL;
    const struct keygen_item item = {s->o.curve, scalar, m->u.create.epk};
    if (s->o.hostile && m->type == ES7_CREATE_ADDITIONAL_KEY_SET) {
        provider_keygen(s->engine.provider, s->engine.drbg, 1, &item, &status);
        trace_note(&s->trace, "Alpha puts an ePK of its own in the place of Beta's: %s",
                   status_name(status));
        secret_wipe(scalar, sizeof(scalar));
    }
}

static bool serve_alpha(struct setup *s)
{
    struct alpha_host *host;
    struct message m;
    uint64_t turned_us = 0;
    const struct alpha_host_options o = {.path = s->o.store,
                                         .sync = s->o.sync,
                                         .engine = &s->engine,
                                         .ks1_master = s->pki.ks1_master,
                                         .trace = &s->trace,
                                         .patience = s->o.patience,
                                         .send = send_out,
                                         .arg = s->transport};
    if (!alpha_host_open(&host, &o)) {
        return false;
    }
    say_ready("alpha");
    while (!told_to_end()) {
        uint64_t now_us = clock_calendar_us();
        if (now_us >= turned_us + TURN_MS * US_PER_MS) {
            alpha_host_turn(host, turned_us = now_us);
        }
        while (!told_to_end() && transport_receive(s->transport, &m)) {
            bend(s, &m);
            alpha_host_receive(host, &m, clock_calendar_us());
        }
        transport_wait(s->transport, -1, TURN_MS);
    }
    alpha_host_close(&host);
    return true;
}

int main_alpha(int argc, char **argv)
{
    static const char *const names[] = {"--dir", "--store", "--listen", "--beta", "--network"};
    struct setup s = {0};
    if (!options_parse(argc, argv, &s.o)) {
        return usage_error();
    }
    const bool given[] = {s.o.dir != NULL, s.o.store != NULL, s.o.transport.listen != NULL,
                          s.o.transport.peers[PARTY_BETA][0] != NULL,
                          s.o.transport.peers[PARTY_ISDR][0] != NULL};
    if (!options_need(argv[0], names, given, sizeof(given))) {
        return usage_error();
    }
    bool ok = set_up(&s, PARTY_ALPHA) && serve_alpha(&s);
    tear_down(&s);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* -- Beta -- */

/* Messages in hand at most this many at a time, so that eckad's answers have their turn. */
enum { HANDFUL = 64 };

static void beta_loop(struct setup *s, struct beta_host *host, struct offload *offload,
                      struct ability *ability)
{
    struct message m;
    uint64_t turned_us = 0;
    int fd = offload_fd(offload);
    while (!told_to_end()) {
        uint64_t now_us = clock_calendar_us();
        if (now_us >= turned_us + TURN_MS * US_PER_MS) {
            beta_host_turn(host, turned_us = now_us);
        }
        for (unsigned i = 0; i < HANDFUL && transport_receive(s->transport, &m); i++) {
            beta_host_receive(host, &m, clock_calendar_us());
        }
        ability_turn(ability, offload, clock_us());
        offload_poll(offload, 0);
        transport_wait(s->transport, fd, TURN_MS / 10);
    }
}

static bool serve_beta(struct setup *s)
{
    struct gp_cert cert;
    struct offload *offload;
    struct beta_host *host;
    const struct offload_options to = {s->o.endpoints, s->o.key_file, 0};
    if (gp_cert_parse(span_of(s->pki.cert_sr, s->pki.cert_sr_len), &cert) != STATUS_OK ||
        !offload_open(&offload, &to)) {
        return false;
    }
    struct ability ability = {.eum_id = s->pki.eum_id, .sr_key_id = s->pki.sr_key_id};
    const struct beta_host_options o = {
        .path = s->o.store,
        .owner = s->o.name != NULL ? s->o.name : s->o.transport.listen,
        .sync = s->o.sync,
        .config = {.cert_sr = span_of(s->pki.cert_sr, s->pki.cert_sr_len),
                   .sr_key_id = s->pki.sr_key_id,
                   .eum_id = s->pki.eum_id,
                   .eum_curve = (enum ecka_curve)s->pki.curve,
                   .eum_point = s->pki.eum_point,
                   .with_dr = s->o.with_dr,
                   .custody = s->o.custody,
                   .host_id = s->o.host_id,
                   .second_set = s->o.second_set,
                   .alarms = stderr,
                   .credentials_end = cert.expiry.yyyymmdd,
                   .eid_prefix = s->pki.eid_prefix,
                   .curves = s->o.curves,
                   .ability = &ability},
        .capacity = (size_t)s->o.capacity,
        .offload = offload,
        .trace = &s->trace,
        .patience = s->o.patience,
        .send = send_out,
        .arg = s->transport};
    bool ok = beta_host_open(&host, &o);
    if (ok) {
        say_ready("beta");
        beta_loop(s, host, offload, &ability);
        beta_host_halt(host);
    }
    offload_close(&offload);
    beta_host_close(&host);
    return ok;
}

int main_beta(int argc, char **argv)
{
    static const char *const names[] = {"--dir",
                                        "--store",
                                        "--listen",
                                        "--alpha",
                                        "--network",
                                        "--key-file",
                                        "--endpoint and --server-key"};
    struct setup s = {0};
    if (!options_parse(argc, argv, &s.o)) {
        return usage_error();
    }
    const bool given[] = {s.o.dir != NULL,
                          s.o.store != NULL,
                          s.o.transport.listen != NULL,
                          s.o.transport.peers[PARTY_ALPHA][0] != NULL,
                          s.o.transport.peers[PARTY_ISDR][0] != NULL,
                          s.o.key_file != NULL,
                          options_pair_endpoints(&s.o)};
    if (!options_need(argv[0], names, given, sizeof(given))) {
        return usage_error();
    }
    bool ok = set_up(&s, PARTY_BETA) && serve_beta(&s);
    tear_down(&s);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
