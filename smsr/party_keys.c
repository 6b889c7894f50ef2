#include "smsr/party_keys.h"

#include <string.h>
#include <unistd.h>

#include "providers/core/secret.h"
#include "smsr/files.h"

enum { NAME_MAX_LEN = 24 };

const char *party_keys_name(enum party party)
{
    static const char *const names[PARTY_COUNT] = {
        [PARTY_OPERATOR] = "operator",
        [PARTY_ALPHA] = "alpha",
        [PARTY_BETA] = "beta",
        [PARTY_ISDR] = "network",
    };
    return names[party];
}

static bool path_of(char out[static PATH_TEXT_MAX], const char *dir, enum party party,
                    const char *ending)
{
    char name[NAME_MAX_LEN];
    (void)snprintf(name, sizeof(name), "%s%s", party_keys_name(party), ending);
    return path_join(out, dir, name) == STATUS_OK;
}

/* A party whose key is not there is one that this one does not speak to. */
static bool read_others(struct party_keys *keys, const char *dir)
{
    char path[PATH_TEXT_MAX], error[KEYFILE_ERROR_MAX];
    for (enum party p = PARTY_OPERATOR; p < PARTY_COUNT; p++) {
        if (party_keys_name(p) == NULL) {
            continue;
        }
        if (!path_of(path, dir, p, ".key.pub")) {
            return false;
        }
        if (access(path, F_OK) == 0 && keyfile_read_public(path, keys->of[p], error) != STATUS_OK) {
            fprintf(stderr, "smsr-change: %s\n", error);
            return false;
        }
    }
    return true;
}

bool party_keys_read(struct party_keys **out, const char *dir, enum party self)
{
    char path[PATH_TEXT_MAX], error[KEYFILE_ERROR_MAX] = "the path is too long";
    *out = secret_init() == STATUS_OK ? secret_alloc(1, sizeof(**out)) : NULL;
    if (*out == NULL) {
        fprintf(stderr, "smsr-change: no memory for keys\n");
        return false;
    }
    if (!path_of(path, dir, self, ".key") ||
        keyfile_read_pair(path, &(*out)->own, error) != STATUS_OK) {
        fprintf(stderr, "smsr-change: %s\n", error);
        party_keys_free(out);
        return false;
    }
    if (!read_others(*out, dir)) {
        party_keys_free(out);
        return false;
    }
    return true;
}

void party_keys_free(struct party_keys **keys)
{
    secret_free(keys);
}

enum party party_keys_whose(const struct party_keys *keys, const char *key)
{
    for (enum party p = PARTY_OPERATOR; p < PARTY_COUNT; p++) {
        if (keys->of[p][0] != '\0' && strcmp(keys->of[p], key) == 0) {
            return p;
        }
    }
    return PARTY_COUNT;
}
