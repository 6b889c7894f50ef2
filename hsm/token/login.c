/*
 * From a PIN file to a logged-in session.
 *
 * The PIN is read from a file or a systemd credential, lives in locked memory and is wiped by its
 * reader right after use; it is never in argv, the environment or the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hsm/log.h"
#include "hsm/token/token.h"
#include "providers/core/secret.h"

enum {
    LOGIN_TRIES = 8,
    LOGIN_BACKOFF_MS = 25, /* doubles: 25 * (2^7 - 1) = 3.2 s in all */
};

static enum status lock_file(const char *path, int operation, int *fd)
{
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (*fd < 0) {
        log_line("the lock file %s cannot be opened: %s", path, strerror(errno));
        return STATUS_INTERNAL;
    }
    while (flock(*fd, operation) != 0) {
        if (errno != EINTR) {
            enum status st = errno == EWOULDBLOCK ? STATUS_BUSY : STATUS_INTERNAL;
            if (st == STATUS_INTERNAL) {
                log_line("the lock file %s cannot be locked: %s", path, strerror(errno));
            }
            close(*fd);
            *fd = -1;
            return st;
        }
    }
    return STATUS_OK;
}

enum status start_lock(const char *path, int *fd)
{
    return lock_file(path, LOCK_EX, fd);
}

enum status start_lock_now(const char *path, int *fd)
{
    return lock_file(path, LOCK_EX | LOCK_NB, fd);
}

const char *pin_path(const struct config *c, char *buf, size_t cap)
{
    if (c->pin_file != NULL) {
        return c->pin_file;
    }
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (dir == NULL) {
        return NULL;
    }
    int n = snprintf(buf, cap, "%s/pin", dir);
    return n > 0 && (size_t)n < cap ? buf : NULL;
}

/* Reads up to a first newline or the end of the file. */
static enum status read_line(int fd, struct pin *pin)
{
    size_t have = 0;
    while (have < sizeof pin->bytes) {
        ssize_t n = read(fd, pin->bytes + have, sizeof pin->bytes - have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return STATUS_BAD_REQUEST;
        }
        if (n == 0) {
            break;
        }
        have += (size_t)n;
    }
    const uint8_t *end = memchr(pin->bytes, '\n', have);
    pin->len = end == NULL ? have : (size_t)(end - pin->bytes);
    return pin->len == 0 || pin->len > PIN_MAX ? STATUS_BAD_REQUEST : STATUS_OK;
}

/* A file, or a descriptor that this process was started with; one that can be, is read from its
 * beginning, each time. */
static int open_pin(const char *path)
{
    int number, end = 0;
    if (sscanf(path, PIN_FD_PREFIX "%d%n", &number, &end) != 1 || path[end] != '\0') {
        return open(path, O_RDONLY | O_CLOEXEC);
    }
    int fd = fcntl(number, F_DUPFD_CLOEXEC, 0);
    (void)lseek(fd, 0, SEEK_SET); /* a pipe has none */
    return fd;
}

enum status pin_read(struct pin **out, const char *path)
{
    struct stat sb;
    enum status st = STATUS_BAD_REQUEST;

    *out = NULL;
    if (path == NULL) {
        log_line("there is no pin_file and no systemd credential \"pin\"");
        return STATUS_BAD_REQUEST;
    }
    int fd = open_pin(path);
    if (fd < 0 || fstat(fd, &sb) != 0) {
        log_line("the PIN file %s cannot be read: %s", path, strerror(errno));
    } else if ((sb.st_mode & S_IRWXO) != 0) {
        log_line("the PIN file %s is open to everybody; chmod 600 it", path);
    } else if ((*out = secret_alloc(1, sizeof **out)) == NULL) {
        log_line("no locked memory for the PIN");
        st = STATUS_INTERNAL;
    } else {
        st = read_line(fd, *out);
        if (st != STATUS_OK) {
            log_line("the PIN file %s holds no PIN of 1 to %d bytes", path, PIN_MAX);
            secret_free(out);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return st;
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

bool token_race_pause(unsigned tries)
{
    if (tries >= LOGIN_TRIES) {
        return false;
    }
    sleep_ms((long)LOGIN_BACKOFF_MS << (tries - 1));
    return true;
}

static enum status open_session(struct token *t, CK_FLAGS flags, CK_SESSION_HANDLE *out)
{
    CK_RV rv = t->p11->C_OpenSession(t->slot, CKF_SERIAL_SESSION | flags, NULL, NULL, out);
    if (rv != CKR_OK) {
        *out = CK_INVALID_HANDLE;
    }
    return token_rv(t, "C_OpenSession", rv);
}

/* DENIED: it must not be tried again. */
static enum status login_rv(struct token *t, CK_RV rv)
{
    if (rv == CKR_USER_ALREADY_LOGGED_IN) {
        return STATUS_OK;
    }
    enum status st = token_rv(t, "C_Login", rv);
    if (st != STATUS_OK && rv_action(rv) == RV_STAY_DOWN) {
        log_line("the login was refused and is not tried again");
        t->pin_refused = true;
        t->trouble = RV_STAY_DOWN;
        return STATUS_DENIED;
    }
    return st;
}

static CK_RV try_login(struct token *t, const struct pin *pin, CK_FLAGS flags, bool *opened)
{
    CK_RV rv = t->p11->C_OpenSession(t->slot, CKF_SERIAL_SESSION | flags, NULL, NULL, &t->session);
    *opened = rv == CKR_OK;
    if (rv != CKR_OK) {
        t->session = CK_INVALID_HANDLE;
        return rv;
    }
    rv = t->p11->C_Login(t->session, CKU_USER, (CK_UTF8CHAR_PTR)pin->bytes, pin->len);
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) {
        (void)t->p11->C_CloseSession(t->session);
        t->session = CK_INVALID_HANDLE;
    }
    return rv;
}

enum status token_login(struct token *t, const struct pin *pin, bool read_write)
{
    CK_FLAGS flags = read_write ? CKF_RW_SESSION : 0;
    bool opened;
    CK_RV rv = try_login(t, pin, flags, &opened);

    for (unsigned i = 1; rv_action(rv) == RV_RACE && token_race_pause(i); i++) {
        log_line("%s: %s, trying again", opened ? "C_Login" : "C_OpenSession", rv_text(rv));
        rv = try_login(t, pin, flags, &opened);
    }
    return opened ? login_rv(t, rv) : token_rv(t, "C_OpenSession", rv);
}

enum status token_session_renew(struct token *t)
{
    CK_SESSION_HANDLE session;
    TRY(open_session(t, 0, &session));
    /* Afterwards: where it was the last session, its end would have been the login's. */
    (void)t->p11->C_CloseSession(t->session);
    t->session = session;
    return STATUS_OK;
}

enum status token_login_again(struct token *t, const struct config *config, bool *fresh)
{
    CK_SESSION_INFO info;
    struct pin *pin;
    char path[4096];

    *fresh = false;
    TRY(token_rv(t, "C_GetSessionInfo", t->p11->C_GetSessionInfo(t->session, &info)));
    if (info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS) {
        return STATUS_OK;
    }
    *fresh = true;
    if (pin_read(&pin, pin_path(config, path, sizeof path)) != STATUS_OK) {
        return STATUS_TOKEN_ERROR;
    }
    CK_RV rv = t->p11->C_Login(t->session, CKU_USER, (CK_UTF8CHAR_PTR)pin->bytes, pin->len);
    secret_free(&pin);
    return login_rv(t, rv);
}

enum status token_write_begin(struct token *t, CK_SESSION_HANDLE *kept)
{
    CK_SESSION_HANDLE session;
    TRY(open_session(t, CKF_RW_SESSION, &session));
    *kept = t->session;
    t->session = session;
    return STATUS_OK;
}

void token_write_end(struct token *t, CK_SESSION_HANDLE kept)
{
    (void)t->p11->C_CloseSession(t->session);
    t->session = kept;
}
