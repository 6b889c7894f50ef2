#include "tests/unit/vectors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIELDS_MAX = 32, PATH_SIZE = 4096 };

struct field {
    const char *key;
    const char *text;
    uint8_t *bytes; /* NULL: not hex */
    size_t len;
};

struct vector {
    const char *name;
    size_t fields;
    struct field field[FIELDS_MAX];
};

struct vectors {
    char path[PATH_SIZE];
    char *text; /* the file, cut into strings that the cases point into */
    uint8_t *bytes;
    size_t bytes_used;
    size_t count, room;
    struct vector **cases; /* cases are handed out by address, so each stays where it is */
};

struct parser {
    struct vectors *v;
    struct vector *section; /* fields go here; NULL before the first section and inside a table */
    const char *columns[FIELDS_MAX];
    size_t column_count;
    struct vector *above; /* the row above, for '=' */
};

__attribute__((noreturn, format(printf, 2, 3))) static void give_up(const char *where,
                                                                    const char *why, ...)
{
    va_list args;
    va_start(args, why);
    (void)fprintf(stderr, "vectors: %s: ", where);
    (void)vfprintf(stderr, why, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILURE);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20); /* lower case */
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_decode(const char *text, uint8_t *out, size_t *len)
{
    size_t n = 0;
    for (; text[0] != '\0'; text += 2) {
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0) {
            return false;
        }
        out[n++] = (uint8_t)(high << 4 | low);
    }
    *len = n;
    return true;
}

static struct vector *add_case(struct vectors *v, const char *name)
{
    if (v->count == v->room) {
        v->room = v->room == 0 ? 64 : 2 * v->room;
        v->cases = realloc(v->cases, v->room * sizeof(struct vector *));
    }
    struct vector *c = calloc(1, sizeof *c);
    if (v->cases == NULL || c == NULL) {
        give_up(v->path, "out of memory");
    }
    c->name = name;
    v->cases[v->count++] = c;
    return c;
}

static struct field *add_field(struct vectors *v, struct vector *c, const char *key)
{
    if (c->fields == FIELDS_MAX || vector_has(c, key)) {
        give_up(v->path, "case %s: too many fields, or %s repeated", c->name, key);
    }
    struct field *f = &c->field[c->fields++];
    f->key = key;
    return f;
}

static void set_field(struct vectors *v, struct field *f, const char *text)
{
    f->text = text;
    uint8_t *bytes = v->bytes + v->bytes_used;
    if (hex_decode(text, bytes, &f->len)) {
        f->bytes = bytes;
        v->bytes_used += f->len;
    }
}

static char *trim(char *s)
{
    s += strspn(s, " \t\r");
    size_t len = strlen(s);
    while (len > 0 && strchr(" \t\r", s[len - 1]) != NULL) {
        s[--len] = '\0';
    }
    return s;
}

static void parse_columns(struct parser *p, char *line)
{
    p->column_count = 0;
    p->section = NULL;
    p->above = NULL;
    char *rest = NULL;
    for (char *w = strtok_r(line, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
        if (p->column_count == FIELDS_MAX) {
            give_up(p->v->path, "too many columns");
        }
        p->columns[p->column_count++] = w;
    }
}

static void parse_row(struct parser *p, char *line)
{
    struct vector *c = NULL;
    size_t i = 0;
    char *rest = NULL;
    for (char *w = strtok_r(line, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest), i++) {
        if (i >= p->column_count) {
            give_up(p->v->path, "row %s has too many cells", c != NULL ? c->name : w);
        }
        if (i == 0) {
            c = add_case(p->v, w);
            continue;
        }
        struct field *f = add_field(p->v, c, p->columns[i]);
        if (strcmp(w, "=") != 0) {
            set_field(p->v, f, strcmp(w, "-") == 0 ? "" : w);
        } else if (p->above != NULL) {
            *f = p->above->field[i - 1];
        } else {
            give_up(p->v->path, "row %s repeats a row that is not there", c->name);
        }
    }
    if (i != p->column_count) {
        give_up(p->v->path, "row %s has too few cells", c != NULL ? c->name : "");
    }
    p->above = c;
}

static void parse_line(struct parser *p, char *line)
{
    static const char columns[] = "columns:";
    size_t len = strlen(line);
    if (len == 0 || line[0] == '#') {
        return;
    }
    if (line[0] == '[' && line[len - 1] == ']') {
        line[len - 1] = '\0';
        p->section = add_case(p->v, line + 1);
        p->column_count = 0;
    } else if (strncmp(line, columns, sizeof columns - 1) == 0) {
        parse_columns(p, line + sizeof columns - 1);
    } else if (p->column_count != 0) {
        parse_row(p, line);
    } else {
        char *value = strchr(line, '=');
        if (p->section == NULL || value == NULL) {
            give_up(p->v->path, "neither a field nor a row: %.40s", line);
        }
        *value = '\0';
        set_field(p->v, add_field(p->v, p->section, trim(line)), trim(value + 1));
    }
}

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        give_up(path, "cannot be opened");
    }
    long size = ftell(f);
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    if (text == NULL || fseek(f, 0, SEEK_SET) != 0 ||
        fread(text, 1, (size_t)size, f) != (size_t)size) {
        give_up(path, "cannot be read");
    }
    (void)fclose(f);
    text[size] = '\0';
    *len = (size_t)size;
    return text;
}

struct vectors *vectors_open(const char *name)
{
    const char *folder = getenv("ECKA_VECTORS");
    struct vectors *v = calloc(1, sizeof *v);
    if (folder == NULL || v == NULL) {
        give_up(name, "the environment's ECKA_VECTORS names no folder");
    }
    if (snprintf(v->path, sizeof v->path, "%s/%s.vec", folder, name) >= (int)sizeof v->path) {
        give_up(name, "its path is too long");
    }
    size_t len = 0;
    v->text = read_file(v->path, &len);
    v->bytes = malloc(len / 2 + 1); /* two digits a byte */
    if (v->bytes == NULL) {
        give_up(v->path, "out of memory");
    }
    struct parser p = {.v = v};
    char *next = v->text;
    for (char *line = strsep(&next, "\n"); line != NULL; line = strsep(&next, "\n")) {
        parse_line(&p, trim(line));
    }
    if (v->count == 0) {
        give_up(v->path, "holds no case");
    }
    return v;
}

void vectors_close(struct vectors **v)
{
    if (*v != NULL) {
        for (size_t i = 0; i < (*v)->count; i++) {
            free((*v)->cases[i]);
        }
        free((*v)->cases);
        free((*v)->bytes);
        free((*v)->text);
        free(*v);
        *v = NULL;
    }
}

size_t vectors_count(const struct vectors *v)
{
    return v->count;
}

const struct vector *vectors_at(const struct vectors *v, size_t i)
{
    if (i >= v->count) {
        give_up(v->path, "has no case %zu", i);
    }
    return v->cases[i];
}

const struct vector *vectors_find(const struct vectors *v, const char *name)
{
    for (size_t i = 0; i < v->count; i++) {
        if (strcmp(v->cases[i]->name, name) == 0) {
            return v->cases[i];
        }
    }
    give_up(v->path, "has no case %s", name);
}

const char *vector_name(const struct vector *c)
{
    return c->name;
}

static const struct field *find_field(const struct vector *c, const char *key)
{
    for (size_t i = 0; i < c->fields; i++) {
        if (strcmp(c->field[i].key, key) == 0) {
            return &c->field[i];
        }
    }
    return NULL;
}

static const struct field *need_field(const struct vector *c, const char *key)
{
    const struct field *f = find_field(c, key);
    if (f == NULL) {
        give_up(c->name, "has no field %s", key);
    }
    return f;
}

bool vector_has(const struct vector *c, const char *key)
{
    return find_field(c, key) != NULL;
}

const char *vector_text(const struct vector *c, const char *key)
{
    return need_field(c, key)->text;
}

bool vector_is(const struct vector *c, const char *key, const char *text)
{
    return strcmp(vector_text(c, key), text) == 0;
}

struct span vector_hex(const struct vector *c, const char *key)
{
    const struct field *f = need_field(c, key);
    if (f->bytes == NULL) {
        give_up(c->name, "%s is not hex", key);
    }
    return span_of(f->bytes, f->len);
}

const uint8_t *vector_bytes(const struct vector *c, const char *key, size_t len)
{
    struct span s = vector_hex(c, key);
    if (s.len != len) {
        give_up(c->name, "%s has %zu bytes instead of %zu", key, s.len, len);
    }
    return s.ptr;
}
