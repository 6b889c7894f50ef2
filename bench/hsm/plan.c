#include "bench/hsm/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/hsm/group.h"

enum { CASES_MAX = SWEEP_MAX * SWEEP_MAX * SWEEP_MAX + 8 * PLAN_GROUPS_MAX, UNDER_WAY = 64 };

struct builder {
    struct plan *plan;
    const struct plan_options *options;
    size_t begin; /* of the group */
};

/* What a token does for a handover. */
static bool is_swept(enum hsm_operation op, enum curve curve)
{
    return op == OP_ECDSA_SIGN && curve == CURVE_P256;
}

static struct hsm_case *add(struct builder *b, struct hsm_load load)
{
    struct hsm_case *c = &b->plan->cases[b->plan->n];
    char id[CASE_ID_MAX];
    *c = (struct hsm_case){.load = load, .peer = b->plan->n - b->begin};
    case_id(c, id);
    const size_t in_group = b->plan->n - b->begin;
    if ((b->options->only != NULL && strstr(id, b->options->only) == NULL) ||
        b->plan->n == CASES_MAX || in_group == GROUP_CASES_MAX ||
        load.processes * load.threads > THREADS_MAX) {
        return NULL;
    }
    b->plan->n++;
    return c;
}

/* As all of the lane direct, compared with its one thread of one process. */
static void add_direct(struct builder *b, struct hsm_load load)
{
    struct hsm_case *c = add(b, load);
    if (c != NULL && c != &b->plan->cases[b->begin]) {
        const struct hsm_load *first = &b->plan->cases[b->begin].load;
        if (first->processes == 1 && first->threads == 1 && first->sessions == 1) {
            c->peer = 0;
            c->peer_name = "direct, one process, one thread";
        }
    }
}

static void add_sweep(struct builder *b, struct hsm_load load)
{
    const struct plan_options *o = b->options;
    for (size_t s = 0; s < o->sessions.n; s++) {
        for (size_t p = 0; p < o->processes.n; p++) {
            for (size_t t = 0; t < o->threads.n; t++) {
                load.processes = o->processes.of[p];
                load.threads = o->threads.of[t];
                load.sessions = o->sessions.of[s];
                add_direct(b, load);
            }
        }
    }
}

/* One process and one thread, and, but for a quick look, more of each. */
static void add_corners(struct builder *b, struct hsm_load load)
{
    const struct plan_options *o = b->options;
    load.processes = o->processes.of[0];
    load.threads = o->threads.of[0];
    load.sessions = o->sessions.of[0];
    const struct hsm_load one = load;
    add_direct(b, one);
    if (!o->quick && o->threads.n > 1) {
        load.threads = o->threads.of[1];
        add_direct(b, load);
    }
    if (!o->quick && o->processes.n > 1) {
        load = one;
        load.processes = o->processes.of[1];
        add_direct(b, load);
    }
}

/* The layers above, of which each is compared with raw Cryptoki. */
static void add_layer(struct builder *b, enum hsm_lane lane, struct hsm_load load,
                      unsigned sessions, const char *note)
{
    const size_t before = b->plan->n;
    load.lane = lane;
    load.processes = load.threads = 1;
    load.sessions = sessions;
    add_direct(b, load);
    if (b->plan->n > before) {
        (void)snprintf(b->plan->cases[before].note, CASE_WHY_MAX, "%s", note);
    }
}

static void add_layers(struct builder *b, struct hsm_load load)
{
    const enum hsm_operation op = load.operation;
    const bool evp = op == OP_ECDSA_SIGN || op == OP_ECDH || op == OP_RANDOM || op == OP_FIND;
    const bool signs = op == OP_ECDSA_SIGN && load.curve == CURVE_P256 && b->options->service_signs;
    if (evp) {
        add_layer(b, LANE_LIBP11, load, 1,
                  op == OP_FIND ? "PKCS11_enumerate_keys: all private keys" : "");
    }
    if (b->options->service && (signs || op == OP_AGREE)) {
        add_layer(b, LANE_SERVICE, load, 1, "requests of one item; the audit log is on");
        add_layer(b, LANE_SERVICE, load, UNDER_WAY, "");
    }
}

/* The plain loop, beside the first case of the group. */
static void add_raw(struct builder *b, struct hsm_load load)
{
    struct hsm_case *first = &b->plan->cases[b->begin];
    if (!b->options->raw || b->plan->n == b->begin || first->load.lane != LANE_DIRECT ||
        first->load.processes != 1 || first->load.threads != 1 || first->load.sessions != 1 ||
        b->plan->n == CASES_MAX) {
        return;
    }
    load.lane = LANE_RAW;
    load.processes = load.threads = load.sessions = 1;
    struct hsm_case *c = &b->plan->cases[b->plan->n];
    *c = (struct hsm_case){.load = load, .hidden = true, .peer = b->plan->n - b->begin};
    first->peer = c->peer;
    first->peer_name = "a plain loop of C_Sign";
    b->plan->n++;
}

static void add_group(struct builder *b, enum hsm_operation op, enum curve curve)
{
    const struct hsm_load load = {.lane = LANE_DIRECT, .operation = op, .curve = curve};
    const bool swept = is_swept(op, curve);
    b->begin = b->plan->n;
    (swept ? add_sweep : add_corners)(b, load);
    add_layers(b, load);
    if (swept) {
        add_raw(b, load);
    }
    if (b->plan->n > b->begin) {
        b->plan->groups[b->plan->groups_n++] =
            (struct plan_group){&b->plan->cases[b->begin], b->plan->n - b->begin};
    }
}

bool plan_make(struct plan *plan, const struct plan_options *options)
{
    struct builder b = {.plan = plan, .options = options};
    *plan = (struct plan){.cases = calloc(CASES_MAX, sizeof *plan->cases)};
    if (plan->cases == NULL) {
        abort();
    }
    for (enum hsm_operation op = 0; op < OP_COUNT; op++) {
        if (operation_has_curve(op)) {
            add_group(&b, op, CURVE_P256);
            add_group(&b, op, CURVE_BRAINPOOLP256R1);
        } else {
            add_group(&b, op, CURVE_NONE);
        }
    }
    return plan->n != 0;
}

void plan_free(struct plan *plan)
{
    free(plan->cases);
    *plan = (struct plan){0};
}

const struct hsm_case *plan_find(const struct plan *plan, unsigned processes, unsigned threads)
{
    for (size_t i = 0; i < plan->n; i++) {
        const struct hsm_case *c = &plan->cases[i];
        const struct hsm_load *l = &c->load;
        if (l->lane == LANE_DIRECT && is_swept(l->operation, l->curve) &&
            l->processes == processes && l->threads == threads && l->sessions == 1 &&
            c->figure.samples != 0) {
            return c;
        }
    }
    return NULL;
}
