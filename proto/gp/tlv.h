/*
 * BER-TLV (ISO/IEC 7816-4, 5.2.2; GlobalPlatform 2.3.1, 11.1.5) and DGIs (GlobalPlatform, STORE
 * DATA).
 *
 * Tags are one to three bytes, lengths definite and at most TLV_LENGTH_MAX, in the shortest form;
 * tag 00 is none. A reader that fails leaves its cursor where it was and its outputs zero.
 */
#ifndef PROTO_GP_TLV_H
#define PROTO_GP_TLV_H

#include "proto/bytes.h"

enum { TLV_LENGTH_MAX = 0xFFFF };

struct tlv {
    uint32_t tag; /* its bytes as one big-endian number: 0x90, 0x5F37, 0x7F21 */
    struct span value;
    struct span raw; /* tag, length and value as received */
};

/* The next TLV. TLV_MALFORMED: truncated, indefinite or over-long length, tag over three bytes. */
MUST_CHECK enum status tlv_next(struct cursor *in, struct tlv *out);

/* The next TLV, which must carry this tag. */
MUST_CHECK enum status tlv_expect(struct cursor *in, uint32_t tag, struct span *value);

/* The next TLV, which must carry this tag and a value of one byte. */
MUST_CHECK enum status tlv_expect_u8(struct cursor *in, uint32_t tag, uint8_t *value);

void tlv_put(struct writer *w, uint32_t tag, struct span value);
void tlv_put_u8(struct writer *w, uint32_t tag, uint8_t value);
void tlv_put_header(struct writer *w, uint32_t tag, size_t value_len);
/* What was written to body as the value; what did not fit there does not fit here. */
void tlv_put_built(struct writer *w, uint32_t tag, const struct writer *body);

/* Bytes of a whole TLV: tag, length and value. */
size_t tlv_size(uint32_t tag, size_t value_len);

/* A BER length alone, as it stands before HostID, SIN and SDIN in SharedInfo. */
void ber_length_put(struct writer *w, size_t len);

/* DGI: two-byte tag, then a length of one byte up to FE, or FF and two bytes above. */
MUST_CHECK enum status dgi_next(struct cursor *in, uint16_t *tag, struct span *value);
/* The next DGI, which must carry this tag. */
MUST_CHECK enum status dgi_expect(struct cursor *in, uint16_t tag, struct span *value);
void dgi_put(struct writer *w, uint16_t tag, struct span value);

#endif
