/*
 * The command lines of the parties run alone: one table of options, and which of them each takes.
 */
#ifndef SMSR_OPTIONS_H
#define SMSR_OPTIONS_H

#include "service/client/ecka.h"
#include "smsr/files.h"
#include "smsr/party/bus.h"
#include "smsr/store/db.h"
#include "smsr/transport.h"

struct options {
    char keys_in_dir[PATH_TEXT_MAX]; /* of the parties, when --dir says where and --keys does not */
    const char *dir, *store, *cards, *key_file, *name, *eids, *out, *eid;
    struct transport_options transport;
    struct ecka_endpoint endpoints[ECKA_ENDPOINTS_MAX];
    size_t endpoint_count, server_key_count;
    enum curve curve;
    uint32_t curves; /* of --take-curve, bit n: enum curve n */
    size_t rc_len;
    bool with_dr, second_set, verbose, csv, hostile;
    enum ecka_custody custody;
    struct octets host_id;
    struct patience patience;
    enum db_sync sync;
    uint64_t from, count, rate, jobs, capacity, validity_s, latency_ms, tries;
};

/* Whether an option was given may be asked of the field that it fills. False after a sentence on
 * stderr. */
MUST_CHECK bool options_parse(int argc, char **argv, struct options *out);

/* Says on stderr which of these is missing; pairs of name and whether it is there. */
MUST_CHECK bool options_need(const char *command, const char *const names[], const bool given[],
                             size_t count);

struct trace options_trace(const struct options *o);

/* One server key counts for all endpoints; otherwise each has its own, in the same order. */
MUST_CHECK bool options_pair_endpoints(struct options *o);

#endif
