/* control.c - see control.h. */
#include "config.h"

#include "control.h"

#include "attr.h"
#include "handle_table.h"
#include "log.h"
#include "node_table.h"
#include "run_file.h"
#include "run_table.h"
#include "session.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* A text node's tag says which of the texts it is, and of which run. */
#define TAG(index, run) (((uint64_t)(index) << 48) | (run))
#define TAG_INDEX(tag)	((tag) >> 48)
#define TAG_RUN(tag)	((tag)&0xffffffffffffu)

/* Makes the text; run is 0 for the mount's own. */
typedef void (*text_fn)(struct session *, uint64_t run, GString *text);

static const struct node_ops text_ops;
static const struct node_ops last_ops;
static const struct node_ops pycloud_ops;
static const struct node_ops runs_ops;
static const struct node_ops run_dir_ops;

enum text_kind {
	TEXT_STATUS,
	TEXT_PENDING,
	TEXT_CONFLICTS,
	TEXT_RUN_COMMAND,
	TEXT_RUN_EXIT,
	TEXT_RUN_STATUS
};

static const text_fn texts[] = {
	[TEXT_STATUS] = status_mount,
	[TEXT_PENDING] = status_pending,
	[TEXT_CONFLICTS] = status_conflicts,
	[TEXT_RUN_COMMAND] = status_run_command,
	[TEXT_RUN_EXIT] = status_run_exit,
	[TEXT_RUN_STATUS] = status_run,
};

/* The fixed names of a control directory. */
struct control_name {
	const char *name;
	const struct node_ops *ops;
	enum text_kind text;
};

static const struct control_name pycloud_names[] = {
	{ "conflicts", &text_ops, TEXT_CONFLICTS },
	{ "pending", &text_ops, TEXT_PENDING },
	{ "runs", &runs_ops, 0 },
	{ "status", &text_ops, TEXT_STATUS },
	{ NULL, NULL, 0 },
};

static const struct control_name run_names[] = {
	{ "command", &text_ops, TEXT_RUN_COMMAND },
	{ "exit", &text_ops, TEXT_RUN_EXIT },
	{ "output", &run_output_ops, 0 },
	{ "status", &text_ops, TEXT_RUN_STATUS },
	{ NULL, NULL, 0 },
};

static void enter(struct request *r, struct node *dir, const char *name,
	const struct node_ops *ops, uint64_t tag, struct node **ret_node,
	struct node_attr *ret_attr)
{
	struct node_template template = { .ops = ops, .tag = tag };

	*ret_node =
		node_table_enter(r->session->nodes, dir, name, &template, 1);
	(void)ops->getattr(r, *ret_node, ret_attr);
}

/* --- what the server's directories ask ------------------------------------ */

const char *control_listed_name(const struct node *dir)
{
	return dir->ino == ROOT_INO ? ".run" : NULL;
}

bool control_is_reserved(const struct node *dir, const char *name)
{
	return strcmp(name, ".run") == 0 ||
	       (dir->ino == ROOT_INO && strcmp(name, ".pycloud") == 0);
}

int control_lookup(struct request *r, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr)
{
	if (!control_is_reserved(dir, name))
		return 0;
	enter(r, dir, name, name[1] == 'r' ? &run_ops : &pycloud_ops, 0,
		ret_node, ret_attr);
	return 1;
}

/* --- directories ---------------------------------------------------------- */

static int control_dir_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	attr_fill_control(r->session, n, 0555, 0, &r->session->mounted_at, ret);
	return 0;
}

static int named_lookup(struct request *r, struct node *dir, const char *name,
	const struct control_name *names, struct node **ret_node,
	struct node_attr *ret_attr)
{
	for (; names->name != NULL; names++) {
		uint64_t tag = dir->tag;

		if (strcmp(names->name, name) != 0)
			continue;
		if (names->ops == &text_ops)
			tag = TAG(names->text, dir->tag);
		enter(r, dir, name, names->ops, tag, ret_node, ret_attr);
		return 0;
	}
	return -ENOENT;
}

static int pycloud_lookup(struct request *r, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr)
{
	return named_lookup(r, dir, name, pycloud_names, ret_node, ret_attr);
}

static int run_dir_lookup(struct request *r, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr)
{
	return named_lookup(r, dir, name, run_names, ret_node, ret_attr);
}

static int runs_lookup(struct request *r, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr)
{
	struct run_table *runs = r->session->runs;
	guint64 number;
	struct run *run;

	if (strcmp(name, "last") == 0 && run_table_newest(runs) != 0) {
		enter(r, dir, name, &last_ops, 0, ret_node, ret_attr);
		return 0;
	}
	/* "1", "20": not "01", which would be a second name for it. */
	if (name[0] == '0' || !g_ascii_string_to_unsigned(
				      name, 10, 1, UINT32_MAX, &number, NULL))
		return -ENOENT;
	run = run_table_get(runs, number);
	if (run == NULL)
		return -ENOENT;
	run_unref(run);
	enter(r, dir, name, &run_dir_ops, number, ret_node, ret_attr);
	return 0;
}

static int last_readlink(struct request *r, struct node *n, char **ret_target)
{
	uint64_t newest = run_table_newest(r->session->runs);

	(void)n;
	if (newest == 0)
		return -ENOENT;
	*ret_target = g_strdup_printf("%" G_GUINT64_FORMAT, newest);
	return 0;
}

static int last_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	attr_fill_control(r->session, n, 0777, 0, &r->session->mounted_at, ret);
	return 0;
}

static GPtrArray *names_of(struct session *s, const struct node *n)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	const struct control_name *c =
		n->ops == &pycloud_ops ? pycloud_names : run_names;
	GArray *numbers;

	if (n->ops != &runs_ops) {
		for (; c->name != NULL; c++)
			g_ptr_array_add(names, g_strdup(c->name));
		return names;
	}
	numbers = run_table_numbers(s->runs);
	for (guint i = 0; i < numbers->len; i++)
		g_ptr_array_add(
			names, g_strdup_printf("%" G_GUINT64_FORMAT,
				       g_array_index(numbers, uint64_t, i)));
	if (numbers->len > 0)
		g_ptr_array_add(names, g_strdup("last"));
	g_array_unref(numbers);
	return names;
}

static int control_opendir(
	struct request *r, struct node *n, struct open_result *ret)
{
	struct session *s = r->session;

	node_table_ref(s->nodes, n);
	*ret = (struct open_result){
		.handle = handle_table_open(s->handles, n, O_RDONLY),
		.is_seekable = true,
	};
	ret->handle->entries = names_of(s, n);
	return 0;
}

static int control_dirent(struct request *r, struct handle *h, uint64_t index,
	bool wants_node, struct node_dirent *ret)
{
	struct session *s = r->session;
	int rc;

	*ret = (struct node_dirent){ 0 };
	if (index < 2) {
		ret->name = index == 0 ? "." : "..";
		return control_dir_getattr(r, h->node, &ret->attr) == 0;
	}
	if (index - 2 >= h->entries->len)
		return 0;
	ret->name = h->entries->pdata[index - 2];
	rc = h->node->ops->lookup(
		r, h->node, ret->name, &ret->node, &ret->attr);
	if (rc < 0)
		return rc;
	if (!wants_node) {
		node_table_forget(s->nodes, ret->node->ino, 1);
		node_table_unref(s->nodes, ret->node);
		ret->node = NULL;
	}
	return 1;
}

static void control_release(struct request *r, struct handle *h)
{
	(void)r;
	(void)h; /* the table frees the names and the text */
}

/* --- texts ---------------------------------------------------------------- */

static GString *make_text(struct session *s, uint64_t tag)
{
	GString *text = g_string_new(NULL);

	texts[TAG_INDEX(tag)](s, TAG_RUN(tag), text);
	return text;
}

static int text_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	GString *text = make_text(r->session, n->tag);

	attr_fill_control(r->session, n, 0444, (int64_t)text->len,
		&r->session->mounted_at, ret);
	g_string_free(text, TRUE);
	return 0;
}

static int text_open(
	struct request *r, struct node *n, int flags, struct open_result *ret)
{
	struct session *s = r->session;

	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	node_table_ref(s->nodes, n);
	*ret = (struct open_result){
		.handle = handle_table_open(s->handles, n, flags),
		.is_direct = true,
		.is_seekable = true,
	};
	ret->handle->text = make_text(s, n->tag);
	return 0;
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

static const struct node_ops text_ops = {
	.kind = "control text",
	.type = S_IFREG,
	.getattr = text_getattr,
	.open = text_open,
	.read = text_read,
	.release = control_release,
};

static const struct node_ops last_ops = {
	.kind = "control link",
	.type = S_IFLNK,
	.getattr = last_getattr,
	.readlink = last_readlink,
};

static const struct node_ops pycloud_ops = {
	.kind = "control directory",
	.type = S_IFDIR,
	.getattr = control_dir_getattr,
	.lookup = pycloud_lookup,
	.opendir = control_opendir,
	.dirent = control_dirent,
	.release = control_release,
};

static const struct node_ops runs_ops = {
	.kind = "control directory",
	.type = S_IFDIR,
	.getattr = control_dir_getattr,
	.lookup = runs_lookup,
	.opendir = control_opendir,
	.dirent = control_dirent,
	.release = control_release,
};

static const struct node_ops run_dir_ops = {
	.kind = "control directory",
	.type = S_IFDIR,
	.getattr = control_dir_getattr,
	.lookup = run_dir_lookup,
	.opendir = control_opendir,
	.dirent = control_dirent,
	.release = control_release,
};
