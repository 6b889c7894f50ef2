#include "service/ctl/audit/finding.h"

static const struct {
    const char *text, *next;
} kinds[] = {
#define FINDING(name, text, meaning, next) {text, next},
#include "service/ctl/audit/findings.def"
#undef FINDING
};

const char *finding_text(enum finding_kind kind)
{
    return kinds[kind].text;
}

const char *finding_next(enum finding_kind kind)
{
    return kinds[kind].next;
}
