#include "bench/hsm/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/hsm/command.h"

const char hsm_command_help[] =
    "  eckabench hsm [--module FILE --token LABEL --pin-file FILE] [OPTION]...\n"
    "      What a PKCS#11 token can do: raw Cryptoki, libp11's EVP keys and, with --dir, eckad,\n"
    "      in turns; processes, threads and sessions swept; what eckad should be told of it.\n"
    "      Without --module and --dir, on a SoftHSM token that is made for the run.\n"
    "      --module FILE      the PKCS#11 module; --module-args TEXT: for its C_Initialize\n"
    "      --token LABEL      of the token; may be left out where there is one\n"
    "      --pin-file FILE    the user's PIN, or fd:N, a descriptor; else the credential \"pin\"\n"
    "      --dir DIR          a deployment of tools/provision: also through its eckad, and its\n"
    "                         token and PIN where no --module is given\n"
    "      --throw-away       a SoftHSM token for the run, also beside --dir\n"
    "      --yes              a token that is not eckabench's own may be used: nobody is asked\n"
    "      --keys WHERE       token: token objects, as a custodian's keys are, taken away again;\n"
    "                         session: nothing is ever written there. token for a token of\n"
    "                         eckabench's own or of --dir, else session\n"
    "      --processes LIST   swept: 1,2,4 ... up to the cores, 16; --threads LIST, up to 4;\n"
    "                         --sessions LIST, of a thread (1,4)\n"
    "      --only TEXT        results whose id contains it\n"
    "      --seconds S        for all of it (120); --quick: a look in 15 seconds\n"
    "      --watchdog S       a call that takes longer has stalled (10)\n"
    "      --json FILE, --csv FILE\n";

enum {
    FIRST_TEXT = 256,
    MODULE = FIRST_TEXT,
    MODULE_ARGS,
    TOKEN,
    PIN_FILE,
    DIR,
    THROW_AWAY,
    YES,
    PROCESSES,
    THREADS,
    SESSIONS,
    ONLY,
    SECONDS,
    QUICK,
    WATCHDOG,
    JSON,
    CSV,
    KEYS
};

static const struct option long_options[] = {{"module", required_argument, NULL, MODULE},
                                             {"module-args", required_argument, NULL, MODULE_ARGS},
                                             {"token", required_argument, NULL, TOKEN},
                                             {"pin-file", required_argument, NULL, PIN_FILE},
                                             {"dir", required_argument, NULL, DIR},
                                             {"throw-away", no_argument, NULL, THROW_AWAY},
                                             {"yes", no_argument, NULL, YES},
                                             {"processes", required_argument, NULL, PROCESSES},
                                             {"threads", required_argument, NULL, THREADS},
                                             {"sessions", required_argument, NULL, SESSIONS},
                                             {"only", required_argument, NULL, ONLY},
                                             {"seconds", required_argument, NULL, SECONDS},
                                             {"quick", no_argument, NULL, QUICK},
                                             {"watchdog", required_argument, NULL, WATCHDOG},
                                             {"json", required_argument, NULL, JSON},
                                             {"csv", required_argument, NULL, CSV},
                                             {"keys", required_argument, NULL, KEYS},
                                             {0}};

enum { SWEPT_PROCESSES = 16, SWEPT_THREADS = 4 };

static const double all_seconds = 120, quick_seconds = 15, watchdog_seconds = 10;

static bool take_seconds(const char *name, double min, double *out)
{
    char *end;
    *out = strtod(optarg, &end);
    if (end == optarg || *end != '\0' || *out < min || *out > 86400) {
        (void)fprintf(stderr, "eckabench: --%s takes seconds, from %g\n", name, min);
        return false;
    }
    return true;
}

/* "1,2,4" */
static bool take_list(const char *name, unsigned max, struct sweep *out)
{
    const char *text = optarg;
    out->n = 0;
    for (;;) {
        char *end;
        const unsigned long n = strtoul(text, &end, 10);
        if (end == text || n == 0 || n > max || out->n == SWEEP_MAX ||
            (*end != ',' && *end != '\0')) {
            (void)fprintf(stderr, "eckabench: --%s takes at most %d numbers from 1 to %u\n", name,
                          SWEEP_MAX, max);
            return false;
        }
        out->of[out->n++] = (unsigned)n;
        if (*end == '\0') {
            return true;
        }
        text = end + 1;
    }
}

static bool take_text(struct hsm_options *o, int option)
{
    const char **const texts[] = {
        [MODULE - FIRST_TEXT] = &o->module, [MODULE_ARGS - FIRST_TEXT] = &o->module_args,
        [TOKEN - FIRST_TEXT] = &o->token,   [PIN_FILE - FIRST_TEXT] = &o->pin_file,
        [DIR - FIRST_TEXT] = &o->dir,       [ONLY - FIRST_TEXT] = &o->plan.only,
        [JSON - FIRST_TEXT] = &o->json,     [CSV - FIRST_TEXT] = &o->csv,
        [KEYS - FIRST_TEXT] = &o->keys,
    };
    if (option < FIRST_TEXT || option > KEYS || texts[option - FIRST_TEXT] == NULL) {
        return false;
    }
    *texts[option - FIRST_TEXT] = optarg;
    return true;
}

static bool take_option(struct hsm_options *o, int option)
{
    switch (option) {
    case THROW_AWAY:
        return o->throw_away = true;
    case YES:
        return o->yes = true;
    case QUICK:
        return o->quick = true;
    case PROCESSES:
        return take_list("processes", PROCESSES_MAX, &o->plan.processes);
    case THREADS:
        return take_list("threads", PROCESSES_MAX, &o->plan.threads);
    case SESSIONS:
        return take_list("sessions", SESSIONS_MAX, &o->plan.sessions);
    case SECONDS:
        return take_seconds("seconds", 0.1, &o->seconds);
    case WATCHDOG:
        return take_seconds("watchdog", 0.1, &o->watchdog);
    default:
        return take_text(o, option);
    }
}

/* 1, 2, 4, ... as many as there are cores, at least two and at most so many: all are there at once.
 */
static void powers(struct sweep *s, unsigned most)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    for (unsigned n = 1; n <= 2 || (n <= cores && n <= most); n *= 2) {
        s->of[s->n++] = n;
    }
}

static void fill_in(struct hsm_options *o)
{
    if (o->plan.processes.n == 0) {
        powers(&o->plan.processes, SWEPT_PROCESSES);
    }
    if (o->plan.threads.n == 0) {
        powers(&o->plan.threads, SWEPT_THREADS);
    }
    if (o->plan.sessions.n == 0) {
        o->plan.sessions = (struct sweep){o->quick ? 1 : 2, {1, 4}};
    }
    if (!(o->seconds > 0)) {
        o->seconds = o->quick ? quick_seconds : all_seconds;
    }
    if (!(o->watchdog > 0)) {
        o->watchdog = watchdog_seconds;
    }
    o->plan.quick = o->quick;
}

bool options_take(struct hsm_options *o, int argc, char **argv)
{
    int option;
    *o = (struct hsm_options){0};
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (!take_option(o, option)) {
            return false;
        }
    }
    if (optind != argc) {
        (void)fprintf(stderr, "eckabench: hsm takes options alone; '%s' is none\n", argv[optind]);
        return false;
    }
    if (o->module != NULL && o->throw_away) {
        (void)fprintf(stderr, "eckabench: --throw-away makes a token of SoftHSM, and --module "
                              "names another's\n");
        return false;
    }
    if (o->keys != NULL && strcmp(o->keys, "token") != 0 && strcmp(o->keys, "session") != 0) {
        (void)fprintf(stderr, "eckabench: --keys is token or session\n");
        return false;
    }
    fill_in(o);
    return true;
}
