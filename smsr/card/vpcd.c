#include "smsr/card/vpcd.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "smsr/clock.h"

enum {
    CONNECT_ATTEMPTS = 150, /* 30 seconds, for a reader that starts after its card */
    CONNECT_PAUSE_MS = 200,
    ANSWER_MS = 10000, /* a card that takes longer than this is gone */
    ATR_MAX = 33,
    NS_PER_MS = 1000000,
    US_PER_MS = 1000,
};

/* T=0 and T=1, no historical bytes (ISO/IEC 7816-3). */
static const uint8_t ATR[] = {0x3B, 0x80, 0x80, 0x01, 0x01};

static bool complain(const char *what, const char *why)
{
    fprintf(stderr, "smsr-change: %s: %s\n", what, why);
    return false;
}

bool vpcd_address_parse(const char *text, struct vpcd_address *out)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return false;
    }
    size_t host = (size_t)(colon - text);
    if (host >= 2 && text[0] == '[' && text[host - 1] == ']') {
        text++;
        host -= 2;
    }
    size_t port = strlen(colon + 1);
    if (host == 0 || host >= sizeof(out->host) || port == 0 || port >= sizeof(out->port) ||
        strspn(colon + 1, "0123456789") != port) {
        return false;
    }
    memset(out, 0, sizeof(*out));
    memcpy(out->host, text, host);
    memcpy(out->port, colon + 1, port);
    return true;
}

static struct addrinfo *resolve(const struct vpcd_address *address)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(address->host, address->port, &hints, &found);
    if (error != 0) {
        (void)complain(address->host, gai_strerror(error));
        return NULL;
    }
    return found;
}

/* -- frames; send() and recv() may take and give less than asked -- */

/* Whether all of it went out. */
static bool send_frame(int fd, struct span content)
{
    uint8_t frame[VPCD_LENGTH_LEN + APDU_MAX];
    struct writer w = writer_of(frame, sizeof(frame));
    put_be(&w, content.len, VPCD_LENGTH_LEN);
    put_span(&w, content);
    size_t done = 0;
    while (!w.overflow && done < w.len) {
        ssize_t n = send(fd, frame + done, w.len - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
    }
    return done != 0;
}

/* Whether len bytes came in time; timeout_ms -1: whenever. */
static bool receive(int fd, uint8_t *out, size_t len, int timeout_ms)
{
    uint64_t give_up_us = clock_us() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * US_PER_MS;
    while (len != 0) {
        uint64_t now = clock_us();
        int left_ms = timeout_ms < 0     ? -1
                      : now < give_up_us ? (int)((give_up_us - now) / US_PER_MS) + 1
                                         : 0;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, left_ms);
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        ssize_t n = ready > 0 ? recv(fd, out, len, 0) : 0;
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        out += n;
        len -= (size_t)n;
    }
    return true;
}

/* A frame of at most VPCD_MAX bytes. */
static bool receive_frame(int fd, uint8_t out[static VPCD_MAX], size_t *len, int timeout_ms)
{
    uint8_t head[VPCD_LENGTH_LEN];
    *len = 0;
    if (!receive(fd, head, sizeof(head), timeout_ms)) {
        return false;
    }
    *len = (size_t)load_be(head, sizeof(head));
    return receive(fd, out, *len, ANSWER_MS);
}

static void no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* slower without, no worse */
}

/* -- the card -- */

static int connect_once(const struct addrinfo *found)
{
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
            return fd;
        }
        if (fd >= 0) {
            (void)close(fd);
        }
    }
    return -1;
}

static int connect_patiently(const struct addrinfo *found)
{
    const struct timespec pause = {0, (long)CONNECT_PAUSE_MS * NS_PER_MS};
    for (unsigned i = 0; i < CONNECT_ATTEMPTS; i++) {
        int fd = connect_once(found);
        if (fd >= 0) {
            no_delay(fd);
            return fd;
        }
        (void)nanosleep(&pause, NULL);
    }
    return -1;
}

/* False when the wire broke. */
static bool take_control(int fd, struct euicc *card, uint8_t control)
{
    switch (control) {
    case VPCD_ATR:
        return send_frame(fd, span_of(ATR, sizeof(ATR)));
    case VPCD_POWER_OFF:
    case VPCD_POWER_ON:
    case VPCD_RESET:
        euicc_reset(card);
        return true;
    default:
        return true; /* a control of some later vpcd: not answered, as none but one is */
    }
}

static bool serve(int fd, struct euicc *card, uint8_t frame[static VPCD_MAX])
{
    uint8_t rapdu[RAPDU_DATA_MAX + 2];
    size_t len;
    while (receive_frame(fd, frame, &len, -1)) {
        if (len == 1) {
            if (!take_control(fd, card, frame[0])) {
                return false;
            }
        } else if (len != 0) {
            size_t n = euicc_apdu(card, span_of(frame, len), rapdu);
            if (!send_frame(fd, span_of(rapdu, n))) {
                return false;
            }
        }
    }
    return true; /* the reader hung up */
}

bool vpcd_serve(const struct vpcd_address *reader, struct euicc *card)
{
    struct addrinfo *found = resolve(reader);
    if (found == NULL) {
        return false;
    }
    int fd = connect_patiently(found);
    freeaddrinfo(found);
    if (fd < 0) {
        return complain(reader->host, "no reader listens there");
    }
    uint8_t *frame = malloc(VPCD_MAX);
    bool ok = frame != NULL && serve(fd, card, frame);
    free(frame);
    (void)close(fd);
    euicc_reset(card);
    return ok;
}

/* -- the reader -- */

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET) {
        enum { LOOPBACK_NET = 127, NET_SHIFT = 24 };
        struct sockaddr_in in;
        memcpy(&in, a, sizeof(in));
        return ntohl(in.sin_addr.s_addr) >> NET_SHIFT == LOOPBACK_NET;
    }
    if (a->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, a, sizeof(in6));
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return false;
}

bool vpcd_listen(struct vpcd_reader *reader, const struct vpcd_address *address)
{
    int on = 1;
    *reader = (struct vpcd_reader){.listener = -1, .card = -1};
    struct addrinfo *found = resolve(address);
    if (found == NULL) {
        return false;
    }
    if (!is_loopback(found->ai_addr)) {
        freeaddrinfo(found);
        return complain(address->host, "a reader listens on loopback only");
    }
    reader->listener = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
    bool ok = reader->listener >= 0 &&
              setsockopt(reader->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
              bind(reader->listener, found->ai_addr, found->ai_addrlen) == 0 &&
              listen(reader->listener, 1) == 0;
    freeaddrinfo(found);
    return ok || complain(address->host, strerror(errno));
}

/* Power on, and an ATR of a form: TS 3B or 3F. */
static bool power_on(int fd)
{
    static const uint8_t on = VPCD_POWER_ON, ask = VPCD_ATR;
    uint8_t head[VPCD_LENGTH_LEN], atr[ATR_MAX];
    if (!send_frame(fd, span_of(&on, 1)) || !send_frame(fd, span_of(&ask, 1)) ||
        !receive(fd, head, sizeof(head), ANSWER_MS)) {
        return false;
    }
    size_t len = (size_t)load_be(head, sizeof(head));
    return len >= 2 && len <= sizeof(atr) && receive(fd, atr, len, ANSWER_MS) &&
           (atr[0] == 0x3B || atr[0] == 0x3F);
}

bool vpcd_accept(struct vpcd_reader *reader, int timeout_ms)
{
    struct pollfd p = {.fd = reader->listener, .events = POLLIN};
    if (poll(&p, 1, timeout_ms) != 1) {
        return complain("vpcd", "no card connects");
    }
    reader->card = accept4(reader->listener, NULL, NULL, SOCK_CLOEXEC);
    if (reader->card < 0) {
        return complain("vpcd", strerror(errno));
    }
    no_delay(reader->card);
    return power_on(reader->card) || complain("vpcd", "what connects is no card: it shows no ATR");
}

void vpcd_close(struct vpcd_reader *reader)
{
    if (reader->card >= 0) {
        (void)close(reader->card);
    }
    if (reader->listener >= 0) {
        (void)close(reader->listener);
    }
    *reader = (struct vpcd_reader){.listener = -1, .card = -1};
}

size_t vpcd_transmit(struct vpcd_reader *reader, struct span capdu,
                     uint8_t rapdu[static RAPDU_DATA_MAX + 2])
{
    uint8_t head[VPCD_LENGTH_LEN];
    size_t len = 0;
    if (reader->card < 0) {
        return 0;
    }
    if (send_frame(reader->card, capdu) && receive(reader->card, head, sizeof(head), ANSWER_MS)) {
        len = (size_t)load_be(head, sizeof(head));
    }
    if (len < 2 || len > RAPDU_DATA_MAX + 2 || !receive(reader->card, rapdu, len, ANSWER_MS)) {
        (void)close(reader->card); /* whatever came now would be out of step */
        reader->card = -1;
        return 0;
    }
    return len;
}
