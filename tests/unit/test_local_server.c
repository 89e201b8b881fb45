/*
 * The local provider against the real Jupyter servers of this computer: both
 * generations start, answer, keep their secrets, and end with us.
 *
 * The tests' own HOME is a scratch directory. Where no Jupyter is installed
 * the program says so and exits 77 (automake's "skipped").
 */
#include "config.h"

#include "common_limits.h"
#include "local_server.h"
#include "test.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77

static char *scratch;

/* One request by hand, whole answer; the transport has tests of its own. */
static char *http_get(
	const char *socket_path, const char *target, const char *token)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	g_autofree char *request =
		g_strdup_printf("GET %s HTTP/1.0\r\nHost: localhost\r\n"
				"Authorization: token %s\r\n\r\n",
			target, token);
	GString *answer = g_string_new(NULL);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buffer[4096];
	ssize_t n;

	assert_true(fd >= 0);
	(void)g_strlcpy(
		address.sun_path, socket_path, sizeof(address.sun_path));
	assert_int_equal(
		connect(fd, (const struct sockaddr *)&address, sizeof(address)),
		0);
	n = write(fd, request, strlen(request));
	assert_int_equal(n, strlen(request));
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		(void)g_string_append_len(answer, buffer, n);
	(void)close(fd);
	return g_string_free(answer, FALSE);
}

static char *read_file(const char *dir, const char *name)
{
	g_autofree char *file = g_build_filename(dir, name, NULL);
	char *text = NULL;

	assert_true(g_file_get_contents(file, &text, NULL, NULL));
	return text;
}

static void check_private(
	const struct private_dir *dir, const char *name, mode_t mode)
{
	g_autofree char *file = private_dir_join(dir, name);
	struct stat st;

	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void check_program(const char *program)
{
	struct private_dir dir = PRIVATE_DIR_INIT;
	struct secret *token = secret_random();
	struct local_server *server = NULL;
	g_autofree char *root = g_build_filename(scratch, "root", NULL);
	g_autofree char *hidden = g_build_filename(root, ".hidden", NULL);
	g_autofree char *good = NULL;
	g_autofree char *bad = NULL;
	g_autofree char *log = NULL;
	g_autofree char *path = NULL;
	char *why = NULL;

	(void)g_mkdir_with_parents(root, 0700);
	assert_true(g_file_set_contents(hidden, "here", -1, NULL));
	assert_int_equal(private_dir_make(&dir), 0);
	path = g_strdup(dir.path);
	assert_int_equal(
		local_server_start(program, root, &dir, token, &server), 0);
	assert_int_equal(local_server_wait_ready(server, NULL, &why), 0);
	check_private(&dir, "", 0700);
	check_private(&dir, "settings.py", 0600);
	check_private(&dir, "sock", 0600);

	good = http_get(local_server_socket(server), "/api/contents",
		secret_peek(token));
	assert_non_null(strstr(good, " 200 "));
	assert_non_null(strstr(good, "\".hidden\""));
	bad = http_get(local_server_socket(server), "/api/contents", "wrong");
	assert_non_null(strstr(bad, " 403 "));

	log = read_file(dir.path, "log");
	assert_null(strstr(log, secret_peek(token)));
	local_server_stop(server);
	private_dir_remove(&dir);
	assert_int_not_equal(access(path, F_OK), 0);
	secret_unref(token);
}

static void every_installed_server_serves_its_directory(void **state)
{
	g_auto(GStrv) programs = local_server_programs();
	size_t i;

	(void)state;
	for (i = 0; programs[i] != NULL; i++)
		check_program(programs[i]);
}

static void a_workspace_opens_by_name_and_ends_with_free(void **state)
{
	struct endpoint *endpoint = NULL;
	struct workspace *w = NULL;
	g_autofree char *root = g_build_filename(
		scratch, "pycloud", "workspaces", "demo", NULL);
	g_autofree char *socket_path = NULL;
	g_autofree char *answer = NULL;
	struct hop *hop;
	struct stat st;
	char *why = NULL;

	(void)state;
	assert_int_equal(workspace_parse("demo", NULL, &w, &why), 0);
	assert_int_equal(workspace_open(w, NULL, &endpoint, &why), 0);
	assert_int_equal(stat(root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(endpoint_hop(endpoint, NULL, 0, &hop), 0);
	socket_path = g_strdup(hop->unix_socket);
	answer =
		http_get(socket_path, "/api/contents", secret_peek(hop->token));
	hop_unref(hop);
	assert_non_null(strstr(answer, " 200 "));
	endpoint_unref(endpoint);
	workspace_free(w);
	assert_int_not_equal(access(socket_path, F_OK), 0);
}

/* A script in place of a server, in a directory that PATH names first. */
static void write_script(const char *dir, const char *name, const char *text)
{
	g_autofree char *file = g_build_filename(dir, name, NULL);

	assert_true(g_file_set_contents(file, text, -1, NULL));
	assert_int_equal(g_chmod(file, 0755), 0);
}

static void what_the_server_said_last_is_why(void **state)
{
	struct private_dir dir = PRIVATE_DIR_INIT;
	struct secret *token = secret_random();
	struct local_server *server = NULL;
	g_autofree char *program = g_build_filename(scratch, "broken", NULL);
	char *why = NULL;

	(void)state;
	write_script(scratch, "broken",
		"#!/bin/sh\necho first\n"
		"echo 'ImportError: no tornado' >&2\necho '  (hint)'\n");
	assert_int_equal(private_dir_make(&dir), 0);
	assert_int_equal(
		local_server_start(program, scratch, &dir, token, &server), 0);
	assert_int_equal(local_server_wait_ready(server, NULL, &why), -ECHILD);
	assert_non_null(strstr(why, "ImportError: no tornado"));
	g_free(why);
	local_server_stop(server);
	private_dir_remove(&dir);
	secret_unref(token);
}

static void a_server_that_ignores_sigterm_is_killed(void **state)
{
	struct private_dir dir = PRIVATE_DIR_INIT;
	struct secret *token = secret_random();
	struct local_server *server = NULL;
	g_autofree char *program = g_build_filename(scratch, "deaf", NULL);
	struct cancel c;
	int64_t began_ms;
	char *why = NULL;

	(void)state;
	write_script(scratch, "deaf",
		"#!/bin/sh\ntrap '' TERM\nwhile :; do read -r x; done\n");
	assert_int_equal(private_dir_make(&dir), 0);
	assert_int_equal(
		local_server_start(program, scratch, &dir, token, &server), 0);
	cancel_init(&c, 0);
	cancel_fire(&c);
	assert_int_equal(local_server_wait_ready(server, &c, &why), -EINTR);
	g_free(why);
	cancel_fini(&c);
	began_ms = clock_now_ms();
	local_server_stop(server);
	assert_true(clock_now_ms() - began_ms < LOCAL_STOP_TIMEOUT_MS + 2000);
	private_dir_remove(&dir);
	secret_unref(token);
}

static void a_child_gets_no_secret_and_no_descriptor(void **state)
{
	struct private_dir dir = PRIVATE_DIR_INIT;
	struct secret *token = secret_random();
	struct local_server *server = NULL;
	g_autofree char *program = g_build_filename(scratch, "nosy", NULL);
	g_autofree char *log = NULL;
	char *why = NULL;

	(void)state;
	write_script(scratch, "nosy",
		"#!/bin/sh\nenv\necho \"args: $*\"\n"
		"echo fds: $(ls -1 /proc/self/fd)\n");
	assert_int_equal(setenv("PYCLOUD_TOKEN", "hush", 1), 0);
	assert_int_equal(private_dir_make(&dir), 0);
	assert_int_equal(
		local_server_start(program, scratch, &dir, token, &server), 0);
	assert_int_equal(local_server_wait_ready(server, NULL, &why), -ECHILD);
	g_free(why);
	log = read_file(dir.path, "log");
	assert_null(strstr(log, "hush"));
	assert_null(strstr(log, secret_peek(token)));
	/* 0 1 2, the lock, and the directory that ls itself reads. */
	assert_non_null(strstr(log, "fds: 0 1 2 3 4\n"));
	local_server_stop(server);
	private_dir_remove(&dir);
	assert_int_equal(unsetenv("PYCLOUD_TOKEN"), 0);
	secret_unref(token);
}

/* The server holds `alive`'s other end; its closing is seen by poll(). */
static void the_server_ends_when_its_parent_is_killed(void **state)
{
	g_autofree char *program = g_build_filename(scratch, "waits", NULL);
	g_autofree char *fifo = g_build_filename(scratch, "alive", NULL);
	g_autofree char *script =
		g_strdup_printf("#!/bin/sh\nexec 9>'%s'\necho up >&9\n"
				"while :; do read -r x </dev/zero; done\n",
			fifo);
	struct pollfd p = { .events = POLLIN };
	char buffer[16];
	pid_t parent;

	(void)state;
	write_script(scratch, "waits", script);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	p.fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(p.fd >= 0);
	parent = fork();
	if (parent == 0) {
		struct private_dir dir = PRIVATE_DIR_INIT;
		struct secret *token = secret_random();
		struct local_server *server = NULL;

		if (private_dir_make(&dir) == 0 &&
			local_server_start(
				program, scratch, &dir, token, &server) == 0)
			for (;;)
				(void)pause();
		_exit(1);
	}
	assert_true(parent > 0);
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(read(p.fd, buffer, sizeof(buffer)), 3);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(read(p.fd, buffer, sizeof(buffer)), 0);
	(void)close(p.fd);
}

static void a_stale_directory_goes_and_a_used_one_stays(void **state)
{
	struct private_dir used = PRIVATE_DIR_INIT;
	struct private_dir fresh = PRIVATE_DIR_INIT;
	g_autofree char *stale = NULL;
	g_autofree char *file = NULL;

	(void)state;
	assert_int_equal(private_dir_make(&used), 0);
	stale = g_strdup_printf("%s/pycloud-%u-XXXXXX", scratch, geteuid());
	assert_non_null(mkdtemp(stale));
	file = g_build_filename(stale, "log", NULL);
	assert_true(g_file_set_contents(file, "x", -1, NULL));

	assert_int_equal(private_dir_make(&fresh), 0);
	assert_int_not_equal(access(stale, F_OK), 0);
	assert_int_equal(access(used.path, F_OK), 0);
	assert_string_not_equal(used.path, fresh.path);
	private_dir_remove(&used);
	private_dir_remove(&fresh);
}

static int make_scratch(void **state)
{
	(void)state;
	scratch = g_dir_make_tmp("pycloud-test-XXXXXX", NULL);
	if (scratch == NULL)
		return -1;
	(void)setenv("HOME", scratch, 1);
	(void)setenv("XDG_DATA_HOME", scratch, 1);
	(void)setenv("XDG_RUNTIME_DIR", scratch, 1);
	(void)setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent", 1);
	return 0;
}

static int remove_scratch(void **state)
{
	struct private_dir d = { scratch, -1 };

	(void)state;
	private_dir_remove(&d);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_installed_server_serves_its_directory),
		cmocka_unit_test(a_workspace_opens_by_name_and_ends_with_free),
		cmocka_unit_test(what_the_server_said_last_is_why),
		cmocka_unit_test(a_server_that_ignores_sigterm_is_killed),
		cmocka_unit_test(a_child_gets_no_secret_and_no_descriptor),
		cmocka_unit_test(the_server_ends_when_its_parent_is_killed),
		cmocka_unit_test(a_stale_directory_goes_and_a_used_one_stays),
	};
	g_auto(GStrv) programs = local_server_programs();

	if (programs[0] == NULL) {
		(void)puts("skipped: neither jupyter-server nor "
			   "jupyter-notebook is installed");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
