/*
 * G's tables for key generation, apart from those for verification: laid out to be held in
 * registers, small enough to be read whole.
 *
 * Window i holds the odd multiples (2j + 1) 2^(7i) G, affine, in Montgomery form, below p, on the
 * twist for brainpool; a row for each 64-bit word of x and of y. 148 KiB a curve. Public; written
 * once, by ecka_global_init(), before any thread reads them.
 */
#ifndef PROVIDERS_EC_IFMA_ECKA_BASE_H
#define PROVIDERS_EC_IFMA_ECKA_BASE_H

#include <stdint.h>

#include "proto/curve.h"

enum {
    BASE_W = 7, /* bits a window */
    BASE_ENTRIES = 1 << (BASE_W - 1),
    BASE_WINDOWS = (256 + BASE_W - 1) / BASE_W,
    BASE_WORDS = 4, /* a coordinate */
};

struct base_window {
    _Alignas(64) uint64_t x[BASE_WORDS][BASE_ENTRIES], y[BASE_WORDS][BASE_ENTRIES];
};

extern struct base_window ecka_base_tables[CURVE_COUNT][BASE_WINDOWS];

/* INTERNAL when there is no memory to build them in. */
MUST_CHECK enum status ecka_global_init(void);

#endif
