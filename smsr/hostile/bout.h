/*
 * One hostile run: two eUICCs change hands at once, and everything that is said passes Alpha's
 * adversary, who holds Alpha's keys and bends what he likes. The bout delivers; adversary.c bends;
 * judge.c watches and says which invariant broke. Time is the bus's, and jumps to when something is
 * due.
 */
#ifndef SMSR_BOUT_H
#define SMSR_BOUT_H

#include "smsr/hostile/dice.h"
#include "smsr/party/handover.h"

enum {
    BOUT_ROBOTS = 2,
    BOUT_VALIDITY_S = 20,
    KNOWN_MAX = 24,   /* key sets that the adversary knows of one card */
    DERIVED_MAX = 16, /* key sets that a card derived with Beta: a key version number serves once */
    HELD_MAX = 6,     /* messages kept back */
    ARCHIVE_MAX = 16, /* messages of this run to say again */
    SEEN_MAX = 1 << 16,
    FAULT_MAX = 160,
};

/* What the adversary can do; a run is given some of it. */
enum attack {
    ATTACK_DROP,
    ATTACK_DELAY,
    ATTACK_REPEAT,
    ATTACK_ALTER_BYTE,
    ATTACK_ALTER_FIELD,
    ATTACK_SWAP,
    ATTACK_REPLAY,
    ATTACK_CERTIFICATE,
    ATTACK_KEY,
    ATTACK_SIGNATURE,
    ATTACK_RECEIPT,
    ATTACK_EIS,
    ATTACK_EIS_LIE,
    ATTACK_HIDE_SETS,
    ATTACK_PLANT,
    ATTACK_PUT_KEY,
    ATTACK_DELETE,
    ATTACK_SPEND_RC,
    ATTACK_ANY_COMMAND,
    ATTACK_RESET,
    ATTACK_FORGE_ANSWER,
    ATTACK_KNOWN_EUICC, /* hands over an eUICC whose SK.ECASD.ECKA he knows */
    ATTACKS,
};

const char *attack_name(enum attack attack);

/* What the adversary brings: made once, used by every run. */
struct arsenal {
    EVP_PKEY *gamma_key; /* of an SM-SR with a true certificate, in league with Alpha */
    uint8_t gamma_cert[GP_CERT_MAX], dp_cert[GP_CERT_MAX], forged_cert[GP_CERT_MAX];
    size_t gamma_cert_len, dp_cert_len, forged_cert_len;
    struct eis known_eis; /* of a true eUICC whose key he has read out */
    uint8_t known_sk[EC_SCALAR_LEN], known_point[EC_POINT_LEN];
};

/* Makes it with the CI's and EUM's keys below dir. */
MUST_CHECK enum status arsenal_init(struct arsenal *arsenal, const struct factory *factory,
                                    const char *dir);
void arsenal_fini(struct arsenal *arsenal);

struct opened {                            /* key sets of one eUICC, in secret memory */
    struct key_set known[KNOWN_MAX];       /* to the adversary; [0] is KS1, counters as last used */
    struct key_set derived[DERIVED_MAX];   /* in the card by a key establishment, and not his */
    struct key_set present[ISDR_SETS_MAX]; /* in the card after the last command */
};

struct witness { /* what the judge saw of one eUICC */
    size_t derived_count;
    bool finalised;    /* a packet under KS2 left KS2's set and no other */
    bool success_said; /* Beta answered Executed-Success */
    bool bent;         /* this eUICC's messages or card were touched */
    bool he_deleted;   /* the adversary deleted a derived set */
    bool lost;         /* and it was Beta's: nobody commands this eUICC */
    uint8_t *seen;     /* what the adversary read, SEEN_MAX bytes */
    size_t seen_len;
    size_t judged; /* messages at the head of the bus that were looked at */
};

struct robot_bout {
    struct bus bus;
    struct operator_party op;
    struct alpha alpha; /* what Alpha does when nobody bends it */
    struct beta beta;
    struct robot robot;
    struct opened *opened;
    size_t known_count;
    uint8_t pk_ecasd[EC_POINT_LEN];
    struct es7_create_key_set last_create; /* Beta's, as it was said */
    bool has_create;
    bool retried; /* changed hands after the adversary had gone */
    struct witness witness;
};

struct held {
    struct message m;
    size_t robot;
};

struct bout {
    const struct handover_context *ctx;
    const struct arsenal *arsenal;
    uint64_t number;
    struct dice dice;
    struct trace trace;
    uint32_t attacks; /* bit n: this run may use attack n */
    size_t rarity;    /* one message in so many is touched; 0: none ever */
    bool in_league;   /* false: Alpha is honest now */
    uint32_t used;    /* bit n: attack n was carried out */
    unsigned sessions, steps;
    struct robot_bout robots[BOUT_ROBOTS];
    struct held held[HELD_MAX];
    size_t held_count;
    struct message archive[ARCHIVE_MAX];
    size_t archive_count;
    enum { BOUT_HOSTILE, BOUT_RETRY, BOUT_OVER } phase;
    char fault[FAULT_MAX]; /* "": every invariant held */
};

MUST_CHECK enum status bout_new(struct bout **out, const struct handover_context *ctx,
                                const struct arsenal *arsenal, uint64_t seed, uint64_t number,
                                bool verbose);
void bout_free(struct bout **bout);

/* Goes on until eckad is asked something, or the run is over (phase). */
void bout_advance(struct bout *bout);

/* A call to eckad is under way for this run. */
bool bout_waits(const struct bout *bout);

/* -- between bout.c, adversary.c and judge.c -- */

/* To the party that m is for; a full bus loses it. */
void bout_deliver(struct bout *bout, size_t robot, const struct message *m);

/* What the adversary makes of a message: it delivers it, once, often, never, or something else. */
void adversary_relay(struct bout *bout, size_t robot, const struct message *m);
/* What he does between two messages. */
void adversary_act(struct bout *bout, size_t robot);
/* Alpha comes to its senses: deletes what was planted, with KS1. */
void adversary_repent(struct bout *bout, size_t robot);
/* Whether a key set of his opens the ISD-R. */
bool adversary_opens(struct bout *bout, size_t robot, size_t known);
/* The attacks that go through the card, by themselves (adversary_card.c). False: did nothing. */
bool adversary_command(struct bout *bout, size_t robot, enum attack attack);
/* A key establishment in Gamma's name; the receipt, when the card gave one. */
bool adversary_establish(struct bout *bout, size_t robot, uint8_t kvn, struct octets *receipt);
/* The receipt that an eUICC with his own SK.ECASD.ECKA would give Beta. */
bool adversary_receipt(struct bout *bout, size_t robot, struct octets *receipt);

void judge_card(struct bout *bout, size_t robot, bool by_beta);
void judge_heard(struct bout *bout, size_t robot, struct span bytes); /* by the adversary */
void judge_posted(struct bout *bout, size_t robot); /* what parties said since the last time */
void judge_at_end(struct bout *bout, size_t robot);
void judge_retry(struct bout *bout, size_t robot);
__attribute__((format(printf, 3, 4))) void judge_fault(struct bout *bout, size_t robot,
                                                       const char *text, ...);

#endif
