/*
 * The EUM's factory: makes a robot with fresh keys, its CERT.ECASD.ECKA, and the EIS that the first
 * SM-SR gets for it.
 */
#ifndef SMSR_FACTORY_H
#define SMSR_FACTORY_H

#include "smsr/card/euicc.h"
#include "smsr/eis/eis.h"
#include "smsr/pki/pki.h"

struct factory {
    struct engine *engine;
    const struct pki *pki;
    enum curve curve; /* of SK.ECASD.ECKA */
    size_t rc_len;
};

struct robot {
    struct euicc *card;
    struct eis eis;
    struct key_set *ks1; /* secret memory: the first SM-SR's copy */
};

enum { FACTORY_KVN = 0x01 };

/* PKI_EID_PREFIX, the number and check digits. */
MUST_CHECK enum status factory_eid(uint64_t number, uint8_t out[static GP_EID_LEN]);

/* CERT.ECASD.ECKA for a card's point on a curve, signed by the EUM. NO_SPACE, INTERNAL. */
MUST_CHECK enum status factory_certify(const struct pki *pki, enum curve curve,
                                       const uint8_t eid[static GP_EID_LEN],
                                       const uint8_t point[static EC_POINT_LEN],
                                       struct writer *out);

/* KS1 of an eUICC: each key is AES-CMAC(master, EID || key identifier). */
MUST_CHECK enum status factory_diversify(struct engine *engine,
                                         const uint8_t master[static KS1_MASTER_LEN],
                                         const uint8_t eid[static GP_EID_LEN], struct key_set *out);

/* The robot of this serial number. */
MUST_CHECK enum status factory_make(const struct factory *factory, uint64_t number,
                                    const char *smsr_id, const struct trace *trace,
                                    struct robot *out);
void robot_fini(struct robot *robot);

#endif
