#include "smsr/party/message.h"

#include <stdarg.h>

const char *es_result_name(enum es_result result)
{
    static const char *const names[] = {
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
    memset(out, 0, sizeof(*out));
    out->result = result;
    out->step = step;
    (void)snprintf(out->code, sizeof(out->code), "%s", code);
    va_list args;
    va_start(args, text);
    (void)vsnprintf(out->text, sizeof(out->text), text, args);
    va_end(args);
}
