/*
 * A custodian without a token, for the operations that need none: generations of known keys, a
 * DRBG, the locked memory. Sealed key sets are made from keys that the test knows.
 */
#ifndef TESTS_UNIT_HSM_HSM_TEST_H
#define TESTS_UNIT_HSM_HSM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hsm/custodian.h"
#include "hsm/sealed/keyset.h"

enum { HSM_TEST_KVN = 5, HSM_TEST_ARENA = 1 << 20 };

extern const uint8_t hsm_test_eid[GP_EID_LEN];
extern const uint8_t hsm_test_keys[KEY_SET_KEYS][SYM_AES128_KEY_LEN]; /* ENC, MAC, DEK */
extern char hsm_test_principal[];                                     /* "beta" */

struct hsm_fixture {
    struct custodian c;
    struct arena arena;
    uint8_t frame[CUSTODY_FRAME_MAX];
    uint8_t storage[HSM_TEST_ARENA] __attribute__((aligned(16)));
};

/* A blob of the test's own. */
struct hsm_blob {
    size_t len;
    uint8_t bytes[WIRE_TICKET_MAX];
};

int hsm_setup(void **state);
int hsm_teardown(void **state);

/* Seals a key set of this type with the keys given, for hsm_test_principal, _eid and KVN. */
void hsm_seal_set(struct hsm_fixture *f, enum blob_type type, uint8_t kvn, const uint8_t *enc,
                  const uint8_t *mac, const uint8_t *dek, struct hsm_blob *out);

/* Opens a blob that must open, its contents in the scratch; the length. */
size_t hsm_open(struct hsm_fixture *f, enum blob_type type, uint8_t kvn,
                const ProtobufCBinaryData *blob);

/* One batch through custodian_batch(), as from the socket; the answer lives until the next call.
 * Afterwards nothing secret may stand in the custodian's memory. */
const custody_answer *hsm_exchange(struct hsm_fixture *f, const custody_batch *batch);

static inline ProtobufCBinaryData hsm_bytes(const void *bytes, size_t len)
{
    return (ProtobufCBinaryData){len, (uint8_t *)bytes};
}

#endif
