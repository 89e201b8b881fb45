/*
 * relay_http.h - as much of HTTP as it takes to answer a request in the
 * server's place: where it begins, and where it ends.
 */
#ifndef PYCLOUD_RELAY_HTTP_H
#define PYCLOUD_RELAY_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct swallow;

/* True when these bytes are the beginning of a request. */
bool http_begins(const char *bytes, size_t);

struct swallow *swallow_new(void);
void swallow_free(struct swallow *);
/* Takes the next bytes of a request; true when it is complete. One that is not
 * HTTP after all is complete at once. */
bool swallow_take(struct swallow *, const char *bytes, size_t);

/* The answer, in a buffer of HTTP_ANSWER_MAX bytes; retry_after < 0: without
 * that header. */
#define HTTP_ANSWER_MAX 256
size_t http_answer(int status, int retry_after, char *buffer);

#endif
