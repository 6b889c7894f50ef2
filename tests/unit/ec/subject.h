/*
 * Everything that verifies: each kernel compiled in by each of its ways (keys with tables, without,
 * one item alone) and each backend. A test that runs over the subjects proves them all alike.
 *
 * What this CPU cannot run is left out, with a sentence. Failures to set up end the program.
 */
#ifndef TESTS_UNIT_EC_SUBJECT_H
#define TESTS_UNIT_EC_SUBJECT_H

#include "providers/ec/kernel.h"
#include "providers/provider.h"

enum { SUBJECTS_MAX = 16 };

struct subject {
    const char *name;               /* "ifma known small" */
    const char *owner;              /* "ifma" */
    const struct ec_kernel *kernel; /* NULL: a backend */
    bool slow; /* one item at a time: whoever counts lanes can be brief with it */
    struct subject_state *state;
};

/* With the backends or the kernels alone, or with both. */
enum subject_kind { SUBJECT_KERNELS = 1, SUBJECT_BACKENDS = 2, SUBJECT_ALL = 3 };

size_t subjects_open(enum subject_kind kind, struct subject out[static SUBJECTS_MAX]);
void subjects_close(size_t n, struct subject s[]);

/* Any n, curves mixed: a kernel gets its items curve by curve, in order. Known keys get their
 * tables on the way, and keep them. */
void subject_verify(const struct subject *s, size_t n, const struct verify_item items[],
                    enum status out[]);

/* The kernels that can run here, with a scratch for each; for what is not verification. */
struct usable_kernel {
    const struct ec_kernel *kernel;
    struct ec_scratch *scratch;
};
size_t kernels_open(struct usable_kernel out[static SUBJECTS_MAX]);
void kernels_close(size_t n, struct usable_kernel k[]);

#endif
