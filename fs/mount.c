/*
 * mount.c - mount.pycloud: the mount helper and the daemon it becomes.
 *
 * This is where the rooms are wired together: the workspace gives an endpoint,
 * the transport a pool of connections to it, the contents service the remote,
 * the helper the executor; the session stands on these seams, and libfuse's
 * loop calls into it.
 *
 * Threads: the main thread forked the local Jupyter server (which ends with
 * it), and waits in libfuse's loop, out of which the signals that end the mount
 * take it; the loop's workers handle requests; the attendant waits for signals;
 * the notifier and the kernel channel's reader are their modules' own. While
 * threads are made all signals are blocked, and only the attendant hears them;
 * later the main thread has those that end the mount, too.
 */
#include "config.h"

#include "assist.h"
#include "attach.h"
#include "attendant.h"
#include "availability.h"
#include "contents.h"
#include "daemonise.h"
#include "drain_note.h"
#include "forest_mount.h"
#include "fs_limits.h"
#include "fuse_loop.h"
#include "fuse_ops.h"
#include "harden.h"
#include "http_pool.h"
#include "local_dirs.h"
#include "log.h"
#include "mount_text.h"
#include "mountpoint.h"
#include "names.h"
#include "notifier.h"
#include "option_list.h"
#include "options.h"
#include "printable.h"
#include "progress.h"
#include "replay.h"
#include "run_remote.h"
#include "run_table.h"
#include "secret.h"
#include "service_notify.h"
#include "session.h"
#include "stale_mount.h"
#include "standard_files.h"
#include "state.h"
#include "status.h"
#include "timefmt.h"
#include "token_systemd.h"
#include "transfer.h"
#include "tree.h"
#include "trusted_path.h"
#include "watch.h"
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Everything one mount is made of, in the order it is made. */
struct mount {
	struct options options;
	struct daemonise daemonise;
	struct cancel cancel; /* of the start; fired by SIGTERM and SIGINT */
	struct workspace *workspace;
	struct local_dirs dirs;
	struct drain_note note; /* for who waits for our end */
	struct drain_left told; /* to the service manager */
	struct state *state;
	char *state_note; /* what became of an unusable one; NULL: nothing */
	struct endpoint *endpoint;
	struct http_pool *pool;
	char *server_version;
	struct helper *helper;
	struct remote *assist; /* inside the remote; NULL: off */
	struct remote *remote;
	struct executor *executor;
	struct session *session;
	struct attach attach;
	struct fuse_session *fuse;
	struct notifier *notifier;
	struct notifier *teller; /* of what others change (watch.h) */
	struct attendant attendant;
	struct attendant_hooks hooks;
	/* For the attendant; NULL: not there yet, or not any more. */
	_Atomic(struct session *) attended;
	_Atomic(struct fuse_session *) looping;
	char *why; /* of a failure: one sentence */
	struct progress progress;
};

#define NO_THREAD                                                          \
	"cannot start a thread; end some programs, or raise the limit of " \
	"processes (ulimit -u)"

/* --- signals -------------------------------------------------------------- */

/* Ends the loop, or a start that is still under way. Async-signal-safe: both
 * only set flags and write to a descriptor. */
static void on_end(void *arg)
{
	struct mount *m = arg;
	struct fuse_session *fuse = atomic_load(&m->looping);

	if (fuse != NULL)
		fuse_session_exit(fuse);
	cancel_fire(&m->cancel);
}

static void on_refresh(void *arg)
{
	struct mount *m = arg;
	struct session *session = atomic_load(&m->attended);

	if (session != NULL)
		session_drop_beliefs(session);
}

static void on_report(void *arg)
{
	struct mount *m = arg;
	struct session *session = atomic_load(&m->attended);
	GString *text = g_string_new(NULL);
	g_auto(GStrv) lines = NULL;

	if (session != NULL)
		status_mount(session, 0, text);
	lines = g_strsplit(g_strchomp(text->str), "\n", -1);
	for (char **line = lines; *line != NULL; line++)
		log_info("%s", *line);
	g_string_free(text, TRUE);
}

/* --- the steps of a start; each returns 0 or -errno with m->why ----------- */

static void show_progress(void *arg, const char *line)
{
	progress_line(arg, line);
	service_notify_status(line);
}

static int name_workspace(struct mount *m)
{
	const struct workspace_options options = {
		.ca_file = m->options.ca_file,
		.is_insecure = m->options.is_insecure,
		.credentials_file = m->options.credentials_file,
		.token_command = m->options.token_command,
		.kubeconfig = m->options.kubeconfig,
		.context = m->options.context,
		.namespace = m->options.namespace,
		.url = m->options.url,
		.is_portforwarded = m->options.is_portforwarded,
		.start = m->options.never_starts ? WORKSPACE_START_NEVER
						 : WORKSPACE_START_AUTO,
		.creates = m->options.creates,
		.image = m->options.image,
		.start_timeout_ms = (int)m->options.start_timeout_ms,
		.progress = show_progress,
		.progress_arg = &m->progress,
	};

	return workspace_parse(
		m->options.spec, &options, &m->workspace, &m->why);
}

/* What this computer remembers of it. */
static int open_state(struct mount *m)
{
	g_autofree char *note = NULL;
	int rc = local_dirs_open(
		&m->dirs, workspace_identity(m->workspace), &m->why);

	if (rc < 0)
		return rc;
	rc = state_open(m->dirs.state_path, &m->state, &note);
	if (rc == 0 && note != NULL) {
		log_warning("%s", note);
		m->state_note = g_steal_pointer(&note);
	}
	if (rc < 0)
		m->why =
			g_strdup_printf("cannot use %s: %s", m->dirs.state_path,
				note != NULL ? note : g_strerror(-rc));
	if (rc == 0 && drain_note_open(&m->note, m->dirs.state_path) < 0)
		log_warning("umount will not wait for this mount: cannot "
			    "write to %s",
			m->dirs.state_path);
	return rc;
}

static int open_workspace(struct mount *m)
{
	/* The local server's life hangs on the thread that forked it, which
	 * must therefore be this one; it must not inherit a blocked mask. */
	int rc =
		workspace_open(m->workspace, &m->cancel, &m->endpoint, &m->why);

	progress_end(&m->progress);
	return rc;
}

static char *explain(const struct mount *m, int rc)
{
	char *why = rc == -EINTR ? NULL : workspace_why(m->workspace);

	if (why != NULL)
		return why;
	return mount_text_of(endpoint_base_url(m->endpoint), rc);
}

static int ping(void *arg, const struct cancel *cancel)
{
	const struct mount *m = arg;

	return contents_ping(m->endpoint,
		(int)MIN(m->options.timeout_ms, OFFLINE_PROBE_MS), cancel);
}

static void on_availability(void *arg, bool is_online)
{
	const struct mount *m = arg;

	if (is_online && m->session != NULL)
		session_hurry(m->session);
}

#define KERNEL_FACT "helper kernel"

static void remember_kernel(void *arg, const char *id)
{
	const struct mount *m = arg;

	(void)state_fact_set(m->state, KERNEL_FACT, id);
}

/* The kernel that an earlier mount left when it was killed is for the first
 * mount of a workspace: a second one's is its own affair. */
static int make_helper(struct mount *m)
{
	g_autofree char *kernel_id = NULL;
	struct helper_memory memory = { .arg = m };

	if (m->dirs.keeps_cache) {
		(void)state_fact_get(m->state, KERNEL_FACT, &kernel_id);
		memory.kernel_id = kernel_id;
		memory.remember_kernel = remember_kernel;
	}
	return helper_new(m->pool, &memory, &m->helper);
}

/* What the session gets: the contents service, the helper's help with it, and
 * whether the server is there. */
static int make_remote(struct mount *m, const struct contents_limits *limits)
{
	const struct availability_params params = {
		.probe = ping,
		.probe_arg = m,
		.on_change = on_availability,
		.on_change_arg = m,
	};
	struct remote *inner;
	int rc = contents_new(m->pool, limits, &inner);

	if (rc == 0 && m->options.has_assist) {
		rc = assist_new(inner, m->helper, &m->assist);
		if (rc < 0)
			remote_free(inner);
		inner = m->assist;
	}
	if (rc == 0)
		m->remote = availability_new(inner, &params);
	return rc;
}

static int start_attendant(struct mount *m)
{
	int rc = attendant_start(&m->attendant);

	if (rc < 0)
		m->why = g_strdup(NO_THREAD);
	return rc;
}

/* Who is there, and may we? The first listing answers the second question,
 * and the first `ls` for free. */
static int greet_server(struct mount *m)
{
	const struct contents_limits limits = {
		.timeout_ms = (int)m->options.timeout_ms,
		.stall_ms = (int)m->options.stall_ms,
	};
	int rc = http_pool_new(m->endpoint, &m->pool);

	if (rc == 0)
		rc = contents_probe(m->pool, limits.timeout_ms, &m->cancel,
			&m->server_version);
	if (rc == 0)
		rc = make_helper(m);
	if (rc == 0)
		rc = make_remote(m, &limits);
	if (rc == 0)
		m->executor = run_remote_new(m->helper);
	if (rc < 0)
		m->why = explain(m, rc);
	return rc;
}

static void describe_availability(const struct mount *m, GString *text)
{
	struct availability_state state;
	g_autofree char *known = NULL;
	const char *why;
	char since[32];

	availability_state(m->remote, &state);
	/* Who leads the way there may know better what is wrong with it. */
	if (!state.is_online)
		known = workspace_why(m->workspace);
	why = known != NULL ? known : state.why;
	time_format_iso8601(&state.since, since);
	g_string_append_printf(text, "state: %s\nsince: %s\n",
		state.is_online ? "online" : "offline", since);
	if (why != NULL) {
		g_autofree char *line = g_strdup(why);

		printable_make(line, ' '); /* it may quote the server */
		g_string_append_printf(text, "why: %s\n", line);
	}
	g_free(state.why);
}

/* What `pycloud doctor` needs to go the same way. */
static void describe_files(const struct options *o, GString *text)
{
	const char *const files[][2] = { { "cacert", o->ca_file },
		{ "kubeconfig", o->kubeconfig } };

	for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path =
			files[i][1] == NULL ? NULL : name_escape(files[i][1]);

		if (path != NULL)
			g_string_append_printf(
				text, "%s: %s\n", files[i][0], path);
	}
}

static void describe(void *arg, GString *text)
{
	const struct mount *m = arg;
	struct http_stats stats;

	http_pool_stats(m->pool, &stats);
	/* The first of a name is believed: these go before what others say. */
	describe_files(&m->options, text);
	drain_note_describe(&m->note, text);
	g_string_append_printf(text,
		"workspace: %s\n"
		"endpoint: %s\n"
		"server: %s\n"
		"requests: %" G_GUINT64_FORMAT "\n"
		"failures: %" G_GUINT64_FORMAT "\n"
		"connections: %" G_GUINT64_FORMAT "\n"
		"bytes_in: %" G_GUINT64_FORMAT "\n"
		"bytes_out: %" G_GUINT64_FORMAT "\n"
		"latency_us: %" G_GINT64_FORMAT "\n",
		m->workspace->name, endpoint_base_url(m->endpoint),
		m->server_version, stats.requests, stats.failures,
		stats.connects, stats.bytes_in, stats.bytes_out,
		stats.latency_us);
	workspace_describe(m->workspace, text);
	describe_availability(m, text);
	if (m->assist != NULL)
		assist_describe(m->assist, text);
	else
		g_string_append(text, "assist: off\n");
	if (m->state_note != NULL)
		g_string_append_printf(text, "note: %s\n", m->state_note);
}

static void tell_left(void *arg, unsigned files, int64_t bytes)
{
	struct mount *m = arg;

	drain_note_tell(&m->note, files, bytes);
	if (files == m->told.files && bytes == m->told.bytes)
		return;
	m->told = (struct drain_left){ .files = files, .bytes = bytes };
	if (files > 0) {
		g_autofree char *line = status_uploads(files, bytes);

		service_notify_status(line);
	}
}

static int make_session(struct mount *m)
{
	const struct session_params params = {
		.options = {
			.attr_timeout_ms = m->options.attr_timeout_ms,
			.uid = m->options.uid,
			.gid = m->options.gid,
			.fmask = m->options.fmask,
			.dmask = m->options.dmask,
			.is_read_only = m->options.is_read_only,
			.cache_bytes = m->options.cache_bytes,
			.has_prefetch = m->options.has_prefetch,
			.writeback_ms = m->options.writeback_ms,
			.runs_keep = m->options.runs_keep,
			.run_output_max = m->options.run_output_max,
			.overlay_patterns = m->options.overlay_patterns,
			.refuses_hidden = m->options.refuses_hidden,
		},
		.remote = m->remote,
		.executor = m->executor,
		.state = m->state,
		.cache_fd = m->dirs.cache_fd,
		.keeps_cache = m->dirs.keeps_cache,
		.spool_fd = m->dirs.spool_fd,
		.names_fd = m->dirs.names_fd,
		.runs_fd = m->dirs.runs_fd,
		.describe = describe,
		.describe_arg = m,
		.tell_left = tell_left,
		.tell_left_arg = m,
	};
	GPtrArray *entries = NULL;
	int rc = session_new(&params, &m->session);

	if (rc == 0)
		rc = tree_list(
			m->session->tree, "", 0, &m->cancel, &entries, NULL);
	if (entries != NULL)
		g_ptr_array_unref(entries);
	if (rc == 0 && !m->options.is_read_only)
		(void)replay_spool(m->session);
	if (rc < 0)
		m->why = explain(m, rc);
	return rc;
}

static const char *mount_name(const struct mount *m)
{
	return m->options.name != NULL ? m->options.name : m->workspace->name;
}

static struct fuse_session *new_fuse_session(struct mount *m)
{
	g_autofree char *name = option_list_escape(mount_name(m));
	g_autofree char *options = g_strdup_printf(
		"fsname=pycloud:%s,subtype=pycloud,default_permissions,"
		"nosuid,nodev%s",
		name, m->options.fuse_options->str);

	return fuse_loop_session(
		options, &fuse_ops, sizeof(fuse_ops), m->session);
}

static void kernel_invalidate_attr(void *arg, uint64_t ino)
{
	/* ENOENT: the kernel does not have it any more, which is as good. */
	(void)fuse_lowlevel_notify_inval_inode(arg, ino, -1, 0);
}

static void kernel_invalidate_pages(void *arg, uint64_t ino)
{
	(void)fuse_lowlevel_notify_inval_inode(arg, ino, 0, 0);
}

static void kernel_invalidate_entry(
	void *arg, uint64_t parent, const char *name)
{
	(void)fuse_lowlevel_notify_inval_entry(arg, parent, name, strlen(name));
}

static const struct notifier_ops kernel_notifier = {
	.invalidate_attr = kernel_invalidate_attr,
	.invalidate_pages = kernel_invalidate_pages,
	.invalidate_entry = kernel_invalidate_entry,
};

/* The loop ends by a signal, or because the kernel has let go. */
static bool is_ending(void *arg)
{
	return fuse_session_exited(arg) != 0;
}

static int mount_session(struct mount *m)
{
	int rc;

	m->fuse = new_fuse_session(m);
	if (m->fuse == NULL) {
		m->why = g_strdup("libfuse refuses the mount options, for the "
				  "reason above; allow_other and allow_root "
				  "exclude each other");
		return -EINVAL;
	}
	rc = attach_mount(&m->attach, m->fuse, mount_name(m), true, &m->why);
	if (rc < 0)
		return rc;
	rc = notifier_new(&kernel_notifier, m->fuse, &m->notifier);
	if (rc == 0 && m->assist != NULL)
		rc = notifier_new(&kernel_notifier, m->fuse, &m->teller);
	if (rc < 0) {
		m->why = g_strdup(NO_THREAD);
		return rc;
	}
	m->session->notifier = m->notifier;
	run_table_set_ending(m->session->runs, is_ending, m->fuse);
	(void)run_table_resume(m->session->runs);
	if (m->assist != NULL) {
		watch_listen(m->session->watch, m->teller);
		assist_start(m->assist);
	}
	atomic_store(&m->attended, m->session);
	return 0;
}

/* --- the life of a mount -------------------------------------------------- */

/* While it goes on tell_left() says so; this is for whoever reads it
 * afterwards. */
static void drain(struct session *session)
{
	if (session_drain(session) > 0)
		service_notify_status("not everything could be uploaded; the "
				      "next mount does it");
	else
		service_notify_status("everything is on the server");
}

/* In the opposite order. Detaching comes first and never waits for the
 * network; what is not on the server yet is placed afterwards. */
static void take_down(struct mount *m)
{
	service_notify_stopping(DRAIN_MS + STOP_MARGIN_MS);
	attendant_end(&m->attendant);
	attach_end(&m->attach, m->fuse);
	if (m->session != NULL)
		drain(m->session);
	session_free(m->session);
	notifier_free(m->teller);
	notifier_free(m->notifier);
	if (m->fuse != NULL)
		fuse_session_destroy(m->fuse);
	executor_free(m->executor);
	remote_free(m->remote);
	helper_free(m->helper);
	http_pool_free(m->pool);
	endpoint_unref(m->endpoint);
	state_close(m->state);
	drain_note_close(&m->note);
	local_dirs_close(&m->dirs);
	workspace_free(m->workspace);
	cancel_fini(&m->cancel);
	g_free(m->server_version);
	g_free(m->state_note);
	g_free(m->why);
	options_clear(&m->options);
}

/* Waits, connections and open files take descriptors. Not before the local
 * server was started, which keeps the limit it was given. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Programs that give us credentials may need what is given up here, now and
 * at every renewal: such a mount stays as it is. */
static void lock_up(const struct mount *m)
{
	int rc;

	if (workspace_starts_programs(m->workspace)) {
		log_info("a program gives the credentials: no system call is "
			 "refused to this mount");
		return;
	}
	rc = harden_lock(log_level() == LOG_LEVEL_DEBUG);
	if (rc == -ENOSYS)
		log_debug("no system call is refused to this mount");
	else if (rc < 0)
		log_warning("no system call is refused to this mount: %s",
			g_strerror(-rc));
}

static int start(struct mount *m)
{
	int rc = name_workspace(m);

	if (rc == 0)
		rc = workspace_identify(m->workspace, &m->cancel, &m->why);
	if (rc == 0)
		rc = open_state(m);
	if (rc == 0)
		rc = open_workspace(m);
	raise_descriptor_limit();
	if (rc == 0)
		rc = start_attendant(m);
	if (rc == 0)
		rc = greet_server(m);
	if (rc == 0)
		rc = make_session(m);
	if (rc == 0)
		rc = mount_session(m);
	if (rc == 0)
		lock_up(m);
	return rc;
}

static void announce(const struct mount *m)
{
	g_autofree char *line = g_strdup_printf("%s is mounted on %s",
		m->workspace->name, m->options.directory);

	service_notify_status(line);
	service_notify_ready();
}

static int run(struct mount *m)
{
	int code = MOUNT_OK;
	int rc;

	cancel_init(&m->cancel, 0);
	m->hooks = (struct attendant_hooks){ .end = on_end,
		.refresh = on_refresh,
		.report = on_report,
		.arg = m };
	attendant_install(&m->attendant, &m->hooks);
	service_notify_starting(m->options.start_timeout_ms + START_MARGIN_MS);
	rc = start(m);
	if (rc < 0) {
		service_notify_status(
			m->why != NULL ? m->why : g_strerror(-rc));
		code = rc == -EINTR ? MOUNT_INTERRUPTED : MOUNT_FAILED;
		(void)daemonise_failed(&m->daemonise, code,
			m->why != NULL ? m->why : g_strerror(-rc));
	} else {
		atomic_store(&m->looping, m->fuse);
		daemonise_ready(&m->daemonise);
		announce(m);
		attendant_listen();
		rc = fuse_loop_run(m->fuse);
		if (rc < 0)
			log_error("the mount ended: %s", g_strerror(-rc));
	}
	take_down(m);
	service_notify_close();
	return code;
}

static int usage_error(struct mount *m, char *why)
{
	(void)fprintf(stderr, "mount.pycloud: %s\n", why);
	g_free(why);
	options_clear(&m->options);
	return MOUNT_USAGE;
}

/* As the kernel's table of mounts will name it. Where it does not exist
 * mountpoint_problem() says so. */
static void resolve_directory(struct options *o)
{
	char *real = realpath(o->directory, NULL);

	if (real == NULL)
		return;
	g_free(o->directory);
	o->directory = g_strdup(real);
	free(real);
}

/* What can be seen to be wrong without a server; an exit code. */
static int check_directory(struct mount *m)
{
	const struct options *o = &m->options;
	char *why = NULL;

	if (o->identity != NULL)
		why = trusted_path_take(&m->options.directory);
	else
		resolve_directory(&m->options);
	if (why == NULL && !o->is_fake)
		stale_mount_clear(o->directory);
	if (why == NULL)
		why = mountpoint_problem(o->directory, o->allows_nonempty);
	if (why == NULL)
		return MOUNT_OK;
	(void)usage_error(m, why);
	return MOUNT_FAILED;
}

/* In the process that stays. */
static int be_daemon(struct mount *m)
{
	bool is_forest = forest_mount_is_meant(m->options.spec);
	g_autofree char *why = NULL;

	/* Of root's things, the one that is meant for the mount. */
	if (m->options.identity != NULL)
		token_systemd_hold();
	if (attach_start(&m->attach, &m->options, is_forest, &why) < 0) {
		(void)daemonise_failed(&m->daemonise, MOUNT_SYSTEM, why);
		attach_end(&m->attach, NULL);
		options_clear(&m->options);
		return MOUNT_SYSTEM;
	}
	if (is_forest)
		return forest_mount_run(&m->options, &m->daemonise, &m->attach);
	return run(m);
}

int main(int argc, char **argv)
{
	struct mount m = { .dirs = LOCAL_DIRS_INIT,
		.note = DRAIN_NOTE_INIT,
		.attach = ATTACH_INIT,
		.progress.program = "mount.pycloud" };
	char *why = NULL;
	int code;

	standard_files_fill();
	secret_hide_environment();
	if (!options_parse(argc, argv, &m.options, &why))
		return usage_error(&m, why);
	if (m.options.wants_help || m.options.wants_version) {
		if (m.options.wants_help)
			options_print_help();
		else
			(void)printf("mount.pycloud %s\n", PACKAGE_VERSION);
		options_clear(&m.options);
		return MOUNT_OK;
	}
	if (m.options.is_verbose)
		log_set_level(LOG_LEVEL_INFO);
	if (m.options.is_debug)
		log_set_level(LOG_LEVEL_DEBUG);
	code = check_directory(&m);
	if (code != MOUNT_OK || m.options.is_fake) {
		options_clear(&m.options);
		return code;
	}
	harden_memory();
	service_notify_open(m.options.is_foreground || m.options.is_debug);
	if (!daemonise_fork(&m.daemonise,
		    m.options.is_foreground || m.options.is_debug)) {
		(void)usage_error(
			&m, g_strdup("cannot start a process; end some "
				     "programs, or raise the limit of "
				     "processes (ulimit -u)"));
		return MOUNT_SYSTEM;
	}
	return be_daemon(&m);
}
