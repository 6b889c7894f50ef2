/*
 * smsr-change: the SM-SR Change procedure, its four parties and its test PKI.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "smsr/pki.h"

static const char usage[] =
    "usage: smsr-change pki --out DIR --sr CURVE:HEXPOINT [--sr CURVE:HEXPOINT]...\n";

static int usage_error(const char *why, const char *what)
{
    fprintf(stderr, "smsr-change: %s%s\n%s", why, what, usage);
    return 2;
}

static int main_pki(int argc, char **argv)
{
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'}, {"sr", required_argument, NULL, 's'}, {0}};
    struct pki_sr_key keys[PKI_SR_MAX];
    size_t count = 0;
    const char *dir = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'o') {
            dir = optarg;
        } else if (c != 's') {
            return usage_error("unknown option", "");
        } else if (count == PKI_SR_MAX || pki_sr_key_parse(optarg, &keys[count++]) != STATUS_OK) {
            return usage_error("--sr takes CURVE:HEXPOINT, not ", optarg);
        }
    }
    if (dir == NULL || count == 0 || optind != argc) {
        return usage_error("pki needs --out and at least one --sr", "");
    }
    enum status s = pki_write(dir, keys, count);
    if (s != STATUS_OK) {
        fprintf(stderr, "smsr-change: the PKI was not made\n");
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "pki") == 0) {
        return main_pki(argc - 1, argv + 1);
    }
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
        return fputs(usage, stdout) < 0;
    }
    return usage_error("which command?", "");
}
