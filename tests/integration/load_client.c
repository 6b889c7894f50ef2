/*
 * Load through libecka for tests that take its servers away: Verify requests, as many under way as
 * told, each with good and bad signatures in a pattern of its own, and every answer looked at.
 *
 *     load_client KEY_FILE UNDER_WAY INTERVAL_MS TIMEOUT_MS ENDPOINT SERVER_KEY_FILE [...]
 *
 * With LOAD_SIGN in the environment, a label, every other request is a Sign of digests that hold
 * the request's number and the item's; LOAD_HISTORY names a file that gets a line for every answer:
 * number, operation, statuses of request and items, and what was signed.
 *
 * A line on stdin is answered with what is known so far; at its end what is under way is waited
 * for. It runs on the client's descriptor and times alone, as a caller's own event loop would.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/client/ecka.h"

enum {
    ITEMS = 8,
    UNDER_WAY_MAX = 256,
    FIRST_ENDPOINT = 5,
    DEADLINE_US = 30 * 1000 * 1000, /* far beyond any heartbeat */
};

/* RFC 6979, A.2.5: a P-256 key, SHA-256("sample") and its signature */
static const char key_hex[] = "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
                              "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";
static const char digest_hex[] = "AF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF";
static const char signature_hex[] =
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8";

static uint8_t key[ECKA_POINT_LEN], digest[ECKA_DIGEST_LEN];
static uint8_t good[ECKA_SIGNATURE_LEN], bad[ECKA_SIGNATURE_LEN];

struct load {
    struct ecka_client *client;
    unsigned long submitted, answered, failed, wrong;
    char failure[200];      /* the first */
    const char *sign_label; /* NULL: Verify alone */
    FILE *history;          /* NULL: none */
};

struct slot { /* one request under way */
    struct load *load;
    unsigned long number;
    unsigned pattern; /* bit i: signature i is bad */
    int signs;
    int busy;
};

static struct slot slots[UNDER_WAY_MAX];

static void octets(uint8_t *out, const char *hex)
{
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        const char pair[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
}

static void make_digest(uint8_t out[ECKA_DIGEST_LEN], unsigned long number, unsigned item)
{
    memset(out, 0, ECKA_DIGEST_LEN);
    for (unsigned i = 0; i < sizeof number; i++) {
        out[i] = (uint8_t)(number >> 8 * i);
    }
    out[ECKA_DIGEST_LEN - 1] = (uint8_t)item;
}

static void put_hex(FILE *file, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        (void)fprintf(file, "%02x", bytes[i]);
    }
}

static void write_history(const struct slot *s, const struct ecka_reply *reply)
{
    FILE *file = s->load->history;
    if (file == NULL) {
        return;
    }
    (void)fprintf(file, "%lu %s %s", s->number, s->signs ? "sign" : "verify",
                  ecka_status_name(reply->status));
    for (unsigned i = 0; reply->status == ECKA_OK && s->signs && i < ITEMS; i++) {
        const struct ecka_sign_result *item = &reply->items.sign[i];
        (void)fprintf(file, " %s:", ecka_status_name(item->status));
        put_hex(file, item->signature, item->status == ECKA_OK ? ECKA_SIGNATURE_LEN : 0);
    }
    (void)fprintf(file, "\n");
}

static void answered(void *arg, const struct ecka_reply *reply)
{
    struct slot *s = arg;
    struct load *load = s->load;
    s->busy = 0;
    load->answered++;
    write_history(s, reply);
    if (reply->status != ECKA_OK) {
        if (load->failed++ == 0) {
            (void)snprintf(load->failure, sizeof load->failure, "%s: %s",
                           ecka_status_name(reply->status), reply->detail);
        }
        return;
    }
    for (unsigned i = 0; !s->signs && i < ITEMS; i++) {
        int expected = (s->pattern >> i & 1) != 0 ? ECKA_SIGNATURE_INVALID : ECKA_OK;
        load->wrong += reply->items.verify[i] != expected;
    }
}

static void submit(struct load *load, struct slot *s)
{
    struct ecka_verify_item items[ITEMS];
    struct ecka_sign_item to_sign[ITEMS];
    uint8_t digests[ITEMS][ECKA_DIGEST_LEN];
    s->load = load;
    s->number = load->submitted;
    s->signs = load->sign_label != NULL && s->number % 2 != 0;
    s->pattern = (unsigned)(load->submitted * 37 % 256);
    for (unsigned i = 0; i < ITEMS; i++) {
        items[i] = (struct ecka_verify_item){key, digest, (s->pattern >> i & 1) != 0 ? bad : good};
        make_digest(digests[i], s->number, i);
        to_sign[i] = (struct ecka_sign_item){digests[i]};
    }
    struct ecka_request request = {.op = ECKA_VERIFY,
                                   .count = ITEMS,
                                   .items.verify = items,
                                   .curve = ECKA_P256,
                                   .deadline_us = DEADLINE_US};
    if (s->signs) {
        request.op = ECKA_SIGN;
        request.items.sign = to_sign;
        request.key_label = load->sign_label;
    }
    s->busy = ecka_submit(load->client, &request, answered, s) == ECKA_OK;
    load->submitted += (unsigned long)s->busy;
}

static void report(const struct load *load)
{
    struct ecka_endpoint_state e;
    (void)printf("submitted %lu answered %lu failed %lu wrong %lu\n", load->submitted,
                 load->answered, load->failed, load->wrong);
    for (size_t i = 0; ecka_endpoint_state(load->client, i, &e) == ECKA_OK; i++) {
        (void)printf("endpoint up %d draining %d outstanding %zu sent %llu answered %llu "
                     "retries %llu lost %llu silent %llu late %llu\n",
                     e.up, e.draining, e.outstanding, (unsigned long long)e.sent,
                     (unsigned long long)e.answered, (unsigned long long)e.retries,
                     (unsigned long long)e.lost, (unsigned long long)e.silent,
                     (unsigned long long)e.late);
    }
    (void)printf("failure %s\n", load->failure);
    (void)fflush(stdout);
}

/* A line on stdin, or its end; 0 at the end. */
static int asked(const struct load *load)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line);
    if (n > 0) {
        report(load);
    }
    return n > 0;
}

static void run(struct load *load, size_t under_way)
{
    int more = 1;
    while (more || ecka_outstanding(load->client) != 0) {
        struct pollfd fds[] = {{.fd = ecka_fd(load->client), .events = POLLIN},
                               {.fd = more ? STDIN_FILENO : -1, .events = POLLIN}};
        for (size_t i = 0; more && i < under_way; i++) {
            if (!slots[i].busy) {
                submit(load, &slots[i]);
            }
        }
        (void)poll(fds, 2, ecka_wait_ms(load->client));
        (void)ecka_poll(load->client, 0);
        if ((fds[1].revents & (POLLIN | POLLHUP)) != 0) {
            more = asked(load);
        }
    }
    report(load);
}

int main(int argc, char **argv)
{
    char error[512];
    struct load load = {0};
    struct ecka_options options = {0};
    if (argc < FIRST_ENDPOINT + 2 || argc > FIRST_ENDPOINT + 2 * ECKA_ENDPOINTS_MAX) {
        return 2;
    }
    octets(key, key_hex);
    octets(digest, digest_hex);
    octets(good, signature_hex);
    octets(bad, signature_hex);
    bad[ECKA_SIGNATURE_LEN - 1] ^= 1;
    load.sign_label = getenv("LOAD_SIGN");
    if (getenv("LOAD_HISTORY") != NULL &&
        (load.history = fopen(getenv("LOAD_HISTORY"), "w")) == NULL) {
        return 1;
    }
    size_t under_way = strtoul(argv[2], NULL, 10);
    options.key_file = argv[1];
    options.heartbeat_interval_ms = (uint32_t)strtoul(argv[3], NULL, 10);
    options.heartbeat_timeout_ms = (uint32_t)strtoul(argv[4], NULL, 10);
    for (int i = FIRST_ENDPOINT, n = 0; i + 1 < argc; i += 2, n++) {
        options.endpoints[n].address = argv[i];
        options.endpoints[n].server_key_file = argv[i + 1];
    }
    if (under_way == 0 || under_way > UNDER_WAY_MAX ||
        ecka_open(&load.client, &options, error, sizeof error) != ECKA_OK) {
        (void)fprintf(stderr, "load_client: %s\n", error);
        return 1;
    }
    run(&load, under_way);
    ecka_close(&load.client);
    return load.history == NULL || fclose(load.history) == 0 ? 0 : 1;
}
