/* contents_world.h - a contents remote in front of a scripted server. */
#ifndef PYCLOUD_TESTS_UNIT_CONTENTS_WORLD_H
#define PYCLOUD_TESTS_UNIT_CONTENTS_WORLD_H

#include "contents.h"
#include "memory_file.h"
#include "script_server.h"

#define MODEL(name, type, size)                                          \
	"{\"name\":\"" name "\",\"path\":\"" name "\",\"type\":\"" type  \
	"\",\"size\":" size                                              \
	",\"writable\":true,\"content\":null,\"format\":null,"           \
	"\"last_modified\":\"2026-11-22T07:16:21Z\",\"created\":\"2026-" \
	"11-22T07:16:21Z\"}"
#define FILE_MODEL(size) MODEL("a", "file", size)
#define MESSAGE(text)	 "{\"message\":\"" text "\",\"reason\":null}"
#define HTML		 "Content-Type: text/html\r\n"

struct world {
	struct script_server *server;
	struct endpoint *endpoint;
	struct http_pool *pool;
	struct remote *remote;
};

static inline struct world world_new(
	const struct script_step *steps, size_t count)
{
	const struct contents_limits limits = { 10000, 10000 };
	struct world w = { .server = script_server_new(steps, count) };
	const struct endpoint_params params = { .base_url = script_server_url(
							w.server) };

	assert_int_equal(endpoint_new(&params, &w.endpoint), 0);
	assert_int_equal(http_pool_new(w.endpoint, &w.pool), 0);
	assert_int_equal(contents_new(w.pool, &limits, &w.remote), 0);
	return w;
}

#define WORLD(steps) world_new(steps, G_N_ELEMENTS(steps))

/* Checks what the server was asked, and ends the world. */
static inline void world_end(struct world *w, const char *expected_log)
{
	remote_free(w->remote);
	http_pool_free(w->pool);
	endpoint_unref(w->endpoint);
	assert_string_equal(script_server_log(w->server), expected_log);
	script_server_free(w->server);
}

/* Reads into memory; `ret` is the caller's also on failure. */
static inline int world_read(struct world *w, const char *path, int64_t offset,
	int64_t length, struct memory_file *ret, struct remote_read_info *info)
{
	const struct remote_sink sink = { memory_file_write, ret };

	*ret = (struct memory_file){ .bytes = g_byte_array_new() };
	return remote_read(w->remote, path, offset, length, &sink, NULL, info);
}

static inline int world_write(struct world *w, const char *path, size_t size)
{
	struct memory_file f = memory_file_new(size);
	const struct remote_source source = { memory_file_read, &f,
		(int64_t)size };
	struct entry e;
	int rc = remote_write(w->remote, path, &source, NULL, &e);

	if (rc == 0)
		entry_clear(&e);
	memory_file_free(&f);
	return rc;
}

static inline int world_stat(struct world *w, const char *path)
{
	struct entry e;
	int rc = remote_stat(w->remote, path, NULL, &e);

	if (rc == 0)
		entry_clear(&e);
	return rc;
}

#endif
