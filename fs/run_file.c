/* run_file.c - see run_file.h. */
#include "config.h"

#include "run_file.h"

#include "attr.h"
#include "fs_limits.h"
#include "handle_table.h"
#include "mutex.h"
#include "node_table.h"
#include "poller.h"
#include "run_ioctl.h"
#include "run_line.h"
#include "run_table.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* The kernel lets one write at a time into a file, so the line and the run
 * need the lock only against readers. */
struct conversation {
	struct mutex lock;
	/* guarded by lock */
	GString *line;	     /* until its end was written */
	struct run *run;     /* once started, or once read from; a reference */
	bool is_writer;	     /* it started the run */
	int64_t read_offset; /* behind what was read last */
	int64_t skipped; /* from what is read here to the place in the log */
};

static enum run_view view_of(const struct node *n)
{
	if (n->ops == &run_stdout_ops)
		return RUN_VIEW_STDOUT;
	return n->ops == &run_stderr_ops ? RUN_VIEW_STDERR : RUN_VIEW_OUTPUT;
}

/* The run this handle talks about, or NULL. With a reference of its own: a
 * write may start another run in the midst of a read. */
static struct run *current_run(struct session *s, struct handle *h)
{
	struct conversation *c = h->conversation;
	struct run *run;

	mutex_lock(&c->lock);
	run = run_ref(c->run);
	mutex_unlock(&c->lock);
	if (run != NULL)
		return run;
	run = run_table_get(s->runs, h->node->tag);
	if (run == NULL)
		return NULL;
	mutex_lock(&c->lock);
	if (c->run == NULL)
		c->run = run;
	else
		run_unref(run);
	run = run_ref(c->run);
	mutex_unlock(&c->lock);
	return run;
}

static int run_file_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	struct session *s = r->session;
	struct run_state state = { .changed = s->mounted_at };
	struct run *run = run_table_get(s->runs, n->tag);

	if (run != NULL)
		run_state(run, &state);
	run_unref(run);
	attr_fill_control(s, n, n->tag == 0 ? 0644 : 0444,
		state.output.size[view_of(n)], &state.changed, ret);
	return 0;
}

/* `echo x > .run` truncates first; there is nothing to truncate. */
static int run_file_setattr(struct request *r, struct node *n, struct handle *h,
	const struct node_change *change, struct node_attr *ret)
{
	(void)h;
	if (change->has_mode || change->has_uid || change->has_gid)
		return -EPERM;
	return run_file_getattr(r, n, ret);
}

static int run_file_open(
	struct request *r, struct node *n, int flags, struct open_result *ret)
{
	struct session *s = r->session;
	struct conversation *c = g_new0(struct conversation, 1);

	mutex_init(&c->lock);
	c->line = g_string_new(NULL);
	node_table_ref(s->nodes, n);
	*ret = (struct open_result){
		.handle = handle_table_open(s->handles, n, flags),
		.is_direct = true,
		/* Reading and writing by one handle are two streams, and the
		 * file position that the kernel counts is of neither. */
		.is_seekable = (flags & O_ACCMODE) == O_RDONLY,
	};
	ret->handle->conversation = c;
	return 0;
}

static int run_output_open(
	struct request *r, struct node *n, int flags, struct open_result *ret)
{
	return (flags & O_ACCMODE) == O_RDONLY ? run_file_open(r, n, flags, ret)
					       : -EACCES;
}

/* The place in the log of what this handle reads at `offset`. */
static int64_t to_log(struct conversation *c, int64_t offset)
{
	mutex_lock(&c->lock);
	offset += c->skipped;
	mutex_unlock(&c->lock);
	return offset;
}

/* Nothing before `start` is kept: a line says so in its place. stdout is left
 * to what the script wrote. */
static size_t read_gap(struct conversation *c, enum run_view view, int64_t from,
	int64_t start, char *buffer, size_t size)
{
	char text[RUN_LOG_GAP_MAX];
	size_t n = view == RUN_VIEW_STDOUT
			   ? 0
			   : run_log_gap_text(start - from, text);

	n = MIN(n, size);
	memcpy(buffer, text, n);
	mutex_lock(&c->lock);
	c->skipped += start - from - (int64_t)n;
	mutex_unlock(&c->lock);
	return n;
}

static ssize_t read_log(struct request *r, struct handle *h, struct run *run,
	char *buffer, size_t size, int64_t offset)
{
	struct conversation *c = h->conversation;
	enum run_view view = view_of(h->node);
	struct run_log_sizes sizes;
	int64_t at;
	ssize_t n;

	do {
		at = to_log(c, offset);
		n = run_table_read(r->session->runs, run, view, buffer, size,
			at, &r->cancel);
		if (n != -ENODATA)
			return n;
		run_log_sizes(run_log(run), &sizes);
		n = (ssize_t)read_gap(
			c, view, at, sizes.start[view], buffer, size);
	} while (n == 0);
	return n;
}

static ssize_t run_file_read(struct request *r, struct handle *h, char *buffer,
	size_t size, int64_t offset)
{
	struct conversation *c = h->conversation;
	bool is_stream = (h->flags & O_ACCMODE) != O_RDONLY;
	struct run *run = current_run(r->session, h);
	ssize_t n;

	if (run == NULL)
		return 0;
	request_be_like_pipe(r);
	if (is_stream) {
		mutex_lock(&c->lock);
		offset = c->read_offset;
		mutex_unlock(&c->lock);
	}
	n = read_log(r, h, run, buffer, size, offset);
	if (n >= 0) {
		mutex_lock(&c->lock);
		if (c->run == run) /* else it stands at another's start */
			c->read_offset = offset + n;
		mutex_unlock(&c->lock);
	}
	run_unref(run);
	return n;
}

/* Starts what stands in the line. The script hears of nothing else until then,
 * and a line that failed is forgotten: the next write begins a new one. */
static int start_line(struct request *r, struct handle *h)
{
	struct session *s = r->session;
	struct conversation *c = h->conversation;
	struct node *dir;
	g_autofree char *line = NULL;
	g_autofree char *directory = NULL;
	struct run *run, *older;
	int rc;

	mutex_lock(&c->lock);
	line = g_strdup(c->line->str);
	g_string_truncate(c->line, 0);
	mutex_unlock(&c->lock);

	dir = node_table_parent(s->nodes, h->node);
	directory = node_table_path(s->nodes, dir);
	node_table_unref(s->nodes, dir);
	if (directory == NULL)
		return -ENOENT;
	rc = run_table_start(r, directory, line, &run);
	if (rc < 0)
		return rc;
	mutex_lock(&c->lock);
	older = c->run; /* it had read from that */
	c->run = run;
	c->is_writer = true;
	c->read_offset = 0;
	c->skipped = 0;
	mutex_unlock(&c->lock);
	if (older != NULL)
		run_wake(older); /* who sleeps by this handle asks anew */
	run_unref(older);
	return 0;
}

/* Adds bytes up to and with the line's end; how many. */
static ssize_t take_line(struct conversation *c, const char *bytes, size_t size,
	bool *ret_is_whole)
{
	size_t taken;
	ssize_t result;

	mutex_lock(&c->lock);
	taken = run_line_end(c->line->str, bytes, size);
	*ret_is_whole = taken < size;
	result = (ssize_t)(taken < size ? taken + 1 : size);
	if (memchr(bytes, '\0', taken) != NULL)
		result = -EINVAL;
	else if (c->line->len + taken > RUN_LINE_MAX)
		result = -E2BIG;
	else
		g_string_append_len(c->line, bytes, (gssize)taken);
	mutex_unlock(&c->lock);
	return result;
}

static ssize_t run_file_write(struct request *r, struct handle *h,
	const char *bytes, size_t size, int64_t offset)
{
	struct conversation *c = h->conversation;
	bool is_whole = false;
	bool is_started;
	ssize_t taken = 0;
	struct run *run;
	int rc;

	(void)offset;
	mutex_lock(&c->lock);
	is_started = c->is_writer;
	mutex_unlock(&c->lock);
	if (!is_started) {
		taken = take_line(c, bytes, size, &is_whole);
		if (taken < 0 || !is_whole)
			return taken;
		rc = start_line(r, h);
		if (rc < 0)
			return rc;
	}
	if ((size_t)taken < size) {
		request_be_like_pipe(r);
		run = current_run(r->session, h);
		rc = run_feed(
			run, bytes + taken, size - (size_t)taken, &r->cancel);
		run_unref(run);
		if (rc < 0)
			return taken > 0 ? taken : rc;
	}
	return (ssize_t)size;
}

static int run_file_flush(struct request *r, struct handle *h)
{
	struct conversation *c = h->conversation;
	bool has_rest;

	mutex_lock(&c->lock);
	has_rest = !c->is_writer && c->line->len > 0;
	mutex_unlock(&c->lock);
	return has_rest ? start_line(r, h) : 0;
}

static void run_file_release(struct request *r, struct handle *h)
{
	struct conversation *c = h->conversation;

	/* The run may have ended; then nobody needs to hear it. */
	if (c->is_writer)
		(void)run_feed(c->run, NULL, 0, &r->cancel);
	if (c->run != NULL)
		run_unwatch(c->run, h);
	run_unref(c->run);
	g_string_free(c->line, TRUE);
	mutex_fini(&c->lock);
	g_free(c);
	h->conversation = NULL;
}

/* Where nothing ever ran there is nothing to wait for: a read is empty. */
static bool run_file_poll(
	struct request *r, struct handle *h, struct poller *poller)
{
	struct conversation *c = h->conversation;
	struct run *run = current_run(r->session, h);
	bool is_readable;
	int64_t offset;

	if (run == NULL) {
		poller_free(poller);
		return true;
	}
	mutex_lock(&c->lock);
	offset = c->read_offset + c->skipped;
	mutex_unlock(&c->lock);
	is_readable = run_watch(run, view_of(h->node), offset, h, poller);
	mutex_lock(&c->lock);
	/* Who starts another wakes the sleepers before, not those after. */
	is_readable = is_readable || c->run != run;
	mutex_unlock(&c->lock);
	run_unref(run);
	return is_readable;
}

static ssize_t run_file_ioctl(struct request *r, struct handle *h,
	unsigned command, void *answer, size_t size)
{
	struct conversation *c = h->conversation;
	uint64_t number;

	(void)r;
	if (command != (unsigned)RUN_IOC_NUMBER || size < sizeof(number))
		return -ENOTTY;
	mutex_lock(&c->lock);
	number = c->is_writer ? run_number(c->run) : 0;
	mutex_unlock(&c->lock);
	if (number == 0)
		return -ENODATA;
	memcpy(answer, &number, sizeof(number));
	return sizeof(number);
}

#define EXIT_XATTR "user.pycloud.exit"

static int run_file_getxattr(struct request *r, struct node *n,
	const char *name, char **ret_value, size_t *ret_size)
{
	struct run_state state;
	struct run *run;
	int status;
	bool is_known;

	if (strcmp(name, EXIT_XATTR) != 0)
		return -ENODATA;
	run = run_table_get(r->session->runs, n->tag);
	if (run == NULL)
		return -ENODATA;
	run_state(run, &state);
	is_known = run_exit_status(&state, &status);
	run_unref(run);
	if (!is_known)
		return -ENODATA;
	*ret_value = g_strdup_printf("%d", status);
	*ret_size = strlen(*ret_value);
	return 0;
}

static int run_file_listxattr(
	struct request *r, struct node *n, char **ret_names, size_t *ret_size)
{
	g_autofree char *value = NULL;
	size_t size;

	*ret_size = 0;
	if (run_file_getxattr(r, n, EXIT_XATTR, &value, &size) < 0)
		return 0;
	*ret_names = g_strdup(EXIT_XATTR);
	*ret_size = sizeof(EXIT_XATTR);
	return 0;
}

const struct node_ops run_ops = {
	.kind = "run",
	.type = S_IFREG,
	.getattr = run_file_getattr,
	.setattr = run_file_setattr,
	.open = run_file_open,
	.read = run_file_read,
	.poll = run_file_poll,
	.write = run_file_write,
	.flush = run_file_flush,
	.ioctl = run_file_ioctl,
	.release = run_file_release,
	.getxattr = run_file_getxattr,
	.listxattr = run_file_listxattr,
};

const struct node_ops run_output_ops = {
	.kind = "run output",
	.type = S_IFREG,
	.getattr = run_file_getattr,
	.open = run_output_open,
	.read = run_file_read,
	.poll = run_file_poll,
	.release = run_file_release,
	.getxattr = run_file_getxattr,
	.listxattr = run_file_listxattr,
};

const struct node_ops run_stdout_ops = {
	.kind = "run stdout",
	.type = S_IFREG,
	.getattr = run_file_getattr,
	.open = run_output_open,
	.read = run_file_read,
	.poll = run_file_poll,
	.release = run_file_release,
	.getxattr = run_file_getxattr,
	.listxattr = run_file_listxattr,
};

const struct node_ops run_stderr_ops = {
	.kind = "run stderr",
	.type = S_IFREG,
	.getattr = run_file_getattr,
	.open = run_output_open,
	.read = run_file_read,
	.poll = run_file_poll,
	.release = run_file_release,
	.getxattr = run_file_getxattr,
	.listxattr = run_file_listxattr,
};
