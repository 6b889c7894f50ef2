/*
 * Bytes in and bytes out: what every codec of this room is written with.
 *
 * struct span borrows, struct cursor reads a span from the front with one bounds check a step,
 * struct writer fills the caller's storage and remembers that it ran out, so that an encoder
 * checks once at its end. Nothing here allocates.
 */
#ifndef PROTO_BYTES_H
#define PROTO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/status.h"

struct span {
    const uint8_t *ptr;
    size_t len;
};

struct cursor {
    const uint8_t *ptr;
    size_t left;
};

struct writer {
    uint8_t *ptr;
    size_t cap;
    size_t len;
    bool overflow; /* something did not fit; ptr[0..len) is what did before it */
};

static inline struct span span_of(const void *ptr, size_t len)
{
    return (struct span){ptr, len};
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline struct cursor cursor_of(struct span s)
{
    return (struct cursor){s.ptr, s.len};
}

/* A view of the next len bytes; TLV_MALFORMED when fewer are left, and the cursor stays. */
MUST_CHECK static inline enum status cursor_take(struct cursor *in, size_t len, struct span *out)
{
    if (len > in->left) {
        return STATUS_TLV_MALFORMED;
    }
    *out = (struct span){in->ptr, len};
    in->ptr += len;
    in->left -= len;
    return STATUS_OK;
}

MUST_CHECK static inline enum status cursor_u8(struct cursor *in, uint8_t *out)
{
    struct span s;
    TRY(cursor_take(in, 1, &s));
    *out = s.ptr[0];
    return STATUS_OK;
}

MUST_CHECK static inline enum status cursor_expect_end(const struct cursor *in)
{
    return in->left == 0 ? STATUS_OK : STATUS_TLV_MALFORMED;
}

static inline struct writer writer_of(void *ptr, size_t cap)
{
    return (struct writer){ptr, cap, 0, false};
}

static inline void put_bytes(struct writer *w, const void *ptr, size_t len)
{
    if (w->overflow || len > w->cap - w->len) {
        w->overflow = true;
        return;
    }
    if (len != 0) {
        memcpy(w->ptr + w->len, ptr, len);
        w->len += len;
    }
}

static inline void put_span(struct writer *w, struct span s)
{
    put_bytes(w, s.ptr, s.len);
}

static inline void put_u8(struct writer *w, uint8_t v)
{
    put_bytes(w, &v, 1);
}

/* The n low-order bytes of v, most significant first; n <= 8. */
static inline void put_be(struct writer *w, uint64_t v, size_t n)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++) {
        b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    }
    put_bytes(w, b, n);
}

/* The big-endian number in n <= 8 bytes. */
static inline uint64_t load_be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static inline struct span writer_span(const struct writer *w)
{
    return (struct span){w->ptr, w->len};
}

MUST_CHECK static inline enum status writer_check(const struct writer *w)
{
    return w->overflow ? STATUS_NO_SPACE : STATUS_OK;
}

#endif
