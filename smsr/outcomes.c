#include "smsr/outcomes.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "smsr/hex.h"

enum { LINE_MAX_LEN = 1024, TIME_MAX = 32, US_PER_S = 1000000 };

static const char head[] = "eid,result,step,subject,reason,code,text,tries,seconds,time\n";

/* -- reading -- */

static bool executed(const char *result)
{
    return strcmp(result, es_result_name(ES_EXECUTED_SUCCESS)) == 0 ||
           strcmp(result, es_result_name(ES_EXECUTED_WITHWARNING)) == 0;
}

/* EID and result of a line, NUL-terminated within it, or from its JSON. */
static bool csv_line(char *line, char eid[EID_TEXT_LEN + 1], bool *was_executed)
{
    char *comma = strchr(line, ',');
    char *end = comma != NULL ? strchr(comma + 1, ',') : NULL;
    if (end == NULL || comma - line != EID_TEXT_LEN) {
        return false;
    }
    *comma = *end = '\0';
    memcpy(eid, line, EID_TEXT_LEN + 1);
    *was_executed = executed(comma + 1);
    return true;
}

static bool json_line(const char *line, char eid[EID_TEXT_LEN + 1], bool *was_executed)
{
    json_t *value = json_loads(line, 0, NULL);
    const char *text = json_string_value(json_object_get(value, "eid"));
    const char *result = json_string_value(json_object_get(value, "result"));
    bool ok = text != NULL && result != NULL && strlen(text) == EID_TEXT_LEN;
    if (ok) {
        memcpy(eid, text, EID_TEXT_LEN + 1);
        *was_executed = executed(result);
    }
    json_decref(value);
    return ok;
}

static void read_line(char *line, bool csv, outcomes_done *done, void *arg)
{
    char text[EID_TEXT_LEN + 1];
    uint8_t eid[GP_EID_LEN];
    size_t len;
    bool was_executed;
    bool ok = csv ? csv_line(line, text, &was_executed) : json_line(line, text, &was_executed);
    if (ok && was_executed && hex_decode(text, eid, sizeof(eid), &len) == STATUS_OK &&
        len == sizeof(eid)) {
        done(arg, eid);
    }
}

bool outcomes_open(struct outcomes *out, const char *path, bool csv, outcomes_done *done, void *arg)
{
    char line[LINE_MAX_LEN];
    bool whole = true, empty = true;
    *out = (struct outcomes){fopen(path, "a+"), csv};
    if (out->file == NULL) {
        perror(path);
        return false;
    }
    rewind(out->file);
    while (fgets(line, sizeof(line), out->file) != NULL) {
        whole = line[strlen(line) - 1] == '\n';
        empty = false;
        if (whole) {
            read_line(line, csv, done, arg);
        }
    }
    /* What follows a line that was cut off begins a line of its own. */
    if ((!whole && fputs("\n", out->file) == EOF) ||
        (csv && empty && fputs(head, out->file) == EOF)) {
        perror(path);
        (void)fclose(out->file);
        out->file = NULL;
        return false;
    }
    return true;
}

bool outcomes_close(struct outcomes *outcomes)
{
    bool ok = outcomes->file == NULL || fclose(outcomes->file) == 0;
    outcomes->file = NULL;
    return ok;
}

/* -- writing -- */

static void time_text(uint64_t us, char out[TIME_MAX])
{
    time_t seconds = (time_t)(us / US_PER_S);
    struct tm t;
    if (gmtime_r(&seconds, &t) == NULL || strftime(out, TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &t) == 0) {
        out[0] = '\0';
    }
}

static bool put_csv(FILE *file, const char *eid, const struct es_answer *a, unsigned tries,
                    double seconds, const char *time)
{
    char text[ES_TEXT_MAX];
    (void)snprintf(text, sizeof(text), "%s", a->text);
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '"' || (unsigned char)*c < ' ') {
            *c = '\''; /* within one pair of quotes */
        }
    }
    return fprintf(file, "%s,%s,%u,%s,%s,%s,\"%s\",%u,%.3f,%s\n", eid, es_result_name(a->result),
                   (unsigned)a->step, a->subject, a->reason, a->code, text, tries, seconds,
                   time) > 0;
}

static bool put_json(FILE *file, const char *eid, const struct es_answer *a, unsigned tries,
                     double seconds, const char *time)
{
    json_t *value = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:i, s:f, s:s}", "eid", eid,
                              "result", es_result_name(a->result), "step", (int)a->step, "subject",
                              a->subject, "reason", a->reason, "code", a->code, "text", a->text,
                              "tries", (int)tries, "seconds", seconds, "time", time);
    bool ok = value != NULL &&
              json_dumpf(value, file, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0 &&
              fputs("\n", file) != EOF;
    json_decref(value);
    return ok;
}

bool outcomes_add(struct outcomes *outcomes, const uint8_t eid[static GP_EID_LEN],
                  const struct es_answer *answer, unsigned tries, uint64_t latency_us,
                  uint64_t now_us)
{
    char text[EID_TEXT_LEN + 1], time[TIME_MAX];
    double seconds = (double)latency_us / US_PER_S;
    if (outcomes->file == NULL) {
        return true; /* nobody wants them */
    }
    eid_text(eid, text);
    time_text(now_us, time);
    return (outcomes->csv ? put_csv : put_json)(outcomes->file, text, answer, tries, seconds,
                                                time) &&
           fflush(outcomes->file) == 0;
}
