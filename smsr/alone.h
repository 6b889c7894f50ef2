/*
 * The parties run alone, each a process with a socket: `smsr-change alpha`, `beta`, `network`; and
 * `stock`, which makes the cards and Alpha's store for them.
 */
#ifndef SMSR_ALONE_H
#define SMSR_ALONE_H

/* argv[0] is the command. The exit status: 0, 1 when it failed, 2 on a bad command line. They
 * serve until SIGTERM or SIGINT. */
int main_alpha(int argc, char **argv);
int main_beta(int argc, char **argv);
int main_network(int argc, char **argv);
int main_stock(int argc, char **argv);

extern const char alone_usage[];

#endif
