/*
 * Of a report what is not one key: the token and its library, how custody is configured, and the
 * objects beside keys.
 */
#include <stdlib.h>
#include <string.h>

#include "hsm/ceremony/second.h"
#include "hsm/custodian.h"
#include "hsm/hex.h"
#include "hsm/log.h"
#include "hsm/report/report.h"

enum { SENTENCE_MAX = 2 * REPORT_TEXT_MAX };

static const char own_records[] = "eckad";

static const char *trimmed(char out[static REPORT_TEXT_MAX], const CK_UTF8CHAR *text, size_t len)
{
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\0')) {
        len--;
    }
    report_text(out, text, len);
    return out;
}

static const char *plain(char out[static REPORT_TEXT_MAX], const char *text)
{
    report_text(out, (const uint8_t *)text, strlen(text));
    return out;
}

/* Where the keys are, said as plainly as it can be told from here. */
static void boundary(struct stage *s, const CK_INFO *library, char out[static SENTENCE_MAX])
{
    CK_SLOT_INFO slot = {0};
    const char *conf = getenv("SOFTHSM2_CONF");
    char path[REPORT_TEXT_MAX];
    if (strncmp((const char *)library->manufacturerID, "SoftHSM", 7) == 0) {
        snprintf(out, SENTENCE_MAX,
                 "This token is the custodian's process and its files. SoftHSM is a library in the "
                 "process that uses the keys, and keeps them in files below the tokendir of %s: "
                 "whoever is that process, or has the files and the PIN, has every key. What was "
                 "refused below was refused by that library, to those who ask it.",
                 plain(path, conf == NULL ? "/etc/softhsm/softhsm2.conf" : conf));
        return;
    }
    bool hardware = s->token.p11->C_GetSlotInfo(s->token.slot, &slot) == CKR_OK &&
                    (slot.flags & CKF_HW_SLOT) != 0;
    snprintf(out, SENTENCE_MAX,
             hardware ? "The module states that this slot is hardware; that is its word. What was "
                        "refused below was refused by the module that answered."
                      : "The module does not state that this slot is hardware: its token may be "
                        "this process and files beside it.");
}

static json_t *token_findings(const CK_TOKEN_INFO *info)
{
    json_t *findings = json_array();
    const char *weakness = token_weakness(info->flags);
    if (weakness != NULL) {
        report_finding(findings, "weak-token", weakness, NULL, "");
    }
    return findings;
}

static json_t *token_json(struct stage *s)
{
    CK_INFO library = {0};
    char serial[REPORT_TEXT_MAX], model[REPORT_TEXT_MAX], maker[REPORT_TEXT_MAX];
    char name[REPORT_TEXT_MAX], label[REPORT_TEXT_MAX], firmware[16], version[16],
        where[SENTENCE_MAX];
    const CK_TOKEN_INFO *info = &s->info;

    (void)s->token.p11->C_GetInfo(&library);
    boundary(s, &library, where);
    snprintf(firmware, sizeof firmware, "%u.%u", info->firmwareVersion.major,
             info->firmwareVersion.minor);
    snprintf(version, sizeof version, "%u.%u", library.libraryVersion.major,
             library.libraryVersion.minor);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "label", plain(label, s->token.label),
        "serial", trimmed(serial, info->serialNumber, sizeof info->serialNumber), "model",
        trimmed(model, info->model, sizeof info->model), "manufacturer",
        trimmed(maker, info->manufacturerID, sizeof info->manufacturerID), "firmware", firmware,
        "library", trimmed(name, library.libraryDescription, sizeof library.libraryDescription),
        "library_version", version, "boundary", where, "findings", token_findings(info));
}

/* -- how the custodian is configured -- */

static json_t *custody_json(struct token *t)
{
    bool able[CURVE_COUNT] = {false};
    json_t *curves = json_array();
    if (custodian_token_agrees(t, able) != STATUS_OK) {
        log_line("whether custody token can be had here cannot be told");
    }
    for (enum curve curve = CURVE_NONE + 1; curve < CURVE_COUNT; curve++) {
        if (able[curve]) {
            (void)json_array_append_new(curves, json_string(curve_name(curve)));
        }
    }
    return json_pack("{s:s, s:o}", "default", "memory", "token_curves", curves);
}

static json_t *audit_json(const struct audit_config *audit)
{
    char origin[REPORT_TEXT_MAX], directory[REPORT_TEXT_MAX];
    return audit->off ? json_pack("{s:s}", "mode", "off")
                      : json_pack("{s:s, s:s, s:s}", "mode", "strict", "origin",
                                  plain(origin, audit->origin), "directory",
                                  plain(directory, audit->directory));
}

static json_t *modes_json(struct stage *s, bool second)
{
    const struct config *c = s->config;
    return json_pack("{s:o, s:o, s:b, s:I, s:I, s:I}", "custody", custody_json(&s->token), "audit",
                     audit_json(&c->audit), "second_operator", (int)second, "peer_uid",
                     (json_int_t)c->peer_uid, "ticket_rotation_s", (json_int_t)c->ticket_rotation_s,
                     "ticket_lifetime_s", (json_int_t)c->ticket_lifetime_s);
}

enum status report_token(struct stage *s, json_t *report)
{
    bool second;
    TRY(second_is_set(&s->token, &second));
    return json_object_set_new(report, "token", token_json(s)) == 0 &&
                   json_object_set_new(report, "modes", modes_json(s, second)) == 0
               ? STATUS_OK
               : STATUS_INTERNAL;
}

/* -- objects beside keys -- */

static const char *class_word(CK_OBJECT_CLASS class)
{
    return class == CKO_DATA          ? "data"
           : class == CKO_CERTIFICATE ? "certificate"
           : class == CKO_PUBLIC_KEY  ? "public"
                                      : "other";
}

/* The records of ceremonies decide who may do what: none of them is for everybody's eyes, and what
 * everybody sees in a token everybody can write there, without the PIN. */
static bool should_be_private(const struct report_object *o)
{
    return o->class == CKO_DATA && o->application_len >= sizeof own_records - 1 &&
           memcmp(o->application, own_records, sizeof own_records - 1) == 0;
}

static json_t *other_json(const struct report_object *o)
{
    char label[REPORT_TEXT_MAX], application[REPORT_TEXT_MAX], id[2 * REPORT_ID_MAX + 1];
    json_t *findings = json_array();
    report_text(label, o->label, o->label_len);
    report_text(application, o->application, o->application_len);
    hex_put(id, o->id, o->id_len);
    if (o->open && should_be_private(o)) {
        report_finding(findings, "seen-without-login",
                       "a record that whoever reaches the token can read, and write, without the "
                       "PIN",
                       NULL, "CKR_OK");
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:o}", "class", class_word(o->class), "label",
                     label, "application", application, "id", id, "without_login", (int)o->open,
                     "verdict", json_array_size(findings) == 0 ? "pass" : "fail", "findings",
                     findings);
}

json_t *report_others(const struct report_objects *all)
{
    json_t *out = json_array();
    for (size_t i = 0; i < all->n; i++) {
        if (!report_object_is_key(&all->list[i])) {
            (void)json_array_append_new(out, other_json(&all->list[i]));
        }
    }
    return out;
}
