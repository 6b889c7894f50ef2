/*
 * The eight-lane group formulas (pt8.h) over the three curves behind a plain function: encoded
 * points go in and out.
 */
#ifndef TESTS_UNIT_EC_PT8_OPS_H
#define TESTS_UNIT_EC_PT8_OPS_H

#include "providers/provider.h"

enum { PT8_LANES = 8 };

/* Of P and Q; 2P has z other than 1. */
enum pt8_op {
    PT8_OP_DBL,           /* 4P */
    PT8_OP_MADD,          /* 2P + Q */
    PT8_OP_ADD,           /* 2P + 2Q */
    PT8_OP_COMPLETE,      /* 2P + Q */
    PT8_OP_FROM_INFINITY, /* infinity + Q, then + P */
    PT8_OPS
};

typedef uint8_t pt8_points[PT8_LANES][EC_POINT_LEN];

/* Returns the lanes with z = 0; what stands in their out is nonsense. */
unsigned pt8_ops_apply(enum curve curve, enum pt8_op op, const pt8_points P, const pt8_points Q,
                       pt8_points out);

#endif
