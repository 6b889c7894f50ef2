#include "smsr/hostile/hostile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "smsr/clock.h"
#include "smsr/hostile/bout.h"

enum { POLL_MS = 200, NAMED_MAX = 10, PROGRESS_US = 100000, US_PER_S = 1000000 };

struct campaign {
    const struct handover_context *ctx;
    const struct hostile_options *options;
    struct arsenal arsenal;
    struct bout **slots;
    size_t started, finished, broken;
    uint64_t begin_us, progress_us;
    uint64_t first_number; /* of eUICCs: no EID twice in a deployment's life, nearly */
    size_t changes, success, warning, lost, refused, retried;
    uint64_t used[ATTACKS];
};

/* A run's own seed. */
static uint64_t seed_of(const struct campaign *c, uint64_t run)
{
    struct dice dice = {c->options->seed ^ run * UINT64_C(0xD1342543DE82EF95)};
    return dice_u64(&dice);
}

static void start(struct campaign *c, struct bout **slot)
{
    uint64_t run = c->options->first + c->started++;
    if (bout_new(slot, c->ctx, &c->arsenal, seed_of(c, run), c->first_number + run,
                 c->options->verbose) != STATUS_OK) {
        fprintf(stderr, "smsr-change: run %" PRIu64 " could not be made\n", run);
        c->broken++;
        c->finished++;
    } else {
        (*slot)->number = run;
    }
}

static void count_robot(struct campaign *c, const struct robot_bout *r)
{
    c->changes++;
    if (r->retried) {
        c->refused++;
        c->retried += beta_commands(&r->beta);
    } else if (r->witness.lost) {
        c->lost++;
    } else if (r->witness.success_said) {
        c->success++;
    } else {
        c->warning++;
    }
}

static void collect(struct campaign *c, struct bout **slot)
{
    struct bout *b = *slot;
    for (size_t i = 0; i < BOUT_ROBOTS; i++) {
        count_robot(c, &b->robots[i]);
    }
    for (size_t a = 0; a < ATTACKS; a++) {
        c->used[a] += b->used >> a & 1;
    }
    if (b->fault[0] != '\0' && c->broken++ < NAMED_MAX) {
        printf("run %" PRIu64 " (--seed %" PRIu64 " --first %" PRIu64 " --hostile 1): %s\n",
               b->number, c->options->seed, b->number, b->fault);
    }
    c->finished++;
    bout_free(slot);
}

static void advance(struct campaign *c, struct bout **slot)
{
    for (;;) {
        if (*slot == NULL) {
            if (c->started == c->options->count) {
                return;
            }
            start(c, slot);
            continue; /* also when it could not be made */
        }
        bout_advance(*slot);
        if ((*slot)->phase != BOUT_OVER) {
            return;
        }
        collect(c, slot);
    }
}

static void turn(struct campaign *c)
{
    for (size_t i = 0; i < c->options->jobs; i++) {
        advance(c, &c->slots[i]);
    }
}

static void show_progress(struct campaign *c)
{
    uint64_t now = clock_us();
    if (isatty(STDERR_FILENO) != 1 || c->options->count == 1 ||
        (now - c->progress_us < PROGRESS_US && c->finished < c->options->count)) {
        return;
    }
    c->progress_us = now;
    fprintf(stderr, "\r%zu/%zu runs, %zu broken%s", c->finished, c->options->count, c->broken,
            c->finished == c->options->count ? "\n" : "");
}

static void report(const struct campaign *c)
{
    double seconds = (double)(clock_us() - c->begin_us) / US_PER_S;
    printf("%zu hostile run%s of two eUICCs, seed %" PRIu64 ": %zu broke an invariant\n",
           c->options->count, c->options->count == 1 ? "" : "s", c->options->seed, c->broken);
    printf("%zu eUICCs: %zu Executed-Success, %zu with a warning, %zu stayed Alpha's, and changed "
           "hands "
           "at a retry: %zu, %zu lost to Alpha's deleting KS2\n",
           c->changes, c->success, c->warning, c->refused, c->retried, c->lost);
    printf("%.2f s, %.1f runs/s\n", seconds, (double)c->finished / seconds);
    if (c->options->count > 1) {
        for (size_t a = 0; a < ATTACKS; a++) {
            printf("  in %8" PRIu64 " runs: %s\n", c->used[a], attack_name((enum attack)a));
        }
    }
}

size_t hostile_run(const struct handover_context *ctx, const char *dir,
                   const struct hostile_options *options)
{
    struct campaign *c = calloc(1, sizeof(*c));
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
    struct bout **slots = calloc(options->jobs, sizeof(*slots));
    size_t broken = options->count;
    if (c == NULL || slots == NULL) {
        fprintf(stderr, "smsr-change: out of memory\n");
    } else if (arsenal_init(&c->arsenal, &ctx->factory, dir) != STATUS_OK) {
        fprintf(stderr, "smsr-change: the adversary could not be armed; is %s/pki there?\n", dir);
    } else {
        c->ctx = ctx;
        c->options = options;
        c->slots = slots;
        c->begin_us = clock_us();
        turn(c);
        while (c->finished < options->count) {
            offload_poll(ctx->offload, POLL_MS);
            turn(c);
            show_progress(c);
        }
        report(c);
        broken = c->broken;
    }
    if (c != NULL) {
        arsenal_fini(&c->arsenal);
    }
    free(slots);
    free(c);
    return broken;
}
