/*
 * ES5.FinaliseISDRhandover and the key information template that Beta reads after it
 * (SGP.02 4.1.1.9; GlobalPlatform 11.3.3.1).
 */
#ifndef PROTO_GP_HANDOVER_H
#define PROTO_GP_HANDOVER_H

#include "proto/bytes.h"

enum { HANDOVER_RANGES_MAX = 16, KEY_INFO_MAX = 48 };

/* What the F2 ranges of FinaliseISDRhandover mean (U; public code differs). */
enum handover_meaning { HANDOVER_KEEP_LISTED, HANDOVER_DELETE_LISTED };
#ifndef HANDOVER_MEANING /* a test builds a card of the other kind */
#define HANDOVER_MEANING HANDOVER_KEEP_LISTED
#endif

struct key_range {
    uint8_t kvn, first, last;
};

/* Command data: `F2 03 KVN first last`, repeated. */
void handover_put(struct writer *w, const struct key_range *ranges, size_t count);
MUST_CHECK enum status
handover_parse(struct span in, struct key_range out[static HANDOVER_RANGES_MAX], size_t *count);

struct key_info {
    uint8_t id, kvn, type, length;
};

/* `E0 L {C0 04 id KVN type length}...` */
void key_info_put(struct writer *w, const struct key_info *keys, size_t count);
MUST_CHECK enum status key_info_parse(struct span in, struct key_info out[static KEY_INFO_MAX],
                                      size_t *count);

#endif
