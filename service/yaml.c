#include "service/yaml.h"

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

static enum status conclude(const char *path, cyaml_err_t err, const struct complaint *complaint,
                            void **out, char error[static CONFIG_ERROR_MAX])
{
    if (err != CYAML_OK || *out == NULL) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "%.200s: %.250s", path,
                       complaint->len > 0 ? complaint->text : cyaml_strerror(err));
        *out = NULL;
        return STATUS_BAD_REQUEST;
    }
    return STATUS_OK;
}

enum status yaml_load(const char *path, const struct cyaml_schema_value *schema, void **out,
                      char error[static CONFIG_ERROR_MAX])
{
    struct complaint complaint = {.len = 0};
    cyaml_config_t setup;
    cyaml_setup(&setup, &complaint);
    *out = NULL;
    return conclude(path, cyaml_load_file(path, &setup, schema, out, NULL), &complaint, out, error);
}

enum status yaml_parse(const char *path, const void *bytes, size_t len,
                       const struct cyaml_schema_value *schema, void **out,
                       char error[static CONFIG_ERROR_MAX])
{
    struct complaint complaint = {.len = 0};
    cyaml_config_t setup;
    cyaml_setup(&setup, &complaint);
    *out = NULL;
    return conclude(path, cyaml_load_data(bytes, len, &setup, schema, out, NULL), &complaint, out,
                    error);
}

void yaml_free(const struct cyaml_schema_value *schema, void *data)
{
    struct complaint complaint = {.len = 0};
    cyaml_config_t setup;
    cyaml_setup(&setup, &complaint);
    if (data != NULL) {
        (void)cyaml_free(&setup, schema, data, 0); /* its one failure is a bad schema */
    }
}
