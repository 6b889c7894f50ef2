/*
 * eckactl: the operator's tool. Finds the command and leaves the rest to it.
 */
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "service/ctl/ctl.h"

static const char help[] =
    "eckactl: the operator's tool of eckad\n"
    "\n"
    "  eckactl keygen FILE\n"
    "      Makes a CURVE key pair: FILE (mode 0600, for the program that owns it) and FILE.pub\n"
    "      (for everybody else: eckad's configuration, a client's server key).\n"
    "\n"
    "  eckactl keys VERB --custodian FILE [ARGUMENT...]\n"
    "      The keys of a custodian's token: init, list, rotate, retire, csr, install-cert,\n"
    "      import-kek, grant, backup-check, second-operator. FILE is its custodian.yaml.\n"
    "      eckactl keys --help and eckactl keys VERB --help say more.\n"
    "\n"
    "  eckactl custody report --custodian FILE [--json]\n"
    "      Tries on the token's keys what must not be possible, and tells what the token said; a\n"
    "      signed page to file. eckactl custody --help says more.\n"
    "\n"
    "  eckactl audit VERB ...\n"
    "      The audit logs of custodians, as files: verify, show, prove, follow, export.\n"
    "      eckactl audit --help and eckactl audit VERB --help say more.\n"
    "\n"
    "  eckactl up --eckad FILE --custodian FILE [--custodian FILE]...\n"
    "      Runs eckad and its custodians until SIGTERM or SIGINT: starts them, restarts one that\n"
    "      ends, drains eckad before it stops the custodians, leaves no process behind.\n"
    "      Prints 'eckactl: up' when all are ready. A second signal stops without draining.\n"
    "      A SIGHUP sent to it goes to all of them, which then read policy and keys again.\n"
    "\n"
    "  eckactl policy check --config FILE\n"
    "      Reads the policy that FILE, an eckad.yaml, names, with its certificates, and prints "
    "what\n"
    "      it says; or what is wrong with it.\n"
    "\n"
    "  eckactl policy explain PRINCIPAL OP [KEY] --config FILE\n"
    "      Whether the policy grants PRINCIPAL the operation, and by which rule. KEY: the key "
    "label\n"
    "      that Sign and Rewrap name; memory or token with Establish and Agree. Status 1: denied.\n"
    "\n"
    "  eckactl reload --config FILE\n"
    "      Checks the policy, then has the running eckad of FILE, which must name a pid_file, put "
    "it\n"
    "      in force. No connection is lost.\n"
    "\n"
    "  eckactl status --endpoint ENDPOINT --server-key FILE.pub --key-file FILE\n"
    "                 [--endpoint ENDPOINT [--server-key FILE.pub]]...\n"
    "      Asks each running eckad what it is and how its custodians are. One server key counts "
    "for\n"
    "      all endpoints.\n"
    "\n"
    "Exit status: 0 done, 1 failed or refused, 2 misused, 3 the PIN is wrong (keys, custody).\n";

void ctl_find_program(const char *name, char *path, size_t size)
{
    static const char *const places[] = {"", "../", "../../hsm/"}; /* of a build folder */
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        const char *dir = dirname(self);
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            int len = snprintf(path, size, "%s/%s%s", dir, places[i], name);
            if (len > 0 && (size_t)len < size && access(path, X_OK) == 0) {
                return;
            }
        }
    }
    (void)snprintf(path, size, "%s", name);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"keygen", ctl_keygen}, {"keys", ctl_keys},     {"custody", ctl_custody},
                    {"audit", ctl_audit},   {"policy", ctl_policy}, {"reload", ctl_reload},
                    {"status", ctl_status}, {"up", ctl_up}};

    if (argc < 2) {
        (void)fputs(help, stderr);
        return CTL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        return fputs(help, stdout) < 0 ? CTL_FAILED : CTL_OK;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            bool general = commands[i].run != ctl_keys && commands[i].run != ctl_audit;
            /* The others explain each of their verbs. */
            if (general && argc > 2 && strcmp(argv[argc - 1], "--help") == 0) {
                return fputs(help, stdout) < 0 ? CTL_FAILED : CTL_OK;
            }
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    return ctl_misused("%s is no command", argv[1]);
}
