/* The forest's adapter in the FUSE protocol, over a world that does as it is
 * told: who goes in is sent to walk once more, and waits there. */
#include "config.h"

#include "fs_limits.h"
#include "fuse_forest_ops.h"
#include "test.h"
#include "waitlist.h"
#include "wire.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* --- the world ------------------------------------------------------------ */

struct sky {
	struct mutex lock;
	/* guarded by lock */
	GPtrArray *names; /* of the workspaces */
	int list_rc;
	int mount_rc; /* of mounts that are let go */
	int empty_rc;
	bool holds_mounts;
	bool ends_mounts; /* those that stand */
	bool is_mounted;
	unsigned lists, mounts, removed;
	struct waitlist changed;
};

static int sky_list(
	void *arg, const struct cancel *cancel, GPtrArray **ret, char **ret_why)
{
	struct sky *s = arg;
	int rc;

	(void)cancel;
	*ret = g_ptr_array_new_with_free_func(forest_item_free);
	mutex_lock(&s->lock);
	s->lists++;
	rc = s->list_rc;
	for (guint i = 0; i < s->names->len; i++) {
		struct forest_item *item = g_new0(struct forest_item, 1);

		item->name = g_strdup(g_ptr_array_index(s->names, i));
		item->sentence = g_strdup("ready");
		item->created.tv_sec = 1000;
		g_ptr_array_add(*ret, item);
	}
	mutex_unlock(&s->lock);
	if (rc < 0)
		*ret_why = g_strdup("no list today");
	return rc;
}

static int sky_create(void *arg, const char *name, const struct cancel *cancel,
	char **ret_why)
{
	struct sky *s = arg;

	(void)cancel;
	if (strcmp(name, "Bad") == 0) {
		*ret_why = g_strdup("no name");
		return -EINVAL;
	}
	mutex_lock(&s->lock);
	g_ptr_array_add(s->names, g_strdup(name));
	mutex_unlock(&s->lock);
	return 0;
}

static int sky_remove(void *arg, const char *name, const struct cancel *cancel,
	char **ret_why)
{
	struct sky *s = arg;

	(void)cancel;
	(void)ret_why;
	mutex_lock(&s->lock);
	for (guint i = 0; i < s->names->len; i++)
		if (strcmp(g_ptr_array_index(s->names, i), name) == 0)
			(void)g_ptr_array_remove_index(s->names, i--);
	s->removed++;
	mutex_unlock(&s->lock);
	return 0;
}

static int sky_prove_empty(void *arg, const char *name,
	const struct cancel *cancel, char **ret_why)
{
	struct sky *s = arg;
	int rc;

	(void)name;
	(void)cancel;
	mutex_lock(&s->lock);
	rc = s->empty_rc;
	mutex_unlock(&s->lock);
	if (rc < 0)
		*ret_why = g_strdup("something is in it");
	return rc;
}

static int sky_mount(void *arg, const char *name, forest_say_fn say,
	void *say_arg, const struct cancel *cancel, void **ret_mounted,
	char **ret_why)
{
	struct sky *s = arg;
	int rc = 0;

	(void)name;
	say(say_arg, "is starting");
	mutex_lock(&s->lock);
	s->mounts++;
	waitlist_wake(&s->changed);
	while (rc == 0 && s->holds_mounts)
		rc = waitlist_wait(&s->changed, &s->lock, cancel, -1);
	if (rc == 0)
		rc = s->mount_rc;
	s->is_mounted = rc == 0;
	mutex_unlock(&s->lock);
	*ret_mounted = s;
	if (rc < 0)
		*ret_why = g_strdup("the pod is ill");
	return rc;
}

static void sky_attend(void *arg, void *mounted, const struct cancel *cancel)
{
	struct sky *s = arg;
	int rc = 0;

	assert_ptr_equal(arg, mounted);
	mutex_lock(&s->lock);
	while (rc == 0 && !s->ends_mounts)
		rc = waitlist_wait(&s->changed, &s->lock, cancel, -1);
	s->is_mounted = false;
	mutex_unlock(&s->lock);
}

static bool sky_is_mounted(void *arg, const char *name)
{
	struct sky *s = arg;
	bool is_mounted;

	(void)name;
	mutex_lock(&s->lock);
	is_mounted = s->is_mounted;
	mutex_unlock(&s->lock);
	return is_mounted;
}

static const struct forest_ops sky_ops = {
	.list = sky_list,
	.create = sky_create,
	.remove = sky_remove,
	.prove_empty = sky_prove_empty,
	.mount = sky_mount,
	.attend = sky_attend,
	.is_mounted = sky_is_mounted,
};

static void sky_wait_mounts(struct sky *s, unsigned count)
{
	mutex_lock(&s->lock);
	while (s->mounts < count)
		(void)waitlist_wait(&s->changed, &s->lock, NULL, -1);
	mutex_unlock(&s->lock);
}

/* Sets a field while nobody looks. */
#define SKY_SET(s, field, value)              \
	do {                                  \
		mutex_lock(&(s)->lock);       \
		(s)->field = (value);         \
		waitlist_wake(&(s)->changed); \
		mutex_unlock(&(s)->lock);     \
	} while (0)

static unsigned sky_count(struct sky *s, const unsigned *field)
{
	unsigned count;

	mutex_lock(&s->lock);
	count = *field;
	mutex_unlock(&s->lock);
	return count;
}

/* --- setting up ----------------------------------------------------------- */

struct place {
	struct sky sky;
	struct forest *forest;
	struct fuse_forest *adapter;
	struct wire wire;
};

static int set_up(void **state)
{
	struct place *p = g_new0(struct place, 1);
	const struct forest_params params = {
		.ops = &sky_ops, .arg = &p->sky, .mount_timeout_ms = 60000
	};
	struct fuse_forest_params adapter = {
		.uid = 1000, .gid = 1000, .valid_ms = 5000
	};
	char *why = NULL;

	mutex_init(&p->sky.lock);
	p->sky.names = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(p->sky.names, g_strdup("b"));
	g_ptr_array_add(p->sky.names, g_strdup("a"));
	p->forest = forest_new(&params);
	if (forest_refresh(p->forest, NULL, &why) < 0)
		return -1;
	adapter.forest = p->forest;
	p->adapter = fuse_forest_new(&adapter);
	if (wire_open_session(&p->wire, &fuse_forest_ops,
		    sizeof(fuse_forest_ops), p->adapter, true) < 0)
		return -1;
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	assert_true(forest_end(p->forest, 60000));
	wire_close_session(&p->wire);
	fuse_forest_free(p->adapter);
	forest_free(p->forest);
	g_ptr_array_unref(p->sky.names);
	mutex_fini(&p->sky.lock);
	g_free(p);
	return 0;
}

static uint64_t ino_of(struct place *p, const char *name)
{
	struct wire_reply reply;

	assert_int_equal(wire_lookup(&p->wire, FUSE_ROOT_ID, name, &reply), 0);
	return reply.body.entry.nodeid;
}

static int look_below(struct place *p, uint64_t ino)
{
	struct wire_reply reply;

	return wire_lookup(&p->wire, ino, "file", &reply);
}

static int access_of(struct place *p, uint64_t ino, uint32_t mask)
{
	const struct fuse_access_in in = { .mask = mask };
	struct wire_reply reply;

	return wire_call(
		&p->wire, FUSE_ACCESS, ino, &in, sizeof(in), NULL, 0, &reply);
}

static int mkdir_at(struct place *p, uint64_t dir, const char *name)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };
	struct wire_reply reply;

	return wire_call(&p->wire, FUSE_MKDIR, dir, &in, sizeof(in), name,
		strlen(name) + 1, &reply);
}

static int rmdir_at(struct place *p, const char *name)
{
	struct wire_reply reply;

	return wire_call(&p->wire, FUSE_RMDIR, FUSE_ROOT_ID, name,
		strlen(name) + 1, NULL, 0, &reply);
}

/* All of .pycloud/status; g_free. */
static char *status_of(struct place *p)
{
	struct wire_reply reply;
	uint64_t ino = wire_walk(&p->wire, ".pycloud/status");
	char *text;
	uint64_t fh;

	assert_int_equal(
		wire_open(&p->wire, FUSE_OPEN, ino, O_RDONLY, &reply), 0);
	fh = reply.body.open.fh;
	assert_int_equal(wire_read(&p->wire, FUSE_READ, ino, fh, 0, &reply), 0);
	text = g_strndup(reply.body.bytes, reply.length);
	assert_int_equal(wire_release(&p->wire, FUSE_RELEASE, ino, fh), 0);
	return text;
}

static void assert_status_has(struct place *p, const char *line)
{
	g_autofree char *text = status_of(p);

	if (strstr(text, line) == NULL)
		fail_msg("'%s' is not in the status: %s", line, text);
}

/* "a b": the names a reader of the directory sees. */
static char *names_in(struct place *p, uint64_t dir)
{
	GString *names = g_string_new(NULL);
	struct wire_reply reply;
	uint64_t fh;

	assert_int_equal(wire_open(&p->wire, FUSE_OPENDIR, dir, 0, &reply), 0);
	fh = reply.body.open.fh;
	assert_int_equal(
		wire_read(&p->wire, FUSE_READDIR, dir, fh, 0, &reply), 0);
	for (size_t at = 0; at < reply.length;) {
		struct fuse_dirent d;

		memcpy(&d, reply.body.bytes + at, FUSE_NAME_OFFSET);
		if (reply.body.bytes[at + FUSE_NAME_OFFSET] != '.')
			g_string_append_printf(names, "%s%.*s",
				names->len == 0 ? "" : " ", (int)d.namelen,
				reply.body.bytes + at + FUSE_NAME_OFFSET);
		at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + d.namelen);
	}
	assert_int_equal(wire_release(&p->wire, FUSE_RELEASEDIR, dir, fh), 0);
	return g_string_free(names, FALSE);
}

static void assert_names(struct place *p, const char *expected)
{
	g_autofree char *names = names_in(p, FUSE_ROOT_ID);

	assert_string_equal(names, expected);
}

/* --- looking -------------------------------------------------------------- */

static void looking_mounts_nothing(void **state)
{
	struct place *p = *state;
	struct wire_reply reply;
	uint64_t a = ino_of(p, "a");

	assert_names(p, "a b");
	assert_int_equal(wire_getattr(&p->wire, a, &reply), 0);
	assert_true(S_ISDIR(reply.body.attr.attr.mode));
	assert_int_equal(reply.body.attr.attr.mtime, 1000);
	assert_int_equal(access_of(p, a, R_OK | W_OK), 0);
	assert_int_equal(
		wire_lookup(&p->wire, FUSE_ROOT_ID, "none", &reply), -ENOENT);
	assert_status_has(p, "\na: not mounted; ready\n");
	forest_drop_beliefs(p->forest);
	/* What shells' prompts ask for all the time. */
	assert_int_equal(
		wire_lookup(&p->wire, FUSE_ROOT_ID, ".git", &reply), -ENOENT);
	assert_int_equal(sky_count(&p->sky, &p->sky.lists), 1);
	assert_int_equal(sky_count(&p->sky, &p->sky.mounts), 0);
}

static void the_last_list_is_shown_when_none_comes(void **state)
{
	struct place *p = *state;

	SKY_SET(&p->sky, list_rc, -EHOSTUNREACH);
	forest_drop_beliefs(p->forest);
	assert_names(p, "a b");
	assert_status_has(p, "list: no list today\n");
	/* Not asked again at once. */
	assert_names(p, "a b");
	assert_int_equal(sky_count(&p->sky, &p->sky.lists), 2);
}

/* --- going in ------------------------------------------------------------- */

static void who_goes_in_walks_again_and_waits_for_the_mount(void **state)
{
	struct place *p = *state;
	struct wire_reply reply;
	uint64_t a = ino_of(p, "a");
	uint64_t waiting;

	SKY_SET(&p->sky, holds_mounts, true);
	assert_int_equal(look_below(p, a), -ESTALE);
	waiting =
		wire_send(&p->wire, FUSE_LOOKUP, FUSE_ROOT_ID, "a", 2, NULL, 0);
	sky_wait_mounts(&p->sky, 1);
	/* Others are served, those who only look at it too. */
	assert_int_equal(wire_lookup(&p->wire, FUSE_ROOT_ID, "b", &reply), 0);
	assert_int_equal(wire_getattr(&p->wire, a, &reply), 0);
	assert_int_equal(ino_of(p, "a"), a);
	assert_status_has(p, "\na: being mounted; is starting\n");
	SKY_SET(&p->sky, holds_mounts, false);
	wire_receive(&p->wire, &reply);
	assert_int_equal(reply.unique, waiting);
	assert_int_equal(reply.error, 0);
	assert_int_equal(reply.body.entry.nodeid, a);
	assert_status_has(p, "\na: mounted\n");
	assert_int_equal(sky_count(&p->sky, &p->sky.mounts), 1);
}

static void every_way_in_is_one(void **state)
{
	struct place *p = *state;
	struct wire_reply reply;
	uint64_t a = ino_of(p, "a");

	assert_int_equal(
		wire_open(&p->wire, FUSE_OPENDIR, a, 0, &reply), -ESTALE);
	assert_int_equal(ino_of(p, "a"), a);
	assert_int_equal(access_of(p, a, X_OK), -ESTALE);
	assert_int_equal(ino_of(p, "a"), a);
	assert_int_equal(mkdir_at(p, a, "x"), -ESTALE);
	assert_int_equal(ino_of(p, "a"), a);
	assert_int_equal(wire_create(&p->wire, a, "x", &reply), -ESTALE);
	assert_int_equal(ino_of(p, "a"), a);
	assert_int_equal(sky_count(&p->sky, &p->sky.mounts), 1);
}

static void a_failure_is_remembered_until_nothing_is_believed(void **state)
{
	struct place *p = *state;
	uint64_t a = ino_of(p, "a");

	SKY_SET(&p->sky, mount_rc, -EACCES);
	assert_int_equal(look_below(p, a), -ESTALE);
	assert_int_equal(ino_of(p, "a"), a);
	assert_int_equal(look_below(p, a), -EACCES);
	assert_int_equal(access_of(p, a, X_OK), -EACCES);
	assert_status_has(p, "\na: not mounted; the pod is ill\n");
	assert_int_equal(sky_count(&p->sky, &p->sky.mounts), 1);
	SKY_SET(&p->sky, mount_rc, 0);
	forest_drop_beliefs(p->forest);
	assert_int_equal(look_below(p, a), -ESTALE);
	assert_int_equal(ino_of(p, "a"), a);
	assert_status_has(p, "\na: mounted\n");
}

static void a_mount_that_ended_is_made_again(void **state)
{
	struct place *p = *state;
	uint64_t a = ino_of(p, "a");

	assert_int_equal(look_below(p, a), -ESTALE);
	assert_int_equal(ino_of(p, "a"), a);
	/* Unmounted, but its process has not ended. */
	SKY_SET(&p->sky, is_mounted, false);
	assert_int_equal(look_below(p, a), -ESTALE);
	assert_int_equal(ino_of(p, "a"), a);
	assert_int_equal(sky_count(&p->sky, &p->sky.mounts), 2);
	assert_status_has(p, "\na: mounted\n");
}

static void a_mounted_workspace_outlives_its_place_in_the_list(void **state)
{
	struct place *p = *state;
	uint64_t a = ino_of(p, "a");
	struct wire_reply reply;

	assert_int_equal(look_below(p, a), -ESTALE);
	assert_int_equal(ino_of(p, "a"), a);
	mutex_lock(&p->sky.lock);
	g_ptr_array_set_size(p->sky.names, 0);
	mutex_unlock(&p->sky.lock);
	forest_drop_beliefs(p->forest);
	assert_int_equal(
		wire_lookup(&p->wire, FUSE_ROOT_ID, "b", &reply), -ENOENT);
	assert_int_equal(ino_of(p, "a"), a);
	assert_names(p, "a");
}

static void who_waits_can_be_interrupted(void **state)
{
	struct place *p = *state;
	struct fuse_interrupt_in in = { 0 };
	struct wire_reply reply;
	uint64_t a = ino_of(p, "a");

	SKY_SET(&p->sky, holds_mounts, true);
	assert_int_equal(look_below(p, a), -ESTALE);
	in.unique =
		wire_send(&p->wire, FUSE_LOOKUP, FUSE_ROOT_ID, "a", 2, NULL, 0);
	(void)wire_send(&p->wire, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL, 0);
	wire_receive(&p->wire, &reply);
	assert_int_equal(reply.unique, in.unique);
	assert_int_equal(reply.error, -EINTR);
	assert_status_has(p, "\na: being mounted");
}

static void wait_for_status(struct place *p, const char *line)
{
	bool is_there = false;

	while (!is_there) {
		g_autofree char *text = status_of(p);

		is_there = strstr(text, line) != NULL;
	}
}

static void those_who_wait_leave_threads_for_the_others(void **state)
{
	struct place *p = *state;
	struct wire_reply reply;
	uint64_t a = ino_of(p, "a");
	uint64_t b = ino_of(p, "b");
	char line[32];

	SKY_SET(&p->sky, holds_mounts, true);
	for (unsigned i = 1; i <= FOREST_WAITERS_MAX; i++) {
		assert_int_equal(look_below(p, i % 2 == 0 ? a : b), -ESTALE);
		(void)wire_send(&p->wire, FUSE_LOOKUP, FUSE_ROOT_ID,
			i % 2 == 0 ? "a" : "b", 2, NULL, 0);
		(void)snprintf(line, sizeof(line), "waiting: %u\n", i);
		wait_for_status(p, line);
	}
	assert_int_equal(look_below(p, a), -EAGAIN);
	assert_int_equal(look_below(p, b), -EAGAIN);
	assert_names(p, "a b");
	SKY_SET(&p->sky, holds_mounts, false);
	for (unsigned i = 1; i <= FOREST_WAITERS_MAX; i++) {
		wire_receive(&p->wire, &reply);
		assert_int_equal(reply.error, 0);
	}
}

/* --- making and removing -------------------------------------------------- */

static void workspaces_are_made_and_removed(void **state)
{
	struct place *p = *state;
	uint64_t made;

	assert_int_equal(mkdir_at(p, FUSE_ROOT_ID, "Bad"), -EINVAL);
	assert_int_equal(mkdir_at(p, FUSE_ROOT_ID, "a"), -EEXIST);
	assert_int_equal(mkdir_at(p, FUSE_ROOT_ID, "made"), 0);
	made = ino_of(p, "made");
	assert_names(p, "a b made");
	SKY_SET(&p->sky, empty_rc, -ENOTEMPTY);
	assert_int_equal(rmdir_at(p, "made"), -ENOTEMPTY);
	SKY_SET(&p->sky, empty_rc, -EHOSTUNREACH);
	assert_int_equal(rmdir_at(p, "made"), -ENOTEMPTY);
	assert_int_equal(sky_count(&p->sky, &p->sky.removed), 0);
	SKY_SET(&p->sky, empty_rc, 0);
	assert_int_equal(rmdir_at(p, "made"), 0);
	assert_int_equal(rmdir_at(p, "made"), -ENOENT);
	assert_int_equal(look_below(p, made), -ENOENT);
	assert_names(p, "a b");
	/* The kernel marks a removed directory as dead: no number comes twice. */
	assert_int_equal(mkdir_at(p, FUSE_ROOT_ID, "made"), 0);
	assert_int_not_equal(ino_of(p, "made"), made);
}

static void nothing_else_can_be_made(void **state)
{
	struct place *p = *state;
	struct wire_reply reply;

	assert_int_equal(
		wire_create(&p->wire, FUSE_ROOT_ID, "x", &reply), -EPERM);
	assert_int_equal(wire_call(&p->wire, FUSE_UNLINK, FUSE_ROOT_ID, "a", 2,
				 NULL, 0, &reply),
		-EPERM);
	assert_int_equal(
		mkdir_at(p, wire_walk(&p->wire, ".pycloud"), "x"), -EPERM);
	assert_int_equal(wire_getattr(&p->wire, 4711, &reply), -ESTALE);
	assert_int_equal(look_below(p, 4711), -ESTALE);
	assert_int_equal(
		wire_read(&p->wire, FUSE_READDIR, 1, 4711, 0, &reply), -EBADF);
	assert_int_equal(sky_count(&p->sky, &p->sky.mounts), 0);
}

static void what_is_ending_lets_nobody_in(void **state)
{
	struct place *p = *state;
	uint64_t a = ino_of(p, "a");
	uint64_t b = ino_of(p, "b");

	SKY_SET(&p->sky, holds_mounts, true);
	assert_int_equal(look_below(p, a), -ESTALE);
	sky_wait_mounts(&p->sky, 1);
	assert_true(forest_end(p->forest, 60000));
	assert_int_equal(look_below(p, b), -EHOSTUNREACH);
	assert_int_equal(sky_count(&p->sky, &p->sky.mounts), 1);
}

#define with_forest(name) \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_forest(looking_mounts_nothing),
		with_forest(the_last_list_is_shown_when_none_comes),
		with_forest(who_goes_in_walks_again_and_waits_for_the_mount),
		with_forest(every_way_in_is_one),
		with_forest(a_failure_is_remembered_until_nothing_is_believed),
		with_forest(a_mount_that_ended_is_made_again),
		with_forest(a_mounted_workspace_outlives_its_place_in_the_list),
		with_forest(who_waits_can_be_interrupted),
		with_forest(those_who_wait_leave_threads_for_the_others),
		with_forest(workspaces_are_made_and_removed),
		with_forest(nothing_else_can_be_made),
		with_forest(what_is_ending_lets_nobody_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
