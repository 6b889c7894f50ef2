/*
 * Where threads run, and what they are called.
 *
 * A thread that the configuration gives no core runs where the system puts it. Names show in ps,
 * top and perf.
 */
#ifndef SERVICE_PLACE_H
#define SERVICE_PLACE_H

#include <stdbool.h>
#include <stddef.h>

enum { PLACE_NAME_MAX = 16 }; /* the kernel's limit, with the end */

struct place {
    char name[PLACE_NAME_MAX];
    int core; /* -1: any */
};

/* Thread number i of several: cores are dealt in turn. */
struct place place_of(const unsigned cores[], size_t count, const char *name, size_t i);

/* Names and pins the calling thread. A core that is gone by now is a warning. */
void place_here(const struct place *place);

/* The cores that this process may run on: how many, and whether this is one. */
unsigned place_cores(void);
bool place_may_run_on(unsigned core);

/* What so many cores have use for: a libzmq thread for every sixteen, at most four, and a worker
 * for each core that neither these nor the frontend nor a custodian has, at least one. */
unsigned place_default_io(unsigned cores);
unsigned place_default_workers(unsigned cores, unsigned custodians);

#endif
