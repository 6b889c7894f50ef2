#include "hsm/report/probe.h"

#include "hsm/log.h"
#include "providers/core/secret.h"

static const struct {
    const char *name, *verb;
    CK_ATTRIBUTE_TYPE attribute;
    bool of_secret, of_private;
} uses[USE_COUNT] = {
    [USE_SIGN] = {"sign", "sign", CKA_SIGN, true, true},
    [USE_SIGN_RECOVER] = {"sign-recover", "sign with recovery", CKA_SIGN_RECOVER, false, true},
    [USE_VERIFY] = {"verify", "verify", CKA_VERIFY, true, false},
    [USE_ENCRYPT] = {"encrypt", "encrypt", CKA_ENCRYPT, true, false},
    [USE_DECRYPT] = {"decrypt", "decrypt", CKA_DECRYPT, true, true},
    [USE_WRAP] = {"wrap-with", "wrap", CKA_WRAP, true, false},
    [USE_UNWRAP] = {"unwrap-with", "unwrap", CKA_UNWRAP, true, true},
    [USE_DERIVE] = {"derive", "derive", CKA_DERIVE, true, true},
};

const char *use_name(enum use use)
{
    return uses[use].name;
}

const char *use_verb(enum use use)
{
    return uses[use].verb;
}

CK_ATTRIBUTE_TYPE use_attribute(enum use use)
{
    return uses[use].attribute;
}

enum use use_of_attribute(CK_ATTRIBUTE_TYPE type)
{
    enum use use = 0;
    while (use < USE_COUNT && uses[use].attribute != type) {
        use++;
    }
    return use;
}

bool use_fits(CK_OBJECT_CLASS class, enum use use)
{
    return class == CKO_SECRET_KEY ? uses[use].of_secret : uses[use].of_private;
}

enum kind kind_of(CK_OBJECT_CLASS class, CK_KEY_TYPE type)
{
    if (class == CKO_SECRET_KEY) {
        return type == CKK_AES              ? KIND_AES
               : type == CKK_GENERIC_SECRET ? KIND_GENERIC
               : type == CKK_DES            ? KIND_DES
               : type == CKK_DES3           ? KIND_DES3
                                            : KIND_OTHER;
    }
    return type == CKK_EC ? KIND_EC : type == CKK_RSA ? KIND_RSA : KIND_OTHER;
}

/* -- what an answer tells -- */

/* The token worked on the bytes of the attempt, which are nobody's ciphertext or signature. */
static const CK_RV complaints[] = {
    CKR_WRAPPED_KEY_INVALID,      CKR_WRAPPED_KEY_LEN_RANGE, CKR_ENCRYPTED_DATA_INVALID,
    CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_SIGNATURE_INVALID,     CKR_BUFFER_TOO_SMALL,
};

static const CK_RV refusals[] = {
    CKR_ACTION_PROHIBITED,          CKR_ATTRIBUTE_READ_ONLY,     CKR_ATTRIBUTE_SENSITIVE,
    CKR_ATTRIBUTE_TYPE_INVALID,     CKR_ATTRIBUTE_VALUE_INVALID, CKR_INFORMATION_SENSITIVE,
    CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_NOT_WRAPPABLE,       CKR_KEY_TYPE_INCONSISTENT,
    CKR_KEY_UNEXTRACTABLE,          CKR_TEMPLATE_INCONSISTENT,   CKR_FUNCTION_REJECTED,
};

/* What a token without the mechanism, or with other parameters of it, says to every key. */
static const CK_RV inabilities[] = {
    CKR_ARGUMENTS_BAD,
    CKR_FUNCTION_NOT_SUPPORTED,
    CKR_KEY_SIZE_RANGE,
    CKR_MECHANISM_INVALID,
    CKR_MECHANISM_PARAM_INVALID,
    CKR_TEMPLATE_INCOMPLETE,
    CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
    CKR_WRAPPING_KEY_SIZE_RANGE,
    CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
    CKR_DATA_LEN_RANGE,
};

static bool is_in(CK_RV rv, const CK_RV *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == rv) {
            return true;
        }
    }
    return false;
}

bool rv_is_done(CK_RV rv)
{
    return rv == CKR_OK || is_in(rv, complaints, sizeof complaints / sizeof complaints[0]);
}

bool rv_is_refusal(CK_RV rv)
{
    return is_in(rv, refusals, sizeof refusals / sizeof refusals[0]);
}

static bool is_inability(CK_RV rv)
{
    return is_in(rv, inabilities, sizeof inabilities / sizeof inabilities[0]);
}

/* What refuses this attempt beside the answers that always do. */
static bool refuses(const struct attempt *a)
{
    if (!a->has_control && a->answer == CKR_FUNCTION_NOT_SUPPORTED) {
        return true; /* a token that sets or copies nothing at all */
    }
    /* The standard's answer where CKA_WRAP_TEMPLATE does not fit (PKCS#11 2.40, 5.13.3). */
    return rv_is_refusal(a->answer) ||
           (a->probe == PROBE_WRAP_OTHER && a->answer == CKR_KEY_HANDLE_INVALID);
}

enum outcome probe_outcome(const struct attempt *a)
{
    if (rv_is_done(a->answer)) {
        return OUTCOME_WEAK;
    }
    if (!a->has_control) {
        return refuses(a) ? OUTCOME_HELD : OUTCOME_UNCLEAR;
    }
    if (rv_is_done(a->control)) {
        return refuses(a) ? OUTCOME_HELD : OUTCOME_UNCLEAR;
    }
    if (rv_is_refusal(a->control) || is_inability(a->control)) {
        return refuses(a) || is_inability(a->answer) ? OUTCOME_UNTESTED : OUTCOME_UNCLEAR;
    }
    /* The control failed on the attempt's bytes in a way of this token's own. */
    return a->answer == a->control ? OUTCOME_WEAK : refuses(a) ? OUTCOME_HELD : OUTCOME_UNCLEAR;
}

void probe_tell(struct probe *p, struct attempt attempt)
{
    attempt.outcome = probe_outcome(&attempt);
    secret_wipe(p->scratch, SCRATCH_LEN);
    /* Notes a lost session, and says nothing of refusals. */
    if (!rv_is_done(attempt.answer) && !rv_is_refusal(attempt.answer) &&
        !is_inability(attempt.answer)) {
        enum status st = token_rv(p->t, attempt.what, attempt.answer);
        (void)st;
        if (p->t->trouble == RV_PROCESS) { /* what SoftHSM says of bytes that it cannot decrypt */
            p->t->trouble = RV_NONE;
        }
    }
    p->take(p->arg, &attempt);
}

void probe_destroy(struct probe *p, CK_OBJECT_HANDLE object)
{
    enum status st =
        token_rv(p->t, "C_DestroyObject", p->t->p11->C_DestroyObject(p->bench, object));
    (void)st;
}

/* -- sessions -- */

static enum status open_session(struct probe *p, CK_SESSION_HANDLE *out)
{
    *out = CK_INVALID_HANDLE;
    return token_rv(
        p->t, "C_OpenSession",
        p->t->p11->C_OpenSession(p->t->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, out));
}

static void close_session(struct probe *p, CK_SESSION_HANDLE *session)
{
    if (*session != CK_INVALID_HANDLE) {
        (void)p->t->p11->C_CloseSession(*session);
        *session = CK_INVALID_HANDLE;
    }
}

bool probe_has_mechanism(const struct probe *p, CK_MECHANISM_TYPE type)
{
    for (size_t i = 0; i < p->n_mechanisms; i++) {
        if (p->mechanisms[i] == type) {
            return true;
        }
    }
    return false;
}

size_t probe_not_tried(struct probe *p, CK_MECHANISM_TYPE *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_mechanisms && n < max; i++) {
        CK_MECHANISM_TYPE type = p->mechanisms[i];
        CK_MECHANISM_INFO info;
        if (!probe_wraps_by(type) &&
            p->t->p11->C_GetMechanismInfo(p->t->slot, type, &info) == CKR_OK &&
            (info.flags & CKF_WRAP) != 0) {
            out[n++] = type;
        }
    }
    return n;
}

static enum status learn_mechanisms(struct probe *p)
{
    CK_ULONG n = MECHANISMS_MAX;
    TRY(token_rv(p->t, "C_GetMechanismList",
                 p->t->p11->C_GetMechanismList(p->t->slot, p->mechanisms, &n)));
    p->n_mechanisms = n;
    return STATUS_OK;
}

enum status probe_init(struct probe *p, struct token *t,
                       void (*take)(void *arg, const struct attempt *attempt), void *arg)
{
    *p = (struct probe){.t = t,
                        .shop = CK_INVALID_HANDLE,
                        .bench = CK_INVALID_HANDLE,
                        .scratch = secret_alloc(1, SCRATCH_LEN),
                        .take = take,
                        .arg = arg};
    if (p->scratch == NULL) {
        log_line("no locked memory for what a token gives away");
        return STATUS_INTERNAL;
    }
    TRY(learn_mechanisms(p));
    return open_session(p, &p->shop);
}

void probe_fini(struct probe *p)
{
    close_session(p, &p->bench);
    close_session(p, &p->shop);
    secret_free(&p->scratch);
}

enum status probe_key(struct probe *p, const struct subject *key)
{
    static void (*const attempts[])(struct probe *, const struct subject *) = {
        probe_read, probe_wrap,          probe_copy,       probe_set,
        probe_uses, probe_unwrap_weaker, probe_wrap_other,
    };
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0] && !token_lost(p->t); i++) {
        TRY(open_session(p, &p->bench));
        attempts[i](p, key);
        close_session(p, &p->bench);
    }
    return token_lost(p->t) ? STATUS_TOKEN_ERROR : STATUS_OK;
}
