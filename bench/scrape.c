#include "bench/scrape.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CAP = 1 << 20 };

static int connect_to(const char *http)
{
    char host[INET_ADDRSTRLEN];
    unsigned short port;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (sscanf(http, "tcp://%15[0-9.]:%hu", host, &port) != 2 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        return -1;
    }
    address.sin_port = htons(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* The whole answer as a string; NULL when there is none. */
static char *get(const char *http)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
    const int fd = connect_to(http);
    char *text = malloc(CAP);
    size_t len = 0;
    ssize_t n = fd >= 0 && text != NULL ? send(fd, request, strlen(request), MSG_NOSIGNAL) : -1;
    while (n > 0 && (n = read(fd, text + len, CAP - 1 - len)) > 0) {
        len += (size_t)n;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (n != 0 || len == 0) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

static bool find(const char *text, const char *name, double *value)
{
    const size_t len = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += line != text;
        if (strncmp(line, name, len) == 0 && line[len] == ' ') {
            *value = strtod(line + len, NULL);
            return true;
        }
    }
    return false;
}

bool scrape(const char *http, const char *const names[], double values[], size_t n)
{
    char *text = get(http);
    bool ok = text != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        ok = find(text, names[i], &values[i]);
    }
    free(text);
    return ok;
}
