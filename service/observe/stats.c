#include "service/observe/stats.h"

#include <jansson.h>

#include "providers/provider.h"
#include "service/clock.h"
#include "service/observe/log.h"

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *counter(const metric *m)
{
    return number(metric_get(m));
}

/* json_object_set_new and json_array_append_new refuse NULL: what failed below fails above. */
static bool failed(int rc)
{
    return rc != 0;
}

/* [[bucket, count], ...] of the buckets that are not empty, and the sum. */
static json_t *histogram(const struct histogram *h)
{
    json_t *buckets = json_array();
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t n = metric_get(&h->buckets[i]);
        if (n > 0 &&
            failed(json_array_append_new(buckets, json_pack("[o, o]", number(i), number(n))))) {
            json_decref(buckets);
            return NULL;
        }
    }
    return json_pack("{s: o, s: o}", "sum_us", counter(&h->sum_us), "buckets", buckets);
}

static json_t *operation(const struct observed *o, size_t i)
{
    const struct metrics_operation *op = &o->metrics->operations[i];
    uint64_t requests = 0, items = 0, errors = 0;
    for (size_t s = 0; s < METRICS_STATUSES; s++) {
        uint64_t r = metric_get(&op->requests[s]);
        uint64_t n = metric_get(&op->items[s]);
        requests += r;
        items += n;
        errors += s != STATUS_OK ? r + n : 0;
    }
    return json_pack(
        "{s: s, s: o, s: o, s: o, s: o, s: o, s: o, s: o}", "name", metrics_operation_name(i),
        "requests", number(requests), "items", number(items), "errors", number(errors), "busy",
        counter(&op->requests[STATUS_BUSY]), "deadline", counter(&op->items[STATUS_DEADLINE]),
        "executing", histogram(&op->executing), "total", histogram(&op->total));
}

static json_t *kind(const struct observed *o, size_t i)
{
    const struct metrics_kind *k = &o->metrics->kinds[i];
    json_t *fills = json_array();
    for (size_t f = 0; f < METRICS_FILLS; f++) {
        if (failed(json_array_append_new(fills, counter(&k->batches[f])))) {
            json_decref(fills);
            return NULL;
        }
    }
    return json_pack("{s: s, s: s?, s: i, s: o, s: o, s: o, s: o, s: o}", "name",
                     metrics_kind_name((enum batch_kind)i), "batch",
                     metrics_batch_name((enum batch_kind)i), "batch_max",
                     batch_pool_of((enum batch_kind)i) == POOL_VERIFY ? (int)BATCH_ITEMS_MAX
                                                                      : (int)CUSTODY_ITEMS_MAX,
                     "queued", counter(&k->queued), "age_us",
                     number(observed_age_us(k, clock_us())), "items", counter(&k->items), "fills",
                     fills, "executing_us", counter(&k->executing_us));
}

static json_t *custodian(const struct observed *o, size_t i)
{
    const struct metrics_custodian *c = &o->metrics->custodians[i];
    return json_pack("{s: s, s: b, s: o, s: o, s: o, s: o, s: o, s: o, s: o}", "name",
                     o->config->custodians[i].name, "up", metric_get(&c->up) != 0, "breaker",
                     counter(&c->breaker), "losses", counter(&c->losses), "busy_us",
                     counter(&c->busy_us), "batches", counter(&c->batches), "items",
                     counter(&c->items), "ticket_generation", counter(&c->ticket_generation),
                     "keyset_generation", counter(&c->keyset_generation));
}

static json_t *principal(const struct observed *o, size_t i)
{
    const struct metrics_principal *p = &o->metrics->principals[i];
    return json_pack("{s: s, s: o, s: o, s: o, s: o}", "name", o->metrics->roster->entries[i].name,
                     "jobs", counter(&p->jobs), "requests", counter(&p->requests), "refused",
                     counter(&p->refused), "items", counter(&p->items));
}

static json_t *generation(const struct observed *o, size_t i)
{
    const struct metrics_generation *g = &o->metrics->generations[i];
    return json_pack("{s: o, s: o, s: o}", "generation", counter(&g->generation), "issued",
                     counter(&g->issued), "confirmed", counter(&g->confirmed));
}

static json_t *bound(const struct observed *o, size_t i)
{
    (void)o;
    return number(histogram_bound_us(i));
}

/* The entries first to end - 1 as an array. */
static json_t *list(const struct observed *o, size_t first, size_t end,
                    json_t *(*entry)(const struct observed *, size_t))
{
    json_t *out = json_array();
    for (size_t i = first; i < end; i++) {
        if (failed(json_array_append_new(out, entry(o, i)))) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

static size_t generations_seen(const struct metrics *m)
{
    size_t n = 0;
    while (n < METRICS_GENERATIONS && metric_get(&m->generations[n].generation) != 0) {
        n++;
    }
    return n;
}

static json_t *tables(void)
{
    struct provider_stats s;
    provider_stats(&s);
    return json_pack("{s: o, s: o, s: o, s: o, s: o, s: o, s: o, s: o}", "hits", number(s.hits),
                     "misses", number(s.misses), "count",
                     number(s.tables_small + s.tables_medium + s.tables_wide), "evictions",
                     number(s.evictions), "bytes", number(s.bytes), "budget", number(s.budget),
                     "rechecks", number(s.rechecks), "mismatches", number(s.mismatches));
}

static json_t *process(const struct observed *o)
{
    struct observed_process p;
    observed_process(&p);
    return json_pack(
        "{s: o, s: o, s: o, s: o, s: o, s: o}", "cpu_us", number(p.cpu_us), "resident_bytes",
        number(p.resident_bytes), "unsendable", counter(&o->metrics->unsendable),
        "refused_connections", counter(&o->metrics->refused_connections), "warnings",
        number(log_written(LOG_LEVEL_WARNING)), "alarms", number(log_written(LOG_LEVEL_ALARM)));
}

void stats_write(const struct observed *o, struct writer *out)
{
    const struct metrics *m = o->metrics;
    const char *sentence = NULL;
    bool ready = observed_ready(o, &sentence);
    uint64_t now_us = clock_us();
    json_t *root =
        json_pack("{s: s, s: s, s: o, s: o, s: b, s: s, s: o, s: o, s: o, s: o, s: o, s: o, s: o, "
                  "s: o, s: o, "
                  "s: o}",
                  "version", ECKAD_VERSION, "backend", provider_name(), "now_us", number(now_us),
                  "uptime_us", number(now_us - m->start_us), "ready", ready, "sentence", sentence,
                  "jobs", counter(&m->jobs), "jobs_max", counter(&m->jobs_max), "operations",
                  list(o, 1, METRICS_OPERATIONS, operation), "kinds", list(o, 0, KIND_COUNT, kind),
                  "custodians", list(o, 0, m->custodian_count, custodian), "principals",
                  list(o, 0, roster_count(m->roster), principal), "tickets",
                  list(o, 0, generations_seen(m), generation), "tables", tables(), "process",
                  process(o), "bounds_us", list(o, 0, HISTOGRAM_BUCKETS - 1, bound));
    size_t room = out->cap - out->len;
    size_t len =
        root != NULL ? json_dumpb(root, (char *)out->ptr + out->len, room, JSON_COMPACT) : 0;
    json_decref(root);
    if (len == 0 || len > room) {
        out->overflow = true;
        return;
    }
    out->len += len;
}
