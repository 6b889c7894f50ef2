/*
 * Status words of the simulated eUICC (SGP.02 4.1.1.8, 4.1.1.9; GlobalPlatform 11.1.3).
 * U: which word goes with which failure is this code's reading; it stands here once.
 */
#ifndef SMSR_CARD_SW_H
#define SMSR_CARD_SW_H

enum card_sw {
    SW_OK = 0x9000,
    SW_VERIFY_FAILED = 0x6300,  /* certificate or signature does not verify */
    SW_WRONG_LENGTH = 0x6700,   /* Lc */
    SW_MEMORY_FAILURE = 0x6581, /* what the command changed could not be kept */
    SW_SECURITY = 0x6982,       /* no secure channel, or its checksum is wrong */
    SW_CONDITIONS = 0x6985,     /* no live RC or PK.SR; the securing key set is not listed */
    SW_WRONG_DATA = 0x6A80,     /* malformed DGI, CRT, curve or point; key version clash */
    SW_NO_MEMORY = 0x6A84,      /* no room for another key set */
    SW_NOT_FOUND = 0x6A88,      /* a key listed or an issuer named that is not there */
    SW_WRONG_P1P2 = 0x6A86,
    SW_WRONG_INS = 0x6D00,
    SW_WRONG_CLA = 0x6E00,
    SW_FAULT = 0x6F00, /* the simulator itself failed */
};

#endif
