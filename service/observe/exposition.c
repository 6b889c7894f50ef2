/*
 * See exposition.h. Label values are names that the configuration was checked for, statuses and
 * numbers: none holds what would have to be escaped.
 */
#include "service/observe/exposition.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "providers/provider.h"
#include "service/clock.h"
#include "service/observe/log.h"

enum metric_type { TYPE_COUNTER, TYPE_GAUGE, TYPE_HISTOGRAM, TYPE_INFO };

enum metric_id {
#define METRIC(id, name, type, unit, labels, help) METRIC_##id,
#include "service/observe/metrics.def"
#undef METRIC
};

static const struct family {
    const char *name;
    enum metric_type type;
    const char *unit, *help;
} families[] = {
#define METRIC(id, name, type, unit, labels, help) {name, TYPE_##type, unit, help},
#include "service/observe/metrics.def"
#undef METRIC
};

struct out {
    struct writer *w;
    const struct observed *o;
    bool open;                   /* OpenMetrics */
    const struct family *family; /* whose samples are being written */
};

void put_text(struct writer *w, const char *format, ...)
{
    size_t room = w->cap - w->len;
    va_list args;
    va_start(args, format);
    int n = w->overflow ? -1 : vsnprintf((char *)w->ptr + w->len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room) { /* the NUL needs a place as well */
        w->overflow = true;
        return;
    }
    w->len += (size_t)n;
}

/* -- families and samples -- */

/* Prometheus calls a family of counters what it calls their samples; OpenMetrics does not. */
static void begin(struct out *out, enum metric_id id)
{
    static const char *const types[] = {
        [TYPE_COUNTER] = "counter",
        [TYPE_GAUGE] = "gauge",
        [TYPE_HISTOGRAM] = "histogram",
        [TYPE_INFO] = "info",
    };
    const struct family *f = &families[id];
    const char *suffix = "", *type = types[f->type];
    out->family = f;
    if (!out->open && f->type == TYPE_COUNTER) {
        suffix = "_total";
    } else if (!out->open && f->type == TYPE_INFO) {
        suffix = "_info";
        type = types[TYPE_GAUGE];
    }
    put_text(out->w, "# TYPE %s%s %s\n", f->name, suffix, type);
    if (out->open && f->unit[0] != '\0') {
        put_text(out->w, "# UNIT %s %s\n", f->name, f->unit);
    }
    put_text(out->w, "# HELP %s%s %s\n", f->name, suffix, f->help);
}

static void put_name(struct out *out, const char *suffix, const char *labels)
{
    put_text(out->w, labels[0] != '\0' ? "%s%s{%s} " : "%s%s%s ", out->family->name, suffix,
             labels);
}

static void put_created(struct out *out, const char *labels)
{
    if (out->open) {
        put_name(out, "_created", labels);
        put_text(out->w, "%" PRId64 "\n", out->o->metrics->start_s);
    }
}

static void put_us(struct out *out, uint64_t us)
{
    put_text(out->w, "%" PRIu64 ".%06u\n", us / US_PER_S, (unsigned)(us % US_PER_S));
}

/* One sample of the family begun last. labels: `name="value",...` or nothing. */
static void sample(struct out *out, const char *labels, uint64_t value)
{
    static const char *const suffixes[] = {
        [TYPE_COUNTER] = "_total", [TYPE_GAUGE] = "", [TYPE_INFO] = "_info"};
    put_name(out, suffixes[out->family->type], labels);
    if (strcmp(out->family->unit, "seconds") == 0) {
        put_us(out, value); /* all times are counted in microseconds */
    } else {
        put_text(out->w, "%" PRIu64 "\n", value);
    }
    if (out->family->type == TYPE_COUNTER) {
        put_created(out, labels);
    }
}

/* A family of one sample. */
static void single(struct out *out, enum metric_id id, uint64_t value)
{
    begin(out, id);
    sample(out, "", value);
}

enum { LABELS_MAX = 128 };

__attribute__((format(printf, 3, 4))) static void labelled(struct out *out, uint64_t value,
                                                           const char *format, ...)
{
    char labels[LABELS_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(labels, sizeof(labels), format, args);
    va_end(args);
    sample(out, labels, value);
}

/* -- histograms -- */

static void put_count(struct out *out, const char *labels, uint64_t count)
{
    put_name(out, "_count", labels);
    put_text(out->w, "%" PRIu64 "\n", count);
    put_created(out, labels);
}

/* Whole octaves of the buckets there are: their bounds are the same. */
static void put_time_histogram(struct out *out, const char *labels, const struct histogram *h)
{
    enum { FIRST_BITS = 4 }; /* 16 us: below it nothing is worth telling apart */
    uint64_t count = 0;
    size_t i = 0;
    for (unsigned bits = FIRST_BITS; bits <= HISTOGRAM_TOP_BITS; bits++) {
        uint64_t bound_us = (uint64_t)1 << bits;
        for (; histogram_bound_us(i) <= bound_us; i++) {
            count += metric_get(&h->buckets[i]);
        }
        put_text(out->w, "%s_bucket{%s,le=\"%" PRIu64 ".%06u\"} %" PRIu64 "\n", out->family->name,
                 labels, bound_us / US_PER_S, (unsigned)(bound_us % US_PER_S), count);
    }
    count += metric_get(&h->buckets[HISTOGRAM_BUCKETS - 1]);
    put_text(out->w, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", out->family->name, labels, count);
    put_name(out, "_sum", labels);
    put_us(out, metric_get(&h->sum_us));
    put_count(out, labels, count);
}

static void put_times(struct out *out, enum metric_id id, size_t offset)
{
    begin(out, id);
    for (size_t op = 1; op < METRICS_OPERATIONS; op++) {
        char labels[LABELS_MAX];
        const char *operation = (const char *)&out->o->metrics->operations[op];
        (void)snprintf(labels, sizeof(labels), "operation=\"%s\"", metrics_operation_name(op));
        put_time_histogram(out, labels, (const struct histogram *)(operation + offset));
    }
}

static void put_fills(struct out *out)
{
    begin(out, METRIC_BATCH_ITEMS);
    for (enum batch_kind kind = 0; kind < KIND_COUNT; kind++) {
        const struct metrics_kind *k = &out->o->metrics->kinds[kind];
        const char *name = metrics_batch_name(kind);
        char labels[LABELS_MAX];
        uint64_t count = 0;
        if (name == NULL) {
            continue;
        }
        for (size_t i = 0; i < METRICS_FILLS; i++) {
            count += metric_get(&k->batches[i]);
            put_text(out->w, "%s_bucket{batch=\"%s\",le=\"%u.0\"} %" PRIu64 "\n", out->family->name,
                     name, 1u << i, count);
        }
        (void)snprintf(labels, sizeof(labels), "batch=\"%s\"", name);
        put_text(out->w, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", out->family->name, labels,
                 count);
        put_name(out, "_sum", labels);
        put_text(out->w, "%" PRIu64 "\n", metric_get(&k->items));
        put_count(out, labels, count);
    }
}

/* -- requests -- */

enum answers { ANSWERS_REQUESTS = 1, ANSWERS_ITEMS = 2, ANSWERS_FAILED = 4 };

static uint64_t answered(const struct metrics_operation *o, unsigned which, size_t status)
{
    return ((which & ANSWERS_REQUESTS) != 0 ? metric_get(&o->requests[status]) : 0) +
           ((which & ANSWERS_ITEMS) != 0 ? metric_get(&o->items[status]) : 0);
}

/* OK, BUSY and DEADLINE are there from the start: an alert needs a series before its first event.
 * Codes that are no status, which only a custodian at fault sends, share one. */
static void put_answers(struct out *out, enum metric_id id, unsigned which)
{
    begin(out, id);
    for (size_t op = 0; op < METRICS_OPERATIONS; op++) {
        const struct metrics_operation *o = &out->o->metrics->operations[op];
        const char *name = metrics_operation_name(op);
        uint64_t unknown = 0;
        for (size_t s = (which & ANSWERS_FAILED) != 0 ? 1 : 0; s < METRICS_STATUSES; s++) {
            uint64_t n = answered(o, which, s);
            bool always = s == STATUS_OK || s == STATUS_BUSY || s == STATUS_DEADLINE;
            if (!status_known((unsigned)s)) {
                unknown += n;
            } else if (n > 0 || always) {
                labelled(out, n, "operation=\"%s\",status=\"%s\"", name,
                         status_name((enum status)s));
            }
        }
        if (unknown > 0) {
            labelled(out, unknown, "operation=\"%s\",status=\"UNKNOWN\"", name);
        }
    }
}

static void put_connections(struct out *out)
{
    const struct metrics *m = out->o->metrics;
    single(out, METRIC_CONNECTIONS_OPENED, metric_get(&m->opened_connections));
    single(out, METRIC_CONNECTIONS_REFUSED, metric_get(&m->refused_connections));
    single(out, METRIC_CONNECTIONS, metric_get(&m->connections));
    single(out, METRIC_CONNECTIONS_MAX, metric_get(&m->connections_max));
    single(out, METRIC_STRANGERS, metric_get(&m->strangers));
    begin(out, METRIC_CONNECTIONS_CUT);
    labelled(out, metric_get(&m->cut_address), "reason=\"address\"");
    labelled(out, metric_get(&m->cut_crowd), "reason=\"crowd\"");
    labelled(out, metric_get(&m->cut_strangers), "reason=\"stranger\"");
    labelled(out, metric_get(&m->cut_share), "reason=\"share\"");
    labelled(out, metric_get(&m->cut_unread), "reason=\"unread\"");
    labelled(out, metric_get(&m->cut_descriptors), "reason=\"descriptors\"");
    single(out, METRIC_HANDSHAKES_FAILED, metric_get(&m->failed_handshakes));
}

static void put_requests(struct out *out)
{
    const struct metrics *m = out->o->metrics;
    put_answers(out, METRIC_REQUESTS, ANSWERS_REQUESTS);
    put_answers(out, METRIC_ITEMS, ANSWERS_ITEMS);
    put_answers(out, METRIC_ERRORS, ANSWERS_REQUESTS | ANSWERS_ITEMS | ANSWERS_FAILED);
    put_times(out, METRIC_EXECUTING, offsetof(struct metrics_operation, executing));
    put_times(out, METRIC_DURATION, offsetof(struct metrics_operation, total));
    single(out, METRIC_JOBS, metric_get(&m->jobs));
    single(out, METRIC_JOBS_MAX, metric_get(&m->jobs_max));
    single(out, METRIC_UNSENDABLE, metric_get(&m->unsendable));
    put_connections(out);
}

/* -- queues, custodians, principals -- */

static void put_queues(struct out *out)
{
    const struct metrics *m = out->o->metrics;
    uint64_t now_us = clock_us();
    begin(out, METRIC_QUEUE_ITEMS);
    for (enum batch_kind k = 0; k < KIND_COUNT; k++) {
        labelled(out, metric_get(&m->kinds[k].queued), "kind=\"%s\"", metrics_kind_name(k));
    }
    begin(out, METRIC_QUEUE_AGE);
    for (enum batch_kind k = 0; k < KIND_COUNT; k++) {
        labelled(out, observed_age_us(&m->kinds[k], now_us), "kind=\"%s\"", metrics_kind_name(k));
    }
    put_fills(out);
    begin(out, METRIC_BATCH_SECONDS);
    for (enum batch_kind k = 0; k < KIND_COUNT; k++) {
        if (metrics_batch_name(k) != NULL) {
            labelled(out, metric_get(&m->kinds[k].executing_us), "batch=\"%s\"",
                     metrics_batch_name(k));
        }
    }
}

/* One number of each entry of an array: stride bytes apart, the first at first. */
static void put_column(struct out *out, enum metric_id id, const metric *first, size_t stride,
                       size_t n, const char *label, const char *(*name)(const struct out *, size_t))
{
    begin(out, id);
    for (size_t i = 0; i < n; i++) {
        const metric *m = (const metric *)((const char *)first + i * stride);
        labelled(out, metric_get(m), "%s=\"%s\"", label, name(out, i));
    }
}

static const char *custodian_name(const struct out *out, size_t i)
{
    return out->o->config->custodians[i].name;
}

static void put_custodians(struct out *out)
{
    const struct metrics *m = out->o->metrics;
    const struct metrics_custodian *first = m->custodians;
    const struct {
        enum metric_id id;
        const metric *column;
    } columns[] = {
        {METRIC_CUSTODIAN_UP, &first->up},
        {METRIC_CUSTODIAN_LOSSES, &first->losses},
        {METRIC_CUSTODIAN_BREAKER, &first->breaker},
        {METRIC_CUSTODIAN_OPENINGS, &first->openings},
        {METRIC_CUSTODIAN_BUSY, &first->busy_us},
        {METRIC_CUSTODIAN_BATCHES, &first->batches},
        {METRIC_CUSTODIAN_ITEMS, &first->items},
        {METRIC_TICKET_GENERATION, &first->ticket_generation},
        {METRIC_KEYSET_GENERATION, &first->keyset_generation},
    };
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
        put_column(out, columns[i].id, columns[i].column, sizeof(*first), m->custodian_count,
                   "custodian", custodian_name);
    }
}

static void put_tickets(struct out *out, enum metric_id id, size_t offset)
{
    const struct metrics *m = out->o->metrics;
    begin(out, id);
    for (size_t i = 0; i < METRICS_GENERATIONS; i++) {
        const struct metrics_generation *g = &m->generations[i];
        uint64_t generation = metric_get(&g->generation);
        if (generation != 0) {
            labelled(out, metric_get((const metric *)((const char *)g + offset)),
                     "generation=\"%" PRIu64 "\"", generation);
        }
    }
    labelled(out, metric_get((const metric *)((const char *)&m->other_generations + offset)),
             "generation=\"other\"");
}

static const char *principal_name(const struct out *out, size_t i)
{
    return out->o->metrics->roster->entries[i].name;
}

static void put_principals(struct out *out)
{
    const struct metrics *m = out->o->metrics;
    const struct metrics_principal *first = m->principals;
    const struct {
        enum metric_id id;
        const metric *column;
    } columns[] = {
        {METRIC_PRINCIPAL_JOBS, &first->jobs},
        {METRIC_PRINCIPAL_REQUESTS, &first->requests},
        {METRIC_PRINCIPAL_REFUSED, &first->refused},
        {METRIC_PRINCIPAL_ITEMS, &first->items},
    };
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
        put_column(out, columns[i].id, columns[i].column, sizeof(*first), roster_count(m->roster),
                   "principal", principal_name);
    }
}

/* -- arithmetic and the process -- */

static void put_arithmetic(struct out *out)
{
    struct provider_stats s;
    provider_stats(&s);
    single(out, METRIC_TABLE_HITS, s.hits);
    single(out, METRIC_TABLE_MISSES, s.misses);
    single(out, METRIC_TABLE_BUILDS, s.builds);
    single(out, METRIC_TABLE_EVICTIONS, s.evictions);
    begin(out, METRIC_TABLES);
    sample(out, "size=\"small\"", s.tables_small);
    sample(out, "size=\"medium\"", s.tables_medium);
    sample(out, "size=\"wide\"", s.tables_wide);
    single(out, METRIC_TABLE_BYTES, s.bytes);
    single(out, METRIC_TABLE_BUDGET, s.budget);
    single(out, METRIC_RECHECKS, s.rechecks);
    single(out, METRIC_MISMATCHES, s.mismatches);
}

static void put_process(struct out *out)
{
    struct observed_process p;
    observed_process(&p);
    begin(out, METRIC_LOG_ENTRIES);
    for (enum log_level level = 0; level < LOG_LEVELS; level++) {
        labelled(out, log_written(level), "level=\"%s\"", log_level_name(level));
    }
    single(out, METRIC_LOG_HELD_BACK, log_held_back());
    begin(out, METRIC_HTTP);
    for (unsigned code = 0; code < OBSERVED_CODES; code++) {
        uint64_t n = metric_get(&out->o->responses[code]);
        if (n > 0) {
            labelled(out, n, "code=\"%u\"", code);
        }
    }
    single(out, METRIC_START_TIME, (uint64_t)out->o->metrics->start_s * US_PER_S);
    single(out, METRIC_CPU, p.cpu_us);
    single(out, METRIC_RESIDENT, p.resident_bytes);
    single(out, METRIC_OPEN_FDS, p.open_fds);
}

static void put_policy(struct out *out)
{
    const struct metrics *m = out->o->metrics;
    single(out, METRIC_POLICY_GENERATION, metric_get(&m->policy_generation));
    single(out, METRIC_POLICY_RELOADS_FAILED, metric_get(&m->policy_reloads_failed));
    single(out, METRIC_POLICY_FAILED, metric_get(&m->policy_failed));
}

static void put_service(struct out *out)
{
    const char *sentence = NULL;
    begin(out, METRIC_BUILD);
    sample(out, "version=\"" ECKAD_VERSION "\"", 1);
    begin(out, METRIC_BACKEND);
    labelled(out, 1, "backend=\"%s\"", provider_name());
    single(out, METRIC_READY, observed_ready(out->o, &sentence));
    single(out, METRIC_DRAINING, metric_get(&out->o->metrics->draining));
}

void exposition_write(const struct observed *o, enum exposition_format format, struct writer *w)
{
    struct out out = {.w = w, .o = o, .open = format == EXPOSITION_OPENMETRICS};
    put_service(&out);
    put_requests(&out);
    put_queues(&out);
    put_custodians(&out);
    put_tickets(&out, METRIC_TICKETS_ISSUED, offsetof(struct metrics_generation, issued));
    put_tickets(&out, METRIC_TICKETS_CONFIRMED, offsetof(struct metrics_generation, confirmed));
    put_principals(&out);
    put_policy(&out);
    put_arithmetic(&out);
    put_process(&out);
    if (out.open) {
        put_text(w, "# EOF\n");
    }
}

/* -- Accept (RFC 9110, 12.5.1) -- */

const char *exposition_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

/* The weight that a list of media ranges gives a type, at most 1; 0 when it does not name it. */
static double weight_of(const char *accept, const char *type)
{
    double best = 0;
    size_t len = strlen(type);
    for (const char *range = accept; *range != '\0'; range += strcspn(range, ",")) {
        range += strspn(range, ", \t");
        size_t end = strcspn(range, ",");
        size_t name = strcspn(range, ",; \t");
        if (name != len || strncasecmp(range, type, len) != 0) {
            continue;
        }
        double weight = 1;
        for (const char *p = range + name; p < range + end; p++) {
            if (*p == ';') {
                p += 1 + strspn(p + 1, " \t");
                weight = strncasecmp(p, "q=", 2) == 0 ? strtod(p + 2, NULL) : weight;
                p--;
            }
        }
        best = weight > best && weight <= 1 ? weight : best;
    }
    return best;
}

enum exposition_format exposition_choose(const char *accept)
{
    if (accept == NULL) {
        return EXPOSITION_PROMETHEUS;
    }
    double open = weight_of(accept, "application/openmetrics-text");
    return open > 0 && open >= weight_of(accept, "text/plain") ? EXPOSITION_OPENMETRICS
                                                               : EXPOSITION_PROMETHEUS;
}
