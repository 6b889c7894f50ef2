/*
 * The judge sees into cards and parties, which nobody else can, and names the invariant that broke:
 *
 *  (a) Beta commands only after a receipt for a key set that this card derived with Beta.
 *  (b) Executed-Success only after FinaliseISDRhandover under KS2; never Failed after the commit.
 *  (c) After Executed-Success no key set that the adversary knows opens the ISD-R.
 *  (d) No key of a set derived with Beta is in anything that he read.
 *  (e) Without a commit KS1 still opens the card, and a retry through an honest Alpha succeeds.
 *  (f) A change that nobody touched succeeds.
 */
#include <stdarg.h>
#include <stdio.h>

#include "providers/scp/scp80.h"
#include "smsr/hostile/bout.h"

enum { KEYS_LEN = ISDR_KEYS * SYM_AES128_KEY_LEN };

void judge_fault(struct bout *bout, size_t robot, const char *text, ...)
{
    if (bout->fault[0] != '\0') {
        return; /* the first one tells most */
    }
    int n = snprintf(bout->fault, sizeof(bout->fault), "eUICC %zu: ", robot);
    va_list args;
    va_start(args, text);
    (void)vsnprintf(bout->fault + n, sizeof(bout->fault) - (size_t)n, text, args);
    va_end(args);
}

static bool same_keys(const struct key_set *a, const struct key_set *b)
{
    return a->kvn == b->kvn && memcmp(a->keys, b->keys, KEYS_LEN) == 0;
}

static const struct key_set *find(const struct key_set *sets, size_t count,
                                  const struct key_set *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (sets[i].kvn != 0 && same_keys(&sets[i], wanted)) {
            return &sets[i];
        }
    }
    return NULL;
}

static const struct key_set *find_kvn(const struct key_set *sets, size_t count, uint8_t kvn)
{
    for (size_t i = 0; i < count; i++) {
        if (sets[i].kvn == kvn && kvn != 0) {
            return &sets[i];
        }
    }
    return NULL;
}

/* -- the card -- */

static const struct key_set *derived_ks2(const struct robot_bout *r)
{
    return find_kvn(r->opened->derived, r->witness.derived_count, r->beta.r.ks2.kvn);
}

static void note_new_sets(struct bout *bout, size_t robot, const struct key_set *sets)
{
    struct robot_bout *r = &bout->robots[robot];
    struct witness *w = &r->witness;
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        if (sets[i].kvn == 0 || find(r->opened->known, r->known_count, &sets[i]) != NULL ||
            find(r->opened->derived, w->derived_count, &sets[i]) != NULL) {
            continue;
        }
        if (find_kvn(r->opened->derived, w->derived_count, sets[i].kvn) != NULL) {
            judge_fault(bout, robot, "(a) KVN %02X was derived twice", sets[i].kvn);
        } else if (w->derived_count < DERIVED_MAX) {
            r->opened->derived[w->derived_count++] = sets[i];
        }
    }
}

static void note_gone_sets(struct bout *bout, size_t robot, const struct key_set *sets,
                           bool by_beta)
{
    struct robot_bout *r = &bout->robots[robot];
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        const struct key_set *was = &r->opened->present[i];
        if (was->kvn == 0 || find(sets, ISDR_SETS_MAX, was) != NULL ||
            find(r->opened->derived, r->witness.derived_count, was) == NULL) {
            continue;
        }
        if (!by_beta) {
            r->witness.he_deleted = true;
        } else if (was->kvn == r->beta.r.ks2.kvn) {
            judge_fault(bout, robot, "(b) a packet of Beta's took KS2 out of the card");
        }
    }
}

/* KS2 is there, and nothing but what Beta put there. */
static bool beta_alone(const struct robot_bout *r, const struct key_set *sets)
{
    const struct key_set *ks2 = derived_ks2(r);
    bool there = ks2 != NULL && find(sets, ISDR_SETS_MAX, ks2) != NULL;
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        bool ours = sets[i].kvn == 0 || sets[i].kvn == r->beta.r.ks2.kvn ||
                    (r->beta.r.second.kvn != 0 && sets[i].kvn == r->beta.r.second.kvn);
        there = there && ours && find(r->opened->known, r->known_count, &sets[i]) == NULL;
    }
    return there;
}

void judge_card(struct bout *bout, size_t robot, bool by_beta)
{
    struct robot_bout *r = &bout->robots[robot];
    const struct key_set *sets = euicc_open_up(r->robot.card);
    note_gone_sets(bout, robot, sets, by_beta);
    note_new_sets(bout, robot, sets);
    if (by_beta && beta_commands(&r->beta) && beta_alone(r, sets)) {
        r->witness.finalised = true;
    }
    memcpy(r->opened->present, sets, sizeof(r->opened->present));
}

/* -- what he read -- */

static void search_seen(struct bout *bout, size_t robot)
{
    struct robot_bout *r = &bout->robots[robot];
    struct witness *w = &r->witness;
    for (size_t i = 0; i < w->derived_count; i++) {
        for (size_t k = 0; k < ISDR_KEYS; k++) {
            if (memmem(w->seen, w->seen_len, r->opened->derived[i].keys[k], SYM_AES128_KEY_LEN) !=
                NULL) {
                judge_fault(bout, robot, "(d) key %zu of KVN %02X was heard", k + 1,
                            r->opened->derived[i].kvn);
            }
        }
    }
}

void judge_heard(struct bout *bout, size_t robot, struct span bytes)
{
    struct witness *w = &bout->robots[robot].witness;
    if (bytes.len > SEEN_MAX - w->seen_len) {
        search_seen(bout, robot);
        w->seen_len = 0;
    }
    memcpy(w->seen + w->seen_len, bytes.ptr, bytes.len);
    w->seen_len += bytes.len;
}

/* -- what Beta says -- */

/* Its packets are under the keys that the card derived: the ones behind its sealed key set. */
static void judge_packet(struct bout *bout, size_t robot, const struct message *m)
{
    struct robot_bout *r = &bout->robots[robot];
    struct apdu apdu;
    struct sms_segment segment;
    uint8_t plain[SCP80_DATA_MAX];
    struct writer w = writer_of(plain, sizeof(plain));
    struct scp80_header header;
    const struct key_set *ks2 = derived_ks2(r);
    if (apdu_parse(span_of(m->u.apdu.b, m->u.apdu.len), &apdu) != STATUS_OK ||
        sms_envelope_parse(apdu.data, &segment) != STATUS_OK) {
        judge_fault(bout, robot, "Beta sent the card what is no packet");
        return;
    }
    if (segment.total != 1) {
        return; /* the first packet is short: what it proves need not be proven again */
    }
    if (ks2 == NULL) {
        judge_fault(bout, robot, "(a) Beta speaks under KVN %02X, which the card never derived",
                    r->beta.r.ks2.kvn);
        return;
    }
    const struct scp80_keys keys = {ks2->keys[0], ks2->keys[1]};
    if (scp80_unwrap_command(bout->ctx->factory.engine->sym, &keys, segment.part, &header, &w) !=
        STATUS_OK) {
        judge_fault(bout, robot, "(a) Beta's KVN %02X is not the one that the card derived",
                    ks2->kvn);
    }
}

static void judge_answer(struct bout *bout, size_t robot, const struct es_answer *answer)
{
    struct robot_bout *r = &bout->robots[robot];
    bool commands = beta_commands(&r->beta);
    if (answer->result == ES_EXECUTED_SUCCESS) {
        r->witness.success_said = true;
        if (!commands || !r->witness.finalised) {
            judge_fault(bout, robot, "(b) Executed-Success, and nothing was finalised under KS2");
        }
    } else if (answer->result == ES_EXECUTED_WITHWARNING && !commands) {
        judge_fault(bout, robot, "(a) Executed-WithWarning without a receipt");
    } else if (answer->result != ES_EXECUTED_WITHWARNING && commands) {
        judge_fault(bout, robot, "(b) %s after the commit", es_result_name(answer->result));
    }
}

void judge_posted(struct bout *bout, size_t robot)
{
    struct robot_bout *r = &bout->robots[robot];
    for (; r->witness.judged < r->bus.count; r->witness.judged++) {
        const struct message *m = &r->bus.queue[(r->bus.head + r->witness.judged) % BUS_MAX];
        if (m->from != PARTY_BETA) {
            continue;
        }
        if (m->type == CARD_COMMAND) {
            judge_packet(bout, robot, m);
        } else if (m->type == ES7_HANDOVER_EUICC_ANSWER) {
            judge_answer(bout, robot, &m->u.answer);
        } else if (m->type == ES4_HANDLE_SMSR_CHANGE_NOTIFICATION && !beta_commands(&r->beta)) {
            judge_fault(bout, robot, "(a) operators are told of a change that was not made");
        }
    }
    if (beta_commands(&r->beta) && derived_ks2(r) == NULL) {
        judge_fault(bout, robot, "(a) Beta commands with KVN %02X, which the card never derived",
                    r->beta.r.ks2.kvn);
    }
}

/* -- the end -- */

static void nobody_else_opens(struct bout *bout, size_t robot)
{
    struct robot_bout *r = &bout->robots[robot];
    if (!beta_alone(r, euicc_open_up(r->robot.card))) {
        judge_fault(bout, robot, "(c) KS2 is not alone in the card");
    }
    for (size_t i = 0; i < r->known_count; i++) {
        if (adversary_opens(bout, robot, i)) {
            judge_fault(bout, robot, "(c) KVN %02X of the adversary's opens the ISD-R",
                        r->opened->known[i].kvn);
        }
    }
}

void judge_at_end(struct bout *bout, size_t robot)
{
    struct robot_bout *r = &bout->robots[robot];
    struct witness *w = &r->witness;
    search_seen(bout, robot);
    if (!w->bent && r->op.outcome.result != ES_EXECUTED_SUCCESS) {
        judge_fault(bout, robot, "(f) nobody touched it, and it ended %s: %s",
                    es_result_name(r->op.outcome.result), r->op.outcome.code);
    }
    if (w->success_said) {
        nobody_else_opens(bout, robot);
    } else if (beta_commands(&r->beta)) {
        const struct key_set *ks2 = derived_ks2(r);
        w->lost = ks2 == NULL || find(euicc_open_up(r->robot.card), ISDR_SETS_MAX, ks2) == NULL;
        if (w->lost && !w->he_deleted) {
            judge_fault(bout, robot, "(b) KS2 is gone, and Alpha did not delete it");
        }
    } else if (!adversary_opens(bout, robot, 0)) {
        judge_fault(bout, robot, "(e) nothing was committed, and KS1 opens nothing");
    }
}

/* After one more order through an honest Alpha: one Commander, and it is Beta. */
void judge_retry(struct bout *bout, size_t robot)
{
    struct robot_bout *r = &bout->robots[robot];
    search_seen(bout, robot);
    if (r->op.outcome.result != ES_EXECUTED_SUCCESS &&
        r->op.outcome.result != ES_EXECUTED_WITHWARNING) {
        judge_fault(bout, robot, "(e) the retry ended %s: %s, %s",
                    es_result_name(r->op.outcome.result), r->op.outcome.code, r->op.outcome.text);
    } else if (!beta_commands(&r->beta) || r->alpha.has_eis) {
        judge_fault(bout, robot, "(e) after the retry not Beta alone commands");
    }
    if (r->witness.success_said) {
        nobody_else_opens(bout, robot);
    }
}
