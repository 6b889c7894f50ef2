#include "service/place.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "service/config.h"
#include "service/observe/log.h"

struct place place_of(const unsigned cores[], size_t count, const char *name, size_t i)
{
    struct place place = {.core = count > 0 ? (int)cores[i % count] : -1};
    (void)snprintf(place.name, sizeof(place.name), i == 0 ? "%s" : "%s-%zu", name, i + 1);
    return place;
}

void place_here(const struct place *place)
{
    (void)pthread_setname_np(pthread_self(), place->name); /* too long is its one failure */
    if (place->core < 0) {
        return;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)place->core, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0) {
        LOG_ABOUT(THREAD_NOT_PINNED, place->name, "thread %s cannot be pinned to core %d",
                  place->name, place->core);
    }
}

static bool allowed(cpu_set_t *set)
{
    CPU_ZERO(set);
    return sched_getaffinity(0, sizeof(*set), set) == 0;
}

unsigned place_cores(void)
{
    cpu_set_t set;
    return allowed(&set) ? (unsigned)CPU_COUNT(&set) : 1;
}

bool place_may_run_on(unsigned core)
{
    cpu_set_t set;
    return core < CPU_SETSIZE && allowed(&set) && CPU_ISSET(core, &set);
}

unsigned place_default_io(unsigned cores)
{
    enum { CORES_EACH = 16, MOST = 4 };
    unsigned threads = (cores + CORES_EACH - 1) / CORES_EACH;
    return threads < MOST ? threads : MOST;
}

unsigned place_default_workers(unsigned cores, unsigned custodians)
{
    unsigned others = 1 + place_default_io(cores) + custodians;
    unsigned workers = cores > others ? cores - others : 1;
    return workers < CONFIG_WORKERS_MAX ? workers : CONFIG_WORKERS_MAX;
}
