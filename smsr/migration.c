#include "smsr/migration.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "smsr/clock.h"
#include "smsr/hex.h"
#include "smsr/host/live.h"
#include "smsr/options.h"
#include "smsr/outcomes.h"
#include "smsr/party/operator.h"
#include "smsr/tally.h"
#include "smsr/until.h"

enum {
    EXIT_USAGE = 2,
    EXIT_TOLD = 3,
    WAIT_MS = 10,
    US_PER_S = 1000000,
    LINE_MAX_LEN = 128,
    WHAT_MAX = 64,
};

const char migration_usage[] =
    "       smsr-change operator --eid EID --keys DIR --listen ENDPOINT --alpha ENDPOINT\n"
    "                         --beta ENDPOINT... [--validity SECONDS] [--tries N] [-v]\n"
    "       smsr-change fleet --eids FILE --rate R --keys DIR --listen ENDPOINT\n"
    "                         --alpha ENDPOINT --beta ENDPOINT... [--out FILE.jsonl|FILE.csv] "
    "[--jobs N]\n"
    "                         [--validity SECONDS] [--tries N]\n"
    "         --out: begun anew, it goes on with what the file does not call executed\n";

struct item { /* one eUICC */
    struct live live;
    struct operator_party op;
    unsigned tries;
    bool done; /* its outcome is written, or was by an earlier run */
    uint64_t started_us, again_us;
};

struct migration {
    const struct options *o;
    struct transport *transport;
    struct trace trace;
    struct bus bus; /* of whichever eUICC it is the turn of */
    struct live_map map;
    struct item *items;
    size_t count, cap, next; /* next: the first that was not begun */
    struct item **active;
    size_t active_count;
    struct outcomes outcomes;
    struct tally tally;
    size_t begun;
    bool broken; /* outcomes cannot be written */
};

/* -- whom -- */

static bool add_eid(struct migration *m, const char *text)
{
    uint8_t eid[GP_EID_LEN];
    size_t len;
    if (strlen(text) != EID_TEXT_LEN || hex_decode(text, eid, sizeof(eid), &len) != STATUS_OK ||
        !gp_eid_valid(span_of(eid, sizeof(eid)))) {
        fprintf(stderr, "smsr-change: %s is no EID\n", text);
        return false;
    }
    if (m->count == m->cap) {
        size_t cap = m->cap == 0 ? 1024 : 2 * m->cap;
        struct item *items = realloc(m->items, cap * sizeof(*items));
        if (items == NULL) {
            return false;
        }
        m->items = items;
        m->cap = cap;
    }
    struct item *item = &m->items[m->count++];
    memset(item, 0, sizeof(*item));
    memcpy(item->live.eid, eid, sizeof(eid));
    return true;
}

static bool read_eids(struct migration *m, const char *path)
{
    char line[LINE_MAX_LEN];
    FILE *file = fopen(path, "r");
    bool ok = file != NULL;
    if (!ok) {
        perror(path);
    }
    while (ok && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        ok = line[0] == '\0' || line[0] == '#' || add_eid(m, line);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return ok;
}

/* Once no item moves any more in memory. An EID that stands there twice is changed once. */
static void index_items(struct migration *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (live_find(&m->map, m->items[i].live.eid) == NULL) {
            live_put(&m->map, &m->items[i].live);
        } else {
            m->items[i].done = true;
        }
    }
}

static void done_before(void *arg, const uint8_t eid[static GP_EID_LEN])
{
    struct migration *m = arg;
    struct item *item = (struct item *)live_find(&m->map, eid);
    if (item != NULL) {
        item->done = true;
    }
}

/* -- one change -- */

static void say(struct migration *m)
{
    struct message out;
    while (bus_take(&m->bus, &out)) {
        transport_send(m->transport, &out);
    }
}

static void order(struct migration *m, struct item *item)
{
    struct operator_party *op = &item->op;
    memcpy(m->bus.eid, item->live.eid, sizeof(m->bus.eid));
    *op = (struct operator_party){
        .bus = &m->bus, .trace = &m->trace, .validity_s = (uint32_t)m->o->validity_s};
    memcpy(op->eid, item->live.eid, sizeof(op->eid));
    if (getrandom(op->change_id, sizeof(op->change_id), 0) != sizeof(op->change_id)) {
        m->broken = true; /* a kernel without random numbers */
    }
    item->tries++;
    item->again_us = 0;
    operator_start(op);
    say(m);
}

static void finish(struct migration *m, struct item *item)
{
    uint64_t latency_us = m->bus.now_us - item->started_us;
    item->done = true;
    tally_add(&m->tally, &item->op.outcome, item->live.eid, latency_us);
    if (!outcomes_add(&m->outcomes, item->live.eid, &item->op.outcome, item->tries, latency_us,
                      m->bus.now_us)) {
        perror("smsr-change: the outcomes cannot be written");
        m->broken = true;
    }
}

/* Whether a change that an earlier run has ordered is in the way: it ends within its validity. */
static bool in_the_way(const struct migration *m, const struct item *item)
{
    return strcmp(item->op.outcome.code, "CHANGE_PENDING") == 0 &&
           m->bus.now_us < item->started_us + m->o->validity_s * US_PER_S;
}

/* What has an answer ends, or begins again after a pause; what has waited long asks again. */
static void advance(struct migration *m, struct item *item)
{
    memcpy(m->bus.eid, item->live.eid, sizeof(m->bus.eid));
    if (!item->op.finished) {
        if (item->op.due_us != 0 && item->op.due_us <= m->bus.now_us) {
            operator_poke(&item->op);
            say(m);
        }
    } else if (item->op.outcome.result <= ES_EXECUTED_WITHWARNING ||
               (item->tries >= m->o->tries && !in_the_way(m, item))) {
        finish(m, item);
    } else if (item->again_us == 0) {
        item->again_us = m->bus.now_us + 2 * m->o->patience.peer_us;
    } else if (item->again_us <= m->bus.now_us) {
        order(m, item);
    }
}

static void take_message(struct migration *m, const struct message *in)
{
    struct item *item = (struct item *)live_find(&m->map, in->eid);
    memcpy(m->bus.eid, in->eid, sizeof(m->bus.eid));
    if (item != NULL && item->tries != 0) {
        operator_receive(&item->op, in);
    } else if (in->type == ES4_HANDLE_SMSR_CHANGE_NOTIFICATION) {
        (void)bus_answer(&m->bus, ES4_NOTIFICATION_ACKNOWLEDGED, in); /* of an earlier run's */
    }
    say(m);
}

/* -- all of them -- */

/* As many as the rate allows since the beginning, and no more than `jobs` at a time. */
static void begin_some(struct migration *m, uint64_t begin_us)
{
    uint64_t allowed = (m->bus.now_us - begin_us) * m->o->rate / US_PER_S + 1;
    while (m->next < m->count && m->begun < allowed && m->active_count < m->o->jobs) {
        struct item *item = &m->items[m->next++];
        if (!item->done) {
            item->started_us = m->bus.now_us;
            m->active[m->active_count++] = item;
            m->begun++;
            order(m, item);
        }
    }
}

static void turn(struct migration *m)
{
    for (size_t i = 0; i < m->active_count;) {
        advance(m, m->active[i]);
        if (m->active[i]->done) {
            m->active[i] = m->active[--m->active_count];
        } else {
            i++;
        }
    }
}

static void migrate(struct migration *m)
{
    struct message in;
    uint64_t begin_us = m->bus.now_us = clock_calendar_us();
    while (m->tally.finished < m->tally.expected && !told_to_end() && !m->broken) {
        m->bus.now_us = clock_calendar_us();
        begin_some(m, begin_us);
        turn(m);
        tally_show(&m->tally);
        transport_wait(m->transport, -1, WAIT_MS);
        m->bus.now_us = clock_calendar_us();
        while (transport_receive(m->transport, &in)) {
            take_message(m, &in);
        }
    }
}

static bool prepare(struct migration *m)
{
    size_t open = 0;
    index_items(m);
    if (m->o->out != NULL && !outcomes_open(&m->outcomes, m->o->out, m->o->csv, done_before, m)) {
        return false;
    }
    for (size_t i = 0; i < m->count; i++) {
        open += !m->items[i].done;
    }
    if (open < m->count) {
        fprintf(stderr, "smsr-change: %zu of %zu were done before\n", m->count - open, m->count);
    }
    m->active = calloc(m->o->jobs, sizeof(*m->active)); // NOLINT(bugprone-sizeof-expression)
    m->bus.patience = m->o->patience;
    m->trace = options_trace(m->o);
    return m->active != NULL && tally_init(&m->tally, open, m->trace.out == NULL && open > 1) &&
           transport_open(&m->transport, &m->o->transport);
}

static int run_all(struct migration *m)
{
    char what[WHAT_MAX];
    int status = EXIT_FAILURE;
    until_told();
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (prepare(m)) {
        migrate(m);
        bool told = m->tally.finished < m->tally.expected && !m->broken;
        (void)snprintf(what, sizeof(what), "at %llu/s", (unsigned long long)m->o->rate);
        tally_print(&m->tally, what);
        status = told ? EXIT_TOLD : m->tally.failed == 0 && !m->broken ? EXIT_SUCCESS : status;
    }
    if (!outcomes_close(&m->outcomes)) {
        status = EXIT_FAILURE;
    }
    transport_close(&m->transport);
    tally_fini(&m->tally);
    free(m->active);
    free(m->items);
    return status;
}

static int usage_error(void)
{
    fprintf(stderr, "usage:\n%s", migration_usage);
    return EXIT_USAGE;
}

static int run_command(int argc, char **argv, bool fleet)
{
    const char *const names[] = {fleet ? "--eids" : "--eid", "--keys", "--listen", "--alpha",
                                 "--beta"};
    struct options o;
    struct migration m = {.o = &o};
    if (!options_parse(argc, argv, &o)) {
        return usage_error();
    }
    o.transport.self = PARTY_OPERATOR;
    const bool given[] = {(fleet ? o.eids : o.eid) != NULL, o.transport.keys != NULL,
                          o.transport.listen != NULL, o.transport.peers[PARTY_ALPHA][0] != NULL,
                          o.transport.peers[PARTY_BETA][0] != NULL};
    if (!options_need(argv[0], names, given, sizeof(given))) {
        return usage_error();
    }
    if (!(fleet ? read_eids(&m, o.eids) : add_eid(&m, o.eid))) {
        free(m.items);
        return EXIT_FAILURE;
    }
    return run_all(&m);
}

int main_operator(int argc, char **argv)
{
    return run_command(argc, argv, false);
}

int main_fleet(int argc, char **argv)
{
    return run_command(argc, argv, true);
}
