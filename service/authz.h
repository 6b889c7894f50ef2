/*
 * Who may ask for what: a principal is a name with CURVE keys and granted operations.
 *
 * Pure look-ups over the configuration; any thread. What is not granted is denied.
 */
#ifndef SERVICE_AUTHZ_H
#define SERVICE_AUTHZ_H

#include "proto/wire/wire.h"
#include "service/config.h"

/* The bit of an operation in config_principal.granted. */
static inline uint32_t authz_bit(enum wire_op op)
{
    return op >= WIRE_OP_FIRST && op < WIRE_OP_END ? 1u << (op - WIRE_OP_FIRST) : 0;
}

/* The principal that holds this CURVE key; NULL when nobody does. */
const struct config_principal *authz_principal_of_key(const struct config *config,
                                                      const uint8_t key[static CURVE_KEY_LEN]);

/* The principal of this name; NULL when there is none. */
const struct config_principal *authz_principal_of_name(const struct config *config,
                                                       const char *name);

/* DENIED with a sentence unless policy grants the operation. */
MUST_CHECK enum status authz_check(const struct config_principal *principal, enum wire_op op,
                                   char detail[static WIRE_DETAIL_MAX]);

#endif
