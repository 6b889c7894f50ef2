#include "smsr/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct trace make_trace(const struct run_options *o)
{
    const char *no_colour = getenv("NO_COLOR");
    return (struct trace){
        .out = o->verbose ? stdout : NULL,
        .colour = isatty(STDOUT_FILENO) == 1 && (no_colour == NULL || no_colour[0] == '\0'),
        .prefix = "",
    };
}

static size_t run_fleet(const struct run_options *o, struct engine *engine, const struct pki *pki,
                        struct offload *offload)
{
    struct inserted_card inserted;
    struct handover_context ctx = {
        .factory = {engine, pki, o->curve, o->rc_len},
        .beta = {.cert_sr = span_of(pki->cert_sr, pki->cert_sr_len),
                 .sr_key_id = pki->sr_key_id,
                 .eum_id = pki->eum_id,
                 .eum_curve = (enum ecka_curve)pki->curve,
                 .eum_point = pki->eum_point,
                 .with_dr = o->with_dr,
                 .custody = o->custody,
                 .host_id = o->host_id,
                 .second_set = o->second_set,
                 .eid_prefix = pki->eid_prefix},
        .offload = offload,
        .trace = make_trace(o),
    };
    if (o->card != NULL) {
        if (!inserted_open(&inserted, o->card, o->eis_file, o->keys_file)) {
            return 1;
        }
        ctx.inserted = &inserted;
        size_t failed = fleet_run(&ctx, &o->fleet);
        inserted_close(&inserted);
        return failed;
    }
    return o->hostile.count != 0 ? hostile_run(&ctx, o->dir, &o->hostile)
                                 : fleet_run(&ctx, &o->fleet);
}

int run(const struct run_options *o)
{
    struct engine engine = {0};
    struct pki pki = {0};
    struct offload *offload = NULL;
    size_t failed = 1;
    const struct offload_options to = {o->endpoints, o->key_file, o->fleet.jobs};
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* steps appear as they happen, also in a pipe */
    if (pki_load(o->dir, o->curve, &pki) != STATUS_OK) {
        fprintf(stderr, "smsr-change: the PKI in %s cannot be used\n", o->dir);
    } else if (engine_init(&engine) != STATUS_OK) {
        fprintf(stderr, "smsr-change: no provider passes its known-answer tests\n");
    } else if (offload_open(&offload, &to)) {
        failed = run_fleet(o, &engine, &pki, offload);
    }
    offload_close(&offload);
    engine_fini(&engine);
    pki_fini(&pki);
    return failed == 0 ? 0 : 1;
}
