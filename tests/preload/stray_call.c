/*
 * An LD_PRELOAD library for the tests of confinement: the process it is loaded into makes a system
 * call that the service never makes, as an intruder in it would.
 *
 * Both daemons wait in poll(). When the file $ECKA_STRAY is there, the next poll() takes it away
 * and makes the call that it names first; what came of it goes to stderr. With $ECKA_STRAY_AT_START
 * the call named there is made when the library is loaded, before anything is confined.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int poll_fn(struct pollfd *fds, nfds_t n, int timeout);

/* NOLINTNEXTLINE(readability-redundant-declaration): glibc has it when it fortifies alone */
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);

static long stray_execve(void)
{
    char *const argv[] = {"true", NULL};
    return execve("/bin/true", argv, NULL);
}

static long stray_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    return pid;
}

static long stray_ptrace(void)
{
    return ptrace(PTRACE_SEIZE, getppid(), NULL, NULL); /* attached, and not stopped */
}

static long stray_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long stray_unix(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long stray_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}

static long stray_write(void)
{
    return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static long stray_kill(void)
{
    return kill(getppid(), 0);
}

static const struct {
    const char *name;
    long (*call)(void);
} calls[] = {
    {"execve", stray_execve}, {"fork", stray_fork}, {"ptrace", stray_ptrace},
    {"socket", stray_socket}, {"unix", stray_unix}, {"code", stray_code},
    {"write", stray_write},   {"kill", stray_kill},
};

static void make(const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (strcmp(calls[i].name, name) == 0) {
            errno = 0;
            long rc = calls[i].call();
            char text[64];
            int len = snprintf(text, sizeof text, "stray %s: %s\n", name,
                               rc >= 0 ? "done" : strerrorname_np(errno));
            if (write(STDERR_FILENO, text, (size_t)len) != len) {
                abort();
            }
        }
    }
}

__attribute__((constructor)) static void at_start(void)
{
    const char *name = getenv("ECKA_STRAY_AT_START");
    if (name != NULL) {
        make(name);
    }
}

static void look(void)
{
    const char *path = getenv("ECKA_STRAY");
    char name[32] = "";
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        ssize_t len = read(fd, name, sizeof name - 1);
        (void)close(fd);
        if (len > 0 && unlink(path) == 0) {
            make(name);
        }
    }
}

static poll_fn *real(void)
{
    poll_fn *next = (poll_fn *)dlsym(RTLD_NEXT, "poll");
    if (next == NULL) {
        abort();
    }
    return next;
}

__attribute__((visibility("default"))) int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    look();
    return real()(fds, n, timeout);
}

/* What _FORTIFY_SOURCE calls instead. */
__attribute__((visibility("default"))) int __poll_chk(struct pollfd *fds, nfds_t n, int timeout,
                                                      size_t size)
{
    look();
    if (n > size / sizeof *fds) {
        abort();
    }
    return real()(fds, n, timeout);
}
