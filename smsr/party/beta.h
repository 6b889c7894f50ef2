/*
 * Beta, SM-SR2: the Commander to be. It keeps the EIS, a ticket and a sealed key set, and no key
 * and no secret: every cryptographic step is a call to eckad, so all it needs is libecka.
 */
#ifndef SMSR_BETA_H
#define SMSR_BETA_H

#include "proto/wire/limits.h"
#include "smsr/card/card_link.h"
#include "smsr/offload.h"

#define BETA_SMSR_ID "beta.sm-sr.example"

struct beta_config {          /* the same for every handover; borrowed */
    struct span cert_sr;      /* CERT.SR.ECDSA, sent at step 7 */
    const uint8_t *sr_key_id; /* its SHA-256 */
    const uint8_t *eum_id;    /* SHA-256 of the EUM's certificate, by which eckad knows it */
    enum ecka_curve eum_curve;
    const uint8_t *eum_point; /* the EUM's public key, for EumSignedInfo */
    bool with_dr;
    enum ecka_custody custody; /* of eSK and Z; what cannot be given is refused */
    struct octets host_id;     /* empty: the scenario goes without */
};

enum beta_state {
    BETA_IDLE,
    BETA_PREPARED,     /* step 3 is done; waits for ES7.HandoverEUICC */
    BETA_CHECKING,     /* step 6, at eckad */
    BETA_WAIT_RC,      /* step 7 is out */
    BETA_ESTABLISHING, /* steps 14 and 15, at eckad */
    BETA_WAIT_RECEIPT, /* step 15 is out */
    BETA_CONFIRMING,   /* step 23, at eckad */
    BETA_FINALISING,   /* steps 24 and 25; KS2 commands the card from here on */
    BETA_AUDITING,     /* reads the key information template */
    BETA_DONE,
};

struct beta {
    struct bus *bus;
    const struct trace *trace;
    const struct beta_config *config;
    struct offload *offload;
    enum beta_state state;

    uint8_t eid[GP_EID_LEN]; /* prepared for */
    uint32_t validity_s;
    struct eis eis; /* Alpha's until step 27 */
    struct octets rc;
    uint8_t kvn;
    uint32_t burnt_kvns; /* bit n: KVN n was tried for this EID */
    unsigned attempts;   /* at steps 7 to 22 */
    size_t ticket_len, key_set_len;
    uint8_t ticket[WIRE_TICKET_MAX];
    uint8_t key_set[WIRE_KEY_SET_MAX];
    uint64_t counter; /* of KS2: the last packet's */
    struct card_link link;
    struct es_answer warning; /* after step 23 nothing fails any more */

    struct eckad_call call;
    union {
        struct ecka_verify_item verify;
        struct ecka_chain_item chain;
        struct ecka_establish_item establish;
        struct ecka_confirm_item confirm;
        struct ecka_scp80_wrap_item wrap;
        struct ecka_scp80_unwrap_item unwrap;
    } item;
    uint8_t digest[ECKA_DIGEST_LEN]; /* of EumSignedInfo */
    struct octets receipt, dr;
    uint8_t script[APDU_MAX + 8]; /* the payload of a packet */
};

void beta_init(struct beta *beta, struct bus *bus, const struct trace *trace,
               const struct beta_config *config, struct offload *offload);

void beta_receive(struct beta *beta, const struct message *m);

/* -- between beta.c, which moves the robot, and beta_card.c, which commands it with KS2 -- */

/* Steps 24 and 25: FinaliseISDRhandover under KS2, then the key information template. */
void beta_finalise(struct beta *beta);
/* An R-APDU for Beta. */
void beta_card_answer(struct beta *beta, const struct message *m);
/* Steps 26 to 28 and 31: whatever the warning says, the eUICC is Beta's. */
void beta_complete(struct beta *beta);

#endif
