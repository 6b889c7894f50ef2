/*
 * Help for `eckactl keys` and `eckactl custody`.
 */
#ifndef SERVICE_CTL_KEYS_HELP_H
#define SERVICE_CTL_KEYS_HELP_H

/* Of one verb; NULL for verb: of all. NULL when there is no such verb. */
const char *keys_help(const char *verb);
const char *custody_help(const char *verb);

#endif
