/* Whether this machine can run the ifma kernel. Compiled without AVX: it runs on any x86-64. */
#include <cpuid.h>
#include <immintrin.h>
#include <stdbool.h>

#include "providers/ec/ifma/ifma.h"

enum {
    EXTENDED_FEATURES = 7,       /* CPUID leaf */
    ZMM_STATE = 7 << 5 | 3 << 1, /* XCR0: opmask, both halves of ZMM; YMM and XMM */
};

__attribute__((target("xsave"))) static bool zmm_enabled(void)
{
    return (_xgetbv(0) & ZMM_STATE) == ZMM_STATE;
}

const char *ifma_unusable(void)
{
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0 || !zmm_enabled()) {
        return "The operating system does not save the AVX-512 registers.";
    }
    if (__get_cpuid_count(EXTENDED_FEATURES, 0, &a, &b, &c, &d) == 0) {
        return "The CPU lacks AVX-512.";
    }
    const unsigned base = bit_AVX2 | bit_BMI2;
    const unsigned avx512 = bit_AVX512F | bit_AVX512DQ | bit_AVX512VL | bit_AVX512BW;
    if ((b & base) != base || (b & avx512) != avx512) {
        return "The CPU lacks AVX-512.";
    }
    if ((b & bit_AVX512IFMA) == 0) {
        return "The CPU lacks AVX512-IFMA.";
    }
    return (c & bit_AVX512VBMI2) == 0 ? "The CPU lacks AVX512-VBMI2." : NULL;
}
