/*
 * What policy.yaml must satisfy beyond its schema; policy.c's other half.
 */
#ifndef SERVICE_POLICY_CHECK_H
#define SERVICE_POLICY_CHECK_H

#include "service/policy/policy.h"

/*
 * Checks every value and makes what is made from them, but for the trust store, whose directory
 * becomes absolute against that of the file at path. BAD_REQUEST with a sentence that names the
 * field.
 */
MUST_CHECK enum status policy_check(struct policy *policy, const char *path,
                                    char error[static CONFIG_ERROR_MAX]);

#endif
