/*
 * Results on the terminal, and as results of the JSON document (bench/document.h).
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench/document.h"
#include "bench/kernels.h"
#include "bench/service.h"

struct kernels_report {
    size_t cases, tables;
    struct bench_case cases_of[KERNEL_CASES_MAX];
    struct bench_result results[KERNEL_CASES_MAX];
    struct kernel_table tables_of[KERNEL_TABLES_MAX];
};

void report_kernels(const struct kernels_report *r);
void report_kernels_json(const struct kernels_report *r, struct document *out);

/* One line a case: its name, the figure, what was asked of it, met or MISSED. */
void report_service(const struct service_bench *b);
json_t *report_service_json(const char *kind, const struct service_result *r);
json_t *report_curve_json(const struct service_curve *curve);

#endif
