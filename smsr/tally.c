#include "smsr/tally.h"

#include <stdlib.h>
#include <unistd.h>

#include "smsr/clock.h"

enum { SHOW_US = 100000, BAR_WIDTH = 40, US_PER_MS = 1000, US_PER_S = 1000000 };

bool tally_init(struct tally *t, size_t expected, bool bar)
{
    memset(t, 0, sizeof(*t));
    t->expected = expected;
    t->latency_us = calloc(expected + 1, sizeof(*t->latency_us));
    t->begin_us = clock_us();
    t->bar = bar && isatty(STDERR_FILENO) == 1;
    return t->latency_us != NULL;
}

void tally_fini(struct tally *t)
{
    free(t->latency_us);
    t->latency_us = NULL;
}

static void group(struct tally *t, const struct es_answer *answer, const uint8_t *eid)
{
    for (size_t i = 0; i < t->group_count; i++) {
        struct tally_group *g = &t->groups[i];
        if (g->first.step == answer->step && g->first.result == answer->result &&
            strcmp(g->first.code, answer->code) == 0) {
            g->count++;
            return;
        }
    }
    if (t->group_count < TALLY_GROUPS_MAX) {
        struct tally_group *g = &t->groups[t->group_count++];
        g->first = *answer;
        g->count = 1;
        eid_text(eid, g->eid);
    }
}

void tally_add(struct tally *t, const struct es_answer *outcome, const uint8_t *eid,
               uint64_t latency_us)
{
    if (outcome->result <= ES_EXECUTED_WITHWARNING) {
        t->latency_us[t->executed++] = latency_us;
    } else {
        t->failed++;
    }
    if (outcome->result != ES_EXECUTED_SUCCESS) {
        t->warned += outcome->result == ES_EXECUTED_WITHWARNING;
        group(t, outcome, eid);
    }
    t->finished++;
}

void tally_show(struct tally *t)
{
    uint64_t now = clock_us();
    bool last = t->finished == t->expected;
    if (!t->bar || t->expected == 0 || (now - t->shown_us < SHOW_US && !last)) {
        return;
    }
    t->shown_us = now;
    size_t full = t->finished * BAR_WIDTH / t->expected;
    char bar[BAR_WIDTH + 1];
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '=', full);
    bar[BAR_WIDTH] = '\0';
    double rate = (double)t->finished * US_PER_S / (double)(now - t->begin_us + 1);
    fprintf(stderr, "\r[%s] %zu/%zu  %.0f/s  %zu failed%s", bar, t->finished, t->expected, rate,
            t->failed, last ? "\n" : "");
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_groups(const void *a, const void *b)
{
    const struct tally_group *x = a, *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

/* The value that a share of the sorted latencies does not exceed (nearest rank), in ms. */
static double percentile_ms(const struct tally *t, unsigned percent)
{
    if (t->executed == 0) {
        return 0;
    }
    size_t rank = (t->executed * percent + 99) / 100;
    return (double)t->latency_us[rank == 0 ? 0 : rank - 1] / US_PER_MS;
}

void tally_print(struct tally *t, const char *what)
{
    double seconds = (double)(clock_us() - t->begin_us) / US_PER_S;
    qsort(t->latency_us, t->executed, sizeof(t->latency_us[0]), compare_u64);
    qsort(t->groups, t->group_count, sizeof(t->groups[0]), compare_groups);
    printf("%zu SM-SR Change%s %s: %zu executed (%zu with a warning), %zu failed\n", t->finished,
           t->finished == 1 ? "" : "s", what, t->executed, t->warned, t->failed);
    printf("%.2f s, %.1f handovers/s, p50 %.1f ms, p99 %.1f ms\n", seconds,
           (double)t->executed / seconds, percentile_ms(t, 50), percentile_ms(t, 99));
    for (size_t i = 0; i < t->group_count; i++) {
        const struct tally_group *g = &t->groups[i];
        printf("  %zu x %s at step %u: %s (subject %s, reason %s): %s (first: EID %s)\n", g->count,
               es_result_name(g->first.result), (unsigned)g->first.step, g->first.code,
               g->first.subject[0] != '\0' ? g->first.subject : "-",
               g->first.reason[0] != '\0' ? g->first.reason : "-", g->first.text, g->eid);
    }
}
