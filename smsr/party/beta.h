/*
 * Beta, SM-SR2: the Commander to be. It keeps the EIS, tickets and sealed key sets, and no key and
 * no secret: every cryptographic step is a call to eckad, so all it needs is libecka.
 *
 * Everything that the rest of a change needs stands in the first part of struct beta. Whoever
 * restores that part, in whatever process, goes on with beta_poke().
 */
#ifndef SMSR_BETA_H
#define SMSR_BETA_H

#include "proto/wire/limits.h"
#include "smsr/ability.h"
#include "smsr/card/card_link.h"

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
    bool second_set;           /* step 26 makes one more SCP80 set */
    FILE *alarms;              /* where a warning after step 23 is told to people; or NULL */
    /* Whether one more eUICC has room; NULL: always. */
    bool (*has_room)(void *arg);
    void *arg;
    uint32_t credentials_end;      /* yyyymmdd, last day of CERT.SR.ECDSA; 0: not looked at */
    const char *eid_prefix;        /* of the EIDs that the EUM may give; NULL or "": any */
    uint32_t curves;               /* of the eUICCs that Beta takes, bit n: enum curve n; 0: all */
    const struct ability *ability; /* of eckad; NULL: not looked at */
};

enum beta_state {
    BETA_IDLE,
    BETA_PREPARED,     /* step 3 is done; waits for ES7.HandoverEUICC */
    BETA_CHECKING,     /* step 6, at eckad */
    BETA_WAIT_RC,      /* step 7 is out */
    BETA_ESTABLISHING, /* steps 14 and 15, at eckad */
    BETA_WAIT_RECEIPT, /* step 15 is out */
    BETA_CONFIRMING,   /* step 23, at eckad */
    BETA_FAILED,       /* ended before step 23; a late receipt still commits */
    BETA_FINALISING,   /* steps 24 and 25; KS2 commands the card from here on */
    BETA_AUDITING,     /* reads the key information template */
    BETA_CREATING,     /* step 26: KeySetCreate, at eckad */
    BETA_STORING,      /* PUT KEY is out */
    BETA_COUNTING,     /* whether the card took the second set */
    BETA_NOTIFYING,    /* step 27 is done, 28 is out; operators are told */
    BETA_DONE,
    BETA_STATES,
};

const char *beta_state_name(enum beta_state state);

/* Tickets of one eUICC that may still be confirmed: the latest ones. */
enum { BETA_TICKETS_MAX = 4 };

struct beta_ticket {
    uint8_t change_id[CHANGE_ID_LEN];
    uint32_t attempt;
    uint8_t kvn;
    uint64_t expiry_s; /* 0: no ticket here */
    size_t len;
    uint8_t bytes[WIRE_TICKET_MAX];
};

struct beta_key_set { /* sealed */
    uint8_t kvn;      /* 0: none */
    uint64_t counter; /* the last packet's */
    size_t len;
    uint8_t bytes[WIRE_KEY_SET_MAX];
};

struct beta_record { /* what is stored */
    enum beta_state state;
    uint8_t change_id[CHANGE_ID_LEN];
    char alpha[REPLY_TO_MAX], orderer[REPLY_TO_MAX]; /* where they listen */
    uint32_t validity_s;
    uint64_t deadline_us;
    uint64_t due_us; /* when beta_poke() is wanted; 0: never */
    bool has_eis;
    struct octets rc;
    uint8_t kvn;
    uint32_t burnt_kvns;       /* bit n: KVN n was tried for this EID */
    uint32_t attempt;          /* at steps 7 to 22, ever for this EID */
    unsigned attempts;         /* in this change */
    size_t confirming;         /* index of the ticket */
    enum beta_state late_from; /* the state that a late receipt came into; BETA_IDLE: none */
    uint64_t late_due_us;      /* due_us in that state */
    uint8_t epk[GP_POINT_LEN], signature[GP_SIGNATURE_LEN];
    struct octets receipt, dr;
    struct beta_ticket tickets[BETA_TICKETS_MAX];
    struct beta_key_set ks2, second;
    unsigned card_attempts;
    uint32_t told; /* bit n: operator n acknowledged its notification */
    unsigned tellings;
    struct es_answer answer; /* of ES7.HandoverEUICC; after step 23 a warning at worst */
};

struct beta {
    struct beta_record r;
    struct eis eis; /* Alpha's until step 27 */

    struct bus *bus;
    const struct trace *trace;
    const struct beta_config *config;
    struct offload *offload;
    uint8_t eid[GP_EID_LEN];
    struct card_link link;
    bool calling;                  /* a call is out */
    bool eis_moved, tickets_moved; /* since they were stored */
    /* After each answer of eckad's: whoever owns it stores it and sends what it said; or NULL. */
    void (*settle)(void *arg, struct beta *beta);
    void *settle_arg;
    bool abandoned; /* whoever owns it waits for the call to end, and wants nothing of it */

    struct eckad_call call;
    void (*then)(struct beta *beta, int status, const char *detail, const struct ecka_reply *reply);
    union {
        struct ecka_verify_item verify;
        struct ecka_chain_item chain;
        struct ecka_establish_item establish;
        struct ecka_confirm_item confirm;
        struct ecka_scp80_wrap_item wrap;
        struct ecka_scp80_unwrap_item unwrap;
        struct ecka_key_set_create_item create;
    } item;
    uint8_t digest[ECKA_DIGEST_LEN]; /* of EumSignedInfo */
    uint8_t script[APDU_MAX + 8];    /* the payload of a packet */
    uint8_t put_key[WIRE_PUT_KEY_MAX];
    size_t put_key_len;
};

/* A Beta that knows nothing of bus->eid. */
void beta_init(struct beta *beta, struct bus *bus, const struct trace *trace,
               const struct beta_config *config, struct offload *offload);

void beta_receive(struct beta *beta, const struct message *m);

/* Nothing happened until due_us: does again what may be lost, and ends what is over. */
void beta_poke(struct beta *beta);

/* Whether KS2 commands the card: from step 23 on. */
static inline bool beta_commands(const struct beta *beta)
{
    return beta->r.state >= BETA_FINALISING;
}

/* -- between beta.c (the change), beta_establish.c (steps 6 to 23), beta_card.c (KS2 at work) -- */

struct message *beta_post(struct beta *beta, enum message_type type, enum party to);
void beta_enter(struct beta *beta, enum beta_state state);
void beta_call(struct beta *beta, enum ecka_op op,
               void (*then)(struct beta *beta, int status, const char *detail,
                            const struct ecka_reply *reply));
/* Ends the change before the commit point. */
void beta_fail(struct beta *beta, enum es_result result, unsigned step, const char *code,
               const char *text);

/*
 * Whether Beta can manage what it is asked to prepare for (step 2), or what stands in the EIS (step
 * 5): NULL when it can, else this implementation's word for it, with a sentence.
 */
const char *beta_prepare_refusal(const struct beta *beta, const struct message *m,
                                 const char **text);
const char *beta_eis_refusal(const struct beta *beta, const struct eis *eis, const char **text);

/* Step 6, 7, 14, 15, 23 at the state's beginning. */
void beta_check(struct beta *beta);
void beta_authenticate(struct beta *beta);
void beta_ask_rc(struct beta *beta);
void beta_establish(struct beta *beta);
void beta_ask_receipt(struct beta *beta);
void beta_confirm(struct beta *beta);
void beta_on_authenticated(struct beta *beta, const struct message *m);
void beta_on_created(struct beta *beta, const struct message *m);

/* Steps 24 to 26: FinaliseISDRhandover under KS2, the key information template, one more set. */
void beta_finalise(struct beta *beta);
void beta_card_poke(struct beta *beta);
void beta_card_answer(struct beta *beta, const struct message *m);
/* Steps 27 to 32: whatever the warning says, the eUICC is Beta's. */
void beta_complete(struct beta *beta);

#endif
