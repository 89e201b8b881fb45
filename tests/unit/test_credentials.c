/* Where tokens come from: each source by itself, and their order. */
#include "config.h"

#include "credentials.h"

#include "common_limits.h"
#include "keyring.h"
#include "runtime_file.h"
#include "test.h"
#include "token_command.h"
#include "token_file.h"
#include "token_systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SERVER "http://127.0.0.1:8888/x"

static char folder[] = "/tmp/pycloud-test-XXXXXX";

static char *place(const char *name)
{
	return g_build_filename(folder, name, NULL);
}

static char *write_file(const char *name, const char *text, mode_t mode)
{
	char *path = place(name);

	assert_true(g_file_set_contents(path, text, -1, NULL));
	assert_int_equal(g_chmod(path, mode), 0);
	return path;
}

/* --- files ---------------------------------------------------------------- */

static void expect_file(const char *path, int rc, const char *expected)
{
	g_autofree char *why = NULL;
	struct secret *s = NULL;

	assert_int_equal(token_file_read(path, TOKEN_FILE_OWN, &s, &why), rc);
	if (rc == 0) {
		assert_string_equal(secret_peek(s), expected);
		assert_null(why);
	} else {
		assert_null(s);
		if (strstr(why, expected) == NULL)
			fail_msg("'%s' does not say '%s'", why, expected);
	}
	secret_unref(s);
}

static void a_file_has_the_token_on_its_first_line(void **state)
{
	g_autofree char *good = write_file("good", "t0ken\nnotes\n", 0600);
	g_autofree char *read_only = write_file("ro", "t0ken", 0400);
	g_autofree char *empty = write_file("empty", "", 0600);
	g_autofree char *blank = write_file("blank", "\nt0ken\n", 0600);
	g_autofree char *words = write_file("words", "my t0ken\n", 0600);
	g_autofree char *none = place("none");

	(void)state;
	expect_file(good, 0, "t0ken");
	expect_file(read_only, 0, "t0ken");
	expect_file(empty, -EINVAL, "nothing on its first line");
	expect_file(blank, -EINVAL, "nothing on its first line");
	expect_file(words, -EINVAL, "cannot be a token");
	expect_file(none, -ENOENT, "No such file");
}

static void a_file_that_is_not_ours_alone_is_refused(void **state)
{
	static const mode_t modes[] = { 0644, 0640, 0604, 0620, 0602, 0610 };
	g_autofree char *path = write_file("open", "t0ken\n", 0600);
	g_autofree char *link = place("link");

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
		assert_int_equal(g_chmod(path, modes[i]), 0);
		expect_file(path, -EPERM, "chmod 600");
	}
	assert_int_equal(g_chmod(path, 0600), 0);
	assert_int_equal(symlink(path, link), 0);
	expect_file(link, -ELOOP, "symbolic link");
	expect_file(folder, -EPERM, "no regular file");
	if (geteuid() != 0)
		return; /* only root gives files away */
	assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
	expect_file(path, -EPERM, "belongs to somebody else");
}

static void a_pipe_keeps_nobody_waiting(void **state)
{
	g_autofree char *path = place("pipe");

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_file(path, -EPERM, "no regular file");
}

static void a_huge_file_is_no_token(void **state)
{
	g_autofree char *text = g_strnfill(SECRET_BYTES_MAX + 100, 'x');
	g_autofree char *path = write_file("huge", text, 0600);

	(void)state;
	expect_file(path, -EINVAL, "cannot be a token");
}

static void a_file_is_written_for_its_owner_alone(void **state)
{
	g_autofree char *path = write_file("old", "other\n", 0644);
	struct secret *s = secret_new("n3w", 3);
	g_autofree char *why = NULL;
	g_autofree char *nowhere = place("no/where");
	struct stat st;

	(void)state;
	assert_int_equal(token_file_write(path, s, &why), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	expect_file(path, 0, "n3w");
	assert_int_equal(token_file_write(nowhere, s, &why), -ENOENT);
	assert_non_null(strstr(why, "no/where"));
	assert_null(strstr(why, "n3w"));
	secret_unref(s);
}

/* --- programs ------------------------------------------------------------- */

static void expect_command(
	const char *command, int rc, const char *expected, int64_t end_ms)
{
	const struct token_command_call call = {
		.command = command,
		.server = SERVER,
		.end_ms = end_ms,
	};
	g_autofree char *why = NULL;
	struct secret *s = NULL;

	assert_int_equal(token_command_run(&call, NULL, &s, &why), rc);
	if (rc == 0)
		assert_string_equal(secret_peek(s), expected);
	else if (strstr(why, expected) == NULL)
		fail_msg("'%s' does not say '%s'", why, expected);
	secret_unref(s);
}

static void a_program_prints_the_token(void **state)
{
	(void)state;
	expect_command("echo t0ken", 0, "t0ken", 0);
	expect_command("printf 't0ken\\nuser: ann\\n'", 0, "t0ken", 0);
	expect_command("sh -c 'echo \"$PYCLOUD_SERVER\"'", 0, SERVER, 0);
	/* No shell: nothing is expanded. */
	expect_command("echo $HOME", 0, "$HOME", 0);
	expect_command("echo a;b", 0, "a;b", 0);
}

static void a_program_that_fails_says_why(void **state)
{
	(void)state;
	expect_command("sh -c 'echo t0ken; echo it is shut >&2; exit 3'",
		-EACCES, "exit status 3: it is shut", 0);
	expect_command("sh -c 'kill -9 $$'", -EACCES, "signal 9", 0);
	expect_command("true", -EINVAL, "prints nothing", 0);
	expect_command("echo two words", -EINVAL, "cannot be a token", 0);
	expect_command("/nonexistent/x", -EACCES, "no program", 0);
	/* What it says may be the token. */
	expect_command("echo 'unbalanced", -EINVAL,
		"token_command leaves a quote open; close it", 0);
	expect_command(" ", -EINVAL, "token_command is empty", 0);
	expect_command("head -c 100000 /dev/zero", -EFBIG, "too much", 0);
}

static void a_program_that_hangs_is_ended(void **state)
{
	int64_t begin = clock_now_ms();

	(void)state;
	expect_command("sleep 600", -ETIMEDOUT, "in time", begin + 100);
	assert_in_range(clock_now_ms() - begin, 100, 30000);
}

/* --- servers' own files --------------------------------------------------- */

static struct secret *token_of(const char *text, const char *url)
{
	g_autofree char *copy = g_strdup(text);
	int64_t pid = 0;

	return runtime_file_token(copy, strlen(copy), url, &pid);
}

#define RUNTIME                                                        \
	"{\"base_url\":\"/x/\",\"hostname\":\"localhost\",\"pid\":%d," \
	"\"port\":8888,\"token\":\"fr0m-file\",\"url\":\"http://"      \
	"localhost:8888/x/\",\"version\":\"2.0\"}"

static void a_runtime_file_is_for_its_own_server(void **state)
{
	static const char *const others[] = { "http://127.0.0.1:8889/x",
		"http://127.0.0.1:8888", "http://127.0.0.1:8888/y",
		"http://host.example:8888/x", "http://127.0.0.1/x", "nonsense",
		"https://10.0.0.1:8888/x", "http://127.example.org:8888/x",
		"http://127.0.0.1.example.org:8888/x",
		"http://127.0.0.1@example.org:8888/x" };
	g_autofree char *text = g_strdup_printf(RUNTIME, 1);
	struct secret *s = token_of(text, "http://localhost:8888/x");

	(void)state;
	assert_string_equal(secret_peek(s), "fr0m-file");
	secret_unref(s);
	s = token_of(text, "http://[::1]:8888/x/");
	assert_non_null(s);
	secret_unref(s);
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
		if (token_of(text, others[i]) != NULL)
			fail_msg("%s gets the token", others[i]);
	assert_null(token_of("{", SERVER));
	/* As a pid_t it would be another's. */
	assert_null(token_of("{\"token\":\"x\",\"port\":8888,\"base_url\":"
			     "\"/x/\",\"pid\":4294967297}",
		SERVER));
	assert_null(token_of("{\"token\":\"x\",\"port\":8888}", SERVER));
	assert_null(token_of("{\"token\":\"\",\"port\":8888,\"pid\":1,"
			     "\"base_url\":\"/x/\"}",
		SERVER));
}

static void a_runtime_file_counts_while_its_process_lives(void **state)
{
	g_autofree char *alive = g_strdup_printf(RUNTIME, (int)getpid());
	g_autofree char *dead = g_strdup_printf(RUNTIME, 0x3fffffff);
	g_autofree char *path = write_file("jpserver-1.json", alive, 0600);
	struct secret *s = NULL;

	(void)state;
	(void)setenv("JUPYTER_RUNTIME_DIR", folder, 1);
	assert_int_equal(runtime_file_find(SERVER, &s), 0);
	assert_string_equal(secret_peek(s), "fr0m-file");
	secret_unref(s);
	assert_int_equal(g_chmod(path, 0644), 0);
	assert_int_equal(runtime_file_find(SERVER, &s), 0);
	secret_unref(s);
	assert_int_equal(g_chmod(folder, 0755), 0);
	assert_int_equal(runtime_file_find(SERVER, &s), -ENOENT);
	assert_int_equal(g_chmod(folder, 0700), 0);
	g_free(path);
	path = write_file("jpserver-1.json", dead, 0600);
	assert_int_equal(runtime_file_find(SERVER, &s), -ENOENT);
	(void)unlink(path);
	assert_int_equal(runtime_file_find(SERVER, &s), -ENOENT);
	(void)unsetenv("JUPYTER_RUNTIME_DIR");
}

/* --- the keyring ---------------------------------------------------------- */

static const struct keyring_key key = { .server = SERVER };

static void without_a_bus_there_is_no_keyring(void **state)
{
	static const char *const starters[] = { "autolaunch:",
		"unixexec:path=/bin/false", "unix:path=/x;autolaunch:" };
	struct secret *s = NULL;
	char *why = NULL;

	(void)state;
	(void)setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
	assert_int_equal(keyring_find(&key, NULL, &s, &why), -ENOENT);
	(void)unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(keyring_find(&key, NULL, &s, &why), -ENOENT);
	assert_null(s);
	assert_null(why);
	/* What would start a bus, or some program, is none. */
	for (size_t i = 0; i < G_N_ELEMENTS(starters); i++) {
		(void)setenv("DBUS_SESSION_BUS_ADDRESS", starters[i], 1);
		assert_false(keyring_may_be_there());
	}
	(void)setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/x", 1);
	assert_true(keyring_may_be_there());
	(void)unsetenv("DBUS_SESSION_BUS_ADDRESS");
}

/* A bus that takes the call and says nothing. */
static int silent_bus(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)g_snprintf(
		address.sun_path, sizeof(address.sun_path), "%s/bus", folder);
	(void)unlink(address.sun_path);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	(void)setenv("XDG_RUNTIME_DIR", folder, 1);
	return fd;
}

/* Another's bus, as after su, is none of ours; looking for it would start one.
 */
static void a_bus_is_a_socket_of_our_own(void **state)
{
	g_autofree char *path = write_file("bus", "", 0600);
	int fd;

	(void)state;
	(void)setenv("XDG_RUNTIME_DIR", folder, 1);
	assert_false(keyring_may_be_there());
	fd = silent_bus();
	assert_true(keyring_may_be_there());
	if (geteuid() == 0) { /* only root gives files away */
		assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
		assert_false(keyring_may_be_there());
	}
	(void)unlink(path);
	(void)unsetenv("XDG_RUNTIME_DIR");
	(void)close(fd);
}

static void a_keyring_that_hangs_is_left_behind(void **state)
{
	int fd = silent_bus();
	int64_t begin = clock_now_ms();
	g_autofree char *why = NULL;
	struct secret *s = NULL;

	(void)state;
	assert_int_equal(keyring_find(&key, NULL, &s, &why), -ENOENT);
	assert_null(s);
	assert_non_null(strstr(why, "does not answer"));
	assert_in_range(
		clock_now_ms() - begin, 0, 2 * (int64_t)KEYRING_TIMEOUT_MS);
	(void)unsetenv("XDG_RUNTIME_DIR");
	(void)close(fd);
}

static void a_keyring_that_hangs_can_be_interrupted(void **state)
{
	int fd = silent_bus();
	char *why = NULL;
	struct secret *s = NULL;
	struct cancel cancel;

	(void)state;
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(keyring_find(&key, &cancel, &s, &why), -EINTR);
	assert_null(why);
	cancel_fini(&cancel);
	(void)unsetenv("XDG_RUNTIME_DIR");
	(void)close(fd);
}

/* --- the order ------------------------------------------------------------ */

static const struct credentials_wish wish = { .server = SERVER };

static void expect_source(
	struct credentials *c, const char *secret, const char *source)
{
	struct credentials_found found;
	char *why = NULL;

	assert_int_equal(credentials_find(c, &wish, NULL, &found, &why), 0);
	assert_string_equal(secret_peek(found.secret), secret);
	assert_non_null(strstr(found.source, source));
	secret_unref(found.secret);
	credentials_unref(c);
}

static void the_order_is_the_manuals(void **state)
{
	g_autofree char *file = write_file("cred", "fr0m-credentials", 0600);
	g_autofree char *systemd =
		write_file(TOKEN_SYSTEMD_NAME, "fr0m-systemd", 0440);
	g_autofree char *text = g_strdup_printf(RUNTIME, (int)getpid());
	g_autofree char *runtime = write_file("nbserver-1.json", text, 0600);
	struct secret *url = secret_new("fr0m-url", 8);
	const char *command = "echo fr0m-command";
	struct credentials_found found;
	struct credentials *c;
	char *why = NULL;

	(void)state;
	(void)setenv("JUPYTER_RUNTIME_DIR", folder, 1);
	(void)setenv("CREDENTIALS_DIRECTORY", folder, 1);
	(void)setenv("PYCLOUD_TOKEN", "fr0m-env", 1);
	expect_source(credentials_new(url, file, command), "fr0m-url", "URL");
	expect_source(credentials_new(NULL, file, command), "fr0m-credentials",
		"credentials");
	expect_source(credentials_new(NULL, NULL, command), "fr0m-systemd",
		"systemd");
	(void)unlink(systemd);
	expect_source(credentials_new(NULL, NULL, command), "fr0m-env",
		"PYCLOUD_TOKEN");
	(void)setenv("PYCLOUD_TOKEN", "", 1);
	expect_source(credentials_new(NULL, NULL, command), "fr0m-command",
		"token_command");
	expect_source(
		credentials_new(NULL, NULL, NULL), "fr0m-file", "runtime");
	(void)unlink(runtime);
	c = credentials_new(NULL, NULL, NULL);
	assert_int_equal(
		credentials_find(c, &wish, NULL, &found, &why), -ENOENT);
	assert_null(why);
	credentials_unref(c);
	secret_unref(url);
	(void)unsetenv("JUPYTER_RUNTIME_DIR");
	(void)unsetenv("CREDENTIALS_DIRECTORY");
}

static void what_was_named_and_fails_is_not_passed_over(void **state)
{
	g_autofree char *none = place("none");
	struct credentials *by_file = credentials_new(NULL, none, NULL);
	struct credentials *by_command = credentials_new(NULL, NULL, "false");
	struct credentials_found found;
	g_autofree char *file_why = NULL;
	g_autofree char *command_why = NULL;

	(void)state;
	assert_int_equal(
		credentials_find(by_file, &wish, NULL, &found, &file_why),
		-EPERM);
	assert_non_null(strstr(file_why, "none: No such file"));
	assert_int_equal(
		credentials_find(by_command, &wish, NULL, &found, &command_why),
		-EPERM);
	assert_non_null(strstr(command_why, "exit status 1"));
	credentials_unref(by_file);
	credentials_unref(by_command);
}

static void expect_denied(const char *file, const char *said)
{
	struct credentials *c = credentials_new(NULL, file, "echo n3w");
	struct credentials_found found;
	g_autofree char *why = NULL;

	assert_int_equal(
		credentials_find(c, &wish, NULL, &found, &why), -EPERM);
	assert_non_null(why);
	assert_non_null(strstr(why, said));
	credentials_unref(c);
}

/* Which is no server's refusal: the search does not go on, and says why. */
static void what_may_not_be_read_says_so(void **state)
{
	bool is_root = geteuid() == 0;
	g_autofree char *file = write_file("denied", "t0ken", 0);
	g_autofree char *systemd = write_file(TOKEN_SYSTEMD_NAME, "t0ken", 0);

	(void)state;
	if (is_root) /* who may read everything */
		assert_int_equal(seteuid(12345), 0);
	(void)setenv("CREDENTIALS_DIRECTORY", folder, 1);
	expect_denied(file, "denied: may not be read");
	expect_denied(NULL, TOKEN_SYSTEMD_NAME ": may not be read");
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	(void)unlink(systemd);
}

/* "old" is refused; "broken" ends it. */
static int accept_some(void *arg, struct secret *secret)
{
	unsigned *count = arg;

	++*count;
	if (strcmp(secret_peek(secret), "broken") == 0)
		return -EIO;
	return strcmp(secret_peek(secret), "old") == 0 ? -EACCES : 0;
}

static int search(const char *file_text, const char *command,
	unsigned *ret_count, struct credentials_found *ret)
{
	g_autofree char *file = write_file("some", file_text, 0600);
	struct credentials *c = credentials_new(NULL, file, command);
	const struct credentials_wish some = {
		.server = SERVER,
		.accepts = accept_some,
		.arg = ret_count,
	};
	char *why = NULL;
	int rc;

	*ret_count = 0;
	rc = credentials_find(c, &some, NULL, ret, &why);
	assert_null(why);
	credentials_unref(c);
	return rc;
}

static void a_search_goes_on_behind_what_is_refused(void **state)
{
	struct credentials_found found;
	unsigned count;

	(void)state;
	assert_int_equal(search("old", "echo n3w", &count, &found), 0);
	assert_string_equal(secret_peek(found.secret), "n3w");
	assert_string_equal(found.source, "token_command");
	assert_int_equal(count, 2);
	secret_unref(found.secret);
	assert_int_equal(search("old", "echo old", &count, &found), -EACCES);
	assert_null(found.secret);
	assert_string_equal(found.source, "token_command");
	assert_int_equal(search("broken", "echo n3w", &count, &found), -EIO);
	assert_int_equal(count, 1);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
	GDir *dir = g_dir_open(folder, 0, NULL);
	const char *name;

	(void)state;
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = place(name);

		(void)unlink(path);
	}
	g_dir_close(dir);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_has_the_token_on_its_first_line),
		cmocka_unit_test(a_file_that_is_not_ours_alone_is_refused),
		cmocka_unit_test(a_pipe_keeps_nobody_waiting),
		cmocka_unit_test(a_huge_file_is_no_token),
		cmocka_unit_test(a_file_is_written_for_its_owner_alone),
		cmocka_unit_test(a_program_prints_the_token),
		cmocka_unit_test(a_program_that_fails_says_why),
		cmocka_unit_test(a_program_that_hangs_is_ended),
		cmocka_unit_test(a_runtime_file_is_for_its_own_server),
		cmocka_unit_test(a_runtime_file_counts_while_its_process_lives),
		cmocka_unit_test(without_a_bus_there_is_no_keyring),
		cmocka_unit_test(a_bus_is_a_socket_of_our_own),
		cmocka_unit_test(a_keyring_that_hangs_is_left_behind),
		cmocka_unit_test(a_keyring_that_hangs_can_be_interrupted),
		cmocka_unit_test(the_order_is_the_manuals),
		cmocka_unit_test(what_was_named_and_fails_is_not_passed_over),
		cmocka_unit_test(what_may_not_be_read_says_so),
		cmocka_unit_test(a_search_goes_on_behind_what_is_refused),
	};

	(void)unsetenv("PYCLOUD_TOKEN");
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	(void)unsetenv("DBUS_SESSION_BUS_ADDRESS");
	(void)unsetenv("XDG_RUNTIME_DIR");
	(void)unsetenv("JUPYTER_RUNTIME_DIR");
	(void)setenv("HOME", "/nonexistent", 1);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
