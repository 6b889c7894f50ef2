/*
 * The plain loop of C_Sign that the lane `direct` is compared with.
 */
#ifndef BENCH_HSM_RAW_H
#define BENCH_HSM_RAW_H

#include "bench/hsm/target.h"

/* Its program, which lies beside this one. False: it does not. */
bool raw_program(char out[static TARGET_TEXT_MAX]);

#endif
