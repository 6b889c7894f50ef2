/*
 * Results on the terminal and as JSON: {"host": ..., "results": [...], ...}.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <jansson.h>

#include "bench/kernels.h"
#include "bench/service.h"

struct kernels_report {
    size_t cases, tables;
    struct bench_case cases_of[KERNEL_CASES_MAX];
    struct bench_result results[KERNEL_CASES_MAX];
    struct kernel_table tables_of[KERNEL_TABLES_MAX];
};

void report_kernels(const struct kernels_report *r);
json_t *report_kernels_json(const struct kernels_report *r);

/* One line a case: its name, the figure, what was asked of it, met or MISSED. */
void report_service(const struct service_bench *b);
json_t *report_service_json(const struct service_bench *b);

/* The machine: processor, cores, load, OpenSSL, backend. */
json_t *report_host(void);

/* Writes and frees; false with a sentence on stderr. */
bool report_write(const char *path, json_t *report);

#endif
