/*
 * C-APDUs and R-APDUs (ISO/IEC 7816-4, short form), and the expanded remote command structure that
 * carries them over SCP80 (ETSI TS 102 226 5.2; U: definite AA / AB or indefinite AE80 / AF).
 */
#ifndef PROTO_GP_APDU_H
#define PROTO_GP_APDU_H

#include "proto/bytes.h"

enum {
    APDU_DATA_MAX = 255,
    APDU_MAX = 5 + APDU_DATA_MAX + 1,
    RAPDU_DATA_MAX = 256,
    EXPANDED_COMMANDS_MAX = 8,

    INS_STORE_DATA = 0xE2,
    INS_DELETE = 0xE4,
    INS_GET_DATA = 0xCA,
    INS_ENVELOPE = 0xC2,
    INS_PUT_KEY = 0xD8,
    STORE_DATA_1_P1 = 0x09,
    STORE_DATA_2_P1 = 0x89,
};

struct apdu {
    uint8_t cla, ins, p1, p2;
    struct span data; /* Lc bytes; empty: no Lc */
    bool has_le;
    uint8_t le; /* 00 asks for 256 */
};

struct rapdu {
    struct span data;
    uint16_t sw;
};

void apdu_put(struct writer *w, const struct apdu *apdu);
/* BAD_LENGTH when Lc does not agree with the bytes (6700 to a reader), TLV_MALFORMED below 4. */
MUST_CHECK enum status apdu_parse(struct span in, struct apdu *out);
void rapdu_put(struct writer *w, struct span data, uint16_t sw);
MUST_CHECK enum status rapdu_parse(struct span in, struct rapdu *out);

/* AA L { 22 L C-APDU }...: the form this code sends. */
void expanded_commands_put(struct writer *w, const struct span *apdus, size_t count);
/* Reads AA (definite) and AE80 ... 0000 (indefinite). */
MUST_CHECK enum status expanded_commands_parse(struct span in,
                                               struct span apdus[static EXPANDED_COMMANDS_MAX],
                                               size_t *count);
/* AB L { 80 01 count, 23 L R-APDU }: the answer; the last R-APDU is kept (TS 102 226 5.2.2). */
void expanded_answer_put(struct writer *w, uint8_t executed, struct span last_rapdu);
/* Reads AB (definite) and AF80 ... 0000. */
MUST_CHECK enum status expanded_answer_parse(struct span in, uint8_t *executed,
                                             struct span *last_rapdu);

#endif
