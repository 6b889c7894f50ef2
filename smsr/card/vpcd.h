/*
 * The wire between a card and a virtual reader (vsmartcard's vpcd): each way two bytes of length,
 * most significant first, and that many bytes. The reader listens, the card connects. One byte from
 * the reader is a control: 00 power off, 01 power on, 02 reset, 04 "your ATR?", which alone is
 * answered; anything longer is a C-APDU, and its R-APDU comes back.
 */
#ifndef SMSR_VPCD_H
#define SMSR_VPCD_H

#include "smsr/card/euicc.h"

enum {
    VPCD_POWER_OFF = 0x00,
    VPCD_POWER_ON = 0x01,
    VPCD_RESET = 0x02,
    VPCD_ATR = 0x04,
    VPCD_LENGTH_LEN = 2,
    VPCD_MAX = 0xFFFF,
    VPCD_PORT_TEXT = 8,
};

struct vpcd_address {
    char host[64], port[VPCD_PORT_TEXT];
};

/* "HOST:PORT", "[::1]:PORT"; false when it is neither. */
MUST_CHECK bool vpcd_address_parse(const char *text, struct vpcd_address *out);

/* The card: connects, trying again for a while until a reader listens, and serves it until the
 * reader hangs up. False when none was there, or the wire broke; said on stderr. */
MUST_CHECK bool vpcd_serve(const struct vpcd_address *reader, struct euicc *card);

/* The reader. */
struct vpcd_reader {
    int listener, card; /* sockets; -1: none */
};

/* Listens; an address that is not loopback is refused. Says on stderr what is wrong. */
MUST_CHECK bool vpcd_listen(struct vpcd_reader *reader, const struct vpcd_address *address);
/* Waits for a card and powers it on: it must show an ATR. */
MUST_CHECK bool vpcd_accept(struct vpcd_reader *reader, int timeout_ms);
void vpcd_close(struct vpcd_reader *reader);

/* One C-APDU; the length of the R-APDU, 0 when the card went away or kept silent. */
size_t vpcd_transmit(struct vpcd_reader *reader, struct span capdu,
                     uint8_t rapdu[static RAPDU_DATA_MAX + 2]);

#endif
