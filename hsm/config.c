#include "hsm/config.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hsm/log.h"

struct raw_config { /* as libcyaml fills it */
    char *name, *socket, *token, *pin_file, *sr_certs, *lock_file;
    uint32_t *peer_uid;
};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct raw_config, name, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("socket", CYAML_FLAG_POINTER, struct raw_config, socket, 1,
                           CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("token", CYAML_FLAG_POINTER, struct raw_config, token, 1,
                           CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("pin_file", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config,
                           pin_file, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("sr_certs", CYAML_FLAG_POINTER, struct raw_config, sr_certs, 1,
                           CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("lock_file", CYAML_FLAG_POINTER, struct raw_config, lock_file, 1,
                           CYAML_UNLIMITED),
    CYAML_FIELD_UINT_PTR("peer_uid", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config,
                         peer_uid),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, fields),
};

static const cyaml_config_t cyaml = {
    .log_fn = cyaml_log,
    .mem_fn = cyaml_mem,
    .log_level = CYAML_LOG_ERROR,
};

/* A path as the program uses it: relative ones start at the configuration file's folder. */
static char *resolve(const char *config_path, const char *path)
{
    const char *slash = strrchr(config_path, '/');
    char *out;
    if (path == NULL) {
        return NULL;
    }
    if (path[0] == '/' || slash == NULL) {
        return strdup(path);
    }
    return asprintf(&out, "%.*s/%s", (int)(slash - config_path), config_path, path) < 0 ? NULL
                                                                                        : out;
}

enum status config_load(struct config *out, const char *path)
{
    struct raw_config *raw = NULL;
    cyaml_err_t err = cyaml_load_file(path, &cyaml, &schema, (cyaml_data_t **)&raw, NULL);

    *out = (struct config){0};
    if (err != CYAML_OK) {
        log_line("cannot read the configuration %s: %s", path, cyaml_strerror(err));
        return STATUS_BAD_REQUEST;
    }
    *out = (struct config){
        .name = raw->name,
        .token = raw->token,
        .socket = resolve(path, raw->socket),
        .pin_file = resolve(path, raw->pin_file),
        .sr_certs = resolve(path, raw->sr_certs),
        .lock_file = resolve(path, raw->lock_file),
        .peer_uid = raw->peer_uid == NULL ? geteuid() : *raw->peer_uid,
        .raw = raw,
    };
    if (out->socket == NULL || out->sr_certs == NULL || out->lock_file == NULL ||
        (raw->pin_file != NULL && out->pin_file == NULL)) {
        log_line("out of memory");
        config_fini(out);
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

void config_fini(struct config *c)
{
    free(c->socket);
    free(c->pin_file);
    free(c->sr_certs);
    free(c->lock_file);
    (void)cyaml_free(&cyaml, &schema, c->raw, 0);
    *c = (struct config){0};
}
