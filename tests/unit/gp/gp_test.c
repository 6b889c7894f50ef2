#include "tests/unit/gp/gp_test.h"

#include "proto/gp/tlv.h"

void bytes_init(struct bytes *b)
{
    b->w = writer_of(b->storage, sizeof b->storage);
}

struct span bytes_span(const struct bytes *b)
{
    assert_false(b->w.overflow);
    return writer_span(&b->w);
}

static uint8_t nibble(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    assert_true(c != '\0' && at != NULL);
    return (uint8_t)(at - digits);
}

void bytes_hex(struct bytes *b, const char *hex)
{
    for (; *hex != '\0'; hex++) {
        if (*hex != ' ') {
            uint8_t high = nibble(*hex++);
            put_u8(&b->w, (uint8_t)(high << 4 | nibble(*hex)));
        }
    }
    assert_false(b->w.overflow);
}

void assert_spans_equal(struct span got, struct span want)
{
    assert_int_equal(got.len, want.len);
    if (want.len != 0) {
        assert_memory_equal(got.ptr, want.ptr, want.len);
    }
}

void assert_hex(struct span got, const char *hex)
{
    struct bytes want;
    bytes_init(&want);
    bytes_hex(&want, hex);
    assert_spans_equal(got, bytes_span(&want));
}

void assert_status(enum status got, enum status want)
{
    if (got != want) {
        print_error("%s where %s was expected\n", status_name(got), status_name(want));
    }
    assert_int_equal(got, want);
}

void assert_inside(struct span view, struct span in)
{
    if (view.len != 0) {
        assert_true(view.ptr >= in.ptr && view.len <= in.len);
        assert_true((size_t)(view.ptr - in.ptr) <= in.len - view.len);
    }
}

void assert_zero(const void *value, size_t size)
{
    const uint8_t *p = value;
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(p[i], 0);
    }
}

void assert_empty(struct span view)
{
    assert_null(view.ptr);
    assert_int_equal(view.len, 0);
}

void spoil(void *value, size_t size)
{
    memset(value, 0xEE, size);
}

struct parts parts_of(struct span value)
{
    struct parts p = {.count = 0};
    struct cursor in = cursor_of(value);
    while (in.left != 0) {
        struct tlv t;
        assert_true(p.count < TEST_PARTS_MAX);
        assert_status(tlv_next(&in, &t), STATUS_OK);
        p.part[p.count++] = t.raw;
    }
    return p;
}

void parts_drop(struct parts *p, size_t at)
{
    assert_true(at < p->count);
    p->count--;
    memmove(&p->part[at], &p->part[at + 1], (p->count - at) * sizeof p->part[0]);
}

void parts_insert(struct parts *p, size_t at, struct span part)
{
    assert_true(at <= p->count && p->count < TEST_PARTS_MAX);
    memmove(&p->part[at + 1], &p->part[at], (p->count - at) * sizeof p->part[0]);
    p->part[at] = part;
    p->count++;
}

void parts_swap(struct parts *p, size_t a, size_t b)
{
    assert_true(a < p->count && b < p->count);
    struct span t = p->part[a];
    p->part[a] = p->part[b];
    p->part[b] = t;
}

struct span parts_wrap(const struct parts *p, uint32_t tag, struct bytes *b)
{
    size_t len = 0;
    for (size_t i = 0; i < p->count; i++) {
        len += p->part[i].len;
    }
    bytes_init(b);
    tlv_put_header(&b->w, tag, len);
    for (size_t i = 0; i < p->count; i++) {
        put_span(&b->w, p->part[i]);
    }
    return bytes_span(b);
}
