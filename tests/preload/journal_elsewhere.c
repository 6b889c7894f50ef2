/*
 * An LD_PRELOAD library for the log's tests: entries for the journal go to the socket that
 * $ECKA_JOURNAL names, so that a test can read them on a machine with a journal and without.
 *
 * It turns access() and sendmsg() of the journal's socket aside and passes on everything else.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char journal[] = "/run/systemd/journal/socket";

typedef int access_fn(const char *path, int mode);
typedef ssize_t sendmsg_fn(int fd, const struct msghdr *message, int flags);

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) {
        abort();
    }
    return function;
}

__attribute__((visibility("default"))) int access(const char *path, int mode)
{
    const char *elsewhere = getenv("ECKA_JOURNAL");
    access_fn *next = (access_fn *)real("access");
    return next(elsewhere != NULL && strcmp(path, journal) == 0 ? elsewhere : path, mode);
}

__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const struct msghdr *message,
                                                       int flags)
{
    const char *elsewhere = getenv("ECKA_JOURNAL");
    const struct sockaddr_un *to = message->msg_name;
    sendmsg_fn *next = (sendmsg_fn *)real("sendmsg");
    if (elsewhere == NULL || to == NULL || to->sun_family != AF_UNIX ||
        strncmp(to->sun_path, journal, sizeof(to->sun_path)) != 0) {
        return next(fd, message, flags);
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct msghdr turned = *message;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", elsewhere);
    turned.msg_name = &address;
    turned.msg_namelen = sizeof(address);
    return next(fd, &turned, flags);
}
