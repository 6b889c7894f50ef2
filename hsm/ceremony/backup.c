/*
 * keys-backup-check: whether a restored token is the live one's backup.
 *
 * One process has one token at a time. So the live token is asked for its keys, and blobs are
 * sealed under its generation keys; then the backup has to hold the same identities and points, to
 * sign with each sr-establish key, to open those blobs and to seal others that the live generation
 * keys open. Generation keys stay in locked memory, and nothing secret is shown or compared.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsm/ceremony/stage.h"
#include "hsm/log.h"
#include "hsm/sealed/blob.h"
#include "hsm/token/kek.h"
#include "providers/core/secret.h"

enum { PROBE_LEN = 32, PROBE_BLOB_MAX = BLOB_OVERHEAD_MAX + PROBE_LEN };

static const uint8_t probe_eid[GP_EID_LEN] = {0};
static const char probe_principal[] = "backup-check";
static const enum blob_type probe_types[] = {BLOB_TICKET, BLOB_OPAQUE};
enum { PROBES = sizeof probe_types / sizeof probe_types[0] };

struct side { /* locked: one token's generation keys, and what was sealed under the newest */
    struct generations generations;
    size_t blob_len[PROBES];
    uint8_t blob[PROBES][PROBE_BLOB_MAX];
};

struct check { /* locked */
    struct side live, backup;
    struct blob_scratch scratch;
};

static enum status fill_side(struct check *c, struct side *side, struct sym *sym, struct token *t,
                             const struct key_list *keys)
{
    TRY(generations_sync(&side->generations, sym, t, keys));
    for (size_t i = 0; i < PROBES; i++) {
        struct writer w = writer_of(side->blob[i], sizeof side->blob[i]);
        const struct blob_header header = {
            .type = probe_types[i], .principal = probe_principal, .eid = probe_eid};
        memset(c->scratch.plain, (int)i + 1, PROBE_LEN);
        TRY(blob_seal(&side->generations, sym, &c->scratch, &header, PROBE_LEN, &w));
        side->blob_len[i] = w.len;
    }
    return STATUS_OK;
}

static enum status opens(struct check *c, const struct side *key_side, const struct side *blobs,
                         struct sym *sym, const char *who)
{
    for (size_t i = 0; i < PROBES; i++) {
        uint8_t kvn;
        size_t len;
        enum status st =
            blob_open(&key_side->generations, sym, &c->scratch, probe_types[i], probe_principal,
                      probe_eid, span_of(blobs->blob[i], blobs->blob_len[i]), &kvn, &len);
        blob_scratch_wipe(&c->scratch);
        if (st != STATUS_OK) {
            log_line("%s cannot open what the other one sealed (%s): %s", who,
                     probe_types[i] == BLOB_TICKET ? "ticket" : "keyset", status_meaning(st));
            return STATUS_DENIED;
        }
    }
    return STATUS_OK;
}

/* One token's keys against the other's. */
static enum status same_keys(const struct key_list *live, const struct key_list *backup)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; i < live->n; i++) {
        const struct token_key *key = &live->keys[i];
        const struct token_key *twin = keys_find(backup, key->purpose, key->generation);
        const char *fault = NULL;
        if (twin == NULL) {
            fault = "is missing in the backup";
        } else if (twin->curve != key->curve ||
                   memcmp(twin->point, key->point, sizeof key->point) != 0 ||
                   strcmp(twin->name, key->name) != 0) {
            fault = "is another key in the backup";
        }
        if (fault != NULL) {
            log_line("%s %" PRIu32 " %s", key_purpose_name(key->purpose), key->generation, fault);
            st = STATUS_DENIED;
        }
    }
    for (size_t i = 0; i < backup->n; i++) {
        const struct token_key *key = &backup->keys[i];
        if (keys_find(live, key->purpose, key->generation) == NULL) {
            log_line("%s %" PRIu32 " is in the backup alone; it was retired since",
                     key_purpose_name(key->purpose), key->generation);
        }
    }
    return st;
}

/* That a private key is the one of its public object shows in a request that verifies. */
static enum status sr_keys_sign(struct token *t, const struct key_list *keys)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (keys->keys[i].purpose == KEY_SR_ESTABLISH) {
            TRY(csr_make(t, &keys->keys[i], probe_principal, NULL));
        }
    }
    return STATUS_OK;
}

/* -- opening the backup -- */

/* A folder of SoftHSM tokens gets a configuration that names it; the file is gone afterwards. */
static enum status point_softhsm_at(const char *folder, char conf[static 64])
{
    snprintf(conf, 64, "/tmp/eckad-backup-XXXXXX");
    int fd = mkstemp(conf);
    bool ok = fd >= 0 &&
              dprintf(fd,
                      "directories.tokendir = %s\nobjectstore.backend = file\n"
                      "log.level = ERROR\n",
                      folder) > 0 &&
              setenv("SOFTHSM2_CONF", conf, 1) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!ok) {
        log_line("no configuration for the backup in %s can be written", folder);
    }
    return ok ? STATUS_OK : STATUS_INTERNAL;
}

static enum status open_backup(struct stage *s, struct token *backup, struct key_list *keys)
{
    const char *where = s->asked->file;
    bool is_uri = strncmp(where, "pkcs11:", 7) == 0;
    struct stat sb;
    char conf[64] = "", path[4096];
    struct pin *pin = NULL;

    if (!is_uri && (stat(where, &sb) != 0 || !S_ISDIR(sb.st_mode))) {
        log_line("%s is neither a folder nor a pkcs11: URI", where);
        return STATUS_BAD_REQUEST;
    }
    TRY(is_uri ? STATUS_OK : point_softhsm_at(where, conf));
    enum status st = token_load(backup, is_uri ? where : s->config->token);
    if (conf[0] != '\0') {
        (void)unlink(conf);
    }
    if (st == STATUS_OK) {
        st = token_find(backup);
    }
    if (st == STATUS_OK) {
        st = pin_read(&pin, s->asked->pin_file != NULL ? s->asked->pin_file
                                                       : pin_path(s->config, path, sizeof path));
    }
    if (st == STATUS_OK) {
        st = token_login(backup, pin, false);
    }
    secret_free(&pin);
    return st == STATUS_OK ? keys_load(backup, keys) : st;
}

static enum status compare(struct stage *s, struct check *c, struct sym *sym)
{
    static struct key_list backup_keys; /* too wide for the stack */
    struct token *backup = &s->token;   /* in the live one's place, which is closed */

    TRY(fill_side(c, &c->live, sym, &s->token, &s->keys));
    token_fini(&s->token);
    TRY(open_backup(s, backup, &backup_keys));
    TRY(same_keys(&s->keys, &backup_keys));
    TRY(sr_keys_sign(backup, &backup_keys));
    TRY(fill_side(c, &c->backup, sym, backup, &backup_keys));
    TRY(opens(c, &c->backup, &c->live, sym, "the backup"));
    TRY(opens(c, &c->live, &c->backup, sym, "the live token"));
    printf("backup %s holds the %zu keys of token \"%s\" and opens its blobs\n", s->asked->file,
           s->keys.n, backup->label);
    return STATUS_OK;
}

/* The live token again, in which the audit log's key is. conf: where SoftHSM found it. */
static enum status reopen_live(struct stage *s, const char *conf)
{
    token_fini(&s->token);
    s->token = (struct token){.session = CK_INVALID_HANDLE};
    if ((conf != NULL ? setenv("SOFTHSM2_CONF", conf, 1) : unsetenv("SOFTHSM2_CONF")) != 0) {
        return STATUS_INTERNAL;
    }
    TRY(token_load(&s->token, s->config->token));
    TRY(token_find(&s->token));
    TRY(token_login(&s->token, s->pin, false));
    return keys_load(&s->token, &s->keys);
}

enum status ceremony_backup_check(struct stage *s)
{
    struct sym *sym = NULL;
    struct check *c = secret_alloc(1, sizeof *c);
    const char *conf_now = getenv("SOFTHSM2_CONF");
    char *conf = conf_now == NULL ? NULL : strdup(conf_now);
    enum status st =
        c == NULL || (conf_now != NULL && conf == NULL) ? STATUS_INTERNAL : sym_new(&sym);
    if (st == STATUS_OK) {
        st = compare(s, c, sym);
        enum status back = reopen_live(s, conf);
        st = st == STATUS_OK ? back : st;
    }
    secret_free(&c);
    sym_free(&sym);
    free(conf);
    TRY(st);
    return stage_event(s, "backup \"%s\" holds the same %zu keys", s->asked->file, s->keys.n);
}
