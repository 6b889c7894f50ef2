#include "smsr/store/card_book.h"

#include "smsr/eis/eis.h"

static const char *const migrations[] = {
    "CREATE TABLE card (eid TEXT PRIMARY KEY, image BLOB NOT NULL) STRICT, WITHOUT ROWID;",
};

bool card_book_open(struct db **out, const char *path, enum db_sync sync)
{
    return db_open(out, path, sync, migrations, sizeof(migrations) / sizeof(migrations[0]));
}

enum status card_book_save(struct db *db, const uint8_t eid[static GP_EID_LEN], struct span image)
{
    char text[EID_TEXT_LEN + 1];
    eid_text(eid, text);
    return db_run(db, "INSERT OR REPLACE INTO card VALUES (?, ?)", "tb", text, image.ptr, image.len)
               ? STATUS_OK
               : STATUS_INTERNAL;
}

bool card_book_load(struct db *db, const uint8_t eid[static GP_EID_LEN],
                    uint8_t image[static CARD_IMAGE_LEN])
{
    char text[EID_TEXT_LEN + 1];
    eid_text(eid, text);
    if (!db_query(db, "SELECT image FROM card WHERE eid = ?", "t", text) || !db_next(db)) {
        return false;
    }
    bool ok = db_blob_exact(db, 0, image, CARD_IMAGE_LEN);
    (void)db_next(db);
    return ok;
}
