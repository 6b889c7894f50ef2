#include "smsr/eis/eis.h"

#include <stdio.h>

#include "proto/gp/tlv.h"
#include "smsr/hex.h"

enum { /* tags of our own form, context class */
       TAG_EUM_ID = 0x81,
       TAG_PLATFORM = 0x82,
       TAG_PLATFORM_VERSION = 0x83,
       TAG_ISDP_MODULE = 0x84,
       TAG_CAPABILITIES = 0x85,
       TAG_SECURE_PACKET = 0x86,
       TAG_REMOTE_PROVISIONING = 0x87,
       TAG_ECASD_CERT = 0xA3,
       TAG_EID = 0x5A,
       TAG_PRODUCTION_DATE = 0x5F25,
       TAG_AID = 0x4F,
       DATE_LEN = 4,
       CAPABILITY_CAT_TP = 1,
       CAPABILITY_HTTP = 2,
};

enum status octets_set(struct octets *out, struct span in)
{
    memset(out, 0, sizeof(*out));
    if (in.len > sizeof(out->b)) {
        return STATUS_BAD_LENGTH;
    }
    if (in.len != 0) {
        memcpy(out->b, in.ptr, in.len);
    }
    out->len = in.len;
    return STATUS_OK;
}

static void put_text(struct writer *w, uint32_t tag, const char *text)
{
    tlv_put(w, tag, span_of(text, strlen(text)));
}

void eis_signed_put(struct writer *w, const struct eis_signed *info)
{
    const struct eis_capabilities *c = &info->capabilities;
    uint8_t flags =
        (uint8_t)((c->cat_tp ? CAPABILITY_CAT_TP : 0) | (c->http ? CAPABILITY_HTTP : 0));
    tlv_put(w, TAG_EID, span_of(info->eid, sizeof(info->eid)));
    tlv_put(w, TAG_EUM_ID, span_of(info->eum_id, sizeof(info->eum_id)));
    put_text(w, TAG_PLATFORM, info->platform);
    put_text(w, TAG_PLATFORM_VERSION, info->platform_version);
    tlv_put_header(w, TAG_PRODUCTION_DATE, DATE_LEN);
    put_be(w, info->production_date, DATE_LEN);
    tlv_put(w, TAG_AID, span_of(info->isdp_load_file_aid, sizeof(info->isdp_load_file_aid)));
    tlv_put(w, TAG_ISDP_MODULE, span_of(info->isdp_module_aid, sizeof(info->isdp_module_aid)));
    tlv_put(w, TAG_ECASD_CERT, span_of(info->ecasd_cert, info->ecasd_cert_len));
    tlv_put(w, TAG_CAPABILITIES, span_of(&flags, 1));
    put_text(w, TAG_SECURE_PACKET, c->secure_packet);
    put_text(w, TAG_REMOTE_PROVISIONING, c->remote_provisioning);
}

void eis_for_handover(struct eis *out, const struct eis *in)
{
    *out = *in;
    memset(out->audit, 0, sizeof(out->audit));
    out->audit_count = 0;
    memset(out->properties, 0, sizeof(out->properties));
    out->property_count = 0;
    for (size_t i = 0; i < out->key_set_count; i++) {
        for (size_t k = 0; k < out->key_sets[i].key_count; k++) {
            memset(&out->key_sets[i].keys[k].kcv, 0, sizeof(struct octets));
        }
    }
}

void eis_audit_add(struct eis *eis, uint64_t time, const char *requester, const char *operation,
                   const char *result)
{
    if (eis->audit_count == EIS_AUDIT_MAX) {
        memmove(&eis->audit[0], &eis->audit[1], (EIS_AUDIT_MAX - 1) * sizeof(eis->audit[0]));
        eis->audit_count--;
    }
    struct eis_audit *entry = &eis->audit[eis->audit_count++];
    memset(entry, 0, sizeof(*entry));
    entry->time = time;
    (void)snprintf(entry->requester, sizeof(entry->requester), "%s", requester);
    (void)snprintf(entry->operation, sizeof(entry->operation), "%s", operation);
    (void)snprintf(entry->result, sizeof(entry->result), "%s", result);
}

void eid_text(const uint8_t eid[static GP_EID_LEN], char out[static EID_TEXT_LEN + 1])
{
    hex_encode(span_of(eid, GP_EID_LEN), out);
}
