/*
 * The EIS: what goes to the next SM-SR and what stays, both sides listed; its JSON, and the schema
 * that says the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "smsr/eis/eis_json.h"
#include "tests/unit/smsr/bench.h"

/* Every leaf of the structure, by its path; a list's elements share a path. */
static const char *const goes[] = {
    "eum-signed-info.eid",
    "eum-signed-info.eum-certificate-id",
    "eum-signed-info.production-date",
    "eum-signed-info.platform-type",
    "eum-signed-info.platform-version",
    "eum-signed-info.isd-p-load-file-aid",
    "eum-signed-info.isd-p-module-aid",
    "eum-signed-info.ecasd.ca-certificate",
    "eum-signed-info.euicc-capabilities.cat-tp",
    "eum-signed-info.euicc-capabilities.http",
    "eum-signed-info.euicc-capabilities.secure-packet-version",
    "eum-signed-info.euicc-capabilities.remote-provisioning-version",
    "eum-signature",
    "remaining-memory",
    "available-memory-for-profiles",
    "last-audit-date",
    "smsr-id",
    "isd-r.aid",
    "isd-r.tar",
    "isd-r.sin",
    "isd-r.sdin",
    "isd-r.role",
    "isd-r.key-sets[].version",
    "isd-r.key-sets[].type",
    "isd-r.key-sets[].cntr",
    "isd-r.key-sets[].keys[].index",
    "profiles[].iccid",
    "profiles[].isd-p-aid",
    "profiles[].mno-id",
    "profiles[].fallback-attribute",
    "profiles[].emergency-attribute",
    "profiles[].subscription-address.msisdn",
    "profiles[].subscription-address.imsi",
    "profiles[].state",
    "profiles[].smdp-id",
    "profiles[].profile-type",
    "profiles[].allocated-memory",
    "profiles[].free-memory",
    "profiles[].pol2[].action",
    "profiles[].pol2[].qualification",
    "profiles[].connectivity-parameters.smsc",
    "profiles[].connectivity-parameters.apn",
};
static const char *const stays[] = {
    "isd-r.key-sets[].keys[].kcv",   "audit-trail[].time",   "audit-trail[].requester",
    "audit-trail[].operation",       "audit-trail[].result", "additional-properties[].name",
    "additional-properties[].value",
};
enum {
    GOES = sizeof(goes) / sizeof(goes[0]),
    STAYS = sizeof(stays) / sizeof(stays[0]),
    PATH_MAX_LEN = 128,
};

struct seen { /* how often a path holds something */
    unsigned goes[GOES], stays[STAYS];
};

static void count_leaf(struct seen *seen, const char *path, const json_t *value)
{
    unsigned holds = !json_is_string(value) || json_string_length(value) != 0;
    for (size_t i = 0; i < GOES; i++) {
        if (strcmp(goes[i], path) == 0) {
            seen->goes[i] += holds;
            return;
        }
    }
    for (size_t i = 0; i < STAYS; i++) {
        if (strcmp(stays[i], path) == 0) {
            seen->stays[i] += holds;
            return;
        }
    }
    fail_msg("%s stands on neither side", path);
}

static void count_leaves(struct seen *seen, const char *path, json_t *value)
{
    char below[PATH_MAX_LEN];
    const char *name;
    json_t *child;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach (value, name, child) {
            (void)snprintf(below, sizeof(below), "%s%s%s", path, path[0] != '\0' ? "." : "", name);
            count_leaves(seen, below, child);
        }
    } else if (json_is_array(value)) {
        (void)snprintf(below, sizeof(below), "%s[]", path);
        json_array_foreach (value, i, child) {
            count_leaves(seen, below, child);
        }
    } else {
        count_leaf(seen, path, value);
    }
}

static json_t *as_json(const struct eis *eis)
{
    static uint8_t text[EIS_JSON_MAX];
    struct writer w = writer_of(text, sizeof(text));
    assert_int_equal(eis_json_put(&w, eis), STATUS_OK);
    json_t *value = json_loadb((const char *)text, w.len, 0, NULL);
    assert_non_null(value);
    return value;
}

static struct seen leaves_of(const struct eis *eis)
{
    struct seen seen = {0};
    json_t *value = as_json(eis);
    count_leaves(&seen, "", value);
    json_decref(value);
    return seen;
}

static void what_goes_and_what_stays(void **state)
{
    struct bench *b = *state;
    static struct eis handed;
    struct seen here = leaves_of(&b->robot.eis);
    eis_for_handover(&handed, &b->robot.eis);
    struct seen there = leaves_of(&handed);
    for (size_t i = 0; i < GOES; i++) {
        if (here.goes[i] == 0 || there.goes[i] != here.goes[i]) {
            fail_msg("%s: %u here, %u there", goes[i], here.goes[i], there.goes[i]);
        }
    }
    for (size_t i = 0; i < STAYS; i++) {
        if (here.stays[i] == 0 || there.stays[i] != 0) {
            fail_msg("%s: %u here, %u there", stays[i], here.stays[i], there.stays[i]);
        }
    }
}

/* -- JSON -- */

static void json_is_read_as_written(void **state)
{
    struct bench *b = *state;
    static uint8_t text[EIS_JSON_MAX];
    static struct eis again;
    struct writer w = writer_of(text, sizeof(text));
    assert_int_equal(eis_json_put(&w, &b->robot.eis), STATUS_OK);
    assert_int_equal(eis_json_parse(writer_span(&w), &again, NULL), STATUS_OK);
    static uint8_t second[EIS_JSON_MAX];
    struct writer v = writer_of(second, sizeof(second));
    assert_int_equal(eis_json_put(&v, &again), STATUS_OK);
    assert_true(span_eq(writer_span(&w), writer_span(&v)));
}

static enum status parse_value(json_t *value, char fault[EIS_FAULT_MAX])
{
    static struct eis out;
    char *text = json_dumps(value, 0);
    enum status s = eis_json_parse(span_of(text, strlen(text)), &out, fault);
    free(text);
    return s;
}

/* Each member in turn: missing, of a wrong type, and with a stranger beside it. */
static void spoil_members(json_t *whole, json_t *object)
{
    char fault[EIS_FAULT_MAX];
    size_t count = json_object_size(object);
    char names[32][EIS_NAME_MAX];
    const char *name;
    json_t *value;
    size_t n = 0;
    assert_true(count <= sizeof(names) / sizeof(names[0]));
    json_object_foreach (object, name, value) {
        (void)snprintf(names[n++], sizeof(names[0]), "%s", name); /* it goes with its member */
    }
    assert_int_equal(json_object_set_new(object, "key-value", json_string("00")), 0);
    assert_int_equal(parse_value(whole, fault), STATUS_BAD_REQUEST);
    json_object_del(object, "key-value");
    for (size_t i = 0; i < n; i++) {
        value = json_incref(json_object_get(object, names[i]));
        assert_int_equal(json_object_set_new(object, names[i], json_null()), 0);
        assert_int_equal(parse_value(whole, fault), STATUS_BAD_REQUEST);
        assert_string_equal(fault, names[i]);
        json_object_del(object, names[i]);
        assert_int_equal(parse_value(whole, fault), STATUS_BAD_REQUEST);
        assert_int_equal(json_object_set_new(object, names[i], value), 0);
        assert_int_equal(parse_value(whole, fault), STATUS_OK);
    }
}

static void spoil(json_t *whole, json_t *value)
{
    const char *name;
    json_t *child;
    size_t i;
    if (json_is_object(value)) {
        spoil_members(whole, value);
        json_object_foreach (value, name, child) {
            spoil(whole, child);
        }
    }
    json_array_foreach (value, i, child) {
        spoil(whole, child);
    }
}

static void json_is_read_strictly(void **state)
{
    struct bench *b = *state;
    json_t *whole = as_json(&b->robot.eis);
    spoil(whole, whole);
    json_decref(whole);
}

/* -- the schema names the same members, all of them required and no others -- */

static void schema_fits(const json_t *schema, const json_t *value)
{
    const json_t *properties = json_object_get(schema, "properties");
    const char *name;
    json_t *child;
    size_t i;
    if (json_is_object(value)) {
        assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
        assert_int_equal(json_object_size(properties), json_object_size(value));
        assert_int_equal(json_array_size(json_object_get(schema, "required")),
                         json_object_size(value));
        json_object_foreach ((json_t *)(uintptr_t)value, name, child) {
            if (json_object_get(properties, name) == NULL) {
                fail_msg("the schema has no %s", name);
            }
            schema_fits(json_object_get(properties, name), child);
        }
    } else if (json_is_array(value)) {
        assert_string_equal(json_string_value(json_object_get(schema, "type")), "array");
        assert_true(json_array_size(value) != 0);
        json_array_foreach (value, i, child) {
            schema_fits(json_object_get(schema, "items"), child);
        }
    } else {
        assert_null(properties);
    }
}

static void schema_says_the_same(void **state)
{
    struct bench *b = *state;
    json_error_t error;
    json_t *schema = json_load_file(EIS_SCHEMA, 0, &error);
    assert_non_null(schema);
    json_t *value = as_json(&b->robot.eis);
    schema_fits(schema, value);
    json_decref(value);
    json_decref(schema);
}

static int set_up(void **state)
{
    static struct bench b;
    bench_init(&b, CURVE_P256, RC_LEN_SHORT);
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    bench_fini(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_and_what_stays),
        cmocka_unit_test(json_is_read_as_written),
        cmocka_unit_test(json_is_read_strictly),
        cmocka_unit_test(schema_says_the_same),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
