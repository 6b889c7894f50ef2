/*
 * A card that is not ours, in a virtual reader that we are: what its first SM-SR knows of it, and
 * the way to it.
 */
#ifndef SMSR_INSERTED_H
#define SMSR_INSERTED_H

#include "smsr/card/vpcd.h"
#include "smsr/eis/eis.h"

struct inserted_card {
    struct vpcd_reader reader;
    struct eis eis;
    struct key_set *ks1; /* secret memory */
};

/*
 * Reads EIS (JSON) and key set from their files, listens at address ("vpcd://HOST:PORT") and waits
 * for the card. Says on stderr what is wrong.
 */
MUST_CHECK bool inserted_open(struct inserted_card *card, const char *address, const char *eis_file,
                              const char *keys_file);
void inserted_close(struct inserted_card *card);

#endif
