/*
 * KeySetCreate: what the card recovers from PUT KEY with the DEK it has is what the new blob holds,
 * its check values agree, and the rules on kinds, KVNs and parents.
 */
#include "proto/gp/put_key.h"
#include "tests/unit/hsm/hsm_test.h"

typedef Ecka__Custody__V1__KeySetCreateItem create_item;
typedef Ecka__Custody__V1__KeySetCreatedItem created_item;

enum { SCP80 = 1, SCP81 = 2, SCP03 = 3, KINDS = 4 };

static const struct {
    enum blob_type type;
    uint8_t first, last, key_type;
    size_t keys, plain_len;
} kinds[KINDS] = {
    [SCP80] = {BLOB_SCP80, 0x01, 0x0F, 0x88, 3, KEY_SET_PLAIN_LEN},
    [SCP81] = {BLOB_SCP81, 0x40, 0x4F, 0x85, 1, PSK_PLAIN_LEN},
    [SCP03] = {BLOB_SCP03, 0x30, 0x3F, 0x88, 3, KEY_SET_PLAIN_LEN},
};

static struct hsm_blob parent;

static create_item item_of(unsigned kind, unsigned new_kvn)
{
    create_item in = ECKA__CUSTODY__V1__KEY_SET_CREATE_ITEM__INIT;
    in.principal = hsm_test_principal;
    in.key_set = hsm_bytes(parent.bytes, parent.len);
    in.eid = hsm_bytes(hsm_test_eid, sizeof hsm_test_eid);
    in.kvn = HSM_TEST_KVN;
    in.kind = kind;
    in.new_kvn = new_kvn;
    return in;
}

static void new_parent(struct hsm_fixture *f, enum blob_type type)
{
    hsm_seal_set(f, type, HSM_TEST_KVN, hsm_test_keys[0], hsm_test_keys[1], hsm_test_keys[2],
                 &parent);
}

static const created_item *create(struct hsm_fixture *f, create_item *in)
{
    create_item *items[] = {in};
    Ecka__Custody__V1__KeySetCreate list = ECKA__CUSTODY__V1__KEY_SET_CREATE__INIT;
    custody_batch batch = ECKA__CUSTODY__V1__BATCH__INIT;
    list.n_items = 1;
    list.items = items;
    batch.id = 9;
    batch.kind_case = ECKA__CUSTODY__V1__BATCH__KIND_KEY_SET_CREATE;
    batch.key_set_create = &list;
    return hsm_exchange(f, &batch)->key_set_create->items[0];
}

static void assert_refused(struct hsm_fixture *f, create_item *in, enum status want)
{
    const created_item *out = create(f, in);
    assert_int_equal(out->status, want);
    assert_int_equal(out->new_key_set.len + out->put_key.len + out->kcvs.len, 0);
}

/* The card's side: deciphers each key with its DEK, and compares its check value. */
static void card_takes(struct hsm_fixture *f, const created_item *out, unsigned kind,
                       uint8_t new_kvn, uint8_t keys[static KEY_SET_KEYS][SYM_AES128_KEY_LEN])
{
    static const uint8_t zero_iv[SYM_BLOCK], no_kcv[SYM_KCV_LEN];
    struct put_key put;
    assert_int_equal(put_key_parse(span_of_field(&out->put_key), &put), STATUS_OK);
    assert_int_equal(put.kvn, new_kvn);
    assert_int_equal(put.n, kinds[kind].keys);
    for (size_t i = 0; i < KEY_SET_KEYS; i++) {
        const uint8_t *answered = out->kcvs.data + i * SYM_KCV_LEN;
        uint8_t kcv[SYM_KCV_LEN];
        if (i >= put.n) {
            assert_memory_equal(answered, no_kcv, sizeof no_kcv);
            continue;
        }
        assert_int_equal(put.blocks[i].type, kinds[kind].key_type);
        assert_int_equal(sym_cbc_decrypt(f->c.sym, span_of(hsm_test_keys[2], SYM_AES128_KEY_LEN),
                                         zero_iv, put.blocks[i].value, keys[i], SYM_BLOCK),
                         STATUS_OK);
        assert_int_equal(sym_kcv(f->c.sym, keys[i], kcv), STATUS_OK);
        assert_memory_equal(kcv, put.blocks[i].kcv, sizeof kcv);
        assert_memory_equal(kcv, answered, sizeof kcv);
    }
}

static void blob_holds(struct hsm_fixture *f, const created_item *out, unsigned kind,
                       uint8_t new_kvn, uint8_t keys[static KEY_SET_KEYS][SYM_AES128_KEY_LEN])
{
    const uint8_t *plain = f->c.secrets->blob.plain, *psk;
    size_t len = hsm_open(f, kinds[kind].type, new_kvn, &out->new_key_set);
    assert_int_equal(len, kinds[kind].plain_len);
    if (kind == SCP81) {
        assert_int_equal(psk_parse(span_of(plain, len), &psk), STATUS_OK);
        assert_memory_equal(psk, keys[0], SYM_AES128_KEY_LEN);
    } else {
        struct key_set set;
        assert_int_equal(key_set_parse(span_of(plain, len), &set), STATUS_OK);
        assert_true(set.counter == 0);
        assert_memory_equal(set.enc, keys[0], SYM_AES128_KEY_LEN);
        assert_memory_equal(set.mac, keys[1], SYM_AES128_KEY_LEN);
        assert_memory_equal(set.dek, keys[2], SYM_AES128_KEY_LEN);
    }
    blob_scratch_wipe(&f->c.secrets->blob);
}

static void the_card_recovers_what_the_blob_holds(void **state)
{
    struct hsm_fixture *f = *state;
    static const enum blob_type parents[] = {BLOB_SCP80, BLOB_SCP03};
    for (size_t p = 0; p < sizeof parents / sizeof parents[0]; p++) {
        new_parent(f, parents[p]);
        for (unsigned kind = SCP80; kind < KINDS; kind++) {
            uint8_t keys[KEY_SET_KEYS][SYM_AES128_KEY_LEN] = {0};
            create_item in = item_of(kind, kinds[kind].last);
            const created_item *out = create(f, &in);
            assert_int_equal(out->status, STATUS_OK);
            card_takes(f, out, kind, kinds[kind].last, keys);
            blob_holds(f, out, kind, kinds[kind].last, keys);
        }
    }
}

/* No two keys alike: of one set, and of sets made from the same request. */
static void keys_are_random(void **state)
{
    struct hsm_fixture *f = *state;
    enum { SETS = 8 };
    uint8_t keys[SETS * KEY_SET_KEYS][SYM_AES128_KEY_LEN];
    new_parent(f, BLOB_SCP80);
    for (size_t i = 0; i < SETS; i++) {
        create_item in = item_of(SCP03, 0x30);
        card_takes(f, create(f, &in), SCP03, 0x30, keys + i * KEY_SET_KEYS);
    }
    for (size_t i = 0; i < SETS * KEY_SET_KEYS; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(keys[i], keys[j], SYM_AES128_KEY_LEN);
        }
    }
}

static void kvns_by_kind(void **state)
{
    struct hsm_fixture *f = *state;
    new_parent(f, BLOB_SCP80);
    for (unsigned kind = SCP80; kind < KINDS; kind++) {
        for (unsigned kvn = 0; kvn < 256; kvn++) {
            create_item in = item_of(kind, kvn);
            bool good = kvn >= kinds[kind].first && kvn <= kinds[kind].last && kvn != HSM_TEST_KVN;
            if (good) {
                assert_int_equal(create(f, &in)->status, STATUS_OK);
            } else {
                assert_refused(f, &in, STATUS_BAD_KVN);
            }
        }
    }
    static const unsigned unknown[] = {0, KINDS, 255};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        create_item in = item_of(unknown[i], 1);
        assert_refused(f, &in, STATUS_BAD_KEY_SET_KIND);
    }
}

static void parents_belong_to_somebody(void **state)
{
    struct hsm_fixture *f = *state;
    static char gamma[] = "gamma";
    uint8_t other_eid[GP_EID_LEN];
    new_parent(f, BLOB_SCP80);
    create_item in = item_of(SCP03, 0x30);
    in.principal = gamma;
    assert_refused(f, &in, STATUS_BLOB_PRINCIPAL);
    in = item_of(SCP03, 0x30);
    memcpy(other_eid, hsm_test_eid, sizeof other_eid);
    other_eid[15] ^= 1;
    in.eid.data = other_eid;
    assert_refused(f, &in, STATUS_BLOB_EID);
    in = item_of(SCP03, 0x30);
    in.kvn++;
    assert_refused(f, &in, STATUS_BLOB_KVN);
    in = item_of(SCP03, 0x30);
    parent.bytes[parent.len - 1] ^= 1;
    assert_refused(f, &in, STATUS_BLOB_FORGED);
    in.key_set.len = 20;
    assert_refused(f, &in, STATUS_BLOB_MALFORMED);
}

static void only_a_set_with_a_dek_is_a_parent(void **state)
{
    struct hsm_fixture *f = *state;
    static const enum blob_type types[] = {BLOB_TICKET, BLOB_SESSION, BLOB_OPAQUE, BLOB_SCP81};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        new_parent(f, types[i]); /* even with contents of the right form */
        create_item in = item_of(SCP03, 0x30);
        assert_refused(f, &in, STATUS_BLOB_TYPE);
        parent.bytes[5] = BLOB_SCP80; /* re-headed */
        assert_refused(f, &in, STATUS_BLOB_FORGED);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, hsm_setup, hsm_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_card_recovers_what_the_blob_holds),
        STORY(keys_are_random),
        STORY(kvns_by_kind),
        STORY(parents_belong_to_somebody),
        STORY(only_a_set_with_a_dek_is_a_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
