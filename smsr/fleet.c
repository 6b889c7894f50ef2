#include "smsr/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#include "smsr/clock.h"
#include "smsr/tally.h"

enum { POLL_MS = 200, WHAT_MAX = 64 };

struct fleet {
    const struct handover_context *ctx;
    const struct fleet_options *options;
    struct handover **slots; /* jobs of them; NULL: free */
    size_t started;
    struct tally tally;
};

static void collect(struct fleet *f, struct handover **slot)
{
    struct handover *h = *slot;
    tally_add(&f->tally, &h->op.outcome, h->op.eid, clock_us() - h->started_us);
    handover_free(slot);
}

static void start(struct fleet *f, struct handover **slot)
{
    static const uint8_t no_eid[GP_EID_LEN];
    uint64_t number = f->options->first + f->started++;
    enum status s = handover_new(slot, f->ctx, number, f->options->count == 1);
    if (s != STATUS_OK) {
        struct es_answer answer;
        es_answer_set(&answer, ES_FAILED, 0, status_name(s), "the robot could not be made");
        tally_add(&f->tally, &answer, no_eid, 0);
    }
}

/* Takes a slot as far as it goes: until its handover waits for eckad, or none is left to start. */
static void advance(struct fleet *f, struct handover **slot)
{
    for (;;) {
        if (*slot == NULL) {
            if (f->started == f->options->count) {
                return;
            }
            start(f, slot);
            continue; /* also when the robot could not be made */
        }
        handover_deliver(*slot);
        if (!handover_finished(*slot)) {
            return;
        }
        collect(f, slot);
    }
}

static void turn(struct fleet *f)
{
    for (size_t i = 0; i < f->options->jobs; i++) {
        advance(f, &f->slots[i]);
    }
}

static void summary(struct fleet *f)
{
    char what[WHAT_MAX];
    (void)snprintf(what, sizeof(what), "on %s, %zu at a time", curve_name(f->ctx->factory.curve),
                   f->options->jobs);
    tally_print(&f->tally, what);
}

size_t fleet_run(const struct handover_context *ctx, const struct fleet_options *options)
{
    struct fleet *f = calloc(1, sizeof(*f));
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
    struct handover **slots = calloc(options->jobs, sizeof(*slots));
    size_t failed = options->count;
    if (f != NULL && slots != NULL &&
        tally_init(&f->tally, options->count, options->count > 1 && ctx->trace.out == NULL)) {
        f->ctx = ctx;
        f->options = options;
        f->slots = slots;
        turn(f);
        while (f->tally.finished < options->count) {
            offload_poll(ctx->offload, POLL_MS);
            turn(f);
            tally_show(&f->tally);
        }
        summary(f);
        failed = f->tally.failed;
    } else {
        fprintf(stderr, "smsr-change: out of memory\n");
    }
    if (f != NULL) {
        tally_fini(&f->tally);
    }
    free(slots);
    free(f);
    return failed;
}
