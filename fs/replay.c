/* replay.c - see replay.h. */
#include "config.h"

#include "replay.h"

#include "attr_cache.h"
#include "content.h"
#include "dir.h"
#include "dirty_set.h"
#include "file.h"
#include "log.h"
#include "names.h"
#include "node_table.h"
#include "session.h"
#include "spool.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool is_path(char *const *names)
{
	for (; *names != NULL; names++)
		if (name_check_local(*names) < 0)
			return false;
	return true;
}

/* The node of a path, whatever the server has there: +1 ref, or NULL. */
static struct node *enter_path(struct session *s, const char *path)
{
	struct node_template directory = { .ops = &dir_ops };
	struct node_template file = file_template(s);
	g_auto(GStrv) names = g_strsplit(path, "/", -1);
	struct node *n = node_table_get(s->nodes, ROOT_INO);

	if (!is_path(names)) {
		node_table_unref(s->nodes, n);
		return NULL;
	}
	for (char **name = names; *name != NULL; name++) {
		struct node *child = node_table_enter(s->nodes, n, *name,
			name[1] == NULL ? &file : &directory, 0);

		node_table_unref(s->nodes, n);
		n = child;
	}
	return n;
}

/* A new file stands in its directory although the server does not list it. */
static void show_new_file(
	struct session *s, const char *path, const struct spool_record *r)
{
	g_autofree char *dir = path_parent(path);
	struct entry entry = {
		.type = ENTRY_FILE,
		.size = r->size,
		.mtime = { .tv_sec = r->since_s },
		.is_writable = true,
	};

	attr_cache_changed(s->attrs, dir, path_basename(path), &entry, true);
}

/* Takes record, fd and log. */
static bool take_up(struct session *s, struct spool_record *r, int fd,
	struct spool_log *log)
{
	g_autofree char *path = g_strdup(r->path);
	struct node *n = enter_path(s, path);
	int rc = -EINVAL;

	if (n != NULL && n->content != NULL) {
		if (r->base == SPOOL_BASE_ABSENT)
			show_new_file(s, path, r);
		rc = content_adopt(n->content, r, fd, log);
	}
	if (rc < 0) { /* a second one of this path: the next mount's */
		spool_record_clear(r);
		spool_close(log);
		(void)close(fd);
	} else {
		log_info("'%s' is taken up: its bytes are not on the server "
			 "yet",
			path);
		dirty_set_add(s->dirty, n);
		dirty_set_schedule(s->dirty, n, 0);
	}
	node_table_unref(s->nodes, n);
	return rc == 0;
}

/* A file that was opened to be written anew, and no more. */
static bool is_nothing(const struct spool_record *r)
{
	return r->is_unfinished && r->size == 0 &&
	       r->base == SPOOL_BASE_VERSION;
}

static bool replay_one(struct session *s, const char *name)
{
	struct spool_record record;
	struct spool_log *log;
	int fd;
	int rc = spool_open(s->spool, name, &record, &fd, &log);

	if (rc == -EBUSY || rc == -ENOENT)
		return false; /* another mount of the workspace has it */
	if (rc < 0) {
		log_error("%s in the spool cannot be understood (%s); it "
			  "stays there",
			name, g_strerror(-rc));
		return false;
	}
	if (is_nothing(&record)) {
		spool_record_clear(&record);
		spool_remove(log);
		(void)close(fd);
		return false;
	}
	return take_up(s, &record, fd, log);
}

unsigned replay_spool(struct session *s)
{
	GPtrArray *names = spool_list(s->spool);
	unsigned count = 0;

	for (guint i = 0; i < names->len; i++)
		count += replay_one(s, names->pdata[i]);
	g_ptr_array_unref(names);
	if (count > 0)
		log_warning("not on the server yet, and uploaded now: %u "
			    "file%s; see .pycloud/pending",
			count, count == 1 ? "" : "s");
	return count;
}
