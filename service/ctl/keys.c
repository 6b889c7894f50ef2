/*
 * keygen: CURVE key files. keys and custody: the token's keys, which only eckad-custodian may
 * touch, so this becomes it.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/client/keyfile.h"
#include "service/ctl/ctl.h"
#include "service/ctl/keys_help.h"

int ctl_keygen(int argc, char **argv)
{
    char error[KEYFILE_ERROR_MAX];
    if (argc != 2 || argv[1][0] == '-') {
        return ctl_misused("keygen takes one file name");
    }
    if (keyfile_generate(argv[1], error) != STATUS_OK) {
        ctl_say("%s", error);
        return CTL_FAILED;
    }
    return CTL_OK;
}

/* argv of eckad-custodian: the verb's arguments follow as they are. */
static int become_custodian(const char *ceremony, const char *config, int argc, char **argv)
{
    char program[PATH_MAX];
    ctl_find_program("eckad-custodian", program, sizeof program);
    const char *const fixed[] = {program, "--config", config, "--ceremony", ceremony};
    enum { FIXED = sizeof fixed / sizeof *fixed };
    const char **args = calloc(FIXED + (size_t)argc + 1, sizeof *args);
    if (args == NULL) {
        ctl_say("memory is out");
        return CTL_FAILED;
    }
    memcpy(args, fixed, sizeof fixed);
    for (int i = 0; i < argc; i++) {
        args[FIXED + i] = argv[i];
    }
    (void)execvp(program, (char *const *)(uintptr_t)args);
    ctl_say("%s cannot be run: %s; install it beside eckactl or put it on PATH", program,
            strerror(errno));
    free(args);
    return CTL_FAILED;
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

/* Takes "--custodian FILE" out of the arguments; NULL when it is not there. */
static const char *take_custodian(int *argc, char **argv)
{
    for (int i = 0; i + 1 < *argc; i++) {
        if (strcmp(argv[i], "--custodian") == 0) {
            const char *config = argv[i + 1];
            memmove(argv + i, argv + i + 2, (size_t)(*argc - i - 2) * sizeof *argv);
            *argc -= 2;
            return config;
        }
    }
    return NULL;
}

/* "eckactl keys VERB" and "eckactl custody VERB": help, or the ceremony of that name. */
static int hold_ceremony(int argc, char **argv, const char *(*help_of)(const char *verb))
{
    const char *group = argv[0], *verb = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    const char *help = help_of(verb);
    char ceremony[64];

    if (help == NULL) {
        return ctl_misused("%s %s is no command; eckactl %s --help lists them", group, verb, group);
    }
    if (asks_for_help(argc, argv)) {
        return fputs(help, stdout) < 0 ? CTL_FAILED : CTL_OK;
    }
    if (verb == NULL) {
        (void)fputs(help, stderr);
        return CTL_USAGE;
    }
    (void)snprintf(ceremony, sizeof ceremony, "%s-%s", group, verb);
    argc -= 2;
    argv += 2;
    const char *config = take_custodian(&argc, argv);
    if (config == NULL) {
        return ctl_misused("%s %s needs --custodian FILE, the custodian.yaml of the token", group,
                           verb);
    }
    return become_custodian(ceremony, config, argc, argv);
}

int ctl_keys(int argc, char **argv)
{
    return hold_ceremony(argc, argv, keys_help);
}

int ctl_custody(int argc, char **argv)
{
    return hold_ceremony(argc, argv, custody_help);
}
