#include "hsm/ceremony/transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "hsm/clock_text.h"
#include "hsm/hex.h"
#include "hsm/log.h"

enum {
    LINE_MAX_LEN = 2048,
    SHA256_OCTETS = 32,
    /* "sha256 ", the hash, a line's end. */
    HASH_LINE_LEN = 7 + 2 * SHA256_OCTETS + 1,
    CHUNK = 4096,
};

/* The hash line over what was hashed so far; the hash goes on. */
static bool hash_line(const struct transcript *t, char out[static HASH_LINE_LEN + 1])
{
    uint8_t digest[SHA256_OCTETS] = {0};
    char hex[2 * SHA256_OCTETS + 1];
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    bool ok = copy != NULL && EVP_MD_CTX_copy_ex(copy, t->hash) == 1 &&
              EVP_DigestFinal_ex(copy, digest, NULL) == 1;
    EVP_MD_CTX_free(copy);
    hex_put(hex, digest, sizeof digest);
    snprintf(out, HASH_LINE_LEN + 1, "sha256 %s\n", hex);
    return ok;
}

static bool hash_bytes(struct transcript *t, off_t from, off_t to)
{
    char chunk[CHUNK];
    while (from < to) {
        size_t want = to - from < CHUNK ? (size_t)(to - from) : (size_t)CHUNK;
        ssize_t n = pread(t->fd, chunk, want, from);
        if (n <= 0 || EVP_DigestUpdate(t->hash, chunk, (size_t)n) != 1) {
            return false;
        }
        from += n;
    }
    return true;
}

/* Whether the file is empty or ends in the hash of what stands before; the hash then covers all. */
static bool file_fits(struct transcript *t)
{
    char wanted[HASH_LINE_LEN + 1], found[HASH_LINE_LEN];
    off_t len = lseek(t->fd, 0, SEEK_END);

    if (len == 0) {
        return true;
    }
    return len > HASH_LINE_LEN && hash_bytes(t, 0, len - HASH_LINE_LEN) && hash_line(t, wanted) &&
           pread(t->fd, found, sizeof found, len - HASH_LINE_LEN) == HASH_LINE_LEN &&
           memcmp(wanted, found, HASH_LINE_LEN) == 0 && hash_bytes(t, len - HASH_LINE_LEN, len);
}

static void drop(struct transcript *t)
{
    EVP_MD_CTX_free(t->hash);
    if (t->fd >= 0) {
        close(t->fd);
    }
    *t = (struct transcript){0};
}

enum status transcript_open(struct transcript *t, const char *path)
{
    *t = (struct transcript){.open = true, .hash = EVP_MD_CTX_new()};
    t->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum status st = STATUS_OK;
    if (t->fd < 0) {
        log_line("the transcript %s cannot be opened: %s", path, strerror(errno));
        st = STATUS_BAD_REQUEST;
    } else if (flock(t->fd, LOCK_EX | LOCK_NB) != 0) {
        log_line("another ceremony writes the transcript %s", path);
        st = STATUS_DENIED;
    } else if (t->hash == NULL || EVP_DigestInit_ex(t->hash, EVP_sha256(), NULL) != 1) {
        st = STATUS_INTERNAL;
    } else if (!file_fits(t)) {
        log_line("the transcript %s does not end in the hash of what stands in it: it was changed, "
                 "or a ceremony was cut short; keep it and begin another file",
                 path);
        st = STATUS_DENIED;
    }
    if (st != STATUS_OK) {
        drop(t);
    }
    return st;
}

static enum status append(struct transcript *t, const char *line, size_t len)
{
    if (write(t->fd, line, len) != (ssize_t)len || EVP_DigestUpdate(t->hash, line, len) != 1) {
        log_line("the transcript cannot be written: %s", strerror(errno));
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

enum status transcript_line(struct transcript *t, const char *format, ...)
{
    char line[LINE_MAX_LEN], now[CLOCK_TEXT_MAX], text[LINE_MAX_LEN - CLOCK_TEXT_MAX - 2];
    va_list args;

    if (!t->open) {
        return STATUS_OK;
    }
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text) {
        return STATUS_INTERNAL;
    }
    clock_text(now, (uint64_t)time(NULL));
    n = snprintf(line, sizeof line, "%s %s\n", now, text);
    return append(t, line, (size_t)n);
}

enum status transcript_close(struct transcript *t)
{
    char line[HASH_LINE_LEN + 1];
    if (!t->open) {
        return STATUS_OK;
    }
    enum status st = hash_line(t, line) ? append(t, line, HASH_LINE_LEN) : STATUS_INTERNAL;
    if (fsync(t->fd) != 0) {
        st = STATUS_INTERNAL;
    }
    drop(t);
    return st;
}
