/*
 * Trying on a key what its token must refuse, instead of believing what the token says of it.
 *
 * Each attempt has one outcome. A refusal counts only where the same attempt with a fresh key that
 * may do it is not refused (the control), so that it is the key's and not the token's. All that is
 * made on the way are session objects, destroyed after each attempt and gone with the probing's own
 * sessions whatever happens; what an attempt changed of a key is put back before the next one.
 * What comes out of a token that gave way is wiped and looked at by nobody.
 */
#ifndef HSM_PROBE_H
#define HSM_PROBE_H

#include "hsm/token/keys.h"

enum use { /* what a key may be used for, an attribute each */
           USE_SIGN,
           USE_SIGN_RECOVER,
           USE_VERIFY,
           USE_ENCRYPT,
           USE_DECRYPT,
           USE_WRAP,
           USE_UNWRAP,
           USE_DERIVE,
           USE_COUNT,
           USE_NONE = USE_COUNT,
};

enum kind { /* of which there are fresh keys */
            KIND_OTHER,
            KIND_AES,
            KIND_GENERIC,
            KIND_DES,
            KIND_DES3,
            KIND_EC,
            KIND_RSA,
            KIND_COUNT,
};

enum outcome {
    OUTCOME_HELD,     /* the token refused, and does not refuse everybody */
    OUTCOME_WEAK,     /* it was done */
    OUTCOME_UNCLEAR,  /* the token failed in a way that tells neither */
    OUTCOME_UNTESTED, /* the token cannot do it with any key */
};

enum probe_kind {
    PROBE_OPEN, /* seen without a login */
    PROBE_READ,
    PROBE_SET,
    PROBE_COPY,
    PROBE_WRAP,          /* taken out under another key */
    PROBE_USE,           /* against its purpose */
    PROBE_UNWRAP_WEAKER, /* an unwrapping key makes readable keys */
    PROBE_WRAP_OTHER,    /* a KEK wraps what is no key set */
    PROBE_KIND_COUNT,
};

struct attempt {
    enum probe_kind probe;
    enum use use;     /* of PROBE_USE */
    const char *what; /* the attribute or mechanism: "CKA_VALUE" */
    CK_RV answer;
    const char *said; /* NULL, or more than the answer tells */
    bool has_control;
    CK_RV control;
    enum outcome outcome;
    bool not_put_back; /* PROBE_SET: the key is not as it was */
};

struct subject { /* a key that is probed */
    CK_OBJECT_HANDLE handle;
    CK_OBJECT_CLASS class;
    CK_KEY_TYPE type;
    enum use purpose; /* the use that it is for; USE_NONE: for nothing that is known here */
    bool is_kek;
    struct span id, label; /* as the token has them */
};

enum { MECHANISMS_MAX = 512, CONTROLS_MAX = 160, SCRATCH_LEN = 8192 };

struct fresh_key {
    bool tried;
    CK_RV rv;
    CK_OBJECT_HANDLE key, public; /* public: of a pair */
};

struct control { /* the answer that a fresh key gets */
    const void *of;
    enum kind target;
    CK_RV rv;
};

struct probe {
    struct token *t; /* logged in */
    CK_SESSION_HANDLE shop, bench;
    size_t n_mechanisms, n_controls;
    CK_MECHANISM_TYPE mechanisms[MECHANISMS_MAX];
    struct fresh_key fresh[KIND_COUNT][USE_COUNT];
    struct control controls[CONTROLS_MAX];
    uint8_t *scratch; /* locked: what a token gave away */
    void (*take)(void *arg, const struct attempt *attempt);
    void *arg;
};

/* -- probe.c -- */

/* Opens the probing's sessions and learns the token's mechanisms. Attempts go to take. TOKEN_ERROR,
 * INTERNAL. */
MUST_CHECK enum status probe_init(struct probe *p, struct token *t,
                                  void (*take)(void *arg, const struct attempt *attempt),
                                  void *arg);
/* Closes them, and with them whatever was made. */
void probe_fini(struct probe *p);

/* Every attempt on a private or secret key. TOKEN_ERROR: the token is lost; what was tried until
 * then was handed over. */
MUST_CHECK enum status probe_key(struct probe *p, const struct subject *key);

/* The token's wrapping mechanisms that no attempt knows how to use; how many, at most max. */
size_t probe_not_tried(struct probe *p, CK_MECHANISM_TYPE *out, size_t max);

/* "wrap-with", as attempts are called, and "wrap", for sentences. */
const char *use_name(enum use use);
const char *use_verb(enum use use);
CK_ATTRIBUTE_TYPE use_attribute(enum use use);
enum use use_of_attribute(CK_ATTRIBUTE_TYPE type);
/* Whether keys of this class can have this use at all. */
bool use_fits(CK_OBJECT_CLASS class, enum use use);
enum kind kind_of(CK_OBJECT_CLASS class, CK_KEY_TYPE type);

/* What the answer to an attempt, beside that of its control, tells of the key. */
enum outcome probe_outcome(const struct attempt *a);

/* -- of the probe_*.c among themselves -- */

/* Hands an attempt over; its outcome is found from the answer and the control. */
void probe_tell(struct probe *p, struct attempt attempt);
bool probe_has_mechanism(const struct probe *p, CK_MECHANISM_TYPE type);
/* Whether an answer is that of a token that did what was asked of it, be it on bytes that made no
 * sense; and whether it is a refusal. */
bool rv_is_done(CK_RV rv);
bool rv_is_refusal(CK_RV rv);
/* Destroys what an attempt made; where that fails, the session's end does it. */
void probe_destroy(struct probe *p, CK_OBJECT_HANDLE object);

/* -- probe_fresh.c -- */

/* A session key of this kind that may do this, extractable, the same each time; what the token
 * answered when it was made. */
const struct fresh_key *fresh_key(struct probe *p, enum kind kind, enum use use);
/* One of this kind, whatever it may do. */
const struct fresh_key *fresh_any(struct probe *p, enum kind kind);
/* The control of an attempt: made once for (of, target), by calling attempt with a fresh key. */
CK_RV probe_control(struct probe *p, const void *of, enum kind target,
                    CK_RV (*attempt)(struct probe *p, const void *of, enum kind target));

/* -- probe_mechanism.c -- */

enum parameter {
    PARAMETER_NONE,
    PARAMETER_IV16,
    PARAMETER_IV8,
    PARAMETER_GCM,
    PARAMETER_CTR,
    PARAMETER_OAEP,
    PARAMETER_ECDH,
    PARAMETER_STRING,
    PARAMETER_AES_CBC_STRING,
    PARAMETER_DES_CBC_STRING,
};

struct parameters {
    CK_MECHANISM mechanism;
    uint8_t bytes[32]; /* IV, data, nonce */
    union {
        CK_GCM_PARAMS gcm;
        CK_AES_CTR_PARAMS ctr;
        CK_RSA_PKCS_OAEP_PARAMS oaep;
        CK_ECDH1_DERIVE_PARAMS ecdh;
        CK_KEY_DERIVATION_STRING_DATA string;
        CK_AES_CBC_ENCRYPT_DATA_PARAMS aes_cbc;
        CK_DES_CBC_ENCRYPT_DATA_PARAMS des_cbc;
    } of;
};

/* Fills *out, which holds what the mechanism points to. */
CK_MECHANISM_PTR mechanism_with(struct parameters *out, CK_MECHANISM_TYPE type,
                                enum parameter parameter);
/* "CKM_AES_KEY_WRAP"; NULL: no name is known here. */
const char *mechanism_name(CK_MECHANISM_TYPE type);

/* -- the attempts -- */

void probe_read(struct probe *p, const struct subject *key); /* probe_attributes.c */
void probe_set(struct probe *p, const struct subject *key);  /* probe_attributes.c */
void probe_copy(struct probe *p, const struct subject *key); /* probe_attributes.c */
void probe_wrap(struct probe *p, const struct subject *key); /* probe_wrap.c */
void probe_uses(struct probe *p, const struct subject *key); /* probe_use.c */
/* Whether probe_wrap() tries this mechanism. */
bool probe_wraps_by(CK_MECHANISM_TYPE type);
/* Of a key that unwraps, and of a KEK. */
void probe_unwrap_weaker(struct probe *p, const struct subject *key); /* probe_wrap.c */
void probe_wrap_other(struct probe *p, const struct subject *key);    /* probe_wrap.c */

#endif
