/*
 * A flood at the door: 10,000 connections that leave their handshake in the middle and 1,000
 * clients whose key is in no policy, from one address, which is the good principal's too, or from
 * as many. The good principal's p99 with the flood and without, in turns; the server's memory
 * against what it states; and by the server's own count what came.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/guests.h"
#include "bench/measure.h"
#include "bench/requests.h"
#include "bench/scrape.h"
#include "bench/service.h"

enum {
    HALF_OPEN = 10000,
    UNAUTHORISED = 1000,
    OWN_DESCRIPTORS = 512,
    CLIENTS = 4,
    UNDER_WAY = 64,
    RATE = 1000, /* requests a second */
    KNOWN_KEYS = 4,
    SLICES = 3, /* of a side of a round */
    DEADLINE_US = 5 * 1000 * 1000,
    NS_PER_MS = 1000 * 1000,
    US_PER_MS = 1000,
    KIB_PER_MIB = 1024,
};

/* What eckad counts of who comes: */
enum { LET_IN, TOO_FAST, CROWDED, REFUSED, COUNTS };
static const char *const counts[COUNTS] = {
    [LET_IN] = "eckad_connections_opened_total",
    [TOO_FAST] = "eckad_connections_cut_total{reason=\"address\"}",
    [CROWDED] = "eckad_connections_cut_total{reason=\"crowd\"}",
    [REFUSED] = "eckad_connections_refused_total",
};

/* What has to come of what is said to come, for it to be the flood that is asked for. */
static const double whole = 0.9;

struct flood {
    struct service_bench *b;
    struct server eckad;
    struct load_source source;
    size_t half_open, unauthorised; /* as many as there are descriptors for */
    bool scattered;                 /* each from an address of its own */
    uint64_t arrivals, not_ok;
    double count[COUNTS], seconds; /* beside the flood */
    struct histogram latency;      /* beside the flood */
};

/* As many guests as are asked for, or as this process may have descriptors for. */
static void choose_size(struct flood *f)
{
    struct rlimit limit;
    f->half_open = HALF_OPEN;
    f->unauthorised = UNAUTHORISED;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    const size_t each = limit.rlim_max / (HALF_OPEN + 3 * UNAUTHORISED + OWN_DESCRIPTORS);
    if (each == 0) { /* libzmq takes about three for a client that connects */
        f->half_open = limit.rlim_max / 2;
        f->unauthorised = limit.rlim_max / 20;
    }
}

/* The good principal's p99 in milliseconds; 0 when the server cannot be reached. all: may be NULL.
 */
static double look(struct flood *f, struct histogram *all)
{
    static struct load_result r;
    const struct load_options o = {.clients = CLIENTS,
                                   .pipelining = UNDER_WAY,
                                   .rate = RATE,
                                   .seed = 1,
                                   .priority = LOAD_AHEAD,
                                   .seconds = SLICES * f->b->slice,
                                   .deadline_us = DEADLINE_US};
    if (!service_load(f->b, &f->eckad, o, &f->source, NULL, &r)) {
        return 0;
    }
    f->arrivals += r.arrivals;
    f->not_ok += r.arrivals - r.outcome[LOAD_OK];
    if (all != NULL) {
        histogram_add(all, &r.latency);
    }
    return (double)histogram_per_mille(&r.latency, 990) / NS_PER_MS;
}

/* Adds what was counted, and the time; before: takes it away. */
static bool count(struct flood *f, bool before)
{
    double now[COUNTS];
    if (!scrape(f->eckad.http, counts, now, COUNTS)) {
        return false;
    }
    f->seconds += before ? -bench_now_s() : bench_now_s();
    for (size_t i = 0; i < COUNTS; i++) {
        f->count[i] += before ? -now[i] : now[i];
    }
    return true;
}

static bool round_of(struct flood *f, struct rounds *rounds)
{
    const double quiet = look(f, NULL);
    bool ok = count(f, true);
    struct guests *guests = guests_start(f->eckad.endpoint, f->b->d.server_key, f->half_open,
                                         f->unauthorised, f->scattered);
    /* The first wave is part of it. */
    const double flooded = look(f, &f->latency);
    ok = count(f, false) && ok;
    guests_stop(&guests);
    if (!ok || quiet <= 0 || flooded <= 0) {
        return false;
    }
    rounds_add(rounds, flooded * US_PER_MS, quiet * US_PER_MS, flooded / quiet);
    return true;
}

/* What the server said at start that it can come to take, with so many clients; 0: nothing. */
static double stated_mib(const struct flood *f)
{
    char line[512];
    unsigned long long fixed, each;
    double stated = 0;
    FILE *log = fopen(f->eckad.process.log, "re");
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        if (sscanf(line, "eckad: memory: at most %llu KiB, and %llu KiB", &fixed, &each) == 2) {
            stated = (double)(fixed + each * CLIENTS) / KIB_PER_MIB;
        }
    }
    if (log != NULL) {
        (void)fclose(log);
    }
    return stated;
}

static double peak_mib(const struct flood *f)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)f->eckad.process.pid);
    FILE *status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmHWM: %llu", &kib) == 1) {
            break;
        }
    }
    if (status != NULL) {
        (void)fclose(status);
    }
    return (double)kib / KIB_PER_MIB;
}

static void conclude(struct flood *f, struct rounds *rounds)
{
    const double ceiling = 2, peak = peak_mib(f), stated = stated_mib(f);
    const double came = f->count[LET_IN] + f->count[TOO_FAST] + f->count[CROWDED];
    struct service_result *r = service_conclude(
        f->b, f->scattered ? "crowd" : "flood",
        f->scattered ? "A good principal's p99 beside a flood from everywhere"
                     : "A good principal's p99 beside a flood from its own address",
        "its p99 without", rounds, ceiling, true);
    r->unit = "us";
    r->less = true;
    r->latency = f->latency;
    const double due = (double)(GUESTS_A_SECOND + f->unauthorised) * f->seconds;
    if (f->not_ok != 0 || peak <= 0 || peak > stated || came < due * whole) {
        r->verdict = SERVICE_MISSED;
    }
    (void)snprintf(
        r->note, sizeof r->note,
        "%zu half-open connections and %zu clients of unknown keys, from %s: %.0f "
        "connections came a second, %.0f of them past the door, %.0f with an unknown "
        "key; p99 at %d requests/s %.2f ms, without %.2f; %llu of %llu not OK; peak %.0f "
        "MiB of %.0f stated",
        f->half_open, f->unauthorised, f->scattered ? "as many addresses" : "one address",
        came / f->seconds, f->count[LET_IN] / f->seconds, f->count[REFUSED] / f->seconds, RATE,
        r->figure.value / US_PER_MS, r->of_peer.value / US_PER_MS, (unsigned long long)f->not_ok,
        (unsigned long long)f->arrivals, peak, stated);
}

static bool run(struct service_bench *b, bool scattered)
{
    static struct flood f;
    struct rounds rounds = {0};
    struct requests *requests = requests_verify(CURVE_P256, KNOWN_KEYS, 1);
    f = (struct flood){.b = b, .source = requests_source(requests), .scattered = scattered};
    choose_size(&f);
    bool ok = deployment_start_eckad(&b->d, "eckad", 1, &f.eckad) && look(&f, NULL) > 0;
    f.arrivals = f.not_ok = 0; /* that was for the tables */
    while (ok && rounds.n < b->rounds) {
        ok = round_of(&f, &rounds);
    }
    if (ok) {
        conclude(&f, &rounds);
    }
    (void)process_stop(&f.eckad.process);
    requests_free(&requests);
    return ok;
}

bool service_flood(struct service_bench *b)
{
    return run(b, false);
}

bool service_crowd(struct service_bench *b)
{
    return run(b, true);
}
