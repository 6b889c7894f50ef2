/*
 * Which token key stands behind which CERT.SR.ECDSA: both hold the same point.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hsm/custodian.h"
#include "hsm/log.h"

static const struct token_key *key_of_point(const struct key_list *keys, enum curve curve,
                                            struct span point)
{
    for (size_t i = 0; i < keys->n; i++) {
        const struct token_key *k = &keys->keys[i];
        if (k->purpose == KEY_SR_ESTABLISH && k->curve == curve &&
            span_eq(point, span_of(k->point, sizeof k->point))) {
            return k;
        }
    }
    return NULL;
}

const struct token_key *sr_key_find(const struct sr_keys *keys, struct span id)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (span_eq(id, span_of(keys->list[i].id, SHA256_LEN))) {
            return &keys->list[i].key;
        }
    }
    return NULL;
}

const struct token_key *sr_cert_key(const struct key_list *keys, struct span file,
                                    const char **refusal)
{
    struct gp_cert cert;
    const struct token_key *key = NULL;

    *refusal = NULL;
    if (gp_cert_parse(file, &cert) != STATUS_OK) {
        *refusal = "it is no 7F21 certificate";
    } else if (cert.role != GP_ROLE_SM_SR) {
        *refusal = "it is not an SM-SR's";
    } else {
        key = key_of_point(keys, curve_from_ref(cert.curve_ref), cert.point);
        *refusal = key == NULL ? "no sr-establish key of the token has its point" : NULL;
    }
    return key;
}

/* Why the certificate gives no key; NULL when it does. */
static const char *add_certificate(struct custodian *c, struct span file)
{
    uint8_t id[SHA256_LEN];
    const char *refusal;

    const struct token_key *key = sr_cert_key(&c->keys, file, &refusal);
    if (key == NULL) {
        return refusal;
    }
    if (sym_sha256(c->sym, file, id) != STATUS_OK) {
        return "it cannot be hashed";
    }
    if (sr_key_find(&c->sr, span_of(id, sizeof id)) != NULL) {
        return "it is there twice";
    }
    if (c->sr.n == SR_KEYS_MAX) {
        return "there are too many";
    }
    struct sr_key *new = &c->sr.list[c->sr.n++];
    memcpy(new->id, id, sizeof id);
    new->key = *key;
    return NULL;
}

static void load_file(struct custodian *c, int dir_fd, const char *name)
{
    uint8_t file[GP_CERT_MAX + 1]; /* one more, to see that it is too long */
    const char *refusal = "it cannot be read";
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, file, sizeof file);

    if (fd >= 0) {
        close(fd);
    }
    if (n > GP_CERT_MAX) {
        refusal = "it is too long";
    } else if (n >= 0) {
        refusal = add_certificate(c, span_of(file, (size_t)n));
    }
    if (refusal != NULL) {
        log_line("certificate %s skipped: %s", name, refusal);
        return;
    }
    const struct sr_key *added = &c->sr.list[c->sr.n - 1];
    log_line("certificate %s: sr-establish %u on %s", name, added->key.generation,
             curve_name(added->key.curve));
}

static int is_der(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 4 && strcmp(entry->d_name + len - 4, ".der") == 0;
}

void sr_keys_load(struct custodian *c, const char *directory)
{
    struct dirent **entries = NULL;
    int dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int n = dir_fd < 0 ? -1 : scandir(directory, &entries, is_der, alphasort);

    if (n < 0) {
        log_line("the certificates in %s cannot be listed: %s", directory, strerror(errno));
    } else {
        c->sr.n = 0;
    }
    for (int i = 0; i < n; i++) {
        load_file(c, dir_fd, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (dir_fd >= 0) {
        close(dir_fd);
    }
    if (c->sr.n == 0) {
        log_line("warning: no SR key; every Establish will be refused");
    }
}
