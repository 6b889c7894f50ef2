/*
 * An LD_PRELOAD library for the metrics' tests: libcrypto contradicts a right verdict, once.
 *
 * While the file $ECKA_LIE exists, the next signature that EVP_PKEY_verify finds valid is called
 * invalid, and the file is gone. So a re-check of eckad's finds a mismatch, and the verification
 * that follows it the truth. Nothing is done without $ECKA_LIE. Any thread.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

typedef int verify_fn(EVP_PKEY_CTX *ctx, const unsigned char *sig, size_t siglen,
                      const unsigned char *tbs, size_t tbslen);

__attribute__((visibility("default"))) int EVP_PKEY_verify(EVP_PKEY_CTX *ctx,
                                                           const unsigned char *sig, size_t siglen,
                                                           const unsigned char *tbs, size_t tbslen)
{
    verify_fn *real = (verify_fn *)dlsym(RTLD_NEXT, "EVP_PKEY_verify");
    const char *path = getenv("ECKA_LIE");
    if (real == NULL) {
        abort(); /* a liar that cannot tell the truth proves nothing */
    }
    int verdict = real(ctx, sig, siglen, tbs, tbslen);
    return verdict == 1 && path != NULL && unlink(path) == 0 ? 0 : verdict;
}
