/* What the kernel holds of us: capabilities, lookups, what it gives back. */
#include "config.h"

#include "attr_cache.h"
#include "fs_limits.h"
#include "test.h"
#include "wire.h"

#include <errno.h>
#include <string.h>

static void init_asks_for_what_the_design_needs(void **state)
{
	struct wire *w = *state;
	/* FUSE_PARALLEL_DIROPS is asked for, too, but older versions of libfuse
	 * do not pass it on. */
	const uint32_t wanted = FUSE_ATOMIC_O_TRUNC | FUSE_DO_READDIRPLUS |
				FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_READ;
	const uint32_t unwanted = FUSE_AUTO_INVAL_DATA | FUSE_WRITEBACK_CACHE |
				  FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;

	assert_int_equal(w->init.major, FUSE_KERNEL_VERSION);
	assert_int_equal(w->init.flags & wanted, wanted);
	assert_int_equal(w->init.flags & unwanted, 0);
	assert_int_equal(w->init.max_write, FUSE_WRITE_MAX);
	assert_int_equal(w->init.time_gran, 1);
}

static void a_lookup_tells_attributes_and_for_how_long(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;
	uint64_t ino;

	fake_remote_put(w->world->remote, "a", "hello");
	assert_int_equal(wire_lookup(w, FUSE_ROOT_ID, "a", &reply), 0);
	ino = reply.body.entry.nodeid;
	assert_int_not_equal(ino, FUSE_ROOT_ID);
	assert_int_equal(reply.body.entry.attr.ino, ino);
	assert_int_equal(reply.body.entry.attr.size, 5);
	assert_int_equal(reply.body.entry.attr.mode, S_IFREG | 0644);
	assert_true(reply.body.entry.entry_valid > 0);
	assert_int_equal(reply.body.entry.generation, 0);
	assert_int_equal(wire_getattr(w, ino, &reply), 0);
	assert_int_equal(reply.body.attr.attr.size, 5);
	assert_true(reply.body.attr.attr_valid > 0);
	assert_int_equal(wire_lookup(w, FUSE_ROOT_ID, "none", &reply), -ENOENT);
}

static void a_forgotten_node_is_freed_and_unknown(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;
	uint64_t ino;

	fake_remote_put(w->world->remote, "a", "");
	ino = wire_walk(w, "a");
	assert_int_equal(wire_walk(w, "a"), ino);
	wire_forget(w, ino, 1);
	assert_int_equal(wire_getattr(w, ino, &reply), 0);
	wire_forget(w, ino, 1);
	assert_int_equal(wire_getattr(w, ino, &reply), -ESTALE);
	assert_false(wire_node_exists(w, ino));
	assert_int_not_equal(wire_walk(w, "a"), ino); /* never used twice */
}

static void many_are_forgotten_at_once(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;
	struct fuse_batch_forget_in batch = { .count = 2 };
	struct fuse_forget_one forgets[2];

	fake_remote_put(w->world->remote, "a", "");
	fake_remote_put(w->world->remote, "b", "");
	forgets[0] = (struct fuse_forget_one){ wire_walk(w, "a"), 1 };
	forgets[1] = (struct fuse_forget_one){ wire_walk(w, "b"), 1 };
	(void)wire_send(w, FUSE_BATCH_FORGET, 0, &batch, sizeof(batch), forgets,
		sizeof(forgets));
	assert_int_equal(wire_getattr(w, forgets[0].nodeid, &reply), -ESTALE);
	assert_int_equal(wire_getattr(w, forgets[1].nodeid, &reply), -ESTALE);
	assert_int_equal(node_table_count(w->world->session->nodes), 1);
}

static void a_lookup_that_did_not_arrive_is_not_counted(void **state)
{
	struct wire *w = *state;

	fake_remote_put(w->world->remote, "a", "");
	wire_lose_next_reply(w);
	(void)wire_send(w, FUSE_LOOKUP, FUSE_ROOT_ID, "a", 2, NULL, 0);
	wire_assert_silent(w);
	assert_int_equal(node_table_count(w->world->session->nodes), 1);
}

static void an_open_that_did_not_arrive_is_released(void **state)
{
	struct wire *w = *state;
	const struct fuse_open_in open = { .flags = O_RDONLY };
	const struct fuse_create_in create = { .flags = O_WRONLY | O_CREAT,
		.mode = S_IFREG | 0644 };
	uint64_t ino;

	fake_remote_put(w->world->remote, "a", "");
	ino = wire_walk(w, "a");
	wire_lose_next_reply(w);
	(void)wire_send(w, FUSE_OPEN, ino, &open, sizeof(open), NULL, 0);
	wire_assert_silent(w);
	assert_int_equal(handle_table_count(w->world->session->handles), 0);
	wire_lose_next_reply(w);
	(void)wire_send(w, FUSE_CREATE, FUSE_ROOT_ID, &create, sizeof(create),
		"new", 4);
	wire_assert_silent(w);
	assert_int_equal(handle_table_count(w->world->session->handles), 0);
}

/* --- directories ---------------------------------------------------------- */

struct seen {
	GString *names;
	uint64_t nodes[8]; /* that were handed out with a lookup */
	unsigned count;
};

static void take_plus_entries(struct seen *s, const struct wire_reply *reply)
{
	size_t at = 0;

	while (at < reply->length) {
		const struct fuse_direntplus *d =
			(const void *)(reply->body.bytes + at);

		g_string_append_printf(s->names, "%.*s ",
			(int)d->dirent.namelen, d->dirent.name);
		if (d->entry_out.nodeid != 0)
			s->nodes[s->count++] = d->entry_out.nodeid;
		at += FUSE_DIRENTPLUS_SIZE(d);
	}
}

static void readdirplus_counts_what_it_hands_out(void **state)
{
	struct wire *w = *state;
	struct node_table *nodes = w->world->session->nodes;
	struct seen seen = { .names = g_string_new(NULL) };
	struct wire_reply reply;
	uint64_t fh;

	fake_remote_put(w->world->remote, "a", "");
	fake_remote_put(w->world->remote, "d/e", "");
	assert_int_equal(
		wire_open(w, FUSE_OPENDIR, FUSE_ROOT_ID, 0, &reply), 0);
	fh = reply.body.open.fh;
	assert_int_equal(
		wire_read(w, FUSE_READDIRPLUS, FUSE_ROOT_ID, fh, 0, &reply), 0);
	take_plus_entries(&seen, &reply);
	assert_string_equal(seen.names->str, ". .. .run a d ");
	assert_int_equal(seen.count, 3);
	assert_int_equal(node_table_count(nodes), 4);
	assert_int_equal(wire_walk(w, "a"), seen.nodes[1]);
	wire_forget(w, seen.nodes[1], 1);
	for (unsigned i = 0; i < seen.count; i++) {
		assert_int_equal(wire_getattr(w, seen.nodes[i], &reply), 0);
		wire_forget(w, seen.nodes[i], 1);
		assert_int_equal(
			wire_getattr(w, seen.nodes[i], &reply), -ESTALE);
	}
	assert_int_equal(wire_release(w, FUSE_RELEASEDIR, FUSE_ROOT_ID, fh), 0);
	assert_int_equal(node_table_count(nodes), 1);
	assert_int_equal(fake_remote_all_calls(w->world->remote), 1);
	g_string_free(seen.names, TRUE);
}

static void readdir_counts_nothing_and_goes_on_where_it_stopped(void **state)
{
	struct wire *w = *state;
	struct fuse_read_in in = { .size = 4096 };
	struct wire_reply reply;
	unsigned count = 0;
	size_t at;

	for (int i = 0; i < 300; i++) {
		g_autofree char *name = g_strdup_printf("file-%03d", i);

		fake_remote_put(w->world->remote, name, "");
	}
	assert_int_equal(
		wire_open(w, FUSE_OPENDIR, FUSE_ROOT_ID, 0, &reply), 0);
	in.fh = reply.body.open.fh;
	do {
		assert_int_equal(wire_call(w, FUSE_READDIR, FUSE_ROOT_ID, &in,
					 sizeof(in), NULL, 0, &reply),
			0);
		for (at = 0; at < reply.length; count++) {
			const struct fuse_dirent *d =
				(const void *)(reply.body.bytes + at);

			in.offset = d->off;
			at += FUSE_DIRENT_SIZE(d);
		}
	} while (reply.length > 0);
	assert_int_equal(count, 300 + 3); /* ".", "..", ".run" */
	assert_int_equal(node_table_count(w->world->session->nodes), 1);
	assert_int_equal(
		wire_release(w, FUSE_RELEASEDIR, FUSE_ROOT_ID, in.fh), 0);
}

static void destroy_is_answered(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;

	fake_remote_put(w->world->remote, "a", "");
	(void)wire_walk(w, "a"); /* never forgotten */
	assert_int_equal(
		wire_call(w, FUSE_DESTROY, 0, NULL, 0, NULL, 0, &reply), 0);
}

#define with_wire(name) \
	cmocka_unit_test_setup_teardown(name, wire_setup, wire_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_wire(init_asks_for_what_the_design_needs),
		with_wire(a_lookup_tells_attributes_and_for_how_long),
		with_wire(a_forgotten_node_is_freed_and_unknown),
		with_wire(many_are_forgotten_at_once),
		with_wire(a_lookup_that_did_not_arrive_is_not_counted),
		with_wire(an_open_that_did_not_arrive_is_released),
		with_wire(readdirplus_counts_what_it_hands_out),
		with_wire(readdir_counts_nothing_and_goes_on_where_it_stopped),
		with_wire(destroy_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
