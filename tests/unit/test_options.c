/* The command line of mount.pycloud: what it means, and what is refused. */
#include "config.h"

#include "options.h"
#include "test.h"

#include <string.h>
#include <unistd.h>

#define WORDS_MAX 16

/* One command line, given as words separated by blanks. */
struct line {
	char *argv[WORDS_MAX];
	int argc;
	struct options options;
	char *why;
	bool is_good;
};

static void parse(struct line *l, const char *words)
{
	g_auto(GStrv) split = g_strsplit(words, " ", WORDS_MAX);

	*l = (struct line){ .argc = 1 };
	l->argv[0] = g_strdup("mount.pycloud");
	for (char **word = split; *word != NULL; word++)
		if (**word != '\0')
			l->argv[l->argc++] = g_strdup(*word);
	l->is_good = options_parse(l->argc, l->argv, &l->options, &l->why);
}

static void parse_good(struct line *l, const char *words)
{
	parse(l, words);
	if (!l->is_good)
		fail_msg("'%s': %s", words, l->why);
	assert_null(l->why);
}

static void clear(struct line *l)
{
	for (int i = 0; i < l->argc; i++)
		g_free(l->argv[i]);
	options_clear(&l->options);
	g_free(l->why);
}

static void assert_refused(const char *words, const char *because)
{
	struct line l;

	parse(&l, words);
	if (l.is_good)
		fail_msg("'%s' was accepted", words);
	assert_non_null(l.why);
	if (strstr(l.why, because) == NULL)
		fail_msg("'%s' says '%s'", words, l.why);
	clear(&l);
}

static void assert_passed_on(const char *words, const char *expected)
{
	struct line l;

	parse_good(&l, words);
	assert_string_equal(l.options.fuse_options->str, expected);
	clear(&l);
}

static void defaults_are_the_users_own(void **state)
{
	struct line l;

	(void)state;
	parse_good(&l, "demo /mnt");
	assert_string_equal(l.options.spec, "demo");
	assert_string_equal(l.options.directory, "/mnt");
	assert_int_equal(l.options.timeout_ms, 30000);
	assert_int_equal(l.options.stall_ms, 30000);
	assert_int_equal(l.options.attr_timeout_ms, 5000);
	assert_int_equal(l.options.uid, getuid());
	assert_int_equal(l.options.gid, getgid());
	assert_int_equal(l.options.fmask | l.options.dmask, 0);
	assert_false(l.options.is_read_only || l.options.is_foreground ||
		     l.options.is_insecure || l.options.is_sloppy);
	assert_string_equal(l.options.fuse_options->str, "");
	clear(&l);
}

static void every_option_sets_its_own(void **state)
{
	struct line l;

	(void)state;
	parse_good(&l, "demo /mnt -o timeout=1.5,stall=2,attr_timeout=0,uid=12 "
		       "-o gid=34,fmask=133,dmask=022,insecure,nonempty,debug "
		       "-o cacert=/etc/ca.pem");
	assert_int_equal(l.options.timeout_ms, 1500);
	assert_int_equal(l.options.stall_ms, 2000);
	assert_int_equal(l.options.attr_timeout_ms, 0);
	assert_int_equal(l.options.uid, 12);
	assert_int_equal(l.options.gid, 34);
	assert_int_equal(l.options.fmask, 0133);
	assert_int_equal(l.options.dmask, 022);
	assert_true(l.options.is_insecure);
	assert_true(l.options.allows_nonempty);
	assert_true(l.options.is_debug);
	assert_string_equal(l.options.ca_file, "/etc/ca.pem");
	clear(&l);
	parse_good(&l, "demo /mnt -o umask=077,cacert=a,cacert=b");
	assert_int_equal(l.options.fmask, 077);
	assert_int_equal(l.options.dmask, 077);
	assert_true(g_str_has_suffix(l.options.ca_file, "/b"));
	clear(&l);
}

/* A daemon leaves the directory that it was started in. */
static void files_are_those_of_the_directory_of_the_start(void **state)
{
	g_autofree char *here = g_get_current_dir();
	g_autofree char *ca_file = g_build_filename(here, "ca.pem", NULL);
	g_autofree char *kubeconfig = g_build_filename(here, "d", "k", NULL);
	g_autofree char *token = g_build_filename(here, "t", NULL);
	struct line l;

	(void)state;
	parse_good(&l, "demo /mnt -o cacert=ca.pem,kubeconfig=d/./e/../k,"
		       "credentials=t");
	assert_string_equal(l.options.ca_file, ca_file);
	assert_string_equal(l.options.kubeconfig, kubeconfig);
	assert_string_equal(l.options.credentials_file, token);
	clear(&l);
	parse_good(&l, "demo /mnt -o kubeconfig=/a/k");
	assert_string_equal(l.options.kubeconfig, "/a/k");
	assert_null(l.options.ca_file);
	clear(&l);
}

static void commas_may_be_part_of_a_value(void **state)
{
	struct line l;

	(void)state;
	parse_good(&l, "demo /mnt -o overlay=\"*.a,*.b\",ro");
	assert_string_equal(l.options.overlay_patterns, "*.a,*.b");
	assert_true(l.options.is_read_only);
	clear(&l);
	parse_good(&l, "demo /mnt -o overlay=*.a\\,*.b,ro,cacert=x\\y");
	assert_string_equal(l.options.overlay_patterns, "*.a,*.b");
	assert_true(l.options.is_read_only);
	assert_true(g_str_has_suffix(l.options.ca_file, "/x\\y"));
	/* As it was: it is given to others that read it in the same way. */
	assert_string_equal(
		l.options.given, "overlay=*.a\\,*.b,ro,cacert=x\\y");
	clear(&l);
	assert_refused("demo /mnt -o overlay=\"*.a,ro", "quote");
}

/* mount(8) takes context= for SELinux's, and does not hand it on. */
static void the_context_has_a_second_name(void **state)
{
	struct line l;

	(void)state;
	parse_good(&l, "demo /mnt -o kubecontext=office");
	assert_string_equal(l.options.context, "office");
	clear(&l);
}

static void some_options_are_passed_on(void **state)
{
	(void)state;
	assert_passed_on("demo /mnt -o ro,allow_other", ",ro,allow_other");
	assert_passed_on("demo /mnt -o noexec,noatime,allow_root",
		",noexec,noatime,allow_root");
	assert_passed_on("demo /mnt -o rw,exec,suid,dev", "");
}

static void mounts_own_options_are_accepted(void **state)
{
	(void)state;
	assert_passed_on("demo /mnt -o "
			 "defaults,auto,noauto,user,users,nouser,owner,group,"
			 "_netdev,nofail,rw,relatime,async,nosuid,nodev",
		"");
	assert_passed_on("demo /mnt -o x-systemd.automount,x-gvfs-show,"
			 "comment=hello,,user=ann",
		"");
}

static void bad_values_are_named(void **state)
{
	static const char *const bad[] = { "timeout", "timeout=", "timeout=x",
		"timeout=-1", "timeout=nan", "timeout=inf", "timeout=86401",
		"timeout=0", "stall=0", "stall=0.0009", "attr_timeout=5s",
		"uid=ann", "uid=-1", "uid=4294967295", "gid=", "fmask=8",
		"dmask=1000", "umask=rwx", "umask", "insecure=no", "nonempty=1",
		"cacert", "cacert=", "allow_other=yes" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *words =
			g_strdup_printf("demo /mnt -o rw,%s", bad[i]);
		g_autofree char *name = g_strndup(bad[i], strcspn(bad[i], "="));
		g_autofree char *quoted = g_strdup_printf("'%s'", name);

		assert_refused(words, quoted);
	}
}

static void unknown_options_are_named_and_sloppy_takes_them(void **state)
{
	struct line l;

	(void)state;
	assert_refused("demo /mnt -o rw,colour=red", "'colour'");
	assert_refused("demo /mnt --colour", "colour");
	parse_good(&l, "-s demo /mnt -o rw,colour=red,timeout=7");
	assert_true(l.options.is_sloppy);
	assert_int_equal(l.options.timeout_ms, 7000);
	clear(&l);
	/* Unknown is forgiven, wrong is not. */
	assert_refused("-s demo /mnt -o timeout=x", "'timeout'");
}

static void options_stand_before_between_and_after_operands(void **state)
{
	static const char *const lines[] = { "-o ro -v demo /mnt",
		"demo -o ro /mnt -v", "demo /mnt -o ro -v",
		"demo /mnt -vo ro" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		struct line l;

		parse_good(&l, lines[i]);
		assert_string_equal(l.options.spec, "demo");
		assert_string_equal(l.options.directory, "/mnt");
		assert_true(l.options.is_read_only);
		assert_true(l.options.is_verbose);
		clear(&l);
	}
}

static void mounts_flags_may_stand_together(void **state)
{
	struct line l;

	(void)state;
	parse_good(&l, "demo /mnt -sfnv --foreground");
	assert_true(l.options.is_sloppy && l.options.is_fake &&
		    l.options.is_verbose && l.options.is_foreground);
	clear(&l);
}

static void two_operands_are_needed_except_for_help(void **state)
{
	struct line l;

	(void)state;
	assert_refused("", "workspace");
	assert_refused("demo", "workspace");
	assert_refused("demo /mnt more", "workspace");
	parse_good(&l, "--help");
	assert_true(l.options.wants_help);
	clear(&l);
	parse_good(&l, "-V");
	assert_true(l.options.wants_version);
	clear(&l);
}

static void the_directory_becomes_absolute(void **state)
{
	g_autofree char *here = g_get_current_dir();
	g_autofree char *expected = g_build_filename(here, "ws", NULL);
	struct line l;

	(void)state;
	parse_good(&l, "demo ./x/../ws/");
	assert_string_equal(l.options.directory, expected);
	clear(&l);
}

/* --- secrets -------------------------------------------------------------- */

static void assert_blotted(const char *spec, const char *secret)
{
	g_autofree char *words = g_strdup_printf("%s /mnt -o rw", spec);
	struct line l;

	parse_good(&l, words);
	assert_string_equal(l.options.spec, spec);
	assert_int_equal(strlen(l.argv[1]), strlen(spec));
	if (strstr(l.argv[1], secret) != NULL)
		fail_msg("'%s' shows '%s'", l.argv[1], secret);
	clear(&l);
}

static void secrets_are_blotted_out_of_argv(void **state)
{
	struct line l;

	(void)state;
	assert_blotted("http://h:8888/?token=sesame", "sesame");
	assert_blotted("http://h/?a=b&token=sesame&c=d", "sesame");
	assert_blotted("http://h/?token=one&token=sesame", "sesame");
	assert_blotted("https://ann:sesame@h/", "sesame");
	assert_blotted("https://ann:x@sesame@h/", "sesame");
	parse_good(&l, "http://h/?token=sesame&c=d /mnt");
	assert_string_equal(l.argv[1], "http://h/?token=******&c=d");
	assert_string_equal(l.argv[2], "/mnt");
	clear(&l);
}

static void secrets_are_blotted_out_of_bad_lines_too(void **state)
{
	struct line l;

	(void)state;
	parse(&l, "http://h/?token=sesame /mnt -o colour");
	assert_false(l.is_good);
	assert_null(strstr(l.argv[1], "sesame"));
	assert_null(strstr(l.why, "sesame"));
	clear(&l);
}

static void what_is_no_secret_stays_readable(void **state)
{
	struct line l;

	(void)state;
	parse_good(&l, "http://h/files/a@b /mnt/me@home");
	assert_string_equal(l.argv[1], "http://h/files/a@b");
	assert_string_equal(l.argv[2], "/mnt/me@home");
	clear(&l);
}

static void words_of_mount_8_are_taken_or_refused(void **state)
{
	struct line l;

	(void)state;
	parse_good(&l, "demo /mnt -t fuse.pycloud -o ro");
	assert_string_equal(l.options.directory, "/mnt");
	clear(&l);
	assert_refused("-N /proc/1/ns/mnt demo /mnt", "nsenter");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_mount_8_are_taken_or_refused),
		cmocka_unit_test(defaults_are_the_users_own),
		cmocka_unit_test(every_option_sets_its_own),
		cmocka_unit_test(files_are_those_of_the_directory_of_the_start),
		cmocka_unit_test(commas_may_be_part_of_a_value),
		cmocka_unit_test(the_context_has_a_second_name),
		cmocka_unit_test(some_options_are_passed_on),
		cmocka_unit_test(mounts_own_options_are_accepted),
		cmocka_unit_test(bad_values_are_named),
		cmocka_unit_test(
			unknown_options_are_named_and_sloppy_takes_them),
		cmocka_unit_test(
			options_stand_before_between_and_after_operands),
		cmocka_unit_test(mounts_flags_may_stand_together),
		cmocka_unit_test(two_operands_are_needed_except_for_help),
		cmocka_unit_test(the_directory_becomes_absolute),
		cmocka_unit_test(secrets_are_blotted_out_of_argv),
		cmocka_unit_test(secrets_are_blotted_out_of_bad_lines_too),
		cmocka_unit_test(what_is_no_secret_stays_readable),
	};

	/* The files of who runs this test are none of its business. */
	g_setenv("XDG_CONFIG_HOME", "/nonexistent", TRUE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
