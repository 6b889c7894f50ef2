/*
 * Counters and histograms: where a time falls, what a job and its batches leave behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "service/observe/metrics.h"

/* -- histograms -- */

static void bounds_rise_by_an_eighth_at_most(void **state)
{
    (void)state;
    assert_int_equal(histogram_bound_us(0), 1);
    for (size_t i = 1; i < HISTOGRAM_BUCKETS - 1; i++) {
        uint64_t below = histogram_bound_us(i - 1);
        assert_in_range(histogram_bound_us(i), below + 1, below + (below > 8 ? below / 8 : 1));
    }
    assert_int_equal(histogram_bound_us(HISTOGRAM_BUCKETS - 2), 1 << HISTOGRAM_TOP_BITS);
    assert_int_equal(histogram_bound_us(HISTOGRAM_BUCKETS - 1), UINT64_MAX);
}

static void observe_falls_in(size_t bucket, uint64_t us)
{
    static struct histogram h;
    memset(&h, 0, sizeof(h));
    histogram_observe(&h, us);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        assert_int_equal(metric_get(&h.buckets[i]), i == bucket ? 1 : 0);
    }
    assert_int_equal(metric_get(&h.sum_us), us);
}

static void a_bound_belongs_to_the_bucket_it_ends(void **state)
{
    (void)state;
    observe_falls_in(0, 0);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        observe_falls_in(i, histogram_bound_us(i));
        observe_falls_in(i + 1, histogram_bound_us(i) + 1);
    }
    observe_falls_in(HISTOGRAM_BUCKETS - 1, UINT64_MAX);
}

/* -- jobs -- */

enum { ITEMS = 3, PRINCIPALS = 2, PRINCIPAL = 1, TICKET_LEN = 10 };

struct world {
    struct metrics *m;
    struct job job;
    Ecka__V1__Request request;
    Ecka__V1__Confirm confirm;
    ProtobufCBinaryData tickets[ITEMS];
    uint8_t bytes[ITEMS][TICKET_LEN];
    uint8_t status[ITEMS];
    struct batcher_item items[ITEMS];
};

static void setup(struct world *w)
{
    *w = (struct world){.request = ECKA__V1__REQUEST__INIT, .confirm = ECKA__V1__CONFIRM__INIT};
    assert_int_equal(metrics_new(&w->m, NULL, 0), STATUS_OK);
    for (size_t i = 0; i < ITEMS; i++) {
        w->tickets[i] = (ProtobufCBinaryData){.len = TICKET_LEN, .data = w->bytes[i]};
    }
    w->confirm.tickets = w->tickets;
    w->confirm.n_tickets = ITEMS;
    w->request.op_case = ECKA__V1__REQUEST__OP_CONFIRM;
    w->request.confirm = &w->confirm;
    w->job.principal_index = PRINCIPAL;
    w->job.received_us = 1000;
    w->job.request = (struct wire_request){&w->request, WIRE_OP_CONFIRM, ITEMS};
    w->job.results.status = w->status;
    batcher_group_init(&w->job.group, w->items, ITEMS, PRINCIPAL, UINT64_MAX);
}

static struct metrics_operation *operation(struct world *w, enum wire_op op)
{
    return &w->m->operations[metrics_operation_index(op)];
}

static void each_item_and_request_counts_once(void **state)
{
    (void)state;
    struct world w;
    setup(&w);
    w.status[1] = STATUS_RECEIPT_MISMATCH;
    metrics_answered(w.m, &w.job, 5000);
    const struct metrics_operation *o = operation(&w, WIRE_OP_CONFIRM);
    assert_int_equal(metric_get(&o->items[STATUS_OK]), 2);
    assert_int_equal(metric_get(&o->items[STATUS_RECEIPT_MISMATCH]), 1);
    assert_int_equal(metric_get(&o->requests[STATUS_OK]), 1);
    assert_int_equal(metric_get(&o->total.sum_us), 4000);
    const struct metrics_principal *p = &w.m->principals[PRINCIPAL];
    assert_int_equal(metric_get(&p->requests), 1);
    assert_int_equal(metric_get(&p->items), ITEMS);
    assert_int_equal(metric_get(&p->refused), 0);
    assert_int_equal(metric_get(&w.m->principals[0].requests), 0);
    metrics_free(&w.m);
}

/* A frame whose columns are wrong names its operation all the same; garbage names none. */
static void a_refusal_counts_for_the_operation_it_named(void **state)
{
    (void)state;
    struct world w;
    setup(&w);
    w.job.request.op = WIRE_OP_NONE;
    metrics_answered_at_once(w.m, &w.job, STATUS_BAD_REQUEST);
    w.job.request.msg = NULL;
    metrics_answered_at_once(w.m, &w.job, STATUS_BAD_REQUEST);
    assert_int_equal(metric_get(&operation(&w, WIRE_OP_CONFIRM)->requests[STATUS_BAD_REQUEST]), 1);
    assert_int_equal(metric_get(&operation(&w, WIRE_OP_NONE)->requests[STATUS_BAD_REQUEST]), 1);
    assert_int_equal(metric_get(&w.m->principals[PRINCIPAL].refused), 2);
    metrics_free(&w.m);
}

static void generations_beyond_the_table_share_a_place(void **state)
{
    (void)state;
    struct world w;
    setup(&w);
    for (unsigned g = 1; g <= METRICS_GENERATIONS + 2; g++) {
        w.bytes[0][9] = (uint8_t)g; /* big-endian at METRICS_GENERATION_OFFSET */
        w.bytes[1][9] = (uint8_t)g;
        w.status[2] = STATUS_TICKET_EXPIRED;
        metrics_answered(w.m, &w.job, 5000);
    }
    for (size_t i = 0; i < METRICS_GENERATIONS; i++) {
        assert_int_equal(metric_get(&w.m->generations[i].generation), i + 1);
        assert_int_equal(metric_get(&w.m->generations[i].confirmed), 2);
        assert_int_equal(metric_get(&w.m->generations[i].issued), 0);
    }
    assert_int_equal(metric_get(&w.m->other_generations.confirmed), 4);
    metrics_free(&w.m);
}

/* -- batches -- */

static void batch_of(struct world *w, uint64_t started_us, uint64_t ended_us)
{
    struct batch batch = {.kind = KIND_CONFIRM,
                          .count = ITEMS,
                          .started_us = started_us,
                          .ended_us = ended_us,
                          .items = {&w->items[0], &w->items[1], &w->items[2]}};
    metrics_batch_out(w->m, &batch);
    metrics_batch_back(w->m, &batch);
}

/* Two workers at the same time do not make a request execute twice as long. */
static void executing_time_is_counted_once(void **state)
{
    (void)state;
    struct world w;
    setup(&w);
    batch_of(&w, 1100, 1200);
    batch_of(&w, 1150, 1300);
    batch_of(&w, 1160, 1250);
    batch_of(&w, 2000, 2010);
    assert_int_equal(w.job.executing_us, 210);
    assert_int_equal(metric_get(&w.m->kinds[KIND_CONFIRM].executing_us), 100 + 150 + 90 + 10);
    metrics_answered(w.m, &w.job, 1990); /* the clock was read before the last batch ended */
    assert_int_equal(metric_get(&operation(&w, WIRE_OP_CONFIRM)->executing.sum_us), 210);
    assert_int_equal(metric_get(&operation(&w, WIRE_OP_CONFIRM)->total.sum_us), 1010);
    metrics_free(&w.m);
}

static void fills_are_told_apart(void **state)
{
    (void)state;
    struct world w;
    setup(&w);
    static const struct {
        size_t count, place;
    } fills[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {128, 7}, {129, 8}, {256, 8}};
    for (size_t i = 0; i < sizeof(fills) / sizeof(*fills); i++) {
        const metric *place = &w.m->kinds[KIND_VERIFY].batches[fills[i].place];
        uint64_t before = metric_get(place);
        metrics_batch_out(w.m, &(struct batch){.kind = KIND_VERIFY, .count = fills[i].count});
        assert_int_equal(metric_get(place), before + 1);
    }
    assert_int_equal(metric_get(&w.m->kinds[KIND_VERIFY].items),
                     1 + 2 + 3 + 4 + 5 + 128 + 129 + 256);
    metrics_free(&w.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_rise_by_an_eighth_at_most),
        cmocka_unit_test(a_bound_belongs_to_the_bucket_it_ends),
        cmocka_unit_test(each_item_and_request_counts_once),
        cmocka_unit_test(a_refusal_counts_for_the_operation_it_named),
        cmocka_unit_test(generations_beyond_the_table_share_a_place),
        cmocka_unit_test(executing_time_is_counted_once),
        cmocka_unit_test(fills_are_told_apart),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
