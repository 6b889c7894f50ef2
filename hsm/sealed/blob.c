#include "hsm/sealed/blob.h"

#include <string.h>

#include "providers/core/secret.h"

static const uint8_t magic[4] = {'E', 'C', 'K', 'B'};
static const char blob_info[] = "eckad blob 1";

/* Tickets live shortly; everything else is stored, and hangs on the masters that never retire. */
static enum key_purpose master_of(enum blob_type type)
{
    return type == BLOB_TICKET ? KEY_TICKET : KEY_KEYSET;
}

void blob_scratch_wipe(struct blob_scratch *scratch)
{
    secret_wipe(scratch, sizeof *scratch);
}

static void header_put(struct writer *w, const struct blob_header *h, uint32_t generation)
{
    size_t principal_len = strlen(h->principal);

    put_bytes(w, magic, sizeof magic);
    put_u8(w, BLOB_VERSION);
    put_u8(w, (uint8_t)h->type);
    put_be(w, generation, 4);
    put_u8(w, (uint8_t)principal_len);
    put_bytes(w, h->principal, principal_len);
    put_bytes(w, h->eid, GP_EID_LEN);
    put_u8(w, h->kvn);
    put_bytes(w, h->custody, CUSTODY_BYTES);
}

static enum status derive_key_nonce(struct sym *sym, const struct generation *g,
                                    const uint8_t salt[static BLOB_SALT_LEN],
                                    struct blob_scratch *scratch)
{
    return sym_hkdf(sym, span_of(g->key, sizeof g->key), span_of(salt, BLOB_SALT_LEN),
                    span_of(blob_info, sizeof blob_info - 1), scratch->key_nonce,
                    sizeof scratch->key_nonce);
}

/* The synthetic salt of the header written so far and the contents. */
static enum status derive_salt(struct sym *sym, const struct generation *g,
                               struct blob_scratch *scratch, struct span header, size_t plain_len)
{
    struct writer w = writer_of(scratch->mac_input, sizeof scratch->mac_input);
    put_span(&w, header);
    put_bytes(&w, scratch->plain, plain_len);
    TRY(writer_check(&w));
    return sym_hmac_sha256(sym, span_of(g->salt_key, sizeof g->salt_key), writer_span(&w),
                           scratch->mac);
}

static enum status seal(const struct generations *g, struct sym *sym, struct blob_scratch *scratch,
                        const struct blob_header *h, size_t plain_len, struct writer *out)
{
    const struct generation *newest = generation_newest(g, master_of(h->type));
    if (newest == NULL) {
        return STATUS_BLOB_GENERATION;
    }
    if (strlen(h->principal) > WIRE_PRINCIPAL_MAX || plain_len > BLOB_PLAIN_MAX) {
        return STATUS_NO_SPACE;
    }
    uint8_t header[BLOB_HEADER_MAX];
    struct writer w = writer_of(header, sizeof header);
    header_put(&w, h, newest->number);
    TRY(derive_salt(sym, newest, scratch, writer_span(&w), plain_len));
    put_bytes(&w, scratch->mac, BLOB_SALT_LEN);
    TRY(writer_check(&w));
    TRY(derive_key_nonce(sym, newest, scratch->mac, scratch));

    if (out->overflow || out->cap - out->len < w.len + plain_len + SYM_GCM_TAG_LEN) {
        return STATUS_NO_SPACE;
    }
    uint8_t *ciphertext = out->ptr + out->len + w.len;
    TRY(sym_gcm_seal(sym, scratch->key_nonce, scratch->key_nonce + SYM_AES256_KEY_LEN,
                     writer_span(&w), span_of(scratch->plain, plain_len), ciphertext,
                     ciphertext + plain_len));
    put_span(out, writer_span(&w));
    out->len += plain_len + SYM_GCM_TAG_LEN;
    generation_used(g, newest);
    return STATUS_OK;
}

enum status blob_seal(const struct generations *g, struct sym *sym, struct blob_scratch *scratch,
                      const struct blob_header *header, size_t plain_len, struct writer *out)
{
    enum status st = seal(g, sym, scratch, header, plain_len, out);
    blob_scratch_wipe(scratch);
    return st;
}

struct parsed { /* views into a received blob */
    uint8_t type, kvn;
    uint32_t generation;
    struct span principal, eid, custody, salt, header, ciphertext, tag;
};

static enum status parse_fields(struct cursor *in, struct parsed *p)
{
    struct span s;
    uint8_t len;

    TRY(cursor_take(in, sizeof magic + 1, &s));
    if (memcmp(s.ptr, magic, sizeof magic) != 0 || s.ptr[sizeof magic] != BLOB_VERSION) {
        return STATUS_BLOB_MALFORMED;
    }
    TRY(cursor_u8(in, &p->type));
    TRY(cursor_take(in, 4, &s));
    p->generation = (uint32_t)load_be(s.ptr, 4);
    TRY(cursor_u8(in, &len));
    TRY(cursor_take(in, len, &p->principal));
    TRY(cursor_take(in, GP_EID_LEN, &p->eid));
    TRY(cursor_u8(in, &p->kvn));
    TRY(cursor_take(in, CUSTODY_BYTES, &p->custody));
    return cursor_take(in, BLOB_SALT_LEN, &p->salt);
}

static enum status parse(struct span blob, struct parsed *p)
{
    struct cursor in = cursor_of(blob);
    if (parse_fields(&in, p) != STATUS_OK || p->principal.len == 0 ||
        p->principal.len > WIRE_PRINCIPAL_MAX || p->type == 0 || p->type >= BLOB_TYPE_COUNT ||
        in.left < SYM_GCM_TAG_LEN || in.left - SYM_GCM_TAG_LEN > BLOB_PLAIN_MAX) {
        return STATUS_BLOB_MALFORMED;
    }
    p->header = span_of(blob.ptr, blob.len - in.left);
    p->ciphertext = span_of(in.ptr, in.left - SYM_GCM_TAG_LEN);
    p->tag = span_of(in.ptr + p->ciphertext.len, SYM_GCM_TAG_LEN);
    return STATUS_OK;
}

static enum status authenticate(const struct generations *g, struct sym *sym,
                                struct blob_scratch *scratch, const struct parsed *p)
{
    const struct generation *gen =
        generation_named(g, master_of((enum blob_type)p->type), p->generation);
    if (gen == NULL) {
        return STATUS_BLOB_GENERATION;
    }
    TRY(derive_key_nonce(sym, gen, p->salt.ptr, scratch));
    TRY(sym_gcm_open(sym, scratch->key_nonce, scratch->key_nonce + SYM_AES256_KEY_LEN, p->header,
                     p->ciphertext, p->tag.ptr, scratch->plain));
    generation_used(g, gen);
    return STATUS_OK;
}

static enum status compare(const struct parsed *p, unsigned types, const char *principal,
                           const uint8_t eid[static GP_EID_LEN])
{
    if ((types >> p->type & 1) == 0) {
        return STATUS_BLOB_TYPE;
    }
    if (!span_eq(p->principal, span_of(principal, strlen(principal)))) {
        return STATUS_BLOB_PRINCIPAL;
    }
    return span_eq(p->eid, span_of(eid, GP_EID_LEN)) ? STATUS_OK : STATUS_BLOB_EID;
}

enum status blob_open_any(const struct generations *g, struct sym *sym,
                          struct blob_scratch *scratch, unsigned types, const char *principal,
                          const uint8_t eid[static GP_EID_LEN], struct span blob,
                          struct blob_opened *out)
{
    struct parsed p;

    *out = (struct blob_opened){0};
    TRY(parse(blob, &p));
    enum status st = authenticate(g, sym, scratch, &p);
    if (st == STATUS_OK) {
        st = compare(&p, types, principal, eid);
    }
    if (st != STATUS_OK) {
        blob_scratch_wipe(scratch);
        return st;
    }
    out->type = (enum blob_type)p.type;
    out->kvn = p.kvn;
    memcpy(out->custody, p.custody.ptr, CUSTODY_BYTES);
    out->plain_len = p.ciphertext.len;
    return STATUS_OK;
}

enum status blob_open(const struct generations *g, struct sym *sym, struct blob_scratch *scratch,
                      enum blob_type type, const char *principal,
                      const uint8_t eid[static GP_EID_LEN], struct span blob, uint8_t *kvn,
                      size_t *plain_len)
{
    struct blob_opened opened;
    enum status st = blob_open_any(g, sym, scratch, 1U << type, principal, eid, blob, &opened);
    *kvn = opened.kvn;
    *plain_len = opened.plain_len;
    return st;
}
