/*
 * What is measured: a module and its token, and for the lane `service` an eckad in front of one.
 */
#ifndef BENCH_HSM_TARGET_H
#define BENCH_HSM_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "hsm/token/token.h"
#include "service/client/keyfile.h"

enum { TARGET_TEXT_MAX = 512, TOKEN_TEXT_MAX = 65 };

/* What the token and its module say of themselves, without blanks at the end. */
struct token_facts {
    char label[TOKEN_TEXT_MAX], manufacturer[TOKEN_TEXT_MAX], model[TOKEN_TEXT_MAX],
        serial[TOKEN_TEXT_MAX], firmware[TOKEN_TEXT_MAX], hardware[TOKEN_TEXT_MAX];
    char module_manufacturer[TOKEN_TEXT_MAX], module_description[TOKEN_TEXT_MAX],
        module_version[TOKEN_TEXT_MAX];
    bool needs_login;
};

struct service_target {
    char endpoint[TARGET_TEXT_MAX]; /* "": there is no eckad */
    char server_key[KEYFILE_Z85_SIZE];
    struct curve_key_pair keys;
    char sign_key[TOKEN_TEXT_MAX]; /* label of a generic-sign key on P-256 */
};

struct target {
    char module[TARGET_TEXT_MAX];
    char module_args[TARGET_TEXT_MAX];  /* of C_Initialize; "": none */
    char pin_file[TARGET_TEXT_MAX];     /* or fd:N; "": the credential */
    char label[TOKEN_TEXT_MAX];         /* of the token; "": the only one there is */
    char softhsm_conf[TARGET_TEXT_MAX]; /* of a throw-away token; "": as the environment has it */
    bool throw_away;
    bool keys_in_token; /* as a custodian's are; else keys end with their session */
    struct pin *pin;    /* NULL: there is none */
    struct token_facts facts;
    struct service_target service;
};

#endif
