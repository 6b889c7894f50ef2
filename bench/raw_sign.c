/*
 * raw_sign MODULE ARGS LABEL WHERE: a plain loop of C_Sign on P-256, to see that `eckabench hsm`
 * says what such a loop says. Stdin: the PIN, then in each line for how many ns it is to sign;
 * stdout: what it signed, and in how many ns.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned long long now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000000 + (unsigned long long)t.tv_nsec;
}

static void need(CK_RV rv)
{
    if (rv != CKR_OK) {
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static CK_BYTE p256[] = {6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7}, digest[32], out[64];
    struct {
        CK_C_INITIALIZE_ARGS standard;
        void *nothing; /* NSS reads one more */
    } args = {.standard.pReserved = argc > 2 && argv[2][0] != '\0' ? argv[2] : NULL};
    CK_C_GetFunctionList get = NULL;
    CK_FUNCTION_LIST_PTR p11;
    CK_SLOT_ID slots[64], slot = 0;
    CK_ULONG n = 64, len;
    char pin[300] = "", line[64];
    void *module = argc == 5 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (module == NULL || fgets(pin, sizeof pin, stdin) == NULL) {
        return 2;
    }
    *(void **)&get = dlsym(module, "C_GetFunctionList");
    need(get(&p11));
    need(p11->C_Initialize(&args));
    need(p11->C_GetSlotList(CK_TRUE, slots, &n));
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        need(p11->C_GetTokenInfo(slots[i], &info));
        slot = memcmp(info.label, argv[3], strlen(argv[3])) == 0 ? slots[i] : slot;
    }
    CK_SESSION_HANDLE s;
    CK_OBJECT_HANDLE public, private;
    CK_BBOOL yes = CK_TRUE, token = argc == 5 && strcmp(argv[4], "token") == 0;
    CK_MECHANISM make = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0};
    CK_ATTRIBUTE label = {CKA_LABEL, "eckabench temporary", 19}, at = {CKA_TOKEN, &token, 1};
    CK_ATTRIBUTE pub[] = {at, label, {CKA_EC_PARAMS, p256, sizeof p256}};
    CK_ATTRIBUTE priv[] = {
        at, label, {CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_SIGN, &yes, 1}};
    need(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | (token ? CKF_RW_SESSION : 0u), NULL, NULL,
                            &s));
    if (strcspn(pin, "\n") > 0) {
        need(p11->C_Login(s, CKU_USER, (CK_BYTE *)pin, strcspn(pin, "\n")));
    }
    explicit_bzero(pin, sizeof pin);
    need(p11->C_GenerateKeyPair(s, &make, pub, 3, priv, 5, &public, &private));
    while (fgets(line, sizeof line, stdin) != NULL) {
        const unsigned long long begin = now(), want = strtoull(line, NULL, 10);
        unsigned long long signatures = 0, end;
        do {
            len = sizeof out;
            need(p11->C_SignInit(s, &ecdsa, private));
            need(p11->C_Sign(s, digest, sizeof digest, out, &len));
            signatures++;
        } while ((end = now()) - begin < want);
        (void)printf("%llu %llu\n", signatures, end - begin);
        (void)fflush(stdout);
    }
    need(p11->C_DestroyObject(s, private));
    need(p11->C_DestroyObject(s, public));
    return p11->C_Finalize(NULL) == CKR_OK ? 0 : 1;
}
