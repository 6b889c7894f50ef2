/*
 * SCP03 (GlobalPlatform Amendment D) of the off-card side, with 8-byte challenges, cryptograms and
 * MACs (S8), on the basic logical channel, short APDUs.
 *
 * Session keys and cryptograms = SP 800-108 counter mode with AES-CMAC: 00 x 11 || constant || 00
 * || L(2) || i || host challenge || card challenge, i = 01, 02. C-MAC = first 8 bytes of
 * AES-CMAC(S-MAC, chaining value || CLA with 04 || INS || P1 || P2 || Lc with 8 more || data); all
 * 16 bytes chain into the next one. R-MAC = first 8 bytes of AES-CMAC(S-RMAC, chaining value ||
 * data || status word). Data are ciphered with AES-CBC(S-ENC), padded with 80 00..; the IV is
 * AES(S-ENC, number of the command), and in a response that number's first byte is 80.
 */
#ifndef PROVIDERS_SCP_SCP03_H
#define PROVIDERS_SCP_SCP03_H

#include "proto/gp/apdu.h"
#include "providers/kdf/sym.h"

enum {
    SCP03_CHALLENGE_LEN = 8,
    SCP03_CRYPTOGRAM_LEN = 8,
    SCP03_MAC_LEN = 8,
    SCP03_EXTERNAL_AUTHENTICATE_LEN = 5 + SCP03_CRYPTOGRAM_LEN + SCP03_MAC_LEN,
    /* Data of a command that still fits once ciphered: 14 blocks and 15 bytes, then 80. */
    SCP03_CIPHERED_DATA_MAX = (APDU_DATA_MAX - SCP03_MAC_LEN) / SYM_BLOCK * SYM_BLOCK - 1,

    SCP03_C_MAC = 0x01, /* bits of a security level */
    SCP03_C_DECRYPTION = 0x02,
    SCP03_R_MAC = 0x10,
    SCP03_R_ENCRYPTION = 0x20,
};

/* Le of a secured command that wants an answer: whatever comes (U: public code sends nothing else;
 * an R-MAC makes the answer longer than what was asked for). */
#define SCP03_LE 0x00

struct scp03_keys { /* borrowed; secrets, both of 16, 24 or 32 bytes */
    struct span enc, mac;
};

struct scp03_challenges { /* SCP03_CHALLENGE_LEN each */
    const uint8_t *host, *card;
};

struct scp03_session { /* secrets, in the caller's memory */
    uint8_t level;
    uint8_t key_len;   /* of the three keys */
    uint32_t commands; /* since EXTERNAL AUTHENTICATE */
    uint8_t s_enc[SYM_AES256_KEY_LEN], s_mac[SYM_AES256_KEY_LEN], s_rmac[SYM_AES256_KEY_LEN];
    uint8_t chaining[SYM_CMAC_LEN];
};

/* Whether the level is 01, 03, 11, 13 or 33. */
bool scp03_level_valid(uint32_t level);

/*
 * Opens a session with what INITIALIZE UPDATE answered; writes EXTERNAL AUTHENTICATE. The card
 * cryptogram is compared in constant time. SCP03_LEVEL, SCP03_CRYPTOGRAM, NO_SPACE, INTERNAL; then
 * the session is zero.
 */
MUST_CHECK enum status scp03_open(struct sym *s, const struct scp03_keys *keys,
                                  const struct scp03_challenges *challenges,
                                  const uint8_t card_cryptogram[static SCP03_CRYPTOGRAM_LEN],
                                  uint8_t level, struct scp03_session *session, struct writer *out);

/*
 * Secures a command, CLA 00 or 80, and moves the session on. SCP03_APDU (malformed, CLA, or too
 * much data), BAD_COUNTER (the session's commands are spent), NO_SPACE, INTERNAL; then the session
 * stays where it was.
 */
MUST_CHECK enum status scp03_wrap(struct sym *s, struct scp03_session *session, struct span apdu,
                                  struct writer *out);

/*
 * Opens the response to the last command. Without R-MAC in the level it passes as it came. A wrong
 * R-MAC, a wrong length and wrong padding are one answer, SCP03_RESPONSE. An error status word
 * (neither 9000 nor a warning, 62xx and 63xx) carries no R-MAC: it is written, and the status is
 * SCP03_UNPROTECTED. NO_SPACE, INTERNAL.
 */
MUST_CHECK enum status scp03_unwrap(struct sym *s, const struct scp03_session *session,
                                    struct span rapdu, struct writer *out);

#endif
