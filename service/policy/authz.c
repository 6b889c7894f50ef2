#include "service/policy/authz.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(WIRE_OP_END - WIRE_OP_FIRST <= 32, "an operation has a bit in a uint32_t");

/* -- what a request names -- */

const char *authz_label(const Ecka__V1__Request *msg)
{
    switch (msg->op_case) {
    case ECKA__V1__REQUEST__OP_SIGN:
        return msg->sign->key_label;
    case ECKA__V1__REQUEST__OP_REWRAP:
        return msg->rewrap->kek_label;
    default:
        return NULL;
    }
}

static const ProtobufCBinaryData *eids_of(const Ecka__V1__Request *msg)
{
    switch (msg->op_case) {
    case ECKA__V1__REQUEST__OP_VERIFY_CHAIN:
        return &msg->verify_chain->eids;
    case ECKA__V1__REQUEST__OP_ESTABLISH:
        return &msg->establish->eids;
    case ECKA__V1__REQUEST__OP_CONFIRM:
        return &msg->confirm->eids;
    case ECKA__V1__REQUEST__OP_SCP80_WRAP:
        return &msg->scp80_wrap->eids;
    case ECKA__V1__REQUEST__OP_SCP80_UNWRAP:
        return &msg->scp80_unwrap->eids;
    case ECKA__V1__REQUEST__OP_KEY_SET_CREATE:
        return &msg->key_set_create->eids;
    case ECKA__V1__REQUEST__OP_SCP03_OPEN:
        return &msg->scp03_open->eids;
    case ECKA__V1__REQUEST__OP_SCP03_WRAP:
        return &msg->scp03_wrap->eids;
    case ECKA__V1__REQUEST__OP_SCP03_UNWRAP:
        return &msg->scp03_unwrap->eids;
    case ECKA__V1__REQUEST__OP_RESEAL:
        return &msg->reseal->eids;
    case ECKA__V1__REQUEST__OP_REWRAP:
        return &msg->rewrap->eids;
    case ECKA__V1__REQUEST__OP_VERIFY:
    case ECKA__V1__REQUEST__OP_SIGN:
    case ECKA__V1__REQUEST__OP_AGREE:
    case ECKA__V1__REQUEST__OP_INFO:
    default: /* the numbers of no operation */
        return NULL;
    }
}

const uint8_t *authz_eid(const Ecka__V1__Request *msg, uint32_t i)
{
    const ProtobufCBinaryData *eids = eids_of(msg);
    return eids != NULL ? wire_col(eids, GP_EID_LEN, i) : NULL;
}

/* The bit of the custody asked for; 0 where the operation knows none. Left out is memory. */
static uint32_t custody_of(const Ecka__V1__Request *msg)
{
    Ecka__V1__Custody custody;
    if (msg->op_case == ECKA__V1__REQUEST__OP_ESTABLISH) {
        custody = msg->establish->custody;
    } else if (msg->op_case == ECKA__V1__REQUEST__OP_AGREE) {
        custody = msg->agree->custody;
    } else {
        return 0;
    }
    return custody == ECKA__V1__CUSTODY__CUSTODY_TOKEN ? POLICY_CUSTODY_TOKEN
                                                       : POLICY_CUSTODY_MEMORY;
}

/* -- rules -- */

__attribute__((format(printf, 3, 4))) static enum status say(enum status s, char *detail,
                                                             const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail, WIRE_DETAIL_MAX, format, args);
    va_end(args);
    return s;
}

static bool is_listed(const char *label, char *const list[], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(list[i], label) == 0) {
            return true;
        }
    }
    return false;
}

static enum status check_label(const struct policy_principal *p, const Ecka__V1__Request *msg,
                               char detail[static WIRE_DETAIL_MAX])
{
    bool sign = msg->op_case == ECKA__V1__REQUEST__OP_SIGN;
    const char *label = authz_label(msg);
    const char *field = sign ? "sign_keys" : "keks";
    bool listed = sign ? is_listed(label, p->sign_keys, p->sign_keys_count)
                       : is_listed(label, p->keks, p->keks_count);
    return listed
               ? say(STATUS_OK, detail, "%s of %s lists %.32s", field, p->name, label)
               : say(STATUS_DENIED, detail, "%s of %s does not list %.32s", field, p->name, label);
}

enum status authz_request(const struct policy_principal *p, const Ecka__V1__Request *msg,
                          char detail[static WIRE_DETAIL_MAX])
{
    enum wire_op op = (enum wire_op)msg->op_case;
    const char *name = wire_op_name(op);
    if (p == NULL) {
        return say(STATUS_DENIED, detail, "the policy holds this connection's CURVE key no more");
    }
    if ((p->granted & authz_bit(op)) == 0) {
        return say(STATUS_DENIED, detail, "policy grants %s no %s", p->name,
                   name != NULL ? name : "such operation");
    }
    uint32_t custody = custody_of(msg);
    if (p->custody != 0 && custody != 0 && (p->custody & custody) == 0) {
        return say(STATUS_DENIED, detail, "custody of %s does not list %s", p->name,
                   custody == POLICY_CUSTODY_TOKEN ? "token" : "memory");
    }
    if (authz_label(msg) != NULL) {
        return check_label(p, msg, detail);
    }
    return say(STATUS_OK, detail, "operations of %s lists %s", p->name, name);
}

enum status authz_item(const struct policy *policy, const struct policy_principal *p,
                       const Ecka__V1__Request *msg, uint32_t i)
{
    if (policy->blocked.eid_set.count == 0 && p->eid_set.count == 0) {
        return STATUS_OK;
    }
    const uint8_t *eid = authz_eid(msg, i);
    if (eid == NULL) {
        return STATUS_OK;
    }
    if (eid_set_find(&policy->blocked.eid_set, eid) != NULL) {
        return STATUS_EID_BLOCKED;
    }
    return p->eid_set.count != 0 && eid_set_find(&p->eid_set, eid) == NULL ? STATUS_DENIED
                                                                           : STATUS_OK;
}

enum status authz_item_again(const struct policy *policy, const struct policy_principal *p,
                             const Ecka__V1__Request *msg, uint32_t i)
{
    TRY(authz_item(policy, p, msg, i));
    struct span eum;
    if (msg->op_case == ECKA__V1__REQUEST__OP_VERIFY_CHAIN) {
        eum = wire_entry(msg->verify_chain->eums, msg->verify_chain->n_eums, i);
    } else if (msg->op_case == ECKA__V1__REQUEST__OP_ESTABLISH) {
        eum = wire_entry(msg->establish->eums, msg->establish->n_eums, i);
    } else {
        return STATUS_OK;
    }
    const struct trust_eum *found = trust_find_any(policy->trust, eum);
    return found != NULL ? found->status : STATUS_EUM_UNKNOWN;
}
