/* local_dir.c - names that stay here, in their directories; see local_node.h. */
#include "config.h"

#include "local_node.h"

#include "dir.h"
#include "fs_limits.h"
#include "handle_table.h"
#include "local.h"
#include "local_names.h"
#include "names.h"
#include "path_gate.h"
#include "session.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct node *enter(struct session *s, struct node *dir, const char *name,
	const struct stat *st, uint64_t lookups)
{
	struct node_template template = { .ops = &local_file_ops };

	if (S_ISDIR(st->st_mode))
		template.ops = &local_dir_ops;
	else if (S_ISLNK(st->st_mode))
		template.ops = &local_link_ops;
	return node_table_enter(s->nodes, dir, name, &template, lookups);
}

/* The node of what stands at the path, for the kernel. */
static int enter_path(struct session *s, struct node *dir, const char *name,
	const char *path, struct node **ret_node, struct node_attr *ret_attr)
{
	struct stat st;
	int rc = local_names_stat(local_names(s), path, &st);

	if (rc < 0)
		return rc;
	*ret_node = enter(s, dir, name, &st, 1);
	local_attr(s, *ret_node, &st, ret_attr);
	return 0;
}

/* A name that is kept, but not here, is nowhere; only what a listing would show
 * may still be a file of the server's that we have not heard of. */
static bool may_be_servers(
	struct session *s, const struct node *dir, const char *name)
{
	return dir->ops != &local_dir_ops && local_is_editors(s, name) &&
	       name[0] != '.' && !name_may_be_unlisted(name, false);
}

int local_lookup(struct request *r, struct node *dir, const char *dir_path,
	const char *name, struct node **ret_node, struct node_attr *ret_attr)
{
	struct session *s = r->session;
	g_autofree char *path = path_join(dir_path, name);
	enum local_side side;
	int rc = local_find_side(r, dir, dir_path, name, 0, &side);

	if (rc < 0)
		return rc;
	switch (side) {
	case SIDE_HERE:
		rc = enter_path(s, dir, name, path, ret_node, ret_attr);
		return rc < 0 ? rc : 1;
	case SIDE_KEPT:
		return may_be_servers(s, dir, name) ? 0 : -ENOENT;
	case SIDE_REFUSED:
		return -ENOENT;
	case SIDE_SERVER:
	default:
		return 0;
	}
}

/* --- making names --------------------------------------------------------- */

/* 1: the name stays here; 0: it is the server's; -EPERM. */
static int stays(struct request *r, struct node *dir, const char *dir_path,
	const char *name, int flags)
{
	enum local_side side;
	int rc = local_find_side(r, dir, dir_path, name, flags, &side);

	if (rc < 0)
		return rc;
	if (side == SIDE_REFUSED)
		return -EPERM;
	return side != SIDE_SERVER;
}

static int open_or_create(struct session *s, const char *path, mode_t mode,
	int flags, struct stat *ret_st)
{
	struct local_names *names = local_names(s);
	int fd = local_names_create(names, path, flags, mode);

	if (fd == -EEXIST && (flags & O_EXCL) == 0)
		fd = local_names_open(names, path, flags);
	if (fd < 0)
		return fd == -ELOOP ? -EEXIST : fd;
	if (fstat(fd, ret_st) < 0 || !S_ISREG(ret_st->st_mode)) {
		(void)close(fd);
		return -EISDIR;
	}
	return fd;
}

int local_create(struct request *r, struct node *dir, const char *dir_path,
	const char *name, mode_t mode, int flags, struct node **ret_node,
	struct node_attr *ret_attr, struct open_result *ret_open)
{
	struct session *s = r->session;
	g_autofree char *now_dir_path = NULL;
	g_autofree char *path = NULL;
	struct path_pass pass;
	struct stat st;
	int fd;
	int rc = stays(r, dir, dir_path, name, flags | O_CREAT);

	if (rc <= 0)
		return rc;
	rc = dir_enter_alone(r, dir, name, &pass, &now_dir_path, &path);
	if (rc < 0)
		return rc;
	fd = open_or_create(s, path, mode, flags, &st);
	if (fd >= 0) {
		*ret_node = enter(s, dir, name, &st, 1);
		local_attr(s, *ret_node, &st, ret_attr);
		local_open_at(s, *ret_node, fd, flags, ret_open);
	}
	dir_leave(r, &pass);
	return fd < 0 ? fd : 1;
}

int local_mkdir(struct request *r, struct node *dir, const char *dir_path,
	const char *name, mode_t mode, struct node **ret_node,
	struct node_attr *ret_attr)
{
	struct session *s = r->session;
	g_autofree char *now_dir_path = NULL;
	g_autofree char *path = NULL;
	struct path_pass pass;
	int rc = stays(r, dir, dir_path, name, O_CREAT);

	if (rc <= 0)
		return rc;
	rc = dir_enter_alone(r, dir, name, &pass, &now_dir_path, &path);
	if (rc < 0)
		return rc;
	rc = local_names_mkdir(local_names(s), path, mode);
	if (rc == 0)
		rc = enter_path(s, dir, name, path, ret_node, ret_attr);
	dir_leave(r, &pass);
	return rc < 0 ? rc : 1;
}

/* -EEXIST when the server has the name. */
static int prove_absent(struct request *r, const char *path)
{
	struct session *s = r->session;
	struct entry entry;
	int rc = tree_stat(s->tree, path,
		MIN(s->options.attr_timeout_ms, REVALIDATE_MS), &r->cancel,
		&entry, NULL);

	if (rc == 0) {
		entry_clear(&entry);
		return -EEXIST;
	}
	return rc == -ENOENT ? 0 : rc;
}

int local_symlink(struct request *r, struct node *dir, const char *name,
	const char *target, struct node **ret_node, struct node_attr *ret_attr)
{
	struct session *s = r->session;
	g_autofree char *dir_path = NULL;
	g_autofree char *path = NULL;
	struct path_pass pass;
	int rc;

	if (strlen(target) >= PATH_MAX)
		return -ENAMETOOLONG;
	rc = dir_enter_alone(r, dir, name, &pass, &dir_path, &path);
	if (rc < 0)
		return rc;
	rc = stays(r, dir, dir_path, name, O_CREAT);
	if (rc == 0)
		rc = prove_absent(r, path);
	if (rc >= 0)
		rc = local_names_symlink(local_names(s), target, path);
	if (rc == 0)
		rc = enter_path(s, dir, name, path, ret_node, ret_attr);
	dir_leave(r, &pass);
	return rc;
}

/* --- removing names ------------------------------------------------------- */

int local_unlink(
	struct request *r, struct node *dir, const char *name, const char *path)
{
	struct session *s = r->session;
	struct stat st;
	int rc = local_names_stat(local_names(s), path, &st);

	if (rc == -ENOENT && dir->ops != &local_dir_ops)
		return 0;
	if (rc == 0)
		rc = S_ISDIR(st.st_mode)
			     ? -EISDIR
			     : local_names_unlink(local_names(s), path);
	if (rc < 0)
		return rc;
	node_table_unlink(s->nodes, dir, name);
	return 1;
}

int local_rmdir(
	struct request *r, struct node *dir, const char *name, const char *path)
{
	struct session *s = r->session;
	struct stat st;
	int rc = local_names_stat(local_names(s), path, &st);

	if (rc == -ENOENT && dir->ops != &local_dir_ops)
		return 0;
	if (rc == 0)
		rc = local_names_rmdir(local_names(s), path);
	if (rc < 0)
		return rc;
	node_table_unlink(s->nodes, dir, name);
	return 1;
}

/* --- reading directories -------------------------------------------------- */

static gint compare_to_name(gconstpointer key, gconstpointer name)
{
	return strcmp(key, *(char *const *)name);
}

static bool has_name(const GPtrArray *sorted, const char *name)
{
	return sorted->len > 0 &&
	       bsearch(name, sorted->pdata, sorted->len, sizeof(gpointer),
		       compare_to_name) != NULL;
}

void local_take_snapshot(struct session *s, const char *path, struct handle *h)
{
	GPtrArray *names = local_names_list(local_names(s), path);

	for (guint i = h->entries == NULL ? 0 : h->entries->len; i > 0; i--) {
		const struct entry *e = h->entries->pdata[i - 1];

		if (has_name(names, e->name))
			g_ptr_array_remove_index(h->entries, i - 1);
	}
	if (h->locals != NULL)
		g_ptr_array_unref(h->locals);
	h->locals = names;
}

int local_dirent(struct request *r, struct handle *h, guint index,
	bool wants_node, struct node_dirent *ret)
{
	struct session *s = r->session;
	g_autofree char *dir_path = NULL;
	g_autofree char *path = NULL;
	struct stat st;
	int rc;

	if (h->locals == NULL || index >= h->locals->len)
		return 0;
	dir_path = node_table_path(s->nodes, h->node);
	if (dir_path == NULL)
		return -ENOENT;
	ret->name = h->locals->pdata[index];
	path = path_join(dir_path, ret->name);
	rc = local_names_stat(local_names(s), path, &st);
	if (rc < 0)
		return rc;
	if (wants_node)
		ret->node = enter(s, h->node, ret->name, &st, 1);
	local_attr(s, ret->node, &st, &ret->attr);
	return 1;
}

int local_dir_opendir(
	struct request *r, struct node *n, struct open_result *ret)
{
	struct session *s = r->session;
	g_autofree char *path = node_table_path(s->nodes, n);

	if (path == NULL)
		return -ENOENT;
	node_table_ref(s->nodes, n);
	*ret = (struct open_result){
		.handle = handle_table_open(s->handles, n, O_RDONLY),
		.is_seekable = true,
	};
	local_take_snapshot(s, path, ret->handle);
	return 0;
}

int local_dir_dirent(struct request *r, struct handle *h, uint64_t index,
	bool wants_node, struct node_dirent *ret)
{
	struct session *s = r->session;

	*ret = (struct node_dirent){ 0 };
	if (index == 0 && h->is_begun) {
		g_autofree char *path = node_table_path(s->nodes, h->node);

		if (path != NULL)
			local_take_snapshot(s, path, h);
		else
			g_ptr_array_set_size(h->locals, 0);
	}
	h->is_begun = true;
	if (index < 2) {
		ret->name = index == 0 ? "." : "..";
		ret->attr.st.st_ino = h->node->ino;
		ret->attr.st.st_mode = S_IFDIR | 0755;
		return 1;
	}
	return local_dirent(
		r, h, (guint)MIN(index - 2, G_MAXUINT), wants_node, ret);
}
