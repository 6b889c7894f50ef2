#include "bench/hsm/summary.h"

#include <stdio.h>
#include <string.h>

#include "bench/hsm/interval.h"

enum { WIDTH = 80, NS_PER_US = 1000 };

/* Words of a text in lines of WIDTH, each behind `indent`. */
static void put_wrapped(const char *indent, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        const size_t word = strcspn(text, " ");
        if (column != 0 && column + 1 + word > WIDTH) {
            (void)putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column == 0 ? indent : " ", (int)word, text);
        text += word + strspn(text + word, " ");
    }
    (void)putchar('\n');
}

static void put_us(const struct histogram *h, unsigned per_mille)
{
    uint64_t low, high;
    if (interval_of_percentile(h, per_mille, &low, &high)) {
        (void)printf(" %9.1f", (double)histogram_per_mille(h, per_mille) / NS_PER_US);
    } else {
        (void)printf(" %9s", "-");
    }
}

static void put_how(const struct hsm_load *l)
{
    char how[32];
    int n = snprintf(how, sizeof how, "  %s p%u t%u", lane_name(l->lane), l->processes, l->threads);
    if (l->sessions != 1 && n > 0) {
        (void)snprintf(how + n, sizeof how - (size_t)n, " s%u", l->sessions);
    }
    (void)printf("%-22s", how);
}

static const char *const marks[] = {"", "unsupported", "FAILED", "PARTIAL", "skipped"};

static void put_case(const struct hsm_case *c)
{
    put_how(&c->load);
    if (c->figure.samples != 0) {
        (void)printf(" %10.0f %5.1f%%", c->figure.value, 100 * interval_width(&c->figure));
        put_us(&c->latency, 500);
        put_us(&c->latency, 990);
        if (c->ratio.samples != 0 && c->peer_name != NULL && c->peer == 0) {
            (void)printf("  x%.2f", c->ratio.value);
        }
    } else {
        (void)printf(" %10s", marks[c->status]);
    }
    (void)putchar('\n');
    if (c->status != CASE_OK) {
        if (c->figure.samples != 0) {
            (void)printf("    %s\n", marks[c->status]);
        }
        put_wrapped("    ", c->why);
    }
    if (c->note[0] != '\0') {
        put_wrapped("    ", c->note);
    }
}

static void put_head(const struct target *target)
{
    const struct token_facts *f = &target->facts;
    char text[8 * TOKEN_TEXT_MAX + TARGET_TEXT_MAX];
    (void)snprintf(text, sizeof text, "token '%s', %s %s, firmware %s; module %s %s, %s%s",
                   f->label, f->manufacturer, f->model, f->firmware, f->module_manufacturer,
                   f->module_version, target->module,
                   target->throw_away ? "; made for this run, and gone after it" : "");
    put_wrapped("", text);
    (void)printf("\n%-22s %10s %6s %9s %9s  %s\n", "", "op/s", "+-", "p50 us", "p99 us",
                 "to p1 t1");
}

/* How much longer an operation takes through a layer, at its median. */
static void put_layers(const struct plan_group *g)
{
    const struct hsm_case *direct = &g->cases[0];
    for (size_t i = 1; i < g->n; i++) {
        const struct hsm_case *c = &g->cases[i];
        if (!c->hidden && c->load.lane != LANE_DIRECT && c->peer == 0 && c->load.sessions == 1 &&
            c->figure.samples != 0 && direct->latency.count != 0) {
            const double more = (double)histogram_per_mille(&c->latency, 500) -
                                (double)histogram_per_mille(&direct->latency, 500);
            (void)printf("    %s takes %.1f us %s than direct\n", lane_name(c->load.lane),
                         (more < 0 ? -more : more) / NS_PER_US, more < 0 ? "less" : "more");
        }
    }
}

/* "2 threads 0.91, 2 processes 1.93": of the rate of one. */
static void put_scaling(const struct plan_group *g)
{
    bool any = false;
    for (size_t i = 1; i < g->n; i++) {
        const struct hsm_case *c = &g->cases[i];
        const struct hsm_load *l = &c->load;
        if (l->lane == LANE_DIRECT && l->sessions == 1 && c->peer == 0 && c->ratio.samples != 0 &&
            (l->processes == 1 || l->threads == 1)) {
            (void)printf("%s%u %s %.2f", any ? ", " : "    scaling: ",
                         l->processes == 1 ? l->threads : l->processes,
                         l->processes == 1 ? "threads" : "processes", c->ratio.value);
            any = true;
        }
    }
    if (any) {
        (void)putchar('\n');
    }
}

static void put_group(const struct plan_group *g)
{
    const struct hsm_load *l = &g->cases[0].load;
    bool same = g->cases[0].status == CASE_UNSUPPORTED;
    for (size_t i = 0; i < g->n; i++) {
        same = same && (g->cases[i].status == CASE_UNSUPPORTED);
    }
    (void)printf("%s%s%s\n", operation_name(l->operation), l->curve == CURVE_NONE ? "" : " ",
                 l->curve == CURVE_NONE ? "" : curve_name(l->curve));
    if (same) {
        char text[CASE_WHY_MAX + 16];
        (void)snprintf(text, sizeof text, "unsupported: %s", g->cases[0].why);
        put_wrapped("    ", text);
        return;
    }
    for (size_t i = 0; i < g->n; i++) {
        if (!g->cases[i].hidden) {
            put_case(&g->cases[i]);
        }
    }
    put_scaling(g);
    put_layers(g);
}

static void put_curve(const struct hsm_curve *c)
{
    if (c->knee.figure.samples == 0) {
        (void)printf("%s %s, p%u, open loop: no knee, no load is carried whole and in time\n",
                     operation_name(c->load.operation), curve_name(c->load.curve),
                     c->load.processes);
        return;
    }
    (void)printf("%s %s, p%u, open loop: knee at %.0f op/s, p99 %.2f ms\n",
                 operation_name(c->load.operation), curve_name(c->load.curve), c->load.processes,
                 c->knee.offered, (double)histogram_per_mille(&c->knee.latency, 990) / 1e6);
}

void summary_print(const struct plan *plan, const struct target *target,
                   const struct hsm_curve curves[], size_t curves_n, const struct advice *advice)
{
    put_head(target);
    for (size_t i = 0; i < plan->groups_n; i++) {
        put_group(&plan->groups[i]);
    }
    for (size_t i = 0; i < curves_n; i++) {
        put_curve(&curves[i]);
    }
    for (size_t i = 0; i < advice->n; i++) {
        (void)printf("\n");
        put_wrapped("", advice->of[i].because);
        const char *line = advice->of[i].yaml;
        while (*line != '\0') {
            const size_t len = strcspn(line, "\n");
            (void)printf("    %.*s\n", (int)len, line);
            line += len + (line[len] == '\n' ? 1 : 0);
        }
    }
}
