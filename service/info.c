/*
 * The answer to Info: what this server speaks, whom it takes the caller for, and how its custodians
 * are. Built from the configuration and what lanes learned from Hello; no queue, no secret.
 */
#include "providers/provider.h"
#include "service/dispatch.h"

static char *text(const char *constant)
{
    return (char *)constant; /* protobuf-c's strings are not const; they are only read */
}

static ProtobufCBinaryData *ids(struct arena *a, size_t n)
{
    return arena_alloc(a, n > 0 ? n : 1, sizeof(ProtobufCBinaryData));
}

/* The ids inside *hello, which lies in the arena as well. */
static Ecka__V1__CustodianInfo *custodian_info(struct arena *a, const struct groups *groups,
                                               size_t i, struct custody_lane *lane)
{
    Ecka__V1__CustodianInfo *info = arena_alloc(a, 1, sizeof(*info));
    struct lane_hello *hello = arena_alloc(a, 1, sizeof(*hello));
    if (info == NULL || hello == NULL) {
        return NULL;
    }
    custody_lane_hello(lane, hello);
    ecka__v1__custodian_info__init(info);
    info->name = lane->config->name;
    info->up = atomic_load(&lane->up);
    info->token = hello->token;
    info->backend = hello->backend;
    info->backend_refused = hello->backend_refused;
    info->audit = hello->audit;
    info->ticket_generation = hello->ticket_generation;
    info->keyset_generation = hello->keyset_generation;
    info->group = text(groups->of[i]->name);
    info->weight = groups->weight[i];
    info->breaker = groups->of[i]->breaker;
    info->restarts = atomic_load(&lane->losses);
    info->sr_key_ids = ids(a, hello->sr_key_count);
    for (size_t k = 0; info->sr_key_ids != NULL && k < hello->sr_key_count; k++) {
        info->sr_key_ids[k] = (ProtobufCBinaryData){.len = sizeof(hello->sr_key_ids[k]),
                                                    .data = hello->sr_key_ids[k]};
        info->n_sr_key_ids++;
    }
    return info;
}

static bool add_custodians(struct dispatch *d, struct arena *a, Ecka__V1__InfoResult *m)
{
    m->custodians = arena_alloc(a, d->lane_count + 1, sizeof(Ecka__V1__CustodianInfo *));
    for (size_t i = 0; m->custodians != NULL && i < d->lane_count; i++) {
        m->custodians[i] = custodian_info(a, &d->groups, i, &d->lanes[i]);
        if (m->custodians[i] == NULL) {
            return false;
        }
        m->n_custodians++;
    }
    return m->custodians != NULL;
}

static bool add_eums(struct dispatch *d, struct arena *a, Ecka__V1__InfoResult *m)
{
    const struct trust *trust = d->policy->trust;
    m->eum_ids = ids(a, trust->eum_count);
    for (size_t i = 0; m->eum_ids != NULL && i < trust->eum_count; i++) {
        m->eum_ids[i] = (ProtobufCBinaryData){.len = TRUST_ID_LEN, .data = trust->eums[i].id};
        m->n_eum_ids++;
    }
    return m->eum_ids != NULL;
}

const Ecka__V1__Reply *dispatch_info(struct dispatch *d, struct job *job)
{
    static Ecka__V1__Curve curves[] = {ECKA__V1__CURVE__P256, ECKA__V1__CURVE__BRAINPOOLP256R1,
                                       ECKA__V1__CURVE__FRP256V1};
    struct arena *a = &job->result_arena;
    Ecka__V1__Reply *reply = &job->results.reply;
    Ecka__V1__InfoResult *m = arena_alloc(a, 1, sizeof(*m));
    char *refused = arena_alloc(a, PROVIDER_REFUSED_MAX, 1);
    if (m == NULL || refused == NULL) {
        return NULL;
    }
    ecka__v1__info_result__init(m);
    m->version = text(ECKAD_VERSION);
    m->protocol = WIRE_VERSION;
    m->backend = text(provider_name());
    m->backend_refused = refused;
    provider_refused(refused);
    m->curves = curves;
    m->n_curves = sizeof(curves) / sizeof(*curves);
    m->max_items = WIRE_ITEMS_MAX;
    m->max_frame = WIRE_FRAME_MAX;
    m->principal = job->principal->name;
    if (!add_custodians(d, a, m) || !add_eums(d, a, m)) {
        return NULL;
    }
    ecka__v1__reply__init(reply);
    reply->id = job->request.msg->id;
    reply->result_case = ECKA__V1__REPLY__RESULT_INFO;
    reply->info = m;
    return reply;
}
