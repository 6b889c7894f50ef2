#include "proto/curve.h"

#include <stddef.h>
#include <strings.h>

#include "proto/gp/cert.h"

static const struct {
    const char *name;
    uint8_t ref;
} curves[CURVE_COUNT] = {
    [CURVE_NONE] = {"none", 0xFF},
    [CURVE_P256] = {"P-256", GP_CURVE_P256},
    [CURVE_BRAINPOOLP256R1] = {"brainpoolP256r1", GP_CURVE_BRAINPOOLP256R1},
    [CURVE_FRP256V1] = {"FRP256v1", GP_CURVE_FRP256V1},
};

const char *curve_name(unsigned curve)
{
    return curves[curve < CURVE_COUNT ? curve : CURVE_NONE].name;
}

enum curve curve_from_name(const char *name)
{
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        if (strcasecmp(name, curves[c].name) == 0) {
            return (enum curve)c;
        }
    }
    return strcasecmp(name, "p256") == 0 ? CURVE_P256 : CURVE_NONE;
}

enum curve curve_from_ref(uint8_t f0)
{
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        if (curves[c].ref == f0) {
            return (enum curve)c;
        }
    }
    return CURVE_NONE;
}

uint8_t curve_ref(enum curve curve)
{
    return (unsigned)curve < CURVE_COUNT ? curves[curve].ref : 0xFF;
}
