/* Key files: what is written is read back, and what should not be used is refused by name. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <string.h>

#include "service/client/keyfile.h"

static char dir[] = "/tmp/ecka-keyfile-XXXXXX";
static char path[64], public_path[64], error[KEYFILE_ERROR_MAX];

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/key", dir);
    (void)snprintf(public_path, sizeof public_path, "%s/key.pub", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(dir);
}

static int remove_files(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(public_path);
    return 0;
}

static unsigned mode_of(const char *file)
{
    struct stat sb;
    assert_int_equal(stat(file, &sb), 0);
    return sb.st_mode & 07777;
}

static void write_file(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(file, 0600), 0);
}

static void round_trip(void **state)
{
    (void)state;
    struct curve_key_pair pair;
    char public_key[KEYFILE_Z85_SIZE];
    mode_t old = umask(077); /* the public file is for everybody all the same */
    assert_int_equal(keyfile_generate(path, error), STATUS_OK);
    (void)umask(old);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(mode_of(public_path), 0644);
    assert_int_equal(keyfile_read_pair(path, &pair, error), STATUS_OK);
    assert_true(keyfile_z85_valid(pair.public_key));
    assert_true(keyfile_z85_valid(pair.secret_key));
    assert_int_equal(keyfile_read_public(public_path, public_key, error), STATUS_OK);
    assert_string_equal(public_key, pair.public_key);
    assert_int_equal(keyfile_read_public(path, public_key, error), STATUS_OK);
    assert_string_equal(public_key, pair.public_key);
}

static void nothing_is_overwritten(void **state)
{
    (void)state;
    struct curve_key_pair before, after;
    assert_int_equal(keyfile_generate(path, error), STATUS_OK);
    assert_int_equal(keyfile_read_pair(path, &before, error), STATUS_OK);
    assert_int_equal(keyfile_generate(path, error), STATUS_BAD_REQUEST);
    assert_int_equal(unlink(public_path), 0);
    assert_int_equal(keyfile_generate(path, error), STATUS_BAD_REQUEST);
    assert_non_null(strstr(error, path));
    assert_int_equal(keyfile_read_pair(path, &after, error), STATUS_OK);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(access(public_path, F_OK), -1); /* no half of a pair is left behind */
}

static void a_secret_that_others_can_read_is_refused(void **state)
{
    (void)state;
    static const unsigned modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644};
    struct curve_key_pair pair;
    assert_int_equal(keyfile_generate(path, error), STATUS_OK);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        memset(&pair, 0xEE, sizeof pair);
        assert_int_equal(keyfile_read_pair(path, &pair, error), STATUS_BAD_REQUEST);
        assert_non_null(strstr(error, "chmod 600"));
        assert_int_equal(pair.secret_key[0], 0);
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(keyfile_read_pair(path, &pair, error), STATUS_OK);
}

static void a_public_file_is_no_pair(void **state)
{
    (void)state;
    struct curve_key_pair pair;
    assert_int_equal(keyfile_generate(path, error), STATUS_OK);
    assert_int_equal(chmod(public_path, 0600), 0);
    assert_int_equal(keyfile_read_pair(public_path, &pair, error), STATUS_BAD_REQUEST);
    assert_non_null(strstr(error, "no secret key"));
}

#define PUBLIC_LINE "public Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\n" /* CURVE's test pair in */
#define SECRET_LINE "secret D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs\n" /* zmq_curve(7) */
#define OTHER_LINE  "secret JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n"

static void malformed_files_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "eckad-curve-key 1\n",
        "eckad-curve-key 2\n" PUBLIC_LINE SECRET_LINE,
        PUBLIC_LINE SECRET_LINE,
        "eckad-curve-key 1\n" SECRET_LINE PUBLIC_LINE,
        "eckad-curve-key 1\n" PUBLIC_LINE SECRET_LINE "x",
        "eckad-curve-key 1\n" PUBLIC_LINE "secret D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%c\n",
        "eckad-curve-key 1\n" PUBLIC_LINE "secret D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%c~\n",
        "eckad-curve-key 1\n" PUBLIC_LINE "secret D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
        "eckad-curve-key 1\n" PUBLIC_LINE OTHER_LINE, /* of another pair */
    };
    struct curve_key_pair pair;
    write_file(path, "eckad-curve-key 1\n" PUBLIC_LINE SECRET_LINE); /* the control */
    assert_int_equal(keyfile_read_pair(path, &pair, error), STATUS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(path, bad[i]);
        memset(&pair, 0xEE, sizeof pair);
        assert_int_equal(keyfile_read_pair(path, &pair, error), STATUS_BAD_REQUEST);
        assert_non_null(strstr(error, path));
        assert_int_equal(pair.public_key[0] | pair.secret_key[0], 0);
    }
    assert_int_equal(keyfile_read_pair(dir, &pair, error), STATUS_BAD_REQUEST);
    assert_non_null(strstr(error, "not a regular file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(round_trip, remove_files),
        cmocka_unit_test_teardown(nothing_is_overwritten, remove_files),
        cmocka_unit_test_teardown(a_secret_that_others_can_read_is_refused, remove_files),
        cmocka_unit_test_teardown(a_public_file_is_no_pair, remove_files),
        cmocka_unit_test_teardown(malformed_files_are_refused, remove_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
