/*
 * keygen: CURVE key files. keys init: the token's keys, which only eckad-custodian may touch, so
 * this becomes it.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/client/keyfile.h"
#include "service/ctl/ctl.h"

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

/* argv of eckad-custodian: ours behind "keys init --custodian FILE" follow unchanged. */
static int become_custodian(const char *config, int argc, char **argv)
{
    char program[PATH_MAX];
    ctl_find_program("eckad-custodian", program, sizeof program);
    const char *const fixed[] = {program, "--config", config, "--ceremony", "keys-init"};
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

int ctl_keys(int argc, char **argv)
{
    if (argc < 4 || strcmp(argv[1], "init") != 0 || strcmp(argv[2], "--custodian") != 0) {
        return ctl_misused("expected: keys init --custodian FILE [ARGUMENT...]");
    }
    return become_custodian(argv[3], argc - 4, argv + 4);
}
