/*
 * The dispatcher's policy: quotas, and what a reload means for requests that are under way.
 *
 * Whether a request may be answered is asked twice at most: when it comes, and when a policy comes
 * before its answer. What that one does not grant waits no longer, goes to no custodian, and leaves
 * without results.
 */
#include <stdio.h>
#include <string.h>

#include "service/dispatch.h"
#include "service/observe/log.h"

/* -- quotas -- */

static struct quota *quota_of(struct dispatch *d, const struct job *job)
{
    return &d->quotas[job->principal_index][(int)job->request.op - POLICY_FIRST_OP];
}

enum status dispatch_quota(struct dispatch *d, const struct job *job, uint64_t *after_us,
                           char detail[static WIRE_DETAIL_MAX])
{
    const char *op = wire_op_name(job->request.op);
    enum status s = quota_check(quota_of(d, job), d->now_us, job->request.items, after_us);
    if (s == STATUS_BUSY) {
        (void)snprintf(detail, WIRE_DETAIL_MAX, "the quota of %s for %s is used up for now",
                       job->principal->name, op);
    } else if (s == STATUS_DENIED) {
        (void)snprintf(detail, WIRE_DETAIL_MAX, "%u items are more than the quota of %s for %s",
                       job->request.items, job->principal->name, op);
    }
    return s;
}

void dispatch_quota_take(struct dispatch *d, const struct job *job)
{
    quota_take(quota_of(d, job), job->request.items);
}

/* -- another policy -- */

/* One item under the policy now in force: withdrawn when that does not grant it. */
static bool judge_item(struct dispatch *d, struct batcher_item *item, enum status s)
{
    struct job *job = job_of(item);
    if (s == STATUS_OK || item->withdrawn != STATUS_OK) {
        return false;
    }
    item->withdrawn = (uint8_t)s;
    job->withdrawn = true;
    if (item->queued) {
        batcher_remove(&d->batcher, item);
        drain_done(&d->drains[batch_pool_of(item->kind)], d->now_us, 1);
        dispatch_item_done(d, job);
    }
    return true;
}

/* The number of its items that are withdrawn. */
static size_t judge_job(struct dispatch *d, struct job *job)
{
    char detail[WIRE_DETAIL_MAX];
    const Ecka__V1__Request *msg = job->request.msg;
    const struct policy_principal *principal = policy_of_key(d->policy, job->key);
    /* A key that is another principal's now does not get the answer to what it asked as the first.
     */
    bool granted = principal != NULL && principal->number == job->principal_index &&
                   authz_request(principal, msg, detail) == STATUS_OK;
    size_t withdrawn = 0;
    job->unanswered++; /* so that it is not answered before the last item was looked at */
    for (uint32_t i = 0; i < job->group.count; i++) {
        enum status s = granted ? authz_item_again(d->policy, principal, msg, i) : STATUS_DENIED;
        withdrawn += judge_item(d, &job->group.items[i], s);
    }
    dispatch_item_done(d, job);
    return withdrawn;
}

static size_t judge_all(struct dispatch *d)
{
    size_t withdrawn = 0;
    for (size_t i = 0; i <= d->slab.capacity; i++) { /* and the landing job, which is not in use */
        struct job *job = &d->slab.jobs[i];
        if (job->in_use && job->unanswered > 0) {
            withdrawn += judge_job(d, job);
        }
    }
    return withdrawn;
}

static bool has_room(const struct dispatch *d, const struct policy *policy)
{
    size_t added = 0;
    for (unsigned p = 0; p < policy->principals_count; p++) {
        added += roster_find(&d->roster, policy->principals[p].name) == ROSTER_NOBODY;
    }
    return roster_count(&d->roster) + added <= ROSTER_MAX;
}

static void number_principals(struct dispatch *d, struct policy *policy)
{
    for (unsigned p = 0; p < policy->principals_count; p++) {
        struct policy_principal *principal = &policy->principals[p];
        principal->number = roster_add(&d->roster, principal->name);
        for (int op = 0; op < POLICY_OPS; op++) {
            quota_set(&d->quotas[principal->number][op], principal->rates[op], d->now_us);
        }
    }
    batcher_grow(&d->batcher, roster_count(&d->roster));
    job_slab_share(&d->slab, policy->principals, policy->principals_count);
}

static void note_policy(struct dispatch *d, bool trust_is_new)
{
    char detail[NOTE_TEXT_MAX];
    const struct policy *p = d->policy;
    (void)snprintf(detail, sizeof(detail), "policy %llu in force, %u principals",
                   (unsigned long long)metric_get(&d->metrics->policy_generation),
                   p->principals_count);
    notes_event(&d->notes, CUSTODY_NOTE_POLICY, p->sha256, detail);
    if (trust_is_new) {
        (void)snprintf(detail, sizeof(detail), "%zu CIs, %zu EUMs", p->trust->ci_count,
                       p->trust->eum_count);
        notes_event(&d->notes, CUSTODY_NOTE_TRUST, p->trust_sha256, detail);
    }
}

enum status dispatch_adopt(struct dispatch *d, struct policy *policy, uint64_t now_us,
                           char error[static CONFIG_ERROR_MAX])
{
    if (!has_room(d, policy)) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "principals: eckad has known %u since it started and has room for %d; "
                       "restart it",
                       roster_count(&d->roster), ROSTER_MAX);
        return STATUS_NO_SPACE;
    }
    d->now_us = now_us;
    number_principals(d, policy);
    const bool trust_is_new =
        d->policy == NULL ||
        memcmp(d->policy->trust_sha256, policy->trust_sha256, sizeof(policy->trust_sha256)) != 0;
    policy_drop(&d->policy);
    d->policy = policy_hold(policy);
    metric_add(&d->metrics->policy_generation, 1);
    note_policy(d, trust_is_new);
    size_t withdrawn = judge_all(d);
    LOG(POLICY, "policy %llu is in force: %u principals, %zu CIs, %zu EUMs; %zu items denied",
        (unsigned long long)metric_get(&d->metrics->policy_generation), policy->principals_count,
        policy->trust->ci_count, policy->trust->eum_count, withdrawn);
    return STATUS_OK;
}
