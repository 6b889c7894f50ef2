/*
 * What the four parties say to each other: ES4 and ES7 of SGP.02 with their fields, and APDU bytes
 * to and from the eUICC. A message owns everything in it: nothing points into a party.
 */
#ifndef SMSR_MESSAGE_H
#define SMSR_MESSAGE_H

#include "proto/gp/apdu.h"
#include "proto/gp/key_establishment.h"
#include "smsr/eis/eis.h"
#include "smsr/trace.h"

enum message_type {
    ES4_PREPARE_SMSR_CHANGE,
    ES4_PREPARE_SMSR_CHANGE_ANSWER,
    ES4_SMSR_CHANGE,
    ES4_SMSR_CHANGE_ANSWER,
    ES4_HANDLE_SMSR_CHANGE_NOTIFICATION,
    ES7_HANDOVER_EUICC,
    ES7_HANDOVER_EUICC_ANSWER,
    ES7_AUTHENTICATE_SMSR,
    ES7_AUTHENTICATE_SMSR_ANSWER,
    ES7_CREATE_ADDITIONAL_KEY_SET,
    ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER,
    CARD_COMMAND, /* a C-APDU */
    CARD_ANSWER,  /* an R-APDU */
};

enum es_result { ES_EXECUTED_SUCCESS, ES_EXECUTED_WITHWARNING, ES_FAILED, ES_EXPIRED };

/* "Executed-Success", as the standard spells it. */
const char *es_result_name(enum es_result result);

enum { ES_CODE_MAX = 40, ES_TEXT_MAX = 200 };

struct es_answer {
    enum es_result result;
    unsigned step;          /* where it failed; 0 when it did not */
    char code[ES_CODE_MAX]; /* what failures are counted by: "SW 6300", "CERT_EXPIRED" */
    char text[ES_TEXT_MAX]; /* a sentence for people */
};

/* Fills an answer. */
__attribute__((format(printf, 5, 6))) void es_answer_set(struct es_answer *out,
                                                         enum es_result result, unsigned step,
                                                         const char *code, const char *text, ...);

struct es_change { /* ES4.PrepareSMSRChange, ES4.SMSRChange, the notification */
    uint8_t eid[GP_EID_LEN];
    char smsr_id[EIS_NAME_MAX]; /* the current SM-SR, the target, the new one */
    char to_operator[EIS_NAME_MAX];
    uint32_t validity_s;
};

struct es7_authenticate {
    uint8_t eid[GP_EID_LEN];
    size_t cert_len;
    uint8_t cert[GP_CERT_MAX]; /* CERT.SR.ECDSA */
};

struct es7_authenticate_answer {
    struct es_answer answer;
    struct octets rc;
};

struct es7_create_key_set {
    uint8_t eid[GP_EID_LEN];
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

struct message {
    enum message_type type;
    enum party from, to;
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

#endif
