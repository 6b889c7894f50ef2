/*
 * What is in a token, seen once without a login and once with it.
 */
#include <string.h>

#include "hsm/log.h"
#include "hsm/report/report.h"

/* A field's bytes, cut to the room there is; empty when the object has none. */
static size_t read_field(struct token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                         void *out, size_t room)
{
    uint8_t bytes[1024];
    CK_ATTRIBUTE a = {type, bytes, sizeof bytes};
    if (t->p11->C_GetAttributeValue(t->session, object, &a, 1) != CKR_OK ||
        a.ulValueLen > sizeof bytes) {
        return 0;
    }
    size_t len = a.ulValueLen < room ? a.ulValueLen : room;
    memcpy(out, bytes, len);
    return len;
}

/* Whether its secret can be read in this session; the length alone tells. */
static bool gives_its_secret(struct token *t, const struct report_object *o)
{
    bool rsa = o->class == CKO_PRIVATE_KEY && o->type == CKK_RSA;
    CK_ATTRIBUTE a = {rsa ? CKA_PRIVATE_EXPONENT : CKA_VALUE, NULL, 0};
    return t->p11->C_GetAttributeValue(t->session, o->handle, &a, 1) == CKR_OK &&
           a.ulValueLen != 0 && a.ulValueLen != CK_UNAVAILABLE_INFORMATION;
}

static void read_object(struct token *t, CK_OBJECT_HANDLE handle, struct report_object *o)
{
    *o = (struct report_object){.handle = handle};
    (void)read_field(t, handle, CKA_CLASS, &o->class, sizeof o->class);
    if (report_object_is_key(o)) {
        (void)read_field(t, handle, CKA_KEY_TYPE, &o->type, sizeof o->type);
    }
    o->id_len = read_field(t, handle, CKA_ID, o->id, sizeof o->id);
    o->label_len = read_field(t, handle, CKA_LABEL, o->label, sizeof o->label);
    o->application_len =
        read_field(t, handle, CKA_APPLICATION, o->application, sizeof o->application);
}

enum status report_objects_read(struct token *t, struct report_objects *out)
{
    static CK_OBJECT_HANDLE handles[REPORT_OBJECTS_MAX];
    size_t n;

    TRY(token_objects(t, NULL, 0, handles, REPORT_OBJECTS_MAX, &n));
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        read_object(t, handles[i], &out->list[i]);
        out->list[i].leaks =
            report_object_is_key(&out->list[i]) && gives_its_secret(t, &out->list[i]);
    }
    return STATUS_OK;
}

static bool same(const struct report_object *a, const struct report_object *b)
{
    return a->class == b->class && a->id_len == b->id_len && a->label_len == b->label_len &&
           a->application_len == b->application_len && memcmp(a->id, b->id, a->id_len) == 0 &&
           memcmp(a->label, b->label, a->label_len) == 0 &&
           memcmp(a->application, b->application, a->application_len) == 0;
}

void report_objects_mark_open(const struct report_objects *open, struct report_objects *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct report_object *o = &all->list[i];
        o->leaks = false; /* with a login, that is for the attempts to find out */
        for (size_t j = 0; j < open->n; j++) {
            if (same(o, &open->list[j])) {
                o->open = true;
                o->leaks = o->leaks || open->list[j].leaks;
            }
        }
    }
}

bool report_object_is_key(const struct report_object *o)
{
    return o->class == CKO_PRIVATE_KEY || o->class == CKO_SECRET_KEY;
}

bool report_object_has_twin(const struct report_objects *all, const struct report_object *o)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct report_object *other = &all->list[i];
        if (other != o && report_object_is_key(other) && other->id_len == o->id_len &&
            memcmp(other->id, o->id, o->id_len) == 0) {
            return true;
        }
    }
    return false;
}

void report_text(char out[static REPORT_TEXT_MAX], const uint8_t *in, size_t len)
{
    size_t n = 0;
    for (; n < len && n < REPORT_TEXT_MAX - 1; n++) {
        bool plain = in[n] >= ' ' && in[n] <= '~' && in[n] != '"' && in[n] != '\\';
        out[n] = '?';
        if (plain) {
            out[n] = (char)in[n];
        }
    }
    out[n] = '\0';
}
