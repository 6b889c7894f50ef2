/*
 * One line an event on stderr: "eckad-custodian NAME: ...". Nothing secret ever passes here: no
 * PIN, no key, no plaintext.
 */
#ifndef HSM_LOG_H
#define HSM_LOG_H

/* The name that stands in each line from now on; borrowed. */
void log_name(const char *name);

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
