/*
 * HTTP for the ops team: /metrics, /healthz, /readyz, /stats.json, and / for people.
 *
 * One thread of libmicrohttpd's, whatever comes: HTTP_CONNECTIONS connections at most, each closed
 * after its answer or after HTTP_IDLE_S of silence. Answers are built in buffers sized at start. It
 * reads what the other threads publish and changes nothing; there is no operation here, and
 * nothing of a client or a key but names and counts.
 */
#ifndef SERVICE_HTTP_H
#define SERVICE_HTTP_H

#include "service/config.h"
#include "service/observe/metrics.h"

enum {
    HTTP_CONNECTIONS = 8,
    HTTP_IDLE_S = 10,
    HTTP_CONNECTION_MEMORY = 16 * 1024, /* bytes for a request's head and an answer's */
};

struct http;

/* Bytes of its buffers and connections. */
uint64_t http_memory(const struct config *config);

/* Listens as config->http says. INTERNAL with a sentence. The metrics must outlive it. */
MUST_CHECK enum status http_start(struct http **out, const struct config *config,
                                  const struct metrics *metrics,
                                  char error[static CONFIG_ERROR_MAX]);

/* Ends the thread and its connections. */
void http_stop(struct http **http);

#endif
