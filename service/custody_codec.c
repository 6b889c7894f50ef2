/*
 * See custody_codec.h. A batch of CUSTODY_ITEMS_MAX items always fits a frame, both ways; the
 * assertions below hold the limits to that, so no batch has to be cut at run time.
 */
#include "service/custody_codec.h"

#include "proto/gp/crt.h"
#include "providers/provider.h"
#include "service/job.h"

enum {
    EID_LEN = 16,
    SR_KEY_ID_LEN = 32,
    RECEIPT_BYTES = 16,
    COUNTER_BYTES = 5,
    EXPIRY_BYTES = 8,
    TAR_BYTES = 3,
    SPI_BYTES = 2,
    KCVS_BYTES = 9,
    DEFAULT_SPI = 0x1639, /* counter, cipher and checksum; proof of receipt asked for */

    /* Tag and length of a field; at most 14 fields and as many numbers of 10 bytes an item. */
    FIELD_HEAD = 4,
    ITEM_OVERHEAD = 14 * FIELD_HEAD + 5 * 10 + WIRE_PRINCIPAL_MAX + EID_LEN,
};

#define FITS(bytes)                                                                                \
    _Static_assert(CUSTODY_ITEMS_MAX * ((bytes) + ITEM_OVERHEAD) < CUSTODY_FRAME_MAX, #bytes)
FITS(EC_POINT_LEN + SR_KEY_ID_LEN + 4 * WIRE_ID_MAX); /* Establish: RC and three ids */
FITS(WIRE_TICKET_MAX + RECEIPT_BYTES + WIRE_ID_MAX);  /* Confirm */
FITS(WIRE_KEY_SET_MAX + WIRE_PACKET_MAX);             /* wrap and unwrap */
FITS(EC_POINT_LEN + EC_SIGNATURE_LEN + 2 * WIRE_CERT_MAX + WIRE_TICKET_MAX); /* established */

enum custody_kind custody_kind_of(enum batch_kind kind)
{
    switch (kind) {
    case KIND_ESTABLISH:
        return CUSTODY_ESTABLISH;
    case KIND_CONFIRM:
        return CUSTODY_CONFIRM;
    case KIND_WRAP:
        return CUSTODY_SCP80_WRAP;
    default:
        return CUSTODY_SCP80_UNWRAP;
    }
}

/* -- to the custodian -- */

static ProtobufCBinaryData bin(const uint8_t *data, size_t len)
{
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)data}; /* only read */
}

static ProtobufCBinaryData col(const ProtobufCBinaryData *column, size_t width, size_t i)
{
    return bin(wire_col(column, width, i), width);
}

static ProtobufCBinaryData entry(const ProtobufCBinaryData *entries, size_t n, size_t i)
{
    struct span s = wire_entry(entries, n, i);
    return bin(s.ptr, s.len);
}

static uint64_t number(const ProtobufCBinaryData *column, size_t width, size_t i, uint64_t absent)
{
    return column->len == 0 ? absent : load_be(wire_col(column, width, i), width);
}

static char *principal_of(const struct job *job)
{
    return job->principal->name;
}

static void put_establish(const struct batcher_item *item, Ecka__Custody__V1__EstablishItem *out)
{
    const struct job *job = job_of(item);
    const Ecka__V1__Establish *m = job->request.msg->establish;
    uint32_t i = item->index;
    ecka__custody__v1__establish_item__init(out);
    out->principal = principal_of(job);
    out->eid = col(&m->eids, EID_LEN, i);
    out->curve = job->results.curves[i];
    out->pk_ecasd = bin(job->results.pk_ecasd + (size_t)i * EC_POINT_LEN, EC_POINT_LEN);
    out->sr_key_id = m->sr_key_id;
    out->rc = entry(m->rcs, m->n_rcs, i);
    out->kvn = m->kvns.data[i];
    out->scenario = m->scenarios.data[i];
    out->key_usage = (uint32_t)number(&m->key_usages, 1, i, CRT_USAGE_SECURE_CHANNEL);
    out->counter = number(&m->counters, COUNTER_BYTES, i, 0);
    out->host_id = entry(m->host_ids, m->n_host_ids, i);
    out->sin = entry(m->sins, m->n_sins, i);
    out->sdin = entry(m->sdins, m->n_sdins, i);
    out->expiry = number(&m->expiries, EXPIRY_BYTES, i, 0);
}

static void put_confirm(const struct batcher_item *item, Ecka__Custody__V1__ConfirmItem *out)
{
    const struct job *job = job_of(item);
    const Ecka__V1__Confirm *m = job->request.msg->confirm;
    uint32_t i = item->index;
    ecka__custody__v1__confirm_item__init(out);
    out->principal = principal_of(job);
    out->ticket = entry(m->tickets, m->n_tickets, i);
    out->eid = col(&m->eids, EID_LEN, i);
    out->receipt = col(&m->receipts, RECEIPT_BYTES, i);
    out->dr = entry(m->drs, m->n_drs, i);
}

static void put_wrap(const struct batcher_item *item, Ecka__Custody__V1__Scp80WrapItem *out)
{
    const struct job *job = job_of(item);
    const Ecka__V1__Scp80Wrap *m = job->request.msg->scp80_wrap;
    uint32_t i = item->index;
    ecka__custody__v1__scp80_wrap_item__init(out);
    out->principal = principal_of(job);
    out->key_set = entry(m->key_sets, m->n_key_sets, i);
    out->eid = col(&m->eids, EID_LEN, i);
    out->kvn = m->kvns.data[i];
    out->spi = (uint32_t)number(&m->spis, SPI_BYTES, i, DEFAULT_SPI);
    out->tar = (uint32_t)number(&m->tars, TAR_BYTES, i, 0);
    out->counter = number(&m->counters, COUNTER_BYTES, i, 0);
    out->payload = entry(m->payloads, m->n_payloads, i);
}

static void put_unwrap(const struct batcher_item *item, Ecka__Custody__V1__Scp80UnwrapItem *out)
{
    const struct job *job = job_of(item);
    const Ecka__V1__Scp80Unwrap *m = job->request.msg->scp80_unwrap;
    uint32_t i = item->index;
    ecka__custody__v1__scp80_unwrap_item__init(out);
    out->principal = principal_of(job);
    out->key_set = entry(m->key_sets, m->n_key_sets, i);
    out->eid = col(&m->eids, EID_LEN, i);
    out->kvn = m->kvns.data[i];
    out->packet = entry(m->packets, m->n_packets, i);
}

/* One kind's message in the arena, its items put one by one. `list` is NULL when out of space. */
#define ENCODE_ITEMS(arena, batch, list, list_init, put)                                           \
    do {                                                                                           \
        list = arena_alloc(arena, 1, sizeof(*list));                                               \
        if (list == NULL) {                                                                        \
            return STATUS_NO_SPACE;                                                                \
        }                                                                                          \
        list_init(list);                                                                           \
        list->items = arena_alloc(arena, (batch)->live, sizeof(void *));                           \
        for (size_t i = 0; list->items != NULL && i < (batch)->live; i++) {                        \
            list->items[i] = arena_alloc(arena, 1, sizeof(**list->items));                         \
            if (list->items[i] == NULL) {                                                          \
                return STATUS_NO_SPACE;                                                            \
            }                                                                                      \
            put((batch)->items[i], list->items[i]);                                                \
            list->n_items++;                                                                       \
        }                                                                                          \
    } while (0)

enum status custody_encode(struct arena *arena, const struct batch *batch, uint64_t id,
                           custody_batch *out)
{
    ecka__custody__v1__batch__init(out);
    out->id = id;
    out->kind_case = (Ecka__Custody__V1__Batch__KindCase)custody_kind_of(batch->kind);
    switch (batch->kind) {
    case KIND_ESTABLISH:
        ENCODE_ITEMS(arena, batch, out->establish, ecka__custody__v1__establish__init,
                     put_establish);
        return STATUS_OK;
    case KIND_CONFIRM:
        ENCODE_ITEMS(arena, batch, out->confirm, ecka__custody__v1__confirm__init, put_confirm);
        return STATUS_OK;
    case KIND_WRAP:
        ENCODE_ITEMS(arena, batch, out->scp80_wrap, ecka__custody__v1__scp80_wrap__init, put_wrap);
        return STATUS_OK;
    case KIND_UNWRAP:
        ENCODE_ITEMS(arena, batch, out->scp80_unwrap, ecka__custody__v1__scp80_unwrap__init,
                     put_unwrap);
        return STATUS_OK;
    default:
        return STATUS_INTERNAL;
    }
}

/* -- and back -- */

/* A value of the one width into a column; nothing when the custodian sent none. */
static void fill_col(ProtobufCBinaryData *column, size_t width, size_t i,
                     const ProtobufCBinaryData *value)
{
    if (value->len == width) {
        memcpy(column->data + width * i, value->data, width);
    }
}

static void fill_number(ProtobufCBinaryData *column, size_t width, size_t i, uint64_t value)
{
    struct writer w = writer_of(column->data + width * i, width);
    put_be(&w, value, width);
}

/* A value into an entry's storage of max bytes; false when it does not fit. */
static bool fill_entry(ProtobufCBinaryData *out, size_t max, const ProtobufCBinaryData *value)
{
    if (value->len > max) {
        return false;
    }
    if (value->len > 0) {
        memcpy(out->data, value->data, value->len);
    }
    out->len = value->len;
    return true;
}

static void set_status(const struct batcher_item *item, uint32_t s)
{
    job_of(item)->results.status[item->index] = (uint8_t)s;
}

static void fill_established(const struct batcher_item *item,
                             const Ecka__Custody__V1__EstablishedItem *a)
{
    Ecka__V1__EstablishResult *m = &job_of(item)->results.as.establish;
    uint32_t i = item->index;
    set_status(item, a->status);
    if (a->status != STATUS_OK) {
        return;
    }
    if (a->crt.len > JOB_CRT_MAX) { /* the other lengths were checked with the answer */
        set_status(item, STATUS_INTERNAL);
        return;
    }
    fill_col(&m->epks, EC_POINT_LEN, i, &a->epk);
    fill_col(&m->signatures, EC_SIGNATURE_LEN, i, &a->signature);
    fill_col(&m->custody, CUSTODY_BYTES, i, &a->custody);
    if (!fill_entry(&m->crts[i], JOB_CRT_MAX, &a->crt) ||
        !fill_entry(&m->store_data[i], JOB_STORE_DATA_MAX, &a->store_data) ||
        !fill_entry(&m->tickets[i], WIRE_TICKET_MAX, &a->ticket)) {
        set_status(item, STATUS_INTERNAL);
    }
}

static void fill_confirmed(const struct batcher_item *item,
                           const Ecka__Custody__V1__ConfirmedItem *a)
{
    Ecka__V1__ConfirmResult *m = &job_of(item)->results.as.confirm;
    uint32_t i = item->index;
    set_status(item, a->status);
    if (a->status != STATUS_OK) {
        return;
    }
    fill_col(&m->kcvs, KCVS_BYTES, i, &a->kcvs);
    fill_col(&m->custody, CUSTODY_BYTES, i, &a->custody);
    if (!fill_entry(&m->key_sets[i], WIRE_KEY_SET_MAX, &a->key_set)) {
        set_status(item, STATUS_INTERNAL);
    }
}

static void fill_wrapped(const struct batcher_item *item,
                         const Ecka__Custody__V1__Scp80WrappedItem *a)
{
    Ecka__V1__Scp80WrapResult *m = &job_of(item)->results.as.wrap;
    set_status(item, a->status);
    if (a->status == STATUS_OK &&
        !fill_entry(&m->packets[item->index], WIRE_PACKET_MAX, &a->packet)) {
        set_status(item, STATUS_INTERNAL);
    }
}

/* A proof of receipt that reports a failure is authentic: its fields go back with the status. */
static void fill_unwrapped(const struct batcher_item *item,
                           const Ecka__Custody__V1__Scp80UnwrappedItem *a)
{
    Ecka__V1__Scp80UnwrapResult *m = &job_of(item)->results.as.unwrap;
    uint32_t i = item->index;
    set_status(item, a->status);
    if (a->status != STATUS_OK && a->status != STATUS_SCP80_STATUS) {
        return;
    }
    m->por_status.data[i] = (uint8_t)a->por_status;
    fill_number(&m->tars, TAR_BYTES, i, a->tar);
    fill_number(&m->counters, COUNTER_BYTES, i, a->counter);
    if (!fill_entry(&m->payloads[i], WIRE_PACKET_MAX, &a->payload)) {
        set_status(item, STATUS_INTERNAL);
    }
}

void custody_fill(const struct batch *batch, const custody_answer *answer)
{
    if (answer->status != STATUS_OK) {
        custody_fail(batch, (enum status)answer->status);
        return;
    }
    for (size_t i = 0; i < batch->live; i++) {
        const struct batcher_item *item = batch->items[i];
        switch (batch->kind) {
        case KIND_ESTABLISH:
            fill_established(item, answer->establish->items[i]);
            break;
        case KIND_CONFIRM:
            fill_confirmed(item, answer->confirm->items[i]);
            break;
        case KIND_WRAP:
            fill_wrapped(item, answer->scp80_wrap->items[i]);
            break;
        default:
            fill_unwrapped(item, answer->scp80_unwrap->items[i]);
            break;
        }
    }
}

void custody_fail(const struct batch *batch, enum status s)
{
    for (size_t i = 0; i < batch->live; i++) {
        set_status(batch->items[i], s);
    }
}
