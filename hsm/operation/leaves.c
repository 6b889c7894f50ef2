/*
 * From operations to leaves of the audit log.
 *
 * Refusals are told from the messages themselves: the items of every kind begin with a principal,
 * and those of every answer with a status.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hsm/custodian.h"

/* -- what was done -- */

static void key_text(char out[static KEY_LABEL_MAX], const struct token_key *key)
{
    if (key->name[0] != '\0') {
        (void)snprintf(out, KEY_LABEL_MAX, "%s", key->name);
    } else {
        key_label(out, key->purpose, key->generation);
    }
}

void leaf_of_use(struct custodian *c, enum audit_op op, const char *principal, const uint8_t *eid,
                 int kvn, const struct token_key *key, const uint8_t sha256[static SHA256_LEN],
                 enum status st)
{
    char label[KEY_LABEL_MAX];
    key_text(label, key);
    audit_add(c->audit, &(struct audit_event){.op = op,
                                              .principal = principal,
                                              .eid = eid,
                                              .has_kvn = kvn != AUDIT_KVN_NONE,
                                              .kvn = (uint8_t)kvn,
                                              .key = label,
                                              .sha256 = sha256,
                                              .status = st});
}

enum status leaf_of_blob(struct custodian *c, enum audit_op op, const char *principal,
                         const uint8_t *eid, uint8_t kvn, struct span blob)
{
    char label[KEY_LABEL_MAX];
    uint8_t sha256[SHA256_LEN];

    TRY(sym_sha256(c->sym, blob, sha256));
    key_label(label, KEY_KEYSET, generation_newest(c->generations, KEY_KEYSET)->number);
    audit_add(c->audit, &(struct audit_event){.op = op,
                                              .principal = principal,
                                              .eid = eid,
                                              .has_kvn = eid != NULL,
                                              .kvn = kvn,
                                              .key = label,
                                              .sha256 = sha256});
    return STATUS_OK;
}

/* -- what was refused -- */

struct items { /* of a batch or an answer */
    size_t n;
    const ProtobufCMessage *const *list;
    size_t first_field; /* where an item's is */
};

/* The items of the kind that is set; false where it has none, as Hello. */
static bool items_of(const ProtobufCMessage *message, int kind_case, struct items *out)
{
    const ProtobufCFieldDescriptor *kind =
        protobuf_c_message_descriptor_get_field(message->descriptor, (unsigned)kind_case);
    if (kind == NULL) {
        return false;
    }
    const char *body = *(const char *const *)((const char *)message + kind->offset);
    const ProtobufCMessageDescriptor *of = kind->descriptor;
    if (body == NULL || of->n_fields != 1 || of->fields[0].label != PROTOBUF_C_LABEL_REPEATED ||
        of->fields[0].type != PROTOBUF_C_TYPE_MESSAGE) {
        return false;
    }
    const ProtobufCMessageDescriptor *item = of->fields[0].descriptor;
    out->n = *(const size_t *)(body + of->fields[0].quantifier_offset);
    out->list = *(const ProtobufCMessage *const *const *)(body + of->fields[0].offset);
    out->first_field = item->fields[0].offset;
    return true;
}

/* "key_set_create" as the log has it: key-set-create. */
static void operation_text(char out[static 32], const custody_batch *batch)
{
    const ProtobufCFieldDescriptor *kind =
        protobuf_c_message_descriptor_get_field(batch->base.descriptor, (unsigned)batch->kind_case);
    (void)snprintf(out, 32, "%s", kind == NULL ? "unknown" : kind->name);
    for (char *at = strchr(out, '_'); at != NULL; at = strchr(at, '_')) {
        *at = '-';
    }
}

void leaves_of_refusals(struct custodian *c, const custody_batch *batch,
                        const custody_answer *answer, enum status st)
{
    struct items in, out;
    char operation[32];

    if (c->audit == NULL || !items_of(&batch->base, (int)batch->kind_case, &in)) {
        return;
    }
    if (answer != NULL && !items_of(&answer->base, (int)answer->kind_case, &out)) {
        return;
    }
    operation_text(operation, batch);
    for (size_t i = 0; i < in.n; i++) {
        const char *principal = *(const char *const *)((const char *)in.list[i] + in.first_field);
        enum status of_item = st;
        if (answer != NULL) {
            of_item =
                (enum status) * (const uint32_t *)((const char *)out.list[i] + out.first_field);
        }
        /* A card's answer without R-MAC is handed on, and so no refusal. */
        bool refused = of_item != STATUS_OK && of_item != STATUS_SCP03_UNPROTECTED;
        audit_refused(c->audit, principal, operation, of_item, refused ? 1 : 0);
    }
}

bool batch_begins(const custody_batch *batch)
{
    switch (batch->kind_case) {
    case ECKA__CUSTODY__V1__BATCH__KIND_ESTABLISH:
    case ECKA__CUSTODY__V1__BATCH__KIND_SIGN:
    case ECKA__CUSTODY__V1__BATCH__KIND_AGREE:
    case ECKA__CUSTODY__V1__BATCH__KIND_RESEAL:
    case ECKA__CUSTODY__V1__BATCH__KIND_REWRAP:
        return true;
    default:
        return false;
    }
}
