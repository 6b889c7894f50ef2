/*
 * What confine_calls() leaves and takes, call by call, each in a process of its own: what an
 * intruder needs ends the process with SIGSYS, what else is not on the list fails with EPERM, and
 * every one of them goes through where nothing is confined or the bit that grants it is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "providers/core/confine.h"

enum { UNCONFINED = 1 << 16, KILLED = -1 };

typedef long call_fn(void);

static long stray_execve(void)
{
    return syscall(SYS_execve, "/nowhere", NULL, NULL);
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
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long stray_read_of_another(void)
{
    return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static long stray_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static long stray_netlink(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long local_socket(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET, 0);
}

static long stray_namespace(void)
{
    return unshare(CLONE_FS);
}

static long stray_user(void)
{
    return setuid(getuid());
}

static long stray_kill(void)
{
    return kill(getppid(), 0);
}

static long own_signal(void)
{
    return kill(getpid(), 0);
}

static long code_in_memory(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}

static long memory_to_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -2 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static long written_file(void)
{
    return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static long made_file(void)
{
    return open("/dev/null", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
}

static long read_file(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static long terminal_push(void)
{
    return ioctl(STDIN_FILENO, TIOCSTI, "") == 0 || errno != EPERM ? 0 : -1;
}

static long undo_the_dump(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long raise_the_limit(void)
{
    const struct rlimit limit = {0, 0};
    return setrlimit(RLIMIT_CORE, &limit);
}

static void *nothing(void *arg)
{
    return arg;
}

static long new_thread(void)
{
    pthread_t t;
    return pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0 ? 0 : -1;
}

#ifdef __x86_64__
/* The same kernel's other table of calls, which a filter of one table does not see. */
static long other_table(void)
{
    enum { X32 = 0x40000000 };
    return syscall(X32 | SYS_getpid);
}
#endif

/* In a process of its own: 0 when the call went through, its errno, or KILLED by SIGSYS. */
static int outcome(unsigned rights, call_fn *call)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (rights != UNCONFINED && confine_calls(rights) != STATUS_OK) {
            _exit(255);
        }
        errno = 0;
        _exit(call() >= 0 ? 0 : errno);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGSYS);
        return KILLED;
    }
    assert_int_not_equal(WEXITSTATUS(status), 255);
    return WEXITSTATUS(status);
}

static const unsigned eckad = CONFINE_LOCAL_SOCKETS, strict = CONFINE_WRITE_FILES,
                      vendor = CONFINE_WRITE_FILES | CONFINE_SOCKETS | CONFINE_MODULE;

static const struct {
    const char *name;
    call_fn *call;
    int eckad, strict, vendor, unconfined;
} cases[] = {
    {"another program", stray_execve, KILLED, KILLED, KILLED, ENOENT},
    {"another process", stray_fork, KILLED, KILLED, KILLED, 0},
    {"ptrace", stray_ptrace, KILLED, KILLED, KILLED, 0},
    {"another's memory", stray_read_of_another, KILLED, KILLED, KILLED, 0},
    {"a namespace", stray_namespace, KILLED, KILLED, KILLED, 0},
    {"another user", stray_user, KILLED, KILLED, KILLED, 0},
    {"an internet socket", stray_socket, KILLED, KILLED, 0, 0},
    {"a netlink socket", stray_netlink, KILLED, KILLED, 0, 0},
    {"a unix socket", local_socket, 0, EPERM, 0, 0},
    {"a signal to another", stray_kill, EPERM, EPERM, EPERM, 0},
    {"a signal to itself", own_signal, 0, 0, 0, 0},
    {"memory that is code", code_in_memory, EPERM, EPERM, 0, 0},
    {"memory made code", memory_to_code, EPERM, EPERM, 0, 0},
    {"a file to write", written_file, EPERM, 0, 0, 0},
    {"a file made in passing", made_file, EPERM, 0, 0, 0},
    {"a file to read", read_file, 0, 0, 0, 0},
    {"dumpable again", undo_the_dump, EPERM, EPERM, EPERM, 0},
    {"another limit", raise_the_limit, EPERM, EPERM, EPERM, 0},
    {"input for a terminal", terminal_push, EPERM, EPERM, 0, 0},
    {"a thread", new_thread, 0, 0, 0, 0},
};

static void each_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        print_message("%s\n", cases[i].name);
        assert_int_equal(outcome(UNCONFINED, cases[i].call), cases[i].unconfined);
        assert_int_equal(outcome(eckad, cases[i].call), cases[i].eckad);
        assert_int_equal(outcome(strict, cases[i].call), cases[i].strict);
        assert_int_equal(outcome(vendor, cases[i].call), cases[i].vendor);
    }
}

static void the_other_table_is_closed(void **state)
{
    (void)state;
#ifdef __x86_64__
    assert_int_equal(outcome(vendor, other_table), KILLED);
#else
    skip();
#endif
}

/* -- threads that were there before -- */

static pthread_barrier_t confined;

static void *stray_later(void *arg)
{
    (void)pthread_barrier_wait(&confined);
    long rc = local_socket();
    *(int *)arg = rc >= 0 ? 0 : errno;
    return NULL;
}

/* A thread that started first, and a call that ends the process, all of it. */
static void threads_that_are_there(void **state)
{
    int status;
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pthread_t t;
        int error = 0;
        if (pthread_barrier_init(&confined, NULL, 2) != 0 ||
            pthread_create(&t, NULL, stray_later, &error) != 0 ||
            confine_calls(strict) != STATUS_OK) {
            _exit(255);
        }
        (void)pthread_barrier_wait(&confined);
        (void)pthread_join(t, NULL);
        _exit(error);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EPERM);
}

static void no_dump(void **state)
{
    int status;
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit limit;
        bool done = prctl(PR_GET_DUMPABLE) == 1 && confine_process() == STATUS_OK &&
                    prctl(PR_GET_DUMPABLE) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0 &&
                    limit.rlim_max == 0;
        _exit(done ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call),
        cmocka_unit_test(the_other_table_is_closed),
        cmocka_unit_test(threads_that_are_there),
        cmocka_unit_test(no_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
