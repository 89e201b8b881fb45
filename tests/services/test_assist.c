/* What the helper adds to the contents API, on a real Jupyter server: the same
 * tree, the same versions, and neither is believed without a proof. */
#include "config.h"

#include "assist.h"
#include "common_limits.h"
#include "contents.h"
#include "real_server.h"
#include "test.h"

#include <errno.h>
#include <string.h>

#define SOON_MS 60000

struct world {
	struct remote *plain; /* inside the other one */
	struct remote *remote;

	struct mutex lock;
	/* guarded by lock */
	struct waitlist waiters;
	uint64_t watch;
	GString *told; /* "name=size" or "name gone", one each */
};

/* --- the listener --------------------------------------------------------- */

static void on_watch(void *arg, uint64_t watch)
{
	struct world *w = arg;

	mutex_lock(&w->lock);
	w->watch = watch;
	waitlist_wake(&w->waiters);
	mutex_unlock(&w->lock);
}

static void on_changed(void *arg, uint64_t watch, const char *directory,
	const char *name, enum remote_told told, const struct entry *e)
{
	struct world *w = arg;

	(void)watch;
	mutex_lock(&w->lock);
	if (told == REMOTE_TOLD_ENTRY)
		g_string_append_printf(w->told, "%s/%s=%" G_GINT64_FORMAT "\n",
			directory, name, e->size);
	else
		g_string_append_printf(w->told, "%s/%s %s\n", directory, name,
			told == REMOTE_TOLD_ABSENT ? "gone" : "?");
	waitlist_wake(&w->waiters);
	mutex_unlock(&w->lock);
}

static void on_unwatched(void *arg, uint64_t watch, const char *directory)
{
	(void)arg;
	(void)watch;
	(void)directory;
}

static bool has_told(struct world *w, const char *line)
{
	struct cancel limit;
	int rc = 0;

	cancel_init(&limit, SOON_MS);
	mutex_lock(&w->lock);
	while (rc == 0 && strstr(w->told->str, line) == NULL)
		rc = waitlist_wait(&w->waiters, &w->lock, &limit, -1);
	mutex_unlock(&w->lock);
	cancel_fini(&limit);
	return rc == 0;
}

/* --- the world ------------------------------------------------------------ */

static struct world *begin(struct fixture *f)
{
	const struct contents_limits limits = { SOON_MS, SOON_MS };
	struct world *w = g_new0(struct world, 1);
	const struct remote_listener listener = { on_watch, on_changed,
		on_unwatched, w };
	struct cancel limit;
	int rc = 0;

	mutex_init(&w->lock);
	w->told = g_string_new(NULL);
	assert_int_equal(contents_new(f->pool, &limits, &w->plain), 0);
	assert_int_equal(assist_new(w->plain, f->helper, &w->remote), 0);
	remote_listen(w->remote, &listener);
	assist_start(w->remote);
	cancel_init(&limit, SOON_MS);
	mutex_lock(&w->lock);
	while (rc == 0 && w->watch == 0)
		rc = waitlist_wait(&w->waiters, &w->lock, &limit, -1);
	mutex_unlock(&w->lock);
	cancel_fini(&limit);
	assert_int_equal(rc, 0);
	assert_true((remote_capabilities(w->remote) & REMOTE_CAN_SWAP) != 0);
	return w;
}

static void end(struct world *w)
{
	remote_listen(w->remote, NULL);
	remote_free(w->remote);
	g_string_free(w->told, TRUE);
	mutex_fini(&w->lock);
	g_free(w);
}

static ssize_t text_source(void *arg, void *buffer, size_t size, int64_t offset)
{
	const char *text = arg;
	size_t left = strlen(text) - (size_t)offset;

	memcpy(buffer, text + offset, MIN(size, left));
	return (ssize_t)MIN(size, left);
}

static struct remote_source source_of(const char *text)
{
	return (struct remote_source){ text_source, (void *)(uintptr_t)text,
		(int64_t)strlen(text) };
}

static void put(struct world *w, const char *path, const char *text)
{
	const struct remote_source source = source_of(text);
	struct entry entry = { 0 };

	assert_int_equal(
		remote_write(w->plain, path, &source, NULL, &entry), 0);
	entry_clear(&entry);
}

static int collect(void *arg, const void *bytes, size_t length, int64_t offset)
{
	GByteArray *to = arg;

	assert_int_equal(offset, to->len);
	g_byte_array_append(to, bytes, (guint)length);
	return 0;
}

static void assert_text(struct world *w, const char *path, const char *text)
{
	GByteArray *bytes = g_byte_array_new();
	const struct remote_sink sink = { collect, bytes };
	struct remote_read_info info = { 0 };

	assert_int_equal(
		remote_read(w->plain, path, 0, -1, &sink, NULL, &info), 0);
	assert_int_equal(bytes->len, strlen(text));
	assert_memory_equal(bytes->data, text, bytes->len);
	g_byte_array_unref(bytes);
}

static void make_directory(struct world *w, const char *path)
{
	struct entry entry = { 0 };

	assert_int_equal(remote_mkdir(w->plain, path, NULL, &entry), 0);
	entry_clear(&entry);
}

/* --- behaviours ----------------------------------------------------------- */

struct seen {
	struct world *world;
	unsigned directories;
	unsigned watched;
};

/* Each listing is what the contents API says, to the microsecond. */
static void compare_listing(void *arg, const char *path, GPtrArray *entries,
	unsigned dropped, uint64_t watch)
{
	struct seen *seen = arg;
	GPtrArray *plain = NULL;
	unsigned ignored;

	(void)dropped;
	seen->directories++;
	seen->watched += watch == seen->world->watch;
	assert_int_equal(
		remote_list(seen->world->plain, path, NULL, &plain, &ignored),
		0);
	assert_int_equal(entries->len, plain->len);
	for (guint i = 0; i < plain->len; i++) {
		const struct entry *p = plain->pdata[i];
		bool is_found = false;

		for (guint j = 0; j < entries->len; j++) {
			const struct entry *e = entries->pdata[j];

			if (strcmp(e->name, p->name) != 0)
				continue;
			is_found = true;
			assert_true(entry_same_version(e, p));
			assert_int_equal(e->ctime.tv_sec, p->ctime.tv_sec);
			assert_int_equal(e->ctime.tv_nsec, p->ctime.tv_nsec);
			assert_int_equal(e->is_writable, p->is_writable);
		}
		assert_true(is_found);
	}
	g_ptr_array_unref(plain);
	g_ptr_array_unref(entries);
}

static void tree_is_what_the_contents_api_shows(void **state)
{
	struct world *w = begin(*state);
	struct seen seen = { .world = w };
	const struct remote_tree_sink sink = { compare_listing, &seen };
	bool is_all = false;

	make_directory(w, "tree");
	make_directory(w, "tree/b");
	make_directory(w, "tree/a b");
	put(w, "tree/b/one", "1");
	put(w, "tree/b/two.ipynb", "{}");
	put(w, "tree/\xc3\xa4 #%?", "odd");
	assert_int_equal(remote_list_tree(w->remote, "tree", "", 1000, &sink,
				 NULL, &is_all),
		0);
	assert_true(is_all);
	assert_int_equal(seen.directories, 3);
	assert_int_equal(seen.watched, 3);
	end(w);
}

static void tree_comes_in_pieces(void **state)
{
	struct world *w = begin(*state);
	struct seen seen = { .world = w };
	const struct remote_tree_sink sink = { compare_listing, &seen };
	bool is_all = true;

	make_directory(w, "pieces");
	make_directory(w, "pieces/a");
	make_directory(w, "pieces/b");
	assert_int_equal(remote_list_tree(w->remote, "pieces", "", 0, &sink,
				 NULL, &is_all),
		0);
	assert_false(is_all);
	assert_int_equal(seen.directories, 1);
	assert_int_equal(remote_list_tree(w->remote, "pieces", "pieces/b", 0,
				 &sink, NULL, &is_all),
		0);
	assert_true(is_all);
	assert_int_equal(seen.directories, 2);
	assert_int_equal(remote_list_tree(w->remote, "nowhere", "", 0, &sink,
				 NULL, &is_all),
		-ENOENT);
	end(w);
}

static void take_file(void *arg, unsigned index, int rc,
	const struct entry *version, const void *bytes, size_t length)
{
	GString *text = arg;

	if (rc < 0)
		g_string_append_printf(text, "%u:%d\n", index, rc);
	else
		g_string_append_printf(text, "%u:%.*s(%d)\n", index,
			(int)length, (const char *)bytes, (int)version->size);
}

static void many_files_come_at_once(void **state)
{
	static const char *const paths[] = { "m1", "m-none", "m2", "m3" };
	struct world *w = begin(*state);
	GString *text = g_string_new(NULL);
	const struct remote_many_sink sink = { take_file, text };
	g_autofree char *expected =
		g_strdup_printf("0:one(3)\n1:%d\n2:(0)\n3:three(5)\n", -ENOENT);

	put(w, "m1", "one");
	put(w, "m2", "");
	put(w, "m3", "three");
	assert_int_equal(
		remote_read_many(w->remote, paths, 4, 1000, &sink, NULL), 0);
	assert_string_equal(text->str, expected);
	g_string_free(text, TRUE);
	end(w);
}

static void save_swaps_only_what_it_began_from(void **state)
{
	struct world *w = begin(*state);
	const struct remote_source first = source_of("first");
	const struct remote_source second = source_of("second");
	struct remote_change change = { .condition = REMOTE_IF_ABSENT };
	struct entry made = { 0 }, now = { 0 }, again = { 0 };

	assert_int_equal(
		remote_replace(w->remote, "swap", &change, &first, NULL, &made),
		0);
	assert_int_equal(
		remote_replace(w->remote, "swap", &change, &second, NULL, &now),
		-ESTALE);
	assert_true(entry_same_version(&now, &made));
	entry_clear(&now);
	assert_text(w, "swap", "first");

	/* The server calls this version by the same name. */
	assert_int_equal(remote_stat(w->plain, "swap", NULL, &now), 0);
	assert_true(entry_same_version(&now, &made));
	entry_clear(&now);

	change = (struct remote_change){ .condition = REMOTE_IF_VERSION,
		.base = &made };
	assert_int_equal(remote_replace(w->remote, "swap", &change, &second,
				 NULL, &again),
		0);
	assert_text(w, "swap", "second");
	entry_clear(&again);
	assert_int_equal(remote_replace(w->remote, "swap", &change, &first,
				 NULL, &again),
		-ESTALE);
	assert_text(w, "swap", "second");
	entry_clear(&again);
	entry_clear(&made);
	end(w);
}

static void changed_bytes_alone_travel(void **state)
{
	struct world *w = begin(*state);
	const struct remote_source old = source_of("0123456789");
	const struct remote_source new = source_of("01AB4567CDE");
	const struct remote_range ranges[] = { { 2, 2 }, { 8, 3 } };
	struct remote_change change = { .condition = REMOTE_WHATEVER };
	struct entry base = { 0 }, now = { 0 };

	assert_int_equal(
		remote_replace(w->remote, "parts", &change, &old, NULL, &base),
		0);
	change = (struct remote_change){ .condition = REMOTE_IF_VERSION,
		.base = &base,
		.ranges = ranges,
		.n_ranges = 2 };
	assert_int_equal(
		remote_replace(w->remote, "parts", &change, &new, NULL, &now),
		0);
	assert_int_equal(now.size, 11);
	assert_text(w, "parts", "01AB4567CDE");
	entry_clear(&base);
	entry_clear(&now);
	end(w);
}

/* In pieces, ahead of the save; and they are read back as they were. */
static void large_save_goes_in_pieces(void **state)
{
	struct world *w = begin(*state);
	size_t size = 40 * MIB + 12345;
	char *text = g_malloc(size + 1);
	const struct remote_change change = { .condition = REMOTE_IF_ABSENT };
	struct remote_source source;
	struct entry now = { 0 };

	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + (i * 7 + i / 4099) % 26);
	text[size] = '\0';
	source = source_of(text);
	assert_int_equal(remote_replace(w->remote, "large", &change, &source,
				 NULL, &now),
		0);
	assert_int_equal(now.size, size);
	assert_text(w, "large", text);
	assert_int_equal(remote_remove(w->plain, "large", NULL), 0);
	entry_clear(&now);
	g_free(text);
	end(w);
}

static void ignore_listing(void *arg, const char *path, GPtrArray *entries,
	unsigned dropped, uint64_t watch)
{
	(void)arg;
	(void)path;
	(void)dropped;
	(void)watch;
	g_ptr_array_unref(entries);
}

static void change_in_the_pod_is_told(void **state)
{
	struct world *w = begin(*state);
	const struct remote_tree_sink sink = { ignore_listing, NULL };
	struct outcome o;
	bool is_all;

	make_directory(w, "told");
	assert_int_equal(remote_list_tree(w->remote, "told", "", 1000, &sink,
				 NULL, &is_all),
		0);
	run_code(*state, "open('told/x', 'w').write('12345')", &o);
	outcome_fini(&o);
	assert_true(has_told(w, "told/x=5\n"));
	run_code(*state, "import os; os.remove('told/x')", &o);
	outcome_fini(&o);
	assert_true(has_told(w, "told/x gone\n"));
	end(w);
}

static void names_change_in_one_step(void **state)
{
	struct world *w = begin(*state);
	struct entry to = { 0 }, from = { 0 };

	assert_true((remote_capabilities(w->remote) & REMOTE_CAN_MOVE) != 0);
	put(w, "one", "1");
	put(w, "second", "22");
	assert_int_equal(remote_move(w->remote, "one", "second",
				 REMOTE_MOVE_NOT_OVER, NULL, &to, &from),
		-EEXIST);
	assert_int_equal(remote_move(w->remote, "one", "second",
				 REMOTE_MOVE_EXCHANGE, NULL, &to, &from),
		0);
	assert_string_equal(to.name, "second");
	assert_int_equal(to.size, 1);
	assert_string_equal(from.name, "one");
	assert_int_equal(from.size, 2);
	entry_clear(&to);
	entry_clear(&from);
	assert_text(w, "second", "1");
	assert_int_equal(remote_move(w->remote, "second", "one",
				 REMOTE_MOVE_OVER, NULL, &to, &from),
		0);
	entry_clear(&to);
	assert_text(w, "one", "1");
	assert_int_equal(
		remote_link(w->remote, "one", "second", NULL, &to, &from), 0);
	assert_int_equal(to.size, 1);
	entry_clear(&to);
	entry_clear(&from);
	assert_int_equal(remote_move(w->remote, "second", "one",
				 REMOTE_MOVE_OVER, NULL, &to, &from),
		1);
	assert_int_equal(remote_remove(w->plain, "one", NULL), 0);
	assert_int_equal(remote_remove(w->plain, "second", NULL), 0);
	end(w);
}

static void the_volume_is_told(void **state)
{
	struct world *w = begin(*state);
	struct remote_volume v = { 0 };

	assert_int_equal(remote_volume(w->remote, NULL, &v), 0);
	assert_true(v.blocks > 0);
	assert_true(v.available <= v.blocks);
	end(w);
}

static void attributes_are_kept_there(void **state)
{
	struct world *w = begin(*state);
	GBytes *value = g_bytes_new_static("\0\377", 2);
	GHashTable *all = NULL;
	GBytes *seen = NULL;
	bool is_all = false;
	int rc;

	put(w, "kept", "1");
	rc = remote_setxattr(w->remote, "kept", "user.x", value, 0, NULL);
	if (rc != -EOPNOTSUPP) { /* else its disk has none */
		assert_int_equal(rc, 0);
		assert_int_equal(remote_getxattr(w->remote, "kept", "user.x",
					 NULL, &seen),
			0);
		assert_true(g_bytes_equal(seen, value));
		g_bytes_unref(seen);
		assert_int_equal(
			remote_xattrs(w->remote, "", NULL, &all, &is_all), 0);
		assert_true(is_all);
		assert_non_null(g_hash_table_lookup(all, "kept"));
		g_hash_table_unref(all);
		assert_int_equal(remote_setxattr(w->remote, "kept", "user.x",
					 NULL, 0, NULL),
			0);
		assert_int_equal(remote_getxattr(w->remote, "kept", "user.x",
					 NULL, &seen),
			-ENODATA);
	}
	g_bytes_unref(value);
	assert_int_equal(remote_remove(w->plain, "kept", NULL), 0);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_is_what_the_contents_api_shows),
		cmocka_unit_test(tree_comes_in_pieces),
		cmocka_unit_test(many_files_come_at_once),
		cmocka_unit_test(save_swaps_only_what_it_began_from),
		cmocka_unit_test(changed_bytes_alone_travel),
		cmocka_unit_test(large_save_goes_in_pieces),
		cmocka_unit_test(change_in_the_pod_is_told),
		cmocka_unit_test(names_change_in_one_step),
		cmocka_unit_test(the_volume_is_told),
		cmocka_unit_test(attributes_are_kept_there),
	};

	if (!server_is_named())
		return 77;
	return cmocka_run_group_tests(tests, connect_server, leave_server);
}
