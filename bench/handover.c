/*
 * Whole handovers: what one costs in processor time beside the token's own signature, how many a
 * second there are with many in flight, how long one alone takes, and the largest load.
 */
#include <stdio.h>

#include "bench/cards.h"
#include "bench/measure.h"
#include "bench/service.h"

enum {
    CLIENTS = 16,
    UNDER_WAY = 24, /* at each client, in a closed loop */
    OPEN_UNDER_WAY = 128,
    NS_PER_US = 1000,
    US_PER_S = 1000 * 1000,
    DEADLINE_US = 1000 * 1000,
};

/* Of each round, in microseconds of processor time a handover, and in handovers a second. */
struct costs {
    double eckad_us[SERVICE_ROUNDS_MAX], custodian_us[SERVICE_ROUNDS_MAX];
    double signature_us[SERVICE_ROUNDS_MAX], rate[SERVICE_ROUNDS_MAX];
    struct histogram latency;
};

struct bed {
    struct service_bench *b;
    struct server eckad;
    struct cards *cards;
    struct handovers *handovers;
    struct load_source source;
};

/* Handovers a processor second of eckad and its custodians; 0 when one failed. */
static double cpu_rate(struct bed *bed, size_t round, struct costs *costs)
{
    const struct load_options o = {.clients = CLIENTS, .pipelining = UNDER_WAY};
    const struct deployment *d = &bed->b->d;
    struct cpu_meter meter = {.n = 1, .of = {&bed->eckad.process}};
    static struct load_result r;
    for (size_t i = 0; i < d->custodians_used; i++) {
        meter.of[meter.n++] = &d->custodians[i];
    }
    if (!service_load(bed->b, &bed->eckad, o, &bed->source, &meter, &r) ||
        !service_all_ok("handover", &r)) {
        return 0;
    }
    costs->eckad_us[round] = US_PER_S * meter.first_took_s / r.items;
    costs->custodian_us[round] = US_PER_S * (meter.took_s - meter.first_took_s) / r.items;
    costs->rate[round] = load_rate(&r);
    histogram_add(&costs->latency, &r.latency);
    return r.items / meter.took_s;
}

/* The shares before the whole, whose note they are. */
static void conclude_cost(struct service_bench *b, struct rounds *rounds, struct costs *costs)
{
    static const char us[] = "cpu-us";
    const double floor = 0.43;
    const size_t n = rounds->n;
    (void)service_state(b, "cost eckad", "Processor time of a handover: eckad", us, true,
                        figure_of(n, costs->eckad_us));
    (void)service_state(b, "cost custodian", "Processor time of a handover: custodian and token",
                        us, true, figure_of(n, costs->custodian_us));
    (void)service_state(b, "cost signature", "Processor time of a raw C_Sign on that token", us,
                        true, figure_of(n, costs->signature_us));
    struct service_result *rate = service_state(b, "rate", "Handovers, 384 in flight", "items/s",
                                                false, figure_of(n, costs->rate));
    rate->latency = costs->latency;
    (void)snprintf(rate->note, sizeof rate->note,
                   "by the wall clock; the cards are simulated on the same machine");
    struct service_result *r =
        service_conclude(b, "cpu", "Handovers, 384 in flight", "raw C_Sign calls of a bare process",
                         rounds, floor, false);
    const double whole = US_PER_S / r->figure.value;
    const double custodian = bench_percentile(costs->custodian_us, n, 50);
    (void)snprintf(r->note, sizeof r->note,
                   "%.1f us of CPU a handover, %.1f of it the custodian's; a signature %.1f", whole,
                   custodian, US_PER_S / r->of_peer.value);
}

static bool cost(struct bed *bed)
{
    static struct costs costs;
    struct rounds rounds = {0};
    costs = (struct costs){0};
    bool ok = cpu_rate(bed, 0, &costs) > 0;
    costs.latency = (struct histogram){0}; /* that was for the tables */
    for (unsigned i = 0; ok && i < bed->b->rounds; i++) {
        const double raw = deployment_raw_signatures(&bed->b->d, bed->b->slice / 2);
        const double ours = cpu_rate(bed, i, &costs);
        ok = ours > 0 && raw > 0;
        costs.signature_us[i] = US_PER_S / raw;
        rounds_add(&rounds, ours, raw, ours / raw);
    }
    if (ok) {
        conclude_cost(bed->b, &rounds, &costs);
    }
    return ok;
}

static bool alone(struct bed *bed)
{
    const struct load_options o = {.clients = 1, .pipelining = 1};
    static struct load_result r;
    double p50[SERVICE_ROUNDS_MAX];
    struct histogram all = {0};
    bool ok = true;
    for (unsigned i = 0; ok && i < bed->b->rounds; i++) {
        ok = service_load(bed->b, &bed->eckad, o, &bed->source, NULL, &r) &&
             service_all_ok("a handover alone", &r);
        p50[i] = (double)histogram_per_mille(&r.latency, 500) / NS_PER_US;
        histogram_add(&all, &r.latency);
    }
    if (ok) {
        struct service_result *result =
            service_state(bed->b, "alone", "One handover under way: p50", "us", true,
                          figure_of(bed->b->rounds, p50));
        result->latency = all;
        (void)snprintf(result->note, sizeof result->note,
                       "Establish, the simulated card's receipt, Confirm");
    }
    return ok;
}

static bool knee(struct bed *bed)
{
    static struct knee k;
    const struct load_options o = {.endpoint = bed->eckad.endpoint,
                                   .server_key = bed->b->d.server_key,
                                   .keys = &bed->b->d.bench,
                                   .clients = CLIENTS,
                                   .pipelining = OPEN_UNDER_WAY,
                                   .seed = 1,
                                   .warmup = bed->b->slice / 4,
                                   .seconds = bed->b->slice,
                                   .deadline_us = DEADLINE_US};
    const bool ok = knee_find(&o, &bed->source, &k);
    if (ok) {
        service_draw(bed->b, "handover/load", "Handovers, open loop", "handovers/s", &k);
    }
    return ok;
}

bool service_handover(struct service_bench *b)
{
    const size_t slots = (size_t)CLIENTS * OPEN_UNDER_WAY;
    struct bed bed = {.b = b, .cards = cards_new(b->d.dir, slots)};
    bed.handovers = bed.cards != NULL ? handovers_new(bed.cards, slots, 1) : NULL;
    bool ok = bed.handovers != NULL && deployment_start_custodians(&b->d, 1) &&
              deployment_start_eckad(&b->d, "eckad", 1, &bed.eckad);
    if (ok) {
        bed.source = handovers_source(bed.handovers);
        ok = cost(&bed) && alone(&bed) && knee(&bed);
    }
    (void)process_stop(&bed.eckad.process);
    deployment_close(&b->d);
    handovers_free(&bed.handovers);
    cards_free(&bed.cards);
    return ok;
}
