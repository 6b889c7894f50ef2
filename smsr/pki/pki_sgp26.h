/*
 * The CI and EUM of GSMA SGP.26 for P-256: certificates (DER) and private scalars, as hexadecimal.
 */
#ifndef SMSR_PKI_SGP26_H
#define SMSR_PKI_SGP26_H

extern const char sgp26_ci_cert[];
extern const char sgp26_eum_cert[];
extern const char sgp26_ci_key[];
extern const char sgp26_eum_key[];

#endif
