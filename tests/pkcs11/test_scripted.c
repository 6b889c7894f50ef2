/*
 * The scripted module itself, over a SoftHSM token of this test's own: what each line of a script
 * does, and that a module without a script is SoftHSM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <glob.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_LEN = 256, HEADER = 5, CALLS = 67 };

static const char pin[] = "1234", so_pin[] = "87654321";
static char folder[] = "/tmp/scripted-XXXXXX";
static char script_path[PATH_LEN], counts_path[PATH_LEN];
static CK_FUNCTION_LIST_PTR p11;
static CK_SLOT_ID slot;
static CK_SESSION_HANDLE session;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static const char *in_folder(char out[static PATH_LEN], const char *name)
{
    (void)snprintf(out, PATH_LEN, "%s/%s", folder, name);
    return out;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A script replaces the last one whole, and no two are the same. */
static void play(const char *text)
{
    static unsigned number;
    char path[PATH_LEN], numbered[4096];
    (void)snprintf(numbered, sizeof numbered, "# %u\n%s\n", number++, text);
    write_file(in_folder(path, "script.new"), numbered);
    assert_int_equal(rename(path, script_path), 0);
}

static void begin_session(void)
{
    assert_int_equal(
        p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
        CKR_OK);
    assert_int_equal(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)pin, 4), CKR_OK);
}

static CK_RV random_byte(void)
{
    uint8_t byte;
    return p11->C_GenerateRandom(session, &byte, 1);
}

static CK_RV make_key(bool sensitive, bool extractable, CK_OBJECT_HANDLE *out)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG len = 16;
    CK_BYTE id[] = {0xAB, 0xCD};
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &no, sizeof no},
        {CKA_SENSITIVE, sensitive ? &yes : &no, sizeof yes},
        {CKA_EXTRACTABLE, extractable ? &yes : &no, sizeof yes},
        {CKA_SIGN, &yes, sizeof yes},
        {CKA_VALUE_LEN, &len, sizeof len},
        {CKA_ID, id, sizeof id},
    };
    return p11->C_GenerateKey(session, &mechanism, template, 6, out);
}

static bool says(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type)
{
    CK_BBOOL value = 2;
    CK_ATTRIBUTE a = {type, &value, sizeof value};
    assert_int_equal(p11->C_GetAttributeValue(session, key, &a, 1), CKR_OK);
    return value == CK_TRUE;
}

static CK_RV read_value(CK_OBJECT_HANDLE key)
{
    uint8_t value[32];
    CK_ATTRIBUTE a = {CKA_VALUE, value, sizeof value};
    return p11->C_GetAttributeValue(session, key, &a, 1);
}

/* -- tests -- */

static void without_a_script_it_is_softhsm(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE key;
    play("");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(random_byte(), CKR_OK);
    }
    assert_int_equal(make_key(true, false, &key), CKR_OK);
    assert_int_equal(read_value(key), CKR_ATTRIBUTE_SENSITIVE);
    assert_int_equal(p11->C_DestroyObject(session, key), CKR_OK);
}

static void a_call_fails_at_its_turn(void **state)
{
    (void)state;
    play("on C_GenerateRandom nth 3 rv CKR_DEVICE_ERROR");
    const CK_RV nth[] = {CKR_OK, CKR_OK, CKR_DEVICE_ERROR, CKR_OK};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(random_byte(), nth[i]);
    }
    play("on C_GenerateRandom,C_SeedRandom from 2 to 3 rv CKR_FUNCTION_FAILED");
    const CK_RV from[] = {CKR_OK, CKR_FUNCTION_FAILED, CKR_FUNCTION_FAILED, CKR_OK};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(random_byte(), from[i]);
    }
    play("on * every 2 rv 0x80000001");
    const CK_RV every[] = {CKR_OK, 0x80000001, CKR_OK, 0x80000001};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(random_byte(), every[i]);
    }
}

/* The caller hears of a failure of what was done. */
static void after_means_that_it_was_done(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE key;
    play("");
    assert_int_equal(make_key(true, false, &key), CKR_OK);
    play("on C_DestroyObject rv CKR_DEVICE_ERROR");
    assert_int_equal(p11->C_DestroyObject(session, key), CKR_DEVICE_ERROR);
    assert_true(says(key, CKA_SENSITIVE));
    play("on C_DestroyObject after rv CKR_DEVICE_ERROR");
    assert_int_equal(p11->C_DestroyObject(session, key), CKR_DEVICE_ERROR);
    play("");
    assert_int_equal(p11->C_DestroyObject(session, key), CKR_OBJECT_HANDLE_INVALID);
}

static void *in_a_thread(void *arg)
{
    *(CK_RV *)arg = random_byte();
    return NULL;
}

static void a_thread_is_told_from_another(void **state)
{
    (void)state;
    pthread_t thread;
    CK_RV rv = CKR_OK;
    play("on C_GenerateRandom thread 1 rv CKR_DEVICE_ERROR");
    assert_int_equal(random_byte(), CKR_DEVICE_ERROR); /* this one called first */
    assert_int_equal(pthread_create(&thread, NULL, in_a_thread, &rv), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rv, CKR_OK);
}

static void a_hanging_call_goes_on_with_the_next_script(void **state)
{
    (void)state;
    pthread_t thread;
    CK_RV rv = 77;
    play("on C_GenerateRandom hang");
    assert_int_equal(pthread_create(&thread, NULL, in_a_thread, &rv), 0);
    const struct timespec while_it_hangs = {0, 50 * 1000000};
    assert_int_equal(nanosleep(&while_it_hangs, NULL), 0);
    assert_int_equal(rv, 77);
    play("");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rv, CKR_OK);
    play("on C_GenerateRandom hang for 1\non C_GenerateRandom delay 1");
    assert_int_equal(random_byte(), CKR_OK);
}

static void a_token_vanishes_and_comes_back_without_its_sessions(void **state)
{
    (void)state;
    CK_SLOT_ID slots[8];
    CK_ULONG n = 8;
    CK_SLOT_INFO info;
    CK_TOKEN_INFO token;
    play("on C_GenerateRandom nth 2 vanish CKR_DEVICE_REMOVED");
    assert_int_equal(random_byte(), CKR_OK);
    assert_int_equal(random_byte(), CKR_DEVICE_REMOVED);
    assert_int_equal(random_byte(), CKR_DEVICE_REMOVED);
    assert_int_equal(p11->C_GetTokenInfo(slot, &token), CKR_DEVICE_REMOVED);
    assert_int_equal(p11->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(p11->C_GetSlotInfo(slot, &info), CKR_OK);
    assert_int_equal(info.flags & CKF_TOKEN_PRESENT, 0);
    play("");
    assert_int_equal(random_byte(), CKR_SESSION_HANDLE_INVALID);
    n = 8;
    assert_int_equal(p11->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    assert_int_not_equal(n, 0);
    begin_session();
    play("on C_GenerateRandom vanish for 1");
    assert_int_equal(random_byte(), CKR_DEVICE_REMOVED);
    const struct timespec until_it_is_back = {0, 20 * 1000000};
    assert_int_equal(nanosleep(&until_it_is_back, NULL), 0);
    begin_session();
    play("on C_GenerateRandom nth 1 reset");
    assert_int_equal(random_byte(), CKR_SESSION_HANDLE_INVALID);
    begin_session();
    assert_int_equal(random_byte(), CKR_OK);
}

static void an_answer_has_a_bit_flipped(void **state)
{
    (void)state;
    CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};
    uint8_t digest[2][32];
    for (size_t i = 0; i < 2; i++) {
        CK_ULONG len = 32;
        play(i == 0 ? "" : "on C_Digest flip");
        assert_int_equal(p11->C_DigestInit(session, &sha256), CKR_OK);
        assert_int_equal(p11->C_Digest(session, (CK_BYTE_PTR) "x", 1, digest[i], &len), CKR_OK);
    }
    assert_memory_equal(digest[0], digest[1], 31);
    assert_int_equal(digest[0][31] ^ 1, digest[1][31]);
}

static void a_key_is_not_what_is_said_of_it(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE key;
    play("say CKA_SENSITIVE true of abcd\nsay CKA_EXTRACTABLE false of abcd\n"
         "say CKA_LOCAL false of abce");
    assert_int_equal(make_key(false, true, &key), CKR_OK);
    assert_true(says(key, CKA_SENSITIVE));
    assert_false(says(key, CKA_EXTRACTABLE));
    assert_true(says(key, CKA_LOCAL));
    assert_int_equal(read_value(key), CKR_OK);
    play("");
    assert_false(says(key, CKA_SENSITIVE));
    assert_true(says(key, CKA_EXTRACTABLE));
    assert_int_equal(p11->C_DestroyObject(session, key), CKR_OK);
}

static void a_key_comes_out_weaker_than_asked_for(void **state)
{
    (void)state;
    CK_OBJECT_HANDLE key;
    play("make CKA_SENSITIVE false\nmake CKA_EXTRACTABLE true");
    assert_int_equal(make_key(true, false, &key), CKR_OK);
    assert_false(says(key, CKA_SENSITIVE));
    assert_int_equal(read_value(key), CKR_OK);
    assert_int_equal(p11->C_DestroyObject(session, key), CKR_OK);
    play("unknown CKA_EXTRACTABLE");
    assert_int_equal(make_key(true, false, &key), CKR_ATTRIBUTE_TYPE_INVALID);
}

/* -- what reaches beyond a process -- */

static uint64_t counted(size_t index)
{
    uint64_t n = 0;
    FILE *file = fopen(counts_path, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(index * sizeof n), SEEK_SET), 0);
    assert_int_equal(fread(&n, sizeof n, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    return n;
}

/* A child that does n calls; how it ended. */
static int in_a_child(int n)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(99);
        }
        for (int i = 0; i < n; i++) {
            (void)random_byte();
        }
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_crash_at_the_third_call_comes_once(void **state)
{
    (void)state;
    const size_t random_index = HEADER + CALLS - 3;
    play("on C_GenerateRandom nth 3 crash");
    assert_int_equal(random_byte(), CKR_OK);
    uint64_t before = counted(random_index);
    assert_int_equal(in_a_child(5), SIGABRT);
    assert_int_equal(in_a_child(5), 0);
    assert_int_equal(counted(random_index), before + 2 + 5);
    assert_int_equal(counted(HEADER + CALLS), 1 + 2 + 5); /* the first rule's hits */
    assert_int_equal(random_byte(), CKR_OK);
    play("");
    assert_int_equal(random_byte(), CKR_OK);
    assert_int_equal(counted(HEADER + CALLS), 0);
}

static void what_is_no_script_ends_the_program(void **state)
{
    (void)state;
    const char *const wrong[] = {"of C_Sign rv CKR_OK",
                                 "on C_Sing rv CKR_OK",
                                 "on C_Sign rv CKR_NO",
                                 "on C_Sign nth 0 crash",
                                 "on C_Sign",
                                 "on C_Sign crash now",
                                 "on C_Sign delay",
                                 "say CKA_VALUE true",
                                 "say CKA_SIGN maybe",
                                 "make CKA_SIGN",
                                 "say CKA_SIGN true of xyz",
                                 "on C_Sign after flip"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        play(wrong[i]);
        assert_int_equal(in_a_child(1), SIGABRT);
    }
    play("  # a comment\n\n on C_Sign thread 2 from 3 after hang for 5 # and another");
    assert_int_equal(in_a_child(1), 0);
}

/* -- a token -- */

static int setup(void **state)
{
    (void)state;
    char path[PATH_LEN], conf[2 * PATH_LEN];
    CK_UTF8CHAR label[32];
    CK_SLOT_ID slots[8];
    CK_ULONG n = 8;
    CK_C_GetFunctionList get;
    glob_t found;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(conf, sizeof conf, "directories.tokendir = %s\nlog.level = ERROR\n", folder);
    write_file(in_folder(path, "softhsm2.conf"), conf);
    setenv("SOFTHSM2_CONF", path, 1);
    assert_int_equal(glob("/usr/lib{,/*}/softhsm/libsofthsm2.so", GLOB_BRACE, NULL, &found), 0);
    setenv("ECKA_P11_MODULE", found.gl_pathv[0], 1);
    globfree(&found);
    setenv("ECKA_P11_SCRIPT", in_folder(script_path, "script"), 1);
    setenv("ECKA_P11_COUNTS", in_folder(counts_path, "counts"), 1);

    void *module = dlopen(getenv("ECKA_SCRIPTED"), RTLD_NOW | RTLD_LOCAL);
    assert_non_null(module);
    *(void **)&get = dlsym(module, "C_GetFunctionList");
    assert_int_equal(get(&p11), CKR_OK);
    assert_int_equal(p11->C_Initialize(NULL), CKR_OK);
    assert_int_equal(p11->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    memset(label, ' ', sizeof label);
    assert_int_equal(p11->C_InitToken(slots[0], (CK_UTF8CHAR_PTR)so_pin, 8, label), CKR_OK);
    n = 8;
    assert_int_equal(p11->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    slot = slots[0];
    assert_int_equal(
        p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
        CKR_OK);
    assert_int_equal(p11->C_Login(session, CKU_SO, (CK_UTF8CHAR_PTR)so_pin, 8), CKR_OK);
    assert_int_equal(p11->C_InitPIN(session, (CK_UTF8CHAR_PTR)pin, 4), CKR_OK);
    assert_int_equal(p11->C_Logout(session), CKR_OK);
    assert_int_equal(p11->C_CloseSession(session), CKR_OK);
    begin_session();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[PATH_LEN];
    play("");
    (void)p11->C_Finalize(NULL);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_script_it_is_softhsm),
        cmocka_unit_test(a_call_fails_at_its_turn),
        cmocka_unit_test(after_means_that_it_was_done),
        cmocka_unit_test(a_thread_is_told_from_another),
        cmocka_unit_test(a_hanging_call_goes_on_with_the_next_script),
        cmocka_unit_test(a_token_vanishes_and_comes_back_without_its_sessions),
        cmocka_unit_test(an_answer_has_a_bit_flipped),
        cmocka_unit_test(a_key_is_not_what_is_said_of_it),
        cmocka_unit_test(a_key_comes_out_weaker_than_asked_for),
        cmocka_unit_test(a_crash_at_the_third_call_comes_once),
        cmocka_unit_test(what_is_no_script_ends_the_program),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
