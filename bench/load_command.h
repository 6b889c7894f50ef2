/*
 * `eckabench load`: a load of the caller's choice on a running eckad.
 */
#ifndef BENCH_LOAD_COMMAND_H
#define BENCH_LOAD_COMMAND_H

extern const char load_command_help[];

/* argv[0] is the command's name; words: as in bench/document.h. The exit status: 0 done, 1 failed,
 * 2 misused. */
int load_command(int argc, char **argv, char *const words[]);

#endif
