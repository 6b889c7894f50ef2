/*
 * Every reader of proto/gp with encodings that it accepts, so that one test can hold all of them to
 * the same promises.
 */
#ifndef TESTS_UNIT_GP_SAMPLES_H
#define TESTS_UNIT_GP_SAMPLES_H

#include "tests/unit/gp/gp_test.h"

struct sample {
    const char *name;
    void (*put)(struct writer *w);
    /*
     * Reads the bytes and holds the reader to its word: views lie inside the input, what was read
     * builds the same bytes again, and a failure leaves nothing behind.
     */
    enum status (*read)(struct span in);
    /* Whether the first len bytes of the sample are an encoding too; NULL: never. */
    bool (*prefix_reads)(size_t len);
};

/* TLVs, certificates, CRTs, STORE DATA, key lists. */
extern const struct sample object_samples[];
extern const size_t object_sample_count;

/* APDUs, expanded remote commands, SCP80, SMS. */
extern const struct sample transport_samples[];
extern const size_t transport_sample_count;

#endif
