/*
 * Simulated cards as a front-end meets them in a handover, and the front-end that hands them over:
 * Establish for the card's challenge, the card's receipt, Confirm.
 *
 * Keys, certificates and challenges are made before the clock starts, with the EUM's key of a test
 * PKI. What a card computes for its receipt is computed here, many cards at a time; it costs the
 * generator, not the server. Each reply is checked as a card would: the signature under the
 * CERT.SR.ECDSA, and a receipt that Confirm takes.
 */
#ifndef BENCH_CARDS_H
#define BENCH_CARDS_H

#include "bench/load.h"
#include "proto/gp/key_establishment.h"
#include "providers/provider.h"

struct card {
    uint8_t eid[GP_EID_LEN];
    uint8_t sk[EC_SCALAR_LEN];
    uint8_t rc[RC_LEN_SHORT];
    size_t cert_len;
    uint8_t cert[GP_CERT_MAX]; /* CERT.ECASD.ECKA */
};

struct cards;

/* So many cards on P-256, from the PKI in dir (smsr/pki/pki.h). NULL with a sentence on stderr. */
struct cards *cards_new(const char *dir, size_t n);
void cards_free(struct cards **cards);

/* By number, beginning again after the last. */
const struct card *cards_get(const struct cards *cards, size_t i);
uint8_t *cards_eum_id(const struct cards *cards);

/* -- handovers -- */

struct handovers;

/* Handovers for so many slots of so many cards each; no DR, EUM by id. The cards outlive it. */
struct handovers *handovers_new(struct cards *cards, size_t slots, size_t items);
void handovers_free(struct handovers **handovers);
struct load_source handovers_source(struct handovers *handovers);
/* Their first half alone: Establish, again and again. */
struct load_source handovers_establish_source(struct handovers *handovers);

#endif
