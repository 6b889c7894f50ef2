/*
 * Metrics as text: both formats line by line, who gets which, and the longest text fits its buffer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "service/observe/exposition.h"
#include "service/observe/stats.h"

enum { TEXT_MAX = 2 << 20, START_S = 1700000000 };

struct world {
    struct config config;
    struct roster roster;
    struct observed observed;
    struct metrics *m;
    char text[TEXT_MAX];
    size_t len;
};

static struct world *world_new(unsigned principals, unsigned custodians, char *name)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->config.custodians_count = custodians;
    w->config.custodians = calloc(custodians + 1, sizeof(*w->config.custodians));
    if (w->config.custodians == NULL) {
        abort();
    }
    for (unsigned i = 0; i < principals; i++) {
        (void)snprintf(w->roster.entries[i].name, sizeof(w->roster.entries[i].name), "%s", name);
    }
    for (unsigned i = 0; i < custodians; i++) {
        w->config.custodians[i].name = name;
    }
    assert_int_equal(metrics_new(&w->m, &w->roster, custodians), STATUS_OK);
    w->roster.count = principals;
    w->m->start_s = START_S;
    w->observed.config = &w->config;
    w->observed.metrics = w->m;
    return w;
}

static void world_free(struct world *w)
{
    metrics_free(&w->m);
    free(w->config.custodians);
    free(w);
}

static const char *text_of(struct world *w, enum exposition_format format)
{
    struct writer out = writer_of(w->text, sizeof(w->text) - 1);
    exposition_write(&w->observed, format, &out);
    assert_false(out.overflow);
    w->text[out.len] = '\0';
    w->len = out.len;
    return w->text;
}

static void assert_holds(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        print_error("missing:\n%s", part);
    }
    assert_non_null(strstr(text, part));
}

/* -- line by line -- */

static void counters_and_gauges(void **state)
{
    (void)state;
    char name[] = "beta";
    struct world *w = world_new(1, 1, name);
    metric_set(&w->m->custodians[0].busy_us, 12000345);
    metric_set(&w->m->custodians[0].up, 1);
    metric_set(&w->m->operations[1].items[STATUS_SIGNATURE_INVALID], 7);
    metric_set(&w->m->operations[1].items[254], 1); /* no status has these codes */
    metric_set(&w->m->operations[1].items[255], 2);
    const char *text = text_of(w, EXPOSITION_PROMETHEUS);
    assert_holds(text, "# TYPE eckad_custodian_busy_seconds_total counter\n"
                       "# HELP eckad_custodian_busy_seconds_total Time with a batch; its rate is "
                       "the lane's occupancy\n"
                       "eckad_custodian_busy_seconds_total{custodian=\"beta\"} 12.000345\n"
                       "# TYPE eckad_custodian_batches_total counter\n");
    assert_holds(text, "# TYPE eckad_custodian_up gauge\n");
    assert_holds(text, "\neckad_custodian_up{custodian=\"beta\"} 1\n");
    assert_holds(text, "\neckad_items_total{operation=\"Verify\",status=\"DEADLINE\"} 0\n"
                       "eckad_items_total{operation=\"Verify\",status=\"SIGNATURE_INVALID\"} 7\n"
                       "eckad_items_total{operation=\"Verify\",status=\"UNKNOWN\"} 3\n"
                       "eckad_items_total{operation=\"VerifyChain\",status=\"OK\"} 0\n");
    assert_null(strstr(text, "_created"));
    assert_null(strstr(text, "# UNIT"));
    assert_null(strstr(text, "# EOF"));

    text = text_of(w, EXPOSITION_OPENMETRICS);
    assert_holds(text, "# TYPE eckad_custodian_busy_seconds counter\n"
                       "# UNIT eckad_custodian_busy_seconds seconds\n"
                       "# HELP eckad_custodian_busy_seconds Time with a batch; its rate is the "
                       "lane's occupancy\n"
                       "eckad_custodian_busy_seconds_total{custodian=\"beta\"} 12.000345\n"
                       "eckad_custodian_busy_seconds_created{custodian=\"beta\"} 1700000000\n");
    assert_holds(text, "# TYPE eckad_backend info\n");
    assert_string_equal(w->text + w->len - 7, "\n# EOF\n");
    world_free(w);
}

static void histograms(void **state)
{
    (void)state;
    char name[] = "beta";
    struct world *w = world_new(1, 0, name);
    struct histogram *h = &w->m->operations[metrics_operation_index(WIRE_OP_CONFIRM)].total;
    static const uint64_t times_us[] = {0, 16, 17, 32, 1 << 20, 1 << 26, (1 << 26) + 1};
    for (size_t i = 0; i < sizeof(times_us) / sizeof(*times_us); i++) {
        histogram_observe(h, times_us[i]);
    }
    metric_set(&w->m->kinds[KIND_CONFIRM].batches[0], 2);
    metric_set(&w->m->kinds[KIND_CONFIRM].batches[3], 1);
    metric_set(&w->m->kinds[KIND_CONFIRM].items, 9);
    const char *text = text_of(w, EXPOSITION_OPENMETRICS);
#define BUCKET "\neckad_request_duration_seconds_bucket{operation=\"Confirm\",le="
    assert_holds(text, BUCKET "\"0.000016\"} 2" BUCKET "\"0.000032\"} 4" BUCKET "\"0.000064\"} 4");
    assert_holds(text, BUCKET "\"0.524288\"} 4" BUCKET "\"1.048576\"} 5" BUCKET "\"2.097152\"} 5");
    assert_holds(text, BUCKET "\"33.554432\"} 5" BUCKET "\"67.108864\"} 6" BUCKET "\"+Inf\"} 7"
                              "\neckad_request_duration_seconds_sum{operation=\"Confirm\"} "
                              "135.266370\n"
                              "eckad_request_duration_seconds_count{operation=\"Confirm\"} 7\n"
                              "eckad_request_duration_seconds_created{operation=\"Confirm\"} "
                              "1700000000\n");
    assert_holds(text, "\neckad_batch_items_bucket{batch=\"confirm\",le=\"1.0\"} 2\n"
                       "eckad_batch_items_bucket{batch=\"confirm\",le=\"2.0\"} 2\n"
                       "eckad_batch_items_bucket{batch=\"confirm\",le=\"4.0\"} 2\n"
                       "eckad_batch_items_bucket{batch=\"confirm\",le=\"8.0\"} 3\n");
    assert_holds(text, "\neckad_batch_items_sum{batch=\"confirm\"} 9\n"
                       "eckad_batch_items_count{batch=\"confirm\"} 3\n");
    world_free(w);
}

/* -- the longest text -- */

static void fill(metric *first, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(metric); i++) {
        metric_set(&first[i], UINT64_MAX / 4);
    }
}

static void the_longest_text_fits(void **state)
{
    (void)state;
    char name[WIRE_PRINCIPAL_MAX + 1];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    enum { PRINCIPALS = ROSTER_MAX, CUSTODIANS = CONFIG_CUSTODIANS_MAX };
    struct world *w = world_new(PRINCIPALS, CUSTODIANS, name);
    fill((metric *)w->m->operations, sizeof(w->m->operations));
    fill((metric *)w->m->kinds, sizeof(w->m->kinds));
    fill((metric *)w->m->generations, sizeof(w->m->generations));
    fill((metric *)w->m->principals, PRINCIPALS * sizeof(*w->m->principals));
    fill((metric *)w->m->custodians, CUSTODIANS * sizeof(*w->m->custodians));
    fill(w->observed.responses, sizeof(w->observed.responses));
    size_t room = EXPOSITION_FIXED_MAX + (PRINCIPALS + CUSTODIANS) * EXPOSITION_ENTRY_MAX;
    assert_in_range(room, 1, TEXT_MAX - 1);
    (void)text_of(w, EXPOSITION_OPENMETRICS);
    assert_in_range(w->len, 1, room);
    size_t longest = w->len;
    (void)text_of(w, EXPOSITION_PROMETHEUS);
    assert_in_range(w->len, 1, room);

    struct writer out = writer_of(w->text, room);
    stats_write(&w->observed, &out);
    assert_false(out.overflow);

    /* And one that does not fit says so, however much is missing. */
    for (size_t cap = 0; cap < longest; cap += longest / 97) {
        out = writer_of(w->text, cap);
        exposition_write(&w->observed, EXPOSITION_OPENMETRICS, &out);
        assert_true(out.overflow);
        assert_in_range(out.len, 0, cap);
        out = writer_of(w->text, cap < 1000 ? cap : 1000);
        stats_write(&w->observed, &out);
        assert_true(out.overflow);
    }
    world_free(w);
}

/* -- readiness -- */

static void readiness_has_its_reason(void **state)
{
    (void)state;
    char name[] = "c";
    const char *sentence = NULL;
    struct world *w = world_new(1, 2, name);
    assert_false(observed_ready(&w->observed, &sentence)); /* no backend is selected here */
    assert_non_null(strstr(sentence, "no arithmetic backend"));
    world_free(w);
}

/* -- Accept -- */

static void accept_decides(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        enum exposition_format format;
    } cases[] = {
        {NULL, EXPOSITION_PROMETHEUS},
        {"", EXPOSITION_PROMETHEUS},
        {",,;q=,", EXPOSITION_PROMETHEUS},
        {"*/*", EXPOSITION_PROMETHEUS},
        {"application/openmetrics-text", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-textual", EXPOSITION_PROMETHEUS},
        {"text/html, Application/OpenMetrics-Text ; version=1.0.0 ; q=0.2", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text;q=0", EXPOSITION_PROMETHEUS},
        {"application/openmetrics-text;q=nan", EXPOSITION_PROMETHEUS},
        {"application/openmetrics-text;q=2", EXPOSITION_PROMETHEUS},
        {"application/openmetrics-text;q=0.5,text/plain;q=0.6", EXPOSITION_PROMETHEUS},
        {"text/plain;q=0.5,application/openmetrics-text;q=0.5", EXPOSITION_OPENMETRICS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(exposition_choose(cases[i].accept), cases[i].format);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges),   cmocka_unit_test(histograms),
        cmocka_unit_test(the_longest_text_fits), cmocka_unit_test(readiness_has_its_reason),
        cmocka_unit_test(accept_decides),
    };
    return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
