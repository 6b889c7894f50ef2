#include "hsm/sealed/session.h"

#include "providers/core/secret.h"

enum { SESSION_VERSION = 1, COMMANDS_LEN = 4, KEY_LEN = SYM_AES128_KEY_LEN };

enum status session_put(struct writer *w, const struct scp03_session *session)
{
    if (session->key_len != KEY_LEN) {
        return STATUS_BAD_LENGTH;
    }
    put_u8(w, SESSION_VERSION);
    put_u8(w, session->level);
    put_be(w, session->commands, COMMANDS_LEN);
    put_bytes(w, session->chaining, SYM_CMAC_LEN);
    put_bytes(w, session->s_enc, KEY_LEN);
    put_bytes(w, session->s_mac, KEY_LEN);
    put_bytes(w, session->s_rmac, KEY_LEN);
    return writer_check(w);
}

enum status session_parse(struct span in, struct scp03_session *out)
{
    secret_wipe(out, sizeof *out);
    if (in.len != SESSION_PLAIN_LEN || in.ptr[0] != SESSION_VERSION ||
        !scp03_level_valid(in.ptr[1])) {
        return STATUS_BLOB_MALFORMED;
    }
    const uint8_t *p = in.ptr + 2;
    out->level = in.ptr[1];
    out->key_len = KEY_LEN;
    out->commands = (uint32_t)load_be(p, COMMANDS_LEN);
    p += COMMANDS_LEN;
    memcpy(out->chaining, p, SYM_CMAC_LEN);
    p += SYM_CMAC_LEN;
    memcpy(out->s_enc, p, KEY_LEN);
    memcpy(out->s_mac, p + KEY_LEN, KEY_LEN);
    memcpy(out->s_rmac, p + 2 * KEY_LEN, KEY_LEN);
    return STATUS_OK;
}
