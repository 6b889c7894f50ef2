#include "bench/host.h"

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zmq.h>

enum { LINE_MAX_LEN = 8192, VALUE_MAX = 128 };

/* The beginnings of flags that say something about how fast the arithmetic can be. */
static const char *const telling[] = {"ssse3", "sse4", "aes",  "pclmul", "avx",   "bmi",  "adx",
                                      "sha",   "vaes", "vpcl", "gfni",   "asimd", "pmull"};

static bool tells(const char *flag)
{
    for (size_t i = 0; i < sizeof telling / sizeof telling[0]; i++) {
        if (strncmp(flag, telling[i], strlen(telling[i])) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *flags_of(char *words)
{
    json_t *flags = json_array();
    char *rest = words, *word;
    while ((word = strsep(&rest, " \t\n")) != NULL) {
        if (tells(word)) {
            (void)json_array_append_new(flags, json_string(word));
        }
    }
    return flags;
}

/* The value of a "name : value" line of /proc/cpuinfo, of the first processor. */
static bool cpuinfo(const char *name, char *out, size_t size)
{
    static char line[LINE_MAX_LEN];
    bool found = false;
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) == 0 && colon != NULL && colon[1] != '\0') {
            (void)snprintf(out, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            found = true;
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return found;
}

/* PRETTY_NAME of os-release(5), without its quotes. */
static void os_name(char *out, size_t size)
{
    char line[256];
    static const char key[] = "PRETTY_NAME=\"";
    FILE *f = fopen("/etc/os-release", "re");
    (void)snprintf(out, size, "unknown");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, key, sizeof key - 1) == 0) {
            const char *name = line + sizeof key - 1;
            (void)snprintf(out, size, "%.*s", (int)strcspn(name, "\"\n"), name);
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
}

static json_t *versions(void)
{
    char zmq[32];
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    (void)snprintf(zmq, sizeof zmq, "%d.%d.%d", major, minor, patch);
    return json_pack("{s:s, s:s, s:s}", "eckad", ECKAD_VERSION, "openssl",
                     OpenSSL_version(OPENSSL_VERSION), "libzmq", zmq);
}

json_t *host_facts(void)
{
    static char words[LINE_MAX_LEN];
    char cpu[VALUE_MAX] = "unknown", os[VALUE_MAX];
    struct utsname name;
    (void)cpuinfo("model name", cpu, sizeof cpu);
    words[0] = '\0';
    if (!cpuinfo("flags", words, sizeof words)) {
        (void)cpuinfo("Features", words, sizeof words); /* as Arm calls them */
    }
    os_name(os, sizeof os);
    const bool known = uname(&name) == 0;
    return json_pack("{s:s, s:I, s:o, s:s, s:s, s:s, s:o}", "cpu", cpu, "cores",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "flags", flags_of(words), "machine",
                     known ? name.machine : "unknown", "kernel", known ? name.release : "unknown",
                     "os", os, "versions", versions());
}

double host_load(void)
{
    double load = 0;
    (void)getloadavg(&load, 1);
    return load;
}
