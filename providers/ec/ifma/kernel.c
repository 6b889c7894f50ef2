/* The ifma kernel as one table of functions, and the scratch that its files share out. */
#include <stdlib.h>

#include "providers/ec/ifma/ifma.h"

static enum status parts_new(struct ifma_scratch *s)
{
    TRY(known_scratch_new(&s->known));
    TRY(unknown_scratch_new(&s->unknown));
    return ecka_scratch_new(&s->ecka);
}

enum status ifma_scratch_new(struct ec_scratch **out)
{
    struct ifma_scratch *s = calloc(1, sizeof *s);
    *out = (struct ec_scratch *)(void *)s;
    enum status status = s != NULL ? parts_new(s) : STATUS_INTERNAL;
    if (status != STATUS_OK) {
        ifma_scratch_free(out);
    }
    return status;
}

void ifma_scratch_free(struct ec_scratch **s)
{
    struct ifma_scratch *parts = ifma_scratch_of(*s);
    if (parts != NULL) {
        known_scratch_free(&parts->known);
        unknown_scratch_free(&parts->unknown);
        ecka_scratch_free(&parts->ecka);
        free(parts);
        *s = NULL;
    }
}

const struct ec_kernel ec_kernel_ifma = {
    .name = "ifma",
    .unusable = ifma_unusable,
    .global_init = ifma_global_init,
    .scratch_new = ifma_scratch_new,
    .scratch_free = ifma_scratch_free,
    .table_bytes = ifma_table_bytes,
    .build_begin = ifma_build_begin,
    .build_step = ifma_build_step,
    .build_free = ifma_build_free,
    .table_free = ifma_table_free,
    .verify_known_vartime = ifma_verify_known_vartime,
    .verify_unknown_vartime = ifma_verify_unknown_vartime,
    .verify_one_vartime = ifma_verify_one_vartime,
    .mul_base = ifma_mul_base,
    .ecka = ifma_ecka,
};
