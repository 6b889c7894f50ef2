/*
 * The C verifier for tests that ask it thousands of times: verify_many KEY. Each line on stdin is a
 * question of words between tabs: "whole" or "unfinished", "checkpoint=FILE", "origin=ORIGIN",
 * "proof=FILE", and directories. The answer is a line "FILE LINE INDEX KIND", between tabs, for
 * each finding, and a line ".".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/ctl/audit/proof.h"

enum { WORDS_MAX = 64, QUESTION_MAX = 1 << 16 };

static void on_finding(void *arg, const struct finding *f)
{
    (void)arg;
    printf("%s\t%" PRIu64 "\t%" PRIu64 "\t%s\n", f->file, f->line, f->index, finding_text(f->kind));
}

static void on_note(void *arg, const char *sentence)
{
    (void)arg;
    (void)sentence;
}

static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "verify_many: %s\n", what);
        exit(1);
    }
}

static void verify_proof(struct verifier *v, const char *file)
{
    static uint8_t text[PROOF_FILE_MAX];
    FILE *in = fopen(file, "re"), *nowhere = fopen("/dev/null", "we");
    need(in != NULL && nowhere != NULL, file);
    size_t len = fread(text, 1, sizeof text, in);
    bool holds = proof_verify(v, file, span_of(text, len), nowhere);
    need(holds == (v->findings == 0), "a verdict without a finding");
    (void)fclose(in);
    (void)fclose(nowhere);
}

static void answer(struct provider *p, const struct signers *signers, char *question)
{
    static const char checkpoint[] = "checkpoint=", origin[] = "origin=", proof[] = "proof=";
    struct held held = {0};
    struct verifier v = {.provider = p,
                         .signers = signers,
                         .held = &held,
                         .speaker = {.finding = on_finding, .note = on_note}};
    char error[HELD_ERROR_MAX], *directories[WORDS_MAX], *rest = question, *word;
    const char *proof_file = NULL;
    size_t n = 0;

    while ((word = strsep(&rest, "\t")) != NULL) {
        if (strcmp(word, "whole") == 0) {
            v.whole = true;
        } else if (strcmp(word, "unfinished") == 0) {
            v.unfinished = true;
        } else if (strncmp(word, checkpoint, sizeof checkpoint - 1) == 0) {
            need(held_load(&held, word + sizeof checkpoint - 1, signers, p, error), error);
        } else if (strncmp(word, origin, sizeof origin - 1) == 0) {
            snprintf(v.origin, sizeof v.origin, "%s", word + sizeof origin - 1);
        } else if (strncmp(word, proof, sizeof proof - 1) == 0) {
            proof_file = word + sizeof proof - 1;
        } else {
            need(n < WORDS_MAX, "too many words");
            directories[n++] = word;
        }
    }
    if (proof_file != NULL) {
        verify_proof(&v, proof_file);
    } else {
        need(verify_directories(&v, directories, n), "a directory cannot be read");
    }
    held_free(&held);
    printf(".\n");
    need(fflush(stdout) == 0, "stdout");
}

static void ignore(void *arg, const char *sentence)
{
    (void)arg;
    (void)sentence;
}

int main(int argc, char **argv)
{
    static char question[QUESTION_MAX];
    static struct signers signers;
    char error[SIGNERS_ERROR_MAX];
    struct provider *p;

    need(argc == 2 && signers_load(&signers, argv[1], error), "verify_many KEY");
    need(provider_select(ignore, NULL) == STATUS_OK && provider_new(&p) == STATUS_OK, "provider");
    while (fgets(question, sizeof question, stdin) != NULL) {
        question[strcspn(question, "\n")] = '\0';
        answer(p, &signers, question);
    }
    provider_free(&p);
    return 0;
}
