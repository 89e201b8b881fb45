/* dir_gate.c - see dir.h: paths that stay what they are. */
#include "config.h"

#include "dir.h"

#include "common_limits.h"
#include "control.h"
#include "names.h"
#include "path_gate.h"
#include "session.h"

#include <errno.h>
#include <string.h>

int dir_child_path(struct request *r, struct node *dir, const char *name,
	char **ret_dir_path, char **ret_path)
{
	int rc = name_check_local(name);

	if (rc < 0)
		return rc;
	if (control_is_reserved(dir, name))
		return -EPERM;
	*ret_dir_path = node_table_path(r->session->nodes, dir);
	if (*ret_dir_path == NULL)
		return -ENOENT;
	*ret_path = path_join(*ret_dir_path, name);
	return strlen(*ret_path) > PATH_BYTES_MAX ? -ENAMETOOLONG : 0;
}

void dir_place_clear(struct dir_place *p)
{
	g_clear_pointer(&p->dir_path, g_free);
	g_clear_pointer(&p->path, g_free);
}

static int find_path(struct request *r, struct dir_place *p)
{
	dir_place_clear(p);
	if (p->name != NULL)
		return dir_child_path(
			r, p->node, p->name, &p->dir_path, &p->path);
	p->path = node_table_path(r->session->nodes, p->node);
	return p->path == NULL ? -ENOENT : 0;
}

static bool is_there(struct request *r, const struct dir_place *p)
{
	g_autofree char *now = node_table_path(r->session->nodes, p->node);

	return now != NULL &&
	       strcmp(now, p->name != NULL ? p->dir_path : p->path) == 0;
}

int dir_enter_places(struct request *r, struct dir_place *a,
	struct dir_place *b_or_null, struct path_pass *pass)
{
	for (;;) {
		int rc = find_path(r, a);

		if (rc == 0 && b_or_null != NULL)
			rc = find_path(r, b_or_null);
		if (rc < 0)
			return rc;
		*pass = (struct path_pass){ .path = a->path,
			.other_path =
				b_or_null == NULL ? NULL : b_or_null->path,
			.is_alone = true };
		rc = path_gate_enter(r->session->gate, pass, &r->cancel);
		if (rc < 0)
			return rc;
		if (is_there(r, a) &&
			(b_or_null == NULL || is_there(r, b_or_null)))
			return 0;
		dir_leave(r, pass);
	}
}

int dir_enter_alone(struct request *r, struct node *dir, const char *name,
	struct path_pass *pass, char **ret_dir_path, char **ret_path)
{
	struct dir_place p = { .node = dir, .name = name };
	int rc = dir_enter_places(r, &p, NULL, pass);

	if (rc < 0) {
		dir_place_clear(&p);
		return rc;
	}
	*ret_dir_path = p.dir_path;
	*ret_path = p.path;
	return 0;
}

void dir_leave(struct request *r, struct path_pass *pass)
{
	path_gate_leave(r->session->gate, pass);
}
