/*
 * The options of `eckabench hsm`.
 */
#ifndef BENCH_HSM_OPTIONS_H
#define BENCH_HSM_OPTIONS_H

#include "bench/hsm/plan.h"

struct hsm_options {
    const char *module, *module_args, *token, *pin_file, *dir, *json, *csv;
    bool yes, quick, throw_away;
    const char *keys; /* "token", "session"; NULL: by whose the token is */
    double seconds, watchdog;
    struct plan_options plan;
};

/* False after a sentence on stderr. */
bool options_take(struct hsm_options *o, int argc, char **argv);

#endif
