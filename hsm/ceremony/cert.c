/*
 * keys-install-cert: a CERT.SR.ECDSA becomes the one of a token key.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsm/ceremony/stage.h"
#include "hsm/custodian.h"
#include "hsm/hex.h"
#include "hsm/log.h"

enum { PATH_LEN = 4096 };

static enum status read_certificate(const char *path, uint8_t *out, size_t cap, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, cap);
    if (n < 0) {
        log_line("%s cannot be read: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    if (n < 0 || (size_t)n == cap) {
        log_line("%s is no certificate", path);
        return STATUS_BAD_REQUEST;
    }
    *len = (size_t)n;
    return STATUS_OK;
}

/* Beside its place first, so that a custodian never reads half of it. */
static bool write_certificate(const char *path, const uint8_t *file, size_t len)
{
    char beside[PATH_LEN];
    int n = snprintf(beside, sizeof beside, "%s.new", path);
    int fd = n > 0 && (size_t)n < sizeof beside
                 ? open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                 : -1;
    bool ok =
        fd >= 0 && fchmod(fd, 0644) == 0 && write(fd, file, len) == (ssize_t)len && fsync(fd) == 0;
    if (fd >= 0) {
        ok = close(fd) == 0 && ok;
    }
    return ok && rename(beside, path) == 0;
}

enum status ceremony_install_cert(struct stage *s)
{
    uint8_t file[GP_CERT_MAX + 1], id[SHA256_LEN];
    char id_text[2 * SHA256_LEN + 1], path[PATH_LEN];
    const char *refusal;
    size_t len;

    TRY(read_certificate(s->asked->file, file, sizeof file, &len));
    const struct token_key *key = sr_cert_key(&s->keys, span_of(file, len), &refusal);
    if (key == NULL) {
        log_line("%s is refused: %s", s->asked->file, refusal);
        return STATUS_DENIED;
    }
    (void)SHA256(file, len, id);
    hex_put(id_text, id, sizeof id);
    int n = snprintf(path, sizeof path, "%s/%.16s.der", s->config->sr_certs, id_text);
    if (n < 0 || (size_t)n >= sizeof path) {
        return STATUS_NO_SPACE;
    }
    if (stage_only_says(s, "install %s for sr-establish %" PRIu32, path, key->generation)) {
        return STATUS_OK;
    }
    if (!write_certificate(path, file, len)) {
        log_line("%s cannot be written: %s", path, strerror(errno));
        return STATUS_INTERNAL;
    }
    printf("certificate %s sr-establish %" PRIu32 " %s %s\n", id_text, key->generation,
           curve_name(key->curve), path);
    log_line("done; custodians know it after SIGHUP");
    return stage_event(s, "installed certificate sha256=%s generation=%" PRIu32, id_text,
                       key->generation);
}
