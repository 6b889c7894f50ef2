#include "service/observe/observed.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "providers/provider.h"
#include "service/clock.h"
#include "service/custody/groups.h"

static size_t custodians_up(const struct metrics *m, bool working)
{
    size_t n = 0;
    for (size_t i = 0; i < m->custodian_count; i++) {
        n += metric_get(&m->custodians[i].up) != 0 &&
             (!working || metric_get(&m->custodians[i].breaker) == BREAKER_CLOSED);
    }
    return n;
}

bool observed_ready(const struct observed *o, const char **sentence)
{
    bool selected = strcmp(provider_name(), "none") != 0; /* only what passed its tests is */
    if (!selected) {
        *sentence = "not ready: no arithmetic backend passes its tests";
    } else if (metric_get(&o->metrics->draining) != 0) {
        *sentence = "not ready: draining, no new request is accepted";
    } else if (o->metrics->custodian_count == 0) {
        *sentence = "ready for verification only: no custodian is configured";
        return true;
    } else if (custodians_up(o->metrics, false) == 0) {
        *sentence = "not ready: no custodian is up, so no token is open";
    } else if (custodians_up(o->metrics, true) == 0) {
        *sentence = "not ready: no token works";
    } else {
        *sentence = "ready";
        return true;
    }
    return false;
}

uint64_t observed_age_us(const struct metrics_kind *kind, uint64_t now_us)
{
    uint64_t oldest_us = metric_get(&kind->oldest_us);
    return oldest_us != 0 && now_us > oldest_us ? now_us - oldest_us : 0;
}

static uint64_t resident_bytes(void)
{
    unsigned long long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return 0;
    }
    int fields = fscanf(file, "%llu %llu", &total, &resident);
    (void)fclose(file);
    return fields == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t open_fds(void)
{
    enum { NOT_FILES = 3 }; /* . and .., and the directory that is being read */
    uint64_t entries = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) {
        return 0;
    }
    while (readdir(directory) != NULL) {
        entries++;
    }
    (void)closedir(directory);
    return entries > NOT_FILES ? entries - NOT_FILES : 0;
}

void observed_process(struct observed_process *out)
{
    struct rusage used = {0};
    (void)getrusage(RUSAGE_SELF, &used); /* cannot fail for oneself */
    out->cpu_us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * US_PER_S +
                  (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    out->resident_bytes = resident_bytes();
    out->open_fds = open_fds();
}
