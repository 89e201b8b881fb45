/* control.c - see control.h. */
#include "config.h"

#include "control.h"

#include "attr.h"
#include "control_private.h"
#include "event_file.h"
#include "handle_table.h"
#include "node_table.h"
#include "run_file.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const struct control_name pycloud_names[] = {
	{ "conflicts", &control_text_ops, TEXT_CONFLICTS },
	{ "events", &event_file_ops, 0 },
	{ "pending", &control_text_ops, TEXT_PENDING },
	{ "runs", &control_runs_ops, 0 },
	{ "status", &control_text_ops, TEXT_STATUS },
	{ NULL, NULL, 0 },
};

static const struct node_ops pycloud_ops;

void control_enter(struct request *r, struct node *dir, const char *name,
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

static bool is_reserved(const char *name, bool is_in_root)
{
	return strcmp(name, ".run") == 0 ||
	       (is_in_root && strcmp(name, ".pycloud") == 0);
}

bool control_is_reserved(const struct node *dir, const char *name)
{
	return is_reserved(name, dir->ino == ROOT_INO);
}

bool control_is_reserved_at(const char *dir_path, const char *name)
{
	return is_reserved(name, dir_path[0] == '\0');
}

int control_lookup(struct request *r, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr)
{
	if (!control_is_reserved(dir, name))
		return 0;
	control_enter(r, dir, name, name[1] == 'r' ? &run_ops : &pycloud_ops, 0,
		ret_node, ret_attr);
	return 1;
}

/* --- directories ---------------------------------------------------------- */

int control_dir_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	attr_fill_control(r->session, n, 0555, 0, &r->session->mounted_at, ret);
	return 0;
}

int control_enter_named(struct request *r, struct node *dir, const char *name,
	const struct control_name *names, struct node **ret_node,
	struct node_attr *ret_attr)
{
	for (; names->name != NULL; names++) {
		uint64_t tag = dir->tag;

		if (strcmp(names->name, name) != 0)
			continue;
		if (names->ops == &control_text_ops)
			tag = control_text_tag(names->text, dir->tag);
		control_enter(
			r, dir, name, names->ops, tag, ret_node, ret_attr);
		return 0;
	}
	return -ENOENT;
}

GPtrArray *control_names(const struct control_name *from)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

	for (; from->name != NULL; from++)
		g_ptr_array_add(names, g_strdup(from->name));
	return names;
}

int control_open_names(struct request *r, struct node *n, GPtrArray *names,
	struct open_result *ret)
{
	struct session *s = r->session;

	node_table_ref(s->nodes, n);
	*ret = (struct open_result){
		.handle = handle_table_open(s->handles, n, O_RDONLY),
		.is_seekable = true,
	};
	ret->handle->entries = names;
	return 0;
}

int control_dirent(struct request *r, struct handle *h, uint64_t index,
	bool wants_node, struct node_dirent *ret)
{
	struct session *s = r->session;
	int rc;

	*ret = (struct node_dirent){ 0 };
	if (index < 2) {
		ret->name = index == 0 ? "." : "..";
		return h->node->ops->getattr(r, h->node, &ret->attr) == 0;
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

int control_open_read_only(
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
	return 0;
}

void control_release(struct request *r, struct handle *h)
{
	(void)r;
	(void)h; /* the table frees the names and the text */
}

static int pycloud_lookup(struct request *r, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr)
{
	return control_enter_named(
		r, dir, name, pycloud_names, ret_node, ret_attr);
}

static int pycloud_opendir(
	struct request *r, struct node *n, struct open_result *ret)
{
	return control_open_names(r, n, control_names(pycloud_names), ret);
}

static const struct node_ops pycloud_ops = {
	.kind = "control directory",
	.type = S_IFDIR,
	.getattr = control_dir_getattr,
	.lookup = pycloud_lookup,
	.opendir = pycloud_opendir,
	.dirent = control_dirent,
	.release = control_release,
};
