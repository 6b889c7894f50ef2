/*
 * The lines of an audit log: JSON text, each with exactly one form, so that a reader need compare
 * bytes only.
 *
 * A log is segments of lines. The first line of a segment says which leaves came before it, as
 * their RFC 6962 compact range; leaves follow, with checkpoints between them. The hash of a leaf is
 * over its line without the line feed: SHA-256(00 || line). A checkpoint is a C2SP tlog-checkpoint,
 * a signed note (signed-note, ECDSA with SHA-256) of one signature whose key name is the origin.
 * Its one extension line says how many leaves are new since the checkpoint before, so that no
 * checkpoint can be taken out from between two others.
 *
 * Text values are printable ASCII without " and \; what an encoder is given beyond that becomes ?.
 */
#ifndef PROTO_AUDIT_AUDIT_H
#define PROTO_AUDIT_AUDIT_H

#include "proto/bytes.h"

enum {
    AUDIT_HASH_LEN = 32,
    AUDIT_EID_LEN = 16,
    AUDIT_KEY_ID_LEN = 4,     /* of a note's key: SHA-256(SubjectPublicKeyInfo)[:4] */
    AUDIT_SIGNATURE_LEN = 64, /* r || s */
    AUDIT_NODES_MAX = 64,     /* of a compact range: the bits of a size */

    /* Bytes of text values; longer ones are cut. */
    AUDIT_ORIGIN_MAX = 64,
    AUDIT_OP_MAX = 32,     /* [a-z0-9-] */
    AUDIT_STATUS_MAX = 32, /* [A-Z0-9_] */
    AUDIT_PRINCIPAL_MAX = 64,
    AUDIT_KEY_MAX = 96,
    AUDIT_DETAIL_MAX = 256,

    AUDIT_TIME_LEN = 27, /* 2026-11-24T01:38:18.123456Z */
    AUDIT_NUMBER_MAX = 20,

    AUDIT_SEGMENT_MAX =
        64 + AUDIT_ORIGIN_MAX + AUDIT_NUMBER_MAX + AUDIT_NODES_MAX * (2 * AUDIT_HASH_LEN + 3),
    AUDIT_LEAF_MAX = 128 + AUDIT_TIME_LEN + AUDIT_OP_MAX + AUDIT_PRINCIPAL_MAX + 2 * AUDIT_EID_LEN +
                     4 + AUDIT_KEY_MAX + 2 * AUDIT_HASH_LEN + AUDIT_STATUS_MAX + AUDIT_NUMBER_MAX +
                     AUDIT_DETAIL_MAX,
    /* What is signed: origin, size, root in base64, new leaves, each with its line feed. */
    AUDIT_NOTE_TEXT_MAX =
        AUDIT_ORIGIN_MAX + 1 + AUDIT_NUMBER_MAX + 1 + 44 + 1 + 4 + AUDIT_NUMBER_MAX + 1,
    AUDIT_DER_MAX = 8 + AUDIT_SIGNATURE_LEN,
    /* With a blank line, the dash, the key's name and its id and signature in base64. */
    AUDIT_NOTE_MAX = AUDIT_NOTE_TEXT_MAX + 1 + 4 + AUDIT_ORIGIN_MAX + 1 +
                     (AUDIT_KEY_ID_LEN + AUDIT_DER_MAX + 2) / 3 * 4 + 1,
    AUDIT_CHECKPOINT_MAX = AUDIT_NOTE_MAX + 6 + 18, /* six line feeds are two bytes each */
    AUDIT_LINE_MAX = AUDIT_SEGMENT_MAX,             /* the longest of the three */

    AUDIT_KVN_NONE = -1,
};

struct audit_segment {
    struct span origin;
    uint64_t first; /* index of the segment's first leaf */
    size_t n;       /* as many as first has bits set */
    uint8_t nodes[AUDIT_NODES_MAX][AUDIT_HASH_LEN];
};

struct audit_leaf {
    uint64_t time_us; /* since 1970 UTC */
    struct span op, principal;
    bool has_eid;
    uint8_t eid[AUDIT_EID_LEN];
    int kvn; /* 0 to 255, AUDIT_KVN_NONE */
    struct span key;
    bool has_sha256;
    uint8_t sha256[AUDIT_HASH_LEN];
    struct span status;
    uint64_t count; /* of events that this leaf stands for */
    struct span detail;
};

struct audit_checkpoint {
    struct span origin;
    uint64_t size;
    uint64_t fresh; /* leaves since the checkpoint before this one; at least one */
    uint8_t root[AUDIT_HASH_LEN];
    uint8_t key_id[AUDIT_KEY_ID_LEN];
    uint8_t signature[AUDIT_SIGNATURE_LEN];
};

enum audit_op {
#define AUDIT_OP(name, text, meaning) AUDIT_OP_##name,
#include "proto/audit/ops.def"
#undef AUDIT_OP
    AUDIT_OP_COUNT,
};

/* As it stands in a leaf; a reader takes other words of its form too, as of another version. */
const char *audit_op_text(enum audit_op op);

enum audit_line_kind { AUDIT_LINE_SEGMENT, AUDIT_LINE_LEAF, AUDIT_LINE_CHECKPOINT };

struct audit_line {
    enum audit_line_kind kind;
    union {
        struct audit_segment segment;
        struct audit_leaf leaf;
        struct audit_checkpoint checkpoint;
    };
};

static inline struct span audit_text(const char *text)
{
    return span_of(text, strlen(text));
}

/* A text value as it stands in a log: AUDIT_ORIGIN_MAX bytes without blank and plus at most. */
bool audit_origin_valid(struct span origin);

/* Each writes its line without the line feed; the writer needs room for the longest. */
void audit_segment_put(struct writer *w, const struct audit_segment *segment);
void audit_leaf_put(struct writer *w, const struct audit_leaf *leaf);
void audit_checkpoint_put(struct writer *w, const struct audit_checkpoint *checkpoint);

/*
 * Whether a line, without its line feed, is one of the three in its one form; texts in out are
 * views into it. What is checked is the form: nodes are as many as first demands, a time is one
 * that is, but no hash and no signature is computed.
 */
MUST_CHECK bool audit_line_parse(struct span line, struct audit_line *out);

/* -- notes, as they leave a log: with line feeds -- */

/* What is signed. A checkpoint without a new leaf is none: the writer overflows. */
void audit_note_text_put(struct writer *w, const struct audit_checkpoint *checkpoint);
void audit_note_put(struct writer *w, const struct audit_checkpoint *checkpoint);

/*
 * A note of any source, which may carry further signatures, as a witness adds them: out has the
 * first one whose name is the origin and, unless key_id is NULL, whose id is this. False: it is no
 * checkpoint, or has none such.
 */
MUST_CHECK bool audit_note_parse(struct span note, const uint8_t *key_id,
                                 struct audit_checkpoint *out);

/* r || s as DER's ECDSA-Sig-Value, which is how notes carry it. */
void audit_der_put(struct writer *w, const uint8_t signature[static AUDIT_SIGNATURE_LEN]);

#endif
