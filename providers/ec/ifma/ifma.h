/*
 * The functions of the ifma kernel, file by file; kernel.c gathers them into ec_kernel_ifma, and
 * providers/ec/kernel.h says what each promises.
 *
 * A struct ec_scratch of this family is a struct ifma_scratch: one part a file that needs working
 * memory, made and freed by that file.
 */
#ifndef PROVIDERS_EC_IFMA_IFMA_H
#define PROVIDERS_EC_IFMA_IFMA_H

#include "providers/ec/kernel.h"

/* cpu.c: compiled without AVX, so that any machine can ask. */
const char *ifma_unusable(void);

/* kernel.c */
struct ifma_scratch {
    struct known_scratch *known;
    struct unknown_scratch *unknown;
    struct ecka_scratch *ecka;
};

static inline struct ifma_scratch *ifma_scratch_of(struct ec_scratch *s)
{
    return (struct ifma_scratch *)(void *)s;
}

MUST_CHECK enum status ifma_scratch_new(struct ec_scratch **out);
void ifma_scratch_free(struct ec_scratch **s);

/* table8.c: what is shared by a process is made here first (G's tables); see table8.h. */
MUST_CHECK enum status ifma_global_init(void);
size_t ifma_table_bytes(enum curve curve, enum ec_table_level level);
MUST_CHECK enum status ifma_build_begin(struct ec_build **out, enum curve curve,
                                        const uint8_t point[static EC_POINT_LEN],
                                        enum ec_table_level level);
struct ec_table *ifma_build_step(struct ec_build *b, struct ec_scratch *s, size_t points);
void ifma_build_free(struct ec_build **b);
void ifma_table_free(struct ec_table **t);

/* known.c */
MUST_CHECK enum status known_scratch_new(struct known_scratch **out);
void known_scratch_free(struct known_scratch **s);
void ifma_verify_known_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                               const struct verify_item *const items[],
                               const struct ec_table *const tables[], enum status out[]);

/* one.c */
enum status ifma_verify_one_vartime(struct ec_scratch *s, enum curve curve,
                                    const struct verify_item *item, const struct ec_table *table);

/* unknown.c */
MUST_CHECK enum status unknown_scratch_new(struct unknown_scratch **out);
void unknown_scratch_free(struct unknown_scratch **s);
void ifma_verify_unknown_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                                 const struct verify_item *const items[], enum status out[]);

/* ecka.c */
MUST_CHECK enum status ecka_scratch_new(struct ecka_scratch **out);
void ecka_scratch_free(struct ecka_scratch **s);
void ifma_mul_base(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                   uint8_t *const Q[], enum status out[]);
void ifma_ecka(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
               const uint8_t *const peer[], uint8_t *const z[], enum status out[]);

#endif
