/*
 * How a function of ES4 or ES7 ended: the standard's result, subject and reason code, and where.
 */
#ifndef SMSR_PARTY_STATUS_H
#define SMSR_PARTY_STATUS_H

#include <stdint.h>

enum es_result { ES_EXECUTED_SUCCESS, ES_EXECUTED_WITHWARNING, ES_FAILED, ES_EXPIRED, ES_RESULTS };

/* "Executed-Success", as the standard spells it. */
const char *es_result_name(enum es_result result);

enum { ES_CODE_MAX = 40, ES_TEXT_MAX = 200, ES_NUMBER_MAX = 8 };

struct es_answer {
    enum es_result result;
    uint32_t step;               /* where it failed; 0 when it did not */
    char subject[ES_NUMBER_MAX]; /* "8.1.1"; "" with success */
    char reason[ES_NUMBER_MAX];  /* "1.1" */
    char code[ES_CODE_MAX];      /* what failures are counted by: "SW 6300", "CERT_EXPIRED" */
    char text[ES_TEXT_MAX];      /* a sentence for people */
};

/* Fills an answer; subject and reason follow from the code. */
__attribute__((format(printf, 5, 6))) void es_answer_set(struct es_answer *out,
                                                         enum es_result result, unsigned step,
                                                         const char *code, const char *text, ...);

#endif
