/* cache.c: bytes at rest, during a mount and between two. */
#include "config.h"

#include "cache.h"

#include "scratch.h"
#include "scratch_place.h"
#include "state.h"
#include "test.h"

struct fixture {
	struct scratch_place files, states;
	struct state *state;
	struct cache *cache;
};

static void open_cache(struct fixture *f)
{
	char *note = NULL;

	assert_int_equal(state_open(f->states.path, &f->state, &note), 0);
	f->cache = cache_new(f->files.fd, 100, f->state);
}

static void close_cache(struct fixture *f)
{
	cache_free(f->cache);
	state_close(f->state);
}

static int make_fixture(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	scratch_place_make(&f->files);
	scratch_place_make(&f->states);
	open_cache(f);
	*state = f;
	return 0;
}

static int free_fixture(void **state)
{
	struct fixture *f = *state;

	close_cache(f);
	scratch_place_remove(&f->files);
	scratch_place_remove(&f->states);
	g_free(f);
	return 0;
}

static struct entry version_of(int64_t size, time_t seconds)
{
	return (struct entry){
		.type = ENTRY_FILE, .size = size, .mtime = { seconds, 7000 }
	};
}

static void give(struct fixture *f, const char *path, const char *text)
{
	int64_t size = (int64_t)strlen(text);
	struct cached_bytes bytes;

	cached_bytes_init(&bytes);
	bytes.fd = scratch_file(f->files.fd);
	bytes.size = size;
	bytes.version = version_of(size, 1);
	assert_int_equal(scratch_write(bytes.fd, text, (size_t)size, 0), 0);
	assert_int_equal(extents_add(&bytes.present, 0, size), 0);
	cache_give(f->cache, path, &bytes);
}

/* What is held of the path's version; "" for nothing; g_free. */
static char *take(struct fixture *f, const char *path, int64_t size, time_t at)
{
	struct entry version = version_of(size, at);
	char text[200] = "";
	struct cached_bytes bytes;

	cached_bytes_init(&bytes);
	if (cache_take(f->cache, path, &version, NULL, &bytes) == 1)
		assert_int_equal(pread(bytes.fd, text, sizeof(text), 0), size);
	cached_bytes_clear(&bytes);
	return g_strdup(text);
}

#define assert_takes(f, path, size, at, expected)               \
	do {                                                    \
		g_autofree char *got = take(f, path, size, at); \
		assert_string_equal(got, expected);             \
	} while (0)

static void bytes_are_given_out_once_and_of_their_version(void **state)
{
	give(*state, "a", "hello");
	assert_takes(*state, "a", 5, 1, "hello");
	assert_takes(*state, "a", 5, 1, "");
	give(*state, "a", "hello");
	assert_takes(*state, "a", 5, 2, "");
}

static void the_next_mount_has_what_the_last_one_held(void **state)
{
	struct fixture *f = *state;

	give(f, "a", "one");
	give(f, "d/b", "two");
	close_cache(f);
	assert_int_equal(scratch_place_count(&f->files), 2);
	open_cache(f);
	assert_int_equal(cache_bytes(f->cache), 6);
	assert_takes(f, "d/b", 3, 1, "two");
	assert_takes(f, "a", 3, 9, "");
	assert_int_equal(scratch_place_count(&f->files), 0);
	give(f, "c", "three"); /* no number is used twice */
	assert_takes(f, "c", 5, 1, "three");
}

static void the_oldest_make_room_in_the_next_mount_too(void **state)
{
	struct fixture *f = *state;
	g_autofree char *forty = g_strnfill(40, 'x');

	give(f, "old", forty);
	give(f, "new", forty);
	close_cache(f);
	open_cache(f);
	give(f, "newest", forty);
	assert_takes(f, "old", 40, 1, "");
	assert_takes(f, "new", 40, 1, forty);
}

/* The name of the only file; g_free. */
static char *only_name(struct fixture *f)
{
	GDir *dir = g_dir_open(f->files.path, 0, NULL);
	char *name = g_strdup(g_dir_read_name(dir));

	g_dir_close(dir);
	assert_non_null(name);
	return name;
}

static void what_was_in_use_when_a_mount_was_killed_is_removed(void **state)
{
	struct fixture *f = *state;
	g_autofree char *name = NULL;
	GPtrArray *list = NULL;

	give(f, "a", "one");
	close_cache(f);
	open_cache(f);
	name = only_name(f);
	/* The index is gone as soon as somebody may change a file. */
	assert_int_equal(state_cache_list(f->state, &list), 0);
	assert_int_equal(list->len, 0);
	g_ptr_array_unref(list);
	assert_int_equal(unlinkat(f->files.fd, name, 0), 0);
	(void)close(openat(f->files.fd, "77", O_CREAT | O_WRONLY, 0600));
	close_cache(f);
	open_cache(f);
	assert_int_equal(scratch_place_count(&f->files), 0);
	assert_takes(f, "a", 3, 1, "");
}

static void an_index_that_lies_is_not_believed(void **state)
{
	struct fixture *f = *state;
	char path[] = "a", up[] = "../x", bad[] = "5-2";
	char all[] = "0-3", more[] = "0-9";
	struct state_cache records[] = {
		{ .path = path,
			.version = { 3, { 1, 0 } },
			.file = up,
			.present = all },
		{ .path = path,
			.version = { 3, { 1, 0 } },
			.file = NULL,
			.present = bad },
		{ .path = path,
			.version = { 3, { 1, 0 } },
			.file = NULL,
			.present = more },
		{ .path = path,
			.version = { 4, { 1, 0 } },
			.file = NULL,
			.present = all },
	};
	GPtrArray *list = g_ptr_array_new();

	g_autofree char *file = NULL;

	give(f, "a", "one");
	file = only_name(f);
	close_cache(f);
	for (size_t i = 0; i < G_N_ELEMENTS(records); i++) {
		if (records[i].file == NULL)
			records[i].file = file;
		g_ptr_array_add(list, &records[i]);
	}
	f->state = NULL;
	{
		char *note = NULL;

		assert_int_equal(
			state_open(f->states.path, &f->state, &note), 0);
	}
	assert_int_equal(state_cache_replace(f->state, list), 0);
	g_ptr_array_unref(list);
	f->cache = cache_new(f->files.fd, 100, f->state);
	assert_int_equal(cache_bytes(f->cache), 0);
	assert_int_equal(scratch_place_count(&f->files), 0);
}

#define with_fixture(name) \
	cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_fixture(bytes_are_given_out_once_and_of_their_version),
		with_fixture(the_next_mount_has_what_the_last_one_held),
		with_fixture(the_oldest_make_room_in_the_next_mount_too),
		with_fixture(
			what_was_in_use_when_a_mount_was_killed_is_removed),
		with_fixture(an_index_that_lies_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
