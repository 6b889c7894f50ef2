/*
 * Room in a full card. Whenever the answer to a second STORE DATA is lost the ISD-R keeps a key set
 * that nobody can use: its receipt is gone, and Beta burns its number. A card that is full of such
 * sets says 6A84 to every further change.
 *
 * Alpha, who commands it, then reads the key information template and keeps by
 * ES5.FinaliseISDRhandover under KS1 what its EIS lists and each set whose receipt it has passed
 * on: that receipt may still be on its way, and Beta's claim to the eUICC with it. After
 * receipts_end_us it is not.
 */
#include "proto/gp/handover.h"
#include "smsr/card/card_sw.h"
#include "smsr/party/alpha.h"

enum { CLA_GP = 0x80, KEY_INFO_TAG = 0xE0 };

static bool kept(const struct alpha *alpha, uint8_t kvn)
{
    bool alive = alpha->bus->now_us < alpha->receipts_end_us;
    if (alive && kvn <= CRT_KVN_MAX && (alpha->receipts >> kvn & 1) != 0) {
        return true;
    }
    for (size_t i = 0; i < alpha->eis.key_set_count; i++) {
        if (alpha->eis.key_sets[i].kvn == kvn) {
            return true;
        }
    }
    return false;
}

enum status alpha_clear(struct alpha *alpha)
{
    const struct apdu apdu = {CLA_GP, INS_GET_DATA, 0, KEY_INFO_TAG, {NULL, 0}, true, 0};
    alpha->state = ALPHA_COUNTING;
    return alpha_command(alpha, &apdu);
}

/* One key more, in the range of its neighbour when that has one. */
static void list(struct key_range *ranges, size_t *count, const struct key_info *key)
{
    struct key_range *last = *count != 0 ? &ranges[*count - 1] : NULL;
    if (last != NULL && last->kvn == key->kvn && last->last + 1 == key->id) {
        last->last = key->id;
    } else {
        ranges[(*count)++] = (struct key_range){key->kvn, key->id, key->id};
    }
}

/* True when there was something to delete, and the card is asked to. */
static bool delete_the_rest(struct alpha *alpha, struct span template)
{
    struct key_info keys[KEY_INFO_MAX];
    struct key_range ranges[KEY_INFO_MAX];
    uint8_t data[APDU_DATA_MAX];
    struct writer w = writer_of(data, sizeof(data));
    size_t count, listed = 0, useless = 0;
    if (key_info_parse(template, keys, &count) != STATUS_OK) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        bool keep = kept(alpha, keys[i].kvn);
        useless += !keep;
        /* NOLINTNEXTLINE(misc-redundant-expression): a switch of the build */
        if (keep == (HANDOVER_MEANING == HANDOVER_KEEP_LISTED)) {
            list(ranges, &listed, &keys[i]);
        }
    }
    if (useless == 0) {
        return false;
    }
    handover_put(&w, ranges, listed);
    const struct apdu apdu = {CLA_GP, INS_DELETE, 0, 0, writer_span(&w), false, 0};
    if (writer_check(&w) != STATUS_OK || alpha_command(alpha, &apdu) != STATUS_OK) {
        return false;
    }
    trace_note(alpha->trace, "the card is full: %zu keys that nobody can use are deleted", useless);
    alpha->state = ALPHA_CLEARING;
    return true;
}

bool alpha_cleared(struct alpha *alpha, const struct rapdu *r)
{
    return alpha->state == ALPHA_CLEARING || r->sw != SW_OK || !delete_the_rest(alpha, r->data);
}
