/*
 * The arithmetic of this process alone: the selected provider backend in batches against OpenSSL's
 * EVP interface item by item.
 */
#ifndef BENCH_KERNELS_H
#define BENCH_KERNELS_H

#include "bench/measure.h"
#include "providers/provider.h"

enum { KERNEL_CASES_MAX = 16, KERNEL_TABLES_MAX = 8 };

/* A key table of one level: its size, and the time to build one of a new key alone. */
struct kernel_table {
    const char *curve, *level;
    size_t bytes;
    struct figure build_ms;
};

/*
 * Makes keys, signatures and tables and fills the cases whose name contains `only` (NULL: all);
 * ends the program when anything fails. quick: fewer keys and shorter slices, for a look at whether
 * it works.
 */
size_t kernels_init(struct bench_case out[static KERNEL_CASES_MAX], const char *only, bool quick);
void kernels_fini(void);

/* What the selected backend's key tables cost; 0 of them where it has none. */
size_t kernels_tables(struct kernel_table out[static KERNEL_TABLES_MAX]);

#endif
