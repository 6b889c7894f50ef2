/*
 * eckactl audit: logs of custodians, read as files. No token is touched and nothing is written to a
 * log.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "service/ctl/audit/proof.h"
#include "service/ctl/audit/reader.h"
#include "service/ctl/ctl.h"

static void say_all_holds(const struct verifier *v)
{
    const uint8_t *id = v->last.key_id;
    uint8_t text[AUDIT_NOTE_TEXT_MAX];
    struct writer w = writer_of(text, sizeof text);
    audit_note_text_put(&w, &v->last);
    printf("%s: leaves %" PRIu64 " to %" PRIu64 ", %" PRIu64 " checkpoints: all holds\n", v->origin,
           v->first, v->tree.size - 1, v->checkpoints);
    if (v->first != 0) {
        printf("leaves 0 to %" PRIu64 " are not in the directories given\n", v->first - 1);
    }
    printf("the last checkpoint, by key %02x%02x%02x%02x: %.*s", id[0], id[1], id[2], id[3],
           (int)w.len, (const char *)text);
}

static int verify_log(struct reader *r)
{
    int rc = reader_verify(r);
    if (rc == CTL_OK) {
        say_all_holds(&r->verifier);
    }
    return rc;
}

static int audit_verify(const struct audit_asked *asked)
{
    struct reader *r = malloc(sizeof *r);
    int rc = r == NULL ? CTL_FAILED : reader_open(r, asked, stdout);
    if (rc == CTL_OK) {
        rc = asked->proof == NULL ? verify_log(r) : proof_verify_file(r, asked->proof);
        reader_close(r);
    }
    free(r);
    return fflush(stdout) == 0 ? rc : CTL_FAILED;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return true;
        }
    }
    return false;
}

int ctl_audit(int argc, char **argv)
{
    static int (*const run[])(const struct audit_asked *) = {audit_verify, audit_show, audit_prove,
                                                             audit_follow, audit_export};
    const char *verb = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    const char *help = audit_help(verb);
    struct audit_asked asked;

    if (help == NULL) {
        return ctl_misused("audit %s is no command; eckactl audit --help lists them", verb);
    }
    if (asks_for_help(argc, argv)) {
        return fputs(help, stdout) < 0 ? CTL_FAILED : CTL_OK;
    }
    if (verb == NULL) {
        (void)fputs(help, stderr);
        return CTL_USAGE;
    }
    return audit_parse(&asked, argc - 1, argv + 1) ? run[asked.verb](&asked) : CTL_USAGE;
}
