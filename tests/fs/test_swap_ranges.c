/* Saving what changed of a large file, compared with a model byte by byte. */
#include "config.h"

#include "common_limits.h"
#include "conflict.h"
#include "content.h"
#include "fs_limits.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <string.h>

#define LARGE	  (6 * MIB) /* not fetched whole to be written to */
#define LARGER	  (SMALL_FILE_BYTES + MIB / 2) /* a little */
#define ROUNDS	  200
#define MODEL_MAX (LARGE + MIB)

/* What the file should be. */
struct model {
	struct world *w;
	char *bytes; /* MODEL_MAX */
	size_t size;
};

/* No zeroes, which what was never written might be taken for. */
static void fill(char *bytes, size_t size, guint32 seed)
{
	for (size_t i = 0; i + 4 <= size; i += 4) {
		guint32 word;

		seed = seed * 1664525 + 1013904223;
		word = (seed ^ seed >> 15) | 0x01010101;
		memcpy(bytes + i, &word, 4);
	}
}

static void put(struct model *m)
{
	fake_remote_put_bytes(m->w->remote, "big", m->bytes, m->size);
	world_forget_beliefs(m->w);
}

static int setup(void **state)
{
	struct model *m = g_new0(struct model, 1);
	void *world;

	assert_int_equal(world_setup(&world), 0);
	m->w = world;
	fake_remote_set_capabilities(
		m->w->remote, REMOTE_CAN_RANGE | REMOTE_CAN_SWAP);
	m->bytes = g_malloc0(MODEL_MAX);
	m->size = LARGE;
	fill(m->bytes, m->size, 1);
	put(m);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct model *m = *state;
	void *world = m->w;

	g_free(m->bytes);
	g_free(m);
	return world_teardown(&world);
}

static struct handle *open_big(struct model *m)
{
	struct handle *h;

	assert_int_equal(world_open(m->w, "big", O_RDWR, &h), 0);
	fake_remote_reset(m->w->remote);
	return h;
}

/* Here and in the model. */
static void write_both(
	struct model *m, struct handle *h, const char *text, size_t offset)
{
	size_t length = strlen(text);

	assert_int_equal(
		world_write(m->w, h, text, (int64_t)offset), (ssize_t)length);
	if (offset > m->size)
		memset(m->bytes + m->size, 0, offset - m->size);
	memcpy(m->bytes + offset, text, length);
	m->size = MAX(m->size, offset + length);
}

static int set_size(struct world *w, struct handle *h, int64_t size)
{
	const struct node_change change = { .has_size = true, .size = size };
	struct node_attr attr;
	struct request r;
	int rc;

	world_begin(w, &r);
	rc = h->node->ops->setattr(&r, h->node, h, &change, &attr);
	world_end(&r);
	return rc;
}

static void cut_both(struct model *m, struct handle *h, size_t size)
{
	assert_int_equal(set_size(m->w, h, (int64_t)size), 0);
	if (size > m->size)
		memset(m->bytes + m->size, 0, size - m->size);
	m->size = size;
}

/* The server has the model's bytes. */
static void assert_there(struct model *m)
{
	assert_true(
		fake_remote_has_bytes(m->w->remote, "big", m->bytes, m->size));
}

/* And who reads them here does, whatever was here before. */
static void assert_here(struct model *m, size_t offset, size_t size)
{
	g_autofree char *buffer = g_malloc(size);
	struct handle *h;
	size_t done = 0;

	size = MIN(size, m->size - offset);
	assert_int_equal(world_open(m->w, "big", O_RDONLY, &h), 0);
	while (done < size) {
		ssize_t n = world_read(m->w, h, buffer + done, size - done,
			(int64_t)(offset + done));

		assert_true(n > 0);
		done += (size_t)n;
	}
	assert_memory_equal(buffer, m->bytes + offset, size);
	assert_int_equal(world_close(m->w, h), 0);
}

static void a_hundred_bytes_of_a_huge_file_cost_no_more(void **state)
{
	struct model *m = *state;
	struct world *w = m->w;
	const size_t size = 128 * MIB;
	g_autofree char *huge = g_malloc(size);
	g_autofree char *text = g_strnfill(100, '!');
	char back[300];
	struct handle *h;

	fill(huge, size, 2);
	fake_remote_put_bytes(w->remote, "huge", huge, size);
	world_forget_beliefs(w);
	assert_int_equal(world_open(w, "huge", O_RDWR, &h), 0);
	fake_remote_reset(w->remote);
	assert_int_equal(world_write(w, h, text, (int64_t)(77 * MIB)), 100);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_REPLACE), 1);
	assert_int_equal(fake_remote_all_calls(w->remote), 1);
	assert_int_equal(fake_remote_last_ranges(w->remote), 1);
	assert_int_equal(fake_remote_replaced_bytes(w->remote), 100);
	memcpy(huge + 77 * MIB, text, 100);
	assert_true(fake_remote_has_bytes(w->remote, "huge", huge, size));
	/* The rest comes when it is read, of the version that is there now. */
	assert_int_equal(world_open(w, "huge", O_RDONLY, &h), 0);
	assert_int_equal(world_read(w, h, back, 300, 77 * MIB - 100), 300);
	assert_memory_equal(back, huge + 77 * MIB - 100, 300);
	assert_int_equal(world_close(w, h), 0);
	assert_true(fake_remote_read_bytes(w->remote) <= (int64_t)MIB);
}

static void what_was_sent_is_clean_and_believed(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	write_both(m, h, "first", 100);
	write_both(m, h, "second", 5 * MIB);
	assert_int_equal(world_fsync(m->w, h), 0);
	assert_int_equal(fake_remote_last_ranges(m->w->remote), 2);
	assert_int_equal(fake_remote_replaced_bytes(m->w->remote), 11);
	write_both(m, h, "third", 3 * MIB);
	assert_int_equal(world_close(m->w, h), 0);
	assert_int_equal(fake_remote_last_ranges(m->w->remote), 1);
	assert_int_equal(fake_remote_all_calls(m->w->remote), 2);
	assert_int_equal(world_size(m->w, "big"), (int64_t)m->size);
	assert_there(m);
	assert_here(m, 0, m->size);
}

static void what_was_cut_off_is_not_sent(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	cut_both(m, h, 5 * MIB + 1);
	assert_int_equal(world_close(m->w, h), 0);
	assert_int_equal(fake_remote_last_ranges(m->w->remote), 0);
	assert_int_equal(fake_remote_all_calls(m->w->remote), 1);
	assert_there(m);
	assert_here(m, 0, m->size);
}

static void what_comes_back_after_a_cut_is_zeroes(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	cut_both(m, h, 5 * MIB);
	write_both(m, h, "end", 5 * MIB + 1000);
	cut_both(m, h, LARGE + 5);
	assert_int_equal(world_close(m->w, h), 0);
	assert_int_equal(fake_remote_last_ranges(m->w->remote), 1);
	assert_int_equal(
		fake_remote_replaced_bytes(m->w->remote), (int64_t)MIB + 5);
	assert_there(m);
	assert_here(m, 0, m->size);
}

static void what_is_half_of_it_or_in_many_pieces_is_sent_whole(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);
	g_autofree char *half = g_strnfill(LARGE / 2, 'h');

	write_both(m, h, half, 7);
	assert_int_equal(world_fsync(m->w, h), 0);
	assert_int_equal(fake_remote_last_ranges(m->w->remote), -1);
	assert_there(m);
	for (size_t i = 0; i < DELTA_RANGES_MAX; i++)
		write_both(m, h, "p", i * 80000);
	assert_int_equal(world_fsync(m->w, h), 0);
	assert_int_equal(
		fake_remote_last_ranges(m->w->remote), DELTA_RANGES_MAX);
	assert_there(m);
	for (size_t i = 0; i <= DELTA_RANGES_MAX; i++)
		write_both(m, h, "q", i * 80000);
	assert_int_equal(world_close(m->w, h), 0);
	assert_int_equal(fake_remote_last_ranges(m->w->remote), -1);
	assert_there(m);
}

static void the_other_writer_is_found_with_a_part_here(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	assert_int_equal(world_write(m->w, h, "ours", 100), 4);
	fill(m->bytes, m->size, 3);
	fake_remote_put_bytes(m->w->remote, "big", m->bytes, m->size);
	assert_int_equal(world_close(m->w, h), -ESTALE);
	assert_there(m);
	assert_int_equal(conflicts_count(m->w->session->conflicts), 1);
	assert_int_equal(world_pending(m->w), 0);
	world_forget_beliefs(m->w);
	assert_here(m, 0, m->size);
}

static void what_others_removed_stands_beside_in_part(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	assert_int_equal(world_write(m->w, h, "ours", 100), 4);
	fake_remote_drop(m->w->remote, "big");
	assert_int_equal(world_close(m->w, h), -ESTALE);
	assert_false(fake_remote_has(m->w->remote, "big"));
	assert_int_equal(conflicts_count(m->w->session->conflicts), 1);
}

static void without_the_capability_the_rest_is_fetched(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);
	g_autofree char *changes = NULL;

	write_both(m, h, "ours", 100);
	fake_remote_fail(m->w->remote, FAKE_REPLACE, 1, EOPNOTSUPP);
	assert_int_equal(world_close(m->w, h), 0);
	changes = fake_remote_changes(m->w->remote);
	assert_string_equal(changes, "write big;");
	assert_there(m);
}

static void ranges_whose_answer_was_lost_are_known_again(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	write_both(m, h, "ours", 100);
	write_both(m, h, "ours too", 5 * MIB);
	fake_remote_tear_write(m->w->remote, -1, EIO);
	assert_int_equal(world_flush(m->w, h), -EIO);
	assert_int_equal(world_close(m->w, h), 0);
	assert_changes(m->w, "replace big;");
	assert_true(fake_remote_read_bytes(m->w->remote) < (int64_t)MIB);
	assert_int_equal(world_pending(m->w), 0);
	assert_int_equal(conflicts_count(m->w->session->conflicts), 0);
	assert_there(m);
	assert_here(m, 0, m->size);
}

static void other_bytes_after_such_ranges_follow_them(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	write_both(m, h, "ours", 100);
	fake_remote_tear_write(m->w->remote, -1, EIO);
	assert_int_equal(world_flush(m->w, h), -EIO);
	write_both(m, h, "OTHER", 102);
	write_both(m, h, "more", 5 * MIB);
	fake_remote_tear_write(m->w->remote, -1, EIO);
	assert_int_equal(world_flush(m->w, h), -EIO);
	cut_both(m, h, LARGE - 7);
	memcpy(m->bytes + 4 * MIB, "theirs", 6);
	m->size = LARGE; /* they have not cut it */
	fake_remote_put_bytes(m->w->remote, "big", m->bytes, m->size);
	m->size = LARGE - 7;
	assert_int_equal(world_close(m->w, h), 0);
	assert_changes(m->w, "replace big;replace big;replace big;");
	assert_int_equal(fake_remote_calls(m->w->remote, FAKE_REPLACE), 5);
	assert_true(fake_remote_read_bytes(m->w->remote) < (int64_t)MIB);
	assert_int_equal(conflicts_count(m->w->session->conflicts), 0);
	assert_int_equal(world_pending(m->w), 0);
	assert_there(m);
	assert_here(m, 0, m->size);
}

static void others_who_saved_instead_of_such_ranges_are_found(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	assert_int_equal(world_write(m->w, h, "ours", 100), 4);
	fake_remote_tear_write(m->w->remote, -1, EIO);
	assert_int_equal(world_flush(m->w, h), -EIO);
	assert_int_equal(world_write(m->w, h, "more", 200), 4);
	fill(m->bytes, m->size, 4);
	fake_remote_put_bytes(m->w->remote, "big", m->bytes, m->size);
	assert_int_equal(world_close(m->w, h), -ESTALE);
	assert_there(m);
	assert_int_equal(conflicts_count(m->w->session->conflicts), 1);
}

static void ranges_whose_connection_broke_are_found(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	write_both(m, h, "ours", 100);
	fake_remote_tear_write(m->w->remote, -1, ECONNRESET);
	assert_int_equal(world_close(m->w, h), 0);
	assert_changes(m->w, "replace big;");
	assert_there(m);
	assert_here(m, 0, m->size);
}

/* Nothing of theirs is lost, and ours is in it: they saw our save, and saved. */
static void others_who_saved_over_such_ranges_stay(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	write_both(m, h, "ours", 100);
	fake_remote_tear_write(m->w->remote, -1, EIO);
	assert_int_equal(world_flush(m->w, h), -EIO);
	memcpy(m->bytes + 4 * MIB, "theirs", 6);
	fake_remote_put_bytes(m->w->remote, "big", m->bytes, m->size);
	assert_int_equal(world_close(m->w, h), 0);
	assert_there(m);
	assert_here(m, 0, m->size);
}

static void a_part_that_was_not_saved_survives_a_kill(void **state)
{
	struct model *m = *state;
	struct handle *h = open_big(m);

	write_both(m, h, "ours", 100);
	cut_both(m, h, 5 * MIB);
	write_both(m, h, "end", 5 * MIB + 10);
	fake_remote_fail(m->w->remote, FAKE_REPLACE, 1, ENOSPC);
	assert_int_equal(world_flush(m->w, h), -ENOSPC);
	assert_int_equal(world_kill(m->w), 1);
	fake_remote_reset(m->w->remote);
	world_upload_late(m->w);
	assert_int_equal(fake_remote_last_ranges(m->w->remote), 2);
	assert_int_equal(fake_remote_calls(m->w->remote, FAKE_READ), 0);
	assert_there(m);
	assert_here(m, 0, m->size);
}

/* --- at random ------------------------------------------------------------ */

static void change_somehow(struct model *m, struct handle *h, GRand *rand)
{
	size_t at = g_rand_int(rand) % (m->size + 1);
	size_t length = 1 + g_rand_int(rand) % 30000;
	g_autofree char *text = NULL;

	switch (g_rand_int(rand) % 8) {
	case 0: /* a little less */
		cut_both(m, h, m->size - MIN(length, m->size));
		break;
	case 1: /* or more */
		cut_both(m, h, MIN(m->size + length, MODEL_MAX));
		break;
	case 2: /* past the end */
		at = m->size + length / 2;
		break;
	default:
		break;
	}
	if (at + length > MODEL_MAX)
		return;
	text = g_strnfill(length, (char)('a' + g_rand_int(rand) % 26));
	write_both(m, h, text, at);
}

static void save_somehow(struct model *m, struct handle *h, GRand *rand)
{
	struct world *w = m->w;

	switch (g_rand_int(rand) % 8) {
	case 0:
		fake_remote_fail(w->remote, FAKE_REPLACE, 1, EOPNOTSUPP);
		break;
	case 1:
		fake_remote_fail(w->remote, FAKE_REPLACE, 1, ENOSPC);
		assert_int_equal(world_flush(w, h), -ENOSPC);
		break;
	case 2:
		fake_remote_tear_write(w->remote, -1, EIO);
		assert_int_equal(world_flush(w, h), -EIO);
		change_somehow(m, h, rand);
		break;
	case 3:
		fake_remote_tear_write(w->remote, -1, ECONNRESET);
		break;
	default:
		break;
	}
	assert_int_equal(world_close(w, h), 0);
}

static void play(struct model *m, GRand *rand)
{
	struct handle *h;

	if (g_rand_int(rand) % 4 == 0) { /* nothing of it is here */
		m->size = LARGER - g_rand_int(rand) % 1000;
		fill(m->bytes, m->size, g_rand_int(rand));
		put(m);
	}
	assert_int_equal(world_open(m->w, "big", O_RDWR, &h), 0);
	for (guint32 i = g_rand_int(rand) % 8 + 1; i > 0; i--)
		change_somehow(m, h, rand);
	save_somehow(m, h, rand);
	assert_there(m);
	if (m->size > 0)
		assert_here(m, g_rand_int(rand) % m->size, 50000);
}

static void what_is_saved_is_what_was_written(void **state)
{
	struct model *m = *state;
	guint32 seed = g_random_int();
	GRand *rand = g_rand_new_with_seed(seed);
	unsigned with_ranges = 0;

	print_message("seed %u\n", seed);
	for (int round = 0; round < ROUNDS; round++) {
		play(m, rand);
		with_ranges += fake_remote_last_ranges(m->w->remote) >= 0;
	}
	assert_true(with_ranges > ROUNDS / 4);
	assert_here(m, 0, m->size);
	assert_int_equal(conflicts_count(m->w->session->conflicts), 0);
	g_rand_free(rand);
}

#define with_model(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_model(a_hundred_bytes_of_a_huge_file_cost_no_more),
		with_model(what_was_sent_is_clean_and_believed),
		with_model(what_was_cut_off_is_not_sent),
		with_model(what_comes_back_after_a_cut_is_zeroes),
		with_model(what_is_half_of_it_or_in_many_pieces_is_sent_whole),
		with_model(the_other_writer_is_found_with_a_part_here),
		with_model(what_others_removed_stands_beside_in_part),
		with_model(without_the_capability_the_rest_is_fetched),
		with_model(ranges_whose_answer_was_lost_are_known_again),
		with_model(other_bytes_after_such_ranges_follow_them),
		with_model(others_who_saved_instead_of_such_ranges_are_found),
		with_model(ranges_whose_connection_broke_are_found),
		with_model(others_who_saved_over_such_ranges_stay),
		with_model(a_part_that_was_not_saved_survives_a_kill),
		with_model(what_is_saved_is_what_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
