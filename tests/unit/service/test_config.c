/*
 * eckad.yaml and the key file: the whole example loads, and each fault names its field.
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

#include <netinet/in.h>

#include "service/client/keyfile.h"
#include "service/config.h"
#include "service/place.h"
#include "service/priority.h"

/* The pair of ZeroMQ RFC 26's example, and its bytes. */
static const char secret_z85[] = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

static const char whole[] = "listen: [\"tcp://127.0.0.1:5570\", \"ipc://run/eckad.sock\"]\n"
                            "key_file: eckad.key\n"
                            "workers: 1\n"
                            "jobs: 512\n"
                            "default_deadline_ms: 5000\n"
                            "custodians:\n"
                            "  - { name: c1, socket: run/custodian-1.sock }\n"
                            "policy: policy.yaml\n";

struct folder {
    char directory[64];
    char path[128];
};

static int setup(void **state)
{
    struct folder *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    (void)snprintf(p->directory, sizeof(p->directory), "/tmp/eckad-config-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    assert_true(snprintf(p->path, sizeof(p->path), "%s/eckad.yaml", p->directory) > 0);
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

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void the_example_loads(void **state)
{
    struct folder *p = *state;
    char error[CONFIG_ERROR_MAX] = "";
    char expected[128];
    struct config *config = NULL;
    write_file(p->path, whole);
    assert_int_equal(config_load(p->path, &config, error), STATUS_OK);
    assert_int_equal(config->jobs, 512);
    assert_int_equal(config->table_budget_mib, 256); /* not in the file */
    assert_int_equal(config->recheck_one_in, 4096);
    assert_string_equal(config->listen[0], "tcp://127.0.0.1:5570");
    (void)snprintf(expected, sizeof(expected), "ipc://%s/run/eckad.sock", p->directory);
    assert_string_equal(config->listen[1], expected);
    (void)snprintf(expected, sizeof(expected), "%s/eckad.key", p->directory);
    assert_string_equal(config->key_file, expected);
    (void)snprintf(expected, sizeof(expected), "%s/run/custodian-1.sock", p->directory);
    assert_string_equal(config->custodians[0].socket, expected);
    (void)snprintf(expected, sizeof(expected), "%s/policy.yaml", p->directory);
    assert_string_equal(config->policy, expected);
    assert_null(config->pid_file);
    config_free(&config);
    assert_null(config);
}

/* The example with `from` replaced by `to`, and a word the complaint must hold. */
static const struct fault {
    const char *from, *to, *complaint;
} faults[] = {
    {"workers: 1", "workers: 65", "workers"},
    {"workers: 1", "workers: many", "workers"},
    {"workers: 1", "workers: 1\nwrokers: 2", "wrokers"},
    {"workers: 1", "cores: { workers: [1023] }", "cores: workers names core 1023"},
    {"workers: 1", "cores: { frontend: x }", "frontend"},
    {"workers: 1", "cores: { workrs: [0] }", "workrs"},
    {"custodian-1.sock }", "custodian-1.sock, weight: 1001 }", "weight"},
    {"custodian-1.sock }", "custodian-1.sock, group: 'HSM 1' }", "group of c1"},
    {"jobs: 512", "jobs: 1", "jobs"},
    {"jobs: 512", "jobs: 512\ncustodian_timeout_ms: 99", "custodian_timeout_ms"},
    {"jobs: 512", "jobs: 512\ncustodian_timeout_ms: 60001", "custodian_timeout_ms"},
    {"jobs: 512", "jobs: 512\npriorities: [Verify, Info]", "called Info"},
    {"jobs: 512", "jobs: 512\npriorities: [Verify, Verify]", "Verify is given twice"},
    {"jobs: 512", "jobs: 4097", "jobs"},
    {"default_deadline_ms: 5000", "default_deadline_ms: 60001", "default_deadline_ms"},
    {"jobs: 512", "jobs: 512\ntable_budget_mib: 65537", "table_budget_mib"},
    {"jobs: 512", "jobs: 512\nrecheck_one_in: -1", "recheck_one_in"},
    {"tcp://127", "udp://127", "listen entry 1"},
    {"[\"tcp://127.0.0.1:5570\", \"ipc://run/eckad.sock\"]", "[]", "listen"},
    {"name: c1", "name: C1", "custodians entry 1"},
    {"run/custodian-1.sock }", "run/c }\n  - { name: c1, socket: s }", "c1 is given twice"},
    {"run/custodian-1.sock",
     "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss",
     "socket of c1"},
    {"policy: policy.yaml\n", "", "policy"},
    {"policy: policy.yaml", "policy: [", "eckad.yaml"},
    {"jobs: 512", "jobs: 512\nprincipals: []", "principals"},
    {"jobs: 512", "jobs: 512\nhttp: {}", "listen"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \"127.0.0.1\" }", "http: listen"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \":9570\" }", "http: listen"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \"127.0.0.1:0\" }", "http: listen"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \"127.0.0.1:65536\" }", "http: listen"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \"127.0.0.1:80x\" }", "http: listen"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \"localhost:9570\" }", "must be a number"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \"::1:9570\" }", "must be a number"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \"10.0.0.5:9570\" }", "not loopback"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \"0.0.0.0:9570\" }", "not loopback"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \"[::]:9570\" }", "not loopback"},
    {"jobs: 512", "jobs: 512\nhttp: { listen: \"10.0.0.5:1\", public: false }", "not loopback"},
    {"jobs: 512", "jobs: 512\nlog: syslog", "log"},
};

static void each_fault_names_its_field(void **state)
{
    struct folder *p = *state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        char text[2 * sizeof(whole)];
        char error[CONFIG_ERROR_MAX] = "";
        const char *at = strstr(whole, faults[i].from);
        assert_non_null(at);
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, faults[i].to,
                       at + strlen(faults[i].from));
        write_file(p->path, text);
        struct config *config = NULL;
        enum status s = config_load(p->path, &config, error);
        if (s != STATUS_BAD_REQUEST || strstr(error, faults[i].complaint) == NULL) {
            print_error("fault %zu (%s): \"%s\"\n", i, faults[i].to, error);
        }
        assert_int_equal(s, STATUS_BAD_REQUEST);
        assert_non_null(strstr(error, faults[i].complaint));
        assert_null(strchr(error, '\n'));
        assert_null(config);
    }
}

/* What the example leaves out, given. */
static void placement_and_admission_load(void **state)
{
    struct folder *p = *state;
    char error[CONFIG_ERROR_MAX] = "";
    char text[2 * sizeof(whole)];
    struct config *config = NULL;
    const char *rest = strstr(whole, "jobs: 512");
    (void)snprintf(text, sizeof(text),
                   "listen: [\"tcp://127.0.0.1:5570\"]\nkey_file: eckad.key\n"
                   "cores: { frontend: 0, io: [0, 0], workers: [0, 0, 0] }\n"
                   "priorities: [Verify, Establish]\n%spid_file: run/eckad.pid\n",
                   rest);
    write_file(p->path, text);
    assert_int_equal(config_load(p->path, &config, error), STATUS_OK);
    assert_int_equal(config->workers, 3); /* one a core */
    assert_int_equal(config->io_threads, 2);
    assert_int_equal(config->cores.frontend[0], 0);
    assert_int_equal(config->cores.lanes_count, 0);
    assert_non_null(strstr(config->pid_file, "/run/eckad.pid"));

    enum batch_kind order[KIND_COUNT];
    static const enum batch_kind expected[KIND_COUNT] = {
        KIND_VERIFY, KIND_ESTABLISH_CHAIN, KIND_ESTABLISH,    KIND_CONFIRM,    KIND_WRAP,
        KIND_UNWRAP, KIND_KEY_SET_CREATE,  KIND_SCP03_UNWRAP, KIND_SCP03_WRAP, KIND_SCP03_OPEN,
        KIND_SIGN,   KIND_AGREE,           KIND_VERIFY_CHAIN, KIND_RESEAL,     KIND_REWRAP};
    priority_order(config->priorities, config->priority_names_count, order);
    assert_memory_equal(order, expected, sizeof(order));
    priority_order(NULL, 0, order);
    assert_int_equal(order[0], KIND_CONFIRM);
    assert_int_equal(order[KIND_COUNT - 1], KIND_REWRAP);
    config_free(&config);
}

static void threads_fit_the_machine(void **state)
{
    (void)state;
    static const struct {
        unsigned cores, custodians, io, workers;
    } machines[] = {{1, 1, 1, 1}, {2, 1, 1, 1}, {8, 2, 1, 4}, {64, 4, 4, 55}, {256, 0, 4, 64}};
    for (size_t i = 0; i < sizeof(machines) / sizeof(*machines); i++) {
        assert_int_equal(place_default_io(machines[i].cores), machines[i].io);
        assert_int_equal(place_default_workers(machines[i].cores, machines[i].custodians),
                         machines[i].workers);
    }
}

/* The example with a line more, which must be right. */
static struct config *load_with(struct folder *p, const char *line)
{
    char text[2 * sizeof(whole)];
    char error[CONFIG_ERROR_MAX] = "";
    struct config *config = NULL;
    (void)snprintf(text, sizeof(text), "%s%s\n", whole, line);
    write_file(p->path, text);
    if (config_load(p->path, &config, error) != STATUS_OK) {
        print_error("%s\n", error);
    }
    assert_non_null(config);
    return config;
}

static void http_is_loopback_or_said_to_be_public(void **state)
{
    struct config *config = load_with(*state, "");
    assert_null(config->http);
    config_free(&config);

    config = load_with(*state, "http: { listen: \"127.0.0.1:9570\" }");
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&config->http->address;
    assert_int_equal(v4->sin_family, AF_INET);
    assert_int_equal(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK);
    assert_int_equal(ntohs(v4->sin_port), 9570);
    config_free(&config);

    config = load_with(*state, "http: { listen: \"[::1]:65535\" }");
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&config->http->address;
    assert_int_equal(v6->sin6_family, AF_INET6);
    assert_true(IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr));
    assert_int_equal(ntohs(v6->sin6_port), 65535);
    config_free(&config);

    config = load_with(*state, "http: { listen: \"10.0.0.5:1\", public: true }");
    assert_true(config->http->is_public);
    config_free(&config);
}

static void the_log_has_three_ways(void **state)
{
    static const struct {
        const char *line;
        enum config_log log;
    } ways[] = {{"", CONFIG_LOG_AUTO},
                {"log: auto", CONFIG_LOG_AUTO},
                {"log: stderr", CONFIG_LOG_STDERR},
                {"log: journald", CONFIG_LOG_JOURNALD}};
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        struct config *config = load_with(*state, ways[i].line);
        assert_int_equal(config->log, ways[i].log);
        config_free(&config);
    }
}

static void a_missing_file_is_named(void **state)
{
    struct folder *p = *state;
    char error[CONFIG_ERROR_MAX] = "";
    struct config *config = NULL;
    assert_int_equal(config_load(p->path, &config, error), STATUS_BAD_REQUEST);
    assert_non_null(strstr(error, p->path));
}

static void z85_is_strict(void **state)
{
    (void)state;
    static const uint8_t secret[CURVE_KEY_LEN] = {0x7B, 0xB8, 0x64, 0xB4, 0x89, 0xAF, 0xA3, 0x67,
                                                  0x1F, 0xBE, 0x69, 0x10, 0x1F, 0x94, 0xB3, 0x89,
                                                  0x72, 0xF2, 0x48, 0x16, 0xDF, 0xB0, 0x1B, 0x51,
                                                  0x65, 0x6B, 0x3F, 0xEC, 0x8D, 0xFD, 0x08, 0x88};
    uint8_t out[CURVE_KEY_LEN];
    char text[64];
    assert_true(keyfile_z85_decode(secret_z85, out));
    assert_memory_equal(out, secret, sizeof(secret));
    memcpy(text, secret_z85, sizeof(secret_z85));
    memcpy(text, "#####", 5); /* 85^5 - 1 does not fit four bytes */
    assert_false(keyfile_z85_decode(text, out));
    memcpy(text, "%nSc0", 5); /* 2^32 - 1 does */
    assert_true(keyfile_z85_decode(text, out));
    assert_memory_equal(out, "\xff\xff\xff\xff", 4);
    memcpy(text, "%nSc1", 5); /* 2^32 does not */
    assert_false(keyfile_z85_decode(text, out));
    (void)snprintf(text, sizeof(text), "%s0", secret_z85);
    assert_false(keyfile_z85_decode(text, out));
    text[39] = '\0';
    assert_false(keyfile_z85_decode(text, out));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_example_loads),
        STORY(each_fault_names_its_field),
        STORY(placement_and_admission_load),
        cmocka_unit_test(threads_fit_the_machine),
        STORY(http_is_loopback_or_said_to_be_public),
        STORY(the_log_has_three_ways),
        STORY(a_missing_file_is_named),
        STORY(z85_is_strict),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
