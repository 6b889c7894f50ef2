/*
 * In steady state libecka allocates nothing: its calls of malloc and its kin, and nobody else's,
 * are counted by the linker's --wrap. libzmq is a library of its own and is not seen.
 */
#include "tests/unit/client/client_test.h"

#include <stdlib.h>

static atomic_size_t allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
    allocations++;
    return __real_realloc(ptr, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __real_aligned_alloc(alignment, size);
}

enum { UNDER_WAY = 16, ROUNDS = 50 };

static size_t answered;

static void count(void *arg, const struct ecka_reply *reply)
{
    (void)arg;
    (void)reply;
    answered++;
}

static void count_item(void *arg, int status)
{
    (void)arg;
    (void)status;
    answered++;
}

/* Requests and single verifications, so many under way at once each time. */
static void use(struct ecka_client *client, struct ecka_verifier *verifier, size_t rounds)
{
    for (size_t n = 0; n < rounds; n++) {
        struct probe p;
        (void)probe(&p, 1, 0);
        answered = 0;
        for (size_t i = 0; i < UNDER_WAY; i++) {
            assert_int_equal(ecka_submit(client, &p.request, count, NULL), ECKA_OK);
            assert_int_equal(ecka_verifier_add(verifier, ECKA_P256, &p.item, count_item, NULL),
                             ECKA_OK);
        }
        uint64_t end = test_now_ms() + SOON_MS;
        while (answered < 2 * UNDER_WAY && test_now_ms() < end) {
            (void)ecka_poll(client, 100);
        }
        assert_int_equal(answered, 2 * UNDER_WAY);
    }
}

static void steady_state_allocates_nothing(void **state)
{
    (void)state;
    struct fake_server a, b;
    struct ecka_verifier *verifier;
    fake_server_start(&a, ANSWER);
    fake_server_start(&b, FAIL); /* whatever goes there goes on */
    b.fail_with = ECKA_UNAVAILABLE;
    struct ecka_client *client =
        test_client((struct fake_server *const[]){&a, &b}, 2, (struct ecka_options){0});
    assert_int_equal(ecka_verifier_open(&verifier, client, NULL), ECKA_OK);
    poll_until_up(client, 0, 1);
    poll_until_up(client, 1, 1);
    size_t before = allocations;
    use(client, verifier, 1);
    assert_true(allocations > before); /* the first requests of all; and the counter counts */
    use(client, verifier, ROUNDS);
    before = allocations;
    uint64_t retries = state_of(client, 1).retries;
    use(client, verifier, ROUNDS);
    assert_int_equal(allocations - before, 0);
    assert_true(state_of(client, 1).retries > retries);

    for (size_t n = 0; n < ROUNDS; n++) { /* a reply of ecka_call is the caller's */
        struct probe p;
        struct ecka_reply *reply;
        assert_int_equal(ecka_call(client, probe(&p, 1, 0), &reply), ECKA_OK);
        ecka_reply_free(&reply);
    }
    assert_int_equal(allocations - before, ROUNDS);
    ecka_close(&client);
    fake_server_stop(&a);
    fake_server_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_state_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
