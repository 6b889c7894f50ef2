/*
 * The server's CURVE key file: three lines, as `eckactl keygen` writes them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "providers/core/secret.h"
#include "service/config.h"

enum { KEY_FILE_MAX = 256 }; /* bytes; a well-formed one has below 120 */

static const char magic[] = "eckad-curve-key 1\n";
static const char public_word[] = "public ";
static const char secret_word[] = "secret ";

/* The line "word key\n"; leaves *text behind it. */
static bool read_line(const char **text, const char *word, uint8_t out[static CURVE_KEY_LEN])
{
    size_t word_len = strlen(word);
    if (strncmp(*text, word, word_len) != 0) {
        return false;
    }
    char z85[CURVE_KEY_Z85_LEN + 1] = {0};
    const char *key = *text + word_len;
    size_t line_len = strcspn(key, "\n");
    bool ok = line_len == CURVE_KEY_Z85_LEN;
    if (ok) {
        memcpy(z85, key, CURVE_KEY_Z85_LEN);
        ok = z85_decode_key(z85, out);
    }
    secret_wipe(z85, sizeof(z85));
    *text = key + line_len + (key[line_len] == '\n' ? 1 : 0);
    return ok;
}

static bool parse(const char *text, uint8_t public_key[static CURVE_KEY_LEN],
                  uint8_t secret_key[static CURVE_KEY_LEN])
{
    if (strncmp(text, magic, sizeof(magic) - 1) != 0) {
        return false;
    }
    text += sizeof(magic) - 1;
    return read_line(&text, public_word, public_key) && read_line(&text, secret_word, secret_key) &&
           *text == '\0';
}

static enum status read_closed_file(const char *path, char text[static KEY_FILE_MAX],
                                    char error[static CONFIG_ERROR_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "key_file %.300s: %s", path, strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return STATUS_BAD_REQUEST;
    }
    ssize_t n = read(fd, text, KEY_FILE_MAX - 1);
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "key_file %.300s: group or others may use it; its mode must be 0600", path);
        return STATUS_BAD_REQUEST;
    }
    return STATUS_OK;
}

enum status config_read_key_file(const char *path, uint8_t public_key[CURVE_KEY_LEN],
                                 uint8_t secret_key[CURVE_KEY_LEN],
                                 char error[static CONFIG_ERROR_MAX])
{
    char text[KEY_FILE_MAX] = {0};
    enum status s = read_closed_file(path, text, error);
    if (s == STATUS_OK && !parse(text, public_key, secret_key)) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "key_file %.300s: not a file of `eckactl keygen`",
                       path);
        s = STATUS_BAD_REQUEST;
    }
    secret_wipe(text, sizeof(text));
    if (s != STATUS_OK) {
        secret_wipe(secret_key, CURVE_KEY_LEN);
    }
    return s;
}
