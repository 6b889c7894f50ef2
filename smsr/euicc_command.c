#include "smsr/euicc_command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "providers/core/secret.h"
#include "smsr/card/card_image.h"
#include "smsr/card/card_store.h"
#include "smsr/card/key_file.h"
#include "smsr/card/vpcd.h"
#include "smsr/eis/eis_json.h"
#include "smsr/party/alpha.h"
#include "smsr/pki/factory.h"

enum { EXIT_USAGE = 2, DECIMAL = 10 };

const char euicc_usage[] =
    "       smsr-change euicc --make --dir DIR --number N --state FILE --eis FILE --keys FILE\n"
    "                         [--curve CURVE] [--rc-len 16|32]\n"
    "       smsr-change euicc --state FILE --connect HOST:PORT [-v]\n";

struct options {
    const char *dir, *state, *eis, *keys, *connect, *number;
    enum curve curve;
    size_t rc_len;
    bool make, verbose;
};

enum option_code {
    OPT_MAKE = 256,
    OPT_DIR,
    OPT_NUMBER,
    OPT_STATE,
    OPT_EIS,
    OPT_KEYS,
    OPT_CURVE,
    OPT_RC_LEN,
    OPT_CONNECT
};

static bool take_option(struct options *o, int c, const char *arg)
{
    switch (c) {
    case OPT_MAKE:
        o->make = true;
        return true;
    case OPT_DIR:
        o->dir = arg;
        return true;
    case OPT_NUMBER:
        o->number = arg;
        return true;
    case OPT_STATE:
        o->state = arg;
        return true;
    case OPT_EIS:
        o->eis = arg;
        return true;
    case OPT_KEYS:
        o->keys = arg;
        return true;
    case OPT_CURVE:
        o->curve = curve_from_name(arg);
        return o->curve != CURVE_NONE;
    case OPT_RC_LEN:
        o->rc_len = strcmp(arg, "32") == 0 ? RC_LEN_LONG : RC_LEN_SHORT;
        return o->rc_len == RC_LEN_LONG || strcmp(arg, "16") == 0;
    case OPT_CONNECT:
        o->connect = arg;
        return true;
    case 'v':
        o->verbose = true;
        return true;
    default:
        return false;
    }
}

static bool parse_options(int argc, char **argv, struct options *o)
{
    static const struct option options[] = {{"make", no_argument, NULL, OPT_MAKE},
                                            {"dir", required_argument, NULL, OPT_DIR},
                                            {"number", required_argument, NULL, OPT_NUMBER},
                                            {"state", required_argument, NULL, OPT_STATE},
                                            {"eis", required_argument, NULL, OPT_EIS},
                                            {"keys", required_argument, NULL, OPT_KEYS},
                                            {"curve", required_argument, NULL, OPT_CURVE},
                                            {"rc-len", required_argument, NULL, OPT_RC_LEN},
                                            {"connect", required_argument, NULL, OPT_CONNECT},
                                            {0}};
    int c;
    while ((c = getopt_long(argc, argv, "v", options, NULL)) != -1) {
        if (!take_option(o, c, optarg)) {
            return false;
        }
    }
    if (optind != argc || o->state == NULL) {
        return false;
    }
    return o->make ? o->dir != NULL && o->number != NULL && o->eis != NULL && o->keys != NULL &&
                         o->connect == NULL
                   : o->connect != NULL;
}

static enum status keep(void *arg, struct span image)
{
    return card_store_save(arg, image);
}

/* -- a new card -- */

static bool parse_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, DECIMAL);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

static enum status write_eis(const char *path, const struct eis *eis)
{
    uint8_t json[EIS_JSON_MAX];
    struct writer w = writer_of(json, sizeof(json));
    TRY(eis_json_put(&w, eis));
    return file_write_new(path, 0644, writer_span(&w));
}

static enum status make_robot(const struct options *o, struct engine *engine, const struct pki *pki,
                              struct card_store *store)
{
    const struct trace silent = {.prefix = ""};
    const struct factory factory = {engine, pki, o->curve, o->rc_len};
    struct robot robot;
    char eid[EID_TEXT_LEN + 1];
    uint64_t number;
    if (!parse_number(o->number, &number)) {
        fprintf(stderr, "smsr-change: --number takes a serial number, not %s\n", o->number);
        return STATUS_BAD_REQUEST;
    }
    TRY(factory_make(&factory, number, ALPHA_SMSR_ID, &silent, &robot));
    enum status s = key_file_write(o->keys, robot.ks1);
    if (s == STATUS_OK) {
        s = euicc_keep_with(robot.card, keep, store);
    }
    if (s == STATUS_OK) {
        s = write_eis(o->eis, &robot.eis);
    }
    if (s == STATUS_OK) {
        eid_text(robot.eis.signed_info.eid, eid);
        printf("EID %s\n", eid);
    }
    robot_fini(&robot);
    return s;
}

static bool make(const struct options *o, struct engine *engine)
{
    struct pki pki = {0};
    struct card_store store;
    if (pki_load(o->dir, o->curve, &pki) != STATUS_OK) {
        fprintf(stderr, "smsr-change: the PKI in %s cannot be used\n", o->dir);
        return false;
    }
    bool ok = false;
    if (card_store_open(&store, o->state) == STATUS_OK) {
        ok = make_robot(o, engine, &pki, &store) == STATUS_OK;
        card_store_close(&store);
    }
    pki_fini(&pki);
    return ok;
}

/* -- a card in a reader -- */

static enum status load(struct engine *engine, struct card_store *store, const struct trace *trace,
                        struct euicc **card)
{
    size_t len = 0;
    uint8_t *image = secret_alloc(1, CARD_IMAGE_LEN);
    enum status s =
        image == NULL ? STATUS_INTERNAL : file_read(store->path, image, CARD_IMAGE_LEN, &len);
    if (s == STATUS_OK) {
        s = euicc_load(card, engine, span_of(image, len), trace);
        if (s != STATUS_OK) {
            fprintf(stderr, "smsr-change: %s: no card's state\n", store->path);
        }
    }
    secret_free(&image);
    return s;
}

static bool serve(const struct options *o, struct engine *engine)
{
    const struct trace trace = {.out = o->verbose ? stdout : NULL, .prefix = ""};
    struct vpcd_address reader;
    struct card_store store;
    struct euicc *card = NULL;
    if (!vpcd_address_parse(o->connect, &reader)) {
        fprintf(stderr, "smsr-change: --connect takes HOST:PORT, not %s\n", o->connect);
        return false;
    }
    if (card_store_open(&store, o->state) != STATUS_OK) {
        return false;
    }
    bool ok = load(engine, &store, &trace, &card) == STATUS_OK &&
              euicc_keep_with(card, keep, &store) == STATUS_OK && vpcd_serve(&reader, card);
    euicc_free(&card);
    card_store_close(&store);
    return ok;
}

int main_euicc(int argc, char **argv)
{
    struct options o = {.curve = CURVE_P256, .rc_len = RC_LEN_SHORT};
    struct engine engine;
    if (!parse_options(argc, argv, &o)) {
        fprintf(stderr, "usage:\n%s", euicc_usage);
        return EXIT_USAGE;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* steps appear as they happen, also in a pipe */
    if (engine_init(&engine) != STATUS_OK) {
        fprintf(stderr, "smsr-change: no provider passes its known-answer tests\n");
        return EXIT_FAILURE;
    }
    bool ok = o.make ? make(&o, &engine) : serve(&o, &engine);
    engine_fini(&engine);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
