/*
 * A flood at the door: 10,000 connections that leave their handshake in the middle and 1,000
 * clients whose key is in no policy, beside one good principal. Its p99 with the flood and without,
 * in turns; and the server's memory against what it states.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/guests.h"
#include "bench/requests.h"
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

struct flood {
    struct service_bench *b;
    struct server eckad;
    struct load_source source;
    size_t half_open, unauthorised; /* as many as there are descriptors for */
    uint64_t arrivals, not_ok;
    struct histogram latency; /* beside the flood */
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

static bool round_of(struct flood *f, struct rounds *rounds)
{
    const double quiet = look(f, NULL);
    struct guests *guests =
        guests_start(f->eckad.endpoint, f->b->d.server_key, f->half_open, f->unauthorised);
    /* The first wave is part of it. */
    const double flooded = look(f, &f->latency);
    guests_stop(&guests);
    if (quiet <= 0 || flooded <= 0) {
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
    struct service_result *r =
        service_conclude(f->b, "flood", "A good principal's p99 beside a flood", "its p99 without",
                         rounds, ceiling, true);
    r->unit = "us";
    r->less = true;
    r->latency = f->latency;
    if (f->not_ok != 0 || peak <= 0 || peak > stated) {
        r->verdict = SERVICE_MISSED;
    }
    (void)snprintf(r->note, sizeof r->note,
                   "%zu half-open connections, %d a second, and %zu clients of unknown keys, each "
                   "once a second; "
                   "p99 at %d requests/s %.2f ms, without %.2f; %llu of %llu not OK; peak %.0f MiB "
                   "of %.0f stated",
                   f->half_open, GUESTS_A_SECOND, f->unauthorised, RATE,
                   r->figure.value / US_PER_MS, r->of_peer.value / US_PER_MS,
                   (unsigned long long)f->not_ok, (unsigned long long)f->arrivals, peak, stated);
}

bool service_flood(struct service_bench *b)
{
    static struct flood f;
    struct rounds rounds = {0};
    struct requests *requests = requests_verify(CURVE_P256, KNOWN_KEYS, 1);
    f = (struct flood){.b = b, .source = requests_source(requests)};
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
