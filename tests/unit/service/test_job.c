/*
 * The job slab: what it admits, whose share it is, and that the largest results fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/wire/shape.h"
#include "service/job.h"

enum { JOBS = 6, PRINCIPALS = 2 };

static struct policy_principal principals[PRINCIPALS] = {{.number = 0}, {.number = 1}};
static struct roster_entry names[PRINCIPALS] = {{"alpha"}, {"beta"}};

static struct wake wake; /* nobody sleeps */

static struct job *admit(struct job_slab *slab, uint32_t principal, enum status expected)
{
    char detail[WIRE_DETAIL_MAX] = "";
    struct job *job = job_slab_landing(slab);
    assert_non_null(job);
    job->principal_index = principal;
    job->principal = &names[principal];
    assert_int_equal(job_slab_admit(slab, job, detail), expected);
    assert_int_equal(detail[0] != '\0', expected != STATUS_OK);
    return job;
}

static void a_principal_holds_half_at_most(void **state)
{
    (void)state;
    struct job_slab slab;
    assert_int_equal(job_slab_init(&slab, JOBS, principals, PRINCIPALS, &wake), STATUS_OK);
    struct job *first = admit(&slab, 0, STATUS_OK);
    admit(&slab, 0, STATUS_OK);
    admit(&slab, 0, STATUS_OK);
    admit(&slab, 0, STATUS_BUSY);
    admit(&slab, 1, STATUS_OK);
    job_slab_release(&slab, first);
    admit(&slab, 0, STATUS_OK);
    admit(&slab, 0, STATUS_BUSY);
    job_slab_fini(&slab);
}

static void alone_it_may_hold_all(void **state)
{
    (void)state;
    struct job_slab slab;
    struct job *jobs[JOBS];
    assert_int_equal(job_slab_init(&slab, JOBS, principals, 1, &wake), STATUS_OK);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < JOBS; i++) {
            jobs[i] = admit(&slab, 0, STATUS_OK);
            for (int j = 0; j < i; j++) {
                assert_ptr_not_equal(jobs[j], jobs[i]);
            }
        }
        admit(&slab, 0, STATUS_BUSY); /* and the landing job is still there to answer from */
        for (int i = 0; i < JOBS; i++) {
            job_slab_release(&slab, jobs[i]);
        }
        assert_int_equal(slab.in_use, 0);
    }
    job_slab_fini(&slab);
}

static void shares_are_what_was_configured(void **state)
{
    (void)state;
    struct job_slab slab;
    struct policy_principal some[] = {{.share = 100, .number = 0},
                                      {.share = 34, .number = 1},
                                      {.share = 1, .number = 2},
                                      {.number = 3}};
    static const uint32_t jobs[] = {10, 4, 1, 5}; /* rounded up, and never nothing */
    assert_int_equal(job_slab_init(&slab, 10, some, 4, &wake), STATUS_OK);
    assert_memory_equal(slab.share, jobs, sizeof(jobs));
    job_slab_fini(&slab);
}

static void fill_entries(ProtobufCBinaryData *entries, size_t n, size_t max)
{
    for (size_t i = 0; i < n; i++) {
        assert_non_null(entries[i].data);
        assert_int_equal(entries[i].len, 0);
        memset(entries[i].data, 0x5A, max);
        entries[i].len = max;
    }
}

/* The largest request of each operation: its results fit the arena and its reply a frame. */
static void the_largest_results_fit(void **state)
{
    (void)state;
    struct job_slab slab;
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    request.id = UINT64_MAX;
    assert_int_equal(job_slab_init(&slab, 1, principals, 1, &wake), STATUS_OK);
    for (enum wire_op op = WIRE_OP_FIRST; op < WIRE_OP_END; op++) {
        const struct wire_shape *shape = wire_shape(op);
        struct job *job = job_slab_landing(&slab);
        uint32_t n = (uint32_t)shape->items_max;
        if (op == WIRE_OP_INFO) {
            continue;
        }
        job->request = (struct wire_request){&request, op, n};
        assert_int_equal(job_prepare(job, 1), STATUS_OK);
        assert_int_equal(job->unanswered, n);
        for (size_t k = 0; k < shape->out.count; k++) {
            const struct wire_field *f = &shape->out.list[k];
            size_t have = 0;
            if (f->form == WIRE_ENTRIES) {
                fill_entries(wire_entries(job->results.result, f, &have), n, f->width);
                assert_int_equal(have, n);
            }
        }
        const Ecka__V1__Reply *reply = job_reply(job);
        assert_int_equal(reply->id, UINT64_MAX);
        assert_int_equal(reply->result_case, op);
        assert_in_range(ecka__v1__reply__get_packed_size(reply), n, WIRE_FRAME_MAX);
        assert_int_equal(wire_reply_check(reply, op, n), STATUS_OK);
    }
    job_slab_fini(&slab);
}

static void an_item_knows_its_job(void **state)
{
    (void)state;
    struct job_slab slab;
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    assert_int_equal(job_slab_init(&slab, 1, principals, 1, &wake), STATUS_OK);
    struct job *job = job_slab_landing(&slab);
    job->request = (struct wire_request){&request, WIRE_OP_VERIFY, 3};
    assert_int_equal(job_prepare(job, 1), STATUS_OK);
    assert_ptr_equal(job_of(&job->group.items[2]), job);
    assert_int_equal(job->group.items[2].index, 2);
    job_slab_fini(&slab);
}

/* Bytes of the slab's arenas that are in memory. */
static size_t resident(const struct job_slab *slab)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = slab->arenas_len / page;
    unsigned char *in_memory = malloc(pages);
    size_t count = 0;
    assert_non_null(in_memory);
    assert_int_equal(mincore(slab->arenas, slab->arenas_len, in_memory), 0);
    for (size_t i = 0; i < pages; i++) {
        count += in_memory[i] & 1;
    }
    free(in_memory);
    return count * page;
}

static void use_all(struct job *job)
{
    assert_non_null(arena_alloc(&job->request_arena, 1, JOB_REQUEST_ARENA)); /* zeroed: written */
    assert_non_null(arena_alloc(&job->result_arena, 1, JOB_RESULT_ARENA));
}

enum { WHOLE = JOB_REQUEST_ARENA + JOB_RESULT_ARENA, KEPT = 2 * JOB_ARENA_KEPT };

static void memory_follows_the_load(void **state)
{
    (void)state;
    struct job_slab slab;
    struct job *jobs[JOBS];
    assert_int_equal(job_slab_init(&slab, JOBS, principals, 1, &wake), STATUS_OK);
    assert_int_equal(resident(&slab), 0);
    for (int i = 0; i < JOBS; i++) {
        use_all(job_slab_landing(&slab));
        jobs[i] = admit(&slab, 0, STATUS_OK);
        use_all(jobs[i]);
    }
    assert_int_equal(resident(&slab), JOBS * WHOLE);
    use_all(job_slab_landing(&slab)); /* a request that is refused takes its memory too */
    admit(&slab, 0, STATUS_BUSY);
    assert_int_equal(resident(&slab), (JOBS + 1) * WHOLE);
    for (int i = 0; i < JOBS; i++) {
        job_slab_release(&slab, jobs[i]);
    }
    assert_in_range(resident(&slab), WHOLE, JOBS * KEPT + WHOLE);

    use_all(job_slab_landing(&slab)); /* refused, and then its place is taken by a small one */
    job_slab_release(&slab, admit(&slab, 0, STATUS_OK));
    assert_in_range(resident(&slab), WHOLE, JOBS * KEPT + WHOLE);
    job_slab_fini(&slab);
}

static void *give_back(void *job)
{
    job_return(job);
    return NULL;
}

/* Another thread has the reply of an answered job: it is in use until it comes back. */
static void a_reply_underway_keeps_its_job(void **state)
{
    (void)state;
    struct job_slab slab;
    struct job *jobs[JOBS];
    pthread_t threads[JOBS];
    assert_int_equal(job_slab_init(&slab, JOBS, principals, 1, &wake), STATUS_OK);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = admit(&slab, 0, STATUS_OK);
        job_slab_answered(&slab, jobs[i]);
        uint8_t *reply = job_reply_storage(jobs[i], WIRE_FRAME_MAX);
        assert_non_null(reply);
        memset(reply, i, WIRE_FRAME_MAX);
    }
    assert_null(job_reply_storage(jobs[0], JOB_REQUEST_ARENA + 1));
    assert_int_equal(slab.unanswered, 0);
    assert_int_equal(slab.in_use, JOBS);
    assert_false(job_slab_reclaim(&slab));
    admit(&slab, 0, STATUS_BUSY);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, give_back, jobs[i]), 0);
    }
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    admit(&slab, 0, STATUS_BUSY); /* not yet reclaimed */
    assert_true(job_slab_reclaim(&slab));
    assert_false(job_slab_reclaim(&slab));
    assert_int_equal(slab.in_use, 0);
    assert_in_range(resident(&slab), 1, JOBS * KEPT);
    for (int i = 0; i < JOBS; i++) {
        admit(&slab, 0, STATUS_OK);
    }
    job_slab_fini(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_principal_holds_half_at_most), cmocka_unit_test(alone_it_may_hold_all),
        cmocka_unit_test(shares_are_what_was_configured), cmocka_unit_test(the_largest_results_fit),
        cmocka_unit_test(an_item_knows_its_job),          cmocka_unit_test(memory_follows_the_load),
        cmocka_unit_test(a_reply_underway_keeps_its_job),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
