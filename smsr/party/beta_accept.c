/*
 * What Beta takes over: capacity, capabilities and credentials. ES4.PrepareSMSRChange has an EID
 * and no EIS, so at step 2 Beta looks at itself, at eckad and at who made the eUICC; what the eUICC
 * is able to do it reads in the EIS, at step 5, before anything is asked of a card.
 */
#include <stdlib.h>
#include <time.h>

#include "proto/curve.h"
#include "smsr/party/alpha.h" /* ALPHA_SMSR_ID: the one that Beta has a key of */
#include "smsr/party/beta.h"

enum {
    VALIDITY_MAX_S = 86400, /* longest validity period that Beta prepares for */
    US_PER_S = 1000000,
    /* U: releases of TS 102 225 that have AES in KIc and KID. */
    SECURE_PACKET_MIN = 9,
    SECURE_PACKET_MAX = 99,
    /* U: versions of SGP.02 whose SM-SR Change this is. */
    REMOTE_PROVISIONING_MIN = 2,
    REMOTE_PROVISIONING_MAX = 4,
};

/* yyyymmdd */
static uint32_t date_of(uint64_t now_us)
{
    time_t seconds = (time_t)(now_us / US_PER_S);
    struct tm t;
    if (gmtime_r(&seconds, &t) == NULL) {
        return UINT32_MAX;
    }
    return (uint32_t)((t.tm_year + 1900) * 10000 + (t.tm_mon + 1) * 100 + t.tm_mday);
}

/* -- step 2 -- */

static bool eum_may(const struct beta *beta, const uint8_t *eid)
{
    char text[EID_TEXT_LEN + 1];
    const char *prefix = beta->config->eid_prefix;
    eid_text(eid, text);
    return prefix == NULL || strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What eckad, custodian and certificate let Beta do at all. */
static const char *without_credentials(const struct beta *beta)
{
    const struct beta_config *c = beta->config;
    const struct ability *a = c->ability;
    if (c->credentials_end != 0 && date_of(beta->bus->now_us) > c->credentials_end) {
        return "CERT.SR.ECDSA has expired";
    }
    if (a != NULL && a->known && !a->trusts_eum) {
        return "eckad does not trust the EUM's certificate";
    }
    if (a != NULL && a->known && !a->can_sign) {
        return "no custodian is up that has the key of CERT.SR.ECDSA";
    }
    return NULL;
}

const char *beta_prepare_refusal(const struct beta *beta, const struct message *m,
                                 const char **text)
{
    const struct es_change *request = &m->u.change;
    const struct beta_config *c = beta->config;
    const char *why;
    if (!gp_eid_valid(span_of(m->eid, sizeof(m->eid)))) {
        *text = "the EID is malformed";
        return "MALFORMED_EID";
    }
    if (beta_commands(beta)) {
        *text = "the EIS is here already";
        return "ALREADY_MANAGED";
    }
    if (!eum_may(beta, m->eid)) {
        *text = "the EID is of an EUM that Beta does not know";
        return "UNKNOWN_EUM";
    }
    if (strcmp(request->smsr_id, ALPHA_SMSR_ID) != 0) {
        *text = "the current SM-SR is unknown";
        return "UNKNOWN_SMSR";
    }
    if (request->validity_s == 0 || request->validity_s > VALIDITY_MAX_S) {
        *text = "no such validity period";
        return "BAD_VALIDITY";
    }
    if (c->has_room != NULL && !c->has_room(c->arg)) {
        *text = "no room for one more eUICC";
        return "NO_CAPACITY";
    }
    if ((why = without_credentials(beta)) != NULL) {
        *text = why;
        return "NO_CREDENTIALS";
    }
    return NULL;
}

/* -- step 5 -- */

/* Whether a version, "12.1" or "4.2.0", has a major number from min to max. */
static bool version_in(const char *version, unsigned long min, unsigned long max)
{
    enum { DECIMAL = 10 };
    char *end;
    if (version[0] < '0' || version[0] > '9') {
        return false;
    }
    unsigned long major = strtoul(version, &end, DECIMAL);
    return (*end == '.' || *end == '\0') && major >= min && major <= max;
}

/* One that cannot be read is for step 6, which names what is wrong with it. */
static bool takes_curve(const struct beta *beta, const struct eis_signed *info)
{
    const struct beta_config *c = beta->config;
    const struct ability *a = c->ability;
    struct gp_cert cert;
    if (gp_cert_parse(span_of(info->ecasd_cert, info->ecasd_cert_len), &cert) != STATUS_OK) {
        return true;
    }
    enum curve curve = curve_from_ref(cert.curve_ref);
    return curve != CURVE_NONE && (c->curves == 0 || (c->curves >> curve & 1) != 0) &&
           (a == NULL || !a->known || (a->curves >> curve & 1) != 0);
}

/* Whether a profile that is enabled has an address for Beta's short messages. */
static bool can_be_reached(const struct eis *eis)
{
    for (size_t i = 0; i < eis->profile_count; i++) {
        if (eis->profiles[i].state == EIS_PROFILE_ENABLED && eis->profiles[i].msisdn[0] != '\0') {
            return true;
        }
    }
    return false;
}

const char *beta_eis_refusal(const struct beta *beta, const struct eis *eis, const char **text)
{
    const struct eis_signed *info = &eis->signed_info;
    const struct eis_capabilities *can = &info->capabilities;
    if (memcmp(info->eid, beta->eid, sizeof(beta->eid)) != 0) {
        *text = "the EIS is another eUICC's";
        return "EIS_REFUSED";
    }
    if (memcmp(info->eum_id, beta->config->eum_id, ECKA_ID_LEN) != 0) {
        *text = "the EIS names an EUM that Beta does not know";
        return "EIS_REFUSED";
    }
    if (strcmp(eis->smsr_id, ALPHA_SMSR_ID) != 0) {
        *text = "the EIS says that another SM-SR is the Commander";
        return "EIS_REFUSED";
    }
    if (load_be(eis->isdr_tar, sizeof(eis->isdr_tar)) != SCP80_TAR_ISDR) {
        *text = "the EIS names another TAR than the ISD-R's"; /* KS2 would reach nothing there */
        return "EIS_REFUSED";
    }
    if (!version_in(can->secure_packet, SECURE_PACKET_MIN, SECURE_PACKET_MAX)) {
        *text = "the eUICC takes no secured packets with AES";
        return "NO_CAPABILITY";
    }
    if (!version_in(can->remote_provisioning, REMOTE_PROVISIONING_MIN, REMOTE_PROVISIONING_MAX)) {
        *text = "the eUICC is of a version of SGP.02 that Beta does not manage";
        return "NO_CAPABILITY";
    }
    if (!can_be_reached(eis)) {
        *text = "no enabled profile has an address for short messages";
        return "NO_ADDRESS";
    }
    if (!takes_curve(beta, info)) {
        *text = "the key of CERT.ECASD.ECKA is on a curve that Beta does not take";
        return "CURVE_UNSUPPORTED";
    }
    return NULL;
}
