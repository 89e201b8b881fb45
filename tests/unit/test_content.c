/* The states of one file's bytes: who loads, who waits, what is dirty. */
#include "config.h"

#include "common_limits.h"
#include "content.h"
#include "fs_limits.h"
#include "scratch_place.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

struct fixture {
	struct scratch_place place;
	struct content *content;
};

static int make_content(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	scratch_place_make(&f->place);
	f->content = content_new(f->place.fd);
	*state = f;
	return 0;
}

static int free_content(void **state)
{
	struct fixture *f = *state;

	content_free(f->content);
	scratch_place_remove(&f->place);
	g_free(f);
	return 0;
}

static struct entry version(int64_t size, time_t seconds)
{
	return (struct entry){
		.type = ENTRY_FILE, .size = size, .mtime = { seconds, 0 }
	};
}

/* Makes the content READY for a version; nothing of it is present. */
static void end_prepare(struct content *c, int rc, const struct entry *v)
{
	struct cached_bytes bytes;

	cached_bytes_init(&bytes);
	if (v != NULL) {
		bytes.size = v->size;
		bytes.version = *v;
	}
	content_end_prepare(c, rc, &bytes);
}

static void prepare(struct content *c, int64_t size)
{
	struct entry v = version(size, 1);

	assert_int_equal(content_begin_prepare(c, NULL), 1);
	end_prepare(c, 0, &v);
}

static void claim_all(struct content *c, struct content_claim *ret)
{
	assert_int_equal(
		content_claim(c, 0, INT64_MAX, INT64_MAX, false, NULL, ret), 1);
}

static void load(struct content *c, const char *bytes)
{
	struct content_claim claim;

	prepare(c, (int64_t)strlen(bytes));
	claim_all(c, &claim);
	assert_int_equal(content_store(c, &claim, bytes, strlen(bytes), 0), 0);
	content_end_fetch(c, &claim, 0);
}

/* True when there were bytes to keep. */
static bool close_content(struct content *c)
{
	struct cached_bytes bytes;
	bool has_bytes = content_close(c, &bytes);

	if (has_bytes)
		cached_bytes_clear(&bytes);
	return has_bytes;
}

static void assert_bytes(struct content *c, const char *expected)
{
	char buffer[64] = "";
	ssize_t n = content_read(c, buffer, sizeof(buffer) - 1, 0);

	assert_int_equal(n, (ssize_t)strlen(expected));
	assert_string_equal(buffer, expected);
}

static void upload(struct content *c)
{
	int64_t size = -1;
	struct entry v;

	assert_int_equal(content_begin_upload(c, false, NULL, &size), 1);
	v = version(size, 2);
	content_end_upload(c, 0, &v);
}

static void bytes_can_be_read_once_they_are_loaded(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	char byte;

	assert_false(content_is_ready(c));
	assert_int_equal(content_read(c, &byte, 1, 0), -ESTALE);
	load(c, "hello");
	assert_true(content_is_ready(c));
	assert_int_equal(content_begin_prepare(c, NULL), 0);
	assert_bytes(c, "hello");
	assert_int_equal(content_read(c, &byte, 1, 4), 1);
	assert_int_equal(byte, 'o');
	assert_int_equal(content_read(c, &byte, 1, 5), 0);
	assert_int_equal(content_read(c, &byte, 1, 1 << 30), 0);
}

static void a_failed_fetch_leaves_nothing(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct content_claim claim;
	char byte;

	assert_int_equal(content_begin_prepare(c, NULL), 1);
	end_prepare(c, -EIO, NULL);
	assert_false(content_is_ready(c));
	prepare(c, 4);
	claim_all(c, &claim);
	assert_int_equal(content_store(c, &claim, "half", 2, 0), 0);
	content_end_fetch(c, &claim, -EIO);
	assert_int_equal(content_read(c, &byte, 1, 0), -ESTALE);
	claim_all(c, &claim);
	assert_int_equal(content_store(c, &claim, "good", 4, 0), 0);
	content_end_fetch(c, &claim, 0);
	assert_bytes(c, "good");
}

static void ranges_come_one_by_one(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct content_claim tail, head;
	char seen[8] = "";

	prepare(c, 8);
	assert_int_equal(content_claim(c, 4, 6, 8, false, NULL, &tail), 1);
	assert_int_equal(tail.start, 4);
	assert_int_equal(tail.end, 8);
	/* Up to where somebody else is fetching, no further. */
	assert_int_equal(content_claim(c, 0, 8, 8, false, NULL, &head), 1);
	assert_int_equal(head.end, 4);
	assert_int_equal(content_claim(c, 5, 6, 6, true, NULL, &head), -EAGAIN);
	assert_int_equal(content_store(c, &tail, "tail", 4, 4), 0);
	assert_int_equal(content_read(c, seen, 4, 4), -ESTALE);
	content_end_fetch(c, &tail, 0);
	assert_int_equal(content_read(c, seen, 4, 4), 4);
	assert_memory_equal(seen, "tail", 4);
	assert_int_equal(content_read(c, seen, 1, 3), -ESTALE);
	head = (struct content_claim){ 0, 4, tail.generation, false };
	assert_int_equal(content_store(c, &head, "toolong", 7, 0), -EIO);
	assert_int_equal(content_store(c, &head, "head", 4, 0), 0);
	content_end_fetch(c, &head, 0);
	assert_bytes(c, "headtail");
}

/* Two requests cost more than a little of what is here already. */
static void a_claim_goes_on_behind_what_little_is_here(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	int64_t far = 8 + READ_BRIDGE + 1;
	g_autofree char *bytes = g_strnfill((gsize)far + 8, 's');
	struct content_claim claim;

	prepare(c, far + 8);
	assert_int_equal(content_write(c, "here", 4, 4, 0, NULL), 4);
	assert_int_equal(
		content_claim(c, 0, 1, far + 8, false, NULL, &claim), 1);
	assert_int_equal(claim.start, 0);
	assert_int_equal(claim.end, far + 8);
	assert_int_equal(content_store(c, &claim, bytes, 8, 0), 0);
	content_end_fetch(c, &claim, -EIO);
	assert_int_equal(
		content_write(c, bytes, (size_t)far - 8, 8, 0, NULL), far - 8);
	assert_int_equal(
		content_claim(c, 0, 1, far + 8, false, NULL, &claim), 1);
	assert_int_equal(claim.end, 4);
	assert_int_equal(content_store(c, &claim, bytes, 4, 0), 0);
	content_end_fetch(c, &claim, 0);
	assert_int_equal(content_read(c, bytes, 8, 0), 8);
	assert_memory_equal(bytes, "sssshere", 8);
}

static void a_fetch_never_overwrites_what_was_written_meanwhile(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct content_claim claim;

	prepare(c, 6);
	claim_all(c, &claim);
	assert_int_equal(content_store(c, &claim, "ser", 3, 0), 0);
	assert_int_equal(content_write(c, "OUR", 3, 2, 0, NULL), 3);
	assert_int_equal(content_store(c, &claim, "server", 6, 0), 0);
	content_end_fetch(c, &claim, 0);
	assert_bytes(c, "seOURr");
}

/* Its answer says how long the file was before the save. */
static void a_fetch_that_a_save_overtook_is_void(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	const int64_t size = 8 << 20;
	struct content_swap swap = { 0 };
	struct content_claim claim;
	struct entry v = version(size + 1, 2);

	prepare(c, size);
	claim_all(c, &claim);
	assert_int_equal(content_write(c, "+", 1, size, 0, NULL), 1);
	assert_int_equal(content_begin_swap(c, NULL, &swap), 1);
	content_end_upload(c, 0, &v);
	content_swap_clear(&swap);
	assert_int_equal(
		content_check_source(c, &claim, size, 1, true), -ESTALE);
	content_end_fetch(c, &claim, -ESTALE);
	assert_int_equal(content_size(c), size + 1);
	claim_all(c, &claim);
	assert_int_equal(
		content_check_source(c, &claim, size + 1, 2, false), 0);
	content_end_fetch(c, &claim, 0);
	assert_int_equal(content_size(c), size + 1);
}

static void a_fetch_of_bytes_that_were_dropped_is_void(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct entry other = version(3, 9);
	struct content_claim claim;

	prepare(c, 3);
	claim_all(c, &claim);
	assert_true(content_revalidate(c, &other));
	assert_int_equal(content_store(c, &claim, "old", 3, 0), -ESTALE);
	content_end_fetch(c, &claim, 0);
	load(c, "new");
	assert_bytes(c, "new");
}

static void bytes_of_another_version_are_refused(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct content_claim claim;
	char byte;

	prepare(c, 3);
	claim_all(c, &claim);
	assert_int_equal(content_check_source(c, &claim, 9, 1, false), -ESTALE);
	assert_int_equal(content_check_source(c, &claim, 3, 8, false), -ESTALE);
	/* Asked again, the listing says the same: a link in the pod. */
	assert_int_equal(content_check_source(c, &claim, 9, 8, true), 1);
	assert_int_equal(content_size(c), 9);
	assert_int_equal(content_check_source(c, &claim, 9, 7, true), -ESTALE);
	content_end_fetch(c, &claim, -ESTALE);
	assert_int_equal(content_read(c, &byte, 1, 0), -ESTALE);
}

static void the_last_close_gives_up_clean_bytes_only(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;

	content_open(c);
	content_open(c);
	load(c, "clean");
	assert_false(close_content(c));
	assert_true(content_is_ready(c));
	assert_true(content_is_open(c));
	assert_true(close_content(c));
	assert_false(content_is_ready(c));

	content_open(c);
	load(c, "will be ");
	assert_int_equal(content_write(c, "dirty", 5, -1, 0, NULL), 5);
	assert_false(close_content(c));
	assert_false(content_is_open(c));
	assert_bytes(c, "will be dirty");
	content_open(c); /* as every transfer does */
	upload(c);
	assert_true(close_content(c));
	assert_false(content_is_ready(c));
}

static void kept_bytes_come_back_with_their_version(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct cached_bytes bytes;
	struct entry v = version(4, 1);

	content_open(c);
	load(c, "kept");
	assert_true(content_close(c, &bytes));
	assert_true(entry_same_version(&bytes.version, &v));
	assert_int_equal(content_begin_prepare(c, NULL), 1);
	content_end_prepare(c, 0, &bytes);
	assert_bytes(c, "kept");
}

static void writes_appends_and_truncation_change_the_bytes(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	char holes[8] = "xxxxxxx";
	struct content_stat held;

	assert_int_equal(content_write(c, "x", 1, 0, 0, NULL), -ESTALE);
	assert_int_equal(content_truncate(c, 3, NULL), -ESTALE);
	assert_int_equal(content_truncate(c, 0, NULL), 0);
	assert_int_equal(content_write(c, "abc", 3, 0, 0, NULL), 3);
	assert_int_equal(content_write(c, "def", 3, -1, 0, NULL), 3);
	assert_int_equal(content_write(c, "X", 1, 1, 0, NULL), 1);
	assert_bytes(c, "aXcdef");
	assert_int_equal(content_truncate(c, 2, NULL), 0);
	assert_bytes(c, "aX");
	assert_int_equal(content_truncate(c, 4, NULL), 0);
	assert_int_equal(content_read(c, holes, sizeof(holes), 0), 4);
	assert_memory_equal(holes, "aX\0\0", 4);
	content_stat(c, &held);
	assert_true(held.is_dirty);
	assert_int_equal(held.size, 4);
	assert_true(held.mtime.tv_sec > 0);
}

static void only_an_upload_of_the_last_generation_makes_clean(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	int64_t size = -1;

	assert_int_equal(content_begin_upload(c, false, NULL, &size), 0);
	assert_int_equal(content_begin_upload(c, true, NULL, &size), -ESTALE);
	load(c, "one");
	content_open(c);
	assert_int_equal(content_begin_upload(c, false, NULL, &size), 0);
	assert_int_equal(content_write(c, "two", 3, 0, 0, NULL), 3);
	assert_true(content_is_dirty(c));
	assert_int_equal(content_begin_upload(c, false, NULL, &size), 1);
	assert_int_equal(size, 3);
	content_end_upload(c, -EIO, NULL);
	assert_true(content_is_dirty(c));
	upload(c);
	assert_false(content_is_dirty(c));
	/* Forced: to another path, though nothing is dirty. */
	assert_int_equal(content_begin_upload(c, true, NULL, &size), 1);
	content_end_upload(c, -EIO, NULL);
	assert_false(content_is_dirty(c));
	(void)close_content(c);
}

static void another_version_replaces_clean_bytes_only(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct entry same = version(5, 1);
	struct entry other = version(5, 9);

	assert_false(content_revalidate(c, &other));
	load(c, "hello");
	assert_false(content_revalidate(c, &same));
	assert_bytes(c, "hello");
	assert_true(content_revalidate(c, &other));
	assert_false(content_is_ready(c));
	load(c, "hello");
	assert_int_equal(content_write(c, "J", 1, 0, 0, NULL), 1);
	assert_false(content_revalidate(c, &other));
	assert_bytes(c, "Jello");
}

static void abandoned_bytes_are_clean(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;

	content_open(c);
	assert_int_equal(content_truncate(c, 0, NULL), 0);
	content_abandon(c);
	assert_false(content_is_dirty(c));
	assert_true(content_is_ready(c)); /* whoever has it open may read */
	(void)close_content(c);
	assert_false(content_is_ready(c));
}

/* A full disk, as a limit on the size of this program's files. */
static void limit_file_size(rlim_t bytes)
{
	struct rlimit limit;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_write_that_fails_half_way_counts_as_a_change(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;

	load(c, "hello world");
	limit_file_size(8);
	assert_true(
		content_write(c, "HELLO WORLD and more", 20, 0, 0, NULL) < 0);
	limit_file_size(RLIM_INFINITY);
	assert_true(content_is_dirty(c));
	assert_bytes(c, "HELLO WOrld");
}

static void a_write_that_fails_past_the_end_leaves_no_traces(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	char seen[16] = "";

	load(c, "ab");
	limit_file_size(6);
	assert_true(content_write(c, "cdefghij", 8, 2, 0, NULL) < 0);
	limit_file_size(RLIM_INFINITY);
	assert_bytes(c, "ab");
	assert_int_equal(content_truncate(c, 8, NULL), 0);
	assert_int_equal(content_read(c, seen, sizeof(seen), 0), 8);
	assert_memory_equal(seen, "ab\0\0\0\0\0\0", 8);
}

/* --- waiting -------------------------------------------------------------- */

struct call {
	struct content *content;
	struct cancel cancel;
	ssize_t rc;
};

static void *begin_prepare(void *arg)
{
	struct call *call = arg;

	call->rc = content_begin_prepare(call->content, &call->cancel);
	return NULL;
}

static void *append_one(void *arg)
{
	struct call *call = arg;

	call->rc = content_write(call->content, "+", 1, -1, 0, &call->cancel);
	return NULL;
}

static pthread_t start(
	void *(*function)(void *), struct call *call, struct content *c)
{
	pthread_t thread;

	call->content = c;
	call->rc = -4711;
	cancel_init(&call->cancel, 0);
	assert_int_equal(pthread_create(&thread, NULL, function, call), 0);
	return thread;
}

static ssize_t result(pthread_t thread, struct call *call)
{
	(void)pthread_join(thread, NULL);
	cancel_fini(&call->cancel);
	return call->rc;
}

static void loaders_wait_for_the_first_one(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct call calls[4];
	pthread_t threads[4];
	struct entry v = version(2, 1);

	assert_int_equal(content_begin_prepare(c, NULL), 1);
	for (size_t i = 0; i < 4; i++)
		threads[i] = start(begin_prepare, &calls[i], c);
	end_prepare(c, 0, &v);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(result(threads[i], &calls[i]), 0);
}

static void waiting_for_a_load_ends_with_the_token(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct call call;
	pthread_t thread;

	assert_int_equal(content_begin_prepare(c, NULL), 1);
	thread = start(begin_prepare, &call, c);
	cancel_fire(&call.cancel);
	assert_int_equal(result(thread, &call), -EINTR);
	end_prepare(c, -EIO, NULL);
}

static void a_writer_waits_until_the_upload_is_done(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct entry v = version(5, 2);
	struct call call;
	pthread_t thread;
	int64_t size = 0;

	content_open(c);
	load(c, "hello");
	assert_int_equal(content_begin_upload(c, true, NULL, &size), 1);
	thread = start(append_one, &call, c);
	assert_bytes(c, "hello"); /* what the server gets is one moment's */
	content_end_upload(c, 0, &v);
	assert_int_equal(result(thread, &call), 1);
	assert_bytes(c, "hello+");
	assert_true(content_is_dirty(c));
}

static void a_writer_that_waits_can_be_interrupted(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct call call;
	pthread_t thread;
	int64_t size = 0;

	content_open(c);
	load(c, "hello");
	assert_int_equal(content_begin_upload(c, true, NULL, &size), 1);
	thread = start(append_one, &call, c);
	cancel_fire(&call.cancel);
	assert_int_equal(result(thread, &call), -EINTR);
	content_end_upload(c, -EIO, NULL);
	assert_bytes(c, "hello");
	assert_false(content_is_dirty(c));
}

/* A journal that speaks of more would not be understood after a crash. */
static void what_no_file_may_have_is_refused_at_once(void **state)
{
	struct content *c = ((struct fixture *)*state)->content;
	struct content_stat held;

	content_open(c);
	load(c, "hello");
	assert_int_equal(
		content_write(c, "x", 1, CONTENTS_FILE_MAX, 0, NULL), -EFBIG);
	assert_int_equal(
		content_write(c, "xx", 2, CONTENTS_FILE_MAX - 1, 0, NULL),
		-EFBIG);
	assert_int_equal(
		content_write(c, "x", 1, INT64_MAX - 1, 0, NULL), -EFBIG);
	assert_int_equal(
		content_truncate(c, CONTENTS_FILE_MAX + 1, NULL), -EFBIG);
	assert_int_equal(content_truncate(c, INT64_MAX, NULL), -EFBIG);
	content_stat(c, &held);
	assert_false(held.is_dirty);
	assert_int_equal(held.size, 5);
	assert_bytes(c, "hello");
	/* Within: what the local file system makes of it is its own affair. */
	assert_int_equal(content_write(c, "!", 1, 5, 0, NULL), 1);
	assert_bytes(c, "hello!");
}

#define with_content(name) \
	cmocka_unit_test_setup_teardown(name, make_content, free_content)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_content(bytes_can_be_read_once_they_are_loaded),
		with_content(a_failed_fetch_leaves_nothing),
		with_content(ranges_come_one_by_one),
		with_content(a_claim_goes_on_behind_what_little_is_here),
		with_content(
			a_fetch_never_overwrites_what_was_written_meanwhile),
		with_content(a_fetch_of_bytes_that_were_dropped_is_void),
		with_content(a_fetch_that_a_save_overtook_is_void),
		with_content(bytes_of_another_version_are_refused),
		with_content(kept_bytes_come_back_with_their_version),
		with_content(the_last_close_gives_up_clean_bytes_only),
		with_content(writes_appends_and_truncation_change_the_bytes),
		with_content(only_an_upload_of_the_last_generation_makes_clean),
		with_content(another_version_replaces_clean_bytes_only),
		with_content(abandoned_bytes_are_clean),
		with_content(a_write_that_fails_half_way_counts_as_a_change),
		with_content(a_write_that_fails_past_the_end_leaves_no_traces),
		with_content(loaders_wait_for_the_first_one),
		with_content(waiting_for_a_load_ends_with_the_token),
		with_content(a_writer_waits_until_the_upload_is_done),
		with_content(a_writer_that_waits_can_be_interrupted),
		with_content(what_no_file_may_have_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
