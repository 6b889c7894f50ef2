/*
 * What a process of the service takes from itself: core dumps and a look from outside at its start,
 * system calls once it has everything that it needs open.
 *
 * A call that an intruder needs and the service never makes (another program, another process's
 * memory, a socket to elsewhere, mounts, namespaces, other users) ends the process with SIGSYS, so
 * that somebody notices. Any other call that is not on the list fails with EPERM, as does mapping
 * memory to be executed: a library that tries one lives on without it.
 */
#ifndef PROVIDERS_CORE_CONFINE_H
#define PROVIDERS_CORE_CONFINE_H

#include <stdbool.h>

#include "proto/status.h"

enum {
    CONFINE_WRITE_FILES = 1 << 0,   /* create, write, rename and remove them; else reading alone */
    CONFINE_LOCAL_SOCKETS = 1 << 1, /* make unix sockets and connect them */
    CONFINE_SOCKETS = 1 << 2,       /* those of every family */
    CONFINE_MODULE = 1 << 3,        /* load libraries, talk to devices, share memory */
};

/* No core dump, neither to a file nor to a program, and nothing in /proc or by ptrace for others of
 * this user. INTERNAL: errno says why. */
MUST_CHECK enum status confine_process(void);

/*
 * From here on the calls that the bits leave, for every thread of the process, those that are there
 * and those to come, and for good. INTERNAL: the kernel does not take the filter, errno says why.
 *
 * Under sanitizers it does nothing: they make calls of their own.
 */
MUST_CHECK enum status confine_calls(unsigned rights);

/* Whether confine_calls() does anything in this build. */
bool confine_calls_built(void);

#endif
