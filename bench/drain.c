/*
 * SIGTERM under load: clients of libecka that know two endpoints, of which one after the other is
 * told to end and started again.
 */
#include <stdio.h>
#include <string.h>

#include "bench/measure.h"
#include "bench/requests.h"
#include "bench/service.h"
#include "service/client/ecka.h"

enum {
    CLIENTS = 4,
    UNDER_WAY = 16, /* requests of each */
    ITEMS = 64,
    KNOWN_KEYS = 4,
    POLL_MS = 1,
};

struct drain {
    struct service_bench *b;
    struct server servers[2];
    struct ecka_client *clients[CLIENTS];
    struct ecka_verify_item items[ITEMS];
    uint64_t sent, ok, lost;
    int last_status; /* of one that was lost */
};

static void answered(void *arg, const struct ecka_reply *reply)
{
    struct drain *d = arg;
    bool ok = reply->status == ECKA_OK && reply->count == ITEMS;
    for (size_t i = 0; ok && i < reply->count; i++) {
        ok = reply->items.verify[i] == ECKA_OK;
    }
    d->ok += ok ? 1 : 0;
    d->lost += ok ? 0 : 1;
    d->last_status = ok ? d->last_status : reply->status;
}

static void keep_busy(struct drain *d, double seconds)
{
    const struct ecka_request request = {
        .op = ECKA_VERIFY, .count = ITEMS, .items.verify = d->items, .curve = ECKA_P256};
    const double end = bench_now_s() + seconds;
    while (bench_now_s() < end) {
        for (size_t i = 0; i < CLIENTS; i++) {
            while (ecka_outstanding(d->clients[i]) < UNDER_WAY &&
                   ecka_submit(d->clients[i], &request, answered, d) == ECKA_OK) {
                d->sent++;
            }
            (void)ecka_poll(d->clients[i], POLL_MS);
        }
    }
}

static void await_all(struct drain *d)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        while (ecka_outstanding(d->clients[i]) != 0) {
            (void)ecka_poll(d->clients[i], -1);
        }
    }
}

static bool open_clients(struct drain *d)
{
    char error[KEYFILE_ERROR_MAX];
    struct ecka_options o = {.public_key = d->b->d.bench.public_key,
                             .secret_key = d->b->d.bench.secret_key};
    for (size_t i = 0; i < 2; i++) {
        o.endpoints[i] = (struct ecka_endpoint){.address = d->servers[i].endpoint,
                                                .server_key = d->b->d.server_key};
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        if (ecka_open(&d->clients[i], &o, error, sizeof error) != ECKA_OK) {
            (void)fprintf(stderr, "eckabench: %s\n", error);
            return false;
        }
    }
    return true;
}

/* Ends a server in the middle of its load, and starts it again where it was. */
static bool drain_one(struct drain *d, size_t i, const char *name)
{
    const double slice = d->b->slice;
    keep_busy(d, slice / 2);
    process_terminate(&d->servers[i].process);
    keep_busy(d, slice);
    if (process_wait(&d->servers[i].process) != 0) {
        (void)fprintf(stderr, "eckabench: eckad did not drain; its log is %s\n",
                      d->servers[i].process.log);
        return false;
    }
    return deployment_restart_eckad(&d->b->d, name, &d->servers[i]);
}

static void conclude(struct drain *d, unsigned drained)
{
    struct service_result *r =
        service_state(d->b, "drain", "SIGTERM under load: requests lost", "of all requests", true,
                      figure_of_share(d->lost, d->sent));
    r->at_most = true;
    r->verdict = d->lost == 0 ? SERVICE_MET : SERVICE_MISSED;
    (void)snprintf(r->note, sizeof r->note,
                   "SIGTERM %u times, %llu requests of %d under load, two endpoints: %llu lost%s%s",
                   drained, (unsigned long long)d->sent, ITEMS, (unsigned long long)d->lost,
                   d->lost != 0 ? ", at last with " : "",
                   d->lost != 0 ? ecka_status_name(d->last_status) : "");
}

bool service_drain(struct service_bench *b)
{
    static const char *const names[] = {"first", "second"};
    static struct drain d;
    static struct verify_item items[ITEMS];
    unsigned drained = 0;
    d = (struct drain){.b = b};
    struct requests *requests = requests_verify(CURVE_P256, KNOWN_KEYS, ITEMS);
    (void)requests_items(requests, ITEMS, items);
    for (size_t i = 0; i < ITEMS; i++) {
        d.items[i] =
            (struct ecka_verify_item){items[i].public_key, items[i].digest, items[i].signature};
    }
    bool ok = deployment_start_eckad(&b->d, names[0], 1, &d.servers[0]) &&
              deployment_start_eckad(&b->d, names[1], 1, &d.servers[1]) && open_clients(&d);
    for (; ok && drained < b->rounds; drained++) {
        ok = drain_one(&d, drained % 2, names[drained % 2]);
    }
    if (ok) {
        await_all(&d);
        conclude(&d, drained);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        ecka_close(&d.clients[i]);
    }
    (void)process_stop(&d.servers[0].process);
    (void)process_stop(&d.servers[1].process);
    requests_free(&requests);
    return ok;
}
