/* local_server.c - see local_server.h. */
#include "config.h"

#include "local_server.h"

#include "common_limits.h"
#include "printable.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSTEM_PATH "/usr/local/bin:/usr/bin:/bin"
#define POLL_MS	    20

/* Above the descriptors that the child arranges. */
#define FD_HIGH 10

struct local_server {
	pid_t pid; /* 0: reaped */
	int status;
	char *socket;
	char *log;
};

/* --- which programs ------------------------------------------------------ */

static void add_programs(GPtrArray *programs, const char *name)
{
	const char *path = g_getenv("PATH");
	g_autofree char *all =
		g_strconcat(path == NULL ? "" : path, ":" SYSTEM_PATH, NULL);
	g_auto(GStrv) dirs = g_strsplit(all, ":", -1);
	size_t i;

	for (i = 0; dirs[i] != NULL; i++) {
		char *file = g_build_filename(dirs[i], name, NULL);

		if (dirs[i][0] == '/' && access(file, X_OK) == 0 &&
			!g_ptr_array_find_with_equal_func(
				programs, file, g_str_equal, NULL))
			g_ptr_array_add(programs, file);
		else
			g_free(file);
	}
}

char **local_server_programs(void)
{
	GPtrArray *programs = g_ptr_array_new();

	add_programs(programs, "jupyter-server");
	add_programs(programs, "jupyter-notebook");
	g_ptr_array_add(programs, NULL);
	return (char **)g_ptr_array_free(programs, FALSE);
}

/* --- its settings -------------------------------------------------------- */

/* Any bytes as a Python expression that is a str of them. */
static void append_path(GString *text, const char *path)
{
	g_string_append(text, "os.fsdecode(b'");
	for (; *path != '\0'; path++)
		g_string_append_printf(text, "\\x%02x", (unsigned char)*path);
	g_string_append(text, "')\n");
}

/* Both generations read the same file; each ignores the other's section. The
 * user's own configuration is not read, as one was named; a password set there
 * would otherwise stand beside our token. */
static GString *settings_text(const char *root, const struct local_server *s,
	const struct secret *token)
{
	GString *text = g_string_sized_new(4096);
	g_autofree char *place = g_path_get_dirname(s->socket);
	g_autofree char *checkpoints =
		g_build_filename(place, "checkpoints", NULL);

	g_string_append(text, "import os\n"
			      "for app in (c.ServerApp, c.NotebookApp):\n"
			      "    app.sock_mode = '0600'\n"
			      "    app.password = ''\n"
			      "    app.open_browser = False\n"
			      "    app.port_retries = 0\n"
			      "    app.terminals_enabled = False\n"
			      "    app.log_level = 50\n");
	if (geteuid() == 0)
		g_string_append(text, "    app.allow_root = True\n");
	g_string_append_printf(
		text, "    app.token = '%s'\n", secret_peek(token));
	g_string_append(text, "    app.sock = ");
	append_path(text, s->socket);
	g_string_append(text, "c.ServerApp.root_dir = ");
	append_path(text, root);
	g_string_append(text, "c.NotebookApp.notebook_dir = ");
	append_path(text, root);
	/* Every delete and rename makes a directory for checkpoints beside the
	 * file; hidden names are listed here, and `rm -r` would meet it. And it
	 * would not meet what is never listed by default, as *~ and
	 * __pycache__. */
	g_string_append(text, "c.FileCheckpoints.checkpoint_dir = ");
	append_path(text, checkpoints);
	g_string_append(text,
		"c.ContentsManager.allow_hidden = True\n"
		"c.ContentsManager.hide_globs = []\n"
		"c.FileContentsManager.delete_to_trash = False\n");
	return text;
}

static int write_whole(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, bytes, length);

		if (n < 0)
			return -errno;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

static int write_settings(const char *file, const char *root,
	const struct local_server *s, const struct secret *token)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	GString *text;
	int rc;

	if (fd < 0)
		return -errno;
	text = settings_text(root, s, token);
	rc = write_whole(fd, text->str, text->len);
	secret_wipe(text->str, text->len);
	(void)g_string_free(text, TRUE);
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* Ours, without what is secret or meant for us alone, and with what a mount
 * from fstab lacks. The runtime directory is private because the servers
 * write their token into files there, one generation readable by all. */
static char **make_environment(const struct private_dir *dir)
{
	static const char *const ours[] = { "PYCLOUD_TOKEN", "JUPYTER_TOKEN",
		"JUPYTER_TOKEN_FILE", "NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY",
		"LISTEN_FDS", "LISTEN_PID" };
	g_autofree char *runtime = private_dir_join(dir, "runtime");
	const struct passwd *user = getpwuid(geteuid());
	char **env = g_get_environ();
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(ours); i++)
		env = g_environ_unsetenv(env, ours[i]);
	env = g_environ_setenv(env, "PATH", SYSTEM_PATH, FALSE);
	if (user != NULL)
		env = g_environ_setenv(env, "HOME", user->pw_dir, FALSE);
	return g_environ_setenv(env, "JUPYTER_RUNTIME_DIR", runtime, TRUE);
}

/* --- its process --------------------------------------------------------- */

/* All that the child needs, ready before fork(): after it only
 * async-signal-safe calls are allowed. */
struct child_plan {
	char **argv;
	char **env;
	const char *root;
	pid_t parent;
	int null_fd;
	int log_fd;
	int lock_fd;
};

static void reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	int n;

	for (n = 1; n < NSIG; n++)
		(void)sigaction(n, &action, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void be_child(const struct child_plan *plan)
{
	(void)setsid();
	/* We may have lost our parent before the kernel knew our wish. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != plan->parent)
		_exit(127);
	reset_signals();
	if (chdir(plan->root) != 0 || dup2(plan->null_fd, 0) < 0 ||
		dup2(plan->log_fd, 1) < 0 || dup2(plan->log_fd, 2) < 0 ||
		dup2(plan->lock_fd, 3) < 0 || close_range(4, ~0U, 0) != 0)
		_exit(127);
	(void)execve(plan->argv[0], plan->argv, plan->env);
	_exit(127);
}

/* Opens `file` on a descriptor of at least FD_HIGH, or -errno. */
static int open_high(const char *file, int flags)
{
	int fd = open(file, flags | O_CLOEXEC, 0600);
	int high;

	if (fd < 0)
		return -errno;
	high = fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);
	if (high < 0)
		high = -errno;
	(void)close(fd);
	return high;
}

static int spawn(struct local_server *s, struct child_plan *plan)
{
	int rc = 0;

	plan->null_fd = open_high("/dev/null", O_RDONLY);
	plan->log_fd =
		open_high(s->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
	if (plan->null_fd < 0 || plan->log_fd < 0 || plan->lock_fd < 0)
		rc = -EMFILE;
	if (rc == 0) {
		s->pid = fork();
		if (s->pid == 0)
			be_child(plan);
		if (s->pid < 0)
			rc = -errno;
	}
	if (plan->null_fd >= 0)
		(void)close(plan->null_fd);
	if (plan->log_fd >= 0)
		(void)close(plan->log_fd);
	return rc;
}

static void server_free(struct local_server *s)
{
	g_free(s->socket);
	g_free(s->log);
	g_free(s);
}

int local_server_start(const char *program, const char *root,
	const struct private_dir *dir, const struct secret *token,
	struct local_server **ret)
{
	struct local_server *s = g_new0(struct local_server, 1);
	g_autofree char *settings = private_dir_join(dir, "settings.py");
	g_autofree char *option = g_strconcat("--config=", settings, NULL);
	g_autofree char *file = g_strdup(program);
	g_auto(GStrv) env = make_environment(dir);
	char *argv[] = { file, option, NULL };
	struct child_plan plan = {
		.argv = argv,
		.env = env,
		.root = root,
		.parent = getpid(),
	};
	int rc;

	s->socket = private_dir_join(dir, "sock");
	s->log = private_dir_join(dir, "log");
	plan.lock_fd = fcntl(dir->fd, F_DUPFD_CLOEXEC, FD_HIGH);
	rc = write_settings(settings, root, s, token);
	if (rc == 0)
		rc = spawn(s, &plan);
	if (plan.lock_fd >= 0)
		(void)close(plan.lock_fd);
	if (rc != 0) {
		server_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

const char *local_server_socket(const struct local_server *s)
{
	return s->socket;
}

/* Reaps; true once the child is gone. */
static bool has_ended(struct local_server *s)
{
	pid_t pid;

	if (s->pid == 0)
		return true;
	do
		pid = waitpid(s->pid, &s->status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	s->pid = 0;
	return true;
}

/* --- is it ready --------------------------------------------------------- */

static bool accepts(const struct local_server *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	bool is_connected;
	int fd;

	if (g_strlcpy(address.sun_path, s->socket, sizeof(address.sun_path)) >=
		sizeof(address.sun_path))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	is_connected = connect(fd, (const struct sockaddr *)&address,
			       sizeof(address)) == 0;
	(void)close(fd);
	return is_connected;
}

static GString *read_tail(const char *file)
{
	GString *text = g_string_sized_new(LOCAL_LOG_TAIL);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return text;
	(void)lseek(fd, -LOCAL_LOG_TAIL, SEEK_END); /* a short one: from 0 */
	g_string_set_size(text, LOCAL_LOG_TAIL);
	n = read(fd, text->str, LOCAL_LOG_TAIL);
	g_string_set_size(text, n < 0 ? 0 : (size_t)n);
	(void)close(fd);
	return text;
}

/* A program that cannot start says why in its last line that is not indented
 * (Python's tracebacks end so); "" when it said nothing. g_free. */
static char *last_words(const char *log)
{
	GString *text = read_tail(log);
	g_auto(GStrv) lines = g_strsplit(text->str, "\n", -1);
	size_t i = g_strv_length(lines);

	(void)g_string_free(text, TRUE);
	while (i-- > 0) {
		g_autofree char *line = g_utf8_make_valid(lines[i], -1);

		if (line[0] == '\0' || g_ascii_isspace(line[0]))
			continue;
		printable_make(line, ' ');
		return g_strstrip(g_strdup(line));
	}
	return g_strdup("");
}

int local_server_wait_ready(
	struct local_server *s, const struct cancel *c, char **ret_why)
{
	int64_t end_ms = clock_now_ms() + LOCAL_START_TIMEOUT_MS;
	g_autofree char *words = NULL;
	int rc = 0;

	while (rc == 0 && !accepts(s)) {
		if (has_ended(s))
			rc = -ECHILD;
		else if (clock_now_ms() >= end_ms)
			rc = -ETIMEDOUT;
		else
			rc = cancel_sleep(c, POLL_MS);
	}
	if (rc == 0)
		return 0;
	words = last_words(s->log);
	*ret_why = g_strdup_printf("The Jupyter server of this computer %s%s%s",
		rc == -ECHILD  ? "did not start"
		: rc == -EINTR ? "was interrupted while starting"
			       : "did not answer in time",
		words[0] == '\0' ? "." : ": ", words);
	return rc;
}

/* --- its end ------------------------------------------------------------- */

void local_server_stop(struct local_server *s)
{
	int64_t end_ms = clock_now_ms() + LOCAL_STOP_TIMEOUT_MS;

	if (s == NULL)
		return;
	if (!has_ended(s))
		(void)kill(s->pid, SIGTERM);
	while (!has_ended(s) && clock_now_ms() < end_ms)
		(void)cancel_sleep(NULL, POLL_MS);
	if (!has_ended(s)) {
		(void)kill(s->pid, SIGKILL);
		(void)waitpid(s->pid, &s->status, 0);
	}
	server_free(s);
}
