#include "bench/hsm/deployed.h"

#include <p11-kit/uri.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/deployment.h"
#include "bench/hsm/raw.h"
#include "hsm/config.h"

enum { WORKERS = 1 };

static struct deployment deployment;
static struct server server;
static bool opened;

static bool open_once(const char *dir)
{
    opened = opened || deployment_open(&deployment, dir);
    return opened;
}

static bool take_uri(const char *text, struct target *target)
{
    P11KitUri *uri = p11_kit_uri_new();
    bool ok = uri != NULL && p11_kit_uri_parse(text, P11_KIT_URI_FOR_TOKEN | P11_KIT_URI_FOR_MODULE,
                                               uri) == P11_KIT_URI_OK;
    const char *path = ok ? p11_kit_uri_get_module_path(uri) : NULL;
    const CK_TOKEN_INFO *info = ok ? p11_kit_uri_get_token_info(uri) : NULL;
    if (path != NULL) {
        size_t len = sizeof info->label;
        while (len > 0 && (info->label[len - 1] == ' ' || info->label[len - 1] == '\0')) {
            len--;
        }
        memcpy(target->label, info->label, len);
        target->label[len] = '\0';
        (void)snprintf(target->module, sizeof target->module, "%s", path);
    }
    p11_kit_uri_free(uri);
    return path != NULL;
}

bool deployed_token(const char *dir, struct target *target)
{
    char path[PROCESS_PATH_MAX];
    struct config config;
    (void)snprintf(path, sizeof path, "%s/c1.yaml", dir);
    if (!open_once(dir) || config_load(&config, path) != STATUS_OK) {
        return false;
    }
    (void)snprintf(target->softhsm_conf, sizeof target->softhsm_conf, "%s",
                   getenv("SOFTHSM2_CONF"));
    bool ok = take_uri(config.token, target);
    if (!ok) {
        (void)fprintf(stderr, "eckabench: the token of %s names no module\n", path);
    }
    (void)snprintf(target->pin_file, sizeof target->pin_file, "%s",
                   config.pin_file != NULL ? config.pin_file : "");
    config_fini(&config);
    return ok;
}

void deployed_offer(struct hsm_options *o)
{
    char program[TARGET_TEXT_MAX];
    o->plan.service = o->plan.service_signs = o->dir != NULL;
    o->plan.raw = raw_program(program);
}

bool deployed_start(const struct hsm_options *o, struct target *target)
{
    struct service_target *s = &target->service;
    if (o->dir == NULL) {
        return true;
    }
    if (!open_once(o->dir) ||
        !deployment_start_custodians(&deployment, DEPLOYMENT_CUSTODIANS_MAX) ||
        !deployment_start_eckad(&deployment, "hsm", WORKERS, &server)) {
        return false;
    }
    (void)snprintf(s->endpoint, sizeof s->endpoint, "%s", server.endpoint);
    memcpy(s->server_key, deployment.server_key, sizeof s->server_key);
    s->keys = deployment.bench;
    (void)snprintf(s->sign_key, sizeof s->sign_key, DEPLOYMENT_SIGN_KEY);
    return true;
}

void deployed_end(void)
{
    (void)process_stop(&server.process);
    if (opened) {
        deployment_close(&deployment);
    }
}
