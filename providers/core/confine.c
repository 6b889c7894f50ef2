#include "providers/core/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LOCAL_FAMILY = 1 }; /* AF_UNIX: a filter names it, and nothing in this room makes sockets */

#define ROOM(list) (sizeof(list) / sizeof(list)[0])

enum status confine_process(void)
{
    const struct rlimit none = {0, 0};
    /* The limit alone keeps no dump from a program in core_pattern. */
    bool done = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && setrlimit(RLIMIT_CORE, &none) == 0;
    return done ? STATUS_OK : STATUS_INTERNAL;
}

#ifdef CONFINE_NOTHING

enum status confine_calls(unsigned rights)
{
    (void)rights;
    return STATUS_OK;
}

bool confine_calls_built(void)
{
    return false;
}

#else

/* -- which calls, by what they are for; those of other machines' names are passed over -- */

static const int always[] = {
    /* descriptors that are there */
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write),
    SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(lseek), SCMP_SYS(close),
    SCMP_SYS(fcntl), SCMP_SYS(dup), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select),
    SCMP_SYS(pselect6), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime), SCMP_SYS(signalfd4), SCMP_SYS(pipe2), SCMP_SYS(flock),
    /* what a folder or a file is */
    SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(getdents64), SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    /* a unix socket that one listened at is removed at the end */
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rmdir),
    /* sockets that are there, and connections that come in */
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto),
    SCMP_SYS(sendmsg), SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    /* memory; what of it may be executed stands below */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mlock),
    SCMP_SYS(mlock2), SCMP_SYS(munlock), SCMP_SYS(mincore), SCMP_SYS(membarrier),
    /* threads */
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_setaffinity),
    SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_setscheduler),
    SCMP_SYS(set_tid_address), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getcpu),
    /* signals */
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
    /* time, chance, and who one is */
    SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrandom),
    SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getpid),
    SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(setitimer)};

static const int write_files[] = {
    SCMP_SYS(open),      SCMP_SYS(openat),    SCMP_SYS(creat),     SCMP_SYS(rename),
    SCMP_SYS(renameat),  SCMP_SYS(renameat2), SCMP_SYS(link),      SCMP_SYS(linkat),
    SCMP_SYS(mkdir),     SCMP_SYS(mkdirat),   SCMP_SYS(truncate),  SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate), SCMP_SYS(fsync),     SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range),
    SCMP_SYS(msync),     SCMP_SYS(chmod),     SCMP_SYS(fchmod),    SCMP_SYS(fchmodat),
    SCMP_SYS(umask),     SCMP_SYS(utimensat)};

static const int connect_sockets[] = {SCMP_SYS(connect), SCMP_SYS(socketpair), SCMP_SYS(sendmmsg),
                                      SCMP_SYS(recvmmsg)};

static const int module_calls[] = {SCMP_SYS(mmap),   SCMP_SYS(mprotect),    SCMP_SYS(ioctl),
                                   SCMP_SYS(bind),   SCMP_SYS(listen),      SCMP_SYS(shmget),
                                   SCMP_SYS(shmat),  SCMP_SYS(shmdt),       SCMP_SYS(shmctl),
                                   SCMP_SYS(semget), SCMP_SYS(semop),       SCMP_SYS(semtimedop),
                                   SCMP_SYS(semctl), SCMP_SYS(memfd_create)};

/* What no part of the service does, and an intruder needs. */
static const int never[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
    /* other processes */
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
    /* other users and places */
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(setgroups),
    SCMP_SYS(capset), SCMP_SYS(chroot), SCMP_SYS(pivot_root), SCMP_SYS(mount), SCMP_SYS(umount2),
    SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(setns), SCMP_SYS(unshare),
    SCMP_SYS(personality), SCMP_SYS(open_by_handle_at),
    /* the kernel */
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff),
    SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime), SCMP_SYS(iopl), SCMP_SYS(ioperm)};

/* -- rules -- */

static int add(scmp_filter_ctx filter, uint32_t action, const int calls[], size_t count)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = seccomp_rule_add_array(filter, action, calls[i], 0, NULL);
    }
    return rc;
}

static int add_if(scmp_filter_ctx filter, uint32_t action, int call, struct scmp_arg_cmp condition)
{
    return seccomp_rule_add_array(filter, action, call, 1, &condition);
}

/* Threads, and no process: what they share is in the first argument. clone3 hides it in memory,
 * where no filter looks, so glibc is told to take clone. */
static int add_threads(scmp_filter_ctx f)
{
    int rc = add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(clone),
                    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (rc == 0) {
        rc = add_if(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone),
                    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    }
    return rc == 0 ? seccomp_rule_add_array(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL)
                   : rc;
}

/* To itself, as abort() does. */
static int add_signals(scmp_filter_ctx f)
{
    static const int calls[] = {SCMP_SYS(kill), SCMP_SYS(tgkill)};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ROOM(calls); i++) {
        rc = add_if(f, SCMP_ACT_ALLOW, calls[i], SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    }
    return rc;
}

static int add_files(scmp_filter_ctx f, unsigned rights)
{
    if ((rights & CONFINE_WRITE_FILES) != 0) {
        return add(f, SCMP_ACT_ALLOW, write_files, ROOM(write_files));
    }
    const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC;
    int rc =
        add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
    return rc == 0 ? add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(openat),
                            SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY))
                   : rc;
}

/* A refusal is no death where a family is AF_UNIX: syslog(3), which modules use, tries again and
 * again. */
static int add_sockets(scmp_filter_ctx f, unsigned rights)
{
    int rc = 0;
    if ((rights & CONFINE_SOCKETS) != 0) {
        rc = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 0, NULL);
    } else {
        rc = add_if(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_NE, LOCAL_FAMILY));
        if (rc == 0 && (rights & CONFINE_LOCAL_SOCKETS) != 0) {
            rc = add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, LOCAL_FAMILY));
        }
    }
    if (rc == 0 && (rights & (CONFINE_SOCKETS | CONFINE_LOCAL_SOCKETS)) != 0) {
        rc = add(f, SCMP_ACT_ALLOW, connect_sockets, ROOM(connect_sockets));
    }
    return rc;
}

static int add_memory_and_devices(scmp_filter_ctx f, unsigned rights)
{
    if ((rights & CONFINE_MODULE) != 0) {
        return add(f, SCMP_ACT_ALLOW, module_calls, ROOM(module_calls));
    }
    const struct {
        int call;
        struct scmp_arg_cmp condition;
    } rules[] = {
        {SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, TCGETS)}, /* stdio asks whether it is a terminal */
        {SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONREAD)},
        {SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONBIO)},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ROOM(rules); i++) {
        rc = add_if(f, SCMP_ACT_ALLOW, rules[i].call, rules[i].condition);
    }
    return rc;
}

/* Names of threads and their limits: to be asked for, not to be changed. */
static int add_questions(scmp_filter_ctx f)
{
    int rc = add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    if (rc == 0) {
        rc = add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_GET_NAME));
    }
    return rc == 0 ? add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0)) : rc;
}

static int add_rules(scmp_filter_ctx f, unsigned rights)
{
    int rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    rc = rc == 0 ? seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2) : rc; /* a tree, not a list */
    rc = rc == 0 ? add(f, SCMP_ACT_ALLOW, always, ROOM(always)) : rc;
    rc = rc == 0 ? add(f, SCMP_ACT_KILL_PROCESS, never, ROOM(never)) : rc;
    rc = rc == 0 ? add_threads(f) : rc;
    rc = rc == 0 ? add_signals(f) : rc;
    rc = rc == 0 ? add_files(f, rights) : rc;
    rc = rc == 0 ? add_sockets(f, rights) : rc;
    rc = rc == 0 ? add_memory_and_devices(f, rights) : rc;
    return rc == 0 ? add_questions(f) : rc;
}

enum status confine_calls(unsigned rights)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int rc = filter == NULL ? -ENOMEM : add_rules(filter, rights);
    rc = rc == 0 ? seccomp_load(filter) : rc;
    if (filter != NULL) {
        seccomp_release(filter);
    }
    errno = -rc;
    return rc == 0 ? STATUS_OK : STATUS_INTERNAL;
}

bool confine_calls_built(void)
{
    return true;
}

#endif
