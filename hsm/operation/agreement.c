#include "hsm/operation/agreement.h"

#include <string.h>

#include "providers/core/secret.h"

enum status agreement_custody(const struct custodian *c, uint32_t asked, enum curve curve,
                              uint8_t *at)
{
    *at = CUSTODY_AT_MEMORY;
    if (asked == CUSTODY_NONE || asked == CUSTODY_AT_MEMORY) {
        return STATUS_OK;
    }
    if (asked != CUSTODY_AT_TOKEN) {
        return STATUS_BAD_CUSTODY;
    }
    *at = CUSTODY_AT_TOKEN;
    return c->token_agrees[curve] ? STATUS_OK : STATUS_CUSTODY_LACKING;
}

void agreement_in_memory(struct custodian *c, size_t n, const struct agreement items[],
                         enum status st[])
{
    struct agreement_secrets *s = &c->secrets->agreement;
    struct keygen_item keygen[CUSTODY_ITEMS_MAX];
    struct ecka_item ecka[CUSTODY_ITEMS_MAX];
    enum status made[CUSTODY_ITEMS_MAX];

    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        keygen[i] = (struct keygen_item){.curve = items[i].curve, .k = s->k[i], .Q = items[i].Q};
        ecka[i] = (struct ecka_item){
            .curve = items[i].curve, .k = s->k[i], .peer = items[i].peer, .z = s->z[i]};
    }
    provider_keygen(c->provider, c->drbg, n, keygen, made);
    provider_ecka(c->provider, n, ecka, st);
    secret_wipe(s->k, sizeof s->k);
    for (size_t i = 0; i < n; i++) {
        if (made[i] != STATUS_OK) { /* its scalar was zero, so its Z says nothing more */
            st[i] = made[i];
        }
    }
}
