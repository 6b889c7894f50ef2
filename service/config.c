/*
 * The schema of eckad.yaml and its loading; what the values must satisfy beyond their type stands
 * in config_check.c. Runs once, before any thread.
 */
#include "service/config.h"

#include <cyaml/cyaml.h>

#include "service/config_check.h"
#include "service/yaml.h"

enum { ANY_LENGTH = CYAML_UNLIMITED };

static const cyaml_schema_value_t string_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, ANY_LENGTH),
};

static const cyaml_schema_field_t custodian_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct config_custodian, name, 1,
                           ANY_LENGTH),
    CYAML_FIELD_STRING_PTR("socket", CYAML_FLAG_POINTER, struct config_custodian, socket, 1,
                           ANY_LENGTH),
    CYAML_FIELD_STRING_PTR("group", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct config_custodian, group, 1, ANY_LENGTH),
    CYAML_FIELD_UINT("weight", CYAML_FLAG_OPTIONAL, struct config_custodian, weight),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t custodian_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_custodian, custodian_fields),
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
    CYAML_FIELD_UINT("connections", CYAML_FLAG_OPTIONAL, struct config, connections),
    CYAML_FIELD_UINT("default_deadline_ms", CYAML_FLAG_DEFAULT, struct config, default_deadline_ms),
    CYAML_FIELD_UINT("table_budget_mib", CYAML_FLAG_OPTIONAL, struct config, table_budget_mib),
    CYAML_FIELD_UINT("recheck_one_in", CYAML_FLAG_OPTIONAL, struct config, recheck_one_in),
    CYAML_FIELD_SEQUENCE("priorities", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config,
                         priority_names, &string_value, 0, CONFIG_OPS),
    CYAML_FIELD_SEQUENCE("custodians", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config,
                         custodians, &custodian_value, 0, CONFIG_CUSTODIANS_MAX),
    CYAML_FIELD_UINT("custodian_timeout_ms", CYAML_FLAG_OPTIONAL, struct config,
                     custodian_timeout_ms),
    CYAML_FIELD_STRING_PTR("policy", CYAML_FLAG_POINTER, struct config, policy, 1, ANY_LENGTH),
    CYAML_FIELD_STRING_PTR("pid_file", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config,
                           pid_file, 1, ANY_LENGTH),
    CYAML_FIELD_MAPPING_PTR("http", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config, http,
                            http_fields),
    CYAML_FIELD_ENUM("log", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct config, log, log_names,
                     CYAML_ARRAY_LEN(log_names)),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t config_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_fields),
};

enum status config_load(const char *path, struct config **out, char error[static CONFIG_ERROR_MAX])
{
    void *loaded = NULL;
    *out = NULL;
    TRY(yaml_load(path, &config_value, &loaded, error));
    struct config *config = loaded;
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
    yaml_free(&config_value, *config);
    *config = NULL;
}
