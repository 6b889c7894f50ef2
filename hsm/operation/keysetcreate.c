/*
 * KeySetCreate (SGP.02 3.8, step 26): random keys for a set beside the one that the card has,
 * sealed for the principal, and once more as PUT KEY data under the DEK of that one. A new key is
 * in the clear for one item only; nobody chooses it.
 */
#include "hsm/custodian.h"
#include "hsm/sealed/keyset.h"
#include "proto/gp/put_key.h"
#include "providers/core/secret.h"

typedef Ecka__Custody__V1__KeySetCreateItem create_item;
typedef Ecka__Custody__V1__KeySetCreatedItem created_item;

_Static_assert((int)PUT_KEY_DATA_MAX == (int)WIRE_PUT_KEY_MAX, "PUT KEY data fit the wire");
_Static_assert((int)PUT_KEY_VALUE_LEN == (int)SYM_AES128_KEY_LEN, "a key is a block");
_Static_assert((int)PUT_KEY_KCV_LEN == (int)SYM_KCV_LEN, "as long on the card");

enum {
    KEY_LEN = SYM_AES128_KEY_LEN,
    PARENTS = 1 << BLOB_SCP80 | 1 << BLOB_SCP03, /* what has a DEK */
};

struct kind { /* by KeySetKind of ecka.proto */
    enum blob_type type;
    uint8_t kvn_first, kvn_last; /* (Q) what the card tells kinds apart by */
    uint8_t key_type;
    uint8_t keys;
};

static const struct kind kinds[] = {
    [1] = {BLOB_SCP80, 0x01, 0x0F, PUT_KEY_TYPE_AES, 3},
    [2] = {BLOB_SCP81, 0x40, 0x4F, PUT_KEY_TYPE_PSK, 1},
    [3] = {BLOB_SCP03, 0x30, 0x3F, PUT_KEY_TYPE_AES, 3},
};

/* What the card gets of each key. */
struct outgoing {
    uint8_t values[KEY_SET_KEYS][KEY_LEN]; /* under the DEK */
    uint8_t kcvs[KEY_SET_KEYS][SYM_KCV_LEN];
};

static enum status check(const create_item *in, const struct kind **kind)
{
    if (in->kind == 0 || in->kind >= sizeof kinds / sizeof kinds[0]) {
        return STATUS_BAD_KEY_SET_KIND;
    }
    *kind = &kinds[in->kind];
    if (in->new_kvn < (*kind)->kvn_first || in->new_kvn > (*kind)->kvn_last ||
        in->new_kvn == in->kvn) { /* the set that encrypts must stay */
        return STATUS_BAD_KVN;
    }
    return STATUS_OK;
}

/* New keys into c->secrets->new_keys, and what the card gets of them. */
static enum status make_keys(struct custodian *c, const create_item *in, const struct kind *kind,
                             struct outgoing *o)
{
    static const uint8_t zero_iv[SYM_BLOCK];
    struct key_set parent;

    TRY(key_set_open(c, PARENTS, in->principal, &in->eid, &in->key_set, in->kvn, &parent));
    TRY(drbg_bytes(c->drbg, c->secrets->new_keys[0], (size_t)kind->keys * KEY_LEN));
    for (size_t i = 0; i < kind->keys; i++) {
        const uint8_t *key = c->secrets->new_keys[i];
        TRY(sym_kcv(c->sym, key, o->kcvs[i]));
        TRY(sym_cbc_encrypt(c->sym, span_of(parent.dek, KEY_LEN), zero_iv, key, o->values[i],
                            KEY_LEN));
    }
    return STATUS_OK;
}

static enum status answer_put_key(struct arena *arena, const create_item *in,
                                  const struct kind *kind, const struct outgoing *o,
                                  created_item *out)
{
    uint8_t data[PUT_KEY_DATA_MAX];
    struct writer w = writer_of(data, sizeof data);
    struct put_key put = {.kvn = (uint8_t)in->new_kvn, .n = kind->keys};

    for (size_t i = 0; i < kind->keys; i++) {
        put.blocks[i] = (struct put_key_block){kind->key_type, o->values[i], o->kcvs[i]};
    }
    put_key_put(&w, PUT_KEY_PSK_FORM, &put);
    TRY(writer_check(&w));
    TRY(answer_bytes(arena, &out->kcvs, span_of(o->kcvs, sizeof o->kcvs)));
    return answer_bytes(arena, &out->put_key, writer_span(&w));
}

static enum status put_contents(struct custodian *c, const struct kind *kind, struct writer *plain)
{
    const uint8_t(*keys)[KEY_LEN] = c->secrets->new_keys;
    if (kind->type == BLOB_SCP81) {
        return psk_put(plain, keys[0]);
    }
    return key_set_put(plain, &(struct key_set){.enc = keys[0], .mac = keys[1], .dek = keys[2]});
}

static enum status answer_set(struct custodian *c, struct arena *arena, const create_item *in,
                              const struct kind *kind, created_item *out)
{
    struct blob_scratch *scratch = &c->secrets->blob;
    const struct blob_header header = {
        .type = kind->type,
        .principal = in->principal,
        .eid = in->eid.data,
        .kvn = (uint8_t)in->new_kvn,
        .custody = {CUSTODY_NONE, CUSTODY_NONE, CUSTODY_NONE, CUSTODY_AT_MEMORY},
    };
    uint8_t blob[WIRE_KEY_SET_MAX];
    struct writer w = writer_of(blob, sizeof blob);

    blob_scratch_wipe(scratch);
    struct writer plain = writer_of(scratch->plain, sizeof scratch->plain);
    TRY(put_contents(c, kind, &plain));
    TRY(blob_seal(c->generations, c->sym, scratch, &header, plain.len, &w));
    TRY(leaf_of_blob(c, AUDIT_OP_KEY_SET_CREATE, in->principal, in->eid.data, header.kvn,
                     writer_span(&w)));
    return answer_bytes(arena, &out->new_key_set, writer_span(&w));
}

static enum status create(struct custodian *c, struct arena *arena, const create_item *in,
                          created_item *out)
{
    const struct kind *kind;
    struct outgoing o = {0};

    TRY(check(in, &kind));
    TRY(make_keys(c, in, kind, &o));
    TRY(answer_put_key(arena, in, kind, &o, out));
    return answer_set(c, arena, in, kind, out);
}

enum status key_set_create_batch(struct custodian *c, struct arena *arena,
                                 const Ecka__Custody__V1__KeySetCreate *in,
                                 Ecka__Custody__V1__KeySetCreateAnswer *out)
{
    for (size_t i = 0; i < in->n_items; i++) {
        enum status st = create(c, arena, in->items[i], out->items[i]);
        blob_scratch_wipe(&c->secrets->blob);
        secret_wipe(c->secrets->new_keys, sizeof c->secrets->new_keys);
        if (st != STATUS_OK) {
            *out->items[i] = (created_item)ECKA__CUSTODY__V1__KEY_SET_CREATED_ITEM__INIT;
        }
        out->items[i]->status = (uint32_t)st;
    }
    return STATUS_OK;
}
