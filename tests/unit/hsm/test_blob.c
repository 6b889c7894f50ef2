/*
 * Blobs: what is sealed comes back, what was touched does not, and the same contents give the same
 * bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hsm/sealed/blob.h"
#include "providers/core/secret.h"

enum { BLOB_MAX = BLOB_OVERHEAD_MAX + BLOB_PLAIN_MAX };

static const uint8_t eid[GP_EID_LEN] = {0x89, 0x04, 0x90, 0x32, [15] = 0x07};
static const uint8_t other_eid[GP_EID_LEN] = {0x89, 0x04, 0x90, 0x32, [15] = 0x08};
static const char plain[] = "thirty-two bytes of a made-up Z.";

enum { PLAIN_LEN = sizeof plain - 1 };

struct fixture {
    struct sym *sym;
    struct generations *generations;
    struct blob_scratch *scratch;
};

static void add_generation(struct fixture *f, enum key_purpose purpose, uint32_t number)
{
    uint8_t key[GENERATION_KEY_LEN];
    memset(key, (int)(16U * purpose + number), sizeof key);
    assert_int_equal(generations_add(f->generations, f->sym, purpose, number, key), STATUS_OK);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(secret_init(), STATUS_OK);
    assert_int_equal(sym_new(&f->sym), STATUS_OK);
    f->generations = secret_alloc(1, sizeof *f->generations);
    f->scratch = secret_alloc(1, sizeof *f->scratch);
    assert_true(f->generations != NULL && f->scratch != NULL);
    add_generation(f, KEY_TICKET, 1);
    add_generation(f, KEY_KEYSET, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    secret_free(&f->generations);
    secret_free(&f->scratch);
    sym_free(&f->sym);
    free(f);
    return 0;
}

static void assert_scratch_wiped(const struct fixture *f)
{
    static const struct blob_scratch zero;
    assert_memory_equal(f->scratch, &zero, sizeof zero);
}

static size_t seal_text(struct fixture *f, enum blob_type type, const char *text,
                        uint8_t out[static BLOB_MAX])
{
    const struct blob_header header = {
        .type = type, .principal = "beta", .eid = eid, .kvn = 5, .custody = {1, 2, 2, 2}};
    struct writer w = writer_of(out, BLOB_MAX);
    memcpy(f->scratch->plain, text, PLAIN_LEN);
    assert_int_equal(blob_seal(f->generations, f->sym, f->scratch, &header, PLAIN_LEN, &w),
                     STATUS_OK);
    assert_scratch_wiped(f);
    return w.len;
}

static enum status open_as(struct fixture *f, enum blob_type type, const char *principal,
                           const uint8_t *of_eid, const uint8_t *blob, size_t len)
{
    uint8_t kvn;
    size_t plain_len;
    enum status st = blob_open(f->generations, f->sym, f->scratch, type, principal, of_eid,
                               span_of(blob, len), &kvn, &plain_len);
    if (st == STATUS_OK) {
        assert_int_equal(kvn, 5);
        assert_int_equal(plain_len, PLAIN_LEN);
        assert_memory_equal(f->scratch->plain, plain, PLAIN_LEN);
        blob_scratch_wipe(f->scratch);
    } else {
        assert_int_equal(kvn, 0);
        assert_int_equal(plain_len, 0);
    }
    assert_scratch_wiped(f);
    return st;
}

static void comes_back(void **state)
{
    struct fixture *f = *state;
    for (int type = BLOB_TICKET; type < BLOB_TYPE_COUNT; type++) {
        uint8_t blob[BLOB_MAX];
        size_t len = seal_text(f, (enum blob_type)type, plain, blob);
        assert_int_equal(len, BLOB_FIXED_LEN + 4 + PLAIN_LEN + SYM_GCM_TAG_LEN);
        assert_int_equal(open_as(f, (enum blob_type)type, "beta", eid, blob, len), STATUS_OK);
    }
}

static void same_contents_same_bytes(void **state)
{
    struct fixture *f = *state;
    uint8_t one[BLOB_MAX], two[BLOB_MAX], other[BLOB_MAX];
    size_t len = seal_text(f, BLOB_SCP80, plain, one);
    assert_int_equal(seal_text(f, BLOB_SCP80, plain, two), len);
    assert_memory_equal(one, two, len);

    /* Other contents take another salt, and so another key and nonce. */
    assert_int_equal(seal_text(f, BLOB_SCP80, "thirty-two bytes of a made-up Q.", other), len);
    size_t salt_at = BLOB_FIXED_LEN - BLOB_SALT_LEN + strlen("beta");
    assert_memory_not_equal(one + salt_at, other + salt_at, BLOB_SALT_LEN);
}

/* What the change of one bit at this place must be called, in a ticket of principal "beta". */
static enum status expected_fault(size_t at)
{
    return at < 6    ? STATUS_BLOB_MALFORMED /* magic, version; type 1 becomes 0 */
           : at < 10 ? STATUS_BLOB_GENERATION
                     : STATUS_BLOB_FORGED;
}

static void each_byte_counts(void **state)
{
    struct fixture *f = *state;
    uint8_t blob[BLOB_MAX];
    size_t len = seal_text(f, BLOB_TICKET, plain, blob);
    for (size_t at = 0; at < len; at++) {
        blob[at] ^= 1;
        assert_int_equal(open_as(f, BLOB_TICKET, "beta", eid, blob, len), expected_fault(at));
        blob[at] ^= 1;
    }
    assert_int_equal(open_as(f, BLOB_TICKET, "beta", eid, blob, len), STATUS_OK);
}

static void each_length_counts(void **state)
{
    struct fixture *f = *state;
    uint8_t blob[BLOB_MAX] = {0};
    size_t len = seal_text(f, BLOB_TICKET, plain, blob);
    for (size_t n = 0; n < len; n++) {
        enum status st = open_as(f, BLOB_TICKET, "beta", eid, blob, n);
        assert_int_equal(st, n < len - PLAIN_LEN ? STATUS_BLOB_MALFORMED : STATUS_BLOB_FORGED);
    }
    assert_int_equal(open_as(f, BLOB_TICKET, "beta", eid, blob, len + 1), STATUS_BLOB_FORGED);
}

static void belongs_elsewhere(void **state)
{
    struct fixture *f = *state;
    uint8_t blob[BLOB_MAX];
    size_t len = seal_text(f, BLOB_SCP80, plain, blob);
    assert_int_equal(open_as(f, BLOB_TICKET, "beta", eid, blob, len), STATUS_BLOB_TYPE);
    assert_int_equal(open_as(f, BLOB_SCP03, "beta", eid, blob, len), STATUS_BLOB_TYPE);
    assert_int_equal(open_as(f, BLOB_SCP80, "gamma", eid, blob, len), STATUS_BLOB_PRINCIPAL);
    assert_int_equal(open_as(f, BLOB_SCP80, "bet", eid, blob, len), STATUS_BLOB_PRINCIPAL);
    assert_int_equal(open_as(f, BLOB_SCP80, "beta2", eid, blob, len), STATUS_BLOB_PRINCIPAL);
    assert_int_equal(open_as(f, BLOB_SCP80, "beta", other_eid, blob, len), STATUS_BLOB_EID);
}

static void a_type_cannot_be_rewritten(void **state)
{
    struct fixture *f = *state;
    uint8_t blob[BLOB_MAX];
    size_t len = seal_text(f, BLOB_OPAQUE, plain, blob);
    blob[5] = BLOB_SCP80;
    assert_int_equal(open_as(f, BLOB_SCP80, "beta", eid, blob, len), STATUS_BLOB_FORGED);
    blob[5] = BLOB_TICKET;
    assert_int_equal(open_as(f, BLOB_TICKET, "beta", eid, blob, len), STATUS_BLOB_FORGED);
}

static void generations_live_side_by_side(void **state)
{
    struct fixture *f = *state;
    uint8_t old[BLOB_MAX], new[BLOB_MAX];
    size_t len = seal_text(f, BLOB_TICKET, plain, old);
    add_generation(f, KEY_TICKET, 3);
    assert_int_equal(seal_text(f, BLOB_TICKET, plain, new), len);
    assert_int_equal(load_be(old + 6, 4), 1);
    assert_int_equal(load_be(new + 6, 4), 3);
    assert_int_equal(open_as(f, BLOB_TICKET, "beta", eid, old, len), STATUS_OK);
    assert_int_equal(open_as(f, BLOB_TICKET, "beta", eid, new, len), STATUS_OK);

    /* A ticket's generations are not a key set's. */
    uint8_t set[BLOB_MAX];
    (void)seal_text(f, BLOB_SCP80, plain, set);
    assert_int_equal(load_be(set + 6, 4), 1);
}

static void a_dead_generation_opens_nothing(void **state)
{
    struct fixture *f = *state;
    uint8_t blob[BLOB_MAX];
    size_t len = seal_text(f, BLOB_TICKET, plain, blob);
    f->generations->n = 0;
    assert_int_equal(open_as(f, BLOB_TICKET, "beta", eid, blob, len), STATUS_BLOB_GENERATION);
}

static void no_room_writes_nothing(void **state)
{
    struct fixture *f = *state;
    uint8_t blob[BLOB_MAX];
    const struct blob_header header = {.type = BLOB_TICKET, .principal = "beta", .eid = eid};
    struct writer w = writer_of(blob, BLOB_FIXED_LEN + 4 + PLAIN_LEN + SYM_GCM_TAG_LEN - 1);
    memcpy(f->scratch->plain, plain, PLAIN_LEN);
    assert_int_equal(blob_seal(f->generations, f->sym, f->scratch, &header, PLAIN_LEN, &w),
                     STATUS_NO_SPACE);
    assert_int_equal(w.len, 0);
    assert_scratch_wiped(f);
}

static void generations_are_bounded(void **state)
{
    struct fixture *f = *state;
    const uint8_t key[GENERATION_KEY_LEN] = {1};
    for (uint32_t number = 2; f->generations->n < GENERATIONS_MAX; number++) {
        add_generation(f, KEY_KEYSET, number);
    }
    assert_int_equal(generations_add(f->generations, f->sym, KEY_KEYSET, 99, key), STATUS_NO_SPACE);
    assert_int_equal(generation_newest(f->generations, KEY_TICKET)->number, 1);
    assert_null(generation_find(f->generations, KEY_KEYSET, 99));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(comes_back),
        STORY(same_contents_same_bytes),
        STORY(each_byte_counts),
        STORY(each_length_counts),
        STORY(belongs_elsewhere),
        STORY(a_type_cannot_be_rewritten),
        STORY(generations_live_side_by_side),
        STORY(a_dead_generation_opens_nothing),
        STORY(no_room_writes_nothing),
        STORY(generations_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
