/* Any bytes as a server's answers to what is asked of the contents API: what
 * comes through the seam is what remote.h promises. */
#include "config.h"

#include "fuzz_http.h"

#include "common_limits.h"
#include "contents.h"
#include "names.h"

#include <errno.h>
#include <string.h>

/* The path that is asked for, what of it, and what came. */
struct reading {
	int64_t first, length;
	int64_t at;
};

static int take_read(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	struct reading *r = arg;
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
	/* From the start again, or on. */
	if (offset != r->at && offset != r->first)
		g_error("a gap before %" G_GINT64_FORMAT, offset);
	r->at = offset + (int64_t)length;
	if (r->length >= 0 && r->at > r->first + r->length)
		g_error("more than was asked for");
	return 0;
}

static void read_file(struct remote *remote, const char *path, uint8_t how,
	const struct cancel *cancel)
{
	struct reading r = { .first = how % 16,
		.length = how % 3 == 0 ? -1 : how };
	const struct remote_sink sink = { take_read, &r };
	struct remote_read_info info = { 0 };
	int rc;

	r.at = r.first;
	rc = remote_read(remote, path, r.first, r.length, &sink, cancel, &info);
	if (rc > 0 || (rc == 0 && info.received != r.at - r.first))
		g_error("%d, and %" G_GINT64_FORMAT " bytes", rc,
			info.received);
	if (rc == 0 && info.total < -1)
		g_error("a size of %" G_GINT64_FORMAT, info.total);
}

static ssize_t give_zeroes(void *arg, void *buffer, size_t size, int64_t offset)
{
	(void)arg;
	(void)offset;
	memset(buffer, 0, size);
	return (ssize_t)size;
}

static void check_entry(int rc, struct entry *e, const char *path)
{
	if (rc > 0)
		g_error("a result of %d", rc);
	if (rc < 0)
		return;
	if (strcmp(e->name, path_basename(path)) != 0)
		g_error("an entry of another name: %s", e->name);
	if (e->size < -1)
		g_error("a size of %" G_GINT64_FORMAT, e->size);
	entry_clear(e);
}

static void list(
	struct remote *remote, const char *path, const struct cancel *cancel)
{
	GPtrArray *entries = NULL;
	unsigned dropped = 0;
	int rc = remote_list(remote, path, cancel, &entries, &dropped);

	if (rc > 0 || (rc == 0) != (entries != NULL))
		g_error("a listing of %d", rc);
	for (guint i = 0; rc == 0 && i < entries->len; i++) {
		const struct entry *e = entries->pdata[i];

		if (!name_is_trusted(e->name))
			g_error("an untrusted name: %s", e->name);
	}
	g_clear_pointer(&entries, g_ptr_array_unref);
}

static void act(struct remote *remote, uint8_t what, uint8_t how,
	const char *path, const struct cancel *cancel)
{
	const struct remote_source source = { give_zeroes, NULL, how };
	struct entry e;

	switch (what % 8) {
	case 0:
		check_entry(remote_stat(remote, path, cancel, &e), &e, path);
		break;
	case 1:
		list(remote, path, cancel);
		break;
	case 2:
	case 3:
		read_file(remote, path, how, cancel);
		break;
	case 4:
		check_entry(remote_write(remote, path, &source, cancel, &e), &e,
			path);
		break;
	case 5:
		check_entry(remote_mkdir(remote, path, cancel, &e), &e, path);
		break;
	case 6:
		check_entry(remote_rename(remote, "from", path, cancel, &e), &e,
			path);
		break;
	default:
		if (remote_remove(remote, path, cancel) > 0 ||
			remote_probe_hidden(remote, cancel) > 0)
			g_error("a result that is none");
		break;
	}
}

static void probe(const struct cancel *cancel)
{
	char *version = NULL;
	int rc = contents_probe(fuzz_http_pool(), 1000, cancel, &version);

	if ((rc == 0) != (version != NULL))
		g_error("a version that is none: %d", rc);
	g_free(version);
}

/* What is asked, how, and the path, as a line; then answers. */
void fuzz_contents(const uint8_t *bytes, size_t length)
{
	static const struct contents_limits limits = { 1000, 1000 };
	struct fuzz_input in = { bytes, length };
	uint8_t what = fuzz_take_byte(&in);
	uint8_t how = fuzz_take_byte(&in);
	g_autofree char *path = fuzz_take_line(&in);
	struct remote *remote = NULL;
	struct cancel cancel;

	cancel_init(&cancel, 0);
	if (contents_new(fuzz_http_pool(), &limits, &remote) < 0)
		g_error("there is no remote");
	fuzz_http_begin(&in, &cancel);
	if (what >= 128)
		probe(&cancel);
	act(remote, what, how, path, &cancel);
	fuzz_http_end();
	remote_free(remote);
	cancel_fini(&cancel);
}
