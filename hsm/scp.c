/*
 * Scp80Wrap and Scp80Unwrap: secured packets under a sealed key set (ETSI TS 102 225; SGP.02 3.8,
 * steps 24 and 25). KIC = ENC, KID = MAC. The keys are in the clear for one item only.
 */
#include "hsm/custodian.h"
#include "hsm/keyset.h"
#include "providers/scp/scp80.h"

typedef Ecka__Custody__V1__Scp80WrapItem wrap_item;
typedef Ecka__Custody__V1__Scp80WrappedItem wrapped_item;
typedef Ecka__Custody__V1__Scp80UnwrapItem unwrap_item;
typedef Ecka__Custody__V1__Scp80UnwrappedItem unwrapped_item;

enum {
    SPI1_SECURITY = 0x07, /* integrity in b2 b1, ciphering in b3 (TS 102 225, 5.1.1) */
    SPI1_CC_CIPHERED = 0x06,
    COUNTER_MAX_BITS = 8 * SCP80_COUNTER_LEN,
};

/* Opens a key set into the scratch; the caller wipes it. */
static enum status open_set(struct custodian *c, const char *principal,
                            const ProtobufCBinaryData *eid, const ProtobufCBinaryData *blob,
                            uint32_t kvn, struct key_set *set)
{
    struct blob_scratch *scratch = &c->secrets->blob;
    uint8_t held;
    size_t len;

    TRY(blob_open(c->generations, c->sym, scratch, BLOB_SCP80, principal, eid->data,
                  span_of_field(blob), &held, &len));
    if (kvn != held) {
        return STATUS_BLOB_KVN;
    }
    return key_set_parse(span_of(scratch->plain, len), set);
}

static enum status wrap(struct custodian *c, struct arena *arena, const wrap_item *in,
                        wrapped_item *out)
{
    struct key_set set;
    uint8_t packet[SCP80_PACKET_MAX];
    struct writer w = writer_of(packet, sizeof packet);
    const uint8_t tar[] = {(uint8_t)(in->tar >> 16), (uint8_t)(in->tar >> 8), (uint8_t)in->tar};

    TRY(open_set(c, in->principal, &in->eid, &in->key_set, in->kvn, &set));
    if (in->counter >> COUNTER_MAX_BITS != 0 || in->counter <= set.counter) {
        return STATUS_BAD_COUNTER;
    }
    struct scp80_header header = scp80_command_header((uint8_t)in->kvn, tar, in->counter);
    header.spi1 = (uint8_t)(in->spi >> 8);
    header.spi2 = (uint8_t)in->spi;
    /* A header that announced less than the packet carries would be refused by the card or, worse,
     * teach it to accept less. */
    if ((header.spi1 & SPI1_SECURITY) != SPI1_CC_CIPHERED) {
        return STATUS_SCP80_MALFORMED;
    }
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

    TRY(open_set(c, in->principal, &in->eid, &in->key_set, in->kvn, &set));
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
