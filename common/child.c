/*
 * child.c - see child.h.
 *
 * The child is made with fork(2), as a few things (a process group, signals,
 * closing all descriptors) must be arranged in it; everything that is not
 * async-signal-safe is ready before. That execve(2) failed comes back through
 * a pipe that a successful one closes.
 */
#include "config.h"

#include "child.h"

#include "common_limits.h"
#include "printable.h"
#include "secret.h"
#include "sensitive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSTEM_PATH "/usr/local/bin:/usr/bin:/bin"
/* Above the descriptors that the child arranges. */
#define FD_HIGH 10
/* How often to look whether it has ended where there is no pidfd. */
#define TICK_MS	   20
#define READ_BYTES ((size_t)8192)
/* Of these a full pipe holds so many. */
#define READS_MAX 8

struct pipe_ends {
	int read;
	int write;
};

struct child {
	const struct child_call *call;
	pid_t pid; /* 0: reaped */
	pid_t group;
	int pidfd;
	int status;
	struct pipe_ends out;
	struct pipe_ends err;
	struct pipe_ends start; /* an errno, when execve failed */
	int null_fd;
	GByteArray *output; /* wiped by child_fini */
	GString *complaint; /* its end */
};

/* --- programs and environment -------------------------------------------- */

static bool is_program(const char *file)
{
	return g_file_test(file, G_FILE_TEST_IS_REGULAR) &&
	       access(file, X_OK) == 0;
}

char *child_find_program(const char *command)
{
	const char *path = g_getenv("PATH");
	g_autofree char *all =
		g_strconcat(path == NULL ? "" : path, ":" SYSTEM_PATH, NULL);
	g_auto(GStrv) dirs = g_strsplit(all, ":", -1);
	size_t i;

	if (strchr(command, '/') != NULL)
		return is_program(command) ? g_strdup(command) : NULL;
	for (i = 0; dirs[i] != NULL; i++) {
		g_autofree char *file =
			g_build_filename(dirs[i], command, NULL);

		/* Never from where we happen to stand. */
		if (dirs[i][0] == '/' && is_program(file))
			return g_steal_pointer(&file);
	}
	return NULL;
}

char **child_environment(void)
{
	static const char *const ours[] = { "PYCLOUD_TOKEN", "NOTIFY_SOCKET",
		"CREDENTIALS_DIRECTORY", "LISTEN_FDS", "LISTEN_PID" };
	char **env = g_get_environ();
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(ours); i++)
		env = g_environ_unsetenv(env, ours[i]);
	env = g_environ_setenv(env, "PATH", SYSTEM_PATH, FALSE);
	return g_environ_setenv(env, "HOME", g_get_home_dir(), FALSE);
}

/* --- descriptors --------------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static int move_high(int *fd)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, FD_HIGH);

	if (high < 0)
		return -errno;
	(void)close(*fd);
	*fd = high;
	return 0;
}

static int open_pipe(struct pipe_ends *p)
{
	int fds[2];
	int rc;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	p->read = fds[0];
	p->write = fds[1];
	rc = move_high(&p->write);
	if (rc == 0 && fcntl(p->read, F_SETFL, O_NONBLOCK) != 0)
		rc = -errno;
	return rc;
}

static int open_input(struct child *c)
{
	c->null_fd = c->call->is_attended
			     ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FD_HIGH)
			     : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (c->null_fd < 0)
		return -errno;
	return move_high(&c->null_fd);
}

/* --- its process --------------------------------------------------------- */

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

static _Noreturn void be_child(const struct child *c, pid_t parent)
{
	int error;

	if (!c->call->is_attended)
		(void)setpgid(0, 0);
	/* We may have lost our parent before the kernel knew our wish. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(127);
	reset_signals();
	if (dup2(c->null_fd, 0) >= 0 && dup2(c->out.write, 1) >= 0 &&
		dup2(c->err.write, 2) >= 0 &&
		dup3(c->start.write, 3, O_CLOEXEC) >= 0 &&
		close_range(4, ~0U, 0) == 0)
		(void)execve(c->call->program, c->call->argv, c->call->env);
	error = errno;
	if (write(3, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

static int spawn(struct child *c)
{
	pid_t parent = getpid();

	c->pid = fork();
	if (c->pid == 0)
		be_child(c, parent);
	if (c->pid < 0) {
		c->pid = 0;
		return -errno;
	}
	if (!c->call->is_attended) {
		/* The child does so too; whoever is first. */
		(void)setpgid(c->pid, c->pid);
		c->group = c->pid;
	}
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	close_fd(&c->out.write);
	close_fd(&c->err.write);
	close_fd(&c->start.write);
	return 0;
}

/* Reaps; true once it is gone. */
static bool has_ended(struct child *c)
{
	pid_t pid;

	if (c->pid == 0)
		return true;
	do
		pid = waitpid(c->pid, &c->status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	if (pid < 0)
		c->status = W_EXITCODE(127, 0); /* somebody else reaped it */
	c->pid = 0;
	return true;
}

static void send_signal(const struct child *c, int number)
{
	if (c->group != 0)
		(void)kill(-c->group, number);
	else
		(void)kill(c->pid, number);
}

/* Ends it if it has not ended. */
static void end(struct child *c)
{
	int64_t end_ms = clock_now_ms() + KUBE_EXEC_PATIENCE_MS;

	if (has_ended(c))
		return;
	send_signal(c, SIGTERM);
	while (!has_ended(c) && clock_now_ms() < end_ms)
		(void)cancel_sleep(NULL, TICK_MS);
	if (!has_ended(c)) {
		send_signal(c, SIGKILL);
		(void)waitpid(c->pid, &c->status, 0);
		c->pid = 0;
	}
}

/* --- what it prints ------------------------------------------------------ */

/* Bytes that are there now; 0 for none; closes the pipe at its end. */
static size_t read_now(int *fd, char *bytes, size_t size)
{
	ssize_t n = *fd < 0 ? -1 : read(*fd, bytes, size);

	if (n > 0)
		return (size_t)n;
	if (n == 0 || (*fd >= 0 && errno != EAGAIN && errno != EINTR))
		close_fd(fd);
	return 0;
}

/* As many bytes more; growing the array's way would leave copies behind. */
static void append_output(GByteArray **output, const char *bytes, size_t n)
{
	GByteArray *old = *output;
	GByteArray *more;

	more = g_byte_array_sized_new((guint)(old->len + n));
	g_byte_array_append(more, old->data, old->len);
	g_byte_array_append(more, (const guint8 *)bytes, (guint)n);
	secret_wipe(old->data, old->len);
	g_byte_array_unref(old);
	*output = more;
}

static int collect_output(struct child *c)
{
	char bytes[READ_BYTES];
	int rc = 0;
	size_t n;

	while (rc == 0 &&
		(n = read_now(&c->out.read, bytes, sizeof(bytes))) > 0) {
		if (c->output->len + n > c->call->output_max)
			rc = -EFBIG;
		else
			append_output(&c->output, bytes, n);
	}
	secret_wipe(bytes, sizeof(bytes));
	return rc;
}

static void add_complaint(struct child *c, char *bytes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (bytes[i] == '\0')
			bytes[i] = ' '; /* as C's strings end there */
	(void)g_string_append_len(c->complaint, bytes, (gssize)n);
	if (c->complaint->len > CHILD_COMPLAINT_MAX)
		(void)g_string_erase(c->complaint, 0,
			(gssize)(c->complaint->len - CHILD_COMPLAINT_MAX));
	/* Where the terminal cannot be written to, nobody reads it. */
	if (c->call->is_attended && write(STDERR_FILENO, bytes, n) < 0)
		return;
}

/* So many buffers: a flood must not keep us from looking at the time. */
static void collect_complaint(struct child *c, unsigned reads)
{
	char bytes[READ_BYTES];
	size_t n = 1;

	while (reads-- > 0 && n > 0) {
		n = read_now(&c->err.read, bytes, sizeof(bytes));
		if (n > 0)
			add_complaint(c, bytes, n);
	}
}

char *child_last_words(const char *complaint)
{
	g_auto(GStrv) lines = g_strsplit_set(complaint, "\r\n", -1);
	size_t i = g_strv_length(lines);

	while (i-- > 0) {
		g_autofree char *line = g_utf8_make_valid(lines[i], -1);
		g_autofree char *cut = NULL;

		printable_make(line, ' ');
		cut = g_utf8_substring(
			line, 0, MIN(g_utf8_strlen(line, -1), CHILD_LINE_MAX));
		if (*g_strstrip(cut) != '\0')
			return g_steal_pointer(&cut);
	}
	return g_strdup("");
}

/* --- waiting for it ------------------------------------------------------ */

/* What execve failed with, 0 when it did not. */
static int start_error(struct child *c)
{
	int error = 0;
	ssize_t n = read(c->start.read, &error, sizeof(error));

	return n == (ssize_t)sizeof(error) ? -error : 0;
}

static void wait_for_news(
	const struct child *c, const struct cancel *cancel, int64_t left_ms)
{
	struct pollfd p[] = {
		{ .fd = c->out.read, .events = POLLIN },
		{ .fd = c->err.read, .events = POLLIN },
		{ .fd = c->pidfd, .events = POLLIN },
		{ .fd = cancel_fd(cancel), .events = POLLIN },
	};
	int64_t limit_ms = left_ms;

	/* Nothing wakes us where there is no descriptor for it. */
	if (c->pidfd < 0 || (cancel != NULL && cancel_fd(cancel) < 0))
		limit_ms = MIN(limit_ms, TICK_MS);
	(void)poll(p, G_N_ELEMENTS(p), cancel_remaining_ms(cancel, limit_ms));
}

static int wait_for_end(struct child *c, const struct cancel *cancel)
{
	int64_t end_ms = clock_now_ms() + c->call->timeout_ms;
	int rc = 0;

	while (rc == 0) {
		/* Asked first: what it printed before its end is then there. */
		bool is_over = has_ended(c);

		rc = collect_output(c);
		collect_complaint(c, is_over ? READS_MAX : 1);
		if (rc != 0 || is_over)
			break;
		rc = cancel_check(cancel);
		if (rc == 0 && clock_now_ms() >= end_ms)
			rc = -ETIMEDOUT;
		if (rc == 0)
			wait_for_news(c, cancel, end_ms - clock_now_ms());
	}
	return rc;
}

static void child_init(struct child *c, const struct child_call *call)
{
	static const struct pipe_ends none = { -1, -1 };

	*c = (struct child){
		.call = call,
		.pidfd = -1,
		.out = none,
		.err = none,
		.start = none,
		.null_fd = -1,
		.output = g_byte_array_new(),
		.complaint = g_string_new(NULL),
	};
}

static void child_fini(struct child *c)
{
	close_fd(&c->out.read);
	close_fd(&c->out.write);
	close_fd(&c->err.read);
	close_fd(&c->err.write);
	close_fd(&c->start.read);
	close_fd(&c->start.write);
	close_fd(&c->null_fd);
	close_fd(&c->pidfd);
	secret_wipe(c->output->data, c->output->len);
	g_byte_array_unref(c->output);
	(void)g_string_free(c->complaint, TRUE);
}

int child_run(const struct child_call *call, const struct cancel *cancel,
	struct child_result *ret)
{
	struct child c;
	int rc = cancel_check(cancel);

	child_init(&c, call);
	if (rc == 0)
		rc = open_input(&c);
	if (rc == 0)
		rc = open_pipe(&c.out);
	if (rc == 0)
		rc = open_pipe(&c.err);
	if (rc == 0)
		rc = open_pipe(&c.start);
	if (rc == 0)
		rc = spawn(&c);
	if (rc == 0)
		rc = wait_for_end(&c, cancel);
	end(&c);
	if (rc == 0)
		rc = start_error(&c);
	ret->status = c.status;
	ret->output =
		rc != 0 ? NULL : sensitive_new(c.output->data, c.output->len);
	ret->words = child_last_words(c.complaint->str);
	child_fini(&c);
	return rc;
}

void child_result_clear(struct child_result *r)
{
	g_clear_pointer(&r->output, g_bytes_unref);
	g_clear_pointer(&r->words, g_free);
}
