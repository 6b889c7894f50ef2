#include "smsr/eis/eis_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "smsr/hex.h"

/* -- the structure as a table: one line a member -- */

enum kind { TEXT, HEX, OCTETS, CERT, U8, U32, U64, FLAG, NAMED, OBJECT, LIST };

struct shape;

struct member {
    const char *name;
    enum kind kind;
    size_t offset, size;    /* of the field; LIST: size of an element */
    const struct shape *in; /* OBJECT and LIST */
    size_t count_offset;    /* LIST and CERT: of the size_t with the length */
    size_t max;             /* LIST: elements; NAMED: names */
    const char *const *names;
};

struct shape {
    size_t count;
    const struct member *members;
};

#define OFFSET(s, f) offsetof(struct s, f)
#define SIZE(s, f)   sizeof(((struct s *)NULL)->f)
#define M(name, kind, s, f)                                                                        \
    {                                                                                              \
        name, kind, OFFSET(s, f), SIZE(s, f), NULL, 0, 0, NULL                                     \
    }
#define M_NAMED(name, s, f, n)                                                                     \
    {                                                                                              \
        name, NAMED, OFFSET(s, f), 1, NULL, 0, sizeof(n) / sizeof((n)[0]), n                       \
    }
#define M_OBJECT(name, s, f, i)                                                                    \
    {                                                                                              \
        name, OBJECT, OFFSET(s, f), SIZE(s, f), &(i), 0, 0, NULL                                   \
    }
#define M_HERE(name, i)                                                                            \
    {                                                                                              \
        name, OBJECT, 0, 0, &(i), 0, 0, NULL                                                       \
    }
#define M_LIST(name, s, f, c, i)                                                                   \
    {                                                                                              \
        name, LIST, OFFSET(s, f), SIZE(s, f[0]), &(i), OFFSET(s, c), SIZE(s, f) / SIZE(s, f[0]),   \
            NULL                                                                                   \
    }
#define SHAPE(m)                                                                                   \
    {                                                                                              \
        sizeof(m) / sizeof((m)[0]), m                                                              \
    }

static const char *const state_names[EIS_PROFILE_STATES] = {"Created", "Disabled", "Enabled"};
static const char *const action_names[EIS_RULE_ACTIONS] = {"ENABLE", "DISABLE", "DELETE"};
static const char *const effect_names[EIS_RULE_EFFECTS] = {"Not-Allowed", "Auto-Delete"};
static const char *const set_names[EIS_SET_TYPES] = {"SCP80", "SCP81", "SCP03"};

static const struct member capability_members[] = {
    M("cat-tp", FLAG, eis_capabilities, cat_tp),
    M("http", FLAG, eis_capabilities, http),
    M("secure-packet-version", TEXT, eis_capabilities, secure_packet),
    M("remote-provisioning-version", TEXT, eis_capabilities, remote_provisioning),
};
static const struct shape capability_shape = SHAPE(capability_members);

static const struct member ecasd_members[] = {
    {"ca-certificate", CERT, OFFSET(eis_signed, ecasd_cert), SIZE(eis_signed, ecasd_cert), NULL,
     OFFSET(eis_signed, ecasd_cert_len), 0, NULL},
};
static const struct shape ecasd_shape = SHAPE(ecasd_members);

static const struct member signed_members[] = {
    M("eid", HEX, eis_signed, eid),
    M("eum-certificate-id", HEX, eis_signed, eum_id),
    M("production-date", U32, eis_signed, production_date),
    M("platform-type", TEXT, eis_signed, platform),
    M("platform-version", TEXT, eis_signed, platform_version),
    M("isd-p-load-file-aid", HEX, eis_signed, isdp_load_file_aid),
    M("isd-p-module-aid", HEX, eis_signed, isdp_module_aid),
    M_HERE("ecasd", ecasd_shape),
    M_OBJECT("euicc-capabilities", eis_signed, capabilities, capability_shape),
};
static const struct shape signed_shape = SHAPE(signed_members);

static const struct member key_members[] = {
    M("index", U8, eis_key, index),
    M("kcv", OCTETS, eis_key, kcv),
};
static const struct shape key_shape = SHAPE(key_members);

static const struct member key_set_members[] = {
    M("version", U8, eis_key_set, kvn),
    M_NAMED("type", eis_key_set, type, set_names),
    M("cntr", U64, eis_key_set, counter),
    M_LIST("keys", eis_key_set, keys, key_count, key_shape),
};
static const struct shape key_set_shape = SHAPE(key_set_members);

static const struct member isdr_members[] = {
    M("aid", HEX, eis, isdr_aid),
    M("tar", HEX, eis, isdr_tar),
    M("sin", OCTETS, eis, sin),
    M("sdin", OCTETS, eis, sdin),
    M("role", TEXT, eis, isdr_role),
    M_LIST("key-sets", eis, key_sets, key_set_count, key_set_shape),
};
static const struct shape isdr_shape = SHAPE(isdr_members);

static const struct member rule_members[] = {
    M_NAMED("action", eis_rule, action, action_names),
    M_NAMED("qualification", eis_rule, effect, effect_names),
};
static const struct shape rule_shape = SHAPE(rule_members);

static const struct member connectivity_members[] = {
    M("smsc", TEXT, eis_connectivity, smsc),
    M("apn", TEXT, eis_connectivity, apn),
};
static const struct shape connectivity_shape = SHAPE(connectivity_members);

static const struct member address_members[] = {
    M("msisdn", TEXT, eis_profile, msisdn),
    M("imsi", TEXT, eis_profile, imsi),
};
static const struct shape address_shape = SHAPE(address_members);

static const struct member profile_members[] = {
    M("iccid", TEXT, eis_profile, iccid),
    M("isd-p-aid", HEX, eis_profile, isdp_aid),
    M("mno-id", TEXT, eis_profile, mno_id),
    M("fallback-attribute", FLAG, eis_profile, fallback),
    M("emergency-attribute", FLAG, eis_profile, emergency),
    M_HERE("subscription-address", address_shape),
    M_NAMED("state", eis_profile, state, state_names),
    M("smdp-id", TEXT, eis_profile, smdp_id),
    M("profile-type", TEXT, eis_profile, type),
    M("allocated-memory", U32, eis_profile, allocated_memory),
    M("free-memory", U32, eis_profile, free_memory),
    M_LIST("pol2", eis_profile, rules, rule_count, rule_shape),
    M_OBJECT("connectivity-parameters", eis_profile, connectivity, connectivity_shape),
};
static const struct shape profile_shape = SHAPE(profile_members);

static const struct member audit_members[] = {
    M("time", U64, eis_audit, time),
    M("requester", TEXT, eis_audit, requester),
    M("operation", TEXT, eis_audit, operation),
    M("result", TEXT, eis_audit, result),
};
static const struct shape audit_shape = SHAPE(audit_members);

static const struct member property_members[] = {
    M("name", TEXT, eis_property, name),
    M("value", TEXT, eis_property, value),
};
static const struct shape property_shape = SHAPE(property_members);

static const struct member eis_members[] = {
    M_OBJECT("eum-signed-info", eis, signed_info, signed_shape),
    M("eum-signature", HEX, eis, eum_signature),
    M("remaining-memory", U32, eis, remaining_memory),
    M("available-memory-for-profiles", U32, eis, available_memory),
    M("last-audit-date", U32, eis, last_audit_date),
    M("smsr-id", TEXT, eis, smsr_id),
    M_HERE("isd-r", isdr_shape),
    M_LIST("profiles", eis, profiles, profile_count, profile_shape),
    M_LIST("audit-trail", eis, audit, audit_count, audit_shape),
    M_LIST("additional-properties", eis, properties, property_count, property_shape),
};
static const struct shape eis_shape = SHAPE(eis_members);

/* -- writing -- */

enum { HEX_MAX = 2 * GP_CERT_MAX + 1 };

static json_t *encode(const struct shape *shape, const uint8_t *base);

static json_t *hex_string(struct span s)
{
    char text[HEX_MAX];
    hex_encode(s, text);
    return json_string(text);
}

static json_t *encode_list(const struct member *m, const uint8_t *base)
{
    json_t *list = json_array();
    size_t count;
    memcpy(&count, base + m->count_offset, sizeof(count));
    for (size_t i = 0; list != NULL && i < count; i++) {
        if (json_array_append_new(list, encode(m->in, base + m->offset + i * m->size)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *encode_member(const struct member *m, const uint8_t *base)
{
    const uint8_t *p = base + m->offset;
    uint32_t u32;
    uint64_t u64;
    size_t len;
    switch (m->kind) {
    case TEXT:
        return json_string((const char *)p);
    case HEX:
        return hex_string(span_of(p, m->size));
    case OCTETS:
        return hex_string(octets_span((const struct octets *)(const void *)p));
    case CERT:
        memcpy(&len, base + m->count_offset, sizeof(len));
        return hex_string(span_of(p, len));
    case U8:
        return json_integer(*p);
    case U32:
        memcpy(&u32, p, sizeof(u32));
        return json_integer(u32);
    case U64:
        memcpy(&u64, p, sizeof(u64));
        return json_integer((json_int_t)u64);
    case FLAG:
        return json_boolean(*(const bool *)p);
    case NAMED:
        return json_string(m->names[*p]);
    case OBJECT:
        return encode(m->in, p);
    default:
        return encode_list(m, base);
    }
}

static json_t *encode(const struct shape *shape, const uint8_t *base)
{
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < shape->count; i++) {
        const struct member *m = &shape->members[i];
        if (json_object_set_new(object, m->name, encode_member(m, base)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

enum status eis_json_put(struct writer *w, const struct eis *eis)
{
    json_t *object = encode(&eis_shape, (const uint8_t *)eis);
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (text == NULL) {
        return STATUS_INTERNAL;
    }
    put_bytes(w, text, strlen(text));
    free(text);
    return writer_check(w);
}

/* -- reading -- */

static bool decode(const struct shape *shape, const json_t *object, uint8_t *base,
                   const char **fault);

static bool decode_hex(const json_t *value, uint8_t *out, size_t cap, size_t *len)
{
    return json_is_string(value) &&
           hex_decode(json_string_value(value), out, cap, len) == STATUS_OK;
}

static bool decode_text(const struct member *m, const json_t *value, uint8_t *p)
{
    size_t len = json_string_length(value);
    if (!json_is_string(value) || len >= m->size ||
        memchr(json_string_value(value), '\0', len) != NULL) {
        return false;
    }
    memcpy(p, json_string_value(value), len);
    return true;
}

static bool decode_integer(const struct member *m, const json_t *value, uint8_t *p)
{
    json_int_t max = m->kind == U8 ? UINT8_MAX : m->kind == U32 ? UINT32_MAX : INT64_MAX;
    json_int_t v = json_integer_value(value);
    if (!json_is_integer(value) || v < 0 || v > max) {
        return false;
    }
    uint8_t u8 = (uint8_t)v;
    uint32_t u32 = (uint32_t)v;
    uint64_t u64 = (uint64_t)v;
    memcpy(p, m->kind == U8 ? (void *)&u8 : m->kind == U32 ? (void *)&u32 : (void *)&u64, m->size);
    return true;
}

static bool decode_named(const struct member *m, const json_t *value, uint8_t *p)
{
    for (size_t i = 0; json_is_string(value) && i < m->max; i++) {
        if (strcmp(m->names[i], json_string_value(value)) == 0) {
            *p = (uint8_t)i;
            return true;
        }
    }
    return false;
}

static bool decode_list(const struct member *m, const json_t *value, uint8_t *base,
                        const char **fault)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > m->max) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!decode(m->in, json_array_get(value, i), base + m->offset + i * m->size, fault)) {
            return false;
        }
    }
    memcpy(base + m->count_offset, &count, sizeof(count));
    return true;
}

static bool decode_member(const struct member *m, const json_t *value, uint8_t *base,
                          const char **fault)
{
    uint8_t *p = base + m->offset;
    struct octets *octets;
    size_t len;
    switch (m->kind) {
    case TEXT:
        return decode_text(m, value, p);
    case HEX:
        return decode_hex(value, p, m->size, &len) && len == m->size;
    case OCTETS:
        octets = (struct octets *)(void *)p;
        return decode_hex(value, octets->b, sizeof(octets->b), &octets->len);
    case CERT:
        if (!decode_hex(value, p, m->size, &len)) {
            return false;
        }
        memcpy(base + m->count_offset, &len, sizeof(len));
        return true;
    case U8:
    case U32:
    case U64:
        return decode_integer(m, value, p);
    case FLAG:
        *(bool *)p = json_is_true(value);
        return json_is_boolean(value);
    case NAMED:
        return decode_named(m, value, p);
    case OBJECT:
        return decode(m->in, value, p, fault);
    default:
        return decode_list(m, value, base, fault);
    }
}

static bool decode(const struct shape *shape, const json_t *object, uint8_t *base,
                   const char **fault)
{
    if (!json_is_object(object)) {
        return false;
    }
    for (size_t i = 0; i < shape->count; i++) {
        const struct member *m = &shape->members[i];
        const json_t *value = json_object_get(object, m->name);
        if (value == NULL || !decode_member(m, value, base, fault)) {
            if (*fault == NULL) {
                *fault = m->name; /* the innermost */
            }
            return false;
        }
    }
    if (json_object_size(object) != shape->count) {
        *fault = "a member that the EIS does not have";
        return false;
    }
    return true;
}

enum status eis_json_parse(struct span json, struct eis *out, char fault[EIS_FAULT_MAX])
{
    const char *what = NULL;
    json_error_t error;
    json_t *object = json_loadb((const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, &error);
    memset(out, 0, sizeof(*out));
    bool ok = object != NULL && decode(&eis_shape, object, (uint8_t *)out, &what);
    if (!ok) {
        memset(out, 0, sizeof(*out));
        if (fault != NULL) {
            (void)snprintf(fault, EIS_FAULT_MAX, "%s",
                           what != NULL ? what : "not the JSON of an EIS");
        }
    }
    json_decref(object);
    return ok ? STATUS_OK : STATUS_BAD_REQUEST;
}
