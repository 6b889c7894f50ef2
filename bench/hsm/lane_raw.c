/*
 * The plain loop of bench/raw_sign.c as a lane: another program, which is told how long to sign.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/hsm/direct.h"
#include "bench/hsm/raw.h"
#include "providers/core/secret.h"

struct raw { /* of a process, whose only thread uses it */
    pid_t pid;
    FILE *in, *out;
};

bool raw_program(char out[static TARGET_TEXT_MAX])
{
    char self[TARGET_TEXT_MAX / 2];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(self, '/');
    if (slash == NULL) {
        return false;
    }
    (void)snprintf(out, TARGET_TEXT_MAX, "%.*s/raw_sign", (int)(slash - self), self);
    return access(out, X_OK) == 0;
}

static bool start(struct raw *r, const struct target *target, int in[2], int out[2])
{
    char program[TARGET_TEXT_MAX];
    if (!raw_program(program) || (r->pid = fork()) < 0) {
        return false;
    }
    if (r->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (target->softhsm_conf[0] != '\0') {
            (void)setenv("SOFTHSM2_CONF", target->softhsm_conf, 1);
        }
        if (dup2(in[0], STDIN_FILENO) >= 0 && dup2(out[1], STDOUT_FILENO) >= 0) {
            (void)execl(program, program, target->module, target->module_args, target->facts.label,
                        target->keys_in_token ? "token" : "session", (char *)NULL);
        }
        _exit(1);
    }
    r->in = fdopen(in[1], "w");
    r->out = fdopen(out[0], "r");
    (void)close(in[0]);
    (void)close(out[1]);
    return r->in != NULL && r->out != NULL;
}

static void tell_pin(struct raw *r, struct pin *pin)
{
    (void)setvbuf(r->in, NULL, _IONBF, 0); /* no copy of it stays here */
    if (pin != NULL) {
        (void)fwrite(pin->bytes, 1, pin->len, r->in);
        secret_wipe(pin, sizeof *pin);
    }
    (void)fputc('\n', r->in);
}

static bool raw_open(struct worker *w)
{
    int in[2], out[2];
    struct raw *r = calloc(1, sizeof *r);
    w->state = r;
    if (r == NULL || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 ||
        !start(r, w->target, in, out)) {
        return worker_failed(w, NULL, 0, false, "raw_sign cannot be run");
    }
    tell_pin(r, w->target->pin);
    return true;
}

static bool raw_join(struct worker *w, struct worker_thread *t)
{
    (void)w;
    (void)t;
    return true;
}

/* So long; how many it made, and in what time. */
static bool ask(struct raw *r, uint64_t ns, unsigned long long *ops, unsigned long long *took)
{
    char line[64];
    return fprintf(r->in, "%llu\n", (unsigned long long)ns) > 0 && fflush(r->in) == 0 &&
           fgets(line, sizeof line, r->out) != NULL &&
           sscanf(line, "%llu %llu", ops, took) == 2; /* NOLINT(cert-err34-c): our own numbers */
}

static unsigned long raw_once(struct worker_thread *t)
{
    unsigned long long ops, took;
    return ask(t->w->state, 0, &ops, &took) ? 0 : CKR_FUNCTION_FAILED;
}

static void raw_closed(struct worker_thread *t, uint64_t ns, struct thread_record *out)
{
    unsigned long long ops, took;
    if (ask(t->w->state, ns, &ops, &took)) {
        out->ops[t->w->shared->batch] = ops;
        out->ns[t->w->shared->batch] = took;
        out->done += ops;
    } else {
        thread_error(t->record, CKR_FUNCTION_FAILED);
    }
}

static void raw_leave(struct worker_thread *t)
{
    (void)t;
}

/* The end of its input is the end of it. */
static void raw_close(struct worker *w)
{
    struct raw *r = w->state;
    if (r != NULL && r->in != NULL) {
        (void)fclose(r->in);
        (void)waitpid(r->pid, NULL, 0);
    }
}

const struct lane lane_raw = {
    .open = raw_open,
    .join = raw_join,
    .once = raw_once,
    .closed = raw_closed,
    .leave = raw_leave,
    .close = raw_close,
    .error_name = direct_error_name,
    .lacking = direct_lacking,
};
