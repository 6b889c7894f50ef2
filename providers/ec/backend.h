/*
 * From a kernel family to a backend: a mixed batch is sorted by curve and by whether the key has a
 * table, each part goes to the kernel's function for it, and the answers return in the order asked.
 *
 * A family is process-wide: its kernel, set up once by whichever thread comes first, and its
 * key-table cache. struct provider_ops takes no argument that could name a family, so EC_BACKEND()
 * makes the functions of one.
 */
#ifndef PROVIDERS_EC_BACKEND_H
#define PROVIDERS_EC_BACKEND_H

#include <stdatomic.h>

#include "providers/ec/kernel.h"

struct ec_cache;

struct ec_family {
    const struct ec_kernel *kernel;
    _Atomic int state; /* enum in backend.c; 0: not set up */
    struct ec_cache *cache;
    _Atomic size_t budget;
};

MUST_CHECK enum status ec_thread_new(struct ec_family *family, void **ctx);
void ec_thread_free(void **ctx);
void ec_verify_vartime(void *ctx, size_t n, const struct verify_item items[], enum status out[]);
void ec_keygen(void *ctx, struct drbg *drbg, size_t n, const struct keygen_item items[],
               enum status out[]);
enum status ec_check_point(void *ctx, enum curve curve, const uint8_t point[EC_POINT_LEN]);
void ec_ecka(void *ctx, size_t n, const struct ecka_item items[], enum status out[]);
MUST_CHECK enum status ec_pin_key(struct ec_family *family, enum curve curve,
                                  const uint8_t point[EC_POINT_LEN], bool now);
void ec_set_table_budget(struct ec_family *family, size_t bytes);
void ec_stats(struct ec_family *family, struct provider_stats *out);

#define EC_BACKEND(id, ec_kernel_, label)                                                          \
    static struct ec_family id##_family = {.kernel = &(ec_kernel_),                                \
                                           .budget = PROVIDER_TABLE_BUDGET};                       \
    static const char *id##_unusable(void)                                                         \
    {                                                                                              \
        return (ec_kernel_).unusable();                                                            \
    }                                                                                              \
    static enum status id##_thread_new(void **ctx)                                                 \
    {                                                                                              \
        return ec_thread_new(&id##_family, ctx);                                                   \
    }                                                                                              \
    static enum status id##_pin_key(enum curve curve, const uint8_t point[EC_POINT_LEN], bool now) \
    {                                                                                              \
        return ec_pin_key(&id##_family, curve, point, now);                                        \
    }                                                                                              \
    static void id##_set_table_budget(size_t bytes)                                                \
    {                                                                                              \
        ec_set_table_budget(&id##_family, bytes);                                                  \
    }                                                                                              \
    static void id##_stats(struct provider_stats *out)                                             \
    {                                                                                              \
        ec_stats(&id##_family, out);                                                               \
    }                                                                                              \
    const struct provider_ops ec_backend_##id = {                                                  \
        .name = (label),                                                                           \
        .unusable = id##_unusable,                                                                 \
        .thread_new = id##_thread_new,                                                             \
        .thread_free = ec_thread_free,                                                             \
        .verify_vartime = ec_verify_vartime,                                                       \
        .keygen = ec_keygen,                                                                       \
        .check_point = ec_check_point,                                                             \
        .ecka = ec_ecka,                                                                           \
        .pin_key = id##_pin_key,                                                                   \
        .set_table_budget = id##_set_table_budget,                                                 \
        .stats = id##_stats,                                                                       \
    }

extern const struct provider_ops ec_backend_ifma, ec_backend_portable;

#endif
