/* control_text.c - control files that are a text, made when they are opened;
 * see control.h. */
#include "config.h"

#include "attr.h"
#include "control_private.h"
#include "handle_table.h"
#include "node_table.h"
#include "run_table.h"
#include "session.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* A text node's tag says which of the texts it is, and of which run. */
#define TAG(kind, run) (((uint64_t)(kind) << 48) | (run))
#define TAG_KIND(tag)  ((tag) >> 48)
#define TAG_RUN(tag)   ((tag)&0xffffffffffffu)

/* Makes the text; run is 0 for the mount's own. */
typedef void (*text_fn)(struct session *, uint64_t run, GString *text);

static const text_fn texts[] = {
	[TEXT_STATUS] = status_mount,
	[TEXT_PENDING] = status_pending,
	[TEXT_CONFLICTS] = status_conflicts,
	[TEXT_RUN_COMMAND] = status_run_command,
	[TEXT_RUN_EXIT] = status_run_exit,
	[TEXT_RUN_STATUS] = status_run,
	[TEXT_RUN_STARTED] = status_run_started,
	[TEXT_RUN_ENDED] = status_run_ended,
};

uint64_t control_text_tag(enum text_kind kind, uint64_t run)
{
	return TAG(kind, run);
}

static GString *make_text(struct session *s, uint64_t tag)
{
	GString *text = g_string_new(NULL);

	texts[TAG_KIND(tag)](s, TAG_RUN(tag), text);
	return text;
}

/* A run's texts are as old as what they tell. */
static struct timespec text_time(struct session *s, uint64_t tag)
{
	uint64_t kind = TAG_KIND(tag);
	struct timespec when = s->mounted_at;
	struct run *run = NULL;

	if (TAG_RUN(tag) != 0)
		run = run_table_get(s->runs, TAG_RUN(tag));
	if (run != NULL)
		when = kind == TEXT_RUN_COMMAND || kind == TEXT_RUN_STARTED
			       ? run_started(run)
			       : run_changed(run);
	run_unref(run);
	return when;
}

static int text_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	GString *text = make_text(r->session, n->tag);
	struct timespec mtime = text_time(r->session, n->tag);

	attr_fill_control(r->session, n, 0444, (int64_t)text->len, &mtime, ret);
	g_string_free(text, TRUE);
	return 0;
}

static int text_open(
	struct request *r, struct node *n, int flags, struct open_result *ret)
{
	int rc = control_open_read_only(r, n, flags, ret);

	if (rc == 0)
		ret->handle->text = make_text(r->session, n->tag);
	return rc;
}

static ssize_t text_read(struct request *r, struct handle *h, char *buffer,
	size_t size, int64_t offset)
{
	size_t length = h->text->len;

	(void)r;
	if (offset < 0 || (size_t)offset >= length)
		return 0;
	size = MIN(size, length - (size_t)offset);
	memcpy(buffer, h->text->str + offset, size);
	return (ssize_t)size;
}

const struct node_ops control_text_ops = {
	.kind = "control text",
	.type = S_IFREG,
	.getattr = text_getattr,
	.open = text_open,
	.read = text_read,
	.release = control_release,
};
