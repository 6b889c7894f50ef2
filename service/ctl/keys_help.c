/*
 * What eckactl says of keys and custody: one text a command, so that `eckactl keys VERB --help` is
 * all that a ceremony needs beside this project's documents.
 */
#include "service/ctl/keys_help.h"

#include <string.h>

#define CUSTODIAN "--custodian FILE"

static const char overview[] =
    "eckactl keys: the keys of a token, by its custodian in ceremony mode\n"
    "\n"
    "  eckactl keys init " CUSTODIAN "            the first keys of a token\n"
    "  eckactl keys list " CUSTODIAN "            what the token holds, to file\n"
    "  eckactl keys rotate PURPOSE " CUSTODIAN "  the next generation\n"
    "  eckactl keys retire PURPOSE GENERATION " CUSTODIAN "\n"
    "                                                the end of a key\n"
    "  eckactl keys csr " CUSTODIAN "             a PKCS#10 request of an sr-establish key\n"
    "  eckactl keys install-cert CERT " CUSTODIAN "\n"
    "                                                its CERT.SR.ECDSA\n"
    "  eckactl keys import-kek " CUSTODIAN "      a transfer KEK, wrapped\n"
    "  eckactl keys grant " CUSTODIAN "           who may have key sets rewrapped\n"
    "  eckactl keys backup-check WHERE " CUSTODIAN "\n"
    "                                                whether a restored token is complete\n"
    "  eckactl keys second-operator " CUSTODIAN " whether one is set; --remove\n"
    "\n"
    "PURPOSE is sr-establish, generic-sign, ticket, keyset, kek or checkpoint. FILE is the\n"
    "custodian.yaml, which names the token and where its PIN is. Each command:\n"
    "\n"
    "  --dry-run               says what it would do and changes nothing\n"
    "  --transcript FILE       appends what it does, a line an event, and a SHA-256 of the file\n"
    "  --second-operator FILE  the second credential, where the token asks for one\n"
    "\n"
    "eckactl keys VERB --help says more. Running custodians learn of changes by SIGHUP.\n"
    "Exit status: 0 done, 1 failed or refused, 2 misused, 3 the PIN is wrong.\n";

static const struct {
    const char *verb, *text;
} texts[] = {
    {"init",
     "eckactl keys init " CUSTODIAN " [--sr-curve CURVE]... [--sign-key NAME]... [--missing-only]\n"
     "                  [--init-token --so-pin-file FILE] [--second-operator FILE]\n"
     "\n"
     "Makes an sr-establish key on P-256 and one on brainpoolP256r1 (or the curves named), the\n"
     "first ticket, keyset and checkpoint keys, and a generic-sign key on P-256 a NAME. Prints a\n"
     "line a key: key PURPOSE GENERATION CURVE LABEL POINT. Refuses a token that has keys, lists\n"
     "them and changes nothing; --missing-only makes what is missing. Refuses a token without\n"
     "login, user PIN or the mechanisms. A key that the token made weaker than asked for is\n"
     "destroyed again. --init-token initialises a blank token first. --second-operator sets the\n"
     "second credential where there is none, and is then needed for init, import-kek, retire and\n"
     "grant.\n"
     "Next: eckactl keys csr for each sr-establish key.\n"},
    {"list",
     "eckactl keys list " CUSTODIAN " [--json | --pem PURPOSE]\n"
     "\n"
     "The token, its serial and firmware, and each key: purpose, generation, label, curve,\n"
     "SHA-256 of its point, when it was created, its attributes as the token states them now;\n"
     "grants, whether a second operator is set, and the last checkpoint of each audit log. Keys\n"
     "that custodians refuse are named on stderr.\n"
     "--pem: the public halves of a purpose's keys and no more, all generations; those of\n"
     "checkpoint are what eckactl audit takes with --key.\n"},
    {"rotate",
     "eckactl keys rotate PURPOSE " CUSTODIAN " [--sr-curve CURVE] [--name NAME]\n"
     "\n"
     "Makes the next generation; older ones stay until they are retired. sr-establish takes the\n"
     "curve, generic-sign the name. Tickets rotate by themselves (ticket_rotation_s). A KEK\n"
     "rotates by importing another one under its name.\n"
     "Next: SIGHUP to the custodians; for sr-establish keys csr and keys install-cert first.\n"},
    {"retire",
     "eckactl keys retire PURPOSE GENERATION " CUSTODIAN " [--resealed] [--quiet SECONDS]\n"
     "\n"
     "Destroys a key in the token, for good. Refused as long as something may need it:\n"
     "  ticket        until its last ticket has expired\n"
     "  keyset        until --resealed says that Reseal moved every stored set forward, and no\n"
     "                custodian has opened a set of it for SECONDS (a week), by the counts in\n"
     "                state_dir\n"
     "  sr-establish  as long as a certificate of it stands in sr_certs\n"
     "  ticket, keyset, checkpoint  the newest generation always\n"},
    {"csr", "eckactl keys csr " CUSTODIAN " --generation N [--common-name NAME] >request.pem\n"
            "\n"
            "A PKCS#10 request of sr-establish N for the CI, signed in the token.\n"
            "Next: eckactl keys install-cert with what the CI answers.\n"},
    {"install-cert",
     "eckactl keys install-cert CERT " CUSTODIAN "\n"
     "\n"
     "Takes a CERT.SR.ECDSA (7F21) whose point is that of an sr-establish key into sr_certs, and\n"
     "prints its id, by which Establish names it. Several stand side by side.\n"
     "Next: SIGHUP to the custodians.\n"},
    {"import-kek",
     "eckactl keys import-kek " CUSTODIAN " --begin >transport.pem\n"
     "eckactl keys import-kek " CUSTODIAN " --name NAME --finish WRAPPED\n"
     "\n"
     "--begin makes an RSA-3072 transport key in the token and prints its public half. Wrap the\n"
     "other HSM's AES-256 KEK under it with RSA-OAEP and SHA-1. --finish unwraps it into a key\n"
     "that can wrap and nothing else, prints its fingerprint (SHA-256 of 32 zero bytes under\n"
     "AES-KW) to compare with the other HSM's, and destroys the transport key. A KEK in the clear\n"
     "is not taken in any way.\n"},
    {"grant",
     "eckactl keys grant " CUSTODIAN " --principal P --kek NAME --quota N | --revoke\n"
     "\n"
     "Lets a principal have N key sets rewrapped under a KEK, or none any more. Without a grant\n"
     "Rewrap is denied. A pair has one grant; to change its quota revoke it and grant anew, which\n"
     "counts from nothing. Custodians heed both at once, without a signal.\n"},
    {"backup-check",
     "eckactl keys backup-check WHERE " CUSTODIAN " [--pin-file FILE]\n"
     "\n"
     "WHERE is a copied folder of SoftHSM tokens, or the pkcs11: URI of a restored token. Checks\n"
     "that it holds the same keys, that its SR keys sign for their points, that it opens what the\n"
     "live token sealed now, and the other way round. Shows no secret. SoftHSM writes lock files\n"
     "into the folder: check a copy of the backup.\n"},
    {"second-operator",
     "eckactl keys second-operator " CUSTODIAN " [--remove --second-operator FILE]\n"
     "\n"
     "Says whether the token asks for a second credential; --remove ends that, with it.\n"},
};

const char *keys_help(const char *verb)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts && verb != NULL; i++) {
        if (strcmp(verb, texts[i].verb) == 0) {
            return texts[i].text;
        }
    }
    return verb == NULL ? overview : NULL;
}

static const char custody_report[] =
    "eckactl custody report " CUSTODIAN " [--json] >report\n"
    "\n"
    "Tries on every key of the token what must not be possible, and tells what the token said:\n"
    "reading it, setting and copying it weaker, wrapping it out, using it against its purpose,\n"
    "making readable keys with it, seeing it without the PIN. Names unknown keys, and records "
    "that\n"
    "everybody could write. A page to file, or JSON; both end in a signature of the checkpoint "
    "key\n"
    "that openssl verifies (docs/custody-report.md). Leaves nothing behind. A running custodian "
    "is\n"
    "not disturbed.\n"
    "\n"
    "  --dry-run          says how many keys it would try\n"
    "  --transcript FILE  appends a line an event\n"
    "\n"
    "Exit status: 0 everything passes, 1 something does not or the report could not be made, 2\n"
    "misused, 3 the PIN is wrong.\n";

const char *custody_help(const char *verb)
{
    return verb == NULL || strcmp(verb, "report") == 0 ? custody_report : NULL;
}
