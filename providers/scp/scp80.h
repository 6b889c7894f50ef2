/*
 * SCP80 security (ETSI TS 102 225 with AES, U/V as proto/gp/scp80.h says): CC = first 8 bytes of
 * AES-CMAC(KID, ...), AES-CBC(KIC, IV 0). Both directions, for the off-card side and for the card.
 */
#ifndef PROVIDERS_SCP_SCP80_H
#define PROVIDERS_SCP_SCP80_H

#include "proto/gp/scp80.h"
#include "providers/kdf/sym.h"

struct scp80_keys {     /* borrowed; secrets */
    const uint8_t *kic; /* 16 */
    const uint8_t *kid; /* 16 */
};

/* Off-card: a command packet (CPL first). BAD_COUNTER, BAD_LENGTH (data over SCP80_DATA_MAX),
 * NO_SPACE. */
MUST_CHECK enum status scp80_wrap_command(struct sym *s, const struct scp80_keys *keys,
                                          const struct scp80_header *header, struct span data,
                                          struct writer *out);
/*
 * Card: opens a command packet; header->counter is set, data is written to out. SCP80_MALFORMED,
 * SCP80_CC. Whether the counter and the KVN are right is the card's to check.
 */
MUST_CHECK enum status scp80_unwrap_command(struct sym *s, const struct scp80_keys *keys,
                                            struct span packet, struct scp80_header *header,
                                            struct writer *out);

struct scp80_response {
    uint8_t tar[3];
    uint64_t counter;
    uint8_t rsc; /* SCP80_RSC_... */
};

/* Card: a response packet with proof of receipt, starting 02 71 00. */
MUST_CHECK enum status scp80_wrap_response(struct sym *s, const struct scp80_keys *keys,
                                           const struct scp80_response *response, struct span data,
                                           struct writer *out);
/* Off-card: opens a response packet. SCP80_MALFORMED: its clear part or length is wrong; SCP80_CC:
 * its checksum or its padding is, and nobody learns which, by time neither. */
MUST_CHECK enum status scp80_unwrap_response(struct sym *s, const struct scp80_keys *keys,
                                             struct span packet, struct scp80_response *response,
                                             struct writer *out);

#endif
