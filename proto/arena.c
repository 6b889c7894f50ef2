#include "proto/arena.h"

#include <string.h>

enum { ARENA_ALIGN = 16 };

static void *take(struct arena *a, size_t size)
{
    size_t rounded = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (rounded < size || rounded > a->cap - a->used) {
        return NULL;
    }
    void *p = a->base + a->used;
    a->used += rounded;
    return p;
}

static void *pb_alloc(void *data, size_t size)
{
    return take(data, size);
}

static void pb_free(void *data, void *p)
{
    (void)data;
    (void)p;
}

void arena_init(struct arena *a, void *storage, size_t cap)
{
    *a = (struct arena){.base = storage,
                        .cap = cap / ARENA_ALIGN * ARENA_ALIGN,
                        .allocator = {pb_alloc, pb_free, a}};
}

void *arena_alloc(struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    void *p = take(a, bytes);
    return p == NULL ? NULL : memset(p, 0, bytes);
}

void arena_reset(struct arena *a)
{
    a->used = 0;
}
