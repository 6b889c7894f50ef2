#include "service/policy/policy_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/custody/custody.h"
#include "service/check.h"
#include "service/policy/authz.h"

/* -- whom eckad believes -- */

/* A trusted file stands in the trust directory itself. */
static enum status check_trust_file(const struct check *c, const char *field, unsigned index,
                                    const char *file)
{
    if (strchr(file, '/') != NULL || strcmp(file, "..") == 0) {
        return check_refuse(c, "%s: file of entry %u must be a name without a directory", field,
                            index + 1);
    }
    return STATUS_OK;
}

static enum status check_trust(const struct check *c, struct trust_pins *trust)
{
    size_t len;
    TRY(check_absolute(c, &trust->directory));
    for (unsigned i = 0; i < trust->ci_count; i++) {
        struct trust_ci_pin *ci = &trust->ci[i];
        TRY(check_trust_file(c, "trust.ci", i, ci->file));
        TRY(check_hex(c, "trust.ci: sha256", i, ci->sha256_hex, ci->sha256, TRUST_ID_LEN,
                      TRUST_ID_LEN, &len));
    }
    for (unsigned i = 0; i < trust->eum_count; i++) {
        struct trust_eum_pin *eum = &trust->eum[i];
        TRY(check_trust_file(c, "trust.eum", i, eum->file));
        TRY(check_hex(c, "trust.eum: sha256", i, eum->sha256_hex, eum->sha256, TRUST_ID_LEN,
                      TRUST_ID_LEN, &len));
        TRY(check_hex(c, "trust.eum: ca_id", i, eum->ca_id_hex, eum->ca_id, 1, TRUST_CA_ID_MAX,
                      &eum->ca_id_len));
        for (unsigned j = 0; j < i; j++) {
            if (memcmp(trust->eum[j].sha256, eum->sha256, TRUST_ID_LEN) == 0) {
                return check_refuse(c, "trust.eum: entries %u and %u pin the same file", j + 1,
                                    i + 1);
            }
        }
    }
    return STATUS_OK;
}

/* -- who may do what -- */

static int by_text(const void *a, const void *b)
{
    return memcmp(((const struct policy_key *)a)->z85, ((const struct policy_key *)b)->z85,
                  KEYFILE_Z85_LEN);
}

static enum status check_keys(const struct check *c, struct policy *policy,
                              struct policy_principal *principal)
{
    for (unsigned k = 0; k < principal->keys_z85_count; k++) {
        uint8_t key[CURVE_KEY_LEN];
        if (!keyfile_z85_decode(principal->keys_z85[k], key)) {
            return check_refuse(c, "principals: key %u of %s is not %d characters of Z85", k + 1,
                                principal->name, KEYFILE_Z85_LEN);
        }
        for (size_t i = 0; i < policy->key_count; i++) {
            if (strcmp(policy->keys[i].z85, principal->keys_z85[k]) == 0) {
                return check_refuse(c, "principals: key %u of %s is given twice", k + 1,
                                    principal->name);
            }
        }
        policy->keys[policy->key_count++] = (struct policy_key){principal->keys_z85[k], principal};
    }
    return STATUS_OK;
}

static enum status check_operations(const struct check *c, struct policy_principal *principal)
{
    for (unsigned o = 0; o < principal->operations_count; o++) {
        enum wire_op op = wire_op_from_name(principal->operations[o]);
        if (op == WIRE_OP_NONE) {
            return check_refuse(c, "principals: operations of %s: no operation is called %.40s",
                                principal->name, principal->operations[o]);
        }
        principal->granted |= authz_bit(op);
    }
    return STATUS_OK;
}

static bool label_valid(const char *label)
{
    size_t len = strlen(label);
    for (size_t i = 0; i < len; i++) {
        if (label[i] < ' ' || label[i] > '~') {
            return false;
        }
    }
    return len >= 1 && len <= WIRE_LABEL_MAX;
}

/* Any label of a token key may stand here; what a key is good for is the custodian's to know. */
static enum status check_labels(const struct check *c, const char *field, const char *name,
                                char *const labels[], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!label_valid(labels[i])) {
            return check_refuse(c,
                                "principals: %s of %s: entry %u must be 1 to %d printable "
                                "characters",
                                field, name, i + 1, WIRE_LABEL_MAX);
        }
    }
    return STATUS_OK;
}

static enum status check_eids(const struct check *c, const char *field, char *const prefixes[],
                              unsigned count, struct eid_set *out)
{
    for (unsigned i = 0; i < count; i++) {
        if (!eid_prefix_valid(prefixes[i])) {
            return check_refuse(c, "%s: entry %u must be 1 to %d decimal digits", field, i + 1,
                                EID_DIGITS);
        }
    }
    return eid_set_init(out, prefixes, count) == STATUS_OK ? STATUS_OK
                                                           : check_refuse(c, "out of memory");
}

static enum status check_quotas(const struct check *c, struct policy_principal *principal)
{
    for (unsigned o = 0; o < POLICY_OPS; o++) {
        const char *text = principal->quotas.text[o];
        if (text != NULL && !quota_parse(text, &principal->rates[o])) {
            return check_refuse(c,
                                "principals: quotas of %s: %s is %.40s, it must be 1 to %d items "
                                "/s, /min, /h or /d",
                                principal->name, wire_op_name((enum wire_op)(POLICY_FIRST_OP + o)),
                                text, QUOTA_ITEMS_MAX);
        }
    }
    return STATUS_OK;
}

static enum status check_principal(const struct check *c, struct policy *policy, unsigned p)
{
    struct policy_principal *principal = &policy->principals[p];
    if (!principal_valid(principal->name)) {
        return check_refuse(c, "principals entry %u: name must be 1 to %d of [a-z0-9._-]", p + 1,
                            WIRE_PRINCIPAL_MAX);
    }
    if (policy_of_name(policy, principal->name) != principal) {
        return check_refuse(c, "principals: the name %s is given twice", principal->name);
    }
    TRY(check_keys(c, policy, principal));
    TRY(check_operations(c, principal));
    TRY(check_labels(c, "sign_keys", principal->name, principal->sign_keys,
                     principal->sign_keys_count));
    TRY(check_labels(c, "keks", principal->name, principal->keks, principal->keks_count));
    char field[sizeof("principals: eids of ") + WIRE_PRINCIPAL_MAX];
    (void)snprintf(field, sizeof(field), "principals: eids of %s", principal->name);
    TRY(check_eids(c, field, principal->eids, principal->eids_count, &principal->eid_set));
    TRY(check_quotas(c, principal));
    return check_range(c, "share of a principal", principal->share, 0, 100);
}

static enum status check_blocked(const struct check *c, struct policy_blocked *blocked)
{
    size_t len;
    blocked->eum_ids = calloc(blocked->eums_count + 1u, sizeof(*blocked->eum_ids));
    if (blocked->eum_ids == NULL) {
        return check_refuse(c, "out of memory");
    }
    for (unsigned i = 0; i < blocked->eums_count; i++) {
        TRY(check_hex(c, "blocked.eums", i, blocked->eums[i], blocked->eum_ids[i], TRUST_ID_LEN,
                      TRUST_ID_LEN, &len));
    }
    return check_eids(c, "blocked.eids", blocked->eids, blocked->eids_count, &blocked->eid_set);
}

enum status policy_check(struct policy *policy, const char *path,
                         char error[static CONFIG_ERROR_MAX])
{
    struct check c;
    TRY(check_begin(&c, path, error));
    policy->keys =
        calloc((size_t)policy->principals_count * POLICY_KEYS_MAX, sizeof(*policy->keys));
    if (policy->keys == NULL) {
        return check_refuse(&c, "out of memory");
    }
    TRY(check_trust(&c, &policy->pins));
    for (unsigned p = 0; p < policy->principals_count; p++) {
        TRY(check_principal(&c, policy, p));
    }
    qsort(policy->keys, policy->key_count, sizeof(*policy->keys), by_text);
    return check_blocked(&c, &policy->blocked);
}
