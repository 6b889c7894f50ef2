/*
 * The schema of eckad.yaml and its loading; what the values must satisfy beyond their type stands
 * in config_check.c. Runs once, before any thread.
 */
#include "service/config.h"

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/config_check.h"

enum { ANY_LENGTH = CYAML_UNLIMITED };

static const cyaml_schema_value_t string_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, ANY_LENGTH),
};

static const cyaml_schema_field_t custodian_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct config_custodian, name, 1,
                           ANY_LENGTH),
    CYAML_FIELD_STRING_PTR("socket", CYAML_FLAG_POINTER, struct config_custodian, socket, 1,
                           ANY_LENGTH),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t custodian_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_custodian, custodian_fields),
};

static const cyaml_schema_field_t ci_fields[] = {
    CYAML_FIELD_STRING_PTR("file", CYAML_FLAG_POINTER, struct config_ci, file, 1, ANY_LENGTH),
    CYAML_FIELD_STRING_PTR("sha256", CYAML_FLAG_POINTER, struct config_ci, sha256_hex, 1,
                           ANY_LENGTH),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t ci_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_ci, ci_fields),
};

static const cyaml_schema_field_t eum_fields[] = {
    CYAML_FIELD_STRING_PTR("file", CYAML_FLAG_POINTER, struct config_eum, file, 1, ANY_LENGTH),
    CYAML_FIELD_STRING_PTR("sha256", CYAML_FLAG_POINTER, struct config_eum, sha256_hex, 1,
                           ANY_LENGTH),
    CYAML_FIELD_STRING_PTR("ca_id", CYAML_FLAG_POINTER, struct config_eum, ca_id_hex, 1,
                           ANY_LENGTH),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t eum_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_eum, eum_fields),
};

static const cyaml_schema_field_t trust_fields[] = {
    CYAML_FIELD_STRING_PTR("directory", CYAML_FLAG_POINTER, struct config_trust, directory, 1,
                           ANY_LENGTH),
    CYAML_FIELD_SEQUENCE("ci", CYAML_FLAG_POINTER, struct config_trust, ci, &ci_value, 0,
                         CONFIG_CERTS_MAX),
    CYAML_FIELD_SEQUENCE("eum", CYAML_FLAG_POINTER, struct config_trust, eum, &eum_value, 0,
                         CONFIG_CERTS_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t core_value = {
    CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, unsigned),
};

#define CORES(name, max)                                                                           \
    CYAML_FIELD_SEQUENCE(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_cores,     \
                         name, &core_value, 1, max)

static const cyaml_schema_field_t cores_fields[] = {
    CYAML_FIELD_UINT_PTR("frontend", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_cores,
                         frontend),
    CORES(io, CONFIG_IO_THREADS_MAX),
    CORES(workers, CONFIG_CORES_MAX),
    CORES(lanes, CONFIG_CORES_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t principal_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct config_principal, name, 1,
                           ANY_LENGTH),
    CYAML_FIELD_SEQUENCE("keys", CYAML_FLAG_POINTER, struct config_principal, keys_z85,
                         &string_value, 1, CONFIG_KEYS_MAX),
    CYAML_FIELD_SEQUENCE("operations", CYAML_FLAG_POINTER, struct config_principal, operations,
                         &string_value, 0, ANY_LENGTH),
    CYAML_FIELD_UINT("share", CYAML_FLAG_OPTIONAL, struct config_principal, share),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t principal_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_principal, principal_fields),
};

static const cyaml_schema_field_t http_fields[] = {
    CYAML_FIELD_STRING_PTR("listen", CYAML_FLAG_POINTER, struct config_http, listen, 1, ANY_LENGTH),
    CYAML_FIELD_BOOL("public", CYAML_FLAG_OPTIONAL, struct config_http, is_public),
    CYAML_FIELD_END,
};

static const cyaml_strval_t log_names[] = {
    {"auto", CONFIG_LOG_AUTO},
    {"stderr", CONFIG_LOG_STDERR},
    {"journald", CONFIG_LOG_JOURNALD},
};

static const cyaml_schema_field_t config_fields[] = {
    CYAML_FIELD_SEQUENCE("listen", CYAML_FLAG_POINTER, struct config, listen, &string_value, 1,
                         CONFIG_LISTEN_MAX),
    CYAML_FIELD_STRING_PTR("key_file", CYAML_FLAG_POINTER, struct config, key_file, 1, ANY_LENGTH),
    CYAML_FIELD_UINT("workers", CYAML_FLAG_OPTIONAL, struct config, workers),
    CYAML_FIELD_MAPPING("cores", CYAML_FLAG_OPTIONAL, struct config, cores, cores_fields),
    CYAML_FIELD_UINT("jobs", CYAML_FLAG_DEFAULT, struct config, jobs),
    CYAML_FIELD_UINT("default_deadline_ms", CYAML_FLAG_DEFAULT, struct config, default_deadline_ms),
    CYAML_FIELD_UINT("table_budget_mib", CYAML_FLAG_OPTIONAL, struct config, table_budget_mib),
    CYAML_FIELD_UINT("recheck_one_in", CYAML_FLAG_OPTIONAL, struct config, recheck_one_in),
    CYAML_FIELD_SEQUENCE("priorities", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config,
                         priority_names, &string_value, 0, CONFIG_OPS),
    CYAML_FIELD_SEQUENCE("custodians", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config,
                         custodians, &custodian_value, 0, CONFIG_CUSTODIANS_MAX),
    CYAML_FIELD_MAPPING("trust", CYAML_FLAG_DEFAULT, struct config, trust, trust_fields),
    CYAML_FIELD_SEQUENCE("principals", CYAML_FLAG_POINTER, struct config, principals,
                         &principal_value, 1, CONFIG_PRINCIPALS_MAX),
    CYAML_FIELD_MAPPING_PTR("http", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config, http,
                            http_fields),
    CYAML_FIELD_ENUM("log", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct config, log, log_names,
                     CYAML_ARRAY_LEN(log_names)),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t config_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_fields),
};

/* libcyaml says what is wrong line by line; together the lines are the sentence. */
struct complaint {
    char text[CONFIG_ERROR_MAX];
    size_t len;
};

__attribute__((format(printf, 3, 0))) static void collect(cyaml_log_t level, void *ctx,
                                                          const char *format, va_list args)
{
    struct complaint *c = ctx;
    char line[CONFIG_ERROR_MAX];
    (void)vsnprintf(line, sizeof(line), format, args);
    const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
    if (level < CYAML_LOG_WARNING || strncmp(text, "Backtrace", 9) == 0) {
        return;
    }
    text += strspn(text, " ");
    int n = snprintf(c->text + c->len, sizeof(c->text) - c->len, "%s%.*s", c->len > 0 ? ", " : "",
                     (int)strcspn(text, "\n"), text);
    size_t room = sizeof(c->text) - 1 - c->len;
    c->len += (size_t)n < room ? (size_t)n : room;
}

static void cyaml_setup(cyaml_config_t *setup, struct complaint *complaint)
{
    *setup = (cyaml_config_t){
        .log_fn = collect,
        .log_ctx = complaint,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_WARNING,
        .flags = CYAML_CFG_NO_ALIAS,
    };
}

enum status config_load(const char *path, struct config **out, char error[static CONFIG_ERROR_MAX])
{
    struct complaint complaint = {.len = 0};
    cyaml_config_t setup;
    cyaml_setup(&setup, &complaint);
    *out = NULL;

    struct config *config = NULL;
    cyaml_err_t err = cyaml_load_file(path, &setup, &config_value, (cyaml_data_t **)&config, NULL);
    if (err != CYAML_OK || config == NULL) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "%.200s: %.250s", path,
                       complaint.len > 0 ? complaint.text : cyaml_strerror(err));
        return STATUS_BAD_REQUEST;
    }
    enum status s = config_check(config, path, error);
    if (s != STATUS_OK) {
        config_free(&config);
        return s;
    }
    *out = config;
    return STATUS_OK;
}

void config_free(struct config **config)
{
    struct complaint complaint = {.len = 0};
    cyaml_config_t setup;
    cyaml_setup(&setup, &complaint);
    if (*config != NULL) {
        (void)cyaml_free(&setup, &config_value, *config, 0); /* its one failure is a bad schema */
    }
    *config = NULL;
}
