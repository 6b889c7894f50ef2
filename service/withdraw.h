/*
 * Items whose answer policy takes back after work on them began. The frontend thread.
 */
#ifndef SERVICE_WITHDRAW_H
#define SERVICE_WITHDRAW_H

#include "service/job.h"

/* Every item of the job that was withdrawn gets that status, and its results become zero. None of
 * the job's items may be queued or handed out. */
void withdraw_results(struct job *job);

#endif
