#include "service/policy/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "providers/provider.h"
#include "service/observe/log.h"
#include "service/policy/trust_x509.h"

enum { CERT_FILE_MAX = WIRE_EUM_MAX };

struct cert_file {
    uint8_t der[CERT_FILE_MAX];
    size_t len;
};

static enum status read_file(const char *directory, const char *name, struct cert_file *out,
                             char error[static CONFIG_ERROR_MAX])
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = n > 0 && (size_t)n < sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
    if (fd < 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "trust: %.200s/%.100s: %s", directory, name,
                       strerror(errno));
        return STATUS_BAD_REQUEST;
    }
    ssize_t len = read(fd, out->der, sizeof(out->der));
    uint8_t more;
    bool whole = len >= 0 && read(fd, &more, 1) == 0;
    (void)close(fd);
    if (!whole) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "trust: %.200s/%.100s cannot be read or exceeds %d bytes", directory, name,
                       CERT_FILE_MAX);
        return STATUS_BAD_REQUEST;
    }
    out->len = (size_t)len;
    return STATUS_OK;
}

/* Reads a file and holds it against its pin. */
static enum status read_pinned(const char *directory, const char *name,
                               const uint8_t sha256[static TRUST_ID_LEN], struct cert_file *out,
                               char error[static CONFIG_ERROR_MAX])
{
    uint8_t digest[TRUST_ID_LEN];
    TRY(read_file(directory, name, out, error));
    if (EVP_Digest(out->der, out->len, digest, NULL, EVP_sha256(), NULL) != 1) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "trust: libcrypto has no SHA-256");
        return STATUS_INTERNAL;
    }
    if (memcmp(digest, sha256, sizeof(digest)) != 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "trust: %.200s/%.100s is not the file whose sha256 the policy pins",
                       directory, name);
        return STATUS_BAD_REQUEST;
    }
    return STATUS_OK;
}

static enum status load_cis(const struct trust_pins *pins, struct trust_ci *cis[],
                            struct trust *trust, char error[static CONFIG_ERROR_MAX])
{
    struct cert_file file;
    for (unsigned i = 0; i < pins->ci_count; i++) {
        const struct trust_ci_pin *c = &pins->ci[i];
        TRY(read_pinned(pins->directory, c->file, c->sha256, &file, error));
        const char *complaint = NULL;
        if (trust_ci_new(span_of(file.der, file.len), &cis[i], &complaint) != STATUS_OK) {
            (void)snprintf(error, CONFIG_ERROR_MAX, "trust: the CI certificate %.100s %s", c->file,
                           complaint);
            return STATUS_BAD_REQUEST;
        }
        trust->cis[trust->ci_count++] = *trust_ci_key(cis[i]);
    }
    return STATUS_OK;
}

static enum status load_eums(const struct trust_pins *pins, struct trust_ci *const cis[],
                             struct trust *trust, char error[static CONFIG_ERROR_MAX])
{
    struct cert_file file;
    for (unsigned i = 0; i < pins->eum_count; i++) {
        const struct trust_eum_pin *c = &pins->eum[i];
        TRY(read_pinned(pins->directory, c->file, c->sha256, &file, error));
        struct trust_eum eum = {0};
        eum.status = trust_eum_judge(span_of(file.der, file.len), pins->ci_count, cis, &eum);
        if (eum.status != STATUS_OK) {
            LOG_ABOUT(EUM_REFUSED, c->file, "trust: EUM %s is refused: %s", c->file,
                      status_meaning(eum.status));
            eum = (struct trust_eum){.status = eum.status};
        }
        memcpy(eum.id, c->sha256, sizeof(eum.id));
        memcpy(eum.der, file.der, file.len);
        eum.der_len = file.len;
        memcpy(eum.ca_id, c->ca_id, c->ca_id_len);
        eum.ca_id_len = c->ca_id_len;
        trust->eums[trust->eum_count++] = eum;
    }
    return STATUS_OK;
}

enum status trust_load(const struct trust_pins *pins, struct trust **out,
                       char error[static CONFIG_ERROR_MAX])
{
    *out = NULL;
    enum status s = STATUS_INTERNAL;
    struct trust *trust = calloc(1, sizeof(*trust));
    struct trust_ci **cis = calloc(pins->ci_count + 1u, sizeof(struct trust_ci *));
    if (trust != NULL) {
        trust->eums = calloc(pins->eum_count + 1u, sizeof(*trust->eums));
        trust->cis = calloc(pins->ci_count + 1u, sizeof(*trust->cis));
    }
    if (trust == NULL || cis == NULL || trust->eums == NULL || trust->cis == NULL) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "trust: out of memory");
        goto done;
    }
    s = load_cis(pins, cis, trust, error);
    if (s == STATUS_OK) {
        s = load_eums(pins, cis, trust, error);
    }
    if (s == STATUS_OK) {
        trust_index(trust);
        *out = trust;
        trust = NULL;
    }
done:
    for (unsigned i = 0; cis != NULL && i < pins->ci_count; i++) {
        trust_ci_free(&cis[i]);
    }
    free(cis);
    trust_free(&trust);
    return s;
}

void trust_free(struct trust **trust)
{
    if (*trust != NULL) {
        free((*trust)->eums);
        free((*trust)->cis);
        free(*trust);
    }
    *trust = NULL;
}

static void pin_key(const char *whose, enum curve curve, const uint8_t point[static GP_POINT_LEN])
{
    enum status s = provider_pin_key(curve, point);
    if (s != STATUS_OK) {
        LOG_ABOUT(KEY_WITHOUT_TABLE, whose, "trust: the key of %s gets no table: %s", whose,
                  status_meaning(s));
    }
}

void trust_pin_keys(const struct trust *trust)
{
    for (size_t i = 0; i < trust->ci_count; i++) {
        pin_key("a CI", trust->cis[i].curve, trust->cis[i].point);
    }
    for (size_t i = 0; i < trust->eum_count; i++) {
        if (trust->eums[i].status == STATUS_OK) {
            pin_key("an EUM", trust->eums[i].curve, trust->eums[i].point);
        }
    }
}

/* -- look-ups: open addressing, from the slot that the key's last bytes name -- */

_Static_assert(TRUST_SLOTS >= 4 * TRUST_CERTS_MAX, "slots are mostly empty");

/* An id ends in a hash, a certificate in a signature: as good as random. */
static size_t first_slot(struct span key)
{
    return key.len < 2 ? 0 : (size_t)load_be(key.ptr + key.len - 2, 2) % TRUST_SLOTS;
}

static void put_slot(uint16_t slots[static TRUST_SLOTS], struct span key, size_t i)
{
    size_t slot = first_slot(key);
    while (slots[slot] != 0) {
        slot = (slot + 1) % TRUST_SLOTS;
    }
    slots[slot] = (uint16_t)(i + 1);
}

static struct span id_of(const struct trust_eum *eum)
{
    return span_of(eum->id, sizeof(eum->id));
}

static struct span der_of(const struct trust_eum *eum)
{
    return span_of(eum->der, eum->der_len);
}

void trust_index(struct trust *trust)
{
    for (size_t i = 0; i < trust->eum_count; i++) {
        put_slot(trust->by_id, id_of(&trust->eums[i]), i);
        put_slot(trust->by_der, der_of(&trust->eums[i]), i);
    }
}

static const struct trust_eum *look_up(const struct trust *trust,
                                       const uint16_t slots[static TRUST_SLOTS], struct span key,
                                       struct span (*key_of)(const struct trust_eum *eum))
{
    for (size_t slot = first_slot(key); slots[slot] != 0; slot = (slot + 1) % TRUST_SLOTS) {
        const struct trust_eum *eum = &trust->eums[slots[slot] - 1];
        if (span_eq(key_of(eum), key)) {
            return eum;
        }
    }
    return NULL;
}

const struct trust_eum *trust_find(const struct trust *trust, const uint8_t id[static TRUST_ID_LEN])
{
    return look_up(trust, trust->by_id, span_of(id, TRUST_ID_LEN), id_of);
}

const struct trust_eum *trust_find_der(const struct trust *trust, struct span der)
{
    return look_up(trust, trust->by_der, der, der_of);
}

const struct trust_eum *trust_find_any(const struct trust *trust, struct span eum)
{
    return eum.len == TRUST_ID_LEN ? trust_find(trust, eum.ptr) : trust_find_der(trust, eum);
}

/* Calendar days in UTC, as the dates of a 7F21 count them. */
static uint32_t day_of(int64_t now_s)
{
    struct tm tm;
    time_t t = (time_t)now_s;
    if (gmtime_r(&t, &tm) == NULL) {
        return 0;
    }
    enum { YEAR = 10000, MONTH = 100, TM_YEAR_BASE = 1900 };
    return (uint32_t)(tm.tm_year + TM_YEAR_BASE) * YEAR + (uint32_t)(tm.tm_mon + 1) * MONTH +
           (uint32_t)tm.tm_mday;
}

static bool eid_in_prefix(const struct trust_eum *eum, struct span eid)
{
    char digits[TRUST_EID_DIGITS];
    for (size_t i = 0; i < TRUST_EID_DIGITS; i++) {
        digits[i] = (char)('0' + (i % 2 == 0 ? eid.ptr[i / 2] >> 4 : eid.ptr[i / 2] & 0xF));
    }
    for (size_t i = 0; i < eum->prefix_count; i++) {
        if (memcmp(digits, eum->prefixes[i], strlen(eum->prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static enum status check_eum_dates(const struct trust_eum *eum, int64_t now_s)
{
    if (now_s < eum->validity.not_before) {
        return STATUS_EUM_NOT_YET_VALID;
    }
    return now_s > eum->validity.not_after ? STATUS_EUM_EXPIRED : STATUS_OK;
}

static enum status check_fields(const struct trust_eum *eum, const struct gp_cert *cert,
                                struct span eid, uint32_t today)
{
    if (cert->key_usage != GP_KEY_USAGE_AGREEMENT || cert->key_usage_len != 2) {
        return STATUS_CERT_KEY_USAGE;
    }
    if (curve_from_ref(cert->curve_ref) == CURVE_NONE) {
        return STATUS_CERT_CURVE;
    }
    if (!span_eq(cert->ca_id, span_of(eum->ca_id, eum->ca_id_len))) {
        return STATUS_CERT_CA_ID;
    }
    if (cert->authority_key_id.len != 0 &&
        !span_eq(cert->authority_key_id, span_of(eum->ski, eum->ski_len))) {
        return STATUS_CERT_AUTHORITY_KEY_ID;
    }
    if (TRUST_SUBJECT_IS_EID && !span_eq(cert->subject, eid)) {
        return STATUS_CERT_SUBJECT;
    }
    if (!eid_in_prefix(eum, eid)) {
        return STATUS_EID_PREFIX;
    }
    if (cert->has_effective && today < cert->effective.yyyymmdd) {
        return STATUS_CERT_NOT_YET_VALID;
    }
    return today > cert->expiry.yyyymmdd ? STATUS_CERT_EXPIRED : STATUS_OK;
}

void trust_block(struct trust *trust, const uint8_t id[static TRUST_ID_LEN])
{
    for (size_t i = 0; i < trust->eum_count; i++) {
        if (memcmp(trust->eums[i].id, id, TRUST_ID_LEN) == 0) {
            trust->eums[i].status = STATUS_EUM_BLOCKED;
        }
    }
}

enum status trust_check_ecasd(const struct trust_eum *eum, struct span eid, struct span ecasd_cert,
                              int64_t now_s, struct trust_chain *out)
{
    struct gp_cert cert;
    *out = (struct trust_chain){0};
    if (!gp_eid_valid(eid)) {
        return STATUS_BAD_EID;
    }
    if (eum == NULL) {
        return STATUS_EUM_UNKNOWN;
    }
    TRY(eum->status);
    TRY(check_eum_dates(eum, now_s));
    TRY(gp_cert_parse(ecasd_cert, &cert));
    TRY(check_fields(eum, &cert, eid, day_of(now_s)));
    *out = (struct trust_chain){.eum = eum, .cert = cert, .curve = curve_from_ref(cert.curve_ref)};
    return STATUS_OK;
}

enum status trust_pins_digest(const struct trust_pins *pins, uint8_t out[static TRUST_ID_LEN])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    for (unsigned i = 0; ok && i < pins->ci_count; i++) {
        ok = EVP_DigestUpdate(ctx, pins->ci[i].sha256, TRUST_ID_LEN) == 1;
    }
    for (unsigned i = 0; ok && i < pins->eum_count; i++) {
        ok = EVP_DigestUpdate(ctx, pins->eum[i].sha256, TRUST_ID_LEN) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? STATUS_OK : STATUS_INTERNAL;
}
