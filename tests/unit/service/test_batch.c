/*
 * The last look at the clock: what is late when its batch begins is not worked on, wherever it
 * stands in the batch, and what is not late is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "providers/provider.h"
#include "service/clock.h"
#include "service/job.h"
#include "service/verifier.h"

enum { JOBS = 3, ITEMS = 5, EARLY = 100, LATER = 200, NEVER = 300 };

struct world {
    struct wake wake;
    struct job_slab slab;
    struct policy_principal principal;
    Ecka__V1__Request request;
    Ecka__V1__Verify verify;
    uint8_t zero[ITEMS * 65];
    struct job *jobs[JOBS];
    struct batch batch;
};

/* A batch of three requests' items, one from each in turn. */
static void make(struct world *w, const uint64_t deadlines[JOBS])
{
    char detail[WIRE_DETAIL_MAX];
    *w = (struct world){.request = ECKA__V1__REQUEST__INIT, .verify = ECKA__V1__VERIFY__INIT};
    assert_int_equal(job_slab_init(&w->slab, JOBS, &w->principal, 1, &w->wake), STATUS_OK);
    w->request.verify = &w->verify;
    w->verify.curve = ECKA__V1__CURVE__P256;
    w->verify.public_keys = (ProtobufCBinaryData){.len = 65, .data = w->zero};
    w->verify.digests = (ProtobufCBinaryData){.len = ITEMS * 32, .data = w->zero};
    w->verify.signatures = (ProtobufCBinaryData){.len = ITEMS * 64, .data = w->zero};
    for (int j = 0; j < JOBS; j++) {
        struct job *job = job_slab_landing(&w->slab);
        job->request = (struct wire_request){&w->request, WIRE_OP_VERIFY, ITEMS};
        assert_int_equal(job_prepare(job, deadlines[j]), STATUS_OK);
        assert_int_equal(job_slab_admit(&w->slab, job, detail), STATUS_OK);
        memset(job->results.status, 0xEE, ITEMS);
        w->jobs[j] = job;
    }
    for (size_t i = 0; i < ITEMS; i++) {
        for (int j = 0; j < JOBS; j++) {
            w->batch.items[w->batch.count++] = &w->jobs[j]->group.items[i];
        }
    }
}

/* Each item is in the batch once: the live ones first, untouched, and the others with a status. */
static void assert_dropped(const struct world *w, uint64_t now)
{
    unsigned seen[JOBS][ITEMS] = {0};
    for (size_t i = 0; i < w->batch.count; i++) {
        const struct batcher_item *item = w->batch.items[i];
        bool late = item->group->deadline_us <= now;
        assert_int_equal(late, i >= w->batch.live);
        assert_int_equal(job_of(item)->results.status[item->index], late ? STATUS_DEADLINE : 0xEE);
        for (int j = 0; j < JOBS; j++) {
            seen[j][item->index] += job_of(item) == w->jobs[j];
        }
    }
    for (int j = 0; j < JOBS; j++) {
        for (size_t i = 0; i < ITEMS; i++) {
            assert_int_equal(seen[j][i], 1);
        }
    }
}

static void late_items_move_behind_the_live(void **state)
{
    (void)state;
    static const uint64_t orders[][JOBS] = {
        {EARLY, LATER, NEVER}, {NEVER, LATER, EARLY}, {LATER, EARLY, NEVER}};
    static const struct {
        uint64_t now;
        size_t live;
    } moments[] = {{EARLY - 1, 3 * ITEMS}, {EARLY, 2 * ITEMS}, {LATER, ITEMS}, {NEVER, 0}};
    for (size_t o = 0; o < sizeof(orders) / sizeof(*orders); o++) {
        for (size_t m = 0; m < sizeof(moments) / sizeof(*moments); m++) {
            struct world w;
            make(&w, orders[o]);
            batch_drop_late(&w.batch, moments[m].now);
            assert_int_equal(w.batch.count, JOBS * ITEMS);
            assert_int_equal(w.batch.live, moments[m].live);
            assert_dropped(&w, moments[m].now);
            job_slab_fini(&w.slab);
        }
    }
}

static void a_verifier_leaves_late_items_alone(void **state)
{
    (void)state;
    struct world w;
    struct verifier *v = NULL;
    uint64_t soon = clock_us() + 3600 * (uint64_t)US_PER_S;
    make(&w, (uint64_t[]){1, soon, 1});
    assert_int_equal(verifier_new(&v), STATUS_OK);
    verifier_work(v, &w.batch);
    assert_int_equal(w.batch.live, ITEMS);
    for (size_t i = 0; i < ITEMS; i++) {
        uint8_t verdict = w.jobs[1]->results.status[i];
        assert_true(verdict == STATUS_BAD_POINT || verdict == STATUS_SIGNATURE_INVALID);
        assert_int_equal(w.jobs[0]->results.status[i], STATUS_DEADLINE);
        assert_int_equal(w.jobs[2]->results.status[i], STATUS_DEADLINE);
    }
    verifier_free(&v);
    assert_null(v);
    job_slab_fini(&w.slab);
}

static void ignore(void *arg, const char *sentence)
{
    (void)arg;
    (void)sentence;
}

static int select_provider(void **state)
{
    (void)state;
    return provider_select(ignore, NULL) == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_items_move_behind_the_live),
        cmocka_unit_test(a_verifier_leaves_late_items_alone),
    };
    return cmocka_run_group_tests_name("batch", tests, select_provider, NULL);
}
