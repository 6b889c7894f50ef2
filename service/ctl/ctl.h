/*
 * eckactl's commands. Each gets its own arguments (argv[0] is the command's name), prints sentences
 * that say what to do next on stderr, and returns the exit status: 0 done, 1 failed, 2 misused.
 */
#ifndef SERVICE_CTL_CTL_H
#define SERVICE_CTL_CTL_H

#include <stddef.h>

enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_CUSTODIANS_MAX = 16 };

int ctl_keygen(int argc, char **argv);  /* keys.c */
int ctl_keys(int argc, char **argv);    /* keys.c */
int ctl_custody(int argc, char **argv); /* keys.c */
int ctl_audit(int argc, char **argv);   /* audit/audit.c */
int ctl_policy(int argc, char **argv);  /* policy.c, as the next */
int ctl_reload(int argc, char **argv);
int ctl_up(int argc, char **argv);     /* up.c */
int ctl_status(int argc, char **argv); /* status.c */

/* "eckactl: " and the sentence, on stderr. */
__attribute__((format(printf, 1, 2))) void ctl_say(const char *format, ...);

/* Says the sentence and where help stands; returns CTL_USAGE. */
__attribute__((format(printf, 1, 2))) int ctl_misused(const char *format, ...);

/*
 * The path of a program of this project: beside eckactl, else where a build folder has it, else by
 * PATH (then path is the bare name, for execvp).
 */
void ctl_find_program(const char *name, char *path, size_t size);

#endif
