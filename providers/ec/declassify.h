/*
 * Where constant-time code lets something of a secret be known: each place calls ct_declassify()
 * and says why. In shipped code that is nothing. In the builds of tests/ctime, where secrets are
 * marked as undefined memory and a branch on one is an error, it marks the bytes as defined.
 */
#ifndef PROVIDERS_EC_DECLASSIFY_H
#define PROVIDERS_EC_DECLASSIFY_H

#include <stddef.h>

#if defined(ECKA_CTIME_MSAN)
#include <sanitizer/msan_interface.h>
#elif defined(ECKA_CTIME_VALGRIND)
#include <valgrind/memcheck.h>
#endif

static inline void ct_declassify(const void *p, size_t len)
{
#if defined(ECKA_CTIME_MSAN)
    __msan_unpoison(p, len);
#elif defined(ECKA_CTIME_VALGRIND)
    (void)VALGRIND_MAKE_MEM_DEFINED(p, len);
#else
    (void)p;
    (void)len;
#endif
}

#endif
