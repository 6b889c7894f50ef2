#include "smsr/card/inserted.h"

#include <stdio.h>

#include "providers/core/secret.h"
#include "smsr/card/key_file.h"
#include "smsr/eis/eis_json.h"
#include "smsr/files.h"

enum { CARD_WAIT_MS = 30000 };

#define SCHEME "vpcd://"

static bool read_eis(const char *path, struct eis *out)
{
    uint8_t json[EIS_JSON_MAX];
    char fault[EIS_FAULT_MAX] = "";
    size_t len;
    if (file_read(path, json, sizeof(json), &len) != STATUS_OK) {
        return false;
    }
    if (eis_json_parse(span_of(json, len), out, fault) != STATUS_OK) {
        fprintf(stderr, "smsr-change: %s: no EIS: %s\n", path, fault);
        return false;
    }
    return true;
}

bool inserted_open(struct inserted_card *card, const char *address, const char *eis_file,
                   const char *keys_file)
{
    struct vpcd_address at;
    *card = (struct inserted_card){.reader = {-1, -1}};
    if (strncmp(address, SCHEME, strlen(SCHEME)) != 0 ||
        !vpcd_address_parse(address + strlen(SCHEME), &at)) {
        fprintf(stderr, "smsr-change: --card takes " SCHEME "HOST:PORT, not %s\n", address);
        return false;
    }
    card->ks1 = secret_alloc(1, sizeof(*card->ks1));
    bool ok = card->ks1 != NULL && read_eis(eis_file, &card->eis) &&
              key_file_read(keys_file, card->ks1) == STATUS_OK && vpcd_listen(&card->reader, &at) &&
              vpcd_accept(&card->reader, CARD_WAIT_MS);
    if (!ok) {
        inserted_close(card);
    }
    return ok;
}

void inserted_close(struct inserted_card *card)
{
    vpcd_close(&card->reader);
    secret_free(&card->ks1);
}
