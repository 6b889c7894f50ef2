/*
 * Every reader against input cut at every length and mutated at random, every builder against room
 * that is too small. Inputs stand in blocks of exactly their size, so that a sanitizer sees one
 * byte too far. ECKA_TEST_SEED takes a printed seed back.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/gp/samples.h"

enum { MUTATIONS = 20000, CHANGES_MAX = 3, GROWTH_MAX = 8, CANARY = 0xC5 };

static uint64_t random_state = UINT64_C(0x5347503032); /* "SGP02" */

/* splitmix64 */
static uint64_t random_u64(void)
{
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static size_t random_below(size_t n)
{
    return (size_t)(random_u64() % n);
}

static void take_seed(void)
{
    const char *given = getenv("ECKA_TEST_SEED");
    if (given != NULL) {
        random_state = strtoull(given, NULL, 0);
    }
    print_message("ECKA_TEST_SEED=%llu\n", (unsigned long long)random_state);
}

static size_t sample_count(void)
{
    return object_sample_count + transport_sample_count;
}

static const struct sample *sample_at(size_t i)
{
    return i < object_sample_count ? &object_samples[i]
                                   : &transport_samples[i - object_sample_count];
}

static enum status read_exactly(const struct sample *s, const uint8_t *bytes, size_t len)
{
    uint8_t *block = malloc(len != 0 ? len : 1);
    assert_non_null(block);
    memcpy(block, bytes, len);
    enum status status = s->read(span_of(block, len));
    free(block);
    return status;
}

static void every_sample_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count(); i++) {
        struct bytes b;
        bytes_init(&b);
        sample_at(i)->put(&b.w);
        enum status s = read_exactly(sample_at(i), b.storage, bytes_span(&b).len);
        if (s != STATUS_OK) {
            fail_msg("%s: %s", sample_at(i)->name, status_name(s));
        }
    }
}

static void cut_at_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count(); i++) {
        const struct sample *sample = sample_at(i);
        struct bytes b;
        bytes_init(&b);
        sample->put(&b.w);
        for (size_t len = 0; len < b.w.len; len++) {
            bool reads = sample->prefix_reads != NULL && sample->prefix_reads(len);
            if ((read_exactly(sample, b.storage, len) == STATUS_OK) != reads) {
                fail_msg("%s: cut to %zu bytes it is %s", sample->name, len,
                         reads ? "refused" : "accepted");
            }
        }
    }
}

static void one_byte_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count(); i++) {
        struct bytes b;
        bytes_init(&b);
        sample_at(i)->put(&b.w);
        for (unsigned v = 0; v <= 0xFF; v++) {
            b.storage[b.w.len] = (uint8_t)v;
            if (read_exactly(sample_at(i), b.storage, b.w.len + 1) == STATUS_OK) {
                fail_msg("%s: a byte %02X behind it is accepted", sample_at(i)->name, v);
            }
        }
    }
}

static void builders_in_too_little_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count(); i++) {
        struct bytes whole;
        bytes_init(&whole);
        sample_at(i)->put(&whole.w);
        for (size_t cap = 0; cap < whole.w.len; cap++) {
            uint8_t room[TEST_BYTES_MAX];
            memset(room, CANARY, sizeof room);
            struct writer w = writer_of(room, cap);
            sample_at(i)->put(&w);
            if (!w.overflow || w.len > cap || room[cap] != CANARY) {
                fail_msg("%s: in %zu bytes: overflow %d, %zu written", sample_at(i)->name, cap,
                         w.overflow, w.len);
            }
            assert_memory_equal(room, whole.storage, w.len); /* what fits is right */
        }
    }
}

/* One change: a bit, a byte, a stretch removed, doubled or overwritten by another. */
static size_t mutate(uint8_t *bytes, size_t len, size_t cap)
{
    if (len == 0) {
        bytes[0] = (uint8_t)random_u64();
        return 1;
    }
    size_t at = random_below(len);
    size_t stretch = 1 + random_below(GROWTH_MAX);
    if (stretch > len - at) {
        stretch = len - at;
    }
    switch (random_below(6)) {
    case 0:
        bytes[at] ^= (uint8_t)(1U << random_below(8));
        return len;
    case 1:
        bytes[at] = (uint8_t)random_u64();
        return len;
    case 2: { /* values that lengths turn on */
        static const uint8_t edges[] = {0x00, 0x01, 0x7F, 0x80, 0x81, 0x82, 0x83, 0xFE, 0xFF};
        bytes[at] = edges[random_below(sizeof edges)];
        return len;
    }
    case 3:
        memmove(bytes + at, bytes + at + stretch, len - at - stretch);
        return len - stretch;
    case 4:
        if (len + stretch > cap) {
            return len;
        }
        memmove(bytes + at + stretch, bytes + at, len - at);
        return len + stretch;
    default: {
        size_t from = random_below(len - stretch + 1);
        memmove(bytes + at, bytes + from, stretch);
        return len;
    }
    }
}

static void mutated_at_random(void **state)
{
    (void)state;
    take_seed();
    for (size_t i = 0; i < sample_count(); i++) {
        struct bytes b;
        size_t refused = 0;
        bytes_init(&b);
        sample_at(i)->put(&b.w);
        for (size_t n = 0; n < MUTATIONS; n++) {
            uint8_t bytes[TEST_BYTES_MAX];
            size_t len = b.w.len;
            memcpy(bytes, b.storage, len);
            for (size_t changes = 1 + random_below(CHANGES_MAX); changes != 0; changes--) {
                len = mutate(bytes, len, sizeof bytes);
            }
            refused += read_exactly(sample_at(i), bytes, len) != STATUS_OK;
        }
        assert_true(refused != 0); /* the mutations reach what the reader looks at */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_reads),
        cmocka_unit_test(cut_at_every_length),
        cmocka_unit_test(one_byte_more),
        cmocka_unit_test(mutated_at_random),
        cmocka_unit_test(builders_in_too_little_room),
    };
    return cmocka_run_group_tests_name("robustness", tests, NULL, NULL);
}
