#include "smsr/ability.h"

#include <string.h>

static bool among(const uint8_t *ids, size_t count, const uint8_t *id)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(ids + i * ECKA_ID_LEN, id, ECKA_ID_LEN) == 0) {
            return true;
        }
    }
    return false;
}

static void told(void *arg, int status, const char *detail, const struct ecka_reply *reply)
{
    struct ability *a = arg;
    (void)detail;
    a->calling = false;
    a->known = status == ECKA_OK;
    if (!a->known) {
        return;
    }
    const struct ecka_info *info = reply->items.info;
    a->curves = 0;
    for (size_t i = 0; i < info->curve_count; i++) {
        a->curves |= UINT32_C(1) << info->curves[i];
    }
    a->trusts_eum = among(info->eum_ids, info->eum_count, a->eum_id);
    a->can_sign = false;
    for (size_t i = 0; i < info->custodian_count; i++) {
        const struct ecka_custodian_info *c = &info->custodians[i];
        a->can_sign =
            a->can_sign || (c->up != 0 && among(c->sr_key_ids, c->sr_key_count, a->sr_key_id));
    }
}

void ability_turn(struct ability *a, struct offload *offload, uint64_t now_us)
{
    if (a->calling || now_us < a->due_us) {
        return;
    }
    a->due_us = now_us + ABILITY_EVERY_US;
    a->calling = true;
    a->call = (struct eckad_call){.request = {.op = ECKA_INFO}, .done = told, .arg = a};
    offload_call(offload, &a->call);
}
