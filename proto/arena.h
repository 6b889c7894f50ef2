/*
 * A bump allocator over the caller's storage, and the face of it that protobuf-c takes.
 *
 * Nothing is freed one by one: arena_reset() takes everything back. When it is full it says so by
 * NULL, which protobuf-c's unpack turns into a refused message; so it bounds what a hostile frame
 * can cost.
 */
#ifndef PROTO_ARENA_H
#define PROTO_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
    uint8_t *base;
    size_t cap;
    size_t used;
    ProtobufCAllocator allocator; /* hand &arena->allocator to protobuf-c */
};

/* Takes storage of cap bytes, aligned to 16; the arena must not move afterwards. */
void arena_init(struct arena *a, void *storage, size_t cap);

/* Zeroed, aligned to 16; NULL when full or when count * size overflows. */
void *arena_alloc(struct arena *a, size_t count, size_t size);

void arena_reset(struct arena *a);

#endif
