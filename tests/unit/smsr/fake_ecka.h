/*
 * libecka's calls answered in this process, by the bench's arithmetic: an eckad without a network,
 * a token or a policy, that fails where a test tells it to. Blobs are not sealed here.
 */
#ifndef TESTS_SMSR_FAKE_ECKA_H
#define TESTS_SMSR_FAKE_ECKA_H

#include "service/client/ecka.h"
#include "tests/unit/smsr/bench.h"

struct fake_ecka {
    struct bench *bench;
    enum ecka_op fail_op; /* 0: none */
    int fail_status;
    unsigned fail_times; /* of that operation's calls, from the first */
    bool fail_request;   /* the request as a whole, not its item */
    bool bad_signature;  /* of Establish */
    unsigned calls[ECKA_REWRAP + 1];
};

extern struct fake_ecka fake_ecka;

#endif
