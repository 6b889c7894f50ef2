/*
 * An LD_PRELOAD library for the memory tests: it lets a test look into a custodian in the one
 * moment in which a secret is still there and about to be wiped.
 *
 * Every wipe goes through libsodium's sodium_memzero. While the file $ECKA_SPY/armed exists, each
 * wipe of at least a scalar's length first appends what is about to go to $ECKA_SPY/wiped and then
 * stops the process (SIGSTOP), so that the test can scan its memory and others'; SIGCONT lets the
 * wipe happen. Nothing is done without $ECKA_SPY. Runs on whatever thread wipes.
 */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCALAR_LEN = 32 };

__attribute__((visibility("default"))) void sodium_memzero(void *pnt, size_t len);

static void tell_and_stop(const char *dir, const void *secret, size_t len)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/armed", dir);
    if (access(path, F_OK) != 0) {
        return;
    }
    (void)snprintf(path, sizeof path, "%s/wiped", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, secret, len) != (ssize_t)len) {
        abort(); /* a spy that cannot tell must not pass for one that saw nothing */
    }
    (void)close(fd);
    (void)raise(SIGSTOP);
}

void sodium_memzero(void *pnt, size_t len)
{
    const char *dir = getenv("ECKA_SPY");
    if (dir != NULL && len >= SCALAR_LEN) {
        tell_and_stop(dir, pnt, len);
    }
    explicit_bzero(pnt, len);
}
