/*
 * The two clocks: one that only runs forward, for deadlines, and the calendar, for certificates.
 */
#ifndef SERVICE_CLOCK_H
#define SERVICE_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { US_PER_MS = 1000, US_PER_S = 1000000, NS_PER_US = 1000, MS_PER_S = 1000 };

/* Microseconds since some start; never goes back. */
static inline uint64_t clock_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
    return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / NS_PER_US;
}

/* Seconds since 1970 UTC. */
static inline int64_t clock_calendar_s(void)
{
    return (int64_t)time(NULL);
}

#endif
