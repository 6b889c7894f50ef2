#include "proto/status.h"

#include <stddef.h>

enum retry { FINAL, RETRY };

struct status_row {
    const char *name;
    const char *meaning;
    enum retry retry;
};

enum { STATUS_CODES = 256 }; /* one byte on the wire */

static const struct status_row rows[STATUS_CODES] = {
#define STATUS(name, code, retry, meaning) [code] = {#name, meaning, retry},
#include "proto/status.def"
#undef STATUS
};

static const struct status_row *row(unsigned code)
{
    return code < STATUS_CODES && rows[code].name != NULL ? &rows[code] : NULL;
}

const char *status_name(enum status s)
{
    const struct status_row *r = row((unsigned)s);
    return r != NULL ? r->name : "UNKNOWN";
}

const char *status_meaning(enum status s)
{
    const struct status_row *r = row((unsigned)s);
    return r != NULL ? r->meaning : "a status this build does not know";
}

bool status_retryable(enum status s)
{
    const struct status_row *r = row((unsigned)s);
    return r != NULL && r->retry == RETRY;
}

bool status_known(unsigned code)
{
    return row(code) != NULL;
}
