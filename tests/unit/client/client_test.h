/*
 * What the tests of the client share: clients of fake servers, requests that can be told apart by
 * their answers, and a log of those.
 */
#ifndef TESTS_UNIT_CLIENT_CLIENT_TEST_H
#define TESTS_UNIT_CLIENT_CLIENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "service/client/ecka.h"
#include "tests/unit/client/fake_server.h"

enum { MS = 1000, SOON_MS = 20000, LOG_MAX = 1024 };

/* A client of these servers, with keys of its own; what options says beyond that holds. */
struct ecka_client *test_client(struct fake_server *const servers[], size_t count,
                                struct ecka_options options);

uint64_t test_now_ms(void);

/* A one-item Verify whose item status will be tag. */
struct probe {
    uint8_t digest[ECKA_DIGEST_LEN];
    struct ecka_verify_item item;
    struct ecka_request request;
};

const struct ecka_request *probe(struct probe *p, uint8_t tag, uint64_t deadline_us);

struct log { /* what callbacks saw, in order */
    size_t count;
    int status[LOG_MAX];
    int item[LOG_MAX]; /* -1 where the request failed */
    char detail[160];
};

ecka_callback note;

/* Polls until the log has exactly so many entries. */
void poll_until(struct ecka_client *client, const struct log *log, size_t count);
/* Polls until a server has seen so many requests. */
void poll_until_seen(struct ecka_client *client, struct fake_server *s, int requests);
/* Polls until an endpoint is up, or is not. */
void poll_until_up(struct ecka_client *client, size_t endpoint, int up);

struct ecka_endpoint_state state_of(const struct ecka_client *client, size_t endpoint);

#endif
