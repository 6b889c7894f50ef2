/*
 * The eckad <-> custodian messages: unpacked, and every length checked once on either side.
 *
 * custody_batch_decode() is what stands between a compromised eckad and the custodian: after it no
 * field exceeds its limit of proto/wire/limits.h, fixed fields have their one length, and a
 * principal is a NUL-terminated name of [a-z0-9._-]. Values are the operation's to check.
 */
#ifndef PROTO_CUSTODY_CUSTODY_H
#define PROTO_CUSTODY_CUSTODY_H

#include "custody.pb-c.h"
#include "proto/arena.h"
#include "proto/bytes.h"
#include "proto/wire/limits.h"

typedef Ecka__Custody__V1__Batch custody_batch;
typedef Ecka__Custody__V1__Answer custody_answer;

enum custody_kind { /* the field numbers of the oneof in Batch, and so of Answer */
                    CUSTODY_HELLO = ECKA__CUSTODY__V1__BATCH__KIND_HELLO,
                    CUSTODY_ESTABLISH = ECKA__CUSTODY__V1__BATCH__KIND_ESTABLISH,
                    CUSTODY_CONFIRM = ECKA__CUSTODY__V1__BATCH__KIND_CONFIRM,
                    CUSTODY_SCP80_WRAP = ECKA__CUSTODY__V1__BATCH__KIND_SCP80_WRAP,
                    CUSTODY_SCP80_UNWRAP = ECKA__CUSTODY__V1__BATCH__KIND_SCP80_UNWRAP,
                    CUSTODY_SIGN = ECKA__CUSTODY__V1__BATCH__KIND_SIGN,
                    CUSTODY_AGREE = ECKA__CUSTODY__V1__BATCH__KIND_AGREE,
                    CUSTODY_KEY_SET_CREATE = ECKA__CUSTODY__V1__BATCH__KIND_KEY_SET_CREATE,
                    CUSTODY_SCP03_OPEN = ECKA__CUSTODY__V1__BATCH__KIND_SCP03_OPEN,
                    CUSTODY_SCP03_WRAP = ECKA__CUSTODY__V1__BATCH__KIND_SCP03_WRAP,
                    CUSTODY_SCP03_UNWRAP = ECKA__CUSTODY__V1__BATCH__KIND_SCP03_UNWRAP,
                    CUSTODY_RESEAL = ECKA__CUSTODY__V1__BATCH__KIND_RESEAL,
                    CUSTODY_REWRAP = ECKA__CUSTODY__V1__BATCH__KIND_REWRAP,
                    CUSTODY_NOTE = ECKA__CUSTODY__V1__BATCH__KIND_NOTE,
};

enum custody_note_event { /* of NoteItem */
                          CUSTODY_NOTE_POLICY = 1,
                          CUSTODY_NOTE_TRUST = 2,
                          CUSTODY_NOTE_REFUSED = 3,
};

/* Whether the name can be a principal's: 1..WIRE_PRINCIPAL_MAX of [a-z0-9._-]. */
bool principal_valid(const char *name);

/* Reads a batch. BAD_REQUEST with a sentence in detail; out stays NULL when nothing could be read.
 */
MUST_CHECK enum status custody_batch_decode(struct arena *arena, struct span frame,
                                            custody_batch **out,
                                            char detail[static WIRE_DETAIL_MAX]);

/* Reads the answer to batch id of a kind with this many items; its own status may be a failure, and
 * then there are no items. BAD_REQUEST when it is anything else. */
MUST_CHECK enum status custody_answer_decode(struct arena *arena, struct span frame, uint64_t id,
                                             enum custody_kind kind, size_t items,
                                             custody_answer **out);

#endif
