/* forest_child.c - see forest_child.h. */
#include "config.h"

#include "forest_child.h"

#include "fs_limits.h"
#include "log.h"
#include "mountinfo.h"
#include "umount_detach.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Without pidfd_open() one looks whether it has ended. */
#define LOOK_MS 1000

struct forest_child {
	struct forest_child_params params; /* name, directory: owned */
	pid_t pid;			   /* 0: it was waited for */
	int pid_fd;			   /* -1: not to be had */
	int says_fd;			   /* its stderr; -1: it was closed */
	int mounts_fd;
	uint64_t mount_id; /* 0: it does not stand */
	GString *line;	   /* that it has begun to say */
	char *last;	   /* that it has said; NULL: none */
};

/* --- what it says --------------------------------------------------------- */

/* Its log goes into ours as what it is there (log.c); the rest is told to
 * people, who have the status for it. */
static enum log_level level_of(const char **said)
{
	static const struct {
		const char *prefix;
		enum log_level level;
	} rows[] = {
		{ "pycloud: error: ", LOG_LEVEL_ERROR },
		{ "pycloud: warning: ", LOG_LEVEL_WARNING },
		{ "pycloud: info: ", LOG_LEVEL_INFO },
		{ "pycloud: debug: ", LOG_LEVEL_DEBUG },
		{ "mount.pycloud: ", LOG_LEVEL_INFO },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		if (!g_str_has_prefix(*said, rows[i].prefix))
			continue;
		*said += strlen(rows[i].prefix);
		return rows[i].level;
	}
	return LOG_LEVEL_INFO;
}

static void hear_line(struct forest_child *c, const char *line)
{
	g_autofree char *text = g_utf8_make_valid(line, -1);
	const char *said = text;
	enum log_level level = level_of(&said);

	if (*said == '\0')
		return;
	log_at(level, "%s: %s", c->params.name, said);
	g_free(c->last);
	c->last = g_strdup(said);
	if (c->mount_id == 0 && c->params.say != NULL)
		c->params.say(c->params.say_arg, said);
}

static void hear_bytes(struct forest_child *c, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != '\n' && bytes[i] != '\r') {
			if (c->line->len < FOREST_LINE_MAX)
				g_string_append_c(c->line, bytes[i]);
			continue;
		}
		hear_line(c, c->line->str);
		g_string_truncate(c->line, 0);
	}
}

static void hear(struct forest_child *c)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(c->says_fd, bytes, sizeof(bytes))) > 0)
		hear_bytes(c, bytes, (size_t)n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	(void)close(c->says_fd);
	c->says_fd = -1;
}

/* --- its life ------------------------------------------------------------- */

static int set_up_spawn(
	posix_spawn_file_actions_t *files, posix_spawnattr_t *attr, int says_fd)
{
	sigset_t none, all;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawnattr_setsigmask(attr, &none);
	(void)posix_spawnattr_setsigdefault(attr, &all);
	(void)posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
						     POSIX_SPAWN_SETSIGDEF |
						     POSIX_SPAWN_SETSID);
	(void)posix_spawn_file_actions_addopen(
		files, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	(void)posix_spawn_file_actions_adddup2(
		files, STDIN_FILENO, STDOUT_FILENO);
	return posix_spawn_file_actions_adddup2(files, says_fd, STDERR_FILENO);
}

static int spawn(const char *program, char **argv, int says_fd, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int error;

	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawnattr_init(&attr);
	error = set_up_spawn(&files, &attr, says_fd);
	if (error == 0)
		error = posix_spawn(ret, program, &files, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&files);
	return -error;
}

static void child_free(struct forest_child *c)
{
	if (c->says_fd >= 0)
		(void)close(c->says_fd);
	if (c->pid_fd >= 0)
		(void)close(c->pid_fd);
	if (c->mounts_fd >= 0)
		(void)close(c->mounts_fd);
	g_string_free(c->line, TRUE);
	g_free(c->last);
	g_free((char *)(uintptr_t)c->params.name);
	g_free((char *)(uintptr_t)c->params.directory);
	g_free(c);
}

/* Waited for without blocking; true: it has ended. */
static bool reap(struct forest_child *c)
{
	int status = 0;

	if (c->pid == 0)
		return true;
	if (waitpid(c->pid, &status, WNOHANG) == 0)
		return false;
	if (WIFSIGNALED(status))
		log_warning("%s: its process was ended by signal %d",
			c->params.name, WTERMSIG(status));
	else
		log_info("%s: its process ended with status %d", c->params.name,
			WEXITSTATUS(status));
	c->pid = 0;
	/* What it said last stays in the pipe after its end. */
	if (c->says_fd >= 0)
		hear(c);
	return true;
}

static void look_at_mounts(struct forest_child *c)
{
	g_autofree char *text = mountinfo_read(c->mounts_fd);

	c->mount_id =
		text == NULL ? 0 : mountinfo_find(text, c->params.directory);
}

/* Waits for the next thing to happen to it, and takes note. */
static void watch(struct forest_child *c, const struct cancel *cancel)
{
	bool is_starting = c->mount_id == 0;
	struct pollfd fds[] = {
		{ c->says_fd, POLLIN, 0 },
		{ c->pid_fd, POLLIN, 0 },
		{ cancel_fd(cancel), POLLIN, 0 },
		{ is_starting ? c->mounts_fd : -1, POLLPRI, 0 },
	};
	int64_t limit_ms =
		c->pid_fd < 0 || cancel_fd(cancel) < 0 ? LOOK_MS : -1;

	(void)poll(
		fds, G_N_ELEMENTS(fds), cancel_remaining_ms(cancel, limit_ms));
	if (fds[0].revents != 0)
		hear(c);
	if (is_starting)
		look_at_mounts(c);
}

/* --- ending it ------------------------------------------------------------ */

/* What it left there; not what another has mounted there since. */
static void detach(struct forest_child *c)
{
	g_autofree char *why = NULL;

	if (c->mount_id == 0 ||
		mountinfo_id(c->params.directory) != c->mount_id)
		return;
	if (umount_detach(c->params.directory, c->mount_id, true, &why) < 0)
		log_debug("%s: %s stays mounted: %s", c->params.name,
			c->params.directory, why == NULL ? "-" : why);
	c->mount_id = 0;
}

/* Told to end, it does; one that does not within the limit is killed, and what
 * an earlier mount left to upload stays in the spool. */
static void end_start(struct forest_child *c)
{
	struct cancel limit;

	cancel_init(&limit, FOREST_CHILD_MS);
	if (!reap(c))
		(void)kill(c->pid, SIGTERM);
	while (!reap(c) && cancel_check(&limit) == 0)
		watch(c, &limit);
	if (!reap(c)) {
		(void)kill(c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
		c->pid = 0;
	}
	cancel_fini(&limit);
	look_at_mounts(c);
	detach(c);
}

void forest_child_attend(struct forest_child *c, const struct cancel *cancel)
{
	bool is_told = false;

	while (!reap(c)) {
		if (!is_told && cancel_check(cancel) < 0) {
			(void)kill(c->pid, SIGTERM);
			is_told = true;
		}
		watch(c, is_told ? NULL : cancel);
	}
	detach(c);
	child_free(c);
}

/* --- starting it ---------------------------------------------------------- */

static struct forest_child *child_new(
	const struct forest_child_params *params, int says_fd)
{
	struct forest_child *c = g_new0(struct forest_child, 1);

	c->params = *params;
	c->params.name = g_strdup(params->name);
	c->params.directory = g_strdup(params->directory);
	c->line = g_string_new(NULL);
	c->pid_fd = -1;
	c->says_fd = says_fd;
	c->mounts_fd = mountinfo_open();
	return c;
}

/* NULL with errno: it could not be started. */
static struct forest_child *open_child(const struct forest_child_params *params)
{
	struct forest_child *c;
	int fds[2];
	int rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return NULL;
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	c = child_new(params, fds[0]);
	rc = c->mounts_fd < 0
		     ? -ENOENT
		     : spawn(params->program, params->argv, fds[1], &c->pid);
	(void)close(fds[1]);
	if (rc < 0) {
		child_free(c);
		errno = -rc;
		return NULL;
	}
#ifdef SYS_pidfd_open
	c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
#endif
	return c;
}

static char *last_word(struct forest_child *c)
{
	if (c->line->len > 0)
		hear_line(c, c->line->str);
	return g_strdup(
		c->last != NULL ? c->last : "its process ended without a word");
}

int forest_child_start(const struct forest_child_params *params,
	const struct cancel *cancel, struct forest_child **ret, char **ret_why)
{
	struct forest_child *c = open_child(params);
	int rc = 0;

	if (c == NULL) {
		rc = -errno;
		*ret_why = g_strdup_printf("cannot start %s: %s",
			params->program, g_strerror(-rc));
		return rc;
	}
	look_at_mounts(c);
	while (rc == 0 && c->mount_id == 0) {
		rc = cancel_check(cancel);
		if (rc == 0 && reap(c))
			rc = -EIO;
		if (rc == 0)
			watch(c, cancel);
	}
	if (rc == 0) {
		*ret = c;
		return 0;
	}
	end_start(c);
	*ret_why = rc == -EIO ? last_word(c)
			      : g_strdup_printf("it did not start in time; it "
						"said last: %s",
					c->last != NULL ? c->last : "nothing");
	child_free(c);
	return rc;
}
