#include "hsm/operation/manifest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hsm/clock_text.h"
#include "hsm/hex.h"

enum { LINE_MAX_LEN = 160 };

static void __attribute__((format(printf, 2, 3)))
put_line(struct writer *w, const char *format, ...)
{
    char line[LINE_MAX_LEN];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof line) {
        w->overflow = true;
        return;
    }
    put_bytes(w, line, (size_t)n);
    put_u8(w, '\n');
}

static void put_hex_line(struct writer *w, const char *name, const uint8_t *bytes, size_t len)
{
    char hex[2 * SHA256_LEN + 1];
    hex_put(hex, bytes, len); /* none here is longer than a hash */
    put_line(w, "%s: %s", name, hex);
}

static const char *type_name(enum blob_type type)
{
    return type == BLOB_SCP80 ? "scp80" : type == BLOB_SCP03 ? "scp03" : "scp81";
}

enum status manifest_put(struct writer *w, const struct manifest *m)
{
    char time[CLOCK_TEXT_MAX];
    uint8_t id[KEY_ID_LEN];

    clock_text(time, m->now);
    key_id_put(id, KEY_KEK, m->kek->generation);
    put_line(w, "eckad rewrap manifest 1");
    put_line(w, "time: %s", time);
    put_line(w, "principal: %s", m->grant->principal);
    put_line(w, "grant: %s", m->grant->serial);
    put_line(w, "use: %" PRIu64 " of %" PRIu64, m->use, m->grant->quota);
    put_line(w, "kek: %s", m->kek->name);
    put_hex_line(w, "kek-id", id, sizeof id);
    put_hex_line(w, "kek-fingerprint", m->kek_fingerprint, KEK_FINGERPRINT_LEN);
    put_hex_line(w, "eid", m->eid, GP_EID_LEN);
    put_line(w, "type: %s", type_name(m->type));
    put_line(w, "kvn: %02x", m->kvn);
    put_line(w, "counter: %" PRIu64, m->counter);
    put_line(w, "keys: %zu", m->keys);
    put_hex_line(w, "wrapped-sha256", m->wrapped_sha256, SHA256_LEN);
    put_line(w, "signer: checkpoint %" PRIu32, m->checkpoint->generation);
    return writer_check(w);
}
