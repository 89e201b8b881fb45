/* Several threads and the same bytes: shared requests, and who waits. */
#include "config.h"

#include "attr_cache.h"
#include "content.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>

#define THREADS 4

/* One system call on a thread of its own. */
struct call {
	struct world *world;
	struct handle *handle;
	const char *path, *to;
	struct request request;
	char *text;
	int rc;
	pthread_t thread;
};

static void *read_whole_thread(void *arg)
{
	struct call *c = arg;

	c->text = world_cat(c->world, c->path, &c->rc);
	return NULL;
}

static void *stat_thread(void *arg)
{
	struct call *c = arg;

	c->rc = world_exists(c->world, c->path);
	return NULL;
}

static void *flush_thread(void *arg)
{
	struct call *c = arg;

	c->rc = c->handle->node->ops->flush(&c->request, c->handle);
	return NULL;
}

static void *rename_thread(void *arg)
{
	struct call *c = arg;

	c->rc = world_rename(c->world, c->path, c->to, 0);
	return NULL;
}

static void *unlink_thread(void *arg)
{
	struct call *c = arg;

	c->rc = world_unlink(c->world, c->path);
	return NULL;
}

static void *write_thread(void *arg)
{
	struct call *c = arg;

	c->rc = (int)world_write(c->world, c->handle, c->path, 0);
	return NULL;
}

static void start(struct call *c, void *(*function)(void *))
{
	world_begin(c->world, &c->request);
	assert_int_equal(pthread_create(&c->thread, NULL, function, c), 0);
}

static int result(struct call *c)
{
	(void)pthread_join(c->thread, NULL);
	world_end(&c->request);
	return c->rc;
}

static void readers_of_one_file_share_one_request(void **state)
{
	struct world *w = *state;
	struct call calls[THREADS] = { 0 };
	struct handle *keeps;

	fake_remote_put(w->remote, "a", "shared bytes");
	assert_int_equal(world_open(w, "a", O_RDONLY, &keeps), 0);
	fake_remote_stall(w->remote, FAKE_READ);
	for (int i = 0; i < THREADS; i++) {
		calls[i] = (struct call){ .world = w, .path = "a" };
		start(&calls[i], read_whole_thread);
	}
	fake_remote_await_stalled(w->remote, FAKE_READ);
	fake_remote_release(w->remote, FAKE_READ);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(result(&calls[i]), 0);
		assert_string_equal(calls[i].text, "shared bytes");
		g_free(calls[i].text);
	}
	assert_int_equal(fake_remote_calls(w->remote, FAKE_READ), 1);
	assert_int_equal(world_close(w, keeps), 0);
}

static void stats_of_siblings_at_once_agree(void **state)
{
	static const char *const names[THREADS] = { "a", "b", "a", "none" };
	struct world *w = *state;
	struct call calls[THREADS] = { 0 };

	fake_remote_put(w->remote, "a", "");
	fake_remote_put(w->remote, "b", "");
	fake_remote_stall(w->remote, FAKE_LIST);
	for (int i = 0; i < THREADS; i++) {
		calls[i] = (struct call){ .world = w, .path = names[i] };
		start(&calls[i], stat_thread);
	}
	fake_remote_await_stalled(w->remote, FAKE_LIST);
	fake_remote_release(w->remote, FAKE_LIST);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			result(&calls[i]), i == THREADS - 1 ? -ENOENT : 0);
	/* Who came when it had landed may have asked once more. */
	assert_in_range(fake_remote_calls(w->remote, FAKE_LIST), 1, THREADS);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_STAT), 0);
}

/* A file of the name with unsaved bytes, whose upload stands still. */
static void stall_upload(struct world *w, struct call *flushing,
	const char *path, const char *text)
{
	*flushing = (struct call){ .world = w };
	assert_int_equal(
		world_open(w, path, O_RDWR | O_CREAT, &flushing->handle), 0);
	assert_true(world_write(w, flushing->handle, text, 0) > 0);
	fake_remote_stall(w->remote, FAKE_WRITE);
	start(flushing, flush_thread);
	fake_remote_await_stalled(w->remote, FAKE_WRITE);
}

static void a_rename_waits_for_the_upload(void **state)
{
	struct world *w = *state;
	struct call renaming = { .world = w, .path = "a", .to = "b" };
	struct call flushing;

	stall_upload(w, &flushing, "a", "x");
	start(&renaming, rename_thread);
	fake_remote_release(w->remote, FAKE_WRITE);
	assert_int_equal(result(&flushing), 0);
	assert_int_equal(result(&renaming), 0);
	assert_changes(w, "write a;rename a b;");
	assert_int_equal(world_close(w, flushing.handle), 0);
	assert_remote(w, "b", "x");
}

static void a_rename_of_the_directory_waits_too(void **state)
{
	struct world *w = *state;
	struct call renaming = { .world = w, .path = "d", .to = "e" };
	struct call flushing;

	fake_remote_put_directory(w->remote, "d");
	stall_upload(w, &flushing, "d/a", "x");
	start(&renaming, rename_thread);
	fake_remote_release(w->remote, FAKE_WRITE);
	assert_int_equal(result(&flushing), 0);
	assert_int_equal(result(&renaming), 0);
	assert_changes(w, "write d/a;rename d e;");
	assert_int_equal(world_close(w, flushing.handle), 0);
}

static void a_removal_waits_for_the_upload(void **state)
{
	struct world *w = *state;
	struct call unlinking = { .world = w, .path = "a" };
	struct call flushing;

	stall_upload(w, &flushing, "a", "x");
	start(&unlinking, unlink_thread);
	fake_remote_release(w->remote, FAKE_WRITE);
	assert_int_equal(result(&flushing), 0);
	assert_int_equal(result(&unlinking), 0);
	assert_changes(w, "write a;remove a;");
	assert_int_equal(world_close(w, flushing.handle), 0);
	assert_remote(w, "a", NULL);
}

static void a_write_during_an_upload_is_uploaded_next(void **state)
{
	struct world *w = *state;
	struct call flushing;
	struct call writing = { .world = w, .path = "second" };

	stall_upload(w, &flushing, "a", "first");
	writing.handle = flushing.handle;
	start(&writing, write_thread);
	fake_remote_release(w->remote, FAKE_WRITE);
	assert_int_equal(result(&flushing), 0);
	assert_int_equal(result(&writing), 6);
	assert_remote(w, "a", "first");
	assert_int_equal(world_pending(w), 1);
	assert_int_equal(world_close(w, flushing.handle), 0);
	assert_remote(w, "a", "second");
	assert_int_equal(world_pending(w), 0);
}

static void an_upload_that_stalls_can_be_interrupted(void **state)
{
	struct world *w = *state;
	struct call flushing;

	stall_upload(w, &flushing, "a", "kept");
	cancel_fire(&flushing.request.cancel);
	assert_int_equal(result(&flushing), -EINTR);
	assert_int_equal(world_pending(w), 1);
	assert_int_equal(world_close(w, flushing.handle), 0);
	assert_remote(w, "a", "kept");
}

static void an_interrupted_loader_is_not_the_others_failure(void **state)
{
	struct world *w = *state;
	struct call first = { .world = w };
	struct call second = { .world = w, .path = "a" };

	fake_remote_put(w->remote, "a", "x");
	assert_int_equal(world_open(w, "a", O_RDWR, &first.handle), 0);
	fake_remote_stall(w->remote, FAKE_READ);
	first.path = "w"; /* loads first, and is written into then */
	start(&second, read_whole_thread);
	fake_remote_await_stalled(w->remote, FAKE_READ);
	start(&first, write_thread);
	fake_remote_fail(w->remote, FAKE_READ, 1, EINTR);
	fake_remote_release(w->remote, FAKE_READ);
	assert_int_equal(result(&second), -EINTR);
	assert_int_equal(result(&first), 1);
	assert_int_equal(world_close(w, first.handle), 0);
	assert_remote(w, "a", "w");
}

static void *open_thread(void *arg)
{
	struct call *c = arg;

	c->rc = world_open(c->world, c->path, O_RDONLY, &c->handle);
	return NULL;
}

static void who_opens_during_a_removal_has_the_bytes_or_no_file(void **state)
{
	struct world *w = *state;
	struct call unlinking = { .world = w, .path = "a" };
	struct call opening = { .world = w, .path = "a" };

	fake_remote_put(w->remote, "a", "x");
	assert_int_equal(world_exists(w, "a"), 0);
	fake_remote_stall(w->remote, FAKE_REMOVE);
	start(&unlinking, unlink_thread);
	fake_remote_await_stalled(w->remote, FAKE_REMOVE);
	start(&opening, open_thread);
	fake_remote_release(w->remote, FAKE_REMOVE);
	assert_int_equal(result(&unlinking), 0);
	assert_int_equal(result(&opening), -ENOENT);
}

/* --- everybody at once ---------------------------------------------------- */

#define ROUNDS 60

static void *save_and_read(void *arg)
{
	struct call *c = arg;

	for (int i = 0; i < ROUNDS && c->rc == 0; i++) {
		g_autofree char *text = NULL;

		c->rc = world_save(c->world, c->path, "saved bytes");
		if (c->rc == 0)
			text = world_cat(c->world, c->path, &c->rc);
	}
	return NULL;
}

static void *save_by_rename(void *arg)
{
	struct call *c = arg;

	for (int i = 0; i < ROUNDS && c->rc == 0; i++) {
		c->rc = world_save(c->world, c->to, "renamed bytes");
		if (c->rc == 0)
			c->rc = world_rename(c->world, c->to, c->path, 0);
	}
	return NULL;
}

static void *expire_and_list(void *arg)
{
	struct call *c = arg;

	for (int i = 0; i < ROUNDS && c->rc == 0; i++) {
		g_autofree char *names = NULL;

		attr_cache_expire(c->world->session->attrs);
		names = world_names(c->world, "", &c->rc);
		if (c->rc == -EBUSY) /* overtaken three times: not wrong */
			c->rc = 0;
	}
	return NULL;
}

static void play_everybody(struct world *w)
{
	struct call calls[] = {
		{ .world = w, .path = "a" },
		{ .world = w, .path = "a" },
		{ .world = w, .path = "a", .to = "tmp1" },
		{ .world = w, .path = "b", .to = "tmp2" },
		{ .world = w },
	};
	void *(*const functions[])(void *) = { save_and_read, save_and_read,
		save_by_rename, save_by_rename, expire_and_list };
	g_autofree char *text = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
		start(&calls[i], functions[i]);
	for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
		(void)result(&calls[i]);
	for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
		assert_int_equal(calls[i].rc, 0);
	text = fake_remote_text(w->remote, "a");
	assert_non_null(text);
	if (g_strcmp0(text, "saved bytes") != 0)
		assert_string_equal(text, "renamed bytes");
	assert_remote(w, "b", "renamed bytes");
	assert_remote(w, "tmp1", NULL);
	assert_int_equal(world_pending(w), 0);
	assert_int_equal(node_table_count(w->session->nodes), 1);
	assert_int_equal(handle_table_count(w->session->handles), 0);
}

static void everybody_at_once_ends_in_one_whole_version(void **state)
{
	struct world *w = *state;

	play_everybody(w);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_REPLACE), 0);
}

static void everybody_who_swaps_ends_in_one_whole_version(void **state)
{
	struct world *w = *state;

	fake_remote_set_capabilities(
		w->remote, REMOTE_CAN_RANGE | REMOTE_CAN_SWAP);
	play_everybody(w);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_WRITE), 0);
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(readers_of_one_file_share_one_request),
		with_world(stats_of_siblings_at_once_agree),
		with_world(a_rename_waits_for_the_upload),
		with_world(a_rename_of_the_directory_waits_too),
		with_world(a_removal_waits_for_the_upload),
		with_world(a_write_during_an_upload_is_uploaded_next),
		with_world(an_upload_that_stalls_can_be_interrupted),
		with_world(an_interrupted_loader_is_not_the_others_failure),
		with_world(who_opens_during_a_removal_has_the_bytes_or_no_file),
		with_world(everybody_at_once_ends_in_one_whole_version),
		with_world(everybody_who_swaps_ends_in_one_whole_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
