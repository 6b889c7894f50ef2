#include "service/ctl/audit/reader.h"

#include <inttypes.h>

#include "service/ctl/ctl.h"

static void say_finding(void *arg, const struct finding *f)
{
    struct reader *r = arg;
    r->kinds |= 1U << f->kind;
    (void)fprintf(r->findings, "%s:%" PRIu64 ": leaf %" PRIu64 ": %s: %s\n", f->file, f->line,
                  f->index, finding_text(f->kind), f->sentence);
}

static void say_note(void *arg, const char *sentence)
{
    struct reader *r = arg;
    (void)fprintf(r->findings, "%s\n", sentence);
}

/* A backend that answers wrongly has its say; that one was chosen is no news. */
static void say_alarm(void *arg, const char *sentence)
{
    (void)arg;
    if (strncmp(sentence, PROVIDER_ALARM, strlen(PROVIDER_ALARM)) == 0) {
        ctl_say("%s", sentence);
    }
}

static bool load_held(struct reader *r, const char *file)
{
    char error[HELD_ERROR_MAX];
    const struct signers *signers = r->signers.n == 0 ? NULL : &r->signers;
    if (file == NULL || held_load(&r->held, file, signers, r->provider, error)) {
        return true;
    }
    ctl_say("%s", error);
    return false;
}

static bool load_files(struct reader *r)
{
    const struct audit_asked *a = r->asked;
    char error[SIGNERS_ERROR_MAX];
    for (size_t i = 0; i < a->key_count; i++) {
        if (!signers_load(&r->signers, a->keys[i], error)) {
            ctl_say("%s", error);
            return false;
        }
    }
    for (size_t i = 0; i < a->checkpoint_count; i++) {
        if (!load_held(r, a->checkpoints[i])) {
            return false;
        }
    }
    return load_held(r, a->older);
}

static void verifier_init(struct reader *r)
{
    r->verifier = (struct verifier){
        .provider = r->provider,
        .signers = r->signers.n == 0 ? NULL : &r->signers,
        .held = &r->held,
        .whole = r->asked->whole,
        .unfinished = r->asked->unfinished,
        .speaker = {.arg = r, .finding = say_finding, .note = say_note},
    };
    if (r->asked->origin != NULL) {
        (void)snprintf(r->verifier.origin, sizeof r->verifier.origin, "%s", r->asked->origin);
    }
}

int reader_open(struct reader *r, const struct audit_asked *asked, FILE *findings)
{
    *r = (struct reader){.asked = asked, .findings = findings};
    if (provider_select(say_alarm, NULL) != STATUS_OK || provider_new(&r->provider) != STATUS_OK) {
        ctl_say("no arithmetic backend passes its tests on this machine");
        return CTL_FAILED;
    }
    if (!load_files(r)) {
        reader_close(r);
        return CTL_USAGE;
    }
    verifier_init(r);
    return CTL_OK;
}

void reader_close(struct reader *r)
{
    held_free(&r->held);
    provider_free(&r->provider);
}

int reader_verdict(struct reader *r)
{
    for (unsigned kind = 0; kind < FINDING_KIND_COUNT; kind++) {
        if ((r->kinds & 1U << kind) != 0) {
            (void)fprintf(r->findings, "%s: %s\n", finding_text(kind), finding_next(kind));
        }
    }
    return r->verifier.findings == 0 ? CTL_OK : CTL_FAILED;
}

int reader_verify(struct reader *r)
{
    if (!verify_directories(&r->verifier, r->asked->directories, r->asked->directory_count)) {
        return CTL_USAGE;
    }
    return reader_verdict(r);
}

static void ignore_note(void *arg, const char *sentence)
{
    (void)arg;
    (void)sentence;
}

static void ignore_finding(void *arg, const struct finding *f)
{
    (void)arg;
    (void)f;
}

int reader_again(struct reader *r, const struct verify_listener *listener)
{
    struct verifier again = {
        .provider = r->provider,
        .unfinished = r->asked->unfinished,
        .speaker = {.finding = ignore_finding, .note = ignore_note}, /* that there is one counts */
        .listener = *listener,
    };
    memcpy(again.origin, r->verifier.origin, sizeof again.origin);
    if (!verify_directories(&again, r->asked->directories, r->asked->directory_count) ||
        again.findings != 0 || again.tree.size < r->verifier.tree.size) {
        ctl_say("the log was changed while it was read; verify it again");
        return CTL_FAILED;
    }
    return CTL_OK;
}
