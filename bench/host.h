/*
 * The machine that figures are of: processor, cores, the SIMD extensions that kernels choose by,
 * kernel, system, versions of what is measured and linked.
 */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include <jansson.h>

/* Without load and noise, which belong to a run. */
json_t *host_facts(void);

/* One minute's load average; 0 where there is none. */
double host_load(void);

#endif
