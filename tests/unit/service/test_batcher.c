/*
 * The batcher on a clock of the test's: order, turns, deadlines, requeue, limits, drain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "service/batcher.h"

enum { PRINCIPALS = 3, GROUPS = 64, ITEMS = 256, NEVER = 1000000 };

struct request {
    struct batcher_group group;
    struct batcher_item items[ITEMS];
};

struct world {
    struct batcher b;
    struct request requests[GROUPS];
};

static const enum batch_kind order[KIND_COUNT] = {
    KIND_CONFIRM,    KIND_WRAP,         KIND_UNWRAP, KIND_KEY_SET_CREATE, KIND_SCP03_UNWRAP,
    KIND_SCP03_WRAP, KIND_SCP03_OPEN,   KIND_SIGN,   KIND_AGREE,          KIND_ESTABLISH_CHAIN,
    KIND_ESTABLISH,  KIND_VERIFY_CHAIN, KIND_VERIFY, KIND_RESEAL,         KIND_REWRAP};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    assert_int_equal(batcher_init(&w->b, PRINCIPALS, GROUPS, order), STATUS_OK);
    batcher_grow(&w->b, PRINCIPALS);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    batcher_fini(&w->b);
    free(w);
    return 0;
}

/* Queues request r of a principal with count items. */
static void queue(struct world *w, unsigned r, uint32_t principal, uint32_t count,
                  uint64_t deadline_us, enum batch_kind kind)
{
    struct request *q = &w->requests[r];
    batcher_group_init(&q->group, q->items, count, principal, deadline_us);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(batcher_push(&w->b, &q->items[i], kind), STATUS_OK);
    }
}

static void takes_one_at_once_in_order(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    queue(w, 0, 0, 1, NEVER, KIND_VERIFY);
    assert_int_equal(batcher_take(&w->b, POOL_VERIFY, ITEMS, out), 1);
    assert_ptr_equal(out[0], &w->requests[0].items[0]);
    assert_int_equal(batcher_take(&w->b, POOL_VERIFY, ITEMS, out), 0);

    queue(w, 1, 1, 100, NEVER, KIND_VERIFY);
    queue(w, 2, 1, 100, NEVER, KIND_VERIFY);
    assert_int_equal(batcher_take(&w->b, POOL_VERIFY, 150, out), 150);
    for (uint32_t i = 0; i < 150; i++) {
        assert_ptr_equal(out[i], &w->requests[1 + i / 100].items[i % 100]);
    }
    assert_int_equal(batcher_queued(&w->b, KIND_VERIFY), 50);
}

/* Custody takes one kind a batch, verification all of its own in one; in the order of priority. */
static void custody_kinds_do_not_mix(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        queue(w, k, 0, 1 + k, NEVER, (enum batch_kind)k);
    }
    for (unsigned i = 0; i < KIND_COUNT; i++) {
        enum batch_kind k = order[i];
        if (batch_pool_of(k) == POOL_VERIFY) {
            continue;
        }
        assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, ITEMS, out), 1 + k);
        assert_ptr_equal(out[0]->group, &w->requests[k].group);
    }
    assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, ITEMS, out), 0);
    assert_int_equal(batcher_pool_queued(&w->b, POOL_VERIFY), 1 + 2 + 3);
    assert_int_equal(batcher_take(&w->b, POOL_VERIFY, ITEMS, out), 1 + 2 + 3);
    assert_ptr_equal(out[0]->group, &w->requests[KIND_ESTABLISH_CHAIN].group);
    assert_ptr_equal(out[3]->group, &w->requests[KIND_VERIFY_CHAIN].group);
    assert_ptr_equal(out[5]->group, &w->requests[KIND_VERIFY].group);
}

/* Floods of every custody kind: the first gets most, and each other one its part, in turns. */
static void a_low_priority_starves_not(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    enum { BATCHES = 300, KINDS = KIND_COUNT - KIND_ESTABLISH };
    unsigned served[KIND_COUNT] = {0};
    unsigned waited[KIND_COUNT] = {0};
    for (unsigned r = 0; r < GROUPS; r++) {
        queue(w, r, 0, ITEMS, NEVER, (enum batch_kind)(KIND_ESTABLISH + r % KINDS));
    }
    for (unsigned i = 0; i < BATCHES; i++) {
        assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, 4, out), 4);
        for (unsigned k = KIND_ESTABLISH; k < KIND_COUNT; k++) {
            waited[k] = k == out[0]->kind ? 0 : waited[k] + 1;
            assert_in_range(waited[k], 0, BATCHER_PASSES_MAX + KINDS - 2);
        }
        served[out[0]->kind]++;
    }
    assert_true(served[KIND_CONFIRM] > served[KIND_WRAP]);
    assert_true(served[KIND_ESTABLISH] >= BATCHES / (BATCHER_PASSES_MAX + KINDS - 1));
    assert_in_range(served[KIND_WRAP], served[KIND_UNWRAP] - 1, served[KIND_UNWRAP] + 1);
}

/* Inside one verification batch: a flood of chains leaves Verify its turns. */
static void a_low_priority_is_in_every_full_batch(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    queue(w, 0, 0, ITEMS, NEVER, KIND_ESTABLISH_CHAIN);
    queue(w, 1, 0, ITEMS, NEVER, KIND_ESTABLISH_CHAIN);
    queue(w, 2, 1, ITEMS, NEVER, KIND_VERIFY);
    assert_int_equal(batcher_take(&w->b, POOL_VERIFY, ITEMS, out), ITEMS);
    unsigned verifies = 0;
    for (unsigned i = 0; i < ITEMS; i++) {
        verifies += out[i]->kind == KIND_VERIFY;
    }
    enum { PICKS = ITEMS / BATCHER_TURN_ITEMS };
    assert_int_equal(verifies, PICKS / (BATCHER_PASSES_MAX + 1) * BATCHER_TURN_ITEMS);
    assert_int_equal(out[0]->kind, KIND_ESTABLISH_CHAIN);
}

/* A kind that came late has not been passed over: it does not jump the queue. */
static void patience_starts_with_the_wait(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    queue(w, 0, 0, ITEMS, NEVER, KIND_CONFIRM);
    for (unsigned i = 0; i < 3 * BATCHER_PASSES_MAX; i++) {
        assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, 1, out), 1);
    }
    queue(w, 1, 0, ITEMS, NEVER, KIND_ESTABLISH);
    for (unsigned i = 0; i < BATCHER_PASSES_MAX; i++) {
        assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, 1, out), 1);
        assert_int_equal(out[0]->kind, KIND_CONFIRM);
    }
    assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, 1, out), 1);
    assert_int_equal(out[0]->kind, KIND_ESTABLISH);
}

/* A flood of one principal: another's item is in the very next batch, however small. */
static void a_flood_starves_nobody(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    for (unsigned r = 0; r < 40; r++) {
        queue(w, r, 0, ITEMS, NEVER, KIND_VERIFY);
    }
    assert_int_equal(batcher_take(&w->b, POOL_VERIFY, 3, out), 3);
    queue(w, 40, 1, 1, NEVER, KIND_VERIFY);
    queue(w, 41, 2, 1, NEVER, KIND_VERIFY);
    enum { WITHIN = BATCHER_TURN_ITEMS + 2 }; /* a turn of the flood's and the two */
    assert_int_equal(batcher_take(&w->b, POOL_VERIFY, WITHIN, out), WITHIN);
    bool second = false;
    bool third = false;
    for (unsigned i = 0; i < WITHIN; i++) {
        second = second || out[i]->group == &w->requests[40].group;
        third = third || out[i]->group == &w->requests[41].group;
    }
    assert_true(second && third);
}

static void equal_floods_share_equally(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    unsigned share[PRINCIPALS] = {0};
    for (unsigned r = 0; r < 9; r++) {
        queue(w, r, r % PRINCIPALS, ITEMS, NEVER, KIND_CONFIRM);
    }
    /* An odd batch size, so that turns are cut by batches and must carry over. */
    for (unsigned taken = 0; taken < 30 * BATCHER_TURN_ITEMS * PRINCIPALS;) {
        size_t n = batcher_take(&w->b, POOL_CUSTODY, 5, out);
        assert_int_equal(n, 5);
        for (size_t i = 0; i < n; i++, taken++) {
            share[out[i]->group->principal]++;
        }
    }
    for (unsigned p = 0; p < PRINCIPALS; p++) {
        assert_in_range(share[p], 29 * BATCHER_TURN_ITEMS, 31 * BATCHER_TURN_ITEMS);
    }
}

static void deadlines_expire_earliest_first(void **state)
{
    struct world *w = *state;
    static const uint64_t deadlines[] = {500, 100, 900, 300, 700, 200, 800, 400, 600};
    enum { N = sizeof(deadlines) / sizeof(*deadlines) };
    assert_true(batcher_next_deadline(&w->b) == UINT64_MAX);
    for (unsigned r = 0; r < N; r++) {
        queue(w, r, r % PRINCIPALS, 3, deadlines[r], (enum batch_kind)(r % KIND_COUNT));
    }
    assert_null(batcher_expire(&w->b, 99));
    uint64_t last = 0;
    for (unsigned i = 0; i < 3 * N; i++) {
        assert_true(batcher_next_deadline(&w->b) >= last);
        last = batcher_next_deadline(&w->b);
        assert_null(batcher_expire(&w->b, last - 1));
        struct batcher_item *item = batcher_expire(&w->b, last);
        assert_non_null(item);
        assert_true(item->group->deadline_us == last);
        assert_false(item->queued);
    }
    assert_int_equal(last, 900);
    assert_true(batcher_next_deadline(&w->b) == UINT64_MAX);
}

static void what_is_past_is_gone_before_the_batch(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    queue(w, 0, 0, 4, 100, KIND_WRAP);
    queue(w, 1, 0, 4, 200, KIND_WRAP);
    for (unsigned i = 0; i < 4; i++) {
        assert_ptr_equal(batcher_expire(&w->b, 100), &w->requests[0].items[i]);
    }
    assert_null(batcher_expire(&w->b, 100));
    assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, ITEMS, out), 4);
    assert_ptr_equal(out[0]->group, &w->requests[1].group);
}

static void requeued_items_come_first_in_order(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    queue(w, 0, 0, 10, NEVER, KIND_ESTABLISH);
    assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, 4, out), 4);
    for (unsigned i = 4; i-- > 0;) {
        assert_int_equal(batcher_requeue(&w->b, out[i]), STATUS_OK);
    }
    assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, ITEMS, out), 10);
    for (unsigned i = 0; i < 10; i++) {
        assert_ptr_equal(out[i], &w->requests[0].items[i]);
        assert_int_equal(out[i]->attempts, i < 4 ? 1 : 0);
    }
}

static void attempts_are_counted_and_end(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    queue(w, 0, 2, 1, NEVER, KIND_ESTABLISH);
    for (unsigned attempt = 1; attempt <= BATCHER_ATTEMPTS_MAX; attempt++) {
        assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, ITEMS, out), 1);
        assert_int_equal(batcher_requeue(&w->b, out[0]),
                         attempt < BATCHER_ATTEMPTS_MAX ? STATUS_OK : STATUS_UNAVAILABLE);
    }
    assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, ITEMS, out), 0);
    assert_int_equal(batcher_push(&w->b, out[0], KIND_ESTABLISH), STATUS_OK);
    assert_int_equal(out[0]->attempts, 0); /* another stage, another count */
}

static void a_requeued_item_still_expires(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    queue(w, 0, 0, 3, 100, KIND_CONFIRM);
    assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, 1, out), 1);
    assert_ptr_equal(batcher_expire(&w->b, 100), &w->requests[0].items[1]);
    assert_int_equal(batcher_requeue(&w->b, out[0]), STATUS_OK); /* index below the last expired */
    assert_ptr_equal(batcher_expire(&w->b, 100), &w->requests[0].items[0]);
    assert_ptr_equal(batcher_expire(&w->b, 100), &w->requests[0].items[2]);
    assert_null(batcher_expire(&w->b, 100));
}

static void the_limit_refuses_and_recovers(void **state)
{
    struct world *w = *state;
    struct batcher_item *out[ITEMS];
    struct request *one_more = calloc(1, sizeof(*one_more));
    for (unsigned r = 0; r < GROUPS; r++) {
        queue(w, r, r % PRINCIPALS, 2, NEVER + r, KIND_UNWRAP);
    }
    batcher_group_init(&one_more->group, one_more->items, 1, 0, 1);
    assert_int_equal(batcher_push(&w->b, &one_more->items[0], KIND_UNWRAP), STATUS_BUSY);
    assert_false(one_more->items[0].queued);
    assert_int_equal(batcher_queued(&w->b, KIND_UNWRAP), 2 * GROUPS);
    assert_int_equal(batcher_take(&w->b, POOL_CUSTODY, 2, out), 2);
    assert_ptr_equal(out[1]->group, out[0]->group); /* that group is out of the queue now */
    assert_int_equal(batcher_push(&w->b, &one_more->items[0], KIND_UNWRAP), STATUS_OK);
    assert_int_equal(batcher_next_deadline(&w->b), 1);
    free(one_more);
}

/* Whatever is pushed, taken, given back and expired at random: each item ends exactly once. */
static void every_item_ends_exactly_once(void **state)
{
    struct world *w = *state;
    const char *given = getenv("ECKA_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 0) : 20261123;
    print_message("ECKA_SEED=%u\n", seed);
    srand(seed);
    unsigned ended[GROUPS][ITEMS] = {0};
    for (unsigned r = 0; r < GROUPS; r++) {
        queue(w, r, (uint32_t)rand() % PRINCIPALS, 1 + (uint32_t)rand() % ITEMS,
              (uint64_t)rand() % 2000, (enum batch_kind)(rand() % KIND_COUNT));
    }
    struct batcher_item *out[ITEMS];
    for (uint64_t now = 0; batcher_next_deadline(&w->b) != UINT64_MAX; now += 5) {
        enum batch_pool pool = (enum batch_pool)(rand() % POOL_COUNT);
        size_t n = batcher_take(&w->b, pool, (size_t)(rand() % 16), out);
        bool lost = rand() % 3 == 0;
        while (n-- > 0) {
            struct request *q = (struct request *)out[n]->group;
            if (!lost || batcher_requeue(&w->b, out[n]) != STATUS_OK) {
                ended[q - w->requests][out[n]->index]++;
            }
        }
        struct batcher_item *item;
        while ((item = batcher_expire(&w->b, now)) != NULL) {
            ended[(struct request *)item->group - w->requests][item->index]++;
        }
    }
    for (unsigned r = 0; r < GROUPS; r++) {
        for (unsigned i = 0; i < ITEMS; i++) {
            assert_int_equal(ended[r][i], i < w->requests[r].group.count ? 1 : 0);
        }
    }
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        assert_int_equal(batcher_queued(&w->b, (enum batch_kind)k), 0);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(takes_one_at_once_in_order),
        STORY(custody_kinds_do_not_mix),
        STORY(a_low_priority_starves_not),
        STORY(a_low_priority_is_in_every_full_batch),
        STORY(patience_starts_with_the_wait),
        STORY(a_flood_starves_nobody),
        STORY(equal_floods_share_equally),
        STORY(deadlines_expire_earliest_first),
        STORY(what_is_past_is_gone_before_the_batch),
        STORY(requeued_items_come_first_in_order),
        STORY(attempts_are_counted_and_end),
        STORY(a_requeued_item_still_expires),
        STORY(the_limit_refuses_and_recovers),
        STORY(every_item_ends_exactly_once),
    };
    return cmocka_run_group_tests_name("batcher", tests, NULL, NULL);
}
