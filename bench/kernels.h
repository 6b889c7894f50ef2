/*
 * The arithmetic of this process alone: the selected provider backend in batches against OpenSSL's
 * EVP interface item by item, on the same keys, digests and signatures.
 */
#ifndef BENCH_KERNELS_H
#define BENCH_KERNELS_H

#include "bench/measure.h"

enum { KERNEL_CASES_MAX = 8 };

/* Makes keys and signatures and fills the cases; ends the program when anything fails. */
size_t kernels_init(struct bench_case out[static KERNEL_CASES_MAX]);
void kernels_fini(void);

#endif
