/*
 * Many inverses for one: Montgomery's trick over vectors, and over the eight lanes of the last.
 *
 * A caller multiplies its denominators into two chains (so that two products are in flight),
 * keeping before each product what the chain was; chain8_invert_vartime() turns the two products
 * into their inverses; the caller walks back. All in public data: the one inversion left takes
 * variable time.
 */
#ifndef PROVIDERS_EC_IFMA_CHAIN8_H
#define PROVIDERS_EC_IFMA_CHAIN8_H

#include "providers/ec/ifma/fe8.h"
#include "providers/ec/modinv64.h"

enum { CHAINS = 2 };

/* Which R the inverses carry. */
enum chain8_form {
    CHAIN8_PLAIN = 1, /* product * inverse / R = 1: of plain numbers, R / a */
    CHAIN8_MONT = 2,  /* product * inverse / R = R mod m: of Montgomery forms, the inverse's */
};

/*
 * Products below 2 m, inverses below 2 m. False where a lane of a product is 0 mod m: the inverses
 * are then nonsense, and the caller looks for the culprit.
 */
bool chain8_invert_vartime(struct fe8_mod mod, const struct ec64_modulus *m64,
                           enum chain8_form form, struct fe8 inverse[CHAINS],
                           const struct fe8 product[CHAINS]);

#endif
