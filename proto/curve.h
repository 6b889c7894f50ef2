/*
 * The three curves, one number each for every room and for the wire.
 */
#ifndef PROTO_CURVE_H
#define PROTO_CURVE_H

#include <stdint.h>

#include "proto/status.h"

enum curve {
    CURVE_NONE = 0,
    CURVE_P256 = 1,
    CURVE_BRAINPOOLP256R1 = 2,
    CURVE_FRP256V1 = 3,
    CURVE_COUNT = 4, /* one past the last */
};

/* "P-256", "brainpoolP256r1", "FRP256v1"; "none" for anything else. */
const char *curve_name(unsigned curve);

/* From a name as above, case ignored, "p256" too; CURVE_NONE when unknown. */
enum curve curve_from_name(const char *name);

/* From the reference in tag F0 (00, 03, 40); CURVE_NONE when unknown. */
enum curve curve_from_ref(uint8_t f0);

/* The reference for tag F0; 0xFF when there is none. */
uint8_t curve_ref(enum curve curve);

#endif
