#include "service/authz.h"

#include <stdio.h>
#include <string.h>

_Static_assert(WIRE_OP_END - WIRE_OP_FIRST <= 32, "an operation has a bit in a uint32_t");

const struct config_principal *authz_principal_of_key(const struct config *config,
                                                      const uint8_t key[static CURVE_KEY_LEN])
{
    for (unsigned p = 0; p < config->principals_count; p++) {
        const struct config_principal *principal = &config->principals[p];
        for (unsigned k = 0; k < principal->keys_z85_count; k++) {
            if (memcmp(principal->keys[k], key, CURVE_KEY_LEN) == 0) { /* a public key */
                return principal;
            }
        }
    }
    return NULL;
}

const struct config_principal *authz_principal_of_name(const struct config *config,
                                                       const char *name)
{
    for (unsigned p = 0; p < config->principals_count; p++) {
        if (strcmp(config->principals[p].name, name) == 0) {
            return &config->principals[p];
        }
    }
    return NULL;
}

enum status authz_check(const struct config_principal *principal, enum wire_op op,
                        char detail[static WIRE_DETAIL_MAX])
{
    if ((principal->granted & authz_bit(op)) != 0) {
        return STATUS_OK;
    }
    const char *name = wire_op_name(op);
    (void)snprintf(detail, WIRE_DETAIL_MAX, "policy grants %s no %s", principal->name,
                   name != NULL ? name : "such operation");
    return STATUS_DENIED;
}
