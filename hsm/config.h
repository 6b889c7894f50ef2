/*
 * custodian.yaml. Relative paths in it are relative to the folder that holds it.
 */
#ifndef HSM_CONFIG_H
#define HSM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/status.h"

struct tar_grant { /* a principal may send SCP80 packets to this TAR, beside the ISD-R's */
    char *principal;
    uint32_t tar;
};

struct tar_grants {
    size_t n;
    const struct tar_grant *list;
};

enum sandbox {                 /* which system calls are left to a custodian that serves */
               SANDBOX_STRICT, /* what it does itself, on files; a module that is a library is
                                  served by it */
               SANDBOX_VENDOR, /* also what a module needs that reaches its HSM over a network or a
                                  device */
               SANDBOX_OFF,
};

struct audit_config {
    bool off;        /* uses of keys leave no trace, which nobody but a benchmark wants */
    char *directory; /* of one log; a custodian's own */
    char *origin;    /* the log's name in its checkpoints */
    uint64_t segment_bytes, reserve_bytes;
};

struct recycle { /* when a custodian makes room for a fresh one; 0: never */
    uint32_t operations, rss_mib;
};

#define PIN_FD_PREFIX "fd:" /* of a pin_file that is a descriptor's number */

struct config {
    char *name;
    char *socket;    /* where eckad connects, SOCK_SEQPACKET */
    char *token;     /* RFC 7512 URI with module-path; a pin-value is refused */
    char *pin_file;  /* or fd:N; NULL: the systemd credential "pin" */
    char *sr_certs;  /* folder of CERT.SR.ECDSA files, *.der */
    char *lock_file; /* starts of custodians on one host are serialised by it */
    char *state_dir; /* what custodians write down; the socket's folder when left out */
    uid_t peer_uid;  /* who may connect */
    /* Seconds; 0 rotation: tickets' generations change by ceremony only. */
    uint32_t ticket_rotation_s, ticket_lifetime_s;
    uint32_t call_timeout_ms; /* the token works on a batch no longer than this */
    struct recycle recycle;
    struct tar_grants tars;
    enum sandbox sandbox;
    struct audit_config audit;
    void *raw; /* libcyaml's tree */
};

/* BAD_REQUEST after one sentence in the log. */
MUST_CHECK enum status config_load(struct config *out, const char *path);
void config_fini(struct config *c);

#endif
