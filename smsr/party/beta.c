#include "smsr/party/beta.h"

#include <openssl/evp.h>

#include "proto/curve.h"
#include "smsr/card/card_sw.h"
#include "smsr/clock.h"

enum {
    KVN_ATTEMPTS = 3,     /* key version numbers tried before Beta gives up */
    TICKET_MARGIN_S = 60, /* beyond the validity period, for a late receipt */
    ECC_KEY_LENGTH = 256,
    EXPIRY_MAX_S = 86400, /* longest validity period that Beta prepares for */
};

void beta_init(struct beta *beta, struct bus *bus, const struct trace *trace,
               const struct beta_config *config, struct offload *offload)
{
    memset(beta, 0, sizeof(*beta));
    beta->bus = bus;
    beta->trace = trace;
    beta->config = config;
    beta->offload = offload;
    beta->link = (struct card_link){.bus = bus, .owner = PARTY_BETA};
}

static struct ecka_bytes bytes(struct span s)
{
    return (struct ecka_bytes){s.ptr, s.len};
}

static void call_eckad(struct beta *beta, enum ecka_op op, eckad_done *done)
{
    beta->call = (struct eckad_call){.request = {.op = op}, .done = done, .arg = beta};
    switch (op) {
    case ECKA_VERIFY:
        beta->call.request.items.verify = &beta->item.verify;
        beta->call.request.curve = beta->config->eum_curve;
        break;
    case ECKA_VERIFY_CHAIN:
        beta->call.request.items.chain = &beta->item.chain;
        break;
    case ECKA_ESTABLISH:
        beta->call.request.items.establish = &beta->item.establish;
        beta->call.request.sr_key_id = beta->config->sr_key_id;
        beta->call.request.custody = beta->config->custody;
        break;
    default:
        beta->call.request.items.confirm = &beta->item.confirm;
        break;
    }
    offload_call(beta->offload, &beta->call);
}

/* -- the answer to ES7.HandoverEUICC before the commit point -- */

static void answer_handover(struct beta *beta, const struct es_answer *answer)
{
    trace_step(beta->trace, 28, PARTY_BETA, PARTY_ALPHA, "ES7.HandoverEUICC answer", "%s",
               es_result_name(answer->result));
    bus_post(beta->bus, ES7_HANDOVER_EUICC_ANSWER, PARTY_BETA, PARTY_ALPHA)->u.answer = *answer;
    beta->state = BETA_DONE;
}

/* Beta drops its copy of the EIS; the robot stays Alpha's. */
static void fail(struct beta *beta, enum es_result result, unsigned step, const char *code,
                 const char *text)
{
    struct es_answer answer;
    es_answer_set(&answer, result, step, code, "%s", text);
    memset(&beta->eis, 0, sizeof(beta->eis));
    answer_handover(beta, &answer);
}

static void fail_eckad(struct beta *beta, unsigned step, int status, const char *detail)
{
    fail(beta, ES_FAILED, step, ecka_status_name(status),
         detail != NULL && detail[0] != '\0' ? detail : ecka_status_meaning(status));
}

/* -- ES4.PrepareSMSRChange, steps 1 to 3 -- */

static const char *prepare_refusal(const struct beta *beta, const struct es_change *request)
{
    if (!gp_eid_valid(span_of(request->eid, sizeof(request->eid)))) {
        return "the EID is malformed";
    }
    if (beta->state != BETA_IDLE) {
        return "the EIS is here already, or a change is pending";
    }
    if (request->smsr_id[0] == '\0' || strcmp(request->smsr_id, BETA_SMSR_ID) == 0) {
        return "the current SM-SR is unknown";
    }
    if (request->validity_s == 0 || request->validity_s > EXPIRY_MAX_S) {
        return "no such validity period";
    }
    return NULL;
}

static void on_prepare(struct beta *beta, const struct es_change *request)
{
    struct es_answer answer;
    const char *refusal = prepare_refusal(beta, request);
    trace_step(beta->trace, 2, PARTY_BETA, PARTY_BETA, "capacity, credentials, this EID", "%s",
               refusal == NULL ? "can handle this robot" : refusal);
    if (refusal == NULL) {
        es_answer_set(&answer, ES_EXECUTED_SUCCESS, 0, "OK", "%s", "");
        memcpy(beta->eid, request->eid, sizeof(beta->eid));
        beta->validity_s = request->validity_s;
        beta->state = BETA_PREPARED;
    } else {
        es_answer_set(&answer, ES_FAILED, 2, "PREPARE_REFUSED", "%s", refusal);
    }
    trace_step(beta->trace, 3, PARTY_BETA, PARTY_OPERATOR, "ES4.PrepareSMSRChange answer", "%s",
               es_result_name(answer.result));
    bus_post(beta->bus, ES4_PREPARE_SMSR_CHANGE_ANSWER, PARTY_BETA, PARTY_OPERATOR)->u.answer =
        answer;
}

/* -- step 7 -- */

static uint8_t lowest_free_kvn(const struct beta *beta)
{
    uint32_t taken = beta->burnt_kvns;
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

/* A fresh RC for each key version number tried: the card spends it with every second STORE DATA. */
static void authenticate(struct beta *beta)
{
    beta->kvn = lowest_free_kvn(beta);
    if (beta->kvn == 0 || beta->attempts++ == KVN_ATTEMPTS) {
        fail(beta, ES_FAILED, 15, "NO_KVN", "no key version number that the card takes");
        return;
    }
    beta->burnt_kvns |= UINT32_C(1) << beta->kvn;
    struct es7_authenticate *request =
        &bus_post(beta->bus, ES7_AUTHENTICATE_SMSR, PARTY_BETA, PARTY_ALPHA)->u.authenticate;
    memcpy(request->eid, beta->eid, sizeof(request->eid));
    memcpy(request->cert, beta->config->cert_sr.ptr, beta->config->cert_sr.len);
    request->cert_len = beta->config->cert_sr.len;
    trace_step(beta->trace, 7, PARTY_BETA, PARTY_ALPHA, "ES7.AuthenticateSMSR",
               "CERT.SR.ECDSA, %zu bytes", request->cert_len);
    beta->state = BETA_WAIT_RC;
}

/* -- ES7.HandoverEUICC, steps 5 and 6 -- */

static void fill_chain(struct beta *beta, struct ecka_chain_item *chain)
{
    const struct eis_signed *info = &beta->eis.signed_info;
    chain->eid = beta->eid;
    chain->ecasd_cert = (struct ecka_bytes){info->ecasd_cert, info->ecasd_cert_len};
    chain->eum = (struct ecka_bytes){beta->config->eum_id, ECKA_ID_LEN};
}

static void chain_checked(void *arg, int status, const char *detail, const struct ecka_reply *reply)
{
    struct beta *beta = arg;
    if (status != ECKA_OK) {
        fail_eckad(beta, 6, status, detail);
        return;
    }
    trace_step(beta->trace, 6, PARTY_BETA, PARTY_BETA, "verify CERT.ECASD <- EUM <- CI",
               "eckad VerifyChain: OK, PK.ECASD.ECKA on %s; EumSignedInfo verified",
               curve_name((unsigned)reply->items.chain[0].curve));
    authenticate(beta);
}

static void eum_checked(void *arg, int status, const char *detail, const struct ecka_reply *reply)
{
    struct beta *beta = arg;
    (void)reply;
    if (status != ECKA_OK) {
        fail_eckad(beta, 6, status, detail);
        return;
    }
    fill_chain(beta, &beta->item.chain);
    call_eckad(beta, ECKA_VERIFY_CHAIN, chain_checked);
}

/* Whether Beta knows what stands in the EIS; a sentence when it does not. */
static const char *eis_refusal(const struct beta *beta, const struct eis *eis)
{
    if (memcmp(eis->signed_info.eid, beta->eid, sizeof(beta->eid)) != 0) {
        return "the EIS is another eUICC's";
    }
    if (memcmp(eis->signed_info.eum_id, beta->config->eum_id, ECKA_ID_LEN) != 0) {
        return "the EIS names an EUM that Beta does not know";
    }
    return NULL;
}

/* An EIS that nobody announced, or a second one: what is under way stays as it is. */
static void refuse_handover(struct beta *beta)
{
    struct message *m = bus_post(beta->bus, ES7_HANDOVER_EUICC_ANSWER, PARTY_BETA, PARTY_ALPHA);
    es_answer_set(&m->u.answer, ES_FAILED, 5, "8.1.1/1.1",
                  "no matching PrepareSMSRChange is pending");
}

static void on_handover(struct beta *beta, const struct eis *eis)
{
    uint8_t info[EIS_SIGNED_MAX];
    struct writer w = writer_of(info, sizeof(info));
    size_t digest_len = sizeof(beta->digest);
    if (beta->state != BETA_PREPARED) {
        refuse_handover(beta);
        return;
    }
    const char *refusal = eis_refusal(beta, eis);
    if (refusal != NULL) {
        fail(beta, ES_FAILED, 5, "EIS_REFUSED", refusal);
        return;
    }
    beta->eis = *eis;
    eis_signed_put(&w, &beta->eis.signed_info);
    if (writer_check(&w) != STATUS_OK ||
        EVP_Q_digest(NULL, "SHA256", NULL, info, w.len, beta->digest, &digest_len) != 1) {
        fail(beta, ES_FAILED, 6, "INTERNAL", "EumSignedInfo could not be hashed");
        return;
    }
    beta->state = BETA_CHECKING;
    beta->item.verify =
        (struct ecka_verify_item){beta->config->eum_point, beta->digest, beta->eis.eum_signature};
    call_eckad(beta, ECKA_VERIFY, eum_checked);
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

static void established(void *arg, int status, const char *detail, const struct ecka_reply *reply)
{
    struct beta *beta = arg;
    if (status != ECKA_OK) {
        fail_eckad(beta, 14, status, detail);
        return;
    }
    const struct ecka_establish_result *r = &reply->items.establish[0];
    if (r->ticket.len > sizeof(beta->ticket)) {
        fail(beta, ES_FAILED, 14, "BAD_LENGTH", "the ticket is longer than the wire allows");
        return;
    }
    memcpy(beta->ticket, r->ticket.ptr, r->ticket.len);
    beta->ticket_len = r->ticket.len;
    trace_step(beta->trace, 14, PARTY_BETA, PARTY_BETA, "(eSK, ePK).SR.ECKA; sign",
               "eckad Establish: SK.SR %s, eSK %s, Z %s, key data %s; ticket %zu bytes",
               custody_name(r->custody[0]), custody_name(r->custody[1]),
               custody_name(r->custody[2]), custody_name(r->custody[3]), r->ticket.len);
    struct es7_create_key_set *request =
        &bus_post(beta->bus, ES7_CREATE_ADDITIONAL_KEY_SET, PARTY_BETA, PARTY_ALPHA)->u.create;
    memcpy(request->eid, beta->eid, sizeof(request->eid));
    request->kvn = beta->kvn;
    request->scenario = scenario(beta);
    request->ecc_key_length = ECC_KEY_LENGTH;
    request->host_id = beta->config->host_id;
    memcpy(request->epk, r->epk, sizeof(request->epk));
    memcpy(request->signature, r->signature, sizeof(request->signature));
    trace_step(beta->trace, 15, PARTY_BETA, PARTY_ALPHA, "ES7.CreateAdditionalKeySet",
               "KVN %02X, counter 0, scenario %02X, HostID %zu bytes, ePK, signature", request->kvn,
               request->scenario, request->host_id.len);
    beta->state = BETA_WAIT_RECEIPT;
}

static void on_authenticated(struct beta *beta, const struct es7_authenticate_answer *answer)
{
    if (beta->state != BETA_WAIT_RC) {
        return; /* nothing asked */
    }
    if (answer->answer.result != ES_EXECUTED_SUCCESS) {
        fail(beta, answer->answer.result, answer->answer.step, answer->answer.code,
             answer->answer.text);
        return;
    }
    beta->rc = answer->rc;
    beta->state = BETA_ESTABLISHING;
    beta->item.establish = (struct ecka_establish_item){
        .rc = bytes(octets_span(&beta->rc)),
        .kvn = beta->kvn,
        .scenario = scenario(beta),
        .expiry = clock_unix_s() + beta->validity_s + TICKET_MARGIN_S,
    };
    fill_chain(beta, &beta->item.establish.chain);
    if (beta->config->host_id.len != 0) {
        beta->item.establish.host_id = bytes(octets_span(&beta->config->host_id));
        beta->item.establish.sin = bytes(octets_span(&beta->eis.sin));
        beta->item.establish.sdin = bytes(octets_span(&beta->eis.sdin));
    }
    call_eckad(beta, ECKA_ESTABLISH, established);
}

/* -- steps 22 and 23 -- */

static void confirmed(void *arg, int status, const char *detail, const struct ecka_reply *reply)
{
    struct beta *beta = arg;
    if (status != ECKA_OK) {
        fail_eckad(beta, 23, status, detail);
        return;
    }
    const struct ecka_confirm_result *r = &reply->items.confirm[0];
    if (r->key_set.len > sizeof(beta->key_set)) {
        fail(beta, ES_FAILED, 23, "BAD_LENGTH", "the key set is longer than the wire allows");
        return;
    }
    memcpy(beta->key_set, r->key_set.ptr, r->key_set.len);
    beta->key_set_len = r->key_set.len;
    trace_step(beta->trace, 23, PARTY_BETA, PARTY_BETA, "verify receipt: commit",
               "eckad Confirm: receipt verified; KS2 KVN %02X as a sealed blob of %zu bytes",
               beta->kvn, r->key_set.len);
    beta_finalise(beta);
}

static void on_created(struct beta *beta, const struct es7_create_key_set_answer *answer)
{
    if (beta->state != BETA_WAIT_RECEIPT) {
        return; /* nothing asked */
    }
    if (answer->answer.result == ES_FAILED && answer->sw == SW_WRONG_DATA) {
        trace_note(beta->trace, "KVN %02X stays burnt; the next one is tried", beta->kvn);
        authenticate(beta);
        return;
    }
    if (answer->answer.result != ES_EXECUTED_SUCCESS) {
        fail(beta, answer->answer.result, answer->answer.step, answer->answer.code,
             answer->answer.text);
        return;
    }
    if (answer->receipt.len != ECKA_RECEIPT_LEN) {
        fail(beta, ES_FAILED, 22, "BAD_LENGTH", "the receipt is not 16 bytes");
        return;
    }
    beta->receipt = answer->receipt;
    beta->dr = answer->dr;
    beta->state = BETA_CONFIRMING;
    beta->item.confirm = (struct ecka_confirm_item){
        .ticket = {beta->ticket, beta->ticket_len},
        .eid = beta->eid,
        .receipt = beta->receipt.b,
        .dr = bytes(octets_span(&beta->dr)),
    };
    call_eckad(beta, ECKA_CONFIRM, confirmed);
}

/* -- steps 26 to 32 -- */

static void notify(struct beta *beta, const char *to_operator)
{
    struct es_change *change =
        &bus_post(beta->bus, ES4_HANDLE_SMSR_CHANGE_NOTIFICATION, PARTY_BETA, PARTY_OPERATOR)
             ->u.change;
    memcpy(change->eid, beta->eid, sizeof(change->eid));
    (void)snprintf(change->smsr_id, sizeof(change->smsr_id), "%s", BETA_SMSR_ID);
    (void)snprintf(change->to_operator, sizeof(change->to_operator), "%s", to_operator);
}

void beta_complete(struct beta *beta)
{
    struct es_answer answer = beta->warning;
    if (answer.result != ES_EXECUTED_WITHWARNING) {
        es_answer_set(&answer, ES_EXECUTED_SUCCESS, 0, "OK", "%s", "");
    }
    trace_step(beta->trace, 26, PARTY_BETA, PARTY_BETA, "addressing parameters, key sets",
               "none more are needed");
    beta->eis.key_set_count = 1;
    beta->eis.key_sets[0] = (struct eis_key_set){beta->kvn, beta->counter};
    (void)snprintf(beta->eis.smsr_id, sizeof(beta->eis.smsr_id), "%s", BETA_SMSR_ID);
    trace_step(beta->trace, 27, PARTY_BETA, PARTY_BETA, "EIS", "Smsr-id is now %s", BETA_SMSR_ID);
    answer_handover(beta, &answer);
    notify(beta, "");
    for (size_t i = 0; i < beta->eis.profile_count; i++) {
        notify(beta, beta->eis.profiles[i].mno_id);
    }
}

void beta_receive(struct beta *beta, const struct message *m)
{
    switch (m->type) {
    case ES4_PREPARE_SMSR_CHANGE:
        on_prepare(beta, &m->u.change);
        return;
    case ES7_HANDOVER_EUICC:
        on_handover(beta, &m->u.eis);
        return;
    case ES7_AUTHENTICATE_SMSR_ANSWER:
        on_authenticated(beta, &m->u.authenticated);
        return;
    case ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER:
        on_created(beta, &m->u.created);
        return;
    case CARD_ANSWER:
        beta_card_answer(beta, m);
        return;
    default:
        return; /* nothing else is for Beta */
    }
}
