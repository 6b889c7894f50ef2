/*
 * custodian.yaml. Relative paths in it are relative to the folder that holds it.
 */
#ifndef HSM_CONFIG_H
#define HSM_CONFIG_H

#include <stdint.h>
#include <sys/types.h>

#include "proto/status.h"

struct config {
    char *name;
    char *socket;    /* where eckad connects, SOCK_SEQPACKET */
    char *token;     /* RFC 7512 URI with module-path; a pin-value is refused */
    char *pin_file;  /* NULL: the systemd credential "pin" */
    char *sr_certs;  /* folder of CERT.SR.ECDSA files, *.der */
    char *lock_file; /* starts of custodians on one host are serialised by it */
    char *state_dir; /* what custodians write down; the socket's folder when left out */
    uid_t peer_uid;  /* who may connect */
    /* Seconds; 0 rotation: tickets' generations change by ceremony only. */
    uint32_t ticket_rotation_s, ticket_lifetime_s;
    void *raw; /* libcyaml's tree */
};

/* BAD_REQUEST after one sentence in the log. */
MUST_CHECK enum status config_load(struct config *out, const char *path);
void config_fini(struct config *c);

#endif
