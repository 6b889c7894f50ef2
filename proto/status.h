/*
 * The one result type: what each function of every room answers, and what travels on the wire.
 *
 * A status is a value, complete in itself; whatever more there is to say (the name of a field, a
 * CK_RV) stands in a detail string or in the log.
 */
#ifndef PROTO_STATUS_H
#define PROTO_STATUS_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum status {
#define STATUS(name, code, retry, meaning) STATUS_##name = (code),
#include "proto/status.def"
#undef STATUS
};

/* Leaves the calling function with the first status that is not OK. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum status try_status_ = (expr);                                                          \
        if (try_status_ != STATUS_OK) {                                                            \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)

/* The status's name ("CERT_EXPIRED"); "UNKNOWN" for a code that is no status. */
const char *status_name(enum status s);

/* One sentence without a full stop that says what the status means. */
const char *status_meaning(enum status s);

/* Whether the same request may succeed later or at another endpoint. */
bool status_retryable(enum status s);

/* Whether a code from the wire is a status of this build. */
bool status_known(unsigned code);

#endif
