/*
 * What the four parties say to each other: ES4 and ES7 of SGP.02 with their fields, and APDU bytes
 * to and from the eUICC. A message owns everything in it: nothing points into a party.
 *
 * Any message may be lost, late or doubled. change_id and attempt name the exchange that it belongs
 * to, and an answer repeats those of its request.
 */
#ifndef SMSR_MESSAGE_H
#define SMSR_MESSAGE_H

#include "proto/gp/apdu.h"
#include "proto/gp/key_establishment.h"
#include "smsr/eis/eis.h"
#include "smsr/party/status.h"
#include "smsr/trace.h"

enum message_type {
    ES4_PREPARE_SMSR_CHANGE,
    ES4_PREPARE_SMSR_CHANGE_ANSWER,
    ES4_SMSR_CHANGE,
    ES4_SMSR_CHANGE_ANSWER,
    ES4_HANDLE_SMSR_CHANGE_NOTIFICATION,
    ES4_NOTIFICATION_ACKNOWLEDGED,
    ES7_HANDOVER_EUICC,
    ES7_HANDOVER_EUICC_ANSWER,
    ES7_AUTHENTICATE_SMSR,
    ES7_AUTHENTICATE_SMSR_ANSWER,
    ES7_CREATE_ADDITIONAL_KEY_SET,
    ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER,
    CARD_COMMAND, /* a C-APDU */
    CARD_ANSWER,  /* an R-APDU */
    MESSAGE_TYPES,
};

const char *message_name(enum message_type type);

struct es_change {              /* ES4.PrepareSMSRChange, ES4.SMSRChange, the notification */
    char smsr_id[EIS_NAME_MAX]; /* the current SM-SR, the target, the new one */
    char to_operator[EIS_NAME_MAX];
    uint32_t validity_s;
};

struct es7_authenticate {
    size_t cert_len;
    uint8_t cert[GP_CERT_MAX]; /* CERT.SR.ECDSA */
};

struct es7_authenticate_answer {
    struct es_answer answer;
    struct octets rc;
};

struct es7_create_key_set {
    uint8_t kvn;
    uint8_t scenario; /* second byte of tag 90 */
    uint64_t counter; /* initial sequence counter */
    unsigned ecc_key_length;
    struct octets host_id;
    uint8_t epk[GP_POINT_LEN];
    uint8_t signature[GP_SIGNATURE_LEN];
};

struct es7_create_key_set_answer {
    struct es_answer answer;
    uint16_t sw; /* of the second STORE DATA; 0 when there was none */
    struct octets dr;
    struct octets receipt;
};

struct apdu_bytes {
    size_t len;
    uint8_t b[APDU_MAX];
};

enum { CHANGE_ID_LEN = 16, REPLY_TO_MAX = 104 };

struct message {
    enum message_type type;
    enum party from, to;
    uint8_t eid[GP_EID_LEN];
    uint8_t change_id[CHANGE_ID_LEN]; /* the operator's; zero for a card */
    uint32_t attempt;                 /* of steps 7 to 22; of an APDU, its sender's number for it */
    char reply_to[REPLY_TO_MAX];      /* come in: where its sender listens; to go out: where to, or
                                         "" for whoever plays that party */
    union {
        struct es_change change;
        struct es_answer answer; /* of ES4.PrepareSMSRChange, ES4.SMSRChange, ES7.HandoverEUICC */
        struct eis eis;          /* ES7.HandoverEUICC */
        struct es7_authenticate authenticate;
        struct es7_authenticate_answer authenticated;
        struct es7_create_key_set create;
        struct es7_create_key_set_answer created;
        struct apdu_bytes apdu;
    } u;
};

/* Whether this party may say that to that one: an operator orders, and does not hand over. */
bool message_fits(const struct message *m);

/* -- as bytes: one Envelope of proto/smsr/es.proto -- */

enum { MESSAGE_BYTES_MAX = 20480 };

/* NO_SPACE; INTERNAL when memory is out. */
MUST_CHECK enum status message_put(struct writer *w, const struct message *m);
/* BAD_REQUEST for what is no message, or has a field that does not fit. */
MUST_CHECK enum status message_parse(struct span bytes, struct message *out);

#endif
