/*
 * A program on OpenSSL that knows nothing of eckad: threads that sign with one key of the store,
 * then a child that does the same, and the parent again meanwhile.
 *
 *     ossl_signers URI THREADS SIGNATURES
 *
 * Prints how many threads and sockets the process had before the first signature, how many
 * signatures verified with the default provider, and after the child the same; 0 when all did.
 */
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/store.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS_MAX = 64, SIG_MAX = 80 };

static EVP_PKEY *key, *public;
static OSSL_LIB_CTX *plain;
static int signatures;
static atomic_int good;

/* Entries of a folder of /proc/self; with the text, only links that say it. */
static int entries(const char *folder, const char *text)
{
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        char path[300], link[100] = "";
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        n += e->d_name[0] != '.' &&
             (text == NULL || (readlink(path, link, sizeof link - 1) > 0 && strstr(link, text)));
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return n;
}

static EVP_PKEY *open_key(const char *uri)
{
    EVP_PKEY *out = NULL;
    OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
    OSSL_STORE_INFO *info = store != NULL ? OSSL_STORE_load(store) : NULL;
    if (info != NULL) {
        out = OSSL_STORE_INFO_get1_PKEY(info);
    }
    OSSL_STORE_INFO_free(info);
    (void)OSSL_STORE_close(store);
    return out;
}

/* The same key of the default provider's, which judges. */
static EVP_PKEY *judge_of(const EVP_PKEY *from)
{
    EVP_PKEY *out = NULL;
    OSSL_PARAM *params = NULL;
    plain = OSSL_LIB_CTX_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(plain, "EC", "provider=default");
    if (EVP_PKEY_todata(from, EVP_PKEY_PUBLIC_KEY, &params) != 1 ||
        EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &out, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        out = NULL;
    }
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return out;
}

static int sign_one(int seed)
{
    unsigned char msg[32], sig[SIG_MAX];
    size_t len = sizeof sig;
    memset(msg, seed, sizeof msg);
    EVP_MD_CTX *s = EVP_MD_CTX_new(), *v = EVP_MD_CTX_new();
    const int ok = EVP_DigestSignInit_ex(s, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
                   EVP_DigestSign(s, sig, &len, msg, sizeof msg) == 1 &&
                   EVP_DigestVerifyInit_ex(v, NULL, "SHA256", plain, NULL, public, NULL) == 1 &&
                   EVP_DigestVerify(v, sig, len, msg, sizeof msg) == 1;
    if (!ok) {
        ERR_print_errors_fp(stderr);
    }
    EVP_MD_CTX_free(s);
    EVP_MD_CTX_free(v);
    return ok;
}

static void *signer(void *arg)
{
    for (int i = 0; i < signatures; i++) {
        atomic_fetch_add(&good, sign_one(i + *(int *)arg));
    }
    return NULL;
}

static int sign_all(int threads)
{
    pthread_t thread[THREADS_MAX];
    int seed[THREADS_MAX];
    atomic_store(&good, 0);
    for (int i = 0; i < threads; i++) {
        seed[i] = i;
        if (pthread_create(&thread[i], NULL, signer, &seed[i]) != 0) {
            abort();
        }
    }
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(thread[i], NULL);
    }
    return atomic_load(&good);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    const int threads = atoi(argv[2]);
    signatures = atoi(argv[3]);
    key = open_key(argv[1]);
    public = key != NULL ? judge_of(key) : NULL;
    if (public == NULL || threads > THREADS_MAX) {
        ERR_print_errors_fp(stderr);
        return 1;
    }
    printf("before: %d threads, %d sockets\n", entries("/proc/self/task", NULL),
           entries("/proc/self/fd", "socket:"));
    const int wanted = threads * signatures;
    int all = sign_all(threads) == wanted;
    printf("signed: %d of %d\n", atomic_load(&good), wanted);
    (void)fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const int here = sign_all(threads) == wanted;
        printf("child: %d of %d\n", atomic_load(&good), wanted);
        exit(here ? 0 : 1); /* as programs end: the module is unloaded */
    }
    int status = 1;
    all &= sign_all(threads) == wanted;
    printf("parent: %d of %d\n", atomic_load(&good), wanted);
    all &= waitpid(child, &status, 0) == child && status == 0;
    EVP_PKEY_free(key);
    EVP_PKEY_free(public);
    OSSL_LIB_CTX_free(plain);
    return all ? 0 : 1;
}
