/*
 * A token of SoftHSM's for one run.
 */
#include <ftw.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/hsm/crew.h"
#include "bench/hsm/direct.h"
#include "bench/hsm/token.h"
#include "providers/core/secret.h"

enum { PIN_RANDOM = 16, DESCRIPTORS = 8 };

static char directory[TARGET_TEXT_MAX / 2];
static pid_t owner;

static int remove_one(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb;
    (void)type;
    (void)ftw;
    return remove(path);
}

void token_throw_away_end(void)
{
    if (directory[0] != '\0' && getpid() == owner) {
        (void)nftw(directory, remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
        directory[0] = '\0';
    }
}

/* A PIN of digits and letters, for the user and for the SO. */
static bool make_pin(struct pin **out)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t random[PIN_RANDOM];
    *out = secret_alloc(1, sizeof **out);
    if (*out == NULL || RAND_priv_bytes(random, sizeof random) != 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof random; i++) {
        (*out)->bytes[2 * i] = (uint8_t)hex[random[i] >> 4];
        (*out)->bytes[2 * i + 1] = (uint8_t)hex[random[i] & 0xF];
    }
    (*out)->len = 2 * sizeof random;
    secret_wipe(random, sizeof random);
    return true;
}

static bool make_directory(struct target *target)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(directory, sizeof directory, "%s/eckabench-XXXXXX",
                     tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
    if (n < 0 || (size_t)n >= sizeof directory || mkdtemp(directory) == NULL) {
        directory[0] = '\0';
        return false;
    }
    owner = getpid();
    (void)atexit(token_throw_away_end);
    (void)snprintf(target->softhsm_conf, sizeof target->softhsm_conf, "%s/softhsm2.conf",
                   directory);
    FILE *f = fopen(target->softhsm_conf, "we");
    if (f == NULL) {
        return false;
    }
    (void)fprintf(f,
                  "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n"
                  "slots.removable = false\n",
                  directory);
    return fclose(f) == 0;
}

struct making { /* shared with the process aside */
    struct target *target;
    struct thread_record record;
    CK_RV rv;
};

static CK_RV initialise(struct direct *d, const struct pin *pin)
{
    static const char own[] = TOKEN_OWN_LABEL;
    CK_UTF8CHAR label[TOKEN_LABEL_LEN]; /* blanks to its end */
    CK_UTF8CHAR_PTR bytes = (CK_UTF8CHAR_PTR)(uintptr_t)pin->bytes;
    memset(label, ' ', sizeof label);
    memcpy(label, own, sizeof own - 1);
    CK_RV rv = DIRECT_CALL(d, d->record, C_InitToken, d->slot, bytes, pin->len, label);
    d->read_write = true;
    if (rv == CKR_OK) {
        rv = direct_session(d, d->record, &d->home);
    }
    if (rv == CKR_OK) {
        rv = DIRECT_CALL(d, d->record, C_Login, d->home, CKU_SO, bytes, pin->len);
    }
    return rv == CKR_OK ? DIRECT_CALL(d, d->record, C_InitPIN, d->home, bytes, pin->len) : rv;
}

/* There is one slot, with a blank token, which is no one that direct_open() looks for. */
static void make_aside(void *arg)
{
    struct making *m = arg;
    struct direct d;
    CK_ULONG n = 1;
    m->rv = direct_open(&d, m->target, &m->record);
    if (d.initialised) {
        m->rv = DIRECT_CALL(&d, d.record, C_GetSlotList, CK_TRUE, &d.slot, &n);
        m->rv = m->rv == CKR_OK ? initialise(&d, m->target->pin) : m->rv;
    }
    direct_close(&d);
}

bool token_throw_away_make(struct target *target, double watchdog)
{
    static const char *const places[] = {"/usr/lib/softhsm/libsofthsm2.so",
                                         "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
                                         "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"};
    char why[128] = "a temporary directory cannot be made";
    for (size_t i = 0; target->module[0] == '\0' && i < sizeof places / sizeof places[0]; i++) {
        if (access(places[i], R_OK) == 0) {
            (void)snprintf(target->module, sizeof target->module, "%s", places[i]);
        }
    }
    if (target->module[0] == '\0') {
        (void)fprintf(stderr, "eckabench: there is no SoftHSM for a throw-away token (package "
                              "softhsm2); --module names another module\n");
        return false;
    }
    struct making *m = memory_shared(sizeof *m);
    target->throw_away = true;
    bool ok = m != NULL && make_directory(target) && make_pin(&target->pin);
    if (ok) {
        m->target = target;
        ok = process_aside(make_aside, m, watchdog, why);
        if (ok && m->rv != CKR_OK) {
            (void)snprintf(why, sizeof why, "SoftHSM answered %s", direct_error_name(m->rv));
            ok = false;
        }
    }
    if (!ok) {
        (void)fprintf(stderr, "eckabench: no throw-away token can be made: %s\n", why);
    }
    memory_unshare(m, sizeof *m);
    (void)snprintf(target->label, sizeof target->label, TOKEN_OWN_LABEL);
    return ok;
}
