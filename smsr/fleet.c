#include "smsr/fleet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "smsr/clock.h"

enum {
    GROUPS_MAX = 16, /* kinds of failure told apart */
    POLL_MS = 200,
    PROGRESS_US = 100000,
    BAR_WIDTH = 40,
    US_PER_MS = 1000,
    US_PER_S = 1000000,
};

struct group { /* failures of one kind */
    struct es_answer first;
    char eid[EID_TEXT_LEN + 1]; /* of the first */
    size_t count;
};

struct fleet {
    const struct handover_context *ctx;
    const struct fleet_options *options;
    struct handover **slots; /* jobs of them; NULL: free */
    size_t started, finished, executed, warned, failed;
    uint64_t *latency_us; /* of those executed */
    struct group groups[GROUPS_MAX];
    size_t group_count;
    uint64_t begin_us, progress_us;
    bool progress;
};

static void count_answer(struct fleet *f, const struct es_answer *answer, const uint8_t *eid)
{
    for (size_t i = 0; i < f->group_count; i++) {
        struct group *g = &f->groups[i];
        if (g->first.step == answer->step && strcmp(g->first.code, answer->code) == 0) {
            g->count++;
            return;
        }
    }
    if (f->group_count < GROUPS_MAX) {
        struct group *g = &f->groups[f->group_count++];
        g->first = *answer;
        g->count = 1;
        eid_text(eid, g->eid);
    }
}

static void collect(struct fleet *f, struct handover **slot)
{
    struct handover *h = *slot;
    const struct es_answer *outcome = &h->op.outcome;
    if (outcome->result == ES_EXECUTED_SUCCESS || outcome->result == ES_EXECUTED_WITHWARNING) {
        f->latency_us[f->executed++] = clock_us() - h->started_us;
    } else {
        f->failed++;
    }
    if (outcome->result != ES_EXECUTED_SUCCESS) {
        f->warned += outcome->result == ES_EXECUTED_WITHWARNING;
        count_answer(f, outcome, h->op.eid);
    }
    f->finished++;
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
        count_answer(f, &answer, no_eid);
        f->failed++;
        f->finished++;
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

static void show_progress(struct fleet *f)
{
    uint64_t now = clock_us();
    if (!f->progress || (now - f->progress_us < PROGRESS_US && f->finished < f->options->count)) {
        return;
    }
    f->progress_us = now;
    size_t full = f->finished * BAR_WIDTH / f->options->count;
    char bar[BAR_WIDTH + 1];
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '=', full);
    bar[BAR_WIDTH] = '\0';
    double rate = (double)f->finished * US_PER_S / (double)(now - f->begin_us + 1);
    fprintf(stderr, "\r[%s] %zu/%zu  %.0f/s  %zu failed%s", bar, f->finished, f->options->count,
            rate, f->failed, f->finished == f->options->count ? "\n" : "");
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The value that a share of the sorted latencies does not exceed (nearest rank), in ms. */
static double percentile_ms(const struct fleet *f, unsigned percent)
{
    if (f->executed == 0) {
        return 0;
    }
    size_t rank = (f->executed * percent + 99) / 100;
    return (double)f->latency_us[rank == 0 ? 0 : rank - 1] / US_PER_MS;
}

static void summary(struct fleet *f)
{
    double seconds = (double)(clock_us() - f->begin_us) / US_PER_S;
    qsort(f->latency_us, f->executed, sizeof(f->latency_us[0]), compare_u64);
    printf(
        "%zu SM-SR Change%s on %s, %zu at a time: %zu executed (%zu with a warning), %zu failed\n",
        f->options->count, f->options->count == 1 ? "" : "s", curve_name(f->ctx->factory.curve),
        f->options->jobs, f->executed, f->warned, f->failed);
    printf("%.2f s, %.1f handovers/s, p50 %.1f ms, p99 %.1f ms\n", seconds,
           (double)f->executed / seconds, percentile_ms(f, 50), percentile_ms(f, 99));
    for (size_t i = 0; i < f->group_count; i++) {
        const struct group *g = &f->groups[i];
        printf("  %zu x %s at step %u: %s: %s (first: EID %s)\n", g->count,
               es_result_name(g->first.result), g->first.step, g->first.code, g->first.text,
               g->eid);
    }
}

size_t fleet_run(const struct handover_context *ctx, const struct fleet_options *options)
{
    struct fleet *f = calloc(1, sizeof(*f));
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
    struct handover **slots = calloc(options->jobs, sizeof(*slots));
    uint64_t *latency_us = calloc(options->count, sizeof(*latency_us));
    size_t failed = options->count;
    if (f != NULL && slots != NULL && latency_us != NULL) {
        *f = (struct fleet){.ctx = ctx,
                            .options = options,
                            .slots = slots,
                            .latency_us = latency_us,
                            .begin_us = clock_us(),
                            .progress = options->count > 1 && ctx->trace.out == NULL &&
                                        isatty(STDERR_FILENO) == 1};
        turn(f);
        while (f->finished < options->count) {
            offload_poll(ctx->offload, POLL_MS);
            turn(f);
            show_progress(f);
        }
        summary(f);
        failed = f->failed;
    } else {
        fprintf(stderr, "smsr-change: out of memory\n");
    }
    free(latency_us);
    free(slots);
    free(f);
    return failed;
}
