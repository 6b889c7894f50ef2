/*
 * The token before and after the measuring: what it is, how many objects it holds, what an earlier
 * run left there; and a token of SoftHSM's that is made for one run. The module is loaded in
 * processes aside, as always.
 */
#ifndef BENCH_HSM_TOKEN_H
#define BENCH_HSM_TOKEN_H

#include "bench/hsm/target.h"

#define TOKEN_OWN_LABEL "eckabench" /* begins the label of a token that is its own */

struct census {
    size_t objects;   /* of the token, that the user sees */
    size_t destroyed; /* of ours, before they were counted */
};

/* Fills in the token's facts and its label. Each is false with a sentence on stderr. */
bool token_identify(struct target *target, double watchdog);

/* Logs in, destroys token objects labelled DIRECT_LABEL, counts the others. */
bool token_census(struct target *target, double watchdog, struct census *out);

/* Its label begins so. */
bool token_is_own(const struct target *target);

/* Whether it may be used: its own, or somebody said yes, with --yes or at the terminal. */
bool token_consent(const struct target *target, bool yes);

/* Makes a token of SoftHSM's in a directory of its own, with a PIN that is nowhere else. */
bool token_throw_away_make(struct target *target, double watchdog);
/* Removes it; also registered to be done at exit. */
void token_throw_away_end(void);

#endif
