#include "smsr/pki/pki.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "smsr/files.h"
#include "smsr/hex.h"
#include "smsr/pki/pki_sgp26.h"
#include "smsr/pki/pki_x509.h"

enum { YAML_MAX = 2048, PEM_MAX = 2048 };

static const uint8_t SM_SR_ID[] = {0x88, 0x37, 0x0A}; /* 2.999.10: Beta's registered identifier */

/* Registered identifiers (OIDs 2.999.n, as in SGP.26's SubjectAltName) stand for tag 42's values.
 */
struct branch {
    enum curve curve;
    const char *name;
    uint8_t ci_id[3], eum_id[3];
};

static const struct branch branches[] = {
    {CURVE_P256, "p256", {0x88, 0x37, 0x01}, {0x88, 0x37, 0x05}},
    {CURVE_BRAINPOOLP256R1, "brainpool", {0x88, 0x37, 0x02}, {0x88, 0x37, 0x06}},
};
enum { BRANCHES = sizeof(branches) / sizeof(branches[0]) };

struct issuer { /* a CI or an EUM while the tree is being made */
    EVP_PKEY *key;
    uint8_t der[ISSUER_CERT_MAX];
    size_t der_len;
};

static const struct branch *branch_of(enum curve curve)
{
    for (size_t i = 0; i < BRANCHES; i++) {
        if (branches[i].curve == curve) {
            return &branches[i];
        }
    }
    return NULL;
}

enum status pki_sr_key_parse(const char *text, struct pki_sr_key *out)
{
    char name[32];
    size_t len;
    const char *colon = strchr(text, ':');
    memset(out, 0, sizeof(*out));
    if (colon == NULL || (size_t)(colon - text) >= sizeof(name)) {
        return STATUS_BAD_CURVE;
    }
    memcpy(name, text, (size_t)(colon - text));
    name[colon - text] = '\0';
    out->curve = curve_from_name(name);
    if (branch_of(out->curve) == NULL) {
        return STATUS_BAD_CURVE;
    }
    if (hex_decode(colon + 1, out->point, EC_POINT_LEN, &len) != STATUS_OK || len != EC_POINT_LEN ||
        out->point[0] != 0x04) {
        return STATUS_BAD_POINT;
    }
    return STATUS_OK;
}

/* -- making -- */

static enum status sgp26_issuer(struct issuer *out, const char *cert_hex, const char *key_hex)
{
    uint8_t scalar[EC_SCALAR_LEN], point[EC_POINT_LEN], ski[ISSUER_SKI_LEN];
    size_t len;
    TRY(hex_decode(cert_hex, out->der, sizeof(out->der), &out->der_len));
    TRY(hex_decode(key_hex, scalar, sizeof(scalar), &len));
    TRY(issuer_read_x509(span_of(out->der, out->der_len), point, ski));
    return issuer_import(CURVE_P256, scalar, point, &out->key);
}

static enum status own_issuers(struct issuer *ci, struct issuer *eum, enum curve curve)
{
    struct writer w = writer_of(ci->der, sizeof(ci->der));
    TRY(issuer_generate(curve, &ci->key));
    TRY(pki_x509_ci(ci->key, &w));
    ci->der_len = w.len;
    TRY(issuer_generate(curve, &eum->key));
    w = writer_of(eum->der, sizeof(eum->der));
    TRY(pki_x509_eum(eum->key, ci->key, span_of(ci->der, ci->der_len), &w));
    eum->der_len = w.len;
    return STATUS_OK;
}

static enum status make_issuers(const struct branch *b, struct issuer *ci, struct issuer *eum)
{
    if (b->curve == CURVE_P256) {
        TRY(sgp26_issuer(ci, sgp26_ci_cert, sgp26_ci_key));
        return sgp26_issuer(eum, sgp26_eum_cert, sgp26_eum_key);
    }
    return own_issuers(ci, eum, b->curve);
}

/* dir/prefix-branch[-n].suffix */
static enum status tree_path(char out[static PATH_TEXT_MAX], const char *dir, const char *prefix,
                             const struct branch *b, unsigned n, const char *suffix)
{
    char number[16] = "";
    if (n > 1) {
        (void)snprintf(number, sizeof(number), "-%u", n);
    }
    int len = snprintf(out, PATH_TEXT_MAX, "%s/%s-%s%s.%s", dir, prefix, b->name, number, suffix);
    return len > 0 && len < PATH_TEXT_MAX ? STATUS_OK : STATUS_NO_SPACE;
}

static enum status write_key(const char *path, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    enum status s = STATUS_INTERNAL;
    char *text;
    if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        long len = BIO_get_mem_data(bio, &text);
        s = file_write_new(path, 0600, span_of(text, (size_t)len));
    }
    BIO_free(bio);
    return s;
}

static enum status write_issuer(const char *dir, const char *role, const struct branch *b,
                                const struct issuer *issuer)
{
    char path[PATH_TEXT_MAX], sub[PATH_TEXT_MAX];
    TRY(path_join(sub, dir, "trust"));
    TRY(tree_path(path, sub, role, b, 1, "der"));
    TRY(file_write_new(path, 0644, span_of(issuer->der, issuer->der_len)));
    TRY(path_join(sub, dir, "pki"));
    TRY(tree_path(path, sub, role, b, 1, "pem"));
    return write_key(path, issuer->key);
}

static enum status write_cert_sr(const char *dir, const struct branch *b, const struct issuer *ci,
                                 const struct pki_sr_key *key, unsigned n)
{
    char path[PATH_TEXT_MAX], sub[PATH_TEXT_MAX];
    uint8_t cert[GP_CERT_MAX], ci_point[EC_POINT_LEN], ci_ski[ISSUER_SKI_LEN];
    uint8_t serial = (uint8_t)n;
    struct writer w = writer_of(cert, sizeof(cert));
    TRY(issuer_read_x509(span_of(ci->der, ci->der_len), ci_point, ci_ski));
    const struct gp_cert_fields fields = {
        .serial = span_of(&serial, 1),
        .ca_id = span_of(b->ci_id, sizeof(b->ci_id)),
        .subject = span_of(SM_SR_ID, sizeof(SM_SR_ID)),
        .key_usage = GP_KEY_USAGE_SIGN,
        .key_usage_len = 1,
        .effective = 20240101,
        .expiry = 20500101,
        .role = GP_ROLE_SM_SR,
        .authority_key_id = span_of(ci_ski, sizeof(ci_ski)),
        .curve_ref = curve_ref(key->curve),
        .point = span_of(key->point, EC_POINT_LEN),
    };
    TRY(issuer_certify(ci->key, &fields, &w));
    TRY(path_join(sub, dir, "sr-certs"));
    TRY(tree_path(path, sub, "sr", b, n, "der"));
    return file_write_new(path, 0644, writer_span(&w));
}

static enum status yaml_entry(struct writer *yaml, const char *role, const struct branch *b,
                              const struct issuer *issuer)
{
    uint8_t digest[SHA256_LEN];
    char line[256], hex[2 * SHA256_LEN + 1], id_hex[2 * sizeof(b->eum_id) + 1], ca_id[64] = "";
    TRY(issuer_sha256(span_of(issuer->der, issuer->der_len), digest));
    hex_encode(span_of(digest, sizeof(digest)), hex);
    if (strcmp(role, "eum") == 0) {
        hex_encode(span_of(b->eum_id, sizeof(b->eum_id)), id_hex);
        (void)snprintf(ca_id, sizeof(ca_id), ", ca_id: \"%s\"", id_hex);
    }
    int n = snprintf(line, sizeof(line), "    - { file: %s-%s.der, sha256: \"%s\"%s }\n", role,
                     b->name, hex, ca_id);
    if (n <= 0 || (size_t)n >= sizeof(line)) {
        return STATUS_NO_SPACE;
    }
    put_bytes(yaml, line, (size_t)n);
    return writer_check(yaml);
}

struct pki_tree {
    struct issuer ci[BRANCHES], eum[BRANCHES];
};

static enum status write_yaml(const char *dir, const struct pki_tree *tree)
{
    static const char head[] = "trust:\n  directory: trust\n  ci:\n";
    static const char middle[] = "  eum:\n";
    char path[PATH_TEXT_MAX];
    uint8_t text[YAML_MAX];
    struct writer yaml = writer_of(text, sizeof(text));
    put_bytes(&yaml, head, sizeof(head) - 1);
    for (size_t i = 0; i < BRANCHES; i++) {
        TRY(yaml_entry(&yaml, "ci", &branches[i], &tree->ci[i]));
    }
    put_bytes(&yaml, middle, sizeof(middle) - 1);
    for (size_t i = 0; i < BRANCHES; i++) {
        TRY(yaml_entry(&yaml, "eum", &branches[i], &tree->eum[i]));
    }
    TRY(writer_check(&yaml));
    TRY(path_join(path, dir, "trust.yaml"));
    return file_write_new(path, 0644, writer_span(&yaml));
}

static enum status make_dirs(const char *dir)
{
    static const struct {
        const char *name;
        mode_t mode;
    } subs[] = {{"trust", 0755}, {"sr-certs", 0755}, {"pki", 0700}};
    char path[PATH_TEXT_MAX];
    TRY(dir_make(dir, 0755));
    for (size_t i = 0; i < sizeof(subs) / sizeof(subs[0]); i++) {
        TRY(path_join(path, dir, subs[i].name));
        TRY(dir_make(path, subs[i].mode));
    }
    return STATUS_OK;
}

static enum status write_ks1_master(const char *dir)
{
    char path[PATH_TEXT_MAX], sub[PATH_TEXT_MAX];
    uint8_t master[KS1_MASTER_LEN];
    TRY(path_join(sub, dir, "pki"));
    TRY(path_join(path, sub, "ks1-master.key"));
    if (RAND_bytes(master, sizeof(master)) != 1) {
        return STATUS_INTERNAL;
    }
    enum status s = file_write_new(path, 0600, span_of(master, sizeof(master)));
    OPENSSL_cleanse(master, sizeof(master));
    return s;
}

static enum status write_tree(const char *dir, struct pki_tree *tree,
                              const struct pki_sr_key keys[], size_t count)
{
    TRY(make_dirs(dir));
    for (size_t i = 0; i < BRANCHES; i++) {
        unsigned n = 0;
        TRY(make_issuers(&branches[i], &tree->ci[i], &tree->eum[i]));
        TRY(write_issuer(dir, "ci", &branches[i], &tree->ci[i]));
        TRY(write_issuer(dir, "eum", &branches[i], &tree->eum[i]));
        for (size_t k = 0; k < count; k++) {
            if (keys[k].curve == branches[i].curve) {
                TRY(write_cert_sr(dir, &branches[i], &tree->ci[i], &keys[k], ++n));
            }
        }
    }
    TRY(write_ks1_master(dir));
    return write_yaml(dir, tree);
}

enum status pki_write(const char *dir, const struct pki_sr_key keys[], size_t count)
{
    struct pki_tree *tree = calloc(1, sizeof(*tree));
    if (tree == NULL) {
        return STATUS_INTERNAL;
    }
    enum status s = write_tree(dir, tree, keys, count);
    for (size_t i = 0; i < BRANCHES; i++) {
        EVP_PKEY_free(tree->ci[i].key);
        EVP_PKEY_free(tree->eum[i].key);
    }
    free(tree);
    return s;
}

/* -- loading -- */

static enum status read_key(const char *path, EVP_PKEY **out)
{
    uint8_t text[PEM_MAX];
    size_t len;
    TRY(file_read(path, text, sizeof(text), &len));
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    *out = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    OPENSSL_cleanse(text, sizeof(text));
    return *out != NULL ? STATUS_OK : STATUS_INTERNAL;
}

static enum status load_branch(const char *dir, const struct branch *b, struct pki *out)
{
    char path[PATH_TEXT_MAX], sub[PATH_TEXT_MAX];
    uint8_t der[ISSUER_CERT_MAX];
    size_t len;
    TRY(path_join(sub, dir, "trust"));
    TRY(tree_path(path, sub, "ci", b, 1, "der"));
    TRY(file_read(path, der, sizeof(der), &len));
    TRY(issuer_read_x509(span_of(der, len), out->ci_point, out->ci_ski));
    TRY(tree_path(path, sub, "eum", b, 1, "der"));
    TRY(file_read(path, der, sizeof(der), &len));
    TRY(issuer_read_x509(span_of(der, len), out->eum_point, out->eum_ski));
    issuer_eid_prefix(span_of(der, len), out->eid_prefix);
    TRY(issuer_sha256(span_of(der, len), out->eum_id));
    TRY(path_join(sub, dir, "pki"));
    TRY(tree_path(path, sub, "eum", b, 1, "pem"));
    TRY(read_key(path, &out->eum_key));
    TRY(path_join(path, sub, "ks1-master.key"));
    TRY(file_read(path, out->ks1_master, sizeof(out->ks1_master), &len));
    if (len != sizeof(out->ks1_master)) {
        return STATUS_BAD_LENGTH;
    }
    TRY(path_join(sub, dir, "sr-certs"));
    TRY(tree_path(path, sub, "sr", b, 1, "der"));
    TRY(file_read(path, out->cert_sr, sizeof(out->cert_sr), &out->cert_sr_len));
    return issuer_sha256(span_of(out->cert_sr, out->cert_sr_len), out->sr_key_id);
}

enum status pki_load(const char *dir, enum curve card_curve, struct pki *out)
{
    memset(out, 0, sizeof(*out));
    out->curve = card_curve == CURVE_FRP256V1 ? CURVE_P256 : card_curve;
    const struct branch *b = branch_of(out->curve);
    if (b == NULL) {
        return STATUS_BAD_CURVE;
    }
    memcpy(out->ca_id, b->eum_id, sizeof(b->eum_id));
    out->ca_id_len = sizeof(b->eum_id);
    enum status s = load_branch(dir, b, out);
    if (s != STATUS_OK) {
        pki_fini(out);
    }
    return s;
}

enum status pki_certify_sr(const char *dir, const struct pki *pki,
                           const uint8_t point[static EC_POINT_LEN], enum gp_cert_role role,
                           struct writer *out)
{
    static const uint8_t serial[] = {0x7F}, subject[] = {0x88, 0x37, 0x63}; /* 2.999.99 */
    char path[PATH_TEXT_MAX], sub[PATH_TEXT_MAX];
    EVP_PKEY *ci_key = NULL;
    const struct branch *b = branch_of(pki->curve);
    const struct gp_cert_fields fields = {
        .serial = span_of(serial, sizeof(serial)),
        .ca_id = span_of(b->ci_id, sizeof(b->ci_id)),
        .subject = span_of(subject, sizeof(subject)),
        .key_usage = GP_KEY_USAGE_SIGN,
        .key_usage_len = 1,
        .effective = 20240101,
        .expiry = 20500101,
        .role = (uint8_t)role,
        .authority_key_id = span_of(pki->ci_ski, sizeof(pki->ci_ski)),
        .curve_ref = curve_ref(CURVE_P256),
        .point = span_of(point, EC_POINT_LEN),
    };
    TRY(path_join(sub, dir, "pki"));
    TRY(tree_path(path, sub, "ci", b, 1, "pem"));
    TRY(read_key(path, &ci_key));
    enum status s = issuer_certify(ci_key, &fields, out);
    EVP_PKEY_free(ci_key);
    return s;
}

void pki_fini(struct pki *pki)
{
    EVP_PKEY_free(pki->eum_key);
    memset(pki, 0, sizeof(*pki));
}
