/*
 * `smsr-change run`: handovers against a running eckad.
 */
#ifndef SMSR_RUN_H
#define SMSR_RUN_H

#include "smsr/fleet.h"
#include "smsr/hostile/hostile.h"

struct run_options {
    const char *dir, *key_file;
    struct ecka_endpoint endpoints[ECKA_ENDPOINTS_MAX];
    size_t endpoint_count, server_key_count;
    enum curve curve;
    size_t rc_len;
    bool with_dr, verbose, second_set;
    enum ecka_custody custody;
    struct octets host_id;
    const char *card, *eis_file, *keys_file; /* card NULL: cards of our own */
    struct fleet_options fleet;
    struct hostile_options hostile; /* count 0: Alpha is honest */
};

/* The exit status: 0 when no handover failed. */
int run(const struct run_options *options);

#endif
