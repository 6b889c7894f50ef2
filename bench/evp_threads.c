/*
 * Verifications through EVP by threads, as programs do them; for bench/ossl.py.
 *
 *     evp_threads KIND THREADS SECONDS
 *
 * prehashed: EVP_PKEY_verify() with a ready context. message: a new EVP_MD_CTX for each message of
 * 100 bytes. strangers: as prehashed, each time with another of 20,000 keys, imported before. What
 * computes is by OPENSSL_CONF. Prints verifications a second of all threads together, and a second
 * of processor time; stops at a verdict that is not valid.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    THREADS_MAX = 64,
    STRANGERS = 20000,
    MESSAGE_LEN = 100,
    DIGEST_LEN = 32,
    SIG_MAX = 80,
    NS_PER_S = 1000000000,
};

struct signature {
    EVP_PKEY *key;
    EVP_PKEY_CTX *ctx;
    unsigned char sig[SIG_MAX];
    size_t len;
};

struct worker {
    pthread_t thread;
    struct signature *signatures;
    size_t count;
    bool message;
    unsigned long done;
};

static unsigned char message[MESSAGE_LEN], digest[DIGEST_LEN];
static atomic_bool go, over;

static void die(const char *what)
{
    fprintf(stderr, "evp_threads: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void make(struct signature *s)
{
    s->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, s->key, NULL);
    s->len = sizeof s->sig;
    if (ctx == NULL || EVP_PKEY_sign_init(ctx) != 1 ||
        EVP_PKEY_sign(ctx, s->sig, &s->len, digest, sizeof digest) != 1) {
        die("no signature");
    }
    EVP_PKEY_CTX_free(ctx);
    s->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, s->key, NULL);
    if (s->ctx == NULL || EVP_PKEY_verify_init(s->ctx) != 1) {
        die("no context");
    }
}

static bool verify_message(const struct signature *s)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const bool valid =
        EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, s->key, NULL) == 1 &&
        EVP_DigestVerify(ctx, s->sig, s->len, message, sizeof message) == 1;
    EVP_MD_CTX_free(ctx);
    return valid;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    while (!atomic_load(&go)) {
        (void)usleep(100);
    }
    for (size_t i = 0; !atomic_load_explicit(&over, memory_order_relaxed); i = (i + 1) % w->count) {
        const struct signature *s = &w->signatures[i];
        if (w->message ? !verify_message(s)
                       : EVP_PKEY_verify(s->ctx, s->sig, s->len, digest, sizeof digest) != 1) {
            die("a good signature is not valid");
        }
        w->done++;
    }
    return NULL;
}

static double now(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / NS_PER_S;
}

int main(int argc, char **argv)
{
    struct worker workers[THREADS_MAX];
    const int threads = argc == 4 ? atoi(argv[2]) : 0, seconds = argc == 4 ? atoi(argv[3]) : 0;
    if (threads < 1 || threads > THREADS_MAX || seconds < 1) {
        fprintf(stderr, "usage: evp_threads prehashed|message|strangers THREADS SECONDS\n");
        return 2;
    }
    const bool strangers = strcmp(argv[1], "strangers") == 0;
    unsigned len = 0;
    if (EVP_Digest(message, sizeof message, digest, &len, EVP_sha256(), NULL) != 1) {
        die("no digest");
    }
    for (int i = 0; i < threads; i++) {
        struct worker *w = &workers[i];
        *w = (struct worker){.count = strangers ? STRANGERS : 1,
                             .message = strcmp(argv[1], "message") == 0};
        w->signatures = calloc(w->count, sizeof *w->signatures);
        for (size_t k = 0; w->signatures != NULL && k < w->count; k++) {
            make(&w->signatures[k]);
        }
        if (w->signatures == NULL || pthread_create(&w->thread, NULL, work, w) != 0) {
            die("no thread");
        }
    }
    unsigned long done = 0;
    const double begin = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    atomic_store(&go, true);
    (void)sleep((unsigned)seconds);
    atomic_store(&over, true);
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        done += workers[i].done;
    }
    printf("%.1f %.1f\n", (double)done / (now(CLOCK_MONOTONIC) - begin),
           (double)done / (now(CLOCK_PROCESS_CPUTIME_ID) - cpu));
    return 0;
}
