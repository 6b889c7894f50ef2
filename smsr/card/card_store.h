/*
 * A card's image in a file (mode 0600), replaced whole at every change: written beside it, synced,
 * renamed over it, the directory synced. Whatever ends the process, the file is the old one or the
 * new one. One process at a time: the file `PATH.lock` is held locked.
 */
#ifndef SMSR_CARD_STORE_H
#define SMSR_CARD_STORE_H

#include "proto/bytes.h"
#include "smsr/files.h"

struct card_store {
    char path[PATH_TEXT_MAX];
    int lock_fd, dir_fd;
};

/* Locks the path, of a file that need not be there yet. Says on stderr what is wrong. */
MUST_CHECK enum status card_store_open(struct card_store *store, const char *path);
void card_store_close(struct card_store *store);

/* Only when the new image is on disk for good is this OK. */
MUST_CHECK enum status card_store_save(struct card_store *store, struct span image);

#endif
