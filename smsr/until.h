/*
 * Serving until somebody says that it is enough: SIGTERM and SIGINT set a flag, and end a wait.
 */
#ifndef SMSR_UNTIL_H
#define SMSR_UNTIL_H

#include <stdbool.h>

void until_told(void);
bool told_to_end(void);

#endif
