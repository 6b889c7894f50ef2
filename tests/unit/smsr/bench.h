/*
 * A card on the bench: a PKI of its own, a robot from the factory, and a Beta that computes in this
 * process what a custodian would, with SK.SR.ECDSA and key sets in the open.
 */
#ifndef TESTS_SMSR_BENCH_H
#define TESTS_SMSR_BENCH_H

#include "smsr/pki/factory.h"

struct bench {
    struct engine engine;
    char dir[64]; /* of the PKI */
    EVP_PKEY *sr_key;
    struct pki pki;
    struct factory factory;
    struct trace silent;
    struct robot robot;
    struct key_set *ks1; /* as the off-card side holds it: counter of the last packet sent */
};

/* Asserts that everything could be made. */
void bench_init(struct bench *b, enum curve curve, size_t rc_len);
void bench_fini(struct bench *b);

/* The second byte of tag 90 and its company; what a test bends stands in its own fields. */
struct establishment {
    uint8_t scenario, kvn;
    struct span host_id;
    enum curve epk_curve; /* CURVE_NONE: the card's */
    bool bad_signature;
};

struct established {
    uint8_t store_data[STORE_DATA_MAX];
    size_t store_data_len;
    uint8_t crt[CRT_MAX];
    size_t crt_len;
    uint8_t epk[EC_POINT_LEN];
    uint8_t signature[EC_SIGNATURE_LEN];
    uint8_t z[ECDH_Z_LEN];
};

/* Steps 14 and 15 for the point and RC of a card. */
void bench_establish(struct bench *b, const struct establishment *e, const uint8_t *pk_ecasd,
                     struct span rc, struct span sdin, struct established *out);

/* Step 23: KS2 from Z, or a status. */
enum status bench_confirm(struct bench *b, const struct established *e, struct span dr,
                          struct span receipt, struct span sin, struct key_set *ks2);

/* PK.ECASD.ECKA of the robot, out of its certificate. */
void bench_pk_ecasd(const struct bench *b, uint8_t out[static EC_POINT_LEN]);

/* -- talking to the card -- */

struct reply {            /* of a packet */
    uint16_t envelope_sw; /* of the last ENVELOPE */
    enum status opened;   /* the response packet under the same keys */
    uint8_t rsc;
    uint8_t executed;
    uint16_t sw; /* of the last command inside; 0 when there is none */
    size_t data_len;
    uint8_t data[RAPDU_DATA_MAX];
};

/* A script of C-APDU bytes under a key set with its counter as it is (not increased). */
void bench_packet(struct bench *b, const struct key_set *set, struct span capdu, struct reply *out);
/* The same with the next counter. */
void bench_command(struct bench *b, struct key_set *set, struct span capdu, struct reply *out);
/* A well-formed command, with the next counter. */
void bench_apdu(struct bench *b, struct key_set *set, uint8_t ins, uint8_t p1, uint8_t p2,
                struct span data, struct reply *out);

/* Sends a certificate as the first STORE DATA; the RC stands in out->data behind its header. */
void bench_store_certificate(struct bench *b, struct span cert, struct reply *out);
/* Both STORE DATA; asserts that the first one passed. out: the answer to the second. */
void bench_key_establishment(struct bench *b, const struct establishment *e,
                             struct established *made, struct reply *out);

#endif
