/* The index: two buckets a key, read without a lock, written by the builder alone. */
#include "providers/core/curves.h"
#include "providers/ec/tables/internal.h"

enum { SECOND_BUCKET_SHIFT = 20, FOLD_SHIFT = 32 };

/*
 * A universal hash of the 64 bytes of x and y: the sum of products of keyed word pairs modulo 2^128
 * (NH), folded. Who does not know the key cannot make two points collide but by luck.
 */
static uint64_t hash_key(const struct ec_cache *cache, enum curve curve,
                         const uint64_t w[static KEY_WORDS])
{
    const uint64_t *k = cache->hash_key;
    unsigned __int128 sum = (unsigned __int128)k[KEY_WORDS] * ((unsigned)curve + 1);
    for (size_t i = 0; i < KEY_WORDS; i += 2) {
        sum += (unsigned __int128)(w[i] + k[i]) * (w[i + 1] + k[i + 1]);
    }
    uint64_t h = (uint64_t)sum ^ (uint64_t)(sum >> 64);
    h *= k[KEY_WORDS + 1] | 1;
    return h ^ h >> FOLD_SHIFT;
}

void key_init(struct table_key *key, const struct ec_cache *cache, enum curve curve,
              const uint8_t point[static EC_POINT_LEN])
{
    key->curve = curve;
    memcpy(key->xy, point + 1, sizeof key->xy);
    key->hash = hash_key(cache, curve, key->xy);
}

void key_point(const struct table_key *key, uint8_t point[static EC_POINT_LEN])
{
    point[0] = POINT_UNCOMPRESSED;
    memcpy(point + 1, key->xy, sizeof key->xy);
}

static bool key_equal(const struct table_key *a, const struct table_key *b)
{
    uint64_t differ = (a->hash ^ b->hash) | ((unsigned)a->curve ^ (unsigned)b->curve);
    for (size_t i = 0; i < KEY_WORDS; i++) {
        differ |= a->xy[i] ^ b->xy[i];
    }
    return differ == 0;
}

static _Atomic(struct entry *) *bucket(struct ec_cache *cache, uint64_t hash, int second)
{
    return cache->index[(second ? hash >> SECOND_BUCKET_SHIFT : hash) % INDEX_BUCKETS];
}

struct entry *index_find(struct ec_cache *cache, const struct table_key *key)
{
    for (int second = 0; second < 2; second++) {
        _Atomic(struct entry *) *ways = bucket(cache, key->hash, second);
        for (size_t i = 0; i < INDEX_WAYS; i++) {
            struct entry *e = atomic_load(&ways[i]);
            if (e != NULL && e->key.hash == key->hash && key_equal(&e->key, key)) {
                return e;
            }
        }
    }
    return NULL;
}

/* How many places of a bucket are free, and the first of them. */
static size_t free_places(_Atomic(struct entry *) *ways, _Atomic(struct entry *) **first)
{
    size_t count = 0;
    for (size_t i = INDEX_WAYS; i-- > 0;) {
        if (atomic_load(&ways[i]) == NULL) {
            *first = &ways[i];
            count++;
        }
    }
    return count;
}

/* The emptier bucket of two: with 4 of 8 places taken on average, none ever fills up. */
bool index_insert(struct ec_cache *cache, struct entry *entry)
{
    _Atomic(struct entry *) *a = NULL, *b = NULL;
    size_t free_a = free_places(bucket(cache, entry->key.hash, 0), &a);
    size_t free_b = free_places(bucket(cache, entry->key.hash, 1), &b);
    if (free_a == 0 && free_b == 0) {
        return false;
    }
    atomic_store(free_a >= free_b ? a : b, entry);
    return true;
}

void index_replace(struct ec_cache *cache, struct entry *entry, struct entry *by)
{
    for (int second = 0; second < 2; second++) {
        _Atomic(struct entry *) *ways = bucket(cache, entry->key.hash, second);
        for (size_t i = 0; i < INDEX_WAYS; i++) {
            if (atomic_load(&ways[i]) == entry) {
                atomic_store(&ways[i], by);
                return;
            }
        }
    }
}
