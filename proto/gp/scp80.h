/*
 * SCP80 packet headers (ETSI TS 102 225) and the SMS that carry them (TS 23.048 / TS 31.115,
 * ENVELOPE SMS-PP). Bytes only: CC and ciphering are providers/scp's.
 *
 * Command packet:  CPL(2) CHL(1) SPI(2) KIc(1) KID(1) TAR(3) | CNTR(5) PCNTR(1) CC(8) data padding
 * Response packet: 02 71 00 RPL(2) RHL(1) TAR(3)             | CNTR(5) PCNTR(1) RSC(1) CC(8) data
 * pad What stands behind the bar is ciphered.
 */
#ifndef PROTO_GP_SCP80_H
#define PROTO_GP_SCP80_H

#include "proto/bytes.h"

enum {
    SCP80_COUNTER_LEN = 5,
    SCP80_CC_LEN = 8,
    SCP80_BLOCK = 16,
    SCP80_CHL = 0x15,         /* SPI..CC: 2 + 1 + 1 + 3 + 5 + 1 + 8 */
    SCP80_RHL = 0x12,         /* TAR..CC: 3 + 5 + 1 + 1 + 8 */
    SCP80_CLEAR_LEN = 10,     /* CPL..TAR */
    SCP80_CIPHERED_HEAD = 14, /* CNTR PCNTR CC */
    SCP80_RESPONSE_CLEAR = 9, /* 02 71 00 RPL RHL TAR */
    SCP80_RESPONSE_HEAD = 15, /* CNTR PCNTR RSC CC */
    SCP80_DATA_MAX = 1024,    /* bytes of payload; our limit */
    SCP80_PACKET_MAX = SCP80_CLEAR_LEN + SCP80_CIPHERED_HEAD + SCP80_DATA_MAX + SCP80_BLOCK,

    SCP80_SPI1_COMMAND = 0x16, /* CC, ciphering, counter must be higher */
    SCP80_SPI2_POR = 0x39,     /* PoR required, with CC, ciphered; U: formally by SMS-SUBMIT */
    SCP80_ALG_AES_CBC = 0x02,  /* low nibble of KIc and KID; the high one is the KVN */

    SCP80_RSC_OK = 0x00, /* TS 102 225 table 5: response status codes */
    SCP80_RSC_CC_FAILED = 0x01,
    SCP80_RSC_COUNTER_LOW = 0x02,
    SCP80_RSC_COUNTER_HIGH = 0x03,
    SCP80_RSC_BLOCKED = 0x04,
    SCP80_RSC_CIPHERING = 0x05,
    SCP80_RSC_UNIDENTIFIED = 0x06,
    SCP80_RSC_MEMORY = 0x07,
    SCP80_RSC_TAR_UNKNOWN = 0x09,
    SCP80_RSC_SECURITY_LEVEL = 0x0A,
};

/* TAR of the ISD-R (U). */
#define SCP80_TAR_ISDR 0x000001

struct scp80_header { /* the fields of a command packet that a sender chooses */
    uint8_t spi1, spi2;
    uint8_t kic, kid; /* KVN << 4 | algorithm */
    uint8_t tar[3];
    uint64_t counter; /* 5 bytes */
};

/* The command header of SM-SR Change for a KVN, TAR and counter. */
struct scp80_header scp80_command_header(uint8_t kvn, const uint8_t tar[static 3],
                                         uint64_t counter);

/* Bytes of padding that make head + data a whole number of AES blocks. */
static inline size_t scp80_padding(size_t head_len, size_t data_len)
{
    return (SCP80_BLOCK - (head_len + data_len) % SCP80_BLOCK) % SCP80_BLOCK;
}

/* CPL..TAR; ciphered_len counts head, data and padding, or the writer overflows. */
void scp80_clear_put(struct writer *w, const struct scp80_header *h, size_t ciphered_len);
/* Reads CPL..TAR; leaves a view of the ciphered rest. The counter stays 0. SCP80_MALFORMED. */
MUST_CHECK enum status scp80_clear_parse(struct span packet, struct scp80_header *h,
                                         struct span *ciphered);

/* 02 71 00 RPL RHL TAR. */
void scp80_response_clear_put(struct writer *w, const uint8_t tar[static 3], size_t ciphered_len);
MUST_CHECK enum status scp80_response_clear_parse(struct span packet, uint8_t tar[static 3],
                                                  struct span *ciphered);

/*
 * A command packet as ENVELOPE (SMS-PP download) C-APDUs: 80 C2 00 00 Lc D1 {82 02 8381, 8B
 * SMS-DELIVER}; one when it fits 140 bytes of user data, else concatenated (TS 23.040 9.2.3.24.1).
 */
enum {
    SMS_USER_DATA_MAX = 140,
    SMS_SEGMENTS_MAX = 10, /* SCP80_PACKET_MAX over 134 bytes a segment, rounded up, with room */
    SMS_ENVELOPE_MAX = 5 + 255,
};

struct sms_segment {
    uint8_t reference, total, number; /* total 1: not concatenated */
    struct span part;
};

/* How many envelopes the packet takes. */
size_t sms_segment_count(size_t packet_len);
/* The C-APDU of segment number (1-based). NO_SPACE, BAD_LENGTH. */
MUST_CHECK enum status sms_envelope_put(struct writer *w, struct span packet, uint8_t reference,
                                        size_t number);
/* Reads the data field of an ENVELOPE. TLV_MALFORMED. */
MUST_CHECK enum status sms_envelope_parse(struct span envelope_data, struct sms_segment *out);

#endif
