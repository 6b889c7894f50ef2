/*
 * What a message may hold. A limit stands here or nowhere; docs/wire.md repeats them.
 */
#ifndef PROTO_WIRE_LIMITS_H
#define PROTO_WIRE_LIMITS_H

enum {
    WIRE_VERSION = 1,
    WIRE_FRAME_MAX =
        512 * 1024, /* bytes a frame, either way; libzmq cuts a longer one's sender off */
    WIRE_VERIFY_ITEMS_MAX = 2048, /* 2048 x (65 + 2 + 32 + 64) = 326 KiB */
    /* Other operations: 256 x (512 cert + 128 + 3 x 32 + 100) = 209 KiB with each EUM by its id;
     * the longest result, of Rewrap, 256 x (64 + 640 manifest + 64 + 1) = 192 KiB; of Scp03Open and
     * its next, 256 x (640 session + 261 + 1) = 226 KiB; of Scp80Unwrap 256 x (1088 + 10) = 275
     * KiB. */
    WIRE_ITEMS_MAX = 256,
    WIRE_CERT_MAX = 512,                /* bytes of one 7F21; of the data of a STORE DATA, too */
    WIRE_CRT_MAX = 128,                 /* bytes of an A6; proto/gp/crt.h derives it */
    WIRE_EUM_MAX = 2048,                /* bytes of one X.509 certificate */
    WIRE_ID_MAX = 32,                   /* bytes of HostID, SIN, SDIN */
    WIRE_TICKET_MAX = 640,              /* bytes of a ticket; hsm/sealed/blob.h derives it */
    WIRE_KEY_SET_MAX = WIRE_TICKET_MAX, /* of a key set; so that a ticket given for one is named */
    WIRE_PAYLOAD_MAX = 1024,            /* bytes of an SCP80 payload */
    WIRE_PACKET_MAX = 1088,             /* bytes of a secured packet: payload, headers, padding */
    WIRE_SESSION_MAX = WIRE_TICKET_MAX, /* of a sealed SCP03 session; as of a key set */
    WIRE_APDU_MAX = 5 + 255 + 1,        /* bytes of a command or response APDU, short form */
    WIRE_PUT_KEY_MAX = 70,              /* bytes of PUT KEY data; proto/gp/put_key.h derives it */
    WIRE_PRINCIPAL_MAX = 32,            /* bytes of a principal's name: [a-z0-9._-] */
    WIRE_LABEL_MAX = 32,                /* bytes of a token key's label: [a-z0-9._-] */
    WIRE_SHARED_INFO_MAX = 64,          /* bytes of SharedInfo in Agree */
    WIRE_AGREED_MAX = 64,               /* bytes of key data that Agree derives */
    WIRE_WRAPPED_MAX = 64,              /* bytes of a rewrapped key set: 48 and AES-KWP's 8 */
    WIRE_MANIFEST_MAX = 640,            /* bytes of a rewrapped key set's manifest */
    WIRE_DETAIL_MAX = 160,              /* bytes of a detail sentence, with its end */

    CUSTODY_VERSION = 1,
    CUSTODY_FRAME_MAX = 128 * 1024, /* one SEQPACKET message; Linux refuses from about 210 KB */
    CUSTODY_ITEMS_MAX =
        48, /* 48 x (640 key set + 1088 packet + 100) = 86 KiB, and no answer is longer */
    CUSTODY_BYTES = 4, /* SK.SR, eSK, Z, key data */
};

#endif
