#include "bench/hsm/case.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const lanes[LANE_COUNT] = {"direct", "libp11", "service", "raw"};

static const struct {
    const char *name;
    bool has_curve;
} operations[OP_COUNT] = {
    [OP_ECDSA_SIGN] = {"ecdsa-sign", true},
    [OP_ECDH] = {"ecdh", true},
    [OP_ECDH_X963] = {"ecdh-x963", true},
    [OP_AGREE] = {"agree", true},
    [OP_KEYGEN] = {"keygen", true},
    [OP_AES_CMAC] = {"aes-cmac", false},
    [OP_AES_GCM] = {"aes-gcm", false},
    [OP_WRAP] = {"wrap", false},
    [OP_UNWRAP] = {"unwrap", false},
    [OP_RANDOM] = {"random", false},
    [OP_SESSION_OPEN] = {"session-open", false},
    [OP_FIND] = {"find", false},
};

const char *lane_name(enum hsm_lane lane)
{
    return lanes[lane];
}

const char *operation_name(enum hsm_operation op)
{
    return operations[op].name;
}

bool operation_has_curve(enum hsm_operation op)
{
    return operations[op].has_curve;
}

void case_id(const struct hsm_case *c, char out[static CASE_ID_MAX])
{
    const struct hsm_load *l = &c->load;
    char sessions[16] = "";
    if (l->sessions != 1) {
        (void)snprintf(sessions, sizeof sessions, "s%u/", l->sessions);
    }
    (void)snprintf(out, CASE_ID_MAX, "hsm/%s/%s%s%s/p%u/t%u/%s%s", lane_name(l->lane),
                   operation_name(l->operation), l->curve == CURVE_NONE ? "" : "/",
                   l->curve == CURVE_NONE ? "" : curve_name(l->curve), l->processes, l->threads,
                   sessions, c->offered > 0 ? "open" : "closed");
}

void case_count_error(struct hsm_error errors[static ERRORS_MAX], unsigned long code,
                      uint64_t count)
{
    for (size_t i = 0; i < ERRORS_MAX; i++) {
        if (errors[i].count == 0 || errors[i].code == code || i == ERRORS_MAX - 1) {
            errors[i].code = code;
            errors[i].count += count;
            return;
        }
    }
}

void case_end(struct hsm_case *c, enum case_status status, const char *format, ...)
{
    va_list args;
    if (c->status != CASE_OK) {
        return;
    }
    c->status = status;
    va_start(args, format);
    (void)vsnprintf(c->why, sizeof c->why, format, args);
    va_end(args);
}
