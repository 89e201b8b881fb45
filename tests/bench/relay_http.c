/* relay_http.c - see relay_http.h. */
#include "config.h"

#include "relay_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MAX  ((size_t)64 * 1024)
#define CHUNK_END "0\r\n\r\n"

struct swallow {
	char head[HEAD_MAX + 1];
	size_t length; /* of the head, as far as it is here */
	bool has_head;
	bool is_chunked;
	char tail[sizeof(CHUNK_END)]; /* the last bytes of a chunked body */
	unsigned long long left;      /* of a body of known length */
};

bool http_begins(const char *bytes, size_t size)
{
	static const char *const methods[] = { "GET /", "PUT /", "POST /",
		"PATCH /", "DELETE /", "HEAD /", "OPTIONS /" };
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		size_t length = strlen(methods[i]);

		if (size >= length && memcmp(bytes, methods[i], length) == 0)
			return true;
	}
	return false;
}

struct swallow *swallow_new(void)
{
	struct swallow *s = calloc(1, sizeof(*s));

	if (s == NULL)
		abort();
	return s;
}

void swallow_free(struct swallow *s)
{
	free(s);
}

/* Takes the bytes up to the empty line; returns how many. */
static size_t take_head(struct swallow *s, const char *bytes, size_t size)
{
	const char *field;
	size_t used = 0;

	while (used < size && s->length < HEAD_MAX && !s->has_head) {
		s->head[s->length++] = bytes[used++];
		s->has_head = s->length >= 4 && memcmp(s->head + s->length - 4,
							"\r\n\r\n", 4) == 0;
	}
	if (!s->has_head)
		return used;
	field = strcasestr(s->head, "\r\ncontent-length:");
	if (field != NULL)
		s->left = strtoull(strchr(field, ':') + 1, NULL, 10);
	s->is_chunked = strcasestr(s->head, "\r\ntransfer-encoding: chunked");
	return used;
}

static void keep_tail(struct swallow *s, const char *bytes, size_t size)
{
	const size_t room = strlen(CHUNK_END);
	size_t i;

	for (i = size > room ? size - room : 0; i < size; i++) {
		memmove(s->tail, s->tail + 1, room - 1);
		s->tail[room - 1] = bytes[i];
	}
}

bool swallow_take(struct swallow *s, const char *bytes, size_t size)
{
	if (!s->has_head) {
		size_t used = take_head(s, bytes, size);

		if (!s->has_head)
			return s->length == HEAD_MAX;
		bytes += used;
		size -= used;
	}
	if (s->is_chunked) {
		keep_tail(s, bytes, size);
		return memcmp(s->tail, CHUNK_END, strlen(CHUNK_END)) == 0;
	}
	s->left -= size < s->left ? size : s->left;
	return s->left == 0;
}

size_t http_answer(int status, int retry_after, char *buffer)
{
	char patience[48] = "";

	if (retry_after >= 0)
		(void)snprintf(patience, sizeof(patience),
			"Retry-After: %d\r\n", retry_after);
	return (size_t)snprintf(buffer, HTTP_ANSWER_MAX,
		"HTTP/1.1 %d Said by the relay\r\n"
		"Content-Length: 0\r\n%s\r\n",
		status, patience);
}
