/* pycloud.conf(5): what a file means, and what is refused with its line. */
#include "config.h"

#include "config_file.h"
#include "fs_limits.h"
#include "scratch_place.h"
#include "test.h"

#include <string.h>
#include <sys/stat.h>

/* Files that are read one over the other. */
struct desk {
	struct scratch_place place;
	struct config_file *config;
	struct options options;
	char *why;
};

static int set_up(void **state)
{
	struct desk *d = g_new0(struct desk, 1);

	scratch_place_make(&d->place);
	d->config = config_file_new();
	options_init(&d->options);
	*state = d;
	return 0;
}

static int tear_down(void **state)
{
	struct desk *d = *state;

	g_free(d->why);
	options_clear(&d->options);
	config_file_free(d->config);
	scratch_place_remove(&d->place);
	g_free(d);
	return 0;
}

static char *write_file(const struct desk *d, const char *text, size_t length)
{
	char *path = g_build_filename(d->place.path, "file", NULL);

	assert_true(
		g_file_set_contents(path, text, (gssize)length, NULL) != FALSE);
	assert_int_equal(chmod(path, 0644), 0);
	return path;
}

static bool take(struct desk *d, const char *text, bool is_sloppy)
{
	g_autofree char *path = write_file(d, text, strlen(text));

	g_clear_pointer(&d->why, g_free);
	return config_file_read(
		d->config, path, true, "lab", is_sloppy, &d->why);
}

static void take_good(struct desk *d, const char *text)
{
	if (!take(d, text, false))
		fail_msg("%s", d->why);
	assert_null(d->why);
}

static void apply(struct desk *d)
{
	if (!config_file_apply(d->config, &d->options, &d->why))
		fail_msg("%s", d->why);
}

static void assert_says(
	const struct desk *d, const char *where, const char *what)
{
	assert_non_null(d->why);
	if (strstr(d->why, where) == NULL || strstr(d->why, what) == NULL)
		fail_msg("it says '%s'", d->why);
}

static void defaults_and_the_named_workspace_are_meant(void **state)
{
	struct desk *d = *state;

	take_good(d, "# of us all\n"
		     "[defaults]\n"
		     " timeout = 7 \n"
		     "ro=true\n"
		     "insecure=false\n"
		     "\n"
		     "[workspace \"other\"]\n"
		     "timeout=1\n"
		     "url=https://other/\n"
		     "[workspace \"lab\"]\n"
		     "url=https://lab.example.org/user/ann/\n"
		     "hidden=refuse\r\n"
		     "overlay=a\\\\b,c:d\n");
	apply(d);
	assert_string_equal(config_file_url(d->config),
		"https://lab.example.org/user/ann/");
	assert_int_equal(d->options.timeout_ms, 7000);
	assert_true(d->options.is_read_only);
	assert_false(d->options.is_insecure);
	assert_true(d->options.refuses_hidden);
	assert_string_equal(d->options.overlay_patterns, "a\\b,c:d");
	assert_string_equal(d->options.fuse_options->str, ",ro");
}

static void a_later_file_is_over_an_earlier_one(void **state)
{
	struct desk *d = *state;

	take_good(d, "[defaults]\ntimeout=7\nstall=8\ninsecure=true\n"
		     "[workspace \"lab\"]\nstall=9\nurl=https://old/\n");
	take_good(d, "[defaults]\ntimeout=17\ninsecure=false\n"
		     "[workspace \"lab\"]\nurl=kube:lab\n");
	apply(d);
	assert_int_equal(d->options.timeout_ms, 17000);
	assert_int_equal(d->options.stall_ms, 9000);
	assert_false(d->options.is_insecure);
	assert_string_equal(config_file_url(d->config), "kube:lab");
}

static void what_is_wrong_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *where, *what;
	} rows[] = {
		{ "[defaults]\ncolour=red\n", "file:2:", "'colour'" },
		{ "[defaults]\n\nnoauto=true\n", "file:3:", "'noauto'" },
		{ "[defaults]\nconfig=/x\n", "file:2:", "'config'" },
		{ "[defaults]\ntimeout[de]=1\n", "file:2:", "timeout[de]" },
		{ "[defaults]\ntimeout=soon\n", "file:2:", "'soon'" },
		{ "[defaults]\nro=yes\n", "file:2:", "true or false" },
		{ "[defaults]\nurl=https://x/\n", "file:2:", "[workspace" },
		{ "#\n[colours]\n", "file:2:", "'colours'" },
		{ "[workspace lab]\n", "file:1:", "workspace lab" },
		{ "[workspace \"\"]\n", "file:1:", "[defaults]" },
		{ "[workspace \"kube:x\"]\n", "file:1:", "kube:x" },
		{ "[workspace \"pycloud:x\"]\n", "file:1:", "pycloud:x" },
		{ "[workspace \"lab\"]\nurl=lab\n", "file:2:", "https" },
		/* In a group that is not meant, too. */
		{ "[workspace \"x\"]\nhidden=no\n", "file:2:", "'hidden'" },
	};
	struct desk *d = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		assert_false(take(d, rows[i].text, false));
		assert_says(d, rows[i].where, rows[i].what);
		/* -s ignores the line, and takes the rest. */
		assert_true(take(d, rows[i].text, true));
		assert_null(d->why);
	}
	apply(d);
	assert_int_equal(d->options.timeout_ms, 30000);
	assert_null(config_file_url(d->config));
}

static void lines_that_mean_nothing_are_refused_always(void **state)
{
	static const char *const rows[] = {
		"[defaults]\nopensesame\n",
		"[defaults]\n=opensesame\n",
		"\nopensesame=1\n[defaults]\n",
		"[defaults]\n[workspace \"lab\"\n",
		"[defaults]\noverlay=opensesame\\q\n",
		"\n[",
	};
	struct desk *d = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		assert_false(take(d, rows[i], i % 2 == 0));
		assert_says(d, "file:2:", "");
	}
}

static void a_token_is_refused_and_not_shown(void **state)
{
	static const char *const rows[] = {
		"https://h/?token=opensesame",
		"https://h/?a=b&Token=opensesame",
		"https://ann:opensesame@h/",
		"https://opensesame@h",
	};
	struct desk *d = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text = g_strconcat(
			"[workspace \"x\"]\nurl=", rows[i], "\n", NULL);

		assert_false(take(d, text, true));
		assert_says(d, "file:2:", "keyring");
		assert_null(strstr(d->why, "opensesame"));
	}
	assert_true(take(d, "[workspace \"x\"]\nurl=https://h/me@home\n", 0));
}

static void an_untrustworthy_file_is_refused(void **state)
{
	static const mode_t modes[] = { 0664, 0646, 0666 };
	struct desk *d = *state;
	g_autofree char *path = write_file(d, "[defaults]\n", 11);

	for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
		g_clear_pointer(&d->why, g_free);
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_false(config_file_read(
			d->config, path, false, NULL, true, &d->why));
		assert_says(d, path, "chmod");
	}
	if (geteuid() != 0)
		return; /* cannot give files away */
	g_clear_pointer(&d->why, g_free);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_false(
		config_file_read(d->config, path, false, NULL, true, &d->why));
	assert_says(d, path, "somebody else");
}

static void refuses_bytes(
	struct desk *d, const char *bytes, size_t length, const char *what)
{
	g_autofree char *path = write_file(d, bytes, length);

	g_clear_pointer(&d->why, g_free);
	assert_false(
		config_file_read(d->config, path, true, NULL, true, &d->why));
	assert_says(d, path, what);
}

static void strange_files_are_refused(void **state)
{
	struct desk *d = *state;
	g_autofree char *long_one = g_strnfill(CONFIG_BYTES_MAX + 1, '#');
	g_autofree char *fifo = g_build_filename(d->place.path, "p", NULL);

	refuses_bytes(d, "[defaults]\n\0x", 13, "UTF-8");
	refuses_bytes(d, "# \xff\n", 4, "UTF-8");
	refuses_bytes(d, long_one, CONFIG_BYTES_MAX + 1, "64 KiB");
	take_good(d, long_one + 1);
	g_clear_pointer(&d->why, g_free);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_false(
		config_file_read(d->config, fifo, false, NULL, true, &d->why));
	assert_says(d, fifo, "regular");
}

static void a_missing_file_is_empty_unless_it_was_named(void **state)
{
	struct desk *d = *state;
	g_autofree char *path = g_build_filename(d->place.path, "no", NULL);

	assert_true(
		config_file_read(d->config, path, false, NULL, false, &d->why));
	assert_false(
		config_file_read(d->config, path, true, NULL, false, &d->why));
	assert_says(d, path, "No such file");
}

static void only_bare_names_are_looked_up(void **state)
{
	(void)state;
	assert_string_equal(config_file_bare_name("lab"), "lab");
	assert_string_equal(config_file_bare_name("pycloud:lab"), "lab");
	assert_null(config_file_bare_name("kube:lab"));
	assert_null(config_file_bare_name("https://lab/"));
	assert_null(config_file_bare_name("/"));
	assert_null(config_file_bare_name(""));
}

static void the_command_line_is_over_the_files(void **state)
{
	struct desk *d = *state;
	const char *text = "[defaults]\ntimeout=7\nstall=8\n"
			   "[workspace \"lab\"]\nurl=https://lab/\n";
	g_autofree char *path = write_file(d, text, strlen(text));
	g_autofree char *list =
		g_strdup_printf("stall=9,config=%s,attr_timeout=1", path);
	char program[] = "mount.pycloud", name[] = "pycloud:lab",
	     directory[] = "/mnt", flag[] = "-o";
	char *argv[] = { program, name, directory, flag, list, NULL };
	struct options o;

	if (!options_parse(5, argv, &o, &d->why))
		fail_msg("%s", d->why);
	assert_string_equal(o.spec, "https://lab/");
	assert_string_equal(o.name, "lab");
	assert_int_equal(o.timeout_ms, 7000);
	assert_int_equal(o.stall_ms, 9000);
	assert_int_equal(o.attr_timeout_ms, 1000);
	options_clear(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			defaults_and_the_named_workspace_are_meant, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_later_file_is_over_an_earlier_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_wrong_is_named_with_its_line, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			lines_that_mean_nothing_are_refused_always, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_token_is_refused_and_not_shown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_untrustworthy_file_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			strange_files_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_missing_file_is_empty_unless_it_was_named, set_up,
			tear_down),
		cmocka_unit_test(only_bare_names_are_looked_up),
		cmocka_unit_test_setup_teardown(
			the_command_line_is_over_the_files, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
