#include "service/observe/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "service/observe/exposition.h"
#include "service/observe/log.h"
#include "service/observe/page.h"
#include "service/observe/stats.h"

/* An answer's body while it is being sent. A connection is closed after its answer, so there are
 * never more in use than connections. */
struct body {
    uint8_t *bytes;
    bool in_use;
};

struct http {
    struct MHD_Daemon *daemon;
    struct observed observed;
    uint8_t *storage;
    size_t body_max;
    struct body bodies[HTTP_CONNECTIONS];
};

/* -- answers -- */

struct answer {
    unsigned code;
    const char *type;
    struct span text;
    struct body *body; /* the text's, or NULL when it is constant */
};

static const char plain[] = "text/plain; charset=utf-8";

static struct answer constant(unsigned code, const char *text)
{
    return (struct answer){code, plain, span_of(text, strlen(text)), NULL};
}

static void body_free(void *cls)
{
    ((struct body *)cls)->in_use = false;
}

static struct MHD_Response *respond_with(const struct answer *a)
{
    if (a->body == NULL) {
        return MHD_create_response_from_buffer(a->text.len, (void *)a->text.ptr,
                                               MHD_RESPMEM_PERSISTENT);
    }
    struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback_cls(
        a->text.len, a->body->bytes, body_free, a->body);
    if (r == NULL) {
        body_free(a->body);
    }
    return r;
}

static enum MHD_Result send_answer(struct http *h, struct MHD_Connection *connection,
                                   const struct answer *a)
{
    struct MHD_Response *r = respond_with(a);
    if (r == NULL) {
        return MHD_NO; /* libmicrohttpd closes the connection */
    }
    enum MHD_Result ok = MHD_YES;
    const struct {
        const char *name, *value;
    } headers[] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE, a->type},     {MHD_HTTP_HEADER_CONNECTION, "close"},
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"}, {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},          {"Content-Security-Policy", page_policy},
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers) && ok == MHD_YES; i++) {
        ok = MHD_add_response_header(r, headers[i].name, headers[i].value);
    }
    if (a->code == MHD_HTTP_METHOD_NOT_ALLOWED && ok == MHD_YES) {
        ok = MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    if (ok == MHD_YES) {
        ok = MHD_queue_response(connection, a->code, r);
    }
    MHD_destroy_response(r); /* the connection holds its own reference */
    metric_add(&h->observed.responses[a->code], 1);
    return ok;
}

/* -- what there is -- */

static struct body *body_take(struct http *h)
{
    for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
        if (!h->bodies[i].in_use) {
            h->bodies[i].in_use = true;
            return &h->bodies[i];
        }
    }
    return NULL;
}

typedef void write_fn(const struct observed *o, enum exposition_format format, struct writer *out);

static struct answer written(struct http *h, const char *type, enum exposition_format format,
                             write_fn *write)
{
    struct body *body = body_take(h);
    if (body == NULL) {
        return constant(MHD_HTTP_SERVICE_UNAVAILABLE, "too many answers under way");
    }
    struct writer w = writer_of(body->bytes, h->body_max);
    write(&h->observed, format, &w);
    if (w.overflow) {
        body_free(body);
        return constant(MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer does not fit its buffer");
    }
    return (struct answer){MHD_HTTP_OK, type, writer_span(&w), body};
}

static void write_stats(const struct observed *o, enum exposition_format format, struct writer *out)
{
    (void)format;
    stats_write(o, out);
}

static struct answer answer_metrics(struct http *h, struct MHD_Connection *connection)
{
    enum exposition_format format = exposition_choose(
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
    return written(h, exposition_content_type(format), format, exposition_write);
}

static struct answer answer_readiness(struct http *h, struct MHD_Connection *connection)
{
    const char *sentence = NULL;
    (void)connection;
    bool ready = observed_ready(&h->observed, &sentence);
    return constant(ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, sentence);
}

static struct answer answer_health(struct http *h, struct MHD_Connection *connection)
{
    (void)h;
    (void)connection;
    return constant(MHD_HTTP_OK, "alive");
}

static struct answer answer_stats(struct http *h, struct MHD_Connection *connection)
{
    (void)connection;
    return written(h, "application/json", EXPOSITION_PROMETHEUS, write_stats);
}

static struct answer answer_page(struct http *h, struct MHD_Connection *connection)
{
    (void)h;
    (void)connection;
    return (struct answer){MHD_HTTP_OK, "text/html; charset=utf-8",
                           span_of(page_html, page_html_len), NULL};
}

static const struct route {
    const char *path;
    struct answer (*answer)(struct http *h, struct MHD_Connection *connection);
} routes[] = {
    {"/", answer_page},
    {"/metrics", answer_metrics},
    {"/healthz", answer_health},
    {"/readyz", answer_readiness},
    {"/stats.json", answer_stats},
};

static struct answer route(struct http *h, struct MHD_Connection *connection, const char *path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        if (strcmp(path, routes[i].path) == 0) {
            return routes[i].answer(h, connection);
        }
    }
    return constant(MHD_HTTP_NOT_FOUND, "there is /, /metrics, /healthz, /readyz and /stats.json");
}

/*
 * Whether a request is for this server by an address or as localhost. A page of somebody's, under a
 * name that he lets point to loopback, makes a browser ask under that name. Where the server is
 * public, who can connect may ask under any.
 */
static bool is_for_us(const struct http *h, struct MHD_Connection *connection)
{
    const char *value =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    struct in6_addr address;
    char host[INET6_ADDRSTRLEN + sizeof("[]")];
    if (value == NULL || h->observed.config->http->is_public) { /* NULL: HTTP/1.0, no browser's */
        return true;
    }
    size_t len = value[0] == '[' ? strcspn(value, "]") + 1 : strcspn(value, ":");
    if (len >= sizeof(host) || len > strlen(value) || (value[len] != '\0' && value[len] != ':')) {
        return false;
    }
    memcpy(host, value, len);
    host[len] = '\0';
    if (host[0] == '[') {
        host[len - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, &address) == 1;
    }
    return strcasecmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &address) == 1;
}

static size_t keep_escaped(void *cls, struct MHD_Connection *connection, char *path)
{
    (void)cls;
    (void)connection;
    return strlen(path); /* no path of ours has anything to unescape */
}

/* libmicrohttpd calls once with the head of a request, and again when its body was read; a body is
 * thrown away, and one that no method of ours has is not waited for. */
static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_len, void **seen)
{
    static char head_seen;
    struct http *h = cls;
    (void)version;
    (void)upload;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        struct answer a = constant(MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD are all there is");
        return send_answer(h, connection, &a);
    }
    if (*seen == NULL) {
        *seen = &head_seen;
        return MHD_YES;
    }
    if (*upload_len != 0) {
        *upload_len = 0;
        return MHD_YES;
    }
    struct answer a = is_for_us(h, connection)
                          ? route(h, connection, path)
                          : constant(MHD_HTTP_MISDIRECTED_REQUEST,
                                     "ask by address or as localhost, or say public: true");
    return send_answer(h, connection, &a);
}

/* -- start and end -- */

__attribute__((format(printf, 2, 0))) static void complain(void *cls, const char *format,
                                                           va_list args)
{
    char text[LOG_LINE_MAX];
    (void)cls;
    (void)vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    LOG(HTTP_FAULT, "http: %s", text);
}

static size_t body_max(const struct config *c)
{
    return EXPOSITION_FIXED_MAX + (size_t)EXPOSITION_ENTRY_MAX * (ROSTER_MAX + c->custodians_count);
}

uint64_t http_memory(const struct config *config)
{
    return config->http != NULL ? HTTP_CONNECTIONS * (body_max(config) + HTTP_CONNECTION_MEMORY)
                                : 0;
}

static bool make_bodies(struct http *h)
{
    h->body_max = body_max(h->observed.config);
    h->storage = malloc(HTTP_CONNECTIONS * h->body_max); /* pages are touched when first needed */
    for (size_t i = 0; h->storage != NULL && i < HTTP_CONNECTIONS; i++) {
        h->bodies[i].bytes = h->storage + i * h->body_max;
    }
    return h->storage != NULL;
}

enum status http_start(struct http **out, const struct config *config,
                       const struct metrics *metrics, char error[static CONFIG_ERROR_MAX])
{
    struct http *h = calloc(1, sizeof(*h));
    *out = h;
    if (h == NULL) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "out of memory");
        return STATUS_INTERNAL;
    }
    h->observed.config = config;
    h->observed.metrics = metrics;
    const struct sockaddr *address = (const struct sockaddr *)&config->http->address;
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG |
                     (address->sa_family == AF_INET6 ? MHD_USE_IPv6 : MHD_NO_FLAG);
    if (make_bodies(h)) {
        h->daemon =
            MHD_start_daemon(flags, 0, NULL, NULL, handle, h, MHD_OPTION_EXTERNAL_LOGGER, complain,
                             NULL, MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_CONNECTION_LIMIT,
                             (unsigned)HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                             (unsigned)HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                             (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                             MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL, MHD_OPTION_END);
    }
    if (h->daemon == NULL) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "http: listen: %.100s: %s", config->http->listen,
                       strerror(errno));
        http_stop(out);
        return STATUS_INTERNAL;
    }
    LOG_ABOUT(LISTENING, config->http->listen, "listening on http://%s", config->http->listen);
    return STATUS_OK;
}

void http_stop(struct http **http)
{
    struct http *h = *http;
    if (h != NULL) {
        if (h->daemon != NULL) {
            MHD_stop_daemon(h->daemon);
        }
        free(h->storage);
        free(h);
    }
    *http = NULL;
}
