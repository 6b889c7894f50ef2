/*
 * libecka: the C client of eckad.
 *
 * A struct ecka_client is a CURVE connection to each of its endpoints, and is used by one thread at
 * a time. Two ways to call: ecka_call() sends one request and waits for its answer; ecka_submit()
 * sends and returns at once, and ecka_poll() delivers answers to the callback in whatever order
 * they come. Many requests may be outstanding; the server forms its batches across them.
 *
 * A request goes to the endpoint that can take it and owes the fewest answers. When that endpoint
 * is lost, falls silent, drains, is busy or lacks its custodians, the same request goes to another
 * one with the time that is left; while none can take it, it waits. Every operation may be carried
 * out twice without harm: what an abandoned attempt made is never used. docs/client.md says the
 * rest.
 *
 * A request carries N items as arrays of structures. Every request ends in exactly one answer: a
 * reply from a server, or one made here: ECKA_DEADLINE when an endpoint has it and does not answer
 * in time, ECKA_DISCONNECTED when none could be reached in time, when connections were lost with it
 * too often, when every server refuses this client's key, and at ecka_close(). A result's memory
 * belongs to the struct ecka_reply: valid until ecka_reply_free(), or until the callback returns.
 *
 * All octet strings are big-endian and without a header: points 04 || x || y (SEC 1, 2.3.3),
 * signatures r || s, EIDs 16 bytes BCD.
 */
#ifndef ECKA_H
#define ECKA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ECKA_API __attribute__((visibility("default")))

enum {
    ECKA_POINT_LEN = 65,
    ECKA_SIGNATURE_LEN = 64,
    ECKA_DIGEST_LEN = 32,
    ECKA_EID_LEN = 16,
    ECKA_ID_LEN = 32, /* SHA-256: SR key id, EUM id */
    ECKA_RECEIPT_LEN = 16,
    ECKA_KCVS_LEN = 9,
    ECKA_CUSTODY_LEN = 4,
    ECKA_CHALLENGE_LEN = 8,  /* of SCP03, host's and card's */
    ECKA_CRYPTOGRAM_LEN = 8, /* of SCP03 */
    ECKA_ENDPOINTS_MAX = 8,
};

enum ecka_curve { ECKA_P256 = 1, ECKA_BRAINPOOLP256R1 = 2, ECKA_FRP256V1 = 3 };

/* Where a secret is asked to be, and where it was. */
enum ecka_custody { ECKA_CUSTODY_NONE = 0, ECKA_CUSTODY_TOKEN = 1, ECKA_CUSTODY_MEMORY = 2 };

enum ecka_key_set_kind {
    ECKA_SET_SCP80 = 1, /* three AES-128 keys, KVN 01..0F */
    ECKA_SET_SCP81 = 2, /* one PSK, KVN 40..4F */
    ECKA_SET_SCP03 = 3, /* three AES-128 keys, KVN 30..3F */
};

/* Statuses are those of docs/status.md; 0 is success. These are the ones a caller branches on. */
enum {
    ECKA_OK = 0,
    ECKA_BAD_REQUEST = 1,
    ECKA_DENIED = 4,
    ECKA_BUSY = 5,
    ECKA_DEADLINE = 6,
    ECKA_DRAINING = 7,
    ECKA_INTERNAL = 8,
    ECKA_UNAVAILABLE = 9,
    ECKA_DISCONNECTED = 11,
    ECKA_SIGNATURE_INVALID = 23,
    ECKA_RECEIPT_MISMATCH = 112,
};

/* "RECEIPT_MISMATCH"; its meaning as one sentence; whether the same request may succeed later. */
ECKA_API const char *ecka_status_name(int status);
ECKA_API const char *ecka_status_meaning(int status);
ECKA_API int ecka_status_retryable(int status);

struct ecka_bytes { /* borrowed; len 0: absent */
    const uint8_t *ptr;
    size_t len;
};

/* -- requests -- */

enum ecka_op {
    ECKA_VERIFY = 1,
    ECKA_VERIFY_CHAIN,
    ECKA_ESTABLISH,
    ECKA_CONFIRM,
    ECKA_SCP80_WRAP,
    ECKA_SCP80_UNWRAP,
    ECKA_INFO,
    ECKA_SIGN,
    ECKA_AGREE,
    ECKA_KEY_SET_CREATE,
    ECKA_SCP03_OPEN,
    ECKA_SCP03_WRAP,
    ECKA_SCP03_UNWRAP,
    ECKA_RESEAL,
    ECKA_REWRAP,
};

struct ecka_verify_item {
    const uint8_t *public_key; /* ECKA_POINT_LEN; the same pointer twice is sent once */
    const uint8_t *digest;     /* ECKA_DIGEST_LEN */
    const uint8_t *signature;  /* ECKA_SIGNATURE_LEN */
};

struct ecka_chain_item {          /* SGP.02 3.8, step 6 */
    const uint8_t *eid;           /* ECKA_EID_LEN */
    struct ecka_bytes ecasd_cert; /* CERT.ECASD.ECKA, a 7F21 */
    struct ecka_bytes eum;        /* X.509 DER, or its SHA-256 (32 bytes) */
};

struct ecka_establish_item { /* steps 6, 14, 15 */
    struct ecka_chain_item chain;
    struct ecka_bytes rc;                 /* the card's challenge, 16 or 32 bytes */
    uint8_t kvn;                          /* 01..0F */
    uint8_t scenario;                     /* 08, 0A (DR), 0C (HostID), 0E (both) */
    uint8_t key_usage;                    /* 0 stands for 10, the only one a custodian signs */
    uint64_t counter;                     /* initial sequence counter, at most 5 bytes */
    struct ecka_bytes host_id, sin, sdin; /* with scenario bit 04, at most 32 bytes each */
    uint64_t expiry;                      /* end of the ticket's validity, seconds since 1970 UTC */
};

struct ecka_confirm_item { /* step 23 */
    struct ecka_bytes ticket;
    const uint8_t *eid;
    const uint8_t *receipt; /* ECKA_RECEIPT_LEN */
    struct ecka_bytes dr;   /* 16 bytes exactly when the scenario asked for DR */
};

struct ecka_scp80_wrap_item { /* ETSI TS 102 225 */
    struct ecka_bytes key_set;
    const uint8_t *eid;
    uint8_t kvn;
    uint16_t spi; /* 0 stands for 1639 */
    uint8_t tar[3];
    uint64_t counter;
    struct ecka_bytes payload; /* at most 1024 bytes */
};

struct ecka_scp80_unwrap_item {
    struct ecka_bytes key_set;
    const uint8_t *eid;
    uint8_t kvn;
    struct ecka_bytes packet; /* 02 71 00 first */
};

struct ecka_sign_item {    /* by the token key of the request's label, of purpose generic-sign */
    const uint8_t *digest; /* ECKA_DIGEST_LEN */
};

struct ecka_agree_item {           /* ECKA-EG with a fresh key pair (BSI TR-03111 4.3), X9.63 */
    const uint8_t *peer;           /* ECKA_POINT_LEN */
    struct ecka_bytes shared_info; /* at most 64 bytes */
};

struct ecka_key_set_create_item { /* step 26 */
    struct ecka_bytes key_set;    /* the set that the card has; its DEK encrypts */
    const uint8_t *eid;
    uint8_t kvn;  /* of key_set */
    uint8_t kind; /* enum ecka_key_set_kind */
    uint8_t new_kvn;
};

struct ecka_scp03_open_item {  /* GlobalPlatform Amendment D, 7.1: behind INITIALIZE UPDATE */
    struct ecka_bytes key_set; /* of kind SCP03 */
    const uint8_t *eid;
    uint8_t kvn;
    const uint8_t *host_challenge; /* ECKA_CHALLENGE_LEN */
    const uint8_t *card_challenge;
    const uint8_t *card_cryptogram; /* ECKA_CRYPTOGRAM_LEN */
    uint8_t security_level;         /* 01, 03, 11, 13, 33 */
};

struct ecka_scp03_item {       /* of Scp03Wrap and Scp03Unwrap */
    struct ecka_bytes session; /* the one that the use before it gave */
    const uint8_t *eid;
    struct ecka_bytes apdu; /* the command in the clear; the response as it came */
};

struct ecka_key_set_item { /* of Reseal and Rewrap */
    struct ecka_bytes key_set;
    const uint8_t *eid;
    uint8_t kvn;
};

struct ecka_request {
    enum ecka_op op;
    size_t count; /* items; 0 with ECKA_INFO */
    union {
        const struct ecka_verify_item *verify;
        const struct ecka_chain_item *chain;
        const struct ecka_establish_item *establish;
        const struct ecka_confirm_item *confirm;
        const struct ecka_scp80_wrap_item *wrap;
        const struct ecka_scp80_unwrap_item *unwrap;
        const struct ecka_sign_item *sign;
        const struct ecka_agree_item *agree;
        const struct ecka_key_set_create_item *key_set_create;
        const struct ecka_scp03_open_item *scp03_open;
        const struct ecka_scp03_item *scp03_wrap, *scp03_unwrap;
        const struct ecka_key_set_item *reseal, *rewrap;
    } items;
    enum ecka_curve curve;     /* ECKA_VERIFY, ECKA_AGREE */
    const uint8_t *sr_key_id;  /* ECKA_ESTABLISH: SHA-256 of the CERT.SR.ECDSA sent at step 7 */
    uint64_t deadline_us;      /* time for the whole call, retries included; 0: the client's */
    const char *key_label;     /* ECKA_SIGN: the key; ECKA_REWRAP: the transfer KEK; 1..32 bytes */
    uint32_t length;           /* ECKA_AGREE: bytes of key data, 1..64 */
    enum ecka_custody custody; /* ECKA_ESTABLISH, ECKA_AGREE: of eSK and Z; 0: memory. What cannot
                                  be given fails the item; it is never downgraded */
};

/* -- results -- */

struct ecka_chain_result {
    int status;
    enum ecka_curve curve;
    uint8_t pk_ecasd[ECKA_POINT_LEN];
};

struct ecka_establish_result {
    int status;
    uint8_t epk[ECKA_POINT_LEN];
    uint8_t signature[ECKA_SIGNATURE_LEN];
    struct ecka_bytes crt;        /* the exact A6 TLV */
    struct ecka_bytes store_data; /* data of the second STORE DATA */
    struct ecka_bytes ticket;
    uint8_t custody[ECKA_CUSTODY_LEN]; /* SK.SR, eSK, Z, key data: enum ecka_custody */
};

struct ecka_confirm_result {
    int status;
    struct ecka_bytes key_set;
    uint8_t kcvs[ECKA_KCVS_LEN]; /* ENC, MAC, DEK */
    uint8_t custody[ECKA_CUSTODY_LEN];
};

struct ecka_scp80_wrap_result {
    int status;
    struct ecka_bytes packet;
};

struct ecka_scp80_unwrap_result {
    int status;         /* 134 SCP80_STATUS when por_status is not 0 */
    uint8_t por_status; /* response status code, TS 102 225 table 5 */
    uint8_t tar[3];
    uint64_t counter;
    struct ecka_bytes payload;
};

struct ecka_sign_result {
    int status;
    uint8_t signature[ECKA_SIGNATURE_LEN];
};

struct ecka_agree_result {
    int status;
    uint8_t epk[ECKA_POINT_LEN];
    struct ecka_bytes key_blob;        /* opaque; no SCP operation takes it */
    uint8_t custody[ECKA_CUSTODY_LEN]; /* none, eSK, Z, key data: enum ecka_custody */
};

struct ecka_key_set_create_result {
    int status;
    struct ecka_bytes new_key_set;
    struct ecka_bytes put_key;   /* data field of PUT KEY, the keys under the DEK */
    uint8_t kcvs[ECKA_KCVS_LEN]; /* zero behind the single one of a PSK */
};

struct ecka_scp03_result {
    int status;
    struct ecka_bytes session; /* for the next use, and no other */
    struct ecka_bytes apdu;    /* EXTERNAL AUTHENTICATE; the secured command; the plain response */
};

struct ecka_reseal_result {
    int status;
    struct ecka_bytes key_set; /* under the current generation */
};

struct ecka_rewrap_result {
    int status;
    struct ecka_bytes wrapped;             /* AES-KWP (RFC 5649) of ENC, MAC, DEK */
    struct ecka_bytes manifest;            /* what was wrapped, for whom, when: lines of text */
    uint8_t signature[ECKA_SIGNATURE_LEN]; /* the checkpoint key's over the manifest's SHA-256 */
};

struct ecka_custodian_info {
    const char *name, *token, *backend;
    const char *backend_refused; /* why better ones are not used; "" when none is */
    int up;
    size_t sr_key_count;
    const uint8_t *sr_key_ids; /* sr_key_count x ECKA_ID_LEN */
    uint32_t ticket_generation, keyset_generation;
    const char *audit; /* origin of its audit log; "": it keeps none */
    uint64_t restarts;
    const char *group; /* custodians that fail together */
    uint32_t weight;
    uint32_t breaker; /* of the group: 0 closed, 1 a try of the token is under way, 2 open */
};

struct ecka_info {
    const char *version, *backend, *principal;
    const char *backend_refused; /* why better ones are not used; "" when none is */
    uint32_t protocol, max_items, max_frame;
    size_t curve_count;
    const enum ecka_curve *curves;
    size_t custodian_count;
    const struct ecka_custodian_info *custodians;
    size_t eum_count;
    const uint8_t *eum_ids; /* eum_count x ECKA_ID_LEN */
};

struct ecka_reply {
    int status;         /* of the request as a whole; items is NULL unless it is ECKA_OK */
    const char *detail; /* a sentence, "" when there is nothing to say */
    uint64_t retry_after_us;
    enum ecka_op op;
    size_t count;
    union {
        const int *verify; /* a status an item */
        const struct ecka_chain_result *chain;
        const struct ecka_establish_result *establish;
        const struct ecka_confirm_result *confirm;
        const struct ecka_scp80_wrap_result *wrap;
        const struct ecka_scp80_unwrap_result *unwrap;
        const struct ecka_info *info;
        const struct ecka_sign_result *sign;
        const struct ecka_agree_result *agree;
        const struct ecka_key_set_create_result *key_set_create;
        const struct ecka_scp03_result *scp03_open, *scp03_wrap, *scp03_unwrap;
        const struct ecka_reseal_result *reseal;
        const struct ecka_rewrap_result *rewrap;
    } items;
};

/* -- the client -- */

struct ecka_client;

struct ecka_endpoint {
    const char *address;         /* "tcp://127.0.0.1:5570", "ipc:///run/eckad/eckad.sock" */
    const char *server_key;      /* the server's CURVE public key, Z85, 40 characters */
    const char *server_key_file; /* instead: the FILE.pub of the server's `eckactl keygen FILE` */
};

struct ecka_options {
    struct ecka_endpoint endpoints[ECKA_ENDPOINTS_MAX]; /* up to the first without an address */
    const char *public_key;         /* this client's, the same for all endpoints */
    const char *secret_key;         /* this client's; libecka keeps no copy of its own */
    const char *key_file;           /* instead of the two: a file made by `eckactl keygen` */
    uint64_t default_deadline_us;   /* 0: five seconds */
    size_t max_outstanding;         /* 0: 256; ecka_submit answers ECKA_BUSY beyond it */
    uint32_t heartbeat_interval_ms; /* silence after which an endpoint is probed; 0: 1000 */
    uint32_t heartbeat_timeout_ms;  /* and after which it is given up; 0: three intervals */
};

/* Connects in the background. ECKA_OK, or ECKA_BAD_REQUEST when an option is unusable; error (may
 * be NULL) then receives a sentence. */
ECKA_API int ecka_open(struct ecka_client **out, const struct ecka_options *options, char *error,
                       size_t error_len);

/* Every outstanding request is answered ECKA_DISCONNECTED first. Leaves NULL. */
ECKA_API void ecka_close(struct ecka_client **client);

/* One request, one answer. Returns the reply's status; *reply is always set unless memory is out
 * (then NULL and ECKA_INTERNAL), and freed by ecka_reply_free. Other outstanding requests'
 * callbacks may run meanwhile. */
ECKA_API int ecka_call(struct ecka_client *client, const struct ecka_request *request,
                       struct ecka_reply **reply);
ECKA_API void ecka_reply_free(struct ecka_reply **reply);

typedef void ecka_callback(void *arg, const struct ecka_reply *reply);

/* Sends; everything the request points to may be reused on return. ECKA_OK: the callback will run
 * exactly once, from ecka_poll, ecka_call or ecka_close. Anything else (ECKA_BUSY,
 * ECKA_BAD_REQUEST, ECKA_INTERNAL when memory is out, ECKA_DISCONNECTED from a callback of
 * ecka_close): it will not. A callback may call ecka_submit, ecka_verifier_add, ecka_outstanding
 * and ecka_endpoint_state, nothing else that takes the client. */
ECKA_API int ecka_submit(struct ecka_client *client, const struct ecka_request *request,
                         ecka_callback *callback, void *arg);

/* Waits up to timeout_ms (0: not at all, -1: until something happens) and delivers what came or
 * expired. Returns the number of callbacks run; at once when -1 is given and nothing is
 * outstanding. */
ECKA_API int ecka_poll(struct ecka_client *client, int timeout_ms);

ECKA_API size_t ecka_outstanding(const struct ecka_client *client);

/* For an event loop of the caller's: readable when ecka_poll may have something to do. Time makes
 * work too (deadlines, pauses, heartbeats): ecka_wait_ms says in how many milliseconds ecka_poll is
 * to be called at the latest, -1 when nothing is outstanding. */
ECKA_API int ecka_fd(struct ecka_client *client);
ECKA_API int ecka_wait_ms(const struct ecka_client *client);

struct ecka_endpoint_state {
    const char *address; /* as given; valid until ecka_close */
    int up;              /* the connection stands */
    int draining;        /* the server said that it takes nothing new */
    int refused;         /* the server refuses this client's key */
    uint64_t busy_us;    /* the server asked to be left alone for this long yet; 0: it did not */
    size_t outstanding;  /* answers it owes */
    uint64_t sent;       /* requests, those that came here again included */
    uint64_t answered;   /* with a result, or with a failure that the caller got */
    uint64_t retries;    /* requests whose attempt here ended and that went on */
    uint64_t lost;       /* connections */
    uint64_t silent;     /* of those, given up here because nothing came */
    uint64_t late;       /* answers that nobody waited for any more */
};

/* The endpoints in the order given, for monitoring. ECKA_BAD_REQUEST when there is no such index.
 */
ECKA_API int ecka_endpoint_state(const struct ecka_client *client, size_t index,
                                 struct ecka_endpoint_state *state);

/* Verifies count signatures on one curve, however many; item_status receives a status each. Returns
 * the request's status: with ECKA_OK every item has its answer, else the items without one hold
 * that status, never ECKA_OK. */
ECKA_API int ecka_verify(struct ecka_client *client, enum ecka_curve curve,
                         const struct ecka_verify_item *items, size_t count, int *item_status);

/* -- single verifications -- */

/*
 * A verifier packs verifications that come one by one into requests: one a curve, each public key
 * in it once. A request goes out when it is full, at ecka_verifier_flush() and at ecka_poll() and
 * ecka_call(); never by a timer: whatever has come by then travels together. What is added is
 * copied. It belongs to its client and is freed with it by ecka_close().
 */
struct ecka_verifier;

struct ecka_verifier_options {
    size_t batch;         /* items a request at most; 0: 256, the limit is 2048 */
    size_t max_items;     /* added and not answered yet; 0: 16 batches */
    uint64_t deadline_us; /* of each request, from when it goes out; 0: the client's default */
};

/* The item's status, or that of its request when the request failed: never ECKA_OK unless the
 * signature is good. It may do what an ecka_callback may. */
typedef void ecka_verified(void *arg, int status);

/* options: NULL for the defaults. ECKA_OK, ECKA_BAD_REQUEST, ECKA_INTERNAL when memory is out. */
ECKA_API int ecka_verifier_open(struct ecka_verifier **out, struct ecka_client *client,
                                const struct ecka_verifier_options *options);

/* ECKA_OK: the callback will run exactly once, from ecka_poll, ecka_call or ecka_close. ECKA_BUSY:
 * max_items are held, or this curve's batch is full and the client has max_outstanding requests:
 * call ecka_poll, then add again. ECKA_BAD_REQUEST: a pointer is NULL or the curve is none. */
ECKA_API int ecka_verifier_add(struct ecka_verifier *verifier, enum ecka_curve curve,
                               const struct ecka_verify_item *item, ecka_verified *callback,
                               void *arg);

/* Sends what was added. ECKA_BUSY when the client had no room for all of it: the rest goes out at
 * the next ecka_poll. */
ECKA_API int ecka_verifier_flush(struct ecka_verifier *verifier);

/* Items added and not answered yet. */
ECKA_API size_t ecka_verifier_held(const struct ecka_verifier *verifier);

#ifdef __cplusplus
}
#endif

#endif
