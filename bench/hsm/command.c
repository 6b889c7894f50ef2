#include "bench/hsm/command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/document.h"
#include "bench/hsm/advice.h"
#include "bench/hsm/crew.h"
#include "bench/hsm/deployed.h"
#include "bench/hsm/group.h"
#include "bench/hsm/options.h"
#include "bench/hsm/output.h"
#include "bench/hsm/summary.h"
#include "bench/hsm/token.h"
#include "bench/measure.h"
#include "hsm/log.h"
#include "providers/core/secret.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };
enum { LOST_IN_A_ROW = 3, CURVES_MAX = 2 };

static const double curves_share = 0.2; /* of the time, for open loops */
static const struct pace quick_pace = {.slice = 0.04, .batches = 6, .launches = 1, .narrow = 0.05};
static const struct pace full_pace = {.slice = 0.1, .batches = 9, .launches = 3, .narrow = 0.01};

struct bench {
    struct hsm_options o;
    struct target target;
    struct plan plan;
    struct document *document;
    struct hsm_curve curves[CURVES_MAX];
    size_t curves_n;
    struct advice advice;
    struct census before, after;
    double end;
};

static void interrupted(int signal_number)
{
    hsm_interrupted = signal_number;
}

/* Not restarted: what waits looks at once. */
static void watch_signals(void)
{
    struct sigaction sa = {.sa_handler = interrupted};
    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
    (void)sigaction(SIGHUP, &sa, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that went is no reason to leave objects behind */
}

/* -- the token -- */

static bool read_pin(struct bench *b)
{
    char path[4096];
    struct target *t = &b->target;
    const struct config config = {.pin_file = t->pin_file[0] != '\0' ? t->pin_file : NULL};
    if (t->pin != NULL || !t->facts.needs_login) {
        return true; /* it has one, or needs none */
    }
    const char *from = pin_path(&config, path, sizeof path);
    if (from == NULL) {
        (void)fprintf(stderr, "eckabench: the token asks for a PIN: --pin-file FILE, or fd:N, or "
                              "the credential \"pin\"\n");
    }
    return from != NULL && pin_read(&t->pin, from) == STATUS_OK;
}

static void copy(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text != NULL ? text : "");
}

/* Which token, and whether it may be used: EXIT_DONE, or the exit status. */
static int choose(struct bench *b)
{
    struct hsm_options *o = &b->o;
    struct target *t = &b->target;
    copy(t->module, sizeof t->module, o->module);
    copy(t->module_args, sizeof t->module_args, o->module_args);
    copy(t->label, sizeof t->label, o->token);
    copy(t->pin_file, sizeof t->pin_file, o->pin_file);
    const bool deployed = o->dir != NULL && o->module == NULL && !o->throw_away;
    if (deployed && !deployed_token(o->dir, t)) {
        return EXIT_FAILED;
    }
    if (o->module == NULL && !deployed && !token_throw_away_make(t, o->watchdog)) {
        return EXIT_FAILED;
    }
    if (!token_identify(t, o->watchdog)) {
        return EXIT_FAILED;
    }
    t->keys_in_token =
        o->keys != NULL ? strcmp(o->keys, "token") == 0 : deployed || token_is_own(t);
    return token_consent(t, o->yes) ? EXIT_DONE : EXIT_MISUSED;
}

/* -- measuring -- */

static void put_results(struct bench *b, const struct plan_group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct hsm_case *c = &g->cases[i];
        if (!c->hidden) {
            document_add_result(b->document, output_result(c, &g->cases[c->peer]));
        }
    }
    (void)document_save(b->document);
}

static void progress(const char *what, size_t i, size_t n)
{
    if (isatty(STDERR_FILENO)) {
        (void)fprintf(stderr, "\r\033[Keckabench: %zu of %zu, %s", i, n, what);
    }
}

static void progress_end(void)
{
    if (isatty(STDERR_FILENO)) {
        (void)fprintf(stderr, "\r\033[K");
    }
}

static bool measure_groups(struct bench *b)
{
    const struct pace *pace = b->o.quick ? &quick_pace : &full_pace;
    const double end = b->end - curves_share * b->o.seconds;
    unsigned lost = 0;
    size_t cases = b->plan.n;
    for (size_t i = 0; i < b->plan.groups_n; i++) {
        const struct plan_group *g = &b->plan.groups[i];
        const double left = end - bench_now_s();
        progress(operation_name(g->cases[0].load.operation), i + 1, b->plan.groups_n + 1);
        if (lost < LOST_IN_A_ROW && !hsm_interrupted) {
            const double share = left > 0 ? left * (double)g->n / (double)cases : 0;
            lost = group_run(g->cases, g->n, &b->target, pace, share) ? 0 : lost + 1;
        }
        for (size_t k = 0; k < g->n && (lost >= LOST_IN_A_ROW || hsm_interrupted); k++) {
            case_end(&g->cases[k], CASE_SKIPPED,
                     hsm_interrupted ? "interrupted"
                                     : "the module stalled or died in operation after operation");
        }
        cases -= g->n;
        put_results(b, g);
    }
    if (lost >= LOST_IN_A_ROW) {
        document_stop(b->document, "the module stalled or died in operation after operation");
    }
    return lost < LOST_IN_A_ROW;
}

static void measure_curve(struct bench *b, const struct hsm_case *c, double seconds)
{
    struct hsm_curve *curve = &b->curves[b->curves_n];
    if (!hsm_interrupted && c != NULL &&
        curve_measure(curve, &b->target, &c->load, c->figure.value, seconds)) {
        b->curves_n++;
        document_add_curve(b->document, curve_json(curve));
        if (curve->knee.figure.samples != 0) {
            document_add_result(b->document, output_result(&curve->knee, &curve->knee));
        }
    }
}

/* Of as many custodians as are worth having, and of one. */
static void measure_curves(struct bench *b)
{
    const struct hsm_case *best;
    const struct hsm_case *one = plan_find(&b->plan, 1, 1);
    const double seconds = curves_share * b->o.seconds;
    (void)advice_processes(&b->plan, &best);
    const bool both = !b->o.quick && one != best;
    progress("load by load", b->plan.groups_n + 1, b->plan.groups_n + 1);
    measure_curve(b, best, both ? seconds / 2 : seconds);
    if (both) {
        measure_curve(b, one, seconds / 2);
    }
    progress_end();
}

static void put_advice(struct bench *b)
{
    advice_make(&b->advice, &b->plan, &b->target, b->curves_n != 0 ? &b->curves[0] : NULL);
    for (size_t i = 0; i < b->advice.n; i++) {
        document_add_advice(b->document, b->advice.of[i].because, b->advice.of[i].yaml);
    }
}

/* What it leaves, which is nothing. */
static bool leave(struct bench *b)
{
    json_t *subject = document_subject(b->document);
    if (!token_census(&b->target, b->o.watchdog, &b->after)) {
        document_stop(b->document, "the token could not be looked at in the end");
        return false;
    }
    (void)json_object_set_new(subject, "objects_before",
                              json_integer((json_int_t)b->before.objects));
    (void)json_object_set_new(subject, "objects_after", json_integer((json_int_t)b->after.objects));
    (void)printf("\nobjects in the token: %zu before, %zu after", b->before.objects,
                 b->after.objects);
    if (b->after.destroyed != 0) {
        (void)printf("; %zu that workers left were taken away", b->after.destroyed);
    }
    (void)printf("\n");
    return true;
}

static int measure(struct bench *b)
{
    b->end = bench_now_s() + b->o.seconds;
    bool ok = measure_groups(b);
    measure_curves(b);
    put_advice(b);
    summary_print(&b->plan, &b->target, b->curves, b->curves_n, &b->advice);
    ok = leave(b) && ok;
    if (hsm_interrupted) {
        document_stop(b->document, "it was interrupted");
        ok = false;
    }
    ok = (b->o.csv == NULL || output_csv(b->o.csv, b->plan.cases, b->plan.n)) && ok;
    return ok ? EXIT_DONE : EXIT_FAILED;
}

/* The document is begun before the PIN is read: its process that watches the noise has no copy. The
 * objects are counted when custodians have made what they need. */
static int run(struct bench *b, char *const words[])
{
    int rc = EXIT_FAILED;
    b->document = document_new("hsm", words, b->o.json);
    output_subject(document_subject(b->document), &b->target);
    if (!read_pin(b) || !deployed_start(&b->o, &b->target) ||
        !token_census(&b->target, b->o.watchdog, &b->before)) {
        document_stop(b->document, "the token could not be opened");
    } else {
        rc = measure(b);
    }
    return document_finish(&b->document) ? rc : EXIT_FAILED;
}

int hsm_command(int argc, char **argv, char *const words[])
{
    static struct bench b;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        return fputs(hsm_command_help, stdout) < 0 ? EXIT_FAILED : EXIT_DONE;
    }
    if (!options_take(&b.o, argc, argv)) {
        return EXIT_MISUSED;
    }
    if (secret_init() != STATUS_OK) {
        return EXIT_FAILED;
    }
    log_name("of eckabench");
    crew_watchdog(b.o.watchdog);
    watch_signals();
    int rc = choose(&b);
    if (rc == EXIT_DONE) {
        deployed_offer(&b.o);
        rc = !plan_make(&b.plan, &b.o.plan) ? EXIT_MISUSED : EXIT_DONE;
        if (rc == EXIT_MISUSED) {
            (void)fprintf(stderr, "eckabench: no case has '%s' in its id\n", b.o.plan.only);
        }
    }
    if (rc == EXIT_DONE) {
        rc = run(&b, words);
    }
    deployed_end();
    plan_free(&b.plan);
    secret_free(&b.target.pin);
    token_throw_away_end();
    return rc;
}
