#include "tests/unit/hsm/hsm_test.h"

#include "providers/core/secret.h"

const uint8_t hsm_test_eid[GP_EID_LEN] = {0x89, 0x04, 0x90, 0x32, [15] = 0x07};
const uint8_t hsm_test_keys[KEY_SET_KEYS][SYM_AES128_KEY_LEN] = {
    {0x10, 0x11}, {0x20, 0x21}, {0x30, 0x31}};
char hsm_test_principal[] = "beta";

static void add_generation(struct custodian *c, enum key_purpose purpose)
{
    uint8_t key[GENERATION_KEY_LEN];
    memset(key, (int)purpose, sizeof key);
    assert_int_equal(generations_add(c->generations, c->sym, purpose, 1, key), STATUS_OK);
}

int hsm_setup(void **state)
{
    struct hsm_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(secret_init(), STATUS_OK);
    assert_int_equal(sym_new(&f->c.sym), STATUS_OK);
    assert_int_equal(drbg_new(&f->c.drbg, span_of(NULL, 0)), STATUS_OK);
    f->c.generations = secret_alloc(1, sizeof *f->c.generations);
    f->c.secrets = secret_alloc(1, sizeof *f->c.secrets);
    assert_true(f->c.generations != NULL && f->c.secrets != NULL);
    add_generation(&f->c, KEY_TICKET);
    add_generation(&f->c, KEY_KEYSET);
    arena_init(&f->arena, f->storage, sizeof f->storage);
    *state = f;
    return 0;
}

int hsm_teardown(void **state)
{
    struct hsm_fixture *f = *state;
    secret_free(&f->c.secrets);
    secret_free(&f->c.generations);
    drbg_free(&f->c.drbg);
    sym_free(&f->c.sym);
    free(f);
    return 0;
}

void hsm_seal_set(struct hsm_fixture *f, enum blob_type type, uint8_t kvn, const uint8_t *enc,
                  const uint8_t *mac, const uint8_t *dek, struct hsm_blob *out)
{
    const struct blob_header header = {
        .type = type, .principal = hsm_test_principal, .eid = hsm_test_eid, .kvn = kvn};
    const struct key_set set = {.enc = enc, .mac = mac, .dek = dek};
    struct blob_scratch *scratch = &f->c.secrets->blob;
    struct writer plain = writer_of(scratch->plain, sizeof scratch->plain);
    struct writer w = writer_of(out->bytes, sizeof out->bytes);
    assert_int_equal(key_set_put(&plain, &set), STATUS_OK);
    assert_int_equal(blob_seal(f->c.generations, f->c.sym, scratch, &header, plain.len, &w),
                     STATUS_OK);
    out->len = w.len;
}

size_t hsm_open(struct hsm_fixture *f, enum blob_type type, uint8_t kvn,
                const ProtobufCBinaryData *blob)
{
    uint8_t held;
    size_t len;
    assert_int_equal(blob_open(f->c.generations, f->c.sym, &f->c.secrets->blob, type,
                               hsm_test_principal, hsm_test_eid, span_of_field(blob), &held, &len),
                     STATUS_OK);
    assert_int_equal(held, kvn);
    return len;
}

static void assert_wiped(const struct hsm_fixture *f)
{
    const uint8_t *p = (const uint8_t *)f->c.secrets;
    for (size_t i = 0; i < sizeof *f->c.secrets; i++) {
        assert_int_equal(p[i], 0);
    }
}

const custody_answer *hsm_exchange(struct hsm_fixture *f, const custody_batch *batch)
{
    static uint8_t packed[CUSTODY_FRAME_MAX];
    custody_answer *answer;
    const size_t len = ecka__custody__v1__batch__pack(batch, packed);
    struct writer out = writer_of(f->frame, sizeof f->frame);

    assert_int_equal(custodian_batch(&f->c, &f->arena, span_of(packed, len), 1700000000, &out),
                     STATUS_OK);
    assert_wiped(f);
    arena_reset(&f->arena);
    assert_int_equal(custody_answer_decode(&f->arena, writer_span(&out), batch->id,
                                           (enum custody_kind)batch->kind_case, 1, &answer),
                     STATUS_OK);
    assert_int_equal(answer->status, STATUS_OK);
    return answer;
}
