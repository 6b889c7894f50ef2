/*
 * See withdraw.h. Results are columns and entries of the reply, whatever the operation, so the
 * descriptors that protobuf-c keeps of messages say where an item's share of each lies.
 */
#include "service/withdraw.h"

static void clear_column(ProtobufCBinaryData *column, size_t items, size_t i)
{
    size_t width = column->len / items;
    if (width > 0) {
        memset(column->data + width * i, 0, width);
    }
}

static void clear_entry(ProtobufCBinaryData *entries, size_t n, size_t i)
{
    if (i < n) {
        if (entries[i].len > 0) {
            memset(entries[i].data, 0, entries[i].len);
        }
        entries[i].len = 0;
    }
}

static void clear_item(ProtobufCMessage *result, size_t items, size_t i)
{
    const ProtobufCMessageDescriptor *d = result->descriptor;
    for (unsigned f = 0; f < d->n_fields; f++) {
        const ProtobufCFieldDescriptor *field = &d->fields[f];
        char *at = (char *)result + field->offset;
        if (field->type != PROTOBUF_C_TYPE_BYTES) {
            continue;
        }
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            const char *n_at = (const char *)result + field->quantifier_offset;
            clear_entry(*(ProtobufCBinaryData **)(void *)at, *(const size_t *)(const void *)n_at,
                        i);
        } else {
            clear_column((ProtobufCBinaryData *)(void *)at, items, i);
        }
    }
}

void withdraw_results(struct job *job)
{
    /* Members of the oneof are pointers to messages, all alike. */
    ProtobufCMessage *result = &job_reply(job)->verify->base;
    for (uint32_t i = 0; i < job->group.count; i++) {
        uint8_t s = job->group.items[i].withdrawn;
        if (s != STATUS_OK) {
            clear_item(result, job->group.count, i);
            job->results.status[i] = s;
        }
    }
}
