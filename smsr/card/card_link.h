/*
 * One SCP80 packet on its way to the eUICC as ENVELOPEs, and its answer. Alpha and Beta each have
 * one; they wrap and unwrap by their own means.
 */
#ifndef SMSR_CARD_LINK_H
#define SMSR_CARD_LINK_H

#include "proto/gp/scp80.h"
#include "smsr/party/bus.h"

struct card_link {
    struct bus *bus;
    enum party owner;
    uint8_t reference; /* of the concatenated message */
    uint32_t sent;     /* number of the last ENVELOPE; an answer bears that of its command */
    size_t next, total;
    size_t packet_len;
    uint8_t packet[SCP80_PACKET_MAX];
    uint8_t answer[RAPDU_DATA_MAX]; /* of the last ENVELOPE */
    size_t answer_len;
};

enum card_link_state { CARD_LINK_WAITING, CARD_LINK_ANSWERED, CARD_LINK_FAILED };

/* Sends the first ENVELOPE. BAD_LENGTH when the packet is too long. */
MUST_CHECK enum status card_link_send(struct card_link *link, struct span packet);

/*
 * Takes an R-APDU. WAITING: the next ENVELOPE went out; or nothing did, and after some patience the
 * packet's successor is to be sent. ANSWERED: answer holds the response packet.
 * FAILED: the card answered sw, and no proof of receipt.
 */
MUST_CHECK enum card_link_state card_link_receive(struct card_link *link,
                                                  const struct message *answer, uint16_t *sw);

#endif
