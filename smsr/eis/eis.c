#include "smsr/eis/eis.h"

#include "proto/gp/tlv.h"
#include "smsr/hex.h"

enum { /* tags of our own form, context class */
       TAG_EUM_ID = 0x81,
       TAG_PLATFORM = 0x82,
       TAG_ECASD_CERT = 0xA3,
       TAG_EID = 0x5A,
       TAG_PRODUCTION_DATE = 0x5F25,
       TAG_AID = 0x4F,
       DATE_LEN = 4,
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

void eis_signed_put(struct writer *w, const struct eis_signed *info)
{
    tlv_put(w, TAG_EID, span_of(info->eid, sizeof(info->eid)));
    tlv_put(w, TAG_EUM_ID, span_of(info->eum_id, sizeof(info->eum_id)));
    tlv_put(w, TAG_PLATFORM, span_of(info->platform, strlen(info->platform)));
    tlv_put_header(w, TAG_PRODUCTION_DATE, DATE_LEN);
    put_be(w, info->production_date, DATE_LEN);
    tlv_put(w, TAG_AID, span_of(info->isdr_aid, sizeof(info->isdr_aid)));
    tlv_put(w, TAG_ECASD_CERT, span_of(info->ecasd_cert, info->ecasd_cert_len));
}

void eid_text(const uint8_t eid[static GP_EID_LEN], char out[static EID_TEXT_LEN + 1])
{
    hex_encode(span_of(eid, GP_EID_LEN), out);
}
