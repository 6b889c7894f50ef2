/*
 * `smsr-change euicc`: one card as a process of its own, with its state in a file.
 */
#ifndef SMSR_EUICC_COMMAND_H
#define SMSR_EUICC_COMMAND_H

/* argv[0] is "euicc". The exit status: 0, 1 when it failed, 2 on a bad command line. */
int main_euicc(int argc, char **argv);

extern const char euicc_usage[];

#endif
