#include "service/client/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define MAGIC_LINE  "eckad-curve-key 1\n"
#define PUBLIC_WORD "public "
#define SECRET_WORD "secret "

enum {
    FILE_MAX = 256, /* longer than any file of this form, with room for blanks at its end */
    MODE_SECRET = 0600,
    MODE_PUBLIC = 0644,
    MODE_OTHERS = 077,
};

__attribute__((format(printf, 2, 3))) static enum status refuse(char *error, const char *format,
                                                                ...)
{
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(error, KEYFILE_ERROR_MAX, format, ap);
    va_end(ap);
    return STATUS_BAD_REQUEST;
}

bool keyfile_z85_decode(const char *text, uint8_t key[static CURVE_KEY_LEN])
{
    return strlen(text) == KEYFILE_Z85_LEN && zmq_z85_decode(key, text) != NULL;
}

bool keyfile_z85_valid(const char *text)
{
    uint8_t key[CURVE_KEY_LEN];
    bool ok = keyfile_z85_decode(text, key);
    sodium_memzero(key, sizeof key);
    return ok;
}

/* -- writing -- */

static bool write_all(int fd, const char *text, size_t len)
{
    while (len != 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* A file that did not exist before, synced; nothing is left behind on failure. */
static enum status create(const char *path, mode_t mode, const char *text, size_t len, char *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST) {
        return refuse(error, "%s exists and is left as it is; name another file", path);
    }
    if (fd < 0) {
        return refuse(error, "%s cannot be created: %s", path, strerror(errno));
    }
    /* fchmod: the umask may have taken the public file's mode away */
    bool ok = fchmod(fd, mode) == 0 && write_all(fd, text, len) && fsync(fd) == 0;
    int why = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    if (!ok) {
        (void)unlink(path);
        return refuse(error, "%s cannot be written: %s", path, strerror(why));
    }
    return STATUS_OK;
}

static enum status write_pair(const char *path, const struct curve_key_pair *pair, char *error)
{
    char public_path[FILENAME_MAX];
    int n = snprintf(public_path, sizeof public_path, "%s.pub", path);
    if (n < 0 || (size_t)n >= sizeof public_path) {
        return refuse(error, "the file name is too long");
    }
    char text[FILE_MAX];
    n = snprintf(text, sizeof text, MAGIC_LINE PUBLIC_WORD "%s\n", pair->public_key);
    TRY(create(public_path, MODE_PUBLIC, text, (size_t)n, error));
    n = snprintf(text, sizeof text, MAGIC_LINE PUBLIC_WORD "%s\n" SECRET_WORD "%s\n",
                 pair->public_key, pair->secret_key);
    enum status st = create(path, MODE_SECRET, text, (size_t)n, error);
    sodium_memzero(text, sizeof text);
    if (st != STATUS_OK) {
        (void)unlink(public_path);
    }
    return st;
}

enum status keyfile_generate(const char *path, char error[static KEYFILE_ERROR_MAX])
{
    struct curve_key_pair pair = {0};
    if (zmq_curve_keypair(pair.public_key, pair.secret_key) != 0) {
        (void)refuse(error, "libzmq cannot make a CURVE key pair: %s", zmq_strerror(errno));
        return STATUS_INTERNAL;
    }
    enum status st = write_pair(path, &pair, error);
    sodium_memzero(&pair, sizeof pair);
    return st;
}

/* -- reading -- */

/* The whole file as a string; text is zero on failure. */
static enum status slurp(const char *path, bool private_only, char text[static FILE_MAX],
                         char *error)
{
    memset(text, 0, FILE_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    if (fd < 0) {
        return refuse(error, "%s cannot be opened: %s", path, strerror(errno));
    }
    struct stat sb;
    enum status st = STATUS_OK;
    ssize_t n = 0;
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode)) {
        st = refuse(error, "%s is not a regular file", path);
    } else if (private_only && (sb.st_mode & MODE_OTHERS) != 0) {
        st = refuse(error,
                    "%s holds a secret key and its mode %04o lets others at it; run: chmod 600 %s",
                    path, (unsigned)(sb.st_mode & 07777), path);
    } else if ((n = read(fd, text, FILE_MAX)) < 0 || n == FILE_MAX) {
        sodium_memzero(text, FILE_MAX);
        st = refuse(error, "%s is not a key file made by eckactl keygen", path);
    }
    (void)close(fd);
    return st;
}

/* Takes "WORD <40 characters>\n" from the front. */
static bool take_key(const char **in, const char *word, char out[static KEYFILE_Z85_SIZE])
{
    size_t word_len = strlen(word);
    if (strncmp(*in, word, word_len) != 0) {
        return false;
    }
    const char *key = *in + word_len;
    if (strcspn(key, "\n") != KEYFILE_Z85_LEN || key[KEYFILE_Z85_LEN] != '\n') {
        return false;
    }
    memcpy(out, key, KEYFILE_Z85_LEN);
    out[KEYFILE_Z85_LEN] = '\0';
    *in = key + KEYFILE_Z85_LEN + 1;
    return keyfile_z85_valid(out);
}

static bool parse(const char *text, struct curve_key_pair *out)
{
    size_t magic_len = strlen(MAGIC_LINE);
    if (strncmp(text, MAGIC_LINE, magic_len) != 0) {
        return false;
    }
    text += magic_len;
    return take_key(&text, PUBLIC_WORD, out->public_key) &&
           (*text == '\0' || (take_key(&text, SECRET_WORD, out->secret_key) && *text == '\0'));
}

static enum status read_file(const char *path, bool private_only, struct curve_key_pair *out,
                             char *error)
{
    char text[FILE_MAX];
    *out = (struct curve_key_pair){0};
    TRY(slurp(path, private_only, text, error));
    enum status st = parse(text, out)
                         ? STATUS_OK
                         : refuse(error, "%s is not a key file made by eckactl keygen", path);
    sodium_memzero(text, sizeof text);
    if (st != STATUS_OK) {
        sodium_memzero(out, sizeof *out);
    }
    return st;
}

enum status keyfile_read_public(const char *path, char public_key[static KEYFILE_Z85_SIZE],
                                char error[static KEYFILE_ERROR_MAX])
{
    struct curve_key_pair pair;
    enum status st = read_file(path, false, &pair, error);
    memcpy(public_key, pair.public_key, KEYFILE_Z85_SIZE);
    sodium_memzero(&pair, sizeof pair);
    return st;
}

enum status keyfile_read_pair(const char *path, struct curve_key_pair *out,
                              char error[static KEYFILE_ERROR_MAX])
{
    TRY(read_file(path, true, out, error));
    char derived[KEYFILE_Z85_SIZE];
    enum status st = STATUS_OK;
    if (out->secret_key[0] == '\0') {
        st = refuse(error, "%s holds no secret key; name the file without .pub", path);
    } else if (zmq_curve_public(derived, out->secret_key) != 0 ||
               strcmp(derived, out->public_key) != 0) {
        st = refuse(error, "the two keys in %s do not belong together", path);
    }
    if (st != STATUS_OK) {
        sodium_memzero(out, sizeof *out);
    }
    return st;
}
