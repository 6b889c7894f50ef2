/*
 * policy.yaml: the whole example loads, each fault names its field; quotas, EID sets and rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/clock.h"
#include "service/policy/authz.h"
#include "service/policy/roster.h"

#define BETA  "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define GAMMA "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static const char whole[] = "trust:\n"
                            "  directory: trust\n"
                            "  ci: []\n"
                            "  eum: []\n"
                            "principals:\n"
                            "  - name: beta\n"
                            "    keys: ['" BETA "']\n"
                            "    operations: [Verify, Confirm, Info]\n"
                            "    sign_keys: [demo-sign]\n"
                            "    eids: [\"89049032\", \"8904\", \"331\"]\n"
                            "    custody: [token]\n"
                            "    quotas: { Confirm: 1000/h, Verify: 5/s }\n"
                            "    share: 30\n"
                            "  - name: gamma\n"
                            "    keys: ['" GAMMA "']\n"
                            "    operations: [Establish]\n"
                            "blocked:\n"
                            "  eums: [\"AA00000000000000000000000000000000000000000000000000000000"
                            "000001\"]\n"
                            "  eids: [\"89049032000000000000000000000001\", \"77\"]\n";

struct folder {
    char directory[64];
    char path[128];
};

static int setup(void **state)
{
    struct folder *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    (void)snprintf(p->directory, sizeof(p->directory), "/tmp/eckad-policy-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    assert_true(snprintf(p->path, sizeof(p->path), "%s/policy.yaml", p->directory) > 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct folder *p = *state;
    (void)unlink(p->path);
    assert_int_equal(rmdir(p->directory), 0);
    free(p);
    return 0;
}

static enum status load(struct folder *p, const char *text, struct policy **out,
                        char error[static CONFIG_ERROR_MAX])
{
    FILE *file = fopen(p->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    error[0] = '\0';
    return policy_load(p->path, out, error);
}

static struct policy *load_whole(struct folder *p)
{
    char error[CONFIG_ERROR_MAX];
    struct policy *policy = NULL;
    if (load(p, whole, &policy, error) != STATUS_OK) {
        print_error("%s\n", error);
    }
    assert_non_null(policy);
    return policy;
}

static void the_example_loads(void **state)
{
    struct policy *policy = load_whole(*state);
    const struct policy_principal *beta = policy_of_name(policy, "beta");
    assert_ptr_equal(policy_of_key(policy, BETA), beta);
    assert_ptr_equal(policy_of_key(policy, GAMMA), policy_of_name(policy, "gamma"));
    assert_null(policy_of_key(policy, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"));
    assert_null(policy_of_name(policy, "bet"));
    assert_int_equal(beta->share, 30);
    assert_int_equal(beta->custody, POLICY_CUSTODY_TOKEN);
    assert_int_equal(beta->eid_set.count, 2); /* 89049032 is inside 8904 */
    assert_int_equal(beta->rates[WIRE_OP_CONFIRM - POLICY_FIRST_OP].items, 1000);
    assert_int_equal(beta->rates[WIRE_OP_ESTABLISH - POLICY_FIRST_OP].items, 0);
    assert_int_equal(policy->blocked.eum_ids[0][0], 0xAA);
    assert_int_equal(policy->blocked.eum_ids[0][31], 1);

    struct policy *second = policy_hold(policy);
    policy_drop(&policy);
    assert_null(policy);
    assert_non_null(policy_of_name(second, "beta"));
    policy_drop(&second);
}

/* The example with `from` replaced by `to`, and a word the complaint must hold. */
static const struct fault {
    const char *from, *to, *complaint;
} faults[] = {
    {"name: beta", "name: Beta", "principals entry 1"},
    {"name: beta", "name: abcdefghijklmnopqrstuvwxyz0123456", "principals entry 1"},
    {"name: gamma", "name: beta", "beta is given twice"},
    {"share: 30", "share: 101", "share"},
    {"a<NY6T", "a<NY6", "key 1 of beta"},
    {"a<NY6T", "a<NY6~", "key 1 of beta"},
    {"['" GAMMA "']", "['" GAMMA "', '" BETA "']", "key 2 of gamma is given twice"},
    {"['" GAMMA "']", "[]", "keys"},
    {"[Verify, Confirm, Info]", "[Verify, Frobnicate]", "Frobnicate"},
    {"[demo-sign]", "[a23456789a23456789a23456789a23456]", "sign_keys of beta: entry 1"},
    {"sign_keys: [demo-sign]", "keks: [a, \"b\\t\"]", "keks of beta: entry 2"},
    {"\"331\"", "\"33x\"", "eids of beta: entry 3"},
    {"\"331\"", "\"890490320000000000000000000000012\"", "eids of beta: entry 3"},
    {"eids: [\"89049032\", \"8904\", \"331\"]", "eids: []", "eids"},
    {"custody: [token]", "custody: [cloud]", "custody"},
    {"1000/h", "0/h", "Confirm is 0/h"},
    {"1000/h", "1000", "Confirm is 1000"},
    {"1000/h", "100000001/h", "Confirm is 100000001/h"},
    {"1000/h", "-1/h", "Confirm is -1/h"},
    {"1000/h", "1000/w", "Confirm is 1000/w"},
    {"Confirm: 1000/h", "Info: 1000/h", "Info"},
    {"AA00", "AA0", "blocked.eums of entry 1"},
    {"AA00", "AAx0", "blocked.eums of entry 1"},
    {"\"77\"", "\"7x\"", "blocked.eids: entry 2"},
    {"blocked:", "blokced:", "blokced"},
    {"  directory: trust\n", "", "directory"},
    {"  ci: []", "  ci: [{ file: ../ci.der, sha256: 00 }]", "trust.ci: file"},
    {"  ci: []", "  ci: [{ file: ci.der, sha256: 00 }]", "trust.ci: sha256"},
    {"  eum: []",
     "  eum: [{ file: e, ca_id: \"\", sha256: "
     "\"00000000000000000000000000000000000000000000000000000000000000FF\" }]",
     "ca_id"},
    {"  ci: []",
     "  ci: [{ file: ci.der, sha256: "
     "\"00000000000000000000000000000000000000000000000000000000000000FF\" }]",
     "ci.der"},
    {"principals:\n", "principals: [\n", "policy.yaml"},
};

static void each_fault_names_its_field(void **state)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        char text[2 * sizeof(whole)];
        char error[CONFIG_ERROR_MAX];
        const char *at = strstr(whole, faults[i].from);
        assert_non_null(at);
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, faults[i].to,
                       at + strlen(faults[i].from));
        struct policy *policy = NULL;
        enum status s = load(*state, text, &policy, error);
        if (s != STATUS_BAD_REQUEST || strstr(error, faults[i].complaint) == NULL) {
            print_error("fault %zu (%s): \"%s\"\n", i, faults[i].to, error);
        }
        assert_int_equal(s, STATUS_BAD_REQUEST);
        assert_non_null(strstr(error, faults[i].complaint));
        assert_null(strchr(error, '\n'));
        assert_null(policy);
    }
}

/* -- rules -- */

static void what_is_not_granted_is_denied(void **state)
{
    struct policy *policy = load_whole(*state);
    const struct policy_principal *beta = policy_of_name(policy, "beta");
    char detail[WIRE_DETAIL_MAX];
    for (int op = WIRE_OP_FIRST; op < WIRE_OP_END; op++) {
        Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
        Ecka__V1__Sign sign = ECKA__V1__SIGN__INIT; /* a message of any operation begins as it */
        bool granted = op == WIRE_OP_VERIFY || op == WIRE_OP_CONFIRM || op == WIRE_OP_INFO;
        request.op_case = (Ecka__V1__Request__OpCase)op;
        request.sign = &sign;
        assert_int_equal(authz_request(beta, &request, detail),
                         granted ? STATUS_OK : STATUS_DENIED);
        assert_non_null(strstr(detail, granted ? "operations of beta lists" : "grants beta no"));
        assert_int_equal(authz_request(NULL, &request, detail), STATUS_DENIED);
    }
    policy_drop(&policy);
}

static enum status ask(const struct policy_principal *p, Ecka__V1__Request *request)
{
    char detail[WIRE_DETAIL_MAX];
    return authz_request(p, request, detail);
}

static void labels_and_custody_are_those_listed(void **state)
{
    (void)state;
    char *keys[] = {(char[]){"one"}}, *keks[] = {(char[]){"two"}};
    struct policy_principal p = {.name = (char[]){"p"},
                                 .granted = UINT32_MAX,
                                 .sign_keys = keys,
                                 .sign_keys_count = 1,
                                 .keks = keks,
                                 .keks_count = 1};
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    Ecka__V1__Establish establish = ECKA__V1__ESTABLISH__INIT;
    request.op_case = ECKA__V1__REQUEST__OP_ESTABLISH;
    request.establish = &establish;
    static const struct {
        uint32_t allowed;
        Ecka__V1__Custody asked;
        enum status expected;
    } custody[] = {
        {0, ECKA__V1__CUSTODY__CUSTODY_NONE, STATUS_OK},
        {0, ECKA__V1__CUSTODY__CUSTODY_TOKEN, STATUS_OK},
        {POLICY_CUSTODY_MEMORY, ECKA__V1__CUSTODY__CUSTODY_NONE, STATUS_OK},
        {POLICY_CUSTODY_MEMORY, ECKA__V1__CUSTODY__CUSTODY_TOKEN, STATUS_DENIED},
        {POLICY_CUSTODY_TOKEN, ECKA__V1__CUSTODY__CUSTODY_NONE, STATUS_DENIED},
        {POLICY_CUSTODY_TOKEN, ECKA__V1__CUSTODY__CUSTODY_MEMORY, STATUS_DENIED},
        {POLICY_CUSTODY_TOKEN, ECKA__V1__CUSTODY__CUSTODY_TOKEN, STATUS_OK},
    };
    for (size_t i = 0; i < sizeof(custody) / sizeof(*custody); i++) {
        p.custody = custody[i].allowed;
        establish.custody = custody[i].asked;
        assert_int_equal(ask(&p, &request), custody[i].expected);
    }
    if (WIRE_OP_END <= (int)ECKA__V1__REQUEST__OP_REWRAP) {
        return; /* this build's wire has no operation with a label */
    }
    Ecka__V1__Sign sign = ECKA__V1__SIGN__INIT;
    Ecka__V1__Rewrap rewrap = ECKA__V1__REWRAP__INIT;
    static const struct {
        const char *label;
        bool sign, rewrap;
    } labels[] = {
        {"one", true, false}, {"two", false, true}, {"on", false, false}, {"", false, false}};
    for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
        sign.key_label = rewrap.kek_label = (char *)labels[i].label;
        request.op_case = ECKA__V1__REQUEST__OP_SIGN;
        request.sign = &sign;
        assert_int_equal(ask(&p, &request), labels[i].sign ? STATUS_OK : STATUS_DENIED);
        request.op_case = ECKA__V1__REQUEST__OP_REWRAP;
        request.rewrap = &rewrap;
        assert_int_equal(ask(&p, &request), labels[i].rewrap ? STATUS_OK : STATUS_DENIED);
    }
}

static void eids_are_those_listed_and_not_blocked(void **state)
{
    struct policy *policy = load_whole(*state);
    static const struct {
        uint8_t eid[GP_EID_LEN];
        enum status beta, gamma;
    } cases[] = {
        {{0x89, 0x04, 0x90, 0x32}, STATUS_OK, STATUS_OK},
        {{0x89, 0x04, 0x90, 0x32, [15] = 0x01}, STATUS_EID_BLOCKED, STATUS_EID_BLOCKED},
        {{0x89, 0x04, 0x90, 0x32, [15] = 0x02}, STATUS_OK, STATUS_OK},
        {{0x89, 0x05}, STATUS_DENIED, STATUS_OK},
        {{0x33, 0x10}, STATUS_OK, STATUS_OK},
        {{0x33, 0x20}, STATUS_DENIED, STATUS_OK},
        {{0x77}, STATUS_EID_BLOCKED, STATUS_EID_BLOCKED},
        {{0x76, 0x99}, STATUS_DENIED, STATUS_OK},
        {{0x89, 0x0F}, STATUS_DENIED, STATUS_OK}, /* no digits: for the operation to refuse */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        Ecka__V1__Confirm confirm = ECKA__V1__CONFIRM__INIT;
        Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
        confirm.eids = (ProtobufCBinaryData){GP_EID_LEN, (uint8_t *)cases[i].eid};
        request.op_case = ECKA__V1__REQUEST__OP_CONFIRM;
        request.confirm = &confirm;
        assert_int_equal(authz_item(policy, policy_of_name(policy, "beta"), &request, 0),
                         cases[i].beta);
        assert_int_equal(authz_item(policy, policy_of_name(policy, "gamma"), &request, 0),
                         cases[i].gamma);
    }
    policy_drop(&policy);
}

/* -- EID sets: the binary search says what a look at each prefix says -- */

static void a_set_finds_what_a_scan_finds(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1", "12", "129", "2000", "20000", "3", "30", "999", "55555555555555555555555555555555"};
    enum { COUNT = sizeof(texts) / sizeof(*texts), EIDS = 100000 };
    struct eid_set set;
    assert_int_equal(eid_set_init(&set, (char *const *)texts, COUNT), STATUS_OK);
    assert_int_equal(set.count, 5);
    for (unsigned n = 0; n < EIDS; n++) { /* every beginning of five digits, then fives */
        char digits[EID_DIGITS + 1];
        uint8_t eid[GP_EID_LEN];
        (void)snprintf(digits, sizeof(digits), "%05u555555555555555555555555555", n);
        bool expected = false;
        for (size_t i = 0; i < COUNT; i++) {
            expected |= strncmp(digits, texts[i], strlen(texts[i])) == 0;
        }
        for (size_t i = 0; i < GP_EID_LEN; i++) {
            eid[i] = (uint8_t)((digits[2 * i] - '0') << 4 | (digits[2 * i + 1] - '0'));
        }
        assert_int_equal(eid_set_find(&set, eid) != NULL, expected);
    }
    eid_set_fini(&set);
    assert_int_equal(eid_set_init(&set, NULL, 0), STATUS_OK);
    assert_null(eid_set_find(&set, (const uint8_t[GP_EID_LEN]){0}));
}

/* -- quotas -- */

static void a_quota_starts_full_and_fills_evenly(void **state)
{
    (void)state;
    struct quota q = {0};
    uint64_t after = 1, now = 1000;
    assert_int_equal(quota_check(&q, now, UINT32_MAX, &after), STATUS_OK); /* no limit */
    assert_int_equal(after, 0);
    quota_set(&q, (struct quota_rate){10, 10 * (uint64_t)US_PER_S}, now);
    assert_int_equal(quota_check(&q, now, 11, &after), STATUS_DENIED); /* never */
    assert_int_equal(quota_check(&q, now, 10, &after), STATUS_OK);
    quota_take(&q, 10);
    assert_int_equal(quota_check(&q, now, 1, &after), STATUS_BUSY);
    assert_int_equal(after, US_PER_S);
    now += US_PER_S - 1;
    assert_int_equal(quota_check(&q, now, 1, &after), STATUS_BUSY);
    assert_int_equal(after, 1);
    now += after;
    assert_int_equal(quota_check(&q, now, 1, &after), STATUS_OK);
    assert_int_equal(quota_check(&q, now, 2, &after), STATUS_BUSY);
    assert_int_equal(after, US_PER_S);
    now += 1000 * (uint64_t)US_PER_S; /* full, and no more than that */
    assert_int_equal(quota_check(&q, now, 10, &after), STATUS_OK);
    quota_take(&q, 10);
    assert_int_equal(quota_check(&q, now, 1, &after), STATUS_BUSY);
}

/* Nothing is lost to rounding: over a day of odd steps, as many items as the rate says. */
static void a_quota_is_exact(void **state)
{
    (void)state;
    struct quota_rate rate;
    assert_true(quota_parse("7/min", &rate));
    struct quota q = {0};
    uint64_t now = 0, taken = 0, after;
    quota_set(&q, rate, now);
    while (now < UINT64_C(86400) * US_PER_S) {
        if (quota_check(&q, now, 1, &after) == STATUS_OK) {
            quota_take(&q, 1);
            taken++;
        } else {
            now += after; /* the earliest moment, rounded up by less than a microsecond an item */
        }
    }
    assert_in_range(taken, 7 * 1440 + 6, 7 * 1440 + 7);
}

static void a_reload_gives_no_fresh_quota(void **state)
{
    (void)state;
    struct quota q = {0};
    uint64_t after;
    const struct quota_rate ten = {10, US_PER_S}, four = {4, US_PER_S}, none = {0, 0};
    quota_set(&q, ten, 0);
    assert_int_equal(quota_check(&q, 0, 8, &after), STATUS_OK);
    quota_take(&q, 8);
    quota_set(&q, ten, 0);
    assert_int_equal(quota_check(&q, 0, 2, &after), STATUS_OK);
    assert_int_equal(quota_check(&q, 0, 3, &after), STATUS_BUSY);
    quota_set(&q, four, 0);
    assert_int_equal(quota_check(&q, 0, 2, &after), STATUS_OK);
    assert_int_equal(quota_check(&q, 0, 3, &after), STATUS_BUSY);
    quota_set(&q, none, 0);
    assert_int_equal(quota_check(&q, 0, 1000, &after), STATUS_OK);
}

/* -- the roster -- */

static void a_name_keeps_its_number(void **state)
{
    (void)state;
    struct roster *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    char name[16];
    for (uint32_t i = 0; i < ROSTER_MAX; i++) {
        (void)snprintf(name, sizeof(name), "p%u", i);
        assert_int_equal(roster_find(r, name), ROSTER_NOBODY);
        assert_int_equal(roster_add(r, name), i);
    }
    assert_int_equal(roster_add(r, "p7"), 7);
    assert_int_equal(roster_add(r, "one-more"), ROSTER_NOBODY);
    assert_int_equal(roster_count(r), ROSTER_MAX);
    free(r);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_example_loads),
        STORY(each_fault_names_its_field),
        STORY(what_is_not_granted_is_denied),
        cmocka_unit_test(labels_and_custody_are_those_listed),
        STORY(eids_are_those_listed_and_not_blocked),
        cmocka_unit_test(a_set_finds_what_a_scan_finds),
        cmocka_unit_test(a_quota_starts_full_and_fills_evenly),
        cmocka_unit_test(a_quota_is_exact),
        cmocka_unit_test(a_reload_gives_no_fresh_quota),
        cmocka_unit_test(a_name_keeps_its_number),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
