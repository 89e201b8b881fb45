/* What the helper says of files: taken as agreed, or not at all. */
#include "config.h"

#include "assist_text.h"
#include "test.h"

#include <errno.h>
#include <string.h>

static int parse_tree(const char *text, const char *top, GPtrArray **ret)
{
	return assist_parse_tree(text, strlen(text), top, ret);
}

static void tree_becomes_listings(void **state)
{
	GPtrArray *all = NULL;
	const struct assist_directory *d;
	const struct entry *e;

	(void)state;
	assert_int_equal(parse_tree("[[\"a\",1,2,[[\"z\",\"f\",7,-1,5,1],"
				    "[\"b\",\"d\",null,1500000,5,0]]],"
				    "[\"a/b\",0,0,[]]]",
				 "a", &all),
		0);
	assert_int_equal(all->len, 2);
	d = all->pdata[0];
	assert_string_equal(d->path, "a");
	assert_true(d->is_watched);
	assert_int_equal(d->dropped, 2);
	assert_int_equal(d->entries->len, 2);
	e = d->entries->pdata[0]; /* in order, whatever order they came in */
	assert_string_equal(e->name, "b");
	assert_int_equal(e->type, ENTRY_DIRECTORY);
	assert_int_equal(e->size, -1);
	assert_int_equal(e->mtime.tv_sec, 1);
	assert_int_equal(e->mtime.tv_nsec, 500000000);
	assert_false(e->is_writable);
	e = d->entries->pdata[1];
	assert_int_equal(e->size, 7);
	assert_int_equal(e->mtime.tv_sec, -1);
	assert_int_equal(e->mtime.tv_nsec, 999999000);
	assert_true(e->is_writable);
	d = all->pdata[1];
	assert_false(d->is_watched);
	g_ptr_array_unref(all);
}

static void names_that_are_none_are_dropped(void **state)
{
	GPtrArray *all = NULL;
	const struct assist_directory *d;

	(void)state;
	assert_int_equal(parse_tree("[[\"\",1,0,[[\"..\",\"f\",1,1,1,1],"
				    "[\"a/b\",\"f\",1,1,1,1],"
				    "[\"\",\"d\",null,1,1,1],"
				    "[\"x\",\"f\",1,1,1,1],"
				    "[\"x\",\"d\",null,1,1,1]]]]",
				 "", &all),
		0);
	d = all->pdata[0];
	assert_int_equal(d->entries->len, 1);
	assert_int_equal(d->dropped, 4);
	g_ptr_array_unref(all);
}

static void tree_that_is_none_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[7]",
		"[[]]",
		"[[\"a\",1,0]]",
		"[[\"b\",1,0,[]]]",	  /* not below `top` */
		"[[\"a/../..\",1,0,[]]]", /* out of it */
		"[[\"a//b\",1,0,[]]]",	  /* no path */
		"[[\"/a\",1,0,[]]]",
		"[[\"a\",-1,0,[]]]",
		"[[\"a\",1,0,[[\"x\"]]]]",
		"[[\"a\",1,0,[[\"x\",\"q\",1,1,1,1]]]]",
		"[[\"a\",1,0,[[\"x\",\"f\",-1,1,1,1]]]]",
		"[[\"a\",1,0,[[\"x\",\"f\",null,1,1,1]]]]",
		"[[\"a\",1,0,[[\"x\",\"f\",1e300,1,1,1]]]]",
		"[[\"a\",1,0,[[\"x\",\"f\",1,1.5,1,1]]]]",
		"[[\"a\",1,0,[[\"x\",\"f\",1,1,1]]]]",
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		GPtrArray *all = NULL;

		if (parse_tree(texts[i], "a", &all) != -EPROTO)
			fail_msg("taken: %s", texts[i]);
	}
}

/* What a file system tells, of the entry `text` in the directory "". */
static bool parse_attr(const char *text, struct entry *ret)
{
	g_autofree char *tree =
		g_strdup_printf("[[\"\",0,0,[[\"x\",\"f\",5,%s]]]]", text);
	g_autoptr(GPtrArray) all = NULL;

	if (assist_parse_tree(tree, strlen(tree), "", &all) < 0)
		return false;
	entry_copy(
		((struct assist_directory *)all->pdata[0])->entries->pdata[0],
		ret);
	return true;
}

static void test_attributes_are_read(void **state)
{
	struct entry e;

	(void)state;
	assert_true(
		parse_attr("1000000,5,1,[493,0,4294967295,2,789,null]", &e));
	assert_true(e.has_attr);
	assert_int_equal(e.mode, 0755);
	assert_int_equal(e.gid, UINT32_MAX);
	assert_int_equal(e.nlink, 2);
	assert_int_equal(e.exact.tv_sec, 1);
	assert_int_equal(e.exact.tv_nsec, 789);
	assert_null(e.target);
	entry_clear(&e);
	assert_true(parse_attr("1000000,5,1,[511,0,0,1,-1,\"../a\"]", &e));
	assert_int_equal(e.exact.tv_sec, 0);
	assert_int_equal(e.exact.tv_nsec, 999999999);
	assert_string_equal(e.target, "../a");
	entry_clear(&e);
	assert_true(parse_attr("1999999,5,1,[511,0,0,1,1000,null]", &e));
	assert_int_equal(e.exact.tv_sec, 2);
	assert_int_equal(e.exact.tv_nsec, 0);
	entry_clear(&e);
	assert_true(parse_attr("1,1,1", &e));
	assert_false(e.has_attr);
	entry_clear(&e);
}

static void test_bad_attributes_are_refused(void **state)
{
	static const char *const texts[] = { "1,1,1,null", "1,1,1,[]",
		"1,1,1,[1,1,1,1,1]", "1,1,1,[-1,1,1,1,1,null]",
		"1,1,1,[4096,1,1,1,1,null]", "1,1,1,[1,-1,1,1,1,null]",
		"1,1,1,[1,1,4294967296,1,1,null]", "1,1,1,[1,1,1,-1,1,null]",
		"1,1,1,[1,1,1,1,2001,null]", "1,1,1,[1,1,1,1,-2001,null]",
		"1,1,1,[1,1,1,1,1,\"\"]", "1,1,1,[1,1,1,1,1,7]" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		struct entry e;

		if (parse_attr(texts[i], &e))
			fail_msg("taken: %s", texts[i]);
	}
}

static void changes_are_of_three_kinds(void **state)
{
	static const char text[] = "[[\"d\",\"a\",\"f\",3,1,2,1],"
				   "[\"\",\"b\",null,null,0,0,0],"
				   "[\"d\",\"c\",\"?\",null,0,0,0]]";
	GPtrArray *all = NULL;
	const struct assist_told *t;

	(void)state;
	assert_int_equal(assist_parse_told(text, strlen(text), &all), 0);
	t = all->pdata[0];
	assert_int_equal(t->told, REMOTE_TOLD_ENTRY);
	assert_string_equal(t->directory, "d");
	assert_string_equal(t->entry.name, "a");
	assert_int_equal(t->entry.size, 3);
	t = all->pdata[1];
	assert_int_equal(t->told, REMOTE_TOLD_ABSENT);
	assert_string_equal(t->directory, "");
	t = all->pdata[2];
	assert_int_equal(t->told, REMOTE_TOLD_CHANGE);
	g_ptr_array_unref(all);
}

static void change_without_a_name_is_refused(void **state)
{
	static const char *const texts[] = { "[[\"d\"]]",
		"[[\"d\",\"..\",null,null,0,0,0]]", "[[\"d\",\"a\"]]",
		"[[\"../d\",\"a\",null,null,0,0,0]]", "[[\"d\",\"a\",\"x\"]]" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		GPtrArray *all = NULL;

		assert_int_equal(
			assist_parse_told(texts[i], strlen(texts[i]), &all),
			-EPROTO);
	}
}

static int parse_files(const char *text, unsigned count, int64_t bytes,
	struct assist_file **ret)
{
	g_autoptr(cJSON) answer = cJSON_Parse(text);

	return assist_parse_files(answer, count, bytes, ret);
}

static void files_follow_each_other(void **state)
{
	g_autofree struct assist_file *files = NULL;

	(void)state;
	assert_int_equal(parse_files("{\"files\":[[\"\",2,1,1,2],"
				     "[\"ENOENT\",null,null,null,0],"
				     "[\"\",3,1,1,3]]}",
				 3, 5, &files),
		0);
	assert_int_equal(files[0].offset, 0);
	assert_int_equal(files[1].error, -ENOENT);
	assert_int_equal(files[2].offset, 2);
	assert_int_equal(files[2].length, 3);
}

/* Never past the bytes that came. */
static void files_must_fit_their_bytes(void **state)
{
	struct assist_file *files = NULL;

	(void)state;
	assert_int_equal(
		parse_files("{\"files\":[[\"\",9,1,1,9]]}", 1, 5, &files),
		-EPROTO);
	assert_int_equal(
		parse_files("{\"files\":[[\"\",9,1,1,5]]}", 1, 5, &files),
		-EPROTO);
	assert_int_equal(
		parse_files("{\"files\":[[\"\",5,1,1,5]]}", 1, 6, &files),
		-EPROTO);
	assert_int_equal(
		parse_files("{\"files\":[[\"\",5,1,1,5]]}", 2, 5, &files),
		-EPROTO);
	assert_int_equal(parse_files("{}", 1, 0, &files), -EPROTO);
	assert_int_equal(
		parse_files("{\"files\":[[\"\",5,1,1,-5]]}", 1, 5, &files),
		-EPROTO);
	assert_null(files);
}

static void save_that_does_not_fit_says_what_is_there(void **state)
{
	g_autoptr(cJSON) gone = cJSON_Parse("{\"now\":null}");
	g_autoptr(cJSON) other = cJSON_Parse("{\"now\":[\"f\",4,1000000,0,1]}");
	g_autoptr(cJSON) silent = cJSON_Parse("{}");
	struct entry now;

	(void)state;
	assert_int_equal(assist_parse_now(gone, &now), 0);
	assert_int_equal((int)now.type, -1);
	assert_int_equal(assist_parse_now(other, &now), 0);
	assert_int_equal(now.size, 4);
	assert_int_equal(now.mtime.tv_sec, 1);
	assert_int_equal(assist_parse_now(silent, &now), -EPROTO);
}

static int parse_volume(const char *text, struct remote_volume *ret)
{
	g_autoptr(cJSON) answer = cJSON_Parse(text);

	return assist_parse_volume(answer, ret);
}

#define VOLUME(block, blocks, free)                                       \
	"{\"block_bytes\":" block ",\"blocks\":" blocks ",\"free\":" free \
	",\"available\":7,\"files\":9,\"files_free\":99,"                 \
	"\"name_max\":9999}"

static void a_volume_has_no_more_free_than_it_has(void **state)
{
	struct remote_volume v = { 0 };

	(void)state;
	assert_int_equal(parse_volume(VOLUME("512", "10", "8"), &v), 0);
	assert_int_equal(v.block_bytes, 512);
	assert_int_equal(v.blocks, 10);
	assert_int_equal(v.free, 8);
	assert_int_equal(v.available, 7);
	assert_int_equal(v.files_free, 9);
	assert_int_equal(v.name_max, 255);
	assert_int_equal(parse_volume(VOLUME("512", "5", "8"), &v), 0);
	assert_int_equal(v.free, 5);
	assert_int_equal(v.available, 5);
}

static void a_volume_that_is_none_is_refused(void **state)
{
	struct remote_volume v = { 0 };

	(void)state;
	assert_int_equal(parse_volume("{}", &v), -EPROTO);
	assert_int_equal(parse_volume(VOLUME("0", "5", "1"), &v), -EPROTO);
	assert_int_equal(parse_volume(VOLUME("-1", "5", "1"), &v), -EPROTO);
	assert_int_equal(parse_volume(VOLUME("1e12", "5", "1"), &v), -EPROTO);
	assert_int_equal(parse_volume(VOLUME("512", "-5", "1"), &v), -EPROTO);
	assert_int_equal(parse_volume(VOLUME("512", "1.5", "1"), &v), -EPROTO);
	assert_int_equal(
		parse_volume(VOLUME("512", "\"5\"", "1"), &v), -EPROTO);
	assert_int_equal(parse_volume(VOLUME("512", "1e30", "1"), &v), -EPROTO);
	assert_int_equal(v.blocks, 0);
}

static int parse_xattrs(const char *text, GHashTable **ret)
{
	*ret = NULL;
	return assist_parse_xattrs(text, strlen(text), ret);
}

static void attributes_are_the_users_and_of_names(void **state)
{
	GHashTable *all;
	GBytes *names;

	(void)state;
	assert_int_equal(
		parse_xattrs("[[\"a\",[\"user.x\",\"user.yy\"]],[\"b\",[]],"
			     "[\"..\",[\"user.x\"]],[\"a/b\",[\"user.x\"]],"
			     "[\"c\",[\"security.capability\",\"user.\","
			     "\"user.pycloud.exit\",7]],"
			     "[\"\",[\"user.d\"]]]",
			&all),
		0);
	assert_int_equal(g_hash_table_size(all), 2);
	names = g_hash_table_lookup(all, "a");
	assert_int_equal(g_bytes_get_size(names), sizeof("user.x\0user.yy"));
	assert_memory_equal(g_bytes_get_data(names, NULL), "user.x\0user.yy",
		sizeof("user.x\0user.yy"));
	assert_non_null(g_hash_table_lookup(all, ""));
	g_hash_table_unref(all);
}

static void attributes_that_are_none_are_refused(void **state)
{
	static const char *const texts[] = { "", "{}", "[7]", "[[\"a\"]]",
		"[[7,[]]]", "[[\"a\",[\"user.x\"]],[\"a\",7]]" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		GHashTable *all;

		assert_int_equal(parse_xattrs(texts[i], &all), -EPROTO);
		assert_null(all);
	}
}

static void an_entry_stands_under_its_key(void **state)
{
	g_autoptr(cJSON) answer =
		cJSON_Parse("{\"to\":[\"f\",4,1000000,0,1],\"from\":null}");
	struct entry e;

	(void)state;
	assert_int_equal(assist_parse_entry_at(answer, "to", &e), 0);
	assert_int_equal(e.size, 4);
	entry_clear(&e);
	assert_int_equal(assist_parse_entry_at(answer, "from", &e), -EPROTO);
	assert_int_equal(assist_parse_entry_at(answer, "other", &e), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attributes_are_read),
		cmocka_unit_test(test_bad_attributes_are_refused),
		cmocka_unit_test(tree_becomes_listings),
		cmocka_unit_test(names_that_are_none_are_dropped),
		cmocka_unit_test(tree_that_is_none_is_refused),
		cmocka_unit_test(changes_are_of_three_kinds),
		cmocka_unit_test(change_without_a_name_is_refused),
		cmocka_unit_test(files_follow_each_other),
		cmocka_unit_test(files_must_fit_their_bytes),
		cmocka_unit_test(save_that_does_not_fit_says_what_is_there),
		cmocka_unit_test(a_volume_has_no_more_free_than_it_has),
		cmocka_unit_test(a_volume_that_is_none_is_refused),
		cmocka_unit_test(attributes_are_the_users_and_of_names),
		cmocka_unit_test(attributes_that_are_none_are_refused),
		cmocka_unit_test(an_entry_stands_under_its_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
