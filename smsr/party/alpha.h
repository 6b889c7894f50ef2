/*
 * Alpha, SM-SR1: the present Commander. It holds the EIS and KS1, and relays between Beta and the
 * card: it wraps what Beta sends in SCP80 packets under KS1, and rebuilds the CRT from ES7's
 * fields.
 *
 * A simulator of a foreign SM-SR: it keeps KS1 in its own locked memory and does its own
 * arithmetic. It answers a request that it has seen before as it did then, so that lost messages
 * can be said again.
 */
#ifndef SMSR_ALPHA_H
#define SMSR_ALPHA_H

#include "smsr/card/card_link.h"
#include "smsr/card/isdr.h"

#define ALPHA_SMSR_ID "alpha.sm-sr.example"

enum alpha_state {
    ALPHA_IDLE,
    ALPHA_WAIT_BETA,   /* for ES7.AuthenticateSMSR, CreateAdditionalKeySet or Handover's answer */
    ALPHA_WAIT_CARD_1, /* for RC */
    ALPHA_WAIT_CARD_2, /* for the receipt */
    ALPHA_COUNTING,    /* the card is full: for its key information template */
    ALPHA_CLEARING,    /* for the sets that nobody can use to be deleted */
    ALPHA_STATES,
};

const char *alpha_state_name(enum alpha_state state);

struct alpha {
    struct bus *bus;
    const struct trace *trace;
    struct engine *engine;
    struct key_set *ks1; /* secret memory; its counter is that of the last packet sent */
    struct eis eis;
    bool has_eis;
    bool locked; /* other management is refused while a change runs */
    enum alpha_state state;
    uint64_t deadline_us;
    uint64_t due_us; /* when alpha_poke() is wanted; 0: never */

    struct message order;     /* of the change that runs, or ran last: change_id, reply_to */
    struct message request;   /* the last of Beta's: under way to the card, or answered */
    struct message reply;     /* to it; of type MESSAGE_TYPES when there is none yet */
    struct es_answer outcome; /* of the last change */
    uint32_t receipts;        /* bit n: the receipt of a set of KVN n was passed on to Beta */
    uint64_t receipts_end_us; /* when none of them can be confirmed any more */
    unsigned card_attempts;
    struct card_link link;
};

/* INTERNAL when there is no memory for secrets. eis NULL: Alpha does not manage this eUICC. */
MUST_CHECK enum status alpha_init(struct alpha *alpha, struct bus *bus, const struct trace *trace,
                                  struct engine *engine, const struct eis *eis,
                                  const struct key_set *ks1);
void alpha_fini(struct alpha *alpha);

void alpha_receive(struct alpha *alpha, const struct message *m);

/* Nothing happened until due_us: says again what may be lost, and ends what is over. */
void alpha_poke(struct alpha *alpha);

/* -- between alpha.c (the change) and alpha_clear.c (room in the card) -- */

/* Sends one C-APDU under KS1, with the next counter. */
MUST_CHECK enum status alpha_command(struct alpha *alpha, const struct apdu *apdu);

/* Asks the card what it holds; state is ALPHA_COUNTING afterwards. */
MUST_CHECK enum status alpha_clear(struct alpha *alpha);
/* Goes on with an answer of the card's; true when it is over, whether or not there is room now. */
MUST_CHECK bool alpha_cleared(struct alpha *alpha, const struct rapdu *r);

#endif
