#include "hsm/watchdog.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { US_PER_S = 1000000, US_PER_MS = 1000, SENTENCE_MAX = 256 };

static uint32_t limit_ms; /* 0: there is no watchdog */
static char sentence[SENTENCE_MAX];
static size_t sentence_len;

static void bite(int signal_number)
{
    (void)signal_number;
    (void)!write(STDERR_FILENO, sentence, sentence_len);
    _exit(WATCHDOG_EXIT);
}

enum status watchdog_init(const char *name, uint32_t ms)
{
    struct sigaction action = {.sa_handler = bite};
    sigset_t set;

    int n = snprintf(sentence, sizeof sentence,
                     "eckad-custodian %s: a call to the token hangs (call_timeout_ms: %u); ended, "
                     "to be started again\n",
                     name, (unsigned)ms);
    sentence_len = n < 0 ? 0 : strlen(sentence);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGALRM);
    if (sigaction(SIGALRM, &action, NULL) != 0 || sigprocmask(SIG_UNBLOCK, &set, NULL) != 0) {
        return STATUS_INTERNAL;
    }
    limit_ms = ms;
    return STATUS_OK;
}

/* What was left of the timer before. */
static uint64_t set_timer(uint64_t us)
{
    const struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)(us / US_PER_S), .tv_usec = (suseconds_t)(us % US_PER_S)}};
    struct itimerval before = {0};
    (void)setitimer(ITIMER_REAL, &timer, &before); /* which no change of the clock moves */
    return (uint64_t)before.it_value.tv_sec * US_PER_S + (uint64_t)before.it_value.tv_usec;
}

void watchdog_begin(uint32_t times)
{
    (void)set_timer((uint64_t)limit_ms * US_PER_MS * times);
}

void watchdog_end(void)
{
    (void)set_timer(0);
}

uint64_t watchdog_pause(void)
{
    return set_timer(0);
}

void watchdog_resume(uint64_t left_us)
{
    (void)set_timer(left_us);
}
