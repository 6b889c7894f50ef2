#include "service/front/arrivals.h"

#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

enum { US_PER_S = 1000 * 1000, PREFIX_LEN = 8, EACH_US = US_PER_S / ARRIVALS_A_SECOND };

_Static_assert(crypto_shorthash_KEYBYTES == ARRIVALS_KEY_LEN, "the key is SipHash's");
_Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "and so is what comes out");

void arrivals_init(struct arrivals *a)
{
    *a = (struct arrivals){0};
    randombytes_buf(a->key, sizeof(a->key));
}

/* What is counted as one; false: no address. */
static bool origin(const struct sockaddr *from, uint8_t out[static PREFIX_LEN])
{
    memset(out, 0, PREFIX_LEN);
    if (from->sa_family == AF_INET) {
        memcpy(out, &((const struct sockaddr_in *)from)->sin_addr, sizeof(struct in_addr));
        return true;
    }
    if (from->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)from)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(six)) {
            memcpy(out, six->s6_addr + sizeof(*six) - sizeof(struct in_addr),
                   sizeof(struct in_addr));
        } else {
            memcpy(out, six->s6_addr, PREFIX_LEN);
        }
        return true;
    }
    return false;
}

/* 0: no address. */
static uint64_t hash_of(const struct arrivals *a, const struct sockaddr *from)
{
    uint8_t prefix[PREFIX_LEN], hash[crypto_shorthash_BYTES];
    uint64_t number;
    if (!origin(from, prefix)) {
        return 0;
    }
    (void)crypto_shorthash(hash, prefix, sizeof(prefix), a->key);
    memcpy(&number, hash, sizeof(number));
    return number != 0 ? number : 1;
}

static bool is_full(uint64_t busy_until_us, uint64_t now_us)
{
    return busy_until_us > now_us + (uint64_t)(ARRIVALS_BURST - 1) * EACH_US;
}

static void fill(uint64_t *busy_until_us, uint64_t now_us)
{
    *busy_until_us = (*busy_until_us > now_us ? *busy_until_us : now_us) + EACH_US;
}

enum arrival arrivals_take(struct arrivals *a, const struct sockaddr *from, uint64_t now_us)
{
    const uint64_t number = hash_of(a, from);
    if (number == 0) {
        return ARRIVAL_TAKEN;
    }
    uint64_t *own = &a->busy_until_us[number % ARRIVALS_PLACES];
    const bool known = a->known[number % ARRIVALS_PLACES] == number;
    if (is_full(*own, now_us)) {
        return ARRIVAL_TOO_FAST;
    }
    if (!known && is_full(a->crowd_until_us, now_us)) {
        return ARRIVAL_CROWDED;
    }
    fill(own, now_us);
    if (!known) {
        fill(&a->crowd_until_us, now_us);
    }
    return ARRIVAL_TAKEN;
}

void arrivals_know(struct arrivals *a, const struct sockaddr *from)
{
    const uint64_t number = hash_of(a, from);
    if (number != 0) {
        a->known[number % ARRIVALS_PLACES] = number;
    }
}
