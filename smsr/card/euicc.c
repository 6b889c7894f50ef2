#include "smsr/card/euicc.h"

#include <stdlib.h>

#include "providers/core/secret.h"
#include "providers/scp/scp80.h"
#include "smsr/card/card_image.h"

const uint8_t EUICC_ISDR_TAR[EUICC_TAR_LEN] = {SCP80_TAR_ISDR >> 16, SCP80_TAR_ISDR >> 8 & 0xFF,
                                               SCP80_TAR_ISDR & 0xFF};

enum {
    CLA_ENVELOPE = 0x80,
    KEY_ENC = 0, /* KIC */
    KEY_MAC = 1, /* KID */
    SW_LEN = 2,
};

struct secrets { /* one locked allocation a card */
    uint8_t sk_ecasd[EC_SCALAR_LEN];
    struct key_set sets[ISDR_SETS_MAX];
    struct key_set before[ISDR_SETS_MAX]; /* the packet that is being taken */
    uint8_t image[CARD_IMAGE_LEN];
    uint8_t command[SCP80_DATA_MAX + SCP80_BLOCK]; /* deciphered */
};

struct assembly { /* a concatenated message on its way in */
    uint8_t reference, total, next;
    size_t len;
    uint8_t bytes[SCP80_PACKET_MAX];
};

struct euicc {
    struct engine *engine;
    struct ecasd ecasd;
    struct isdr isdr;
    struct secrets *secrets;
    struct assembly assembly;
    uint8_t sin[CRT_ID_MAX], sdin[CRT_ID_MAX];
    euicc_keep *keep; /* NULL: nowhere */
    void *keep_arg;
};

enum status euicc_new(struct euicc **out, struct engine *engine,
                      const struct euicc_personalisation *p, const struct trace *trace)
{
    *out = NULL;
    if ((p->rc_len != RC_LEN_SHORT && p->rc_len != RC_LEN_LONG) || p->sin.len > CRT_ID_MAX ||
        p->sdin.len > CRT_ID_MAX) {
        return STATUS_BAD_LENGTH;
    }
    struct euicc *card = calloc(1, sizeof(*card));
    if (card == NULL) {
        return STATUS_INTERNAL;
    }
    card->secrets = secret_alloc(1, sizeof(*card->secrets));
    if (card->secrets == NULL) {
        euicc_free(&card);
        return STATUS_INTERNAL;
    }
    memcpy(card->secrets->sk_ecasd, p->sk_ecasd, EC_SCALAR_LEN);
    if (p->ks1 != NULL) {
        memcpy(&card->secrets->sets[0], p->ks1, sizeof(*p->ks1));
    }
    memcpy(card->sin, p->sin.ptr, p->sin.len);
    memcpy(card->sdin, p->sdin.ptr, p->sdin.len);
    card->engine = engine;
    card->ecasd = (struct ecasd){.engine = engine,
                                 .ci = p->ci,
                                 .curve = p->curve,
                                 .sk = card->secrets->sk_ecasd,
                                 .rc_len = p->rc_len};
    card->isdr = (struct isdr){.engine = engine,
                               .ecasd = &card->ecasd,
                               .trace = trace,
                               .sets = card->secrets->sets,
                               .sin = span_of(card->sin, p->sin.len),
                               .sdin = span_of(card->sdin, p->sdin.len)};
    *out = card;
    return STATUS_OK;
}

enum status euicc_load(struct euicc **out, struct engine *engine, struct span image,
                       const struct trace *trace)
{
    struct euicc_personalisation p;
    struct key_set *sets = secret_alloc(ISDR_SETS_MAX, sizeof(*sets));
    *out = NULL;
    enum status s = sets == NULL ? STATUS_INTERNAL : card_image_parse(engine->sym, image, &p, sets);
    if (s == STATUS_OK) {
        s = euicc_new(out, engine, &p, trace);
    }
    if (s == STATUS_OK) {
        memcpy((*out)->secrets->sets, sets, ISDR_SETS_MAX * sizeof(*sets));
    }
    secret_free(&sets);
    return s;
}

static enum status keep_now(struct euicc *card)
{
    const struct euicc_personalisation p = {.curve = card->ecasd.curve,
                                            .sk_ecasd = card->secrets->sk_ecasd,
                                            .ci = card->ecasd.ci,
                                            .rc_len = card->ecasd.rc_len,
                                            .sin = card->isdr.sin,
                                            .sdin = card->isdr.sdin};
    if (card->keep == NULL) {
        return STATUS_OK;
    }
    enum status s =
        card_image_put(card->engine->sym, &p, card->secrets->sets, card->secrets->image);
    if (s == STATUS_OK) {
        s = card->keep(card->keep_arg, span_of(card->secrets->image, CARD_IMAGE_LEN));
    }
    secret_wipe(card->secrets->image, CARD_IMAGE_LEN);
    return s;
}

enum status euicc_keep_with(struct euicc *card, euicc_keep *keep, void *arg)
{
    card->keep = keep;
    card->keep_arg = arg;
    return keep_now(card);
}

void euicc_free(struct euicc **card)
{
    if (*card != NULL) {
        ecasd_forget(&(*card)->ecasd);
        secret_free(&(*card)->secrets);
        free(*card);
        *card = NULL;
    }
}

void euicc_reset(struct euicc *card)
{
    ecasd_forget(&card->ecasd);
    memset(&card->assembly, 0, sizeof(card->assembly));
}

const struct key_set *euicc_open_up(const struct euicc *card)
{
    return card->secrets->sets;
}

/* -- the commands inside a packet -- */

/* Runs the commands in order until one fails; the answer keeps the last R-APDU. */
static void run_commands(struct euicc *card, uint8_t kvn, struct span script, struct writer *out)
{
    struct span apdus[EXPANDED_COMMANDS_MAX];
    uint8_t data[ISDR_ANSWER_MAX], last[ISDR_ANSWER_MAX + SW_LEN];
    struct writer lw = writer_of(last, sizeof(last));
    size_t count;
    uint8_t executed = 0;
    if (expanded_commands_parse(script, apdus, &count) != STATUS_OK) {
        rapdu_put(&lw, (struct span){NULL, 0}, SW_WRONG_DATA);
        expanded_answer_put(out, 0, writer_span(&lw));
        return;
    }
    enum card_sw sw = SW_OK;
    for (size_t i = 0; i < count && sw == SW_OK; i++) {
        struct writer dw = writer_of(data, sizeof(data));
        sw = isdr_command(&card->isdr, kvn, apdus[i], &dw);
        lw.len = 0;
        rapdu_put(&lw, sw == SW_OK ? writer_span(&dw) : (struct span){NULL, 0}, (uint16_t)sw);
        executed++;
    }
    expanded_answer_put(out, executed, writer_span(&lw));
}

/* -- the packet -- */

static bool is_isdr(const uint8_t tar[static EUICC_TAR_LEN])
{
    return memcmp(tar, EUICC_ISDR_TAR, EUICC_TAR_LEN) == 0;
}

/* Executes what an authentic packet asks for; response code of TS 102 225, table 5. */
static uint8_t take_packet(struct euicc *card, struct key_set *set,
                           const struct scp80_header *header, struct span script,
                           struct writer *answer)
{
    if (header->counter <= set->counter) {
        return SCP80_RSC_COUNTER_LOW;
    }
    set->counter = header->counter;
    if (!is_isdr(header->tar)) {
        return SCP80_RSC_TAR_UNKNOWN;
    }
    if (header->spi1 != SCP80_SPI1_COMMAND || header->spi2 != SCP80_SPI2_POR) {
        return SCP80_RSC_SECURITY_LEVEL;
    }
    run_commands(card, set->kvn, script, answer);
    return SCP80_RSC_OK;
}

/* The key set that KIc and KID both name, whole and for AES; NULL when there is none. */
static struct key_set *packet_set(const struct euicc *card, const struct scp80_header *header)
{
    struct key_set *set = isdr_find(&card->isdr, header->kic >> 4);
    bool aes = (header->kic & 0x0F) == SCP80_ALG_AES_CBC;
    return set != NULL && aes && header->kid == header->kic && set->present == ISDR_ALL_KEYS ? set
                                                                                             : NULL;
}

/* Runs a packet that authenticated, keeps what it changed, and answers it. */
static enum card_sw run_packet(struct euicc *card, struct key_set *set,
                               const struct scp80_keys *keys, const struct scp80_header *header,
                               struct span script, struct writer *out)
{
    uint8_t answer[ISDR_ANSWER_MAX + 16];
    struct writer aw = writer_of(answer, sizeof(answer));
    uint8_t rsc = take_packet(card, set, header, script, &aw);
    struct scp80_response response = {.counter = header->counter, .rsc = rsc};
    memcpy(response.tar, header->tar, sizeof(response.tar));
    if (writer_check(&aw) != STATUS_OK || scp80_wrap_response(card->engine->sym, keys, &response,
                                                              writer_span(&aw), out) != STATUS_OK) {
        return SW_FAULT;
    }
    return keep_now(card) == STATUS_OK ? SW_OK : SW_MEMORY_FAILURE;
}

/*
 * Opens a packet and answers with a secured proof of receipt. Before the packet has proven who sent
 * it, the card answers with a status word alone: no keyed answer to an unkeyed question.
 */
static enum card_sw packet(struct euicc *card, struct span bytes, struct writer *out)
{
    struct scp80_header header;
    struct span ciphered;
    if (scp80_clear_parse(bytes, &header, &ciphered) != STATUS_OK) {
        return SW_WRONG_DATA;
    }
    struct key_set *set = packet_set(card, &header);
    if (set == NULL) {
        return SW_NOT_FOUND;
    }
    /* The set outlives its own commands: none may delete the keys that secure it. */
    const struct scp80_keys keys = {set->keys[KEY_ENC], set->keys[KEY_MAC]};
    struct writer script = writer_of(card->secrets->command, sizeof(card->secrets->command));
    enum card_sw sw = SW_SECURITY;
    if (scp80_unwrap_command(card->engine->sym, &keys, bytes, &header, &script) == STATUS_OK) {
        struct secrets *s = card->secrets;
        memcpy(s->before, s->sets, sizeof(s->before));
        sw = run_packet(card, set, &keys, &header, writer_span(&script), out);
        if (sw != SW_OK) {
            memcpy(s->sets, s->before, sizeof(s->sets));
            ecasd_forget(&card->ecasd);
        }
        secret_wipe(s->before, sizeof(s->before));
    }
    secret_wipe(card->secrets->command, sizeof(card->secrets->command));
    return sw;
}

/* -- ENVELOPE -- */

/* Adds a segment; *whole is set when it was the last. Segments come in order or start anew. */
static enum card_sw assemble(struct assembly *a, const struct sms_segment *segment, bool *whole)
{
    *whole = false;
    if (segment->number == 1) {
        a->reference = segment->reference;
        a->total = segment->total;
        a->next = 1;
        a->len = 0;
    }
    if (a->next == 0 || segment->number != a->next || segment->reference != a->reference ||
        segment->total != a->total || segment->part.len > sizeof(a->bytes) - a->len) {
        a->next = 0;
        return SW_WRONG_DATA;
    }
    memcpy(a->bytes + a->len, segment->part.ptr, segment->part.len);
    a->len += segment->part.len;
    a->next++;
    *whole = segment->number == segment->total;
    return SW_OK;
}

static enum card_sw envelope(struct euicc *card, struct span capdu, struct writer *out)
{
    struct apdu apdu;
    struct sms_segment segment;
    bool whole;
    if (apdu_parse(capdu, &apdu) != STATUS_OK) {
        return SW_WRONG_LENGTH;
    }
    if (apdu.cla != CLA_ENVELOPE) {
        return SW_WRONG_CLA;
    }
    if (apdu.ins != INS_ENVELOPE) {
        /* The ISD-R's commands need the secure channel that SGP.02 asks for. */
        return apdu.ins == INS_STORE_DATA || apdu.ins == INS_DELETE || apdu.ins == INS_GET_DATA ||
                       apdu.ins == INS_PUT_KEY
                   ? SW_SECURITY
                   : SW_WRONG_INS;
    }
    if (apdu.p1 != 0 || apdu.p2 != 0) {
        return SW_WRONG_P1P2;
    }
    if (sms_envelope_parse(apdu.data, &segment) != STATUS_OK) {
        return SW_WRONG_DATA;
    }
    enum card_sw sw = assemble(&card->assembly, &segment, &whole);
    if (sw != SW_OK || !whole) {
        return sw;
    }
    card->assembly.next = 0;
    return packet(card, span_of(card->assembly.bytes, card->assembly.len), out);
}

size_t euicc_apdu(struct euicc *card, struct span capdu, uint8_t rapdu[static RAPDU_DATA_MAX + 2])
{
    uint8_t data[RAPDU_DATA_MAX];
    struct writer dw = writer_of(data, sizeof(data));
    struct writer rw = writer_of(rapdu, RAPDU_DATA_MAX + SW_LEN);
    enum card_sw sw = envelope(card, capdu, &dw);
    if (sw == SW_OK && writer_check(&dw) != STATUS_OK) {
        sw = SW_FAULT;
    }
    rapdu_put(&rw, sw == SW_OK ? writer_span(&dw) : (struct span){NULL, 0}, (uint16_t)sw);
    return rw.len;
}
