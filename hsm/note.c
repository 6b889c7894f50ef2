/*
 * Note: what eckad tells for the audit log. A custodian believes eckad's word here as little as
 * elsewhere: a leaf of it says by whom.
 */
#include <stdio.h>
#include <string.h>

#include "hsm/custodian.h"

typedef Ecka__Custody__V1__NoteItem note_item;

static void note(struct custodian *c, const note_item *in)
{
    char by[WIRE_LABEL_MAX + 16];

    if (in->event == CUSTODY_NOTE_REFUSED) {
        (void)snprintf(by, sizeof by, "%s, by eckad", in->operation);
        audit_refused(c->audit, in->principal, by, (enum status)in->status, in->count);
        return;
    }
    audit_add(c->audit,
              &(struct audit_event){
                  .op = in->event == CUSTODY_NOTE_POLICY ? AUDIT_OP_POLICY : AUDIT_OP_TRUST,
                  .sha256 = in->sha256.data,
                  .detail = in->detail,
              });
}

enum status note_batch(struct custodian *c, const Ecka__Custody__V1__Note *in)
{
    for (size_t i = 0; i < in->n_items; i++) {
        note(c, in->items[i]);
    }
    return STATUS_OK;
}
