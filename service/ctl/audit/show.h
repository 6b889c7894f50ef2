/*
 * Leaves for people and programs.
 */
#ifndef SERVICE_CTL_AUDIT_SHOW_H
#define SERVICE_CTL_AUDIT_SHOW_H

#include <stdio.h>

#include "service/ctl/audit/options.h"

/* Prints the leaf on stdout, as asked for, if the filter lets it through. */
void show_leaf(const struct audit_asked *asked, uint64_t index, struct span line,
               const struct audit_leaf *leaf);

#endif
