/*
 * Scp80Wrap and Scp80Unwrap: secured packets under a sealed key set (ETSI TS 102 225; SGP.02 3.8,
 * steps 24 and 25). KIC = ENC, KID = MAC. The keys are in the clear for one item only.
 *
 * Whatever policy grants, a packet is made with CC, ciphering and a counter that must rise, with
 * AES under the set's own KVN, for the ISD-R or a TAR that this host grants, and with a counter
 * beyond the set's first and within 5 bytes.
 */
#include <string.h>

#include "hsm/custodian.h"
#include "hsm/sealed/keyset.h"
#include "providers/scp/scp80.h"

typedef Ecka__Custody__V1__Scp80WrapItem wrap_item;
typedef Ecka__Custody__V1__Scp80WrappedItem wrapped_item;
typedef Ecka__Custody__V1__Scp80UnwrapItem unwrap_item;
typedef Ecka__Custody__V1__Scp80UnwrappedItem unwrapped_item;

enum {
    /* TS 102 225, 5.1.1: CC in b2 b1, ciphering in b3, the counter in b5 b4, b8 b7 b6 reserved. */
    SPI1_HIGHER = SCP80_SPI1_COMMAND, /* the counter must be higher than the last */
    SPI1_NEXT = 0x1E,                 /* it must be the next one */
    COUNTER_MAX_BITS = 8 * SCP80_COUNTER_LEN,
};

/* The ISD-R's, or one that this custodian's own configuration grants to the principal. */
static bool tar_granted(const struct custodian *c, const char *principal, uint32_t tar)
{
    bool granted = tar == SCP80_TAR_ISDR;
    for (size_t i = 0; i < c->tars.n; i++) {
        const struct tar_grant *g = &c->tars.list[i];
        granted = granted || (g->tar == tar && strcmp(g->principal, principal) == 0);
    }
    return granted;
}

/* A header that announced less than the packet carries would be refused by the card or, worse,
 * teach it to accept less. */
static enum status check_header(const struct custodian *c, const wrap_item *in)
{
    const uint8_t spi1 = (uint8_t)(in->spi >> 8);
    if (spi1 != SPI1_HIGHER && spi1 != SPI1_NEXT) {
        return STATUS_SCP80_SPI;
    }
    return tar_granted(c, in->principal, in->tar) ? STATUS_OK : STATUS_SCP80_TAR;
}

static enum status wrap(struct custodian *c, struct arena *arena, const wrap_item *in,
                        wrapped_item *out)
{
    struct key_set set;
    uint8_t packet[SCP80_PACKET_MAX];
    struct writer w = writer_of(packet, sizeof packet);
    const uint8_t tar[] = {(uint8_t)(in->tar >> 16), (uint8_t)(in->tar >> 8), (uint8_t)in->tar};

    TRY(key_set_open(c, 1U << BLOB_SCP80, in->principal, &in->eid, &in->key_set, in->kvn, &set));
    TRY(check_header(c, in));
    if (in->counter >> COUNTER_MAX_BITS != 0 || in->counter <= set.counter) {
        return STATUS_BAD_COUNTER;
    }
    struct scp80_header header = scp80_command_header((uint8_t)in->kvn, tar, in->counter);
    header.spi1 = (uint8_t)(in->spi >> 8);
    header.spi2 = (uint8_t)in->spi;
    const struct scp80_keys keys = {.kic = set.enc, .kid = set.mac};
    TRY(scp80_wrap_command(c->sym, &keys, &header, span_of_field(&in->payload), &w));
    TRY(writer_check(&w));
    return answer_bytes(arena, &out->packet, writer_span(&w));
}

enum status scp80_wrap_batch(struct custodian *c, struct arena *arena,
                             const Ecka__Custody__V1__Scp80Wrap *in,
                             Ecka__Custody__V1__Scp80WrapAnswer *out)
{
    for (size_t i = 0; i < in->n_items; i++) {
        out->items[i]->status = (uint32_t)wrap(c, arena, in->items[i], out->items[i]);
        blob_scratch_wipe(&c->secrets->blob);
    }
    return STATUS_OK;
}

static enum status unwrap(struct custodian *c, struct arena *arena, const unwrap_item *in,
                          unwrapped_item *out)
{
    struct key_set set;
    struct scp80_response response;
    uint8_t payload[WIRE_PACKET_MAX]; /* never longer than the packet */
    struct writer w = writer_of(payload, sizeof payload);

    TRY(key_set_open(c, 1U << BLOB_SCP80, in->principal, &in->eid, &in->key_set, in->kvn, &set));
    const struct scp80_keys keys = {.kic = set.enc, .kid = set.mac};
    TRY(scp80_unwrap_response(c->sym, &keys, span_of_field(&in->packet), &response, &w));
    TRY(writer_check(&w));
    TRY(answer_bytes(arena, &out->payload, writer_span(&w)));
    out->tar = (uint32_t)load_be(response.tar, sizeof response.tar);
    out->counter = response.counter;
    out->por_status = response.rsc;
    return response.rsc == SCP80_RSC_OK ? STATUS_OK : STATUS_SCP80_STATUS;
}

enum status scp80_unwrap_batch(struct custodian *c, struct arena *arena,
                               const Ecka__Custody__V1__Scp80Unwrap *in,
                               Ecka__Custody__V1__Scp80UnwrapAnswer *out)
{
    for (size_t i = 0; i < in->n_items; i++) {
        out->items[i]->status = (uint32_t)unwrap(c, arena, in->items[i], out->items[i]);
        blob_scratch_wipe(&c->secrets->blob);
    }
    return STATUS_OK;
}
