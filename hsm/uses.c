#include "hsm/uses.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hsm/clock_text.h"
#include "hsm/log.h"

enum { PATH_MAX_LEN = 4096 };

static const char first_line[] = "eckad uses 1\n";
static const char prefix[] = "uses-";

struct use_count *uses_of(struct use_counts *u, enum key_purpose purpose, uint32_t number)
{
    for (size_t i = 0; i < u->n; i++) {
        if (u->list[i].purpose == purpose && u->list[i].number == number) {
            return &u->list[i];
        }
    }
    if (u->n == USE_COUNTS_MAX) {
        return NULL;
    }
    u->list[u->n] = (struct use_count){.purpose = purpose, .number = number, .since = u->now};
    u->dirty = true;
    return &u->list[u->n++];
}

void uses_add(struct use_counts *u, enum key_purpose purpose, uint32_t number)
{
    struct use_count *count = uses_of(u, purpose, number);
    if (count != NULL) {
        count->uses++;
        count->last = u->now;
        u->dirty = true;
    }
}

enum status uses_path(char *out, size_t size, const char *state_dir, const char *name)
{
    int n = snprintf(out, size, "%s/%s%s", state_dir, prefix, name);
    return n > 0 && (size_t)n < size ? STATUS_OK : STATUS_NO_SPACE;
}

static enum status load_lines(struct use_counts *u, FILE *file)
{
    char line[160], purpose[32];
    struct use_count c;

    if (fgets(line, sizeof line, file) == NULL || strcmp(line, first_line) != 0) {
        return STATUS_BAD_REQUEST;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%31s %" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNu64, purpose, &c.number,
                   &c.since, &c.uses, &c.last) != 5 ||
            (c.purpose = key_purpose_of(purpose)) == 0 || u->n == USE_COUNTS_MAX) {
            return STATUS_BAD_REQUEST;
        }
        u->list[u->n++] = c;
    }
    return STATUS_OK;
}

enum status uses_load(struct use_counts *u, const char *path)
{
    FILE *file = fopen(path, "re");
    u->n = 0;
    u->dirty = false;
    if (file == NULL && errno == ENOENT) {
        return STATUS_OK;
    }
    enum status st = file == NULL ? STATUS_BAD_REQUEST : load_lines(u, file);
    if (file != NULL) {
        (void)fclose(file);
    }
    if (st != STATUS_OK) {
        log_line("the use counts in %s cannot be read; move the file away to begin anew", path);
        u->n = 0;
    }
    return st;
}

static bool write_all(const struct use_counts *u, FILE *file, bool durable)
{
    bool ok = fputs(first_line, file) >= 0;
    for (size_t i = 0; i < u->n && ok; i++) {
        const struct use_count *c = &u->list[i];
        ok = fprintf(file, "%s %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                     key_purpose_name(c->purpose), c->number, c->since, c->uses, c->last) > 0;
    }
    return ok && fflush(file) == 0 && (!durable || fsync(fileno(file)) == 0);
}

bool uses_save(struct use_counts *u, const char *path, bool durable)
{
    char beside[PATH_MAX_LEN];
    int n = snprintf(beside, sizeof beside, "%s.new", path);
    FILE *file = n > 0 && (size_t)n < sizeof beside ? fopen(beside, "we") : NULL;
    bool ok = file != NULL && write_all(u, file, durable);

    if (file != NULL && fclose(file) != 0) {
        ok = false;
    }
    if (!ok || rename(beside, path) != 0) {
        log_line("the use counts cannot be written to %s: %s", path, strerror(errno));
        return false;
    }
    u->dirty = false;
    return true;
}

/* -- for the retire ceremony -- */

static int is_count_file(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return strncmp(entry->d_name, prefix, sizeof prefix - 1) == 0 &&
           (len < 4 || strcmp(entry->d_name + len - 4, ".new") != 0);
}

struct question {
    enum key_purpose purpose;
    uint32_t number;
    uint64_t now, quiet;
    size_t told; /* files that count the generation */
};

static const struct use_count *find(const struct use_counts *u, const struct question *q)
{
    for (size_t i = 0; i < u->n; i++) {
        if (u->list[i].purpose == q->purpose && u->list[i].number == q->number) {
            return &u->list[i];
        }
    }
    return NULL;
}

static enum status ask_file(const char *path, struct question *q)
{
    static struct use_counts counts; /* too wide for the stack */
    char when[CLOCK_TEXT_MAX];

    TRY(uses_load(&counts, path));
    const struct use_count *c = find(&counts, q);
    if (c == NULL) {
        return STATUS_OK;
    }
    q->told++;
    uint64_t quiet_since = c->last > c->since ? c->last : c->since;
    clock_text(when, quiet_since);
    if (quiet_since > q->now || q->now - quiet_since < q->quiet) {
        log_line("%s %" PRIu32 " is not quiet: %s tells of %s at %s, and %" PRIu64
                 " seconds have to pass without a use",
                 key_purpose_name(q->purpose), q->number, path,
                 c->last > c->since ? "a use" : "the first count", when, q->quiet);
        return STATUS_DENIED;
    }
    return STATUS_OK;
}

enum status uses_quiet(const char *state_dir, enum key_purpose purpose, uint32_t number,
                       uint64_t now, uint64_t quiet)
{
    struct question q = {.purpose = purpose, .number = number, .now = now, .quiet = quiet};
    struct dirent **entries = NULL;
    int n = scandir(state_dir, &entries, is_count_file, alphasort);
    enum status st = STATUS_OK;

    for (int i = 0; i < n; i++) {
        char path[PATH_MAX_LEN];
        int len = snprintf(path, sizeof path, "%s/%s", state_dir, entries[i]->d_name);
        if (st == STATUS_OK) {
            st = len > 0 && (size_t)len < sizeof path ? ask_file(path, &q) : STATUS_NO_SPACE;
        }
        free(entries[i]);
    }
    free(entries);
    TRY(st);
    if (q.told == 0) {
        log_line("no custodian has counted the uses of %s %" PRIu32 " in %s; let one run with this "
                 "state_dir first",
                 key_purpose_name(purpose), number, state_dir);
        return STATUS_DENIED;
    }
    return STATUS_OK;
}
