/*
 * Key agreement at both custodies against the card's side of it, and a token that fails or lies: a
 * SoftHSM token of the test's own, with single Cryptoki functions replaced.
 */
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsm/operation/agreement.h"
#include "tests/unit/hsm/hsm_test.h"

static char folder[] = "/tmp/agreement-XXXXXX";
static struct hsm_fixture *fixture; /* one token for all */
static CK_FUNCTION_LIST_PTR real;
static CK_FUNCTION_LIST hooked;

static const struct span shared_info = {(const uint8_t *)"SharedInfo", 10};

/* -- the token -- */

static void find_module(char *out, size_t size)
{
    static const char *const places[] = {"/usr/lib/softhsm/libsofthsm2.so",
                                         "/usr/lib/*/softhsm/libsofthsm2.so"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        glob_t found;
        if (glob(places[i], 0, NULL, &found) == 0) {
            (void)snprintf(out, size, "pkcs11:token=agreement?module-path=%s", found.gl_pathv[0]);
            globfree(&found);
            return;
        }
        globfree(&found);
    }
    fail_msg("SoftHSM is not installed");
}

static void open_token(struct token *t)
{
    char uri[512], path[512];
    const struct pin so_pin = {.len = 8, .bytes = "87654321"}, pin = {.len = 4, .bytes = "1234"};

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/softhsm2.conf", folder);
    FILE *conf = fopen(path, "we");
    assert_non_null(conf);
    (void)fprintf(conf, "directories.tokendir = %s\nobjectstore.backend = file\n", folder);
    assert_int_equal(fclose(conf), 0);
    assert_int_equal(setenv("SOFTHSM2_CONF", path, 1), 0);
    find_module(uri, sizeof uri);
    assert_int_equal(token_load(t, uri), STATUS_OK);
    assert_int_equal(token_initialise(t, &so_pin, &pin), STATUS_OK);
    assert_int_equal(token_login(t, &pin, false), STATUS_OK);
}

static int setup(void **state)
{
    assert_int_equal(hsm_setup((void **)&fixture), 0);
    assert_int_equal(provider_select(NULL, NULL), STATUS_OK);
    assert_int_equal(provider_new(&fixture->c.provider), STATUS_OK);
    open_token(&fixture->c.token);
    real = fixture->c.token.p11;
    agreement_probe(&fixture->c);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    char command[64];
    token_fini(&fixture->c.token);
    provider_free(&fixture->c.provider);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    return hsm_teardown(state);
}

static int unhook(void **state)
{
    (void)state;
    fixture->c.token.p11 = real;
    return 0;
}

/* The list with nothing replaced yet. */
static CK_FUNCTION_LIST *hook(void)
{
    hooked = *real;
    fixture->c.token.p11 = &hooked;
    return &hooked;
}

static CK_ULONG session_objects(void)
{
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE search = {CKA_TOKEN, &no, sizeof no};
    CK_OBJECT_HANDLE found[64];
    CK_SESSION_HANDLE session = fixture->c.token.session;
    CK_ULONG n = 0;
    assert_int_equal(real->C_FindObjectsInit(session, &search, 1), CKR_OK);
    assert_int_equal(real->C_FindObjects(session, found, 64, &n), CKR_OK);
    assert_int_equal(real->C_FindObjectsFinal(session), CKR_OK);
    return n;
}

/* -- the card's side -- */

struct peer {
    uint8_t k[EC_SCALAR_LEN], Q[EC_POINT_LEN];
};

static void make_peer(enum curve curve, struct peer *out)
{
    const struct keygen_item item = {.curve = curve, .k = out->k, .Q = out->Q};
    enum status st;
    provider_keygen(fixture->c.provider, fixture->c.drbg, 1, &item, &st);
    assert_int_equal(st, STATUS_OK);
}

static void peer_derives(enum curve curve, const struct peer *peer, const uint8_t *epk,
                         uint8_t *out, size_t len)
{
    uint8_t z[ECDH_Z_LEN];
    const struct ecka_item item = {.curve = curve, .k = peer->k, .peer = epk, .z = z};
    enum status st;
    provider_ecka(fixture->c.provider, 1, &item, &st);
    assert_int_equal(st, STATUS_OK);
    assert_int_equal(sym_x963(fixture->c.sym, span_of(z, sizeof z), shared_info, out, len),
                     STATUS_OK);
}

static enum status agree_in_token(enum curve curve, const struct peer *peer, uint8_t *Q,
                                  uint8_t *out, size_t len)
{
    memset(Q, 0xFF, EC_POINT_LEN);
    memset(out, 0xFF, len);
    return agreement_in_token(&fixture->c, curve, peer->Q, shared_info, Q, out, len);
}

static void assert_works(void)
{
    uint8_t Q[EC_POINT_LEN], ours[KEY_DATA_LEN], theirs[KEY_DATA_LEN];
    struct peer peer;
    make_peer(CURVE_P256, &peer);
    assert_int_equal(agree_in_token(CURVE_P256, &peer, Q, ours, sizeof ours), STATUS_OK);
    peer_derives(CURVE_P256, &peer, Q, theirs, sizeof theirs);
    assert_memory_equal(ours, theirs, sizeof ours);
}

/* -- the stories -- */

static void each_length_and_curve_in_the_token(void **state)
{
    (void)state;
    static const enum curve curves[] = {CURVE_P256, CURVE_BRAINPOOLP256R1};
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        for (size_t len = 1; len <= KEY_DATA_LEN; len += 7) {
            uint8_t Q[EC_POINT_LEN], ours[KEY_DATA_LEN], theirs[KEY_DATA_LEN];
            struct peer peer;
            make_peer(curves[i], &peer);
            assert_int_equal(agree_in_token(curves[i], &peer, Q, ours, len), STATUS_OK);
            peer_derives(curves[i], &peer, Q, theirs, len);
            assert_memory_equal(ours, theirs, len);
        }
    }
    assert_int_equal(session_objects(), 0);
}

/* What stands in the opaque blob is what the peer derives, at either custody. */
static void agree_seals_the_peers_key(void **state)
{
    struct hsm_fixture *f = *state;
    static const uint8_t no_eid[GP_EID_LEN];
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        for (uint32_t custody = CUSTODY_NONE; custody <= CUSTODY_AT_MEMORY; custody++) {
            if (custody == CUSTODY_AT_TOKEN && curve == CURVE_FRP256V1) {
                continue;
            }
            struct peer peer;
            make_peer(curve, &peer);
            Ecka__Custody__V1__AgreeItem item = ECKA__CUSTODY__V1__AGREE_ITEM__INIT;
            Ecka__Custody__V1__AgreeItem *items[] = {&item};
            Ecka__Custody__V1__Agree list = ECKA__CUSTODY__V1__AGREE__INIT;
            custody_batch batch = ECKA__CUSTODY__V1__BATCH__INIT;
            item.principal = hsm_test_principal;
            item.curve = curve;
            item.peer = hsm_bytes(peer.Q, sizeof peer.Q);
            item.shared_info = hsm_bytes(shared_info.ptr, shared_info.len);
            item.length = 48;
            item.custody = custody;
            list.n_items = 1;
            list.items = items;
            batch.kind_case = ECKA__CUSTODY__V1__BATCH__KIND_AGREE;
            batch.agree = &list;

            const Ecka__Custody__V1__AgreedItem *out = hsm_exchange(f, &batch)->agree->items[0];
            assert_int_equal(out->status, STATUS_OK);
            uint8_t theirs[48], kvn;
            size_t len;
            peer_derives(curve, &peer, out->epk.data, theirs, sizeof theirs);
            assert_int_equal(blob_open(f->c.generations, f->c.sym, &f->c.secrets->blob, BLOB_OPAQUE,
                                       hsm_test_principal, no_eid, span_of_field(&out->key_blob),
                                       &kvn, &len),
                             STATUS_OK);
            assert_int_equal(kvn, 0);
            assert_int_equal(len, 1 + sizeof theirs);
            assert_memory_equal(f->c.secrets->blob.plain + 1, theirs, sizeof theirs);
            blob_scratch_wipe(&f->c.secrets->blob);
        }
    }
}

static CK_ULONG most_objects;

static CK_RV count_then_digest(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism)
{
    most_objects = session_objects();
    return real->C_DigestInit(session, mechanism);
}

static void nothing_stays_in_the_token(void **state)
{
    (void)state;
    hook()->C_DigestInit = count_then_digest;
    assert_works();
    assert_int_equal(most_objects, 3); /* the count sees them: ePK, eSK, Z */
    assert_int_equal(session_objects(), 0);
}

static void a_point_beside_the_curve_does_not_reach_the_token(void **state)
{
    (void)state;
    uint8_t Q[EC_POINT_LEN], out[KEY_DATA_LEN];
    struct peer peer;
    make_peer(CURVE_P256, &peer);
    peer.Q[EC_POINT_LEN - 1] ^= 1;
    hook()->C_GenerateKeyPair = NULL; /* and would not survive it */
    assert_int_equal(
        agreement_in_token(&fixture->c, CURVE_P256, peer.Q, shared_info, Q, out, sizeof out),
        STATUS_BAD_POINT);
}

static CK_RV no_pair(CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR pub, CK_ULONG npub,
                     CK_ATTRIBUTE_PTR prv, CK_ULONG nprv, CK_OBJECT_HANDLE_PTR hpub,
                     CK_OBJECT_HANDLE_PTR hprv)
{
    (void)s, (void)m, (void)pub, (void)npub, (void)prv, (void)nprv, (void)hpub, (void)hprv;
    return CKR_FUNCTION_FAILED;
}

static CK_RV no_attribute(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR a, CK_ULONG n)
{
    (void)s, (void)o, (void)a, (void)n;
    return CKR_FUNCTION_FAILED;
}

static CK_RV no_derive(CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE k,
                       CK_ATTRIBUTE_PTR a, CK_ULONG n, CK_OBJECT_HANDLE_PTR out)
{
    (void)s, (void)m, (void)k, (void)a, (void)n, (void)out;
    return CKR_MECHANISM_INVALID;
}

static CK_RV no_digest_init(CK_SESSION_HANDLE s, CK_MECHANISM_PTR m)
{
    (void)s, (void)m;
    return CKR_FUNCTION_FAILED;
}

static CK_RV no_digest_key(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE k)
{
    (void)s, (void)k;
    return CKR_FUNCTION_NOT_SUPPORTED; /* and leaves the operation open */
}

static CK_RV no_digest_update(CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG n)
{
    (void)s, (void)in, (void)n;
    return CKR_FUNCTION_FAILED;
}

static CK_RV no_digest_final(CK_SESSION_HANDLE s, CK_BYTE_PTR out, CK_ULONG_PTR n)
{
    (void)real->C_DigestFinal(s, out, n);
    return CKR_FUNCTION_FAILED;
}

static CK_RV destroys_and_fails(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o)
{
    (void)real->C_DestroyObject(s, o);
    return CKR_FUNCTION_FAILED;
}

enum { CALLS = 8 };

static void break_call(CK_FUNCTION_LIST *list, size_t call)
{
    CK_FUNCTION_LIST broken = *list;
    broken.C_GenerateKeyPair = call == 0 ? no_pair : broken.C_GenerateKeyPair;
    broken.C_GetAttributeValue = call == 1 ? no_attribute : broken.C_GetAttributeValue;
    broken.C_DeriveKey = call == 2 ? no_derive : broken.C_DeriveKey;
    broken.C_DigestInit = call == 3 ? no_digest_init : broken.C_DigestInit;
    broken.C_DigestKey = call == 4 ? no_digest_key : broken.C_DigestKey;
    broken.C_DigestUpdate = call == 5 ? no_digest_update : broken.C_DigestUpdate;
    broken.C_DigestFinal = call == 6 ? no_digest_final : broken.C_DigestFinal;
    broken.C_DestroyObject = call == 7 ? destroys_and_fails : broken.C_DestroyObject;
    *list = broken;
}

/* Whichever call fails: nothing comes out, nothing stays, and the next agreement works. */
static void every_call_may_fail(void **state)
{
    (void)state;
    static const uint8_t zero[KEY_DATA_LEN + EC_POINT_LEN];
    for (size_t call = 0; call < CALLS; call++) {
        uint8_t Q[EC_POINT_LEN], out[KEY_DATA_LEN];
        struct peer peer;
        make_peer(CURVE_P256, &peer);
        break_call(hook(), call);
        assert_int_equal(agree_in_token(CURVE_P256, &peer, Q, out, sizeof out), STATUS_TOKEN_ERROR);
        assert_memory_equal(Q, zero, sizeof Q);
        assert_memory_equal(out, zero, sizeof out);
        assert_int_equal(session_objects(), 0);
        (void)unhook(state);
        assert_works();
    }
}

/* -- what the probe finds out -- */

static bool probe_accepts(void)
{
    uint8_t at;
    agreement_probe(&fixture->c);
    bool accepts = fixture->c.token_agrees[CURVE_P256];
    assert_int_equal(fixture->c.token_agrees[CURVE_BRAINPOOLP256R1], accepts);
    assert_false(fixture->c.token_agrees[CURVE_FRP256V1]);
    assert_int_equal(agreement_custody(&fixture->c, CUSTODY_AT_TOKEN, CURVE_P256, &at),
                     accepts ? STATUS_OK : STATUS_CUSTODY_LACKING);
    assert_int_equal(agreement_custody(&fixture->c, CUSTODY_AT_MEMORY, CURVE_P256, &at), STATUS_OK);
    assert_int_equal(session_objects(), 0);
    return accepts;
}

static CK_RV lacks_derive(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
    return type == CKM_ECDH1_DERIVE ? CKR_MECHANISM_INVALID
                                    : real->C_GetMechanismInfo(slot, type, info);
}

static CK_RV gives_values(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR a, CK_ULONG n)
{
    return a[0].type == CKA_VALUE ? CKR_OK : real->C_GetAttributeValue(s, o, a, n);
}

static CK_RV hashes_something_else(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE k)
{
    (void)k;
    return real->C_DigestUpdate(s, (CK_BYTE_PTR) "not Z", 5);
}

static unsigned shortened;

/* Z as OpenSSL's bignum would write it: without the zero bytes in front. */
static CK_RV drops_leading_zeros(CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE k,
                                 CK_ATTRIBUTE_PTR a, CK_ULONG n, CK_OBJECT_HANDLE_PTR out)
{
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_ULONG len = ECDH_Z_LEN;
    CK_OBJECT_HANDLE readable;
    uint8_t z[ECDH_Z_LEN];
    size_t zeros = 0;
    CK_ATTRIBUTE open[] = {{CKA_CLASS, &class, sizeof class},   {CKA_KEY_TYPE, &type, sizeof type},
                           {CKA_TOKEN, &no, sizeof no},         {CKA_SENSITIVE, &no, sizeof no},
                           {CKA_EXTRACTABLE, &yes, sizeof yes}, {CKA_VALUE_LEN, &len, sizeof len}};
    CK_ATTRIBUTE value = {CKA_VALUE, z, sizeof z};

    (void)a, (void)n;
    assert_int_equal(real->C_DeriveKey(s, m, k, open, 6, &readable), CKR_OK);
    assert_int_equal(real->C_GetAttributeValue(s, readable, &value, 1), CKR_OK);
    assert_int_equal(real->C_DestroyObject(s, readable), CKR_OK);
    while (z[zeros] == 0) {
        zeros++;
    }
    shortened += zeros != 0;
    CK_ATTRIBUTE kept[] = {{CKA_CLASS, &class, sizeof class},
                           {CKA_KEY_TYPE, &type, sizeof type},
                           {CKA_TOKEN, &no, sizeof no},
                           {CKA_PRIVATE, &yes, sizeof yes},
                           {CKA_SENSITIVE, &yes, sizeof yes},
                           {CKA_EXTRACTABLE, &no, sizeof no},
                           {CKA_VALUE, z + zeros, sizeof z - zeros}};
    return real->C_CreateObject(s, kept, 7, out);
}

static void the_probe_sees_through_tokens(void **state)
{
    (void)state;
    assert_true(probe_accepts());
    hook()->C_GetMechanismInfo = lacks_derive;
    assert_false(probe_accepts());
    hook()->C_GetAttributeValue = gives_values;
    assert_false(probe_accepts());
    hook()->C_DigestKey = hashes_something_else;
    assert_false(probe_accepts());
    hook()->C_DeriveKey = drops_leading_zeros;
    assert_false(probe_accepts());
    assert_in_range(shortened, 2, 4); /* it was tried, on either curve */
    for (size_t call = 0; call < CALLS; call++) {
        break_call(hook(), call);
        assert_false(probe_accepts());
    }
    (void)unhook(state);
    assert_true(probe_accepts());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_length_and_curve_in_the_token, unhook),
        cmocka_unit_test_teardown(agree_seals_the_peers_key, unhook),
        cmocka_unit_test_teardown(nothing_stays_in_the_token, unhook),
        cmocka_unit_test_teardown(a_point_beside_the_curve_does_not_reach_the_token, unhook),
        cmocka_unit_test_teardown(every_call_may_fail, unhook),
        cmocka_unit_test_teardown(the_probe_sees_through_tokens, unhook),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
