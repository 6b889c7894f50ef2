/*
 * The two STORE DATA commands of ES5.EstablishISDRKeySet with their answers, what SK.SR.ECDSA
 * signs, SharedInfo and the receipt's input (SGP.02 4.1.1.8; GlobalPlatform Amendment E, scenario
 * #3).
 */
#ifndef PROTO_GP_KEY_ESTABLISHMENT_H
#define PROTO_GP_KEY_ESTABLISHMENT_H

#include "proto/gp/cert.h"
#include "proto/gp/crt.h"

enum {
    DGI_CERTIFICATE = 0x3A01,
    DGI_KEY_ESTABLISHMENT = 0x3A02,
    DGI_CHALLENGE = 0x0085, /* signed, never transmitted */
    DGI_PUBLIC_KEY = 0x7F49,
    DGI_SIGNATURE = 0x5F37,

    RC_LEN_SHORT = 16,
    RC_LEN_LONG = 32,
    DR_LEN = 16, /* for 256-bit curves */
    RECEIPT_LEN = 16,
    KEY_DATA_LEN = 64, /* usage 10: receipt key, ENC, MAC, DEK */
    SHARED_INFO_MAX = 3 + DR_LEN + 3 * (1 + CRT_ID_MAX),
    RECEIPT_INPUT_MAX = CRT_MAX + 4 + DR_LEN,
    SIGNED_BYTES_MAX = 2 + 1 + CRT_MAX + 2 + 1 + 73 + 2 + 1 + RC_LEN_LONG,
    STORE_DATA_MAX = GP_CERT_MAX + 8,
};

/* How DR follows the CRT in the receipt's input (U): as BER-TLV 85 L DR, or as DGI 0085 L DR. */
enum receipt_dr_form { RECEIPT_DR_TLV, RECEIPT_DR_DGI };
#define RECEIPT_DR_FORM RECEIPT_DR_TLV

/* How ePK stands in 7F49: raw 04||x||y (V), or B0 41 04||x||y F0 01 ref (U). */
enum epk_form { EPK_RAW, EPK_TLV };
#define EPK_FORM EPK_RAW

/* The value of 7F49 in the form asked for. */
void epk_put(struct writer *w, enum epk_form form, uint8_t curve_ref,
             const uint8_t point[static GP_POINT_LEN]);
/* Reads either form; curve_ref is left alone by the raw form. BAD_POINT, BAD_CURVE, TLV_MALFORMED.
 */
MUST_CHECK enum status epk_parse(struct span value, uint8_t card_curve_ref, struct span *point);

/* `3A02 L A6...` || `7F49 L ePK` || `0085 L RC`: what SK.SR.ECDSA signs with ECDSA, SHA-256. */
void signed_bytes_put(struct writer *w, struct span crt_a6, struct span epk_value, struct span rc);

/* Data of the first STORE DATA: `3A01 L 7F21...`. */
void store_data_1_put(struct writer *w, struct span cert_sr);
/* Data of the second: `3A02 L A6... | 7F49 L ePK | 5F37 40 r||s`. */
void store_data_2_put(struct writer *w, struct span crt_a6, struct span epk_value,
                      struct span signature);

struct store_data_2 {
    struct span crt_a6;
    struct span epk_value; /* of 7F49, as sent: it is what was signed */
    struct span signature;
};
MUST_CHECK enum status store_data_1_parse(struct span data, struct span *cert_sr);
MUST_CHECK enum status store_data_2_parse(struct span data, struct store_data_2 *out);

/* Answer to the first: `85 L RC`, L 16 or 32 (else BAD_RC). */
void answer_1_put(struct writer *w, struct span rc);
MUST_CHECK enum status answer_1_parse(struct span in, struct span *rc);
/* Answer to the second: `[85 L DR] 86 10 receipt`; dr is empty when absent. */
void answer_2_put(struct writer *w, struct span dr, struct span receipt);
MUST_CHECK enum status answer_2_parse(struct span in, struct span *dr, struct span *receipt);

/*
 * SharedInfo: usage || key type || key length || [DR, b2] || [HostID, SIN, SDIN with BER lengths,
 * b3]. BAD_HOST_ID, DR_MISSING, DR_UNEXPECTED, BAD_LENGTH when what is given does not match the
 * CRT's bits.
 */
MUST_CHECK enum status shared_info_put(struct writer *w, const struct crt *crt, struct span dr,
                                       struct span sin);

/* What the receipt is the AES-CMAC of: the whole A6 TLV, then DR in the form asked for. */
void receipt_input_put(struct writer *w, enum receipt_dr_form form, struct span crt_a6,
                       struct span dr);

#endif
