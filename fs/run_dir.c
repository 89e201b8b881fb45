/* run_dir.c - see run_dir.h. */
#include "config.h"

#include "run_dir.h"

#include "attr.h"
#include "control_private.h"
#include "handle_table.h"
#include "node_table.h"
#include "run_file.h"
#include "run_table.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

static const struct node_ops last_ops;
static const struct node_ops run_dir_ops;
static const struct node_ops ctl_ops;
static const struct node_ops figures_ops;
static const struct node_ops figure_ops;

static const struct control_name run_names[] = {
	{ "command", &control_text_ops, TEXT_RUN_COMMAND },
	{ "ctl", &ctl_ops, 0 },
	{ "ended", &control_text_ops, TEXT_RUN_ENDED },
	{ "exit", &control_text_ops, TEXT_RUN_EXIT },
	{ "figures", &figures_ops, 0 },
	{ "output", &run_output_ops, 0 },
	{ "started", &control_text_ops, TEXT_RUN_STARTED },
	{ "status", &control_text_ops, TEXT_RUN_STATUS },
	{ "stderr", &run_stderr_ops, 0 },
	{ "stdout", &run_stdout_ops, 0 },
	{ NULL, NULL, 0 },
};

/* When it began; the mount's time where there is no such run. */
static struct timespec run_time(struct session *s, uint64_t number)
{
	struct run *run = run_table_get(s->runs, number);
	struct timespec when = s->mounted_at;

	if (run != NULL)
		when = run_started(run);
	run_unref(run);
	return when;
}

/* --- runs ----------------------------------------------------------------- */

static int runs_lookup(struct request *r, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr)
{
	struct run_table *runs = r->session->runs;
	guint64 number;
	struct run *run;

	if (strcmp(name, "last") == 0 && run_table_newest(runs) != 0) {
		control_enter(r, dir, name, &last_ops, 0, ret_node, ret_attr);
		return 0;
	}
	/* "1", "20": not "01", which would be a second name for it. */
	if (name[0] == '0' || !g_ascii_string_to_unsigned(
				      name, 10, 1, UINT32_MAX, &number, NULL))
		return -ENOENT;
	run = run_table_get(runs, number);
	if (run == NULL)
		return -ENOENT;
	run_unref(run);
	control_enter(r, dir, name, &run_dir_ops, number, ret_node, ret_attr);
	return 0;
}

static int runs_opendir(
	struct request *r, struct node *n, struct open_result *ret)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	GArray *numbers = run_table_numbers(r->session->runs);

	for (guint i = 0; i < numbers->len; i++)
		g_ptr_array_add(
			names, g_strdup_printf("%" G_GUINT64_FORMAT,
				       g_array_index(numbers, uint64_t, i)));
	if (numbers->len > 0)
		g_ptr_array_add(names, g_strdup("last"));
	g_array_unref(numbers);
	return control_open_names(r, n, names, ret);
}

static int last_readlink(struct request *r, struct node *n, char **ret_target)
{
	uint64_t newest = run_table_newest(r->session->runs);

	(void)n;
	if (newest == 0)
		return -ENOENT;
	*ret_target = g_strdup_printf("%" G_GUINT64_FORMAT, newest);
	return 0;
}

static int last_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	struct timespec mtime =
		run_time(r->session, run_table_newest(r->session->runs));

	attr_fill_control(r->session, n, 0777, 0, &mtime, ret);
	return 0;
}

/* --- one run -------------------------------------------------------------- */

static int run_dir_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	struct timespec mtime = run_time(r->session, n->tag);

	attr_fill_control(r->session, n, 0555, 0, &mtime, ret);
	return 0;
}

static int run_dir_lookup(struct request *r, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr)
{
	return control_enter_named(r, dir, name, run_names, ret_node, ret_attr);
}

static int run_dir_opendir(
	struct request *r, struct node *n, struct open_result *ret)
{
	return control_open_names(r, n, control_names(run_names), ret);
}

/* --- ctl ------------------------------------------------------------------ */

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },
	{ "INT", SIGINT },
	{ "QUIT", SIGQUIT },
	{ "ABRT", SIGABRT },
	{ "KILL", SIGKILL },
	{ "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 },
	{ "ALRM", SIGALRM },
	{ "TERM", SIGTERM },
	{ "CONT", SIGCONT },
	{ "STOP", SIGSTOP },
	{ "TSTP", SIGTSTP },
	{ "WINCH", SIGWINCH },
};

int run_dir_signal_number(const char *bytes, unsigned long length)
{
	g_autofree char *text = g_strndup(bytes, MIN(length, 16));
	const char *name = g_strstrip(text);
	guint64 number;

	if (g_ascii_string_to_unsigned(name, 10, 1, 64, &number, NULL))
		return (int)number;
	if (g_str_has_prefix(name, "SIG"))
		name += strlen("SIG");
	for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
		if (strcmp(name, signals[i].name) == 0)
			return signals[i].number;
	return 0;
}

static int ctl_getattr(struct request *r, struct node *n, struct node_attr *ret)
{
	struct timespec mtime = run_time(r->session, n->tag);

	attr_fill_control(r->session, n, 0200, 0, &mtime, ret);
	return 0;
}

/* `echo INT > ctl` truncates first. */
static int ctl_setattr(struct request *r, struct node *n, struct handle *h,
	const struct node_change *change, struct node_attr *ret)
{
	(void)h;
	if (change->has_mode || change->has_uid || change->has_gid)
		return -EPERM;
	return ctl_getattr(r, n, ret);
}

static int ctl_open(
	struct request *r, struct node *n, int flags, struct open_result *ret)
{
	struct session *s = r->session;

	if ((flags & O_ACCMODE) != O_WRONLY)
		return -EACCES;
	node_table_ref(s->nodes, n);
	*ret = (struct open_result){
		.handle = handle_table_open(s->handles, n, flags),
		.is_direct = true,
	};
	return 0;
}

static ssize_t ctl_write(struct request *r, struct handle *h, const char *bytes,
	size_t size, int64_t offset)
{
	struct run *run = run_table_get(r->session->runs, h->node->tag);
	int number = run_dir_signal_number(bytes, size);
	int rc = -ESRCH;

	(void)offset;
	if (number == 0)
		rc = -EINVAL;
	else if (run != NULL)
		rc = run_signal(run, number, &r->cancel);
	run_unref(run);
	return rc < 0 ? rc : (ssize_t)size;
}

/* --- figures -------------------------------------------------------------- */

/* A figure's node: its tag is the run's number, its name the figure's. */
static char *figure_name(struct session *s, struct node *n)
{
	g_autofree char *path = node_table_path(s->nodes, n);

	return path == NULL ? g_strdup("") : g_path_get_basename(path);
}

static int figures_lookup(struct request *r, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr)
{
	struct run *run = run_table_get(r->session->runs, dir->tag);
	bool is_there =
		run != NULL && run_log_figure_size(run_log(run), name) >= 0;

	run_unref(run);
	if (!is_there)
		return -ENOENT;
	control_enter(r, dir, name, &figure_ops, dir->tag, ret_node, ret_attr);
	return 0;
}

static int figures_opendir(
	struct request *r, struct node *n, struct open_result *ret)
{
	struct run *run = run_table_get(r->session->runs, n->tag);
	GPtrArray *names = run == NULL ? g_ptr_array_new_with_free_func(g_free)
				       : run_log_figures(run_log(run));

	run_unref(run);
	return control_open_names(r, n, names, ret);
}

static int figure_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	g_autofree char *name = figure_name(r->session, n);
	struct run *run = run_table_get(r->session->runs, n->tag);
	struct run_state state = { .changed = r->session->mounted_at };
	int64_t size = -ENOENT;

	if (run != NULL) {
		size = run_log_figure_size(run_log(run), name);
		run_state(run, &state);
	}
	run_unref(run);
	attr_fill_control(
		r->session, n, 0444, MAX(size, 0), &state.changed, ret);
	return size < 0 ? -ENOENT : 0;
}

static ssize_t figure_read(struct request *r, struct handle *h, char *buffer,
	size_t size, int64_t offset)
{
	g_autofree char *name = figure_name(r->session, h->node);
	struct run *run = run_table_get(r->session->runs, h->node->tag);
	ssize_t n = -ENOENT;

	if (run != NULL)
		n = run_log_figure_read(
			run_log(run), name, buffer, size, offset);
	run_unref(run);
	return n;
}

/* --- ops ------------------------------------------------------------------ */

const struct node_ops control_runs_ops = {
	.kind = "control directory",
	.type = S_IFDIR,
	.getattr = control_dir_getattr,
	.lookup = runs_lookup,
	.opendir = runs_opendir,
	.dirent = control_dirent,
	.release = control_release,
};

static const struct node_ops last_ops = {
	.kind = "control link",
	.type = S_IFLNK,
	.getattr = last_getattr,
	.readlink = last_readlink,
};

static const struct node_ops run_dir_ops = {
	.kind = "control directory",
	.type = S_IFDIR,
	.getattr = run_dir_getattr,
	.lookup = run_dir_lookup,
	.opendir = run_dir_opendir,
	.dirent = control_dirent,
	.release = control_release,
};

static const struct node_ops ctl_ops = {
	.kind = "run control",
	.type = S_IFREG,
	.getattr = ctl_getattr,
	.setattr = ctl_setattr,
	.open = ctl_open,
	.write = ctl_write,
	.release = control_release,
};

static const struct node_ops figures_ops = {
	.kind = "control directory",
	.type = S_IFDIR,
	.getattr = run_dir_getattr,
	.lookup = figures_lookup,
	.opendir = figures_opendir,
	.dirent = control_dirent,
	.release = control_release,
};

static const struct node_ops figure_ops = {
	.kind = "figure",
	.type = S_IFREG,
	.getattr = figure_getattr,
	.open = control_open_read_only,
	.read = figure_read,
	.release = control_release,
};
