/*
 * The log: one line an event, nothing forged, nothing endless.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "service/observe/log.h"

static char captured[65536];

/* What `events` writes to stderr, as one string. */
static const char *capture(void (*events)(void))
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    events();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(saved), 0);
    rewind(file);
    captured[fread(captured, 1, sizeof(captured) - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    return captured;
}

static void forging(void)
{
    LOG(CONNECTION_REFUSED, "name %s", "a\neckad: ready\x1b[2J\x7f\xff");
}

static void a_line_cannot_be_forged(void **state)
{
    (void)state;
    assert_string_equal(capture(forging),
                        "eckad: warning: name a\\x0aeckad: ready\\x1b[2J\\x7f\\xff\n");
}

static void endless(void)
{
    for (int i = 0; i < 1000; i++) {
        LOG(READY, "event %d", i);
    }
}

static void a_place_is_limited(void **state)
{
    (void)state;
    unsigned lines = 0;
    for (const char *p = capture(endless); *p != '\0'; p++) {
        lines += *p == '\n' ? 1 : 0;
    }
    assert_in_range(lines, LOG_BURST, 2 * LOG_BURST); /* the loop may span two periods */
}

static void overlong(void)
{
    char text[4 * LOG_LINE_MAX];
    memset(text, '\n', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    LOG(READY, "%s", text);
}

static void a_line_is_cut(void **state)
{
    (void)state;
    const char *line = capture(overlong);
    assert_in_range(strlen(line), LOG_LINE_MAX - 8, LOG_LINE_MAX + 32);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_cannot_be_forged),
        cmocka_unit_test(a_place_is_limited),
        cmocka_unit_test(a_line_is_cut),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
