/*
 * The requests on key sets, sessions and token keys: what is well formed passes, each field that is
 * too short, too long, too many or out of range is refused by name. And the table that all checks
 * come from names every field of ecka.proto, as what it is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/shape.h"

enum { ITEMS = 3, LISTS = 2, ARENA = 1 << 20 };

static uint8_t storage[ARENA] __attribute__((aligned(16)));
static uint8_t zeros[WIRE_FRAME_MAX];
static uint8_t frame_buf[WIRE_FRAME_MAX];
static char detail[WIRE_DETAIL_MAX];
static struct arena arena;

static ProtobufCBinaryData zero(size_t len)
{
    return (ProtobufCBinaryData){len, zeros};
}

struct sample { /* one request, every field filled */
    Ecka__V1__Request request;
    union {
        Ecka__V1__Sign sign;
        Ecka__V1__Agree agree;
        Ecka__V1__KeySetCreate create;
        Ecka__V1__Scp03Open open;
        Ecka__V1__Scp03Wrap wrap;
        Ecka__V1__Scp03Unwrap unwrap;
        Ecka__V1__Reseal reseal;
        Ecka__V1__Rewrap rewrap;
    } m;
    ProtobufCBinaryData lists[LISTS][ITEMS];
    char label[WIRE_LABEL_MAX + 2];
};

static ProtobufCBinaryData *fill(struct sample *s, int list, size_t len)
{
    for (int i = 0; i < ITEMS; i++) {
        s->lists[list][i] = zero(len);
    }
    return s->lists[list];
}

#define KEY_SET(s, message)                                                                        \
    do {                                                                                           \
        (s)->m.message.n_key_sets = ITEMS;                                                         \
        (s)->m.message.key_sets = fill(s, 0, 300);                                                 \
        (s)->m.message.eids = zero(ITEMS * 16);                                                    \
        (s)->m.message.kvns = zero(ITEMS);                                                         \
    } while (0)
#define SESSION(s, message)                                                                        \
    do {                                                                                           \
        (s)->m.message.n_sessions = (s)->m.message.n_apdus = ITEMS;                                \
        (s)->m.message.sessions = fill(s, 0, 300);                                                 \
        (s)->m.message.apdus = fill(s, 1, 20);                                                     \
        (s)->m.message.eids = zero(ITEMS * 16);                                                    \
    } while (0)

static void sample_init(struct sample *s, enum wire_op op)
{
    *s = (struct sample){.label = "a-key"};
    ecka__v1__request__init(&s->request);
    s->request.version = WIRE_VERSION;
    s->request.id = 7;
    s->request.op_case = (Ecka__V1__Request__OpCase)op;
    s->request.sign = &s->m.sign; /* every member of the oneof is a pointer to it */
    switch (op) {
    case WIRE_OP_SIGN:
        ecka__v1__sign__init(&s->m.sign);
        s->m.sign.key_label = s->label;
        s->m.sign.digests = zero(ITEMS * 32);
        break;
    case WIRE_OP_AGREE:
        ecka__v1__agree__init(&s->m.agree);
        s->m.agree.curve = ECKA__V1__CURVE__FRP256V1;
        s->m.agree.peers = zero(ITEMS * 65);
        s->m.agree.n_shared_infos = ITEMS;
        s->m.agree.shared_infos = fill(s, 0, 10);
        s->m.agree.length = 64;
        s->m.agree.custody = ECKA__V1__CUSTODY__CUSTODY_TOKEN;
        break;
    case WIRE_OP_KEY_SET_CREATE:
        ecka__v1__key_set_create__init(&s->m.create);
        KEY_SET(s, create);
        s->m.create.kinds = zero(ITEMS);
        s->m.create.new_kvns = zero(ITEMS);
        break;
    case WIRE_OP_SCP03_OPEN:
        ecka__v1__scp03_open__init(&s->m.open);
        KEY_SET(s, open);
        s->m.open.host_challenges = zero(ITEMS * 8);
        s->m.open.card_challenges = zero(ITEMS * 8);
        s->m.open.card_cryptograms = zero(ITEMS * 8);
        s->m.open.security_levels = zero(ITEMS);
        break;
    case WIRE_OP_SCP03_WRAP:
        ecka__v1__scp03_wrap__init(&s->m.wrap);
        SESSION(s, wrap);
        break;
    case WIRE_OP_SCP03_UNWRAP:
        ecka__v1__scp03_unwrap__init(&s->m.unwrap);
        SESSION(s, unwrap);
        break;
    case WIRE_OP_RESEAL:
        ecka__v1__reseal__init(&s->m.reseal);
        KEY_SET(s, reseal);
        break;
    default:
        ecka__v1__rewrap__init(&s->m.rewrap);
        KEY_SET(s, rewrap);
        s->m.rewrap.kek_label = s->label;
        break;
    }
}

static enum status decode(const struct sample *s, struct wire_request *out)
{
    size_t len = ecka__v1__request__pack(&s->request, frame_buf);
    arena_init(&arena, storage, sizeof storage);
    return wire_request_decode(&arena, span_of(frame_buf, len), out, detail);
}

static void passes(const struct sample *s)
{
    struct wire_request r;
    if (decode(s, &r) != STATUS_OK) {
        fail_msg("refused: %s", detail);
    }
    assert_int_equal(r.items, ITEMS);
    assert_int_equal(r.op, s->request.op_case);
}

/* Refused, with the operation and the field in the sentence. */
static void refused(const struct sample *s, const char *field)
{
    struct wire_request r;
    const char *op = wire_op_name((enum wire_op)s->request.op_case);
    assert_int_equal(decode(s, &r), STATUS_BAD_REQUEST);
    if (strncmp(detail, op, strlen(op)) != 0 || strstr(detail, field) == NULL) {
        fail_msg("'%s' does not name %s and %s", detail, op, field);
    }
}

static void whole_requests_pass(void **state)
{
    (void)state;
    for (enum wire_op op = WIRE_OP_SIGN; op < WIRE_OP_END; op++) {
        struct sample s;
        sample_init(&s, op);
        passes(&s);
    }
}

static void each_column_has_one_length(void **state)
{
    (void)state;
#define COL(o, m_, f)                                                                              \
    {                                                                                              \
        WIRE_OP_##o, offsetof(struct sample, m.m_.f), #f                                           \
    }
    static const struct {
        enum wire_op op;
        size_t at;
        const char *field;
    } cases[] = {
        COL(SIGN, sign, digests),
        COL(AGREE, agree, peers),
        COL(KEY_SET_CREATE, create, eids),
        COL(KEY_SET_CREATE, create, kvns),
        COL(KEY_SET_CREATE, create, kinds),
        COL(KEY_SET_CREATE, create, new_kvns),
        COL(SCP03_OPEN, open, eids),
        COL(SCP03_OPEN, open, kvns),
        COL(SCP03_OPEN, open, host_challenges),
        COL(SCP03_OPEN, open, card_challenges),
        COL(SCP03_OPEN, open, card_cryptograms),
        COL(SCP03_OPEN, open, security_levels),
        COL(SCP03_WRAP, wrap, eids),
        COL(SCP03_UNWRAP, unwrap, eids),
        COL(RESEAL, reseal, eids),
        COL(RESEAL, reseal, kvns),
        COL(REWRAP, rewrap, eids),
        COL(REWRAP, rewrap, kvns),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int change = 0; change < 3; change++) { /* cut short, too long, left out */
            struct sample s;
            sample_init(&s, cases[i].op);
            ProtobufCBinaryData *b = (void *)((char *)&s + cases[i].at);
            b->len = change == 0 ? b->len - 1 : change == 1 ? b->len + 1 : 0;
            refused(&s, cases[i].field);
        }
    }
}

static void each_list_has_its_count_and_limit(void **state)
{
    (void)state;
#define LIST(o, m_, f, l, max)                                                                     \
    {                                                                                              \
        WIRE_OP_##o, offsetof(struct sample, m.m_.n_##f), l, max, #f                               \
    }
    static const struct {
        enum wire_op op;
        size_t n_at;
        int list;
        size_t max;
        const char *field;
    } cases[] = {
        LIST(AGREE, agree, shared_infos, 0, WIRE_SHARED_INFO_MAX),
        LIST(KEY_SET_CREATE, create, key_sets, 0, WIRE_KEY_SET_MAX),
        LIST(SCP03_OPEN, open, key_sets, 0, WIRE_KEY_SET_MAX),
        LIST(SCP03_WRAP, wrap, sessions, 0, WIRE_SESSION_MAX),
        LIST(SCP03_WRAP, wrap, apdus, 1, WIRE_APDU_MAX),
        LIST(SCP03_UNWRAP, unwrap, sessions, 0, WIRE_SESSION_MAX),
        LIST(SCP03_UNWRAP, unwrap, apdus, 1, WIRE_APDU_MAX),
        LIST(RESEAL, reseal, key_sets, 0, WIRE_KEY_SET_MAX),
        LIST(REWRAP, rewrap, key_sets, 0, WIRE_KEY_SET_MAX),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sample s;
        sample_init(&s, cases[i].op);
        *(size_t *)(void *)((char *)&s + cases[i].n_at) = ITEMS - 1;
        refused(&s, cases[i].field);
        sample_init(&s, cases[i].op);
        s.lists[cases[i].list][ITEMS - 1].len = cases[i].max + 1;
        refused(&s, cases[i].field);
        s.lists[cases[i].list][ITEMS - 1].len = cases[i].max;
        passes(&s);
    }
}

static void shared_info_is_each_items_or_all_items_or_none(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, WIRE_OP_AGREE);
    s.m.agree.n_shared_infos = 1;
    passes(&s);
    s.m.agree.n_shared_infos = 0;
    passes(&s);
}

static void a_label_has_a_length(void **state)
{
    (void)state;
    static const struct {
        enum wire_op op;
        const char *field;
    } cases[] = {{WIRE_OP_SIGN, "key_label"}, {WIRE_OP_REWRAP, "kek_label"}};
    for (size_t i = 0; i < 2; i++) {
        struct sample s;
        sample_init(&s, cases[i].op);
        memset(s.label, 'k', WIRE_LABEL_MAX);
        passes(&s);
        s.label[WIRE_LABEL_MAX] = 'k';
        refused(&s, cases[i].field);
        s.label[0] = '\0';
        refused(&s, cases[i].field);
    }
}

static void numbers_have_a_range(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, WIRE_OP_AGREE);
    s.m.agree.length = 0;
    refused(&s, "length");
    s.m.agree.length = WIRE_AGREED_MAX + 1;
    refused(&s, "length");
    s.m.agree.length = 1;
    passes(&s);
    s.m.agree.custody = (Ecka__V1__Custody)3;
    refused(&s, "custody");
    s.m.agree.custody = (Ecka__V1__Custody)-1;
    refused(&s, "custody");
    s.m.agree.custody = ECKA__V1__CUSTODY__CUSTODY_NONE;
    passes(&s);
    s.m.agree.curve = (Ecka__V1__Curve)9; /* each item's own fault */
    passes(&s);
}

static void item_counts_are_bounded(void **state)
{
    (void)state;
    struct sample s;
    struct wire_request r;
    sample_init(&s, WIRE_OP_SIGN);
    s.m.sign.digests = zero((size_t)WIRE_ITEMS_MAX * 32);
    assert_int_equal(decode(&s, &r), STATUS_OK);
    s.m.sign.digests = zero((WIRE_ITEMS_MAX + 1) * 32);
    refused(&s, "digests holds 257 items, the limit is 256");
    s.m.sign.digests = zero(0);
    refused(&s, "digests");
}

/* -- the table -- */

static bool form_is(const struct wire_field *f, const ProtobufCFieldDescriptor *d)
{
    switch (f->form) {
    case WIRE_COLUMN:
    case WIRE_VALUE:
    case WIRE_KEYS:
        return d->type == PROTOBUF_C_TYPE_BYTES && d->label == PROTOBUF_C_LABEL_NONE;
    case WIRE_ENTRIES:
    case WIRE_SHARED:
        return d->type == PROTOBUF_C_TYPE_BYTES && d->label == PROTOBUF_C_LABEL_REPEATED &&
               f->n_at == d->quantifier_offset;
    case WIRE_LABEL:
        return d->type == PROTOBUF_C_TYPE_STRING && d->label == PROTOBUF_C_LABEL_NONE;
    case WIRE_NUMBER:
        return d->type == PROTOBUF_C_TYPE_UINT32 || d->type == PROTOBUF_C_TYPE_ENUM;
    }
    return false;
}

static void fields_are(struct wire_fields fields, const ProtobufCMessageDescriptor *message)
{
    assert_int_equal(fields.count, message->n_fields);
    for (size_t i = 0; i < fields.count; i++) {
        const struct wire_field *f = &fields.list[i];
        const ProtobufCFieldDescriptor *d =
            protobuf_c_message_descriptor_get_field_by_name(message, f->name);
        if (d == NULL || d->offset != f->at || !form_is(f, d) || f->width == 0) {
            fail_msg("%s.%s is not as in ecka.proto", message->short_name, f->name);
        }
        assert_ptr_equal(wire_field_at(fields, f->at), f);
    }
}

static void the_table_is_ecka_proto(void **state)
{
    (void)state;
    assert_int_equal(ecka__v1__request__descriptor.n_fields, 3 + WIRE_OP_END - WIRE_OP_FIRST);
    for (enum wire_op op = WIRE_OP_FIRST; op < WIRE_OP_END; op++) {
        const struct wire_shape *shape = wire_shape(op);
        const ProtobufCFieldDescriptor *request =
            protobuf_c_message_descriptor_get_field(&ecka__v1__request__descriptor, op);
        const ProtobufCFieldDescriptor *result =
            protobuf_c_message_descriptor_get_field(&ecka__v1__reply__descriptor, op);
        assert_int_equal(shape->op, op);
        assert_ptr_equal(request->descriptor, shape->request);
        assert_ptr_equal(result->descriptor, shape->result);
        assert_string_equal(shape->name, shape->request->short_name);
        assert_int_equal(wire_op_from_name(shape->name), op);
        fields_are(shape->in, shape->request);
        if (op != WIRE_OP_INFO) {
            fields_are(shape->out, shape->result);
            assert_string_equal(shape->out.list[0].name, "item_status");
            assert_int_equal(shape->in.list[0].form, WIRE_COLUMN);
        }
    }
    assert_null(wire_shape(WIRE_OP_NONE));
    assert_null(wire_shape(WIRE_OP_END));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_requests_pass),
        cmocka_unit_test(each_column_has_one_length),
        cmocka_unit_test(each_list_has_its_count_and_limit),
        cmocka_unit_test(shared_info_is_each_items_or_all_items_or_none),
        cmocka_unit_test(a_label_has_a_length),
        cmocka_unit_test(numbers_have_a_range),
        cmocka_unit_test(item_counts_are_bounded),
        cmocka_unit_test(the_table_is_ecka_proto),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
