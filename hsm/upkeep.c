#include "hsm/upkeep.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hsm/log.h"

enum {
    LOOKS_A_ROTATION = 8, /* so often a rotation period is the token looked at, */
    LOOK_MIN_S = 1,       /* but at most so often, */
    LOOK_MAX_S = 60,      /* and at least so often */
    SAVE_S = 1,           /* between two writes of the use counts */
    MS = 1000,
    LOOK_AGAIN_PAUSE_MS = 100, /* for unknown generations: a look takes about 2 ms */
};

static uint64_t monotonic_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * MS + (uint64_t)t.tv_nsec / 1000000;
}

/* At once, as what it tells of has happened; a log that cannot be written keeps it for later. */
static void tell(struct custodian *c, const struct audit_event *event)
{
    audit_add(c->audit, event);
    enum status st = audit_commit(c->audit);
    (void)st;
}

static void tell_generation(struct custodian *c, enum audit_op op, uint32_t number, enum status st)
{
    char label[KEY_LABEL_MAX];
    key_label(label, KEY_TICKET, number);
    tell(c, &(struct audit_event){.op = op, .key = label, .status = st});
}

static uint64_t look_interval_s(const struct config *config)
{
    uint64_t s = config->ticket_rotation_s / LOOKS_A_ROTATION;
    if (config->ticket_rotation_s == 0 || s > LOOK_MAX_S) {
        return LOOK_MAX_S;
    }
    return s < LOOK_MIN_S ? (uint64_t)LOOK_MIN_S : s;
}

/* -- what the token holds -- */

/* Counts begin with a generation and end with it; only key sets' are asked for. */
static void count_generations(struct custodian *c)
{
    for (size_t i = c->uses.n; i-- > 0;) {
        if (generation_find(c->generations, c->uses.list[i].purpose, c->uses.list[i].number) ==
            NULL) {
            c->uses.list[i] = c->uses.list[--c->uses.n];
            c->uses.dirty = true;
        }
    }
    for (size_t i = 0; i < c->generations->n; i++) {
        const struct generation *g = &c->generations->list[i];
        if (g->purpose == KEY_KEYSET) {
            (void)uses_of(&c->uses, g->purpose, g->number);
        }
    }
}

static bool follow(struct custodian *c)
{
    static struct key_list keys; /* too wide for the stack */
    if (keys_load(&c->token, &keys) == STATUS_OK &&
        generations_sync(c->generations, c->sym, &c->token, &keys) == STATUS_OK) {
        c->keys = keys;
        count_generations(c);
        return true;
    }
    log_line("the token's keys could not be loaded again; those known stay in use");
    return false;
}

static bool is_there(struct custodian *c, enum key_purpose purpose, uint32_t number)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_BBOOL yes = CK_TRUE;
    uint8_t id[KEY_ID_LEN];
    CK_OBJECT_HANDLE object[2];
    CK_ATTRIBUTE search[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, sizeof yes}, {CKA_ID, id, sizeof id}};
    size_t n = 0;
    key_id_put(id, purpose, number);
    return token_objects(&c->token, search, 3, object, 2, &n) == STATUS_OK && n != 0;
}

/* Whether a generation came or went. Cheaper than loading every key, and says nothing. */
static bool generations_changed(struct custodian *c)
{
    static const enum key_purpose masters[] = {KEY_TICKET, KEY_KEYSET};
    for (size_t i = 0; i < c->generations->n; i++) {
        const struct generation *g = &c->generations->list[i];
        if (!is_there(c, g->purpose, g->number) && c->token.trouble <= RV_ITEM) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof masters / sizeof masters[0]; i++) {
        const struct generation *newest = generation_newest(c->generations, masters[i]);
        if (newest != NULL && is_there(c, masters[i], newest->number + 1)) {
            return true;
        }
    }
    return false;
}

/* A blob names a generation that is not known: another custodian or a ceremony may have made it
 * just now. Only a newer one can be, and a peer that invents numbers must not keep the token busy.
 */
static bool look_again(void *arg, enum key_purpose purpose, uint32_t number)
{
    struct custodian *c = arg;
    uint64_t ms = monotonic_ms();
    const struct generation *newest = generation_newest(c->generations, purpose);

    if ((newest != NULL && number < newest->number) ||
        (c->looked_ms != 0 && ms - c->looked_ms < LOOK_AGAIN_PAUSE_MS)) {
        return false;
    }
    c->looked_ms = ms;
    if (!is_there(c, purpose, number)) {
        return false;
    }
    return follow(c) && generation_find(c->generations, purpose, number) != NULL;
}

/* -- tickets -- */

static const struct token_key *next_ticket_key(const struct key_list *keys, uint32_t number)
{
    const struct token_key *next = NULL;
    for (size_t i = 0; i < keys->n; i++) {
        const struct token_key *key = &keys->keys[i];
        if (key->purpose == KEY_TICKET && key->generation > number &&
            (next == NULL || key->generation < next->generation)) {
            next = key;
        }
    }
    return next;
}

uint64_t ticket_generation_end(const struct key_list *keys, const struct config *config,
                               uint32_t number)
{
    const struct token_key *next = next_ticket_key(keys, number);
    if (next == NULL || next->created == 0) {
        return 0;
    }
    return next->created + config->ticket_rotation_s + config->ticket_lifetime_s;
}

/* The oldest generation whose tickets have all expired; NULL: none. */
static const struct token_key *ended_ticket_key(const struct custodian *c, uint64_t now)
{
    for (size_t i = 0; i < c->keys.n; i++) {
        const struct token_key *key = &c->keys.keys[i];
        uint64_t end = key->purpose == KEY_TICKET
                           ? ticket_generation_end(&c->keys, c->config, key->generation)
                           : 0;
        if (end != 0 && now >= end) {
            return key;
        }
    }
    return NULL;
}

static bool rotation_due(const struct custodian *c, uint64_t now)
{
    const struct token_key *newest = keys_newest(&c->keys, KEY_TICKET, NULL);
    if (c->config->ticket_rotation_s == 0 || newest == NULL) {
        return false;
    }
    uint64_t created = newest->created != 0 ? newest->created : c->started;
    return now >= created && now - created >= c->config->ticket_rotation_s;
}

static void make_next(struct custodian *c, uint64_t now)
{
    struct token_key key;
    const struct key_order order = {.purpose = KEY_TICKET,
                                    .generation =
                                        keys_newest(&c->keys, KEY_TICKET, NULL)->generation + 1,
                                    .now = now};
    if (audit_admit(c->audit, true) != STATUS_OK) {
        return; /* no key comes without its leaf: at a later look */
    }
    enum status st = keys_create(&c->token, &order, &key);
    if (st == STATUS_OK) {
        log_line("ticket generation %" PRIu32 " made", key.generation);
    }
    tell_generation(c, AUDIT_OP_GENERATION_MADE, order.generation, st);
}

static void destroy_ended(struct custodian *c, uint32_t number)
{
    if (audit_admit(c->audit, true) != STATUS_OK) {
        return;
    }
    enum status st = keys_destroy(&c->token, KEY_TICKET, number);
    bool gone = st == STATUS_OK;
    tell_generation(c, AUDIT_OP_GENERATION_DESTROYED, number, st);
    log_line("ticket generation %" PRIu32 "%s destroyed: its tickets have expired", number,
             gone ? "" : " could not be");
}

/* In a read-write session and under the lock: looks afresh, then takes one step. */
static void turn_locked(struct custodian *c, uint64_t now)
{
    (void)follow(c);
    const struct token_key *ended = ended_ticket_key(c, now);
    if (rotation_due(c, now)) {
        make_next(c, now);
    } else if (ended != NULL) {
        destroy_ended(c, ended->generation);
    } else {
        return;
    }
    (void)follow(c);
}

static void turn_tickets(struct custodian *c, uint64_t now)
{
    CK_SESSION_HANDLE kept;
    int lock;

    if (!rotation_due(c, now) && ended_ticket_key(c, now) == NULL) {
        return;
    }
    if (start_lock_now(c->config->lock_file, &lock) != STATUS_OK) {
        return; /* somebody starts or holds a ceremony: at the next look */
    }
    if (token_write_begin(&c->token, &kept) == STATUS_OK) {
        turn_locked(c, now);
        token_write_end(&c->token, kept);
    }
    close(lock);
}

/* -- the whole -- */

enum status upkeep_init(struct custodian *c, uint64_t now)
{
    c->started = now;
    c->look_at = now;
    c->generations->look_again = look_again;
    c->generations->look_arg = c;
    c->generations->uses = &c->uses;
    TRY(uses_path(c->uses_file, sizeof c->uses_file, c->config->state_dir, c->config->name));
    TRY(uses_load(&c->uses, c->uses_file));
    c->uses.now = now;
    count_generations(c);
    return uses_save(&c->uses, c->uses_file, false) ? STATUS_OK : STATUS_INTERNAL;
}

void upkeep_fini(struct custodian *c)
{
    if (c->uses.dirty) {
        (void)uses_save(&c->uses, c->uses_file, true);
    }
}

int upkeep_wait_ms(const struct custodian *c, uint64_t now)
{
    uint64_t due = c->look_at;
    if (c->uses.dirty && c->saved_at + SAVE_S < due) {
        due = c->saved_at + SAVE_S;
    }
    uint64_t ms = due <= now ? 0 : (due - now) * MS, audit = audit_due_ms(c->audit, monotonic_ms());
    ms = audit < ms ? audit : ms;
    return (int)(ms < LOOK_MAX_S * MS ? ms : (uint64_t)LOOK_MAX_S * MS);
}

/* The clock may have gone back: nothing waits until it is where it was. */
static void mind_the_clock(struct custodian *c, uint64_t now)
{
    if (c->look_at > now + LOOK_MAX_S) {
        c->look_at = now;
    }
    if (c->saved_at > now) {
        c->saved_at = 0;
    }
}

void upkeep_run(struct custodian *c, uint64_t now)
{
    mind_the_clock(c, now);
    if (now >= c->look_at) {
        if (generations_changed(c)) {
            (void)follow(c);
        }
        turn_tickets(c, now);
        c->look_at = now + look_interval_s(c->config);
    }
    if (c->uses.dirty && now >= c->saved_at + SAVE_S) {
        (void)uses_save(&c->uses, c->uses_file, false);
        c->saved_at = now;
    }
    audit_run(c->audit, monotonic_ms());
}

bool upkeep_reload(struct custodian *c)
{
    bool all = follow(c);
    sr_keys_load(c, c->config->sr_certs); /* they hold handles of the keys */
    tell(c, &(struct audit_event){.op = AUDIT_OP_RELOAD, .principal = c->config->name});
    log_line("reloaded: %zu keys, %zu certificates, ticket generation %" PRIu32
             ", keyset generation %" PRIu32,
             c->keys.n, c->sr.n, generation_newest(c->generations, KEY_TICKET)->number,
             generation_newest(c->generations, KEY_KEYSET)->number);
    return all;
}
