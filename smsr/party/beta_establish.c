/*
 * Steps 6 to 23 of Beta: whom Alpha hands over, RC, the key establishment, the receipt. Nothing has
 * changed hands before beta_confirm() succeeds; everything has when it does.
 */
#include <openssl/evp.h>

#include "proto/curve.h"
#include "smsr/card/card_sw.h"
#include "smsr/party/beta.h"

enum {
    KVN_ATTEMPTS = 3,     /* key version numbers tried before Beta gives up */
    TICKET_MARGIN_S = 60, /* beyond the validity period, for a late receipt */
    ECC_KEY_LENGTH = 256,
    US_PER_S = 1000000,
};

static struct ecka_bytes bytes(struct span s)
{
    return (struct ecka_bytes){s.ptr, s.len};
}

static void fail_eckad(struct beta *beta, unsigned step, int status, const char *detail)
{
    beta_fail(beta, ES_FAILED, step, ecka_status_name(status),
              detail != NULL && detail[0] != '\0' ? detail : ecka_status_meaning(status));
}

/* -- step 6: the EUM's signature over EumSignedInfo, then the chain of CERT.ECASD.ECKA -- */

static void fill_chain(struct beta *beta, struct ecka_chain_item *chain)
{
    const struct eis_signed *info = &beta->eis.signed_info;
    chain->eid = beta->eid;
    chain->ecasd_cert = (struct ecka_bytes){info->ecasd_cert, info->ecasd_cert_len};
    chain->eum = (struct ecka_bytes){beta->config->eum_id, ECKA_ID_LEN};
}

static void chain_checked(struct beta *beta, int status, const char *detail,
                          const struct ecka_reply *reply)
{
    if (status != ECKA_OK) {
        fail_eckad(beta, 6, status, detail);
        return;
    }
    trace_step(beta->trace, 6, PARTY_BETA, PARTY_BETA, "verify CERT.ECASD <- EUM <- CI",
               "eckad VerifyChain: OK, PK.ECASD.ECKA on %s; EumSignedInfo verified",
               curve_name((unsigned)reply->items.chain[0].curve));
    beta_authenticate(beta);
}

static void eum_checked(struct beta *beta, int status, const char *detail,
                        const struct ecka_reply *reply)
{
    (void)reply;
    if (status != ECKA_OK) {
        fail_eckad(beta, 6, status, detail);
        return;
    }
    fill_chain(beta, &beta->item.chain);
    beta_call(beta, ECKA_VERIFY_CHAIN, chain_checked);
}

void beta_check(struct beta *beta)
{
    uint8_t info[EIS_SIGNED_MAX];
    struct writer w = writer_of(info, sizeof(info));
    size_t digest_len = sizeof(beta->digest);
    eis_signed_put(&w, &beta->eis.signed_info);
    if (writer_check(&w) != STATUS_OK ||
        EVP_Q_digest(NULL, "SHA256", NULL, info, w.len, beta->digest, &digest_len) != 1) {
        beta_fail(beta, ES_FAILED, 6, "INTERNAL", "EumSignedInfo could not be hashed");
        return;
    }
    beta_enter(beta, BETA_CHECKING);
    beta->item.verify =
        (struct ecka_verify_item){beta->config->eum_point, beta->digest, beta->eis.eum_signature};
    beta_call(beta, ECKA_VERIFY, eum_checked);
}

/* -- step 7 -- */

static uint8_t lowest_free_kvn(const struct beta *beta)
{
    uint32_t taken = beta->r.burnt_kvns;
    for (size_t i = 0; i < beta->eis.key_set_count; i++) {
        if (beta->eis.key_sets[i].kvn <= CRT_KVN_MAX) {
            taken |= UINT32_C(1) << beta->eis.key_sets[i].kvn;
        }
    }
    for (unsigned kvn = CRT_KVN_MIN; kvn <= CRT_KVN_MAX; kvn++) {
        if ((taken >> kvn & 1) == 0) {
            return (uint8_t)kvn;
        }
    }
    return 0;
}

void beta_ask_rc(struct beta *beta)
{
    struct es7_authenticate *request =
        &beta_post(beta, ES7_AUTHENTICATE_SMSR, PARTY_ALPHA)->u.authenticate;
    memcpy(request->cert, beta->config->cert_sr.ptr, beta->config->cert_sr.len);
    request->cert_len = beta->config->cert_sr.len;
}

/* A fresh RC for each key version number tried: the card spends it with every second STORE DATA. */
void beta_authenticate(struct beta *beta)
{
    beta->r.kvn = lowest_free_kvn(beta);
    if (beta->r.kvn == 0 || beta->r.attempts++ == KVN_ATTEMPTS) {
        beta_fail(beta, ES_FAILED, 15, "NO_KVN", "no key version number that the card takes");
        return;
    }
    beta->r.attempt++;
    beta_enter(beta, BETA_WAIT_RC);
    beta_ask_rc(beta);
    trace_step(beta->trace, 7, PARTY_BETA, PARTY_ALPHA, "ES7.AuthenticateSMSR",
               "CERT.SR.ECDSA, %zu bytes", beta->config->cert_sr.len);
}

/* -- steps 13 to 15 -- */

static const char *custody_name(uint8_t custody)
{
    static const char *const names[] = {"none", "token", "memory"};
    return custody < sizeof(names) / sizeof(names[0]) ? names[custody] : "?";
}

static uint8_t scenario(const struct beta *beta)
{
    return (uint8_t)(CRT_CERT_CHECKED | (beta->config->with_dr ? CRT_WITH_DR : 0) |
                     (beta->config->host_id.len != 0 ? CRT_WITH_HOST_ID : 0));
}

void beta_ask_receipt(struct beta *beta)
{
    struct es7_create_key_set *request =
        &beta_post(beta, ES7_CREATE_ADDITIONAL_KEY_SET, PARTY_ALPHA)->u.create;
    request->kvn = beta->r.kvn;
    request->scenario = scenario(beta);
    request->ecc_key_length = ECC_KEY_LENGTH;
    request->host_id = beta->config->host_id;
    memcpy(request->epk, beta->r.epk, sizeof(request->epk));
    memcpy(request->signature, beta->r.signature, sizeof(request->signature));
}

/* Keeps a ticket beside those of earlier attempts; the oldest makes room. */
static void keep_ticket(struct beta *beta, const struct ecka_bytes *ticket)
{
    struct beta_ticket *slot = &beta->r.tickets[beta->r.attempt % BETA_TICKETS_MAX];
    memset(slot, 0, sizeof(*slot));
    memcpy(slot->change_id, beta->r.change_id, sizeof(slot->change_id));
    slot->attempt = beta->r.attempt;
    slot->kvn = beta->r.kvn;
    slot->expiry_s = beta->item.establish.expiry;
    slot->len = ticket->len;
    beta->tickets_moved = true;
    memcpy(slot->bytes, ticket->ptr, ticket->len);
}

static void established(struct beta *beta, int status, const char *detail,
                        const struct ecka_reply *reply)
{
    if (status != ECKA_OK) {
        fail_eckad(beta, 14, status, detail);
        return;
    }
    const struct ecka_establish_result *r = &reply->items.establish[0];
    if (r->ticket.len > WIRE_TICKET_MAX) {
        beta_fail(beta, ES_FAILED, 14, "BAD_LENGTH", "the ticket is longer than the wire allows");
        return;
    }
    keep_ticket(beta, &r->ticket);
    memcpy(beta->r.epk, r->epk, sizeof(beta->r.epk));
    memcpy(beta->r.signature, r->signature, sizeof(beta->r.signature));
    trace_step(beta->trace, 14, PARTY_BETA, PARTY_BETA, "(eSK, ePK).SR.ECKA; sign",
               "eckad Establish: SK.SR %s, eSK %s, Z %s, key data %s; ticket %zu bytes",
               custody_name(r->custody[0]), custody_name(r->custody[1]),
               custody_name(r->custody[2]), custody_name(r->custody[3]), r->ticket.len);
    beta_enter(beta, BETA_WAIT_RECEIPT);
    beta_ask_receipt(beta);
    trace_step(beta->trace, 15, PARTY_BETA, PARTY_ALPHA, "ES7.CreateAdditionalKeySet",
               "KVN %02X, counter 0, scenario %02X, HostID %zu bytes, ePK, signature", beta->r.kvn,
               scenario(beta), beta->config->host_id.len);
}

void beta_establish(struct beta *beta)
{
    beta_enter(beta, BETA_ESTABLISHING);
    beta->r.burnt_kvns |= UINT32_C(1)
                          << beta->r.kvn; /* from here on the card may come to hold it */
    beta->item.establish = (struct ecka_establish_item){
        .rc = bytes(octets_span(&beta->r.rc)),
        .kvn = beta->r.kvn,
        .scenario = scenario(beta),
        .expiry = beta->bus->now_us / US_PER_S + beta->r.validity_s + TICKET_MARGIN_S,
    };
    fill_chain(beta, &beta->item.establish.chain);
    if (beta->config->host_id.len != 0) {
        beta->item.establish.host_id = bytes(octets_span(&beta->config->host_id));
        beta->item.establish.sin = bytes(octets_span(&beta->eis.sin));
        beta->item.establish.sdin = bytes(octets_span(&beta->eis.sdin));
    }
    beta_call(beta, ECKA_ESTABLISH, established);
}

static bool of_this_attempt(const struct beta *beta, const struct message *m)
{
    return m->attempt == beta->r.attempt &&
           memcmp(m->change_id, beta->r.change_id, CHANGE_ID_LEN) == 0;
}

void beta_on_authenticated(struct beta *beta, const struct message *m)
{
    const struct es7_authenticate_answer *answer = &m->u.authenticated;
    if (beta->r.state != BETA_WAIT_RC || !of_this_attempt(beta, m)) {
        return; /* nothing asked */
    }
    if (answer->answer.result != ES_EXECUTED_SUCCESS) {
        beta_fail(beta, answer->answer.result == ES_EXPIRED ? ES_EXPIRED : ES_FAILED,
                  answer->answer.step, answer->answer.code, answer->answer.text);
        return;
    }
    beta->r.rc = answer->rc;
    beta_establish(beta);
}

/* -- steps 22 and 23 -- */

/* A receipt that is not the ticket's: after a late one, what it interrupted goes on. */
static void not_confirmed(struct beta *beta, int status, const char *detail)
{
    enum beta_state from = beta->r.late_from;
    if (from == BETA_IDLE) {
        fail_eckad(beta, 23, status, detail);
        return;
    }
    trace_note(beta->trace, "a late receipt is not the ticket's: %s", ecka_status_name(status));
    beta->r.late_from = BETA_IDLE;
    beta->r.state = from;
    beta->r.due_us = beta->r.late_due_us;
}

static void confirmed(struct beta *beta, int status, const char *detail,
                      const struct ecka_reply *reply)
{
    const struct beta_ticket *ticket = &beta->r.tickets[beta->r.confirming];
    if (status != ECKA_OK) {
        not_confirmed(beta, status, detail);
        return;
    }
    const struct ecka_confirm_result *r = &reply->items.confirm[0];
    if (r->key_set.len > WIRE_KEY_SET_MAX) {
        not_confirmed(beta, STATUS_BAD_LENGTH, "the key set is longer than the wire allows");
        return;
    }
    beta->r.ks2 = (struct beta_key_set){.kvn = ticket->kvn, .len = r->key_set.len};
    memcpy(beta->r.ks2.bytes, r->key_set.ptr, r->key_set.len);
    memcpy(beta->r.change_id, ticket->change_id, sizeof(beta->r.change_id));
    beta->r.kvn = ticket->kvn;
    memset(beta->r.tickets, 0, sizeof(beta->r.tickets)); /* no other set will be Beta's */
    beta->tickets_moved = true;
    (void)snprintf(beta->eis.smsr_id, sizeof(beta->eis.smsr_id), "%s", BETA_SMSR_ID);
    beta->eis_moved = true; /* the owner of record changes here, together with KS2 */
    trace_step(beta->trace, 23, PARTY_BETA, PARTY_BETA, "verify receipt: commit",
               "eckad Confirm: receipt verified; KS2 KVN %02X as a sealed blob of %zu bytes",
               beta->r.kvn, r->key_set.len);
    es_answer_set(&beta->r.answer, ES_EXECUTED_SUCCESS, 0, "OK", "%s", "");
    beta->r.card_attempts = 0;
    beta_finalise(beta);
}

void beta_confirm(struct beta *beta)
{
    const struct beta_ticket *ticket = &beta->r.tickets[beta->r.confirming];
    beta_enter(beta, BETA_CONFIRMING);
    beta->item.confirm = (struct ecka_confirm_item){
        .ticket = {ticket->bytes, ticket->len},
        .eid = beta->eid,
        .receipt = beta->r.receipt.b,
        .dr = bytes(octets_span(&beta->r.dr)),
    };
    beta_call(beta, ECKA_CONFIRM, confirmed);
}

/* The ticket that an answer belongs to, if it can still be confirmed; BETA_TICKETS_MAX: none. */
static size_t ticket_of(const struct beta *beta, const struct message *m)
{
    for (size_t i = 0; i < BETA_TICKETS_MAX; i++) {
        const struct beta_ticket *t = &beta->r.tickets[i];
        if (t->expiry_s > beta->bus->now_us / US_PER_S && t->attempt == m->attempt &&
            memcmp(t->change_id, m->change_id, CHANGE_ID_LEN) == 0) {
            return i;
        }
    }
    return BETA_TICKETS_MAX;
}

static void take_receipt(struct beta *beta, const struct message *m, enum beta_state late_from)
{
    beta->r.confirming = ticket_of(beta, m);
    beta->r.late_from = late_from;
    beta->r.late_due_us = beta->r.due_us;
    beta->r.receipt = m->u.created.receipt;
    beta->r.dr = m->u.created.dr;
    beta_confirm(beta);
}

/* An answer to an earlier attempt: a true receipt commits all the same. */
static void on_late_answer(struct beta *beta, const struct message *m)
{
    const struct es7_create_key_set_answer *answer = &m->u.created;
    bool open = beta->r.state == BETA_PREPARED || beta->r.state == BETA_WAIT_RC ||
                beta->r.state == BETA_WAIT_RECEIPT || beta->r.state == BETA_FAILED;
    if (open && beta->r.has_eis && answer->answer.result == ES_EXECUTED_SUCCESS &&
        answer->receipt.len == ECKA_RECEIPT_LEN && ticket_of(beta, m) != BETA_TICKETS_MAX) {
        trace_note(beta->trace, "a receipt for an earlier attempt");
        take_receipt(beta, m, beta->r.state);
    }
}

/* Whether the card may do with another key version number what it did not do with this one. */
static bool next_kvn_helps(const struct es7_create_key_set_answer *answer)
{
    return answer->answer.result == ES_FAILED &&
           (answer->sw == SW_WRONG_DATA || answer->sw == SW_CONDITIONS ||
            strcmp(answer->answer.code, "NO_ANSWER") == 0);
}

void beta_on_created(struct beta *beta, const struct message *m)
{
    const struct es7_create_key_set_answer *answer = &m->u.created;
    if (beta->r.state != BETA_WAIT_RECEIPT || !of_this_attempt(beta, m)) {
        on_late_answer(beta, m);
        return;
    }
    if (next_kvn_helps(answer)) {
        trace_note(beta->trace, "KVN %02X stays burnt; the next one is tried", beta->r.kvn);
        beta_authenticate(beta);
        return;
    }
    if (answer->answer.result != ES_EXECUTED_SUCCESS) {
        beta_fail(beta, answer->answer.result == ES_EXPIRED ? ES_EXPIRED : ES_FAILED,
                  answer->answer.step, answer->answer.code, answer->answer.text);
        return;
    }
    if (answer->receipt.len != ECKA_RECEIPT_LEN) {
        beta_fail(beta, ES_FAILED, 22, "BAD_LENGTH", "the receipt is not 16 bytes");
        return;
    }
    if (ticket_of(beta, m) == BETA_TICKETS_MAX) {
        beta_fail(beta, ES_EXPIRED, 22, "EXPIRED", "the ticket has expired");
        return;
    }
    take_receipt(beta, m, BETA_IDLE);
}
