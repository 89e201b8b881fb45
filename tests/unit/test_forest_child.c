/* A mount's process that never mounts: what it says, and that it is ended. */
#include "config.h"

#include "forest_child.h"
#include "test.h"

#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct heard {
	GString *lines;
	struct cancel *fires; /* upon the line "ready to wait" */
};

static void hear(void *arg, const char *line)
{
	struct heard *h = arg;

	g_string_append_printf(h->lines, "%s;", line);
	if (h->fires != NULL && strcmp(line, "ready to wait") == 0)
		cancel_fire(h->fires);
}

static int start(const char *script, struct heard *h,
	const struct cancel *cancel, char **ret_why)
{
	g_autofree char *text = g_strdup(script);
	char shell[] = "sh", flag[] = "-c";
	char *argv[] = { shell, flag, text, NULL };
	const struct forest_child_params params = {
		.program = "/bin/sh",
		.argv = argv,
		.name = "a",
		.directory = "/nowhere/a",
		.say = hear,
		.say_arg = h,
	};
	struct forest_child *child;

	return forest_child_start(&params, cancel, &child, ret_why);
}

static void the_last_word_is_the_reason(void **state)
{
	struct heard h = { .lines = g_string_new(NULL) };
	g_autofree char *why = NULL;

	(void)state;
	assert_int_equal(start("echo 'mount.pycloud: a: is starting' >&2;"
			       "printf 'mount.pycloud: it is ill' >&2; exit 32",
				 &h, NULL, &why),
		-EIO);
	assert_string_equal(why, "it is ill");
	assert_string_equal(h.lines->str, "a: is starting;it is ill;");
	g_string_free(h.lines, TRUE);
}

static void silence_is_told_and_bytes_do_no_harm(void **state)
{
	struct heard h = { .lines = g_string_new(NULL) };
	char *why = NULL;

	(void)state;
	assert_int_equal(start("exit 1", &h, NULL, &why), -EIO);
	assert_non_null(strstr(why, "without a word"));
	g_clear_pointer(&why, g_free);
	assert_int_equal(
		start("printf '\\377\\n' >&2; head -c 100000 /dev/zero |"
		      "tr '\\0' x >&2; exit 1",
			&h, NULL, &why),
		-EIO);
	assert_true(g_utf8_validate(why, -1, NULL));
	assert_true(strlen(why) < 10000);
	g_free(why);
	g_string_free(h.lines, TRUE);
}

/* The shell traps SIGTERM, says so, and ends. */
static void whoever_waits_no_more_ends_it(void **state)
{
	struct heard h = { .lines = g_string_new(NULL) };
	g_autofree char *why = NULL;
	struct cancel cancel;

	(void)state;
	cancel_init(&cancel, 0);
	h.fires = &cancel;
	assert_int_equal(start("tail -f /dev/null & T=$!; trap 'kill $T; "
			       "echo told to end >&2; exit 0' TERM;"
			       "echo ready to wait >&2; wait",
				 &h, &cancel, &why),
		-EINTR);
	assert_non_null(strstr(h.lines->str, "told to end"));
	cancel_fini(&cancel);
	g_string_free(h.lines, TRUE);
}

static void a_deadline_ends_it(void **state)
{
	struct heard h = { .lines = g_string_new(NULL) };
	g_autofree char *why = NULL;
	struct cancel cancel;

	(void)state;
	cancel_init(&cancel, 50);
	assert_int_equal(
		start("exec tail -f /dev/null", &h, &cancel, &why), -ETIMEDOUT);
	assert_non_null(strstr(why, "did not start in time"));
	cancel_fini(&cancel);
	g_string_free(h.lines, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_word_is_the_reason),
		cmocka_unit_test(silence_is_told_and_bytes_do_no_harm),
		cmocka_unit_test(whoever_waits_no_more_ends_it),
		cmocka_unit_test(a_deadline_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
