/*
 * Alpha, SM-SR1: the present Commander. It holds the EIS and KS1, and relays between Beta and the
 * card: it wraps what Beta sends in SCP80 packets under KS1, and rebuilds the CRT from ES7's
 * fields.
 *
 * A simulator of a foreign SM-SR: it keeps KS1 in its own locked memory and does its own
 * arithmetic.
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
};

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
    struct card_link link;
};

/* INTERNAL when there is no memory for secrets. */
MUST_CHECK enum status alpha_init(struct alpha *alpha, struct bus *bus, const struct trace *trace,
                                  struct engine *engine, const struct eis *eis,
                                  const struct key_set *ks1);
void alpha_fini(struct alpha *alpha);

void alpha_receive(struct alpha *alpha, const struct message *m);

#endif
