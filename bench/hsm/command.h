/*
 * `eckabench hsm`: what a PKCS#11 token can do, and what the layers above make of it.
 */
#ifndef BENCH_HSM_COMMAND_H
#define BENCH_HSM_COMMAND_H

extern const char hsm_command_help[];

/* argv[0] is the command's name; words: the command line without the program's. The exit status: 0
 * done, also with operations that are unsupported; 1 failed; 2 misused, or not allowed. */
int hsm_command(int argc, char **argv, char *const words[]);

#endif
