/*
 * status: what each running eckad says about itself.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "proto/curve.h"
#include "service/client/ecka.h"
#include "service/ctl/ctl.h"

static void print_id(const char *label, const uint8_t id[static ECKA_ID_LEN])
{
    (void)printf("%s", label);
    for (size_t i = 0; i < ECKA_ID_LEN; i++) {
        (void)printf("%02x", id[i]);
    }
    (void)printf("\n");
}

static void print_refused(const char *head, const char *why)
{
    if (why[0] != '\0') {
        (void)printf("%s%s\n", head, why);
    }
}

static void print_custodian(const struct ecka_custodian_info *c)
{
    static const char *const breakers[] = {"", ", its token is tried", ", its token FAILS"};
    (void)printf("custodian %s: %s%s\n", c->name, c->up ? "up" : "DOWN",
                 breakers[c->breaker < 3 ? c->breaker : 2]);
    (void)printf("  group, weight       %s, %u\n", c->group, c->weight);
    if (c->up) {
        (void)printf("  token               %s\n"
                     "  backend             %s\n"
                     "  ticket generation   %u\n"
                     "  key-set generation  %u\n"
                     "  audit log           %s\n",
                     c->token, c->backend, c->ticket_generation, c->keyset_generation,
                     c->audit[0] != '\0' ? c->audit : "OFF: uses of keys leave no trace");
        print_refused("  not used            ", c->backend_refused);
    }
    (void)printf("  connections lost    %llu\n", (unsigned long long)c->restarts);
    for (size_t i = 0; i < c->sr_key_count; i++) {
        print_id("  SR key              ", c->sr_key_ids + i * ECKA_ID_LEN);
    }
}

static void print_info(const struct ecka_info *info)
{
    (void)printf("eckad %s, protocol %u\n"
                 "you are             %s\n"
                 "verification by     %s\n"
                 "limits              %u items, %u bytes a frame\n"
                 "curves             ",
                 info->version, info->protocol, info->principal, info->backend, info->max_items,
                 info->max_frame);
    for (size_t i = 0; i < info->curve_count; i++) {
        (void)printf(" %s", curve_name(info->curves[i]));
    }
    (void)printf("\n");
    print_refused("not used            ", info->backend_refused);
    for (size_t i = 0; i < info->eum_count; i++) {
        print_id("pinned EUM          ", info->eum_ids + i * ECKA_ID_LEN);
    }
    for (size_t i = 0; i < info->custodian_count; i++) {
        print_custodian(&info->custodians[i]);
    }
}

static int ask(const struct ecka_options *options)
{
    char error[512];
    struct ecka_client *client;
    struct ecka_reply *reply = NULL;
    const struct ecka_request request = {.op = ECKA_INFO};
    if (ecka_open(&client, options, error, sizeof error) != ECKA_OK) {
        ctl_say("%s", error);
        return CTL_FAILED;
    }
    int st = ecka_call(client, &request, &reply);
    if (st == ECKA_OK) {
        print_info(reply->items.info);
    } else {
        ctl_say("%s: %s%s%s", options->endpoints[0].address, ecka_status_meaning(st),
                reply != NULL && reply->detail[0] != '\0' ? ": " : "",
                reply != NULL ? reply->detail : "");
    }
    ecka_reply_free(&reply);
    ecka_close(&client);
    return st == ECKA_OK && fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
}

struct endpoints {
    struct ecka_endpoint list[ECKA_ENDPOINTS_MAX];
    size_t count, keys;
};

static bool take_endpoint(struct endpoints *e, const char *address)
{
    bool room = e->count < ECKA_ENDPOINTS_MAX;
    e->list[room ? e->count++ : 0].address = address;
    return room;
}

static bool take_key(struct endpoints *e, const char *file)
{
    bool room = e->keys < ECKA_ENDPOINTS_MAX;
    e->list[room ? e->keys++ : 0].server_key_file = file;
    return room;
}

/* Each endpoint by itself: a client with all of them would ask only one. */
static int ask_all(const struct endpoints *e, const char *key_file)
{
    int worst = CTL_OK;
    for (size_t i = 0; i < e->count; i++) {
        struct ecka_options o = {.endpoints = {e->list[i]}, .key_file = key_file};
        if (e->keys == 1) {
            o.endpoints[0].server_key_file = e->list[0].server_key_file;
        }
        if (e->count > 1) {
            (void)printf("%s%s\n", i == 0 ? "" : "\n", e->list[i].address);
        }
        int rc = ask(&o);
        worst = rc != CTL_OK ? rc : worst;
    }
    return worst;
}

int ctl_status(int argc, char **argv)
{
    static const struct option options[] = {{"endpoint", required_argument, NULL, 'e'},
                                            {"server-key", required_argument, NULL, 's'},
                                            {"key-file", required_argument, NULL, 'k'},
                                            {0}};
    struct endpoints e = {0};
    const char *key_file = NULL;
    bool ok = true;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'e':
            ok = take_endpoint(&e, optarg) && ok;
            break;
        case 's':
            ok = take_key(&e, optarg) && ok;
            break;
        case 'k':
            key_file = optarg;
            break;
        default: /* getopt_long has said why */
            return CTL_USAGE;
        }
    }
    if (!ok) {
        return ctl_misused("status takes at most %d endpoints", ECKA_ENDPOINTS_MAX);
    }
    if (optind != argc || e.count == 0 || key_file == NULL || (e.keys != 1 && e.keys != e.count)) {
        return ctl_misused("status needs --endpoint, --server-key (one, or one an endpoint) and "
                           "--key-file");
    }
    return ask_all(&e, key_file);
}
