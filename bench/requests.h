/*
 * Requests that need no answer to make: signatures of a few known keys, and certificates of cards.
 * Everything is made and encoded before the clock starts, and used again and again.
 */
#ifndef BENCH_REQUESTS_H
#define BENCH_REQUESTS_H

#include "bench/load.h"
#include "providers/provider.h"

enum { REQUEST_KEYS_MAX = 64 };

struct requests; /* a set of encoded ones */

/* Verify: so many items each, by keys taken in turn; a message names each key it uses once. */
struct requests *requests_verify(enum curve curve, size_t keys, size_t items);

/* Verify on P-256, n of them, every signature by a key of its own. */
struct requests *requests_strangers(size_t n, size_t items);

struct cards; /* bench/cards.h */

/* VerifyChain: certificates of these cards, the EUM by its id. */
struct requests *requests_chain(const struct cards *cards, size_t items);

/* One Verify whose last signature is tampered with; the answer must refuse it and nothing else. */
struct requests *requests_tampered(size_t items);

void requests_free(struct requests **requests);

/* What load_run takes; a view into the set. */
struct load_source requests_source(struct requests *requests);

/* The items of a Verify set once more, for the kernel itself: valid while the set lives. */
size_t requests_items(const struct requests *requests, size_t max, struct verify_item out[]);

#endif
