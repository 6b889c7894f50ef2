#include "smsr/card/card_link.h"

#include "smsr/card/card_sw.h"

static enum status send_next(struct card_link *link)
{
    uint8_t bytes[APDU_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    TRY(sms_envelope_put(&w, span_of(link->packet, link->packet_len), link->reference, link->next));
    TRY(writer_check(&w));
    link->next++;
    struct message *m = bus_post(link->bus, CARD_COMMAND, link->owner, PARTY_ISDR);
    m->attempt = ++link->sent;
    memcpy(m->u.apdu.b, bytes, w.len);
    m->u.apdu.len = w.len;
    return STATUS_OK;
}

enum status card_link_send(struct card_link *link, struct span packet)
{
    if (packet.len == 0 || packet.len > sizeof(link->packet)) {
        return STATUS_BAD_LENGTH;
    }
    memcpy(link->packet, packet.ptr, packet.len);
    link->packet_len = packet.len;
    link->total = sms_segment_count(packet.len);
    link->next = 1;
    link->answer_len = 0;
    link->reference++;
    return send_next(link);
}

enum card_link_state card_link_receive(struct card_link *link, const struct message *answer,
                                       uint16_t *sw)
{
    struct rapdu r;
    *sw = 0;
    if (answer->attempt != link->sent) {
        return CARD_LINK_WAITING; /* late, or doubled: to an ENVELOPE that was given up */
    }
    if (rapdu_parse(span_of(answer->u.apdu.b, answer->u.apdu.len), &r) != STATUS_OK) {
        return CARD_LINK_FAILED;
    }
    *sw = r.sw;
    if (r.sw == SW_WRONG_DATA && link->total > 1) {
        return CARD_LINK_WAITING; /* a part came twice: the card wants them all anew, when it is
                                     time */
    }
    if (r.sw != SW_OK) {
        return CARD_LINK_FAILED;
    }
    if (link->next <= link->total) {
        return send_next(link) == STATUS_OK ? CARD_LINK_WAITING : CARD_LINK_FAILED;
    }
    if (r.data.len == 0 || r.data.len > sizeof(link->answer)) {
        return CARD_LINK_FAILED;
    }
    memcpy(link->answer, r.data.ptr, r.data.len);
    link->answer_len = r.data.len;
    return CARD_LINK_ANSWERED;
}
