/*
 * Raw Cryptoki in a worker's process: the module, its token, a session that is logged in, and the
 * keys that operations use.
 *
 * Keys are made in the token: as token objects, which those of a custodian are, where the target
 * says so, else as session objects, which end with the process. What operations make are session
 * objects. A token that makes none of these gets token objects. All have the label DIRECT_LABEL,
 * and are destroyed at the end of the process or, where that does not come, by token_census().
 */
#ifndef BENCH_HSM_DIRECT_H
#define BENCH_HSM_DIRECT_H

#include "bench/hsm/worker.h"
#include "providers/provider.h"

#define DIRECT_LABEL "eckabench temporary"

enum {
    DIRECT_SHARED_INFO = 3 + 16, /* bytes: key usage, type and length, then HostID or alike */
    DIRECT_WRAPPED_MAX = 64,
    DIRECT_ID_LEN = 8,
};

struct direct { /* of a process */
    void *module;
    CK_FUNCTION_LIST_PTR p11;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE home; /* that the keys belong to */
    struct thread_record *record;
    bool initialised, read_write;
    bool keys_in_token;          /* as the target says */
    bool in_token;               /* all of them: the token makes no other */
    char text[FAILURE_TEXT_MAX]; /* what a code does not say of a failed direct_open() */
    uint8_t id[DIRECT_ID_LEN];
    CK_OBJECT_HANDLE private, public, aes, kek, wrappable;
    CK_MECHANISM_TYPE wrap;
    uint8_t wrapped[DIRECT_WRAPPED_MAX];
    CK_ULONG wrapped_len;
    uint8_t point[EC_POINT_LEN], peer[EC_POINT_LEN];
    uint8_t block[SHA256_LEN]; /* X9.63's first, as computed here */
};

/* Makes the call known while it lasts: what a process hangs or dies in is told by it. */
#define DIRECT_CALL(d, record_, name, ...)                                                         \
    (atomic_store(&(record_)->call, #name), (d)->p11->name(__VA_ARGS__))

/* Loads, initialises, finds the token. */
CK_RV direct_open(struct direct *d, const struct target *target, struct thread_record *record);
/* Opens a session and logs in where there is a PIN, which is wiped from this process. */
CK_RV direct_login(struct direct *d, const struct target *target);
/* Destroys what was made, closes, unloads. */
void direct_close(struct direct *d);

/* A session like that of the keys. */
CK_RV direct_session(struct direct *d, struct thread_record *record, CK_SESSION_HANDLE *out);

/* The keys that an operation needs, in the session that they belong to; the first code that is not
 * CKR_OK. Where the token asks for it, that becomes a read-write session, and they token objects.
 */
CK_RV direct_keys(struct direct *d, enum hsm_operation op, enum curve curve);

/* An EC pair that signs or derives, for the time that its caller keeps it. */
CK_RV direct_make_pair(struct direct *d, CK_SESSION_HANDLE session, struct thread_record *record,
                       enum curve curve, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private);

/* "CKR_DEVICE_ERROR"; of a vendor's a text that the next call of this thread overwrites. */
const char *direct_error_name(unsigned long code);
/* The token has no such mechanism, function or curve. */
bool direct_lacking(unsigned long code);

#endif
