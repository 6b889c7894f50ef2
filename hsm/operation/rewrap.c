/*
 * Rewrap: the keys of a set for another HSM, as AES-KWP (RFC 5649) under a KEK of the token, with a
 * manifest that the checkpoint key signs. Denied to everybody who has no grant for that KEK.
 *
 * The KEK works in the token alone: the keys become a session object there, are wrapped by
 * C_WrapKey and the object is destroyed. A use of the grant is on the disk and in the token before
 * any result leaves; when that fails, nothing leaves, and the uses stay counted.
 */
#include <string.h>

#include "hsm/custodian.h"
#include "hsm/log.h"
#include "hsm/operation/grants.h"
#include "hsm/operation/manifest.h"
#include "hsm/sealed/keyset.h"
#include "hsm/token/kek.h"

typedef Ecka__Custody__V1__RewrapItem rewrap_item;
typedef Ecka__Custody__V1__RewrappedItem rewrapped_item;

struct rewrap { /* what the items of a batch share */
    struct custodian *c;
    struct arena *arena;
    uint64_t now;
    struct grants grants;
    const struct token_key *kek; /* whose fingerprint this is */
    uint8_t kek_fingerprint[KEK_FINGERPRINT_LEN];
    const struct token_key *checkpoint;
};

struct opened_set { /* in the blob scratch */
    enum blob_type type;
    uint64_t counter;
    struct span keys;
};

static enum status open_set(struct custodian *c, const rewrap_item *in, struct opened_set *out)
{
    struct blob_scratch *scratch = &c->secrets->blob;
    struct blob_opened opened;
    struct key_set set;

    TRY(blob_open_any(c->generations, c->sym, scratch, BLOB_KEY_SETS, in->principal, in->eid.data,
                      span_of_field(&in->key_set), &opened));
    if (in->kvn != opened.kvn) {
        return STATUS_BLOB_KVN;
    }
    *out = (struct opened_set){.type = opened.type};
    const struct span plain = span_of(scratch->plain, opened.plain_len);
    if (opened.type == BLOB_SCP81) {
        const uint8_t *psk;
        TRY(psk_parse(plain, &psk));
        out->keys = span_of(psk, SYM_AES128_KEY_LEN);
        return STATUS_OK;
    }
    TRY(key_set_parse(plain, &set));
    out->counter = set.counter;
    out->keys = span_of(set.enc, 3 * SYM_AES128_KEY_LEN); /* ENC, MAC, DEK stand side by side */
    return STATUS_OK;
}

static enum status fingerprint(struct rewrap *r, const struct token_key *kek)
{
    if (r->kek != kek) {
        r->kek = NULL;
        TRY(kek_fingerprint(&r->c->token, kek->handle, r->kek_fingerprint));
        r->kek = kek;
    }
    return STATUS_OK;
}

/* The manifest, its signature, and all three into the answer. */
static enum status attest(struct rewrap *r, const rewrap_item *in, const struct grant *grant,
                          const struct opened_set *set, struct span wrapped, rewrapped_item *out)
{
    uint8_t text[WIRE_MANIFEST_MAX], digest[SHA256_LEN], signature[EC_SIGNATURE_LEN];
    struct writer w = writer_of(text, sizeof text);

    TRY(sym_sha256(r->c->sym, wrapped, digest));
    const struct manifest manifest = {
        .now = r->now,
        .grant = grant,
        .use = grant->used + 1,
        .kek = r->kek,
        .kek_fingerprint = r->kek_fingerprint,
        .checkpoint = r->checkpoint,
        .eid = in->eid.data,
        .kvn = (uint8_t)in->kvn,
        .type = set->type,
        .counter = set->counter,
        .keys = set->keys.len / SYM_AES128_KEY_LEN,
        .wrapped_sha256 = digest,
    };
    TRY(manifest_put(&w, &manifest));
    TRY(sym_sha256(r->c->sym, writer_span(&w), digest));
    TRY(keys_sign_checkpoint(&r->c->token, r->checkpoint, digest, signature));
    TRY(answer_bytes(r->arena, &out->wrapped, wrapped));
    TRY(answer_bytes(r->arena, &out->manifest, writer_span(&w)));
    return answer_bytes(r->arena, &out->signature, span_of(signature, sizeof signature));
}

static enum status rewrap(struct rewrap *r, const rewrap_item *in, rewrapped_item *out)
{
    struct custodian *c = r->c;
    struct grant *grant = grants_find(&r->grants, in->principal, in->kek_label);
    struct opened_set set;
    uint8_t wrapped[WIRE_WRAPPED_MAX];
    size_t len = sizeof wrapped;

    if (grant == NULL) { /* before anything else: who has none learns nothing here */
        return STATUS_DENIED;
    }
    const struct token_key *kek = keys_newest(&c->keys, KEY_KEK, in->kek_label);
    if (kek == NULL) {
        return STATUS_KEY_UNKNOWN;
    }
    if (grant->used >= grant->quota) {
        return STATUS_GRANT_EXHAUSTED;
    }
    if (r->checkpoint == NULL) {
        log_line("the token holds no checkpoint key to sign a manifest with");
        return STATUS_TOKEN_ERROR;
    }
    TRY(open_set(c, in, &set));
    TRY(fingerprint(r, kek));
    TRY(keys_kek_wrap(&c->token, kek, set.keys, wrapped, &len));
    TRY(attest(r, in, grant, &set, span_of(wrapped, len), out));
    grant->used++;
    grant->dirty = true;
    return STATUS_OK;
}

/* All items between the opened and the saved count; the status of the batch's count. */
static enum status rewrap_counted(struct rewrap *r, struct grant_uses *uses,
                                  const Ecka__Custody__V1__Rewrap *in,
                                  Ecka__Custody__V1__RewrapAnswer *out)
{
    struct custodian *c = r->c;
    CK_SESSION_HANDLE kept;
    bool any = false;

    TRY(grants_load(&c->token, &r->grants));
    TRY(grant_uses_open(uses, c->config->state_dir, c->token.label, &r->grants));
    for (size_t i = 0; i < in->n_items; i++) {
        enum status st = rewrap(r, in->items[i], out->items[i]);
        out->items[i]->status = (uint32_t)st;
        any = any || st == STATUS_OK;
        blob_scratch_wipe(&c->secrets->blob);
    }
    if (!any) {
        return STATUS_OK;
    }
    TRY(grant_uses_save(uses, &r->grants));
    TRY(token_write_begin(&c->token, &kept));
    enum status st = grants_mark(&c->token, &r->grants);
    token_write_end(&c->token, kept);
    return st;
}

/* The KEK was used, whether or not the use could be counted and the result leaves. */
static enum status tell(struct custodian *c, const rewrap_item *in, const rewrapped_item *out,
                        enum status counted)
{
    uint8_t digest[SHA256_LEN];
    TRY(sym_sha256(c->sym, span_of_field(&out->manifest), digest));
    leaf_of_use(c, AUDIT_OP_REWRAP, in->principal, in->eid.data, (int)in->kvn,
                keys_newest(&c->keys, KEY_KEK, in->kek_label), digest, counted);
    return STATUS_OK;
}

enum status rewrap_batch(struct custodian *c, struct arena *arena, uint64_t now,
                         const Ecka__Custody__V1__Rewrap *in, Ecka__Custody__V1__RewrapAnswer *out)
{
    struct rewrap r = {
        .c = c,
        .arena = arena,
        .now = now,
        .checkpoint = keys_newest(&c->keys, KEY_CHECKPOINT, NULL),
    };
    struct grant_uses uses = {.lock = -1};

    enum status counted = rewrap_counted(&r, &uses, in, out);
    grant_uses_close(&uses);
    for (size_t i = 0; i < in->n_items; i++) {
        enum status st = (enum status)out->items[i]->status;
        if (st == STATUS_OK) {
            TRY(tell(c, in->items[i], out->items[i], counted));
        }
        st = counted == STATUS_OK ? st : counted;
        if (st != STATUS_OK) {
            *out->items[i] = (rewrapped_item)ECKA__CUSTODY__V1__REWRAPPED_ITEM__INIT;
            out->items[i]->status = (uint32_t)st;
        }
    }
    return STATUS_OK;
}
