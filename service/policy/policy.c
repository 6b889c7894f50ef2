/*
 * The schema of policy.yaml, its loading and its look-ups; what the values must satisfy beyond
 * their type stands in policy_check.c.
 */
#include "service/policy/policy.h"

#include <assert.h>
#include <cyaml/cyaml.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/policy/policy_check.h"
#include "service/yaml.h"

enum {
    ANY_LENGTH = CYAML_UNLIMITED,
    FILE_MAX = 64 << 20, /* several times a file of all that the limits allow */
};

/* -- the schema -- */

static const cyaml_schema_value_t string_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, ANY_LENGTH),
};

static const cyaml_schema_field_t ci_fields[] = {
    CYAML_FIELD_STRING_PTR("file", CYAML_FLAG_POINTER, struct trust_ci_pin, file, 1, ANY_LENGTH),
    CYAML_FIELD_STRING_PTR("sha256", CYAML_FLAG_POINTER, struct trust_ci_pin, sha256_hex, 1,
                           ANY_LENGTH),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t ci_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct trust_ci_pin, ci_fields),
};

static const cyaml_schema_field_t eum_fields[] = {
    CYAML_FIELD_STRING_PTR("file", CYAML_FLAG_POINTER, struct trust_eum_pin, file, 1, ANY_LENGTH),
    CYAML_FIELD_STRING_PTR("sha256", CYAML_FLAG_POINTER, struct trust_eum_pin, sha256_hex, 1,
                           ANY_LENGTH),
    CYAML_FIELD_STRING_PTR("ca_id", CYAML_FLAG_POINTER, struct trust_eum_pin, ca_id_hex, 1,
                           ANY_LENGTH),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t eum_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct trust_eum_pin, eum_fields),
};

static const cyaml_schema_field_t trust_fields[] = {
    CYAML_FIELD_STRING_PTR("directory", CYAML_FLAG_POINTER, struct trust_pins, directory, 1,
                           ANY_LENGTH),
    CYAML_FIELD_SEQUENCE("ci", CYAML_FLAG_POINTER, struct trust_pins, ci, &ci_value, 0,
                         TRUST_CERTS_MAX),
    CYAML_FIELD_SEQUENCE("eum", CYAML_FLAG_POINTER, struct trust_pins, eum, &eum_value, 0,
                         TRUST_CERTS_MAX),
    CYAML_FIELD_END,
};

/* Every operation that has items. */
#define QUOTA(name, op)                                                                            \
    CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct policy_quotas,   \
                           text[ECKA__V1__REQUEST__OP_##op - POLICY_FIRST_OP], 1, ANY_LENGTH)

static const cyaml_schema_field_t quota_fields[] = {
    QUOTA("Verify", VERIFY),
    QUOTA("VerifyChain", VERIFY_CHAIN),
    QUOTA("Establish", ESTABLISH),
    QUOTA("Confirm", CONFIRM),
    QUOTA("Scp80Wrap", SCP80_WRAP),
    QUOTA("Scp80Unwrap", SCP80_UNWRAP),
    QUOTA("Sign", SIGN),
    QUOTA("Agree", AGREE),
    QUOTA("KeySetCreate", KEY_SET_CREATE),
    QUOTA("Scp03Open", SCP03_OPEN),
    QUOTA("Scp03Wrap", SCP03_WRAP),
    QUOTA("Scp03Unwrap", SCP03_UNWRAP),
    QUOTA("Reseal", RESEAL),
    QUOTA("Rewrap", REWRAP),
    CYAML_FIELD_END,
};

static const cyaml_strval_t custody_names[] = {
    {"memory", POLICY_CUSTODY_MEMORY},
    {"token", POLICY_CUSTODY_TOKEN},
};

#define STRINGS(name, structure, min, max)                                                         \
    CYAML_FIELD_SEQUENCE(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, name,         \
                         &string_value, min, max)

static const cyaml_schema_field_t principal_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct policy_principal, name, 1,
                           ANY_LENGTH),
    CYAML_FIELD_SEQUENCE("keys", CYAML_FLAG_POINTER, struct policy_principal, keys_z85,
                         &string_value, 1, POLICY_KEYS_MAX),
    CYAML_FIELD_SEQUENCE("operations", CYAML_FLAG_POINTER, struct policy_principal, operations,
                         &string_value, 0, ANY_LENGTH),
    STRINGS(sign_keys, struct policy_principal, 0, POLICY_LABELS_MAX),
    STRINGS(keks, struct policy_principal, 0, POLICY_LABELS_MAX),
    STRINGS(eids, struct policy_principal, 1, POLICY_EIDS_MAX),
    CYAML_FIELD_FLAGS("custody", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct policy_principal,
                      custody, custody_names, CYAML_ARRAY_LEN(custody_names)),
    CYAML_FIELD_MAPPING("quotas", CYAML_FLAG_OPTIONAL, struct policy_principal, quotas,
                        quota_fields),
    CYAML_FIELD_UINT("share", CYAML_FLAG_OPTIONAL, struct policy_principal, share),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t principal_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct policy_principal, principal_fields),
};

static const cyaml_schema_field_t blocked_fields[] = {
    STRINGS(eums, struct policy_blocked, 0, POLICY_BLOCKED_MAX),
    STRINGS(eids, struct policy_blocked, 0, POLICY_BLOCKED_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t policy_fields[] = {
    CYAML_FIELD_MAPPING("trust", CYAML_FLAG_DEFAULT, struct policy, pins, trust_fields),
    CYAML_FIELD_SEQUENCE("principals", CYAML_FLAG_POINTER, struct policy, principals,
                         &principal_value, 1, POLICY_PRINCIPALS_MAX),
    CYAML_FIELD_MAPPING("blocked", CYAML_FLAG_OPTIONAL, struct policy, blocked, blocked_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t policy_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct policy, policy_fields),
};

/* -- loading -- */

static void policy_free(struct policy *policy)
{
    for (unsigned p = 0; p < policy->principals_count; p++) {
        eid_set_fini(&policy->principals[p].eid_set);
    }
    eid_set_fini(&policy->blocked.eid_set);
    free(policy->blocked.eum_ids);
    trust_free(&policy->trust);
    free(policy->keys);
    yaml_free(&policy_value, policy);
}

static uint8_t *read_file(const char *path, size_t *len)
{
    struct stat sb;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = NULL;
    ssize_t n = -1;
    if (fd >= 0 && fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) && sb.st_size <= FILE_MAX) {
        bytes = malloc((size_t)sb.st_size + 1);
        n = bytes == NULL ? -1 : read(fd, bytes, (size_t)sb.st_size + 1);
    }
    if (n < 0 || n != sb.st_size) { /* also one that grows meanwhile */
        free(bytes);
        bytes = NULL;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    *len = n < 0 ? 0 : (size_t)n;
    return bytes;
}

/* The policy, and the hash of the very bytes that it was made from. */
static enum status parse_file(const char *path, struct policy **out,
                              char error[static CONFIG_ERROR_MAX])
{
    uint8_t sha256[TRUST_ID_LEN];
    void *loaded = NULL;
    size_t len;
    uint8_t *bytes = read_file(path, &len);
    if (bytes == NULL) { /* says what is wrong with it */
        (void)snprintf(error, CONFIG_ERROR_MAX, "%.200s: Could not open file", path);
        return STATUS_BAD_REQUEST;
    }
    enum status s = yaml_parse(path, bytes, len, &policy_value, &loaded, error);
    if (s == STATUS_OK && EVP_Digest(bytes, len, sha256, NULL, EVP_sha256(), NULL) != 1) {
        yaml_free(&policy_value, loaded);
        s = STATUS_INTERNAL;
    }
    free(bytes);
    TRY(s);
    *out = loaded;
    memcpy((*out)->sha256, sha256, sizeof(sha256));
    return STATUS_OK;
}

enum status policy_load(const char *path, struct policy **out, char error[static CONFIG_ERROR_MAX])
{
    struct policy *policy;
    *out = NULL;
    TRY(parse_file(path, &policy, error));
    enum status s = policy_check(policy, path, error);
    if (s == STATUS_OK) {
        s = trust_pins_digest(&policy->pins, policy->trust_sha256);
    }
    if (s == STATUS_OK) {
        s = trust_load(&policy->pins, &policy->trust, error);
    }
    if (s != STATUS_OK) {
        policy_free(policy);
        return s;
    }
    for (unsigned i = 0; i < policy->blocked.eums_count; i++) {
        trust_block(policy->trust, policy->blocked.eum_ids[i]);
    }
    policy->holds = 1;
    *out = policy;
    return STATUS_OK;
}

struct policy *policy_hold(struct policy *policy)
{
    policy->holds++;
    return policy;
}

void policy_drop(struct policy **policy)
{
    if (*policy != NULL) {
        assert((*policy)->holds > 0);
        if (--(*policy)->holds == 0) {
            policy_free(*policy);
        }
    }
    *policy = NULL;
}

/* -- look-ups -- */

static int by_text(const void *key, const void *entry)
{
    return memcmp(key, ((const struct policy_key *)entry)->z85, KEYFILE_Z85_LEN);
}

struct policy_principal *policy_of_key(const struct policy *policy,
                                       const char key[static KEYFILE_Z85_LEN])
{
    const struct policy_key *found =
        bsearch(key, policy->keys, policy->key_count, sizeof(*policy->keys), by_text);
    return found != NULL ? found->principal : NULL;
}

struct policy_principal *policy_of_name(const struct policy *policy, const char *name)
{
    for (unsigned p = 0; p < policy->principals_count; p++) {
        if (strcmp(policy->principals[p].name, name) == 0) {
            return &policy->principals[p];
        }
    }
    return NULL;
}
