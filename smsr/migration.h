/*
 * The Fleet Owner run alone: `smsr-change operator` orders one change, `smsr-change fleet` a
 * migration, at a rate and with its outcomes in a file, from which it goes on after an
 * interruption.
 */
#ifndef SMSR_MIGRATION_H
#define SMSR_MIGRATION_H

/* argv[0] is the command. The exit status: 0 when every change was executed, 1 when one was not, 2
 * on a bad command line, 3 when it was told to end before. */
int main_operator(int argc, char **argv);
int main_fleet(int argc, char **argv);

extern const char migration_usage[];

#endif
