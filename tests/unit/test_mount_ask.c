/* Looking at what may hang: it never keeps us. */
#include "config.h"

#include "fs_limits.h"
#include "mount_ask.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON_MS 100
#define LATE_MS 30000

static int parents_fd = -1;

/* What the path says is to happen. */
static char *look(const char *path, int *ret_fd)
{
	if (strcmp(path, "hang") == 0)
		for (;;)
			(void)pause();
	if (strcmp(path, "die") == 0)
		_exit(1);
	if (strcmp(path, "much") == 0)
		return g_strnfill(2L * MOUNT_ASK_BYTES_MAX, 'x');
	if (strcmp(path, "fd") == 0)
		*ret_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (strcmp(path, "inherit") == 0)
		return g_strdup(fcntl(parents_fd, F_GETFD) < 0 ? "no" : "yes");
	if (strcmp(path, "dead") == 0) {
		errno = ENOTCONN;
		return NULL;
	}
	return g_strconcat("seen\n", path, NULL);
}

static void each_gets_its_own_answer(void **state)
{
	static const char *const paths[] = { "a", "dead", "b", "die" };
	struct mount_seen seen[G_N_ELEMENTS(paths)];

	(void)state;
	mount_ask_all(look, paths, G_N_ELEMENTS(paths), LATE_MS, seen);
	assert_int_equal(seen[0].error, 0);
	assert_string_equal(seen[0].text, "seen\na");
	assert_int_equal(seen[1].error, ENOTCONN);
	assert_null(seen[1].text);
	assert_string_equal(seen[2].text, "seen\nb");
	assert_int_equal(seen[3].error, ETIMEDOUT);
	g_free(seen[0].text);
	g_free(seen[2].text);
}

static void one_that_hangs_keeps_nobody_and_is_ended(void **state)
{
	static const char *const paths[] = { "hang", "a" };
	struct mount_seen seen[G_N_ELEMENTS(paths)];

	(void)state;
	mount_ask_all(look, paths, G_N_ELEMENTS(paths), SOON_MS, seen);
	assert_int_equal(seen[0].error, ETIMEDOUT);
	assert_int_equal(seen[1].error, 0);
	g_free(seen[1].text);
	/* No child is left, not even as a zombie. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void many_that_hang_keep_us_once(void **state)
{
	const char *paths[MOUNTS_ASKED_MAX];
	struct mount_seen seen[MOUNTS_ASKED_MAX];
	gint64 began_us = g_get_monotonic_time();

	(void)state;
	for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
		paths[i] = "hang";
	mount_ask_all(look, paths, G_N_ELEMENTS(paths), SOON_MS, seen);
	for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
		assert_int_equal(seen[i].error, ETIMEDOUT);
	assert_true(g_get_monotonic_time() - began_us < LATE_MS * 1000 / 2);
}

static void a_descriptor_comes_along(void **state)
{
	static const char *const paths[] = { "fd", "a" };
	struct mount_seen seen[G_N_ELEMENTS(paths)];
	char text[16] = "";

	(void)state;
	mount_ask_all(look, paths, G_N_ELEMENTS(paths), LATE_MS, seen);
	assert_int_equal(seen[0].error, 0);
	assert_true(seen[0].fd >= 0);
	assert_int_equal(fcntl(seen[0].fd, F_GETFD), FD_CLOEXEC);
	assert_true(read(seen[0].fd, text, sizeof(text)) > 0);
	assert_int_equal(seen[1].fd, -1);
	(void)close(seen[0].fd);
	g_free(seen[0].text);
	g_free(seen[1].text);
}

/* Who reads a pipe of ours to its end does not wait for them. */
static void children_keep_no_descriptor_of_ours(void **state)
{
	static const char *const paths[] = { "inherit", "inherit" };
	struct mount_seen seen[G_N_ELEMENTS(paths)];

	(void)state;
	for (int i = 0; i < 2; i++) {
		/* Below and above those that a child has. */
		parents_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, i * 100);
		assert_true(parents_fd > STDERR_FILENO);
		mount_ask_all(look, paths, G_N_ELEMENTS(paths), LATE_MS, seen);
		assert_string_equal(seen[0].text, "no");
		assert_string_equal(seen[1].text, "no");
		g_free(seen[0].text);
		g_free(seen[1].text);
		(void)close(parents_fd);
	}
}

static void what_is_seen_has_a_limit(void **state)
{
	static const char *const paths[] = { "much" };
	struct mount_seen seen;

	(void)state;
	mount_ask_all(look, paths, 1, LATE_MS, &seen);
	assert_int_equal(seen.error, 0);
	assert_true(strlen(seen.text) <= MOUNT_ASK_BYTES_MAX);
	g_free(seen.text);
}

static void too_many_are_not_asked(void **state)
{
	const char *paths[MOUNTS_ASKED_MAX + 1];
	struct mount_seen seen[MOUNTS_ASKED_MAX + 1];

	(void)state;
	for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
		paths[i] = "a";
	mount_ask_all(look, paths, G_N_ELEMENTS(paths), LATE_MS, seen);
	for (guint i = 0; i < MOUNTS_ASKED_MAX; i++) {
		assert_int_equal(seen[i].error, 0);
		g_free(seen[i].text);
	}
	assert_int_equal(seen[MOUNTS_ASKED_MAX].error, ETIMEDOUT);
	assert_null(seen[MOUNTS_ASKED_MAX].text);
	mount_ask_all(look, paths, 0, LATE_MS, seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_gets_its_own_answer),
		cmocka_unit_test(one_that_hangs_keeps_nobody_and_is_ended),
		cmocka_unit_test(many_that_hang_keep_us_once),
		cmocka_unit_test(a_descriptor_comes_along),
		cmocka_unit_test(children_keep_no_descriptor_of_ours),
		cmocka_unit_test(what_is_seen_has_a_limit),
		cmocka_unit_test(too_many_are_not_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
