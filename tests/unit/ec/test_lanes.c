/*
 * Wycheproof's ECDSA vectors, and our own of FRP256v1, in every lane: in batches of every size from
 * 1 to 17 that begin at every vector, so that each stands at each place of each size beside other
 * neighbours; and all in one batch. Over every kernel and backend.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/ec/subject.h"
#include "tests/unit/vectors.h"

enum { BATCH_MAX = 17, CASES_MAX = 1024 };

static struct subject subjects[SUBJECTS_MAX];
static size_t subject_count;

struct file {
    struct vectors *v;
    size_t n;
    struct verify_item items[CASES_MAX];
    enum status want[CASES_MAX];
    const char *name[CASES_MAX];
};

static struct file *file_open(enum curve curve, const char *name, size_t at_least)
{
    struct file *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->v = vectors_open(name);
    for (size_t i = 0; i < vectors_count(f->v) && f->n < CASES_MAX; i++) {
        const struct vector *c = vectors_at(f->v, i);
        if (!vector_has(c, "signature")) { /* frp256v1 goes on with agreements */
            break;
        }
        f->items[f->n] = (struct verify_item){curve, vector_bytes(c, "public", EC_POINT_LEN),
                                              vector_bytes(c, "digest", SHA256_LEN),
                                              vector_bytes(c, "signature", EC_SIGNATURE_LEN)};
        const bool valid = vector_is(c, "result", "valid");
        assert_true(valid || vector_is(c, "result", "invalid"));
        f->want[f->n] = valid ? STATUS_OK : STATUS_SIGNATURE_INVALID;
        f->name[f->n++] = vector_name(c);
    }
    assert_true(f->n >= at_least && f->n < CASES_MAX);
    return f;
}

static void file_close(struct file *f)
{
    vectors_close(&f->v);
    free(f);
}

/* n vectors from `first` on, round the end, in one batch. */
static void check_batch(const struct subject *s, const struct file *f, size_t first, size_t n)
{
    static struct verify_item items[CASES_MAX];
    static enum status out[CASES_MAX];
    for (size_t i = 0; i < n; i++) {
        items[i] = f->items[(first + i) % f->n];
        out[i] = STATUS_INTERNAL;
    }
    subject_verify(s, n, items, out);
    for (size_t i = 0; i < n; i++) {
        const size_t at = (first + i) % f->n;
        if (out[i] != f->want[at]) {
            fail_msg("%s: vector %s at place %zu of %zu: %s instead of %s", s->name, f->name[at], i,
                     n, status_name(out[i]), status_name(f->want[at]));
        }
    }
}

static void check_file(enum curve curve, const char *name, size_t at_least)
{
    struct file *f = file_open(curve, name, at_least);
    for (size_t i = 0; i < subject_count; i++) {
        const struct subject *s = &subjects[i];
        /* Where there are no lanes, each vector once in each size will do. */
        const bool brief = s->slow && getenv("ECKA_TEST_LONG") == NULL;
        for (size_t n = 1; n <= BATCH_MAX; n++) {
            for (size_t first = 0; first < f->n; first += brief ? n : 1) {
                check_batch(s, f, first, n);
            }
        }
        check_batch(s, f, 0, f->n);
        check_batch(s, f, f->n / 2, f->n);
    }
    file_close(f);
}

static void p256_plain(void **state)
{
    (void)state;
    check_file(CURVE_P256, "wycheproof_ecdsa_p256_plain", 241);
}

static void p256_der(void **state)
{
    (void)state;
    check_file(CURVE_P256, "wycheproof_ecdsa_p256_der", 249);
}

static void brainpool(void **state)
{
    (void)state;
    check_file(CURVE_BRAINPOOLP256R1, "wycheproof_ecdsa_brainpoolP256r1_der", 254);
}

static void frp256v1(void **state)
{
    (void)state;
    check_file(CURVE_FRP256V1, "frp256v1", 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p256_plain),
        cmocka_unit_test(p256_der),
        cmocka_unit_test(brainpool),
        cmocka_unit_test(frp256v1),
    };
    subject_count = subjects_open(SUBJECT_ALL, subjects);
    for (size_t i = 0; i < subject_count; i++) {
        (void)printf("subject: %s\n", subjects[i].name);
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    subjects_close(subject_count, subjects);
    return failed;
}
