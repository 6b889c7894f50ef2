#include "hsm/config.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hsm/log.h"
#include "proto/audit/audit.h"
#include "proto/custody/custody.h"

enum {
    DAY_S = 24 * 60 * 60,
    TICKET_ROTATION_S = 7 * DAY_S,
    /* A ticket outlives the validity period of a change by a margin, and nothing more. */
    TICKET_LIFETIME_S = 31 * DAY_S,
    TICKET_LIFETIME_MAX_S = 400 * DAY_S,
    /* Generations of which tickets live at once; the token's room is shared with key sets'. */
    TICKET_ROTATIONS_MAX = 12,

    SEGMENT_BYTES = 64 << 20, /* read at a start: a second or so */
    SEGMENT_BYTES_MIN = 16 << 10,
    SEGMENT_BYTES_MAX = 1 << 30,
    RESERVE_BYTES = 4 << 20, /* 6000 Confirms one at a time */
    RESERVE_BYTES_MIN = 256 << 10,
    CALL_TIMEOUT_MS = 3000,
    CALL_TIMEOUT_MIN_MS = 100,
    CALL_TIMEOUT_MAX_MS = 60 * 1000,

    TAR_MAX = 0xFFFFFF,
    TAR_GRANTS_MAX = 64,
};

struct raw_audit {
    char *mode, *directory, *origin;
    uint32_t *segment_bytes, *reserve_bytes;
};

struct raw_config { /* as libcyaml fills it */
    char *name, *socket, *token, *pin_file, *sr_certs, *lock_file, *state_dir;
    uint32_t *peer_uid, *ticket_rotation_s, *ticket_lifetime_s, *call_timeout_ms;
    struct recycle recycle;
    struct tar_grant *tars;
    unsigned tars_count;
    enum sandbox *sandbox;
    struct raw_audit *audit;
};

static const cyaml_schema_field_t audit_fields[] = {
    CYAML_FIELD_STRING_PTR("mode", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_audit, mode,
                           1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("directory", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_audit,
                           directory, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("origin", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_audit,
                           origin, 1, CYAML_UNLIMITED),
    CYAML_FIELD_UINT_PTR("segment_bytes", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                         struct raw_audit, segment_bytes),
    CYAML_FIELD_UINT_PTR("reserve_bytes", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                         struct raw_audit, reserve_bytes),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t tar_fields[] = {
    CYAML_FIELD_STRING_PTR("principal", CYAML_FLAG_POINTER, struct tar_grant, principal, 1,
                           CYAML_UNLIMITED),
    CYAML_FIELD_UINT("tar", CYAML_FLAG_DEFAULT, struct tar_grant, tar),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t tar_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct tar_grant, tar_fields),
};

static const cyaml_strval_t sandboxes[] = {
    {"strict", SANDBOX_STRICT}, {"vendor", SANDBOX_VENDOR}, {"off", SANDBOX_OFF}};

static const cyaml_schema_field_t recycle_fields[] = {
    CYAML_FIELD_UINT("operations", CYAML_FLAG_OPTIONAL, struct recycle, operations),
    CYAML_FIELD_UINT("rss_mib", CYAML_FLAG_OPTIONAL, struct recycle, rss_mib),
    CYAML_FIELD_END,
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
    CYAML_FIELD_STRING_PTR("state_dir", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config,
                           state_dir, 1, CYAML_UNLIMITED),
    CYAML_FIELD_UINT_PTR("ticket_rotation_s", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                         struct raw_config, ticket_rotation_s),
    CYAML_FIELD_UINT_PTR("ticket_lifetime_s", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                         struct raw_config, ticket_lifetime_s),
    CYAML_FIELD_UINT_PTR("call_timeout_ms", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                         struct raw_config, call_timeout_ms),
    CYAML_FIELD_MAPPING("recycle", CYAML_FLAG_OPTIONAL, struct raw_config, recycle, recycle_fields),
    CYAML_FIELD_SEQUENCE("tars", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config, tars,
                         &tar_schema, 0, TAR_GRANTS_MAX),
    CYAML_FIELD_ENUM_PTR("sandbox", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT,
                         struct raw_config, sandbox, sandboxes, CYAML_ARRAY_LEN(sandboxes)),
    CYAML_FIELD_MAPPING_PTR("audit", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config,
                            audit, audit_fields),
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

static char *resolve_pin(const char *config_path, const char *path)
{
    bool descriptor = path != NULL && strncmp(path, PIN_FD_PREFIX, strlen(PIN_FD_PREFIX)) == 0;
    return descriptor ? strdup(path) : resolve(config_path, path);
}

/* The configured folder, or the one that the socket is in. */
static char *state_folder(const char *config_path, const struct raw_config *raw, const char *socket)
{
    if (raw->state_dir != NULL) {
        return resolve(config_path, raw->state_dir);
    }
    const char *slash = socket == NULL ? NULL : strrchr(socket, '/');
    if (slash == NULL) {
        return socket == NULL ? NULL : strdup(".");
    }
    return strndup(socket, slash == socket ? 1 : (size_t)(slash - socket));
}

/* Where the log is and what it is called, by default after the custodian. */
static bool take_audit(struct config *out, const char *path, const struct raw_config *raw)
{
    static const struct raw_audit none;
    const struct raw_audit *in = raw->audit == NULL ? &none : raw->audit;
    struct audit_config *a = &out->audit;
    int n;

    a->off = in->mode != NULL && strcmp(in->mode, "off") == 0;
    a->segment_bytes = in->segment_bytes == NULL ? (uint64_t)SEGMENT_BYTES : *in->segment_bytes;
    a->reserve_bytes = in->reserve_bytes == NULL ? (uint64_t)RESERVE_BYTES : *in->reserve_bytes;
    if (in->directory != NULL) {
        a->directory = resolve(path, in->directory);
    } else if (asprintf(&a->directory, "%s/audit-%s", out->state_dir, out->name) < 0) {
        a->directory = NULL;
    }
    n = in->origin != NULL ? asprintf(&a->origin, "%s", in->origin)
                           : asprintf(&a->origin, "eckad/%s", out->name);
    a->origin = n < 0 ? NULL : a->origin;
    return a->directory != NULL && a->origin != NULL;
}

static enum status check_audit(const struct raw_config *raw, const struct audit_config *a)
{
    const char *mode = raw->audit == NULL ? NULL : raw->audit->mode;
    const char *fault = NULL;
    if (mode != NULL && strcmp(mode, "off") != 0 && strcmp(mode, "strict") != 0) {
        fault = "audit: mode is strict or off";
    } else if (!audit_origin_valid(audit_text(a->origin))) {
        fault = "audit: an origin has 1 to 64 printable ASCII characters, none of them a blank, +, "
                "\" or \\";
    } else if (a->segment_bytes < SEGMENT_BYTES_MIN || a->segment_bytes > SEGMENT_BYTES_MAX) {
        fault = "audit: segment_bytes is not in 16 KiB to 1 GiB";
    } else if (a->reserve_bytes < RESERVE_BYTES_MIN || a->reserve_bytes > SEGMENT_BYTES_MAX) {
        fault = "audit: reserve_bytes is not in 256 KiB to 1 GiB";
    }
    if (fault != NULL) {
        log_line("%s", fault);
    }
    return fault == NULL ? STATUS_OK : STATUS_BAD_REQUEST;
}

static enum status check_tickets(const struct config *c)
{
    const char *fault = NULL;
    if (c->ticket_lifetime_s == 0 || c->ticket_lifetime_s > TICKET_LIFETIME_MAX_S) {
        fault = "ticket_lifetime_s is not in 1 to 400 days";
    } else if (c->ticket_rotation_s != 0 &&
               c->ticket_lifetime_s / c->ticket_rotation_s > TICKET_ROTATIONS_MAX) {
        fault = "ticket_lifetime_s is more than 12 times ticket_rotation_s";
    }
    if (fault != NULL) {
        log_line("%s", fault);
    }
    return fault == NULL ? STATUS_OK : STATUS_BAD_REQUEST;
}

/* Grants that could never match are a mistake that nobody would notice. */
static enum status check_tars(const struct tar_grants *tars)
{
    for (size_t i = 0; i < tars->n; i++) {
        if (!principal_valid(tars->list[i].principal) || tars->list[i].tar > TAR_MAX) {
            log_line("tars: entry %zu names no principal or no TAR of three bytes", i + 1);
            return STATUS_BAD_REQUEST;
        }
    }
    return STATUS_OK;
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
        .pin_file = resolve_pin(path, raw->pin_file),
        .sr_certs = resolve(path, raw->sr_certs),
        .lock_file = resolve(path, raw->lock_file),
        .peer_uid = raw->peer_uid == NULL ? geteuid() : *raw->peer_uid,
        .ticket_rotation_s =
            raw->ticket_rotation_s == NULL ? TICKET_ROTATION_S : *raw->ticket_rotation_s,
        .ticket_lifetime_s =
            raw->ticket_lifetime_s == NULL ? TICKET_LIFETIME_S : *raw->ticket_lifetime_s,
        .call_timeout_ms = raw->call_timeout_ms == NULL ? CALL_TIMEOUT_MS : *raw->call_timeout_ms,
        .recycle = raw->recycle,
        .tars = {raw->tars_count, raw->tars},
        .sandbox = raw->sandbox == NULL ? SANDBOX_STRICT : *raw->sandbox,
        .raw = raw,
    };
    out->state_dir = state_folder(path, raw, out->socket);
    if (out->socket == NULL || out->sr_certs == NULL || out->lock_file == NULL ||
        out->state_dir == NULL || (raw->pin_file != NULL && out->pin_file == NULL) ||
        !take_audit(out, path, raw)) {
        log_line("out of memory");
        config_fini(out);
        return STATUS_INTERNAL;
    }
    enum status st = check_tickets(out);
    if (st == STATUS_OK && (out->call_timeout_ms < CALL_TIMEOUT_MIN_MS ||
                            out->call_timeout_ms > CALL_TIMEOUT_MAX_MS)) {
        log_line("call_timeout_ms is not in %d to %d", CALL_TIMEOUT_MIN_MS, CALL_TIMEOUT_MAX_MS);
        st = STATUS_BAD_REQUEST;
    }
    if (st == STATUS_OK) {
        st = check_tars(&out->tars);
    }
    if (st == STATUS_OK) {
        st = check_audit(raw, &out->audit);
    }
    if (st != STATUS_OK) {
        config_fini(out);
    }
    return st;
}

void config_fini(struct config *c)
{
    free(c->socket);
    free(c->pin_file);
    free(c->sr_certs);
    free(c->lock_file);
    free(c->state_dir);
    free(c->audit.directory);
    free(c->audit.origin);
    (void)cyaml_free(&cyaml, &schema, c->raw, 0);
    *c = (struct config){0};
}
