/* world.c - see world.h. */
#include "config.h"

#include "world.h"

#include "dirty_set.h"
#include "fs_limits.h"
#include "names.h"
#include "replay.h"
#include "run_table.h"
#include "state.h"
#include "test.h"
#include "transfer.h"
#include "writeback.h"

#include <errno.h>
#include <string.h>

#define ESTALE_ATTEMPTS 20
#define TEXT_MAX	65536

static void describe(void *arg, GString *text)
{
	(void)arg;
	g_string_append(text, "workspace: fake\n");
}

void world_make_places(struct world *w, struct session_params *params)
{
	char *note = NULL;

	scratch_place_make(&w->cache);
	scratch_place_make(&w->spool);
	scratch_place_make(&w->names);
	scratch_place_make(&w->runs);
	scratch_place_make(&w->state);
	assert_int_equal(state_open(w->state.path, &w->state_db, &note), 0);
	assert_null(note);
	world_name_places(w, params);
}

void world_name_places(struct world *w, struct session_params *params)
{
	params->state = w->state_db;
	params->cache_fd = w->cache.fd;
	params->spool_fd = w->spool.fd;
	params->names_fd = w->names.fd;
	params->runs_fd = w->runs.fd;
}

void world_remove_places(struct world *w)
{
	state_close(w->state_db);
	scratch_place_remove(&w->cache);
	scratch_place_remove(&w->spool);
	scratch_place_remove(&w->names);
	scratch_place_remove(&w->runs);
	scratch_place_remove(&w->state);
}

void world_begin_session(struct world *w)
{
	struct session_params params = {
		.options = w->options,
		.remote = w->remote,
		.executor = w->executor,
		.describe = describe,
	};

	world_name_places(w, &params);
	assert_int_equal(session_new(&params, &w->session), 0);
	w->resumed = run_table_resume(w->session->runs);
}

int world_setup(void **state)
{
	struct world *w = g_new0(struct world, 1);
	struct session_params params = { 0 };

	w->options = (struct session_options){
		.attr_timeout_ms = 3600 * 1000,
		.uid = 1000,
		.gid = 1000,
		.runs_keep = RUNS_KEEP,
		.run_output_max = RUN_OUTPUT_MAX,
	};
	world_make_places(w, &params);
	w->remote = fake_remote_new();
	w->executor = fake_executor_new();
	world_begin_session(w);
	*state = w;
	return 0;
}

void world_end_session(struct world *w)
{
	session_free(w->session);
	w->session = NULL;
}

static unsigned begin_session(struct world *w)
{
	world_begin_session(w);
	return replay_spool(w->session);
}

unsigned world_restart(struct world *w)
{
	(void)session_drain(w->session);
	world_end_session(w);
	return begin_session(w);
}

/* name -> its bytes */
static GHashTable *take_files(const struct scratch_place *p)
{
	GHashTable *files = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
	GDir *dir = g_dir_open(p->path, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(p->path, name, NULL);
		char *bytes;
		gsize length;

		assert_true(g_file_get_contents(path, &bytes, &length, NULL));
		g_hash_table_insert(
			files, g_strdup(name), g_bytes_new_take(bytes, length));
	}
	g_dir_close(dir);
	return files;
}

static void put_files(const struct scratch_place *p, GHashTable *files)
{
	g_autofree char *path = g_strdup(p->path);
	GDir *dir = g_dir_open(path, 0, NULL);
	GHashTableIter iter;
	gpointer name, bytes;
	const char *old;

	while ((old = g_dir_read_name(dir)) != NULL)
		(void)unlinkat(p->fd, old, 0);
	g_dir_close(dir);
	g_hash_table_iter_init(&iter, files);
	while (g_hash_table_iter_next(&iter, &name, &bytes)) {
		g_autofree char *file = g_build_filename(path, name, NULL);
		gsize length;
		const char *p_bytes = g_bytes_get_data(bytes, &length);

		assert_true(g_file_set_contents(file,
			p_bytes == NULL ? "" : p_bytes, (gssize)length, NULL));
	}
}

static void kill_session(struct world *w)
{
	GHashTable *files = take_files(&w->spool);

	fake_remote_fail_all(w->remote, EHOSTUNREACH);
	world_end_session(w);
	put_files(&w->spool, files);
	g_hash_table_destroy(files);
}

unsigned world_kill(struct world *w)
{
	kill_session(w);
	fake_remote_fail_all(w->remote, 0);
	return begin_session(w);
}

unsigned world_kill_alone(struct world *w)
{
	kill_session(w);
	return begin_session(w);
}

void world_forget_beliefs(struct world *w)
{
	session_drop_beliefs(w->session);
}

void world_upload_late(struct world *w)
{
	session_hurry(w->session);
	assert_int_equal(dirty_set_wait_idle(w->session->dirty, NULL), 0);
}

int world_teardown(void **state)
{
	struct world *w = *state;

	world_end_session(w);
	executor_free(w->executor);
	remote_free(w->remote);
	world_remove_places(w);
	g_free(w);
	return 0;
}

void world_begin(struct world *w, struct request *r)
{
	*r = (struct request){
		.id = 1, .operation = "test", .session = w->session
	};
	cancel_init(&r->cancel, 0);
}

void world_end(struct request *r)
{
	cancel_fini(&r->cancel);
}

/* --- walking -------------------------------------------------------------- */

void world_forget(struct world *w, struct node *n)
{
	struct node_table *nodes = w->session->nodes;

	if (n == NULL)
		return;
	node_table_forget(nodes, n->ino, 1);
	node_table_unref(nodes, n);
}

struct node *world_walk(struct world *w, const char *path, int *ret_error)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1);
	struct node *n = node_table_get(w->session->nodes, ROOT_INO);
	int rc = 0;

	*ret_error = 0;
	for (char **name = names; rc == 0 && *name != NULL; name++) {
		struct node *child = NULL;
		struct node_attr attr;
		struct request r;

		world_begin(w, &r);
		rc = n->ops->lookup == NULL
			     ? -ENOTDIR
			     : n->ops->lookup(&r, n, *name, &child, &attr);
		world_end(&r);
		world_forget(w, n);
		n = child;
	}
	*ret_error = rc;
	return n;
}

/* The directory a path's last name is in. */
static struct node *walk_parent(
	struct world *w, const char *path, int *ret_error)
{
	g_autofree char *parent = path_parent(path);

	return world_walk(w, parent, ret_error);
}

/* --- system calls --------------------------------------------------------- */

int world_stat(struct world *w, const char *path, struct stat *ret)
{
	struct node_attr attr;
	struct request r;
	int rc;
	struct node *n = world_walk(w, path, &rc);

	if (rc < 0)
		return rc;
	world_begin(w, &r);
	rc = n->ops->getattr(&r, n, &attr);
	world_end(&r);
	world_forget(w, n);
	if (rc == 0)
		*ret = attr.st;
	return rc;
}

int world_exists(struct world *w, const char *path)
{
	struct stat st;

	return world_stat(w, path, &st);
}

int64_t world_size(struct world *w, const char *path)
{
	struct stat st;
	int rc = world_stat(w, path, &st);

	return rc < 0 ? rc : st.st_size;
}

static int create(struct world *w, const char *path, int flags, mode_t mode,
	struct open_result *ret)
{
	struct node_attr attr;
	struct node *n = NULL;
	struct request r;
	int rc;
	struct node *dir = walk_parent(w, path, &rc);

	if (rc < 0)
		return rc;
	world_begin(w, &r);
	rc = dir->ops->create(
		&r, dir, path_basename(path), mode, flags, &n, &attr, ret);
	world_end(&r);
	world_forget(w, dir);
	if (rc == 0)
		world_forget(w, n);
	return rc;
}

static int open_once(struct world *w, const char *path, int flags, mode_t mode,
	struct handle **ret)
{
	struct open_result opened = { 0 };
	struct request r;
	struct node *n;
	int rc;

	if ((flags & O_CREAT) != 0) {
		rc = create(w, path, flags, mode, &opened);
	} else {
		n = world_walk(w, path, &rc);
		if (rc < 0)
			return rc;
		world_begin(w, &r);
		rc = n->ops->open == NULL ? n->ops->opendir(&r, n, &opened)
					  : n->ops->open(&r, n, flags, &opened);
		world_end(&r);
		world_forget(w, n);
	}
	if (rc == 0)
		*ret = opened.handle;
	return rc;
}

/* The kernel looks a name up again whose file has just gone. */
int world_open_mode(struct world *w, const char *path, int flags, mode_t mode,
	struct handle **ret)
{
	int rc = -ESTALE;

	for (int i = 0; rc == -ESTALE && i < ESTALE_ATTEMPTS; i++)
		rc = open_once(w, path, flags, mode, ret);
	return rc;
}

int world_open(
	struct world *w, const char *path, int flags, struct handle **ret)
{
	return world_open_mode(w, path, flags, S_IFREG | 0644, ret);
}

ssize_t world_read(struct world *w, struct handle *h, char *buffer, size_t size,
	int64_t offset)
{
	struct request r;
	ssize_t n;

	world_begin(w, &r);
	n = h->node->ops->read(&r, h, buffer, size, offset);
	world_end(&r);
	return n;
}

ssize_t world_write(
	struct world *w, struct handle *h, const char *text, int64_t offset)
{
	struct request r;
	ssize_t n;

	world_begin(w, &r);
	n = h->node->ops->write(&r, h, text, strlen(text), offset);
	world_end(&r);
	return n;
}

int world_flush(struct world *w, struct handle *h)
{
	struct request r;
	int rc = 0;

	world_begin(w, &r);
	if (h->node->ops->flush != NULL)
		rc = h->node->ops->flush(&r, h);
	world_end(&r);
	return rc;
}

int world_fsync(struct world *w, struct handle *h)
{
	struct request r;
	int rc;

	world_begin(w, &r);
	rc = h->node->ops->fsync(&r, h);
	world_end(&r);
	return rc;
}

void world_release(struct world *w, struct handle *h)
{
	struct request r;

	world_begin(w, &r);
	h->node->ops->release(&r, h);
	world_end(&r);
	node_table_unref(
		w->session->nodes, handle_table_close(w->session->handles, h));
}

int world_close(struct world *w, struct handle *h)
{
	int rc = world_flush(w, h);

	world_release(w, h);
	return rc;
}

int world_fallocate(struct world *w, struct handle *h, int mode, int64_t offset,
	int64_t length)
{
	struct request r;
	int rc;

	world_begin(w, &r);
	rc = h->node->ops->fallocate(&r, h, mode, offset, length);
	world_end(&r);
	return rc;
}

int world_change(
	struct world *w, const char *path, const struct node_change *change)
{
	struct node_attr attr;
	struct request r;
	int rc;
	struct node *n = world_walk(w, path, &rc);

	if (rc < 0)
		return rc;
	world_begin(w, &r);
	rc = n->ops->setattr(&r, n, NULL, change, &attr);
	world_end(&r);
	world_forget(w, n);
	return rc;
}

int world_truncate(struct world *w, const char *path, int64_t size)
{
	const struct node_change change = { .has_size = true, .size = size };

	return world_change(w, path, &change);
}

int world_mkdir(struct world *w, const char *path)
{
	struct node_attr attr;
	struct node *n = NULL;
	struct request r;
	int rc;
	struct node *dir = walk_parent(w, path, &rc);

	if (rc < 0)
		return rc;
	world_begin(w, &r);
	rc = dir->ops->mkdir(
		&r, dir, path_basename(path), S_IFDIR | 0755, &n, &attr);
	world_end(&r);
	world_forget(w, dir);
	if (rc == 0)
		world_forget(w, n);
	return rc;
}

int world_link(struct world *w, const char *from, const char *to)
{
	struct node_attr attr;
	struct node *made = NULL;
	struct node *dir;
	struct request r;
	int rc;
	struct node *n = world_walk(w, from, &rc);

	if (rc < 0)
		return rc;
	dir = walk_parent(w, to, &rc);
	if (rc == 0) {
		world_begin(w, &r);
		rc = dir->ops->link(
			&r, n, dir, path_basename(to), &made, &attr);
		world_end(&r);
		world_forget(w, dir);
	}
	world_forget(w, n);
	if (rc == 0)
		world_forget(w, made);
	return rc;
}

int world_symlink(struct world *w, const char *target, const char *path)
{
	struct node_attr attr;
	struct node *n = NULL;
	struct request r;
	int rc;
	struct node *dir = walk_parent(w, path, &rc);

	if (rc < 0)
		return rc;
	world_begin(w, &r);
	rc = dir->ops->symlink(&r, dir, path_basename(path), target, &n, &attr);
	world_end(&r);
	world_forget(w, dir);
	if (rc == 0)
		world_forget(w, n);
	return rc;
}

char *world_readlink(struct world *w, const char *path)
{
	char *target = NULL;
	struct request r;
	int rc;
	struct node *n = world_walk(w, path, &rc);

	if (rc < 0)
		return NULL;
	world_begin(w, &r);
	if (n->ops->readlink == NULL || n->ops->readlink(&r, n, &target) < 0)
		target = NULL;
	world_end(&r);
	world_forget(w, n);
	return target;
}

static int remove_name(struct world *w, const char *path, bool is_directory)
{
	struct request r;
	int rc;
	struct node *dir = walk_parent(w, path, &rc);

	if (rc < 0)
		return rc;
	world_begin(w, &r);
	rc = is_directory ? dir->ops->rmdir(&r, dir, path_basename(path))
			  : dir->ops->unlink(&r, dir, path_basename(path));
	world_end(&r);
	world_forget(w, dir);
	return rc;
}

int world_unlink(struct world *w, const char *path)
{
	return remove_name(w, path, false);
}

int world_rmdir(struct world *w, const char *path)
{
	return remove_name(w, path, true);
}

int world_rename(
	struct world *w, const char *from, const char *to, unsigned flags)
{
	struct node *dir, *to_dir = NULL;
	struct request r;
	int rc;

	dir = walk_parent(w, from, &rc);
	if (rc == 0)
		to_dir = walk_parent(w, to, &rc);
	world_begin(w, &r);
	if (rc == 0)
		rc = dir->ops->rename(&r, dir, path_basename(from), to_dir,
			path_basename(to), flags);
	world_end(&r);
	world_forget(w, dir);
	world_forget(w, to_dir);
	return rc;
}

static int add_names(struct world *w, struct handle *h, GString *names)
{
	struct node_dirent d;
	struct request r;
	uint64_t index;
	int rc = 1;

	for (index = 0; rc > 0; index++) {
		world_begin(w, &r);
		rc = h->node->ops->dirent(&r, h, index, index % 2 == 0, &d);
		world_end(&r);
		if (rc == -ENOENT) { /* gone since the snapshot */
			rc = 1;
			continue;
		}
		if (rc <= 0)
			break;
		if (index >= 2)
			g_string_append_printf(names, "%s%s",
				names->len > 0 ? " " : "", d.name);
		world_forget(w, d.node);
	}
	return rc;
}

char *world_names(struct world *w, const char *path, int *ret_error)
{
	GString *names = g_string_new(NULL);
	struct handle *h;
	int rc = world_open(w, path, O_RDONLY, &h);

	if (rc == 0) {
		rc = add_names(w, h, names);
		world_release(w, h);
	}
	*ret_error = rc;
	return g_string_free(names, rc < 0);
}

char *world_getxattr(struct world *w, const char *path, const char *name)
{
	g_autofree char *value = NULL;
	size_t size = 0;
	struct request r;
	int rc;
	struct node *n = world_walk(w, path, &rc);

	if (rc < 0)
		return NULL;
	world_begin(w, &r);
	rc = n->ops->getxattr(&r, n, name, &value, &size);
	world_end(&r);
	world_forget(w, n);
	return rc < 0 ? NULL : g_strndup(value, size);
}

char *world_listxattr(struct world *w, const char *path)
{
	g_autofree char *names = NULL;
	size_t size = 0;
	struct request r;
	int rc;
	struct node *n = world_walk(w, path, &rc);

	assert_int_equal(rc, 0);
	world_begin(w, &r);
	assert_int_equal(n->ops->listxattr(&r, n, &names, &size), 0);
	world_end(&r);
	world_forget(w, n);
	for (size_t i = 0; i + 1 < size; i++)
		if (names[i] == '\0')
			names[i] = ' ';
	return g_strndup(names == NULL ? "" : names, size);
}

int world_setxattr(struct world *w, const char *path, const char *name,
	const char *value, int flags)
{
	struct request r;
	int rc;
	struct node *n = world_walk(w, path, &rc);

	if (rc < 0)
		return rc;
	world_begin(w, &r);
	rc = n->ops->setxattr(
		&r, n, name, value, value == NULL ? 0 : strlen(value), flags);
	world_end(&r);
	world_forget(w, n);
	return rc;
}

/* --- whole files ---------------------------------------------------------- */

char *world_cat(struct world *w, const char *path, int *ret_error)
{
	GString *text = g_string_new(NULL);
	char piece[7]; /* small, so that there are several */
	struct handle *h;
	ssize_t n = 1;
	int rc = world_open(w, path, O_RDONLY, &h);

	while (rc == 0 && n > 0) {
		n = world_read(w, h, piece, sizeof(piece), (int64_t)text->len);
		if (n < 0)
			rc = (int)n;
		else
			g_string_append_len(text, piece, n);
		assert_true(text->len < TEXT_MAX);
	}
	if (rc == 0 || n < 0)
		(void)world_close(w, h);
	*ret_error = rc;
	return g_string_free(text, rc < 0);
}

int world_save(struct world *w, const char *path, const char *text)
{
	struct handle *h;
	int rc = world_open(w, path, O_WRONLY | O_CREAT | O_TRUNC, &h);
	int closed;
	ssize_t n;

	if (rc < 0)
		return rc;
	n = world_write(w, h, text, 0);
	closed = world_close(w, h);
	return n < 0 ? (int)n : closed;
}

void assert_cat(struct world *w, const char *path, const char *expected)
{
	int rc;
	g_autofree char *text = world_cat(w, path, &rc);

	assert_int_equal(rc, 0);
	assert_string_equal(text, expected);
}

void assert_remote(struct world *w, const char *path, const char *expected)
{
	g_autofree char *text = fake_remote_text(w->remote, path);

	if (expected == NULL) {
		assert_null(text);
	} else {
		assert_non_null(text);
		assert_string_equal(text, expected);
	}
}

void assert_changes(struct world *w, const char *expected)
{
	g_autofree char *changes = fake_remote_changes(w->remote);

	assert_string_equal(changes, expected);
}

void assert_handle(struct world *w, struct handle *h, const char *expected)
{
	g_autofree char *text = g_malloc0(TEXT_MAX);
	ssize_t n = world_read(w, h, text, TEXT_MAX - 1, 0);

	assert_int_equal(n, (ssize_t)strlen(expected));
	assert_string_equal(text, expected);
}

unsigned world_pending(struct world *w)
{
	return dirty_set_count(w->session->dirty);
}
