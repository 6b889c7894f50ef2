#include "smsr/party/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * The standard's numbers for this code's words; by the beginning of the word, the first that fits.
 * Q: NO_PREPARE, EXPIRED and CERT_EXPIRED. U: the others, chosen from the standard's lists.
 */
static const struct {
    const char *code, *subject, *reason;
} numbers[] = {
    {"OK", "", ""},
    {"NO_PREPARE", "8.1.1", "1.1"},
    {"EXPIRED", "1.6", "5.3"},
    {"CERT_EXPIRED", "8.5.2", "6.3"},
    {"CERT_", "8.5.2", "6.1"},
    {"MALFORMED_EID", "8.1.1", "2.1"},
    {"UNKNOWN_EID", "8.1.1", "3.9"},
    {"ALREADY_MANAGED", "8.1.1", "3.3"},
    {"CHANGE_PENDING", "1.6", "1.2"},
    {"NO_CHANGE_PENDING", "1.6", "3.9"},
    {"UNKNOWN_EUM", "8.1.1", "3.8"},
    {"UNKNOWN_SMSR", "8.7", "3.9"},
    {"NO_CAPACITY", "8.7", "4.8"},
    {"NO_CREDENTIALS", "8.7", "6.1"},
    {"NO_CAPABILITY", "8.1", "3.1"},
    {"CURVE_UNSUPPORTED", "8.5", "3.1"},
    {"NO_ADDRESS", "8.6", "2.2"},
    {"BAD_VALIDITY", "1.6", "2.1"},
    {"EIS_REFUSED", "8.6", "2.1"},
    {"SIGNATURE_INVALID", "8.6", "6.1"},
    {"RECEIPT_MISMATCH", "8.4", "6.1"},
    {"NO_PROOF_OF_RECEIPT", "8.4", "5.1"},
    {"NO_ANSWER", "8.7", "5.2"},
    {"SW ", "8.4", "4.2"},
    {"", "8.7", "4.2"}, /* execution error of an SM-SR */
};

const char *es_result_name(enum es_result result)
{
    static const char *const names[ES_RESULTS] = {
        [ES_EXECUTED_SUCCESS] = "Executed-Success",
        [ES_EXECUTED_WITHWARNING] = "Executed-WithWarning",
        [ES_FAILED] = "Failed",
        [ES_EXPIRED] = "Expired",
    };
    return names[result];
}

void es_answer_set(struct es_answer *out, enum es_result result, unsigned step, const char *code,
                   const char *text, ...)
{
    size_t i = 0;
    va_list args;
    memset(out, 0, sizeof(*out));
    out->result = result;
    out->step = step;
    (void)snprintf(out->code, sizeof(out->code), "%s", code);
    while (strncmp(code, numbers[i].code, strlen(numbers[i].code)) != 0) {
        i++; /* the last one fits everything */
    }
    (void)snprintf(out->subject, sizeof(out->subject), "%s", numbers[i].subject);
    (void)snprintf(out->reason, sizeof(out->reason), "%s", numbers[i].reason);
    va_start(args, text);
    (void)vsnprintf(out->text, sizeof(out->text), text, args);
    va_end(args);
}
