#include "proto/gp/handover.h"

#include "proto/gp/tlv.h"

enum {
    TAG_KEY_RANGE = 0xF2,
    KEY_RANGE_LEN = 3, /* KVN, first and last key identifier */
    TAG_KEY_TEMPLATE = 0xE0,
    TAG_KEY_INFO = 0xC0,
    KEY_INFO_LEN = 4, /* identifier, KVN, type, length */
};

void handover_put(struct writer *w, const struct key_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t v[KEY_RANGE_LEN] = {ranges[i].kvn, ranges[i].first, ranges[i].last};
        tlv_put(w, TAG_KEY_RANGE, span_of(v, sizeof v));
    }
}

static enum status read_range(struct cursor *in, struct key_range *out)
{
    struct span v;
    TRY(tlv_expect(in, TAG_KEY_RANGE, &v));
    if (v.len != KEY_RANGE_LEN || v.ptr[1] > v.ptr[2]) {
        return STATUS_TLV_MALFORMED;
    }
    *out = (struct key_range){.kvn = v.ptr[0], .first = v.ptr[1], .last = v.ptr[2]};
    return STATUS_OK;
}

static enum status read_ranges(struct cursor *in, struct key_range *out, size_t *count)
{
    do { /* at least one: a command that lists nothing is none */
        if (*count == HANDOVER_RANGES_MAX) {
            return STATUS_TLV_MALFORMED;
        }
        TRY(read_range(in, &out[*count]));
        (*count)++;
    } while (in->left != 0);
    return STATUS_OK;
}

enum status handover_parse(struct span in, struct key_range out[static HANDOVER_RANGES_MAX],
                           size_t *count)
{
    struct cursor c = cursor_of(in);
    *count = 0;
    memset(out, 0, HANDOVER_RANGES_MAX * sizeof out[0]);
    enum status s = read_ranges(&c, out, count);
    if (s != STATUS_OK) {
        *count = 0;
        memset(out, 0, HANDOVER_RANGES_MAX * sizeof out[0]);
    }
    return s;
}

void key_info_put(struct writer *w, const struct key_info *keys, size_t count)
{
    if (count > KEY_INFO_MAX) {
        w->overflow = true;
        return;
    }
    tlv_put_header(w, TAG_KEY_TEMPLATE, count * tlv_size(TAG_KEY_INFO, KEY_INFO_LEN));
    for (size_t i = 0; i < count; i++) {
        const uint8_t v[KEY_INFO_LEN] = {keys[i].id, keys[i].kvn, keys[i].type, keys[i].length};
        tlv_put(w, TAG_KEY_INFO, span_of(v, sizeof v));
    }
}

static enum status read_key_info(struct cursor *in, struct key_info *out)
{
    struct span v;
    TRY(tlv_expect(in, TAG_KEY_INFO, &v));
    if (v.len != KEY_INFO_LEN) {
        return STATUS_TLV_MALFORMED;
    }
    *out = (struct key_info){.id = v.ptr[0], .kvn = v.ptr[1], .type = v.ptr[2], .length = v.ptr[3]};
    return STATUS_OK;
}

static enum status read_key_template(struct span in, struct key_info *out, size_t *count)
{
    struct cursor c = cursor_of(in);
    struct span body;
    TRY(tlv_expect(&c, TAG_KEY_TEMPLATE, &body));
    TRY(cursor_expect_end(&c));
    c = cursor_of(body);
    while (c.left != 0) {
        if (*count == KEY_INFO_MAX) {
            return STATUS_TLV_MALFORMED;
        }
        TRY(read_key_info(&c, &out[*count]));
        (*count)++;
    }
    return STATUS_OK;
}

enum status key_info_parse(struct span in, struct key_info out[static KEY_INFO_MAX], size_t *count)
{
    *count = 0;
    memset(out, 0, KEY_INFO_MAX * sizeof out[0]);
    enum status s = read_key_template(in, out, count);
    if (s != STATUS_OK) {
        *count = 0;
        memset(out, 0, KEY_INFO_MAX * sizeof out[0]);
    }
    return s;
}
