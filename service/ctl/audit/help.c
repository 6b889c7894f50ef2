/*
 * What eckactl says of audit logs: one text a command.
 */
#include <string.h>

#include "service/ctl/audit/options.h"

static const char overview[] =
    "eckactl audit: reads the audit logs of custodians; docs/audit.md is their format\n"
    "\n"
    "  eckactl audit verify --key PEM DIR...           whether a log is what was signed\n"
    "  eckactl audit show DIR...                       its leaves: who did what, when\n"
    "  eckactl audit prove --key PEM --leaf N DIR...   a proof for somebody without the log\n"
    "  eckactl audit follow --key PEM DIR              leaves as they come, verified\n"
    "  eckactl audit export --key PEM --from N --to M --out DIR DIR...\n"
    "                                                  some leaves, as an archive by itself\n"
    "\n"
    "DIR is the directory of a custodian's log, audit.directory of its custodian.yaml. A log that\n"
    "was rotated and archived is given with all directories that hold segments of it. PEM is the\n"
    "public half of the token's checkpoint key, of all its generations:\n"
    "\n"
    "  eckactl keys list --custodian FILE --pem checkpoint >checkpoint.pem\n"
    "\n"
    "Nothing here needs the token, and nothing changes a log. A log may be read while it is\n"
    "written. tools/audit_verify.py says the same by other code.\n"
    "\n"
    "  --origin ORIGIN  whose log it has to be; without it, that of its first segment\n"
    "  --unfinished     what a crash left after the last checkpoint is not looked at (all but\n"
    "                   follow)\n"
    "\n"
    "eckactl audit VERB --help says more.\n"
    "Exit status: 0 all holds, 1 a finding or failure, 2 misused.\n";

static const struct {
    const char *verb, *text;
} texts[] = {
    {"verify",
     "eckactl audit verify --key PEM... [--checkpoint FILE]... [--origin ORIGIN] [--whole]\n"
     "                     [--unfinished] DIR...\n"
     "eckactl audit verify --key PEM... [--origin ORIGIN] --proof FILE\n"
     "\n"
     "Finds every changed, missing, repeated or reordered leaf, checkpoint and segment, and names\n"
     "its file, line and index. That the end of a log is gone shows against a checkpoint from\n"
     "before: give those that you kept, or that the token and the process log keep, with\n"
     "--checkpoint, as notes or as lines of a log.\n"
     "\n"
     "  --whole       the log has to begin with leaf 0; otherwise it is said where it begins\n"
     "  --unfinished  as a crash left it, before the custodian started again\n"
     "  --proof FILE  what audit prove wrote, instead of a log\n"
     "\n"
     "At most one finding a segment is told; the rest of that segment cannot be.\n"},
    {"show",
     "eckactl audit show [--key PEM]... [FILTER]... [--json] DIR...\n"
     "\n"
     "A line a leaf: index, time, status, op, principal, EID, KVN in hexadecimal, key, count,\n"
     "SHA-256, detail; - where there is none. --json: a JSON object a line, which is the leaf as\n"
     "it stands in the log, with its index. The log is verified as it is read, signatures only\n"
     "with --key; look at the exit status.\n"
     "\n"
     "  --eid EID  --principal NAME  --label KEY  --op OP  --status STATUS\n"
     "  --since TIME  --until TIME  a time or its beginning, in UTC; until is not included\n"
     "  --from INDEX  --to INDEX    both included\n"
     "\n"
     "For example: eckactl audit show --eid 89049032000000000000000000000012 --since 2026-11 "
     "DIR\n"},
    {"prove",
     "eckactl audit prove --key PEM... --leaf INDEX [--checkpoint FILE] [--out FILE] DIR...\n"
     "eckactl audit prove --key PEM... --older FILE [--checkpoint FILE] [--out FILE] DIR...\n"
     "\n"
     "--leaf: that a leaf is in the log, as a C2SP tlog-proof with the leaf in it. --older: that\n"
     "the log under that checkpoint is the beginning of this one. Both are up to the checkpoint\n"
     "given, or the log's last. The log is verified first. The proof goes to stdout or to a new\n"
     "file, and eckactl audit verify --proof and tools/audit_verify.py --proof verify it without\n"
     "the log.\n"},
    {"follow",
     "eckactl audit follow --key PEM... [FILTER]... [--json] DIR\n"
     "\n"
     "Verifies the log, then shows each leaf once its checkpoint holds; filters are those of "
     "show.\n"
     "Goes on over rotation. Ends with status 1 at a finding, with 0 at SIGINT or SIGTERM.\n"},
    {"export",
     "eckactl audit export --key PEM... --from INDEX --to INDEX --out NEWDIR DIR...\n"
     "\n"
     "Makes NEWDIR with one segment: those leaves, the rest of their batches, and the\n"
     "checkpoints, which prove them. It verifies by itself, as any log does. The log is verified\n"
     "first.\n"},
};

const char *audit_help(const char *verb)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts && verb != NULL; i++) {
        if (strcmp(verb, texts[i].verb) == 0) {
            return texts[i].text;
        }
    }
    return verb == NULL ? overview : NULL;
}
