/*
 * forest_mount.c - see forest_mount.h.
 *
 * Threads: the main one hears the signals, once the list is mounted; libfuse's loop has one, and its
 * workers; each mounted workspace has one (forest.h). The mounts below end
 * first, while the loop still serves: whoever unmounts them walks through it.
 */
#include "config.h"

#include "forest_mount.h"

#include "attendant.h"
#include "cancel.h"
#include "drain_note.h"
#include "forest.h"
#include "forest_kube.h"
#include "fs_limits.h"
#include "fuse_forest_ops.h"
#include "fuse_loop.h"
#include "local_dirs.h"
#include "log.h"
#include "service_notify.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KICK_NS 100000000L /* how often the loop is told to look */

struct forest_mount {
	struct options *options;
	struct attach *attach;
	struct forest_kube *kube;
	struct forest *forest;
	struct fuse_forest *adapter;
	struct fuse_session *fuse;
	struct drain_note note;	    /* for who waits for our end */
	struct cancel start;	    /* fired by SIGTERM and SIGINT */
	struct attendant attendant; /* while it lasts */
	pthread_t main_thread;
	pthread_t loop;
	atomic_bool is_over; /* the loop has ended */
	char *why;	     /* of a failure: one sentence */
};

bool forest_mount_is_meant(const char *spec)
{
	return strcmp(spec, "/") == 0 || strcmp(spec, "pycloud:/") == 0;
}

/* --- signals -------------------------------------------------------------- */

static void end_start(void *arg)
{
	cancel_fire(arg);
}

static void on_kick(int number)
{
	(void)number; /* only interrupts what the loop waits in */
}

static void heard_signals(sigset_t *ret)
{
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGTERM);
	(void)sigaddset(ret, SIGINT);
	(void)sigaddset(ret, SIGHUP);
	(void)sigaddset(ret, SIGUSR1);
	(void)sigaddset(ret, SIGUSR2);
}

static void install_signals(void)
{
	struct sigaction kick = { .sa_handler = on_kick };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t heard;

	heard_signals(&heard);
	(void)pthread_sigmask(SIG_BLOCK, &heard, NULL);
	(void)sigaction(SIGUSR2, &kick, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

static void log_status(struct forest_mount *m)
{
	GString *text = g_string_new(NULL);
	g_auto(GStrv) lines = NULL;

	forest_kube_describe(m->kube, text);
	forest_status(m->forest, NULL, text);
	lines = g_strsplit(g_strchomp(text->str), "\n", -1);
	for (char **line = lines; *line != NULL; line++)
		log_info("%s", *line);
	g_string_free(text, TRUE);
}

/* Returns when the mount is to end. */
static void hear_signals(struct forest_mount *m)
{
	sigset_t heard;

	heard_signals(&heard);
	while (!atomic_load(&m->is_over)) {
		int number = 0;

		(void)sigwait(&heard, &number);
		if (number == SIGTERM || number == SIGINT)
			return;
		if (number == SIGHUP)
			forest_drop_beliefs(m->forest);
		else if (number == SIGUSR1)
			log_status(m);
	}
}

/* --- the steps of a start; each returns 0 or -errno with m->why ----------- */

static int check_options(struct forest_mount *m)
{
	if (m->options->url == NULL && !m->options->creates)
		return 0;
	m->why = g_strdup("the options url and create are for one workspace; "
			  "mkdir makes one here");
	return -EINVAL;
}

static int make_forest(struct forest_mount *m)
{
	const struct forest_params params = {
		.ops = &forest_kube_ops,
		.arg = m->kube,
		/* A start that fails says so itself, and sooner. */
		.mount_timeout_ms = m->options->start_timeout_ms +
				    2 * m->options->timeout_ms,
		.is_read_only = m->options->is_read_only,
	};
	int rc;

	m->forest = forest_new(&params);
	rc = forest_refresh(m->forest, &m->start, &m->why);
	if (rc < 0 && cancel_check(&m->start) == -EINTR) {
		g_free(m->why);
		m->why = g_strdup("interrupted");
		rc = -EINTR;
	}
	return rc;
}

/* fusermount3, which a plain user's mounts below go through, is root. */
static void let_root_in(struct forest_mount *m)
{
	if (geteuid() != 0 &&
		strstr(m->options->fuse_options->str, ",allow_") == NULL)
		g_string_append(m->options->fuse_options, ",allow_root");
}

static struct fuse_session *new_fuse_session(struct forest_mount *m)
{
	/* default_permissions would keep chdir(2) from being asked about. */
	g_autofree char *options = g_strdup_printf(
		"fsname=pycloud:/,subtype=pycloud,nosuid,nodev%s",
		m->options->fuse_options->str);

	return fuse_loop_session(
		options, &fuse_forest_ops, sizeof(fuse_forest_ops), m->adapter);
}

/* It has nothing to upload, but ends after those below it. */
static void open_note(struct forest_mount *m)
{
	g_autofree char *path = local_dirs_state_path("forest");

	if (g_mkdir_with_parents(path, 0700) < 0 ||
		drain_note_open(&m->note, path) < 0)
		log_warning("umount will not wait for this mount: cannot "
			    "write to %s",
			path);
}

static void describe(void *arg, GString *text)
{
	const struct forest_mount *m = arg;

	drain_note_describe(&m->note, text);
	forest_kube_describe(m->kube, text);
}

static int mount_forest(struct forest_mount *m)
{
	const struct fuse_forest_params params = {
		.forest = m->forest,
		.uid = m->options->uid,
		.gid = m->options->gid,
		.fmask = m->options->fmask,
		.dmask = m->options->dmask,
		.valid_ms = m->options->attr_timeout_ms,
		.describe = describe,
		.describe_arg = m,
	};

	open_note(m);
	let_root_in(m);
	m->adapter = fuse_forest_new(&params);
	m->fuse = new_fuse_session(m);
	if (m->fuse == NULL) {
		m->why = g_strdup("libfuse refuses the mount options, for the "
				  "reason above; allow_other and allow_root "
				  "exclude each other");
		return -EINVAL;
	}
	return attach_mount(m->attach, m->fuse, "/", false, &m->why);
}

static int start(struct forest_mount *m)
{
	int rc = check_options(m);

	if (rc == 0)
		rc = attendant_start(&m->attendant);
	if (rc == 0)
		rc = forest_kube_new(m->options, &m->kube, &m->why);
	if (rc == 0)
		rc = make_forest(m);
	if (rc == 0)
		rc = mount_forest(m);
	return rc;
}

/* --- its life ------------------------------------------------------------- */

static void *run_loop(void *arg)
{
	struct forest_mount *m = arg;
	sigset_t kick;
	int rc;

	(void)sigemptyset(&kick);
	(void)sigaddset(&kick, SIGUSR2);
	(void)pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	rc = fuse_loop_run(m->fuse);
	if (rc < 0)
		log_error("the mount ended: %s", g_strerror(-rc));
	atomic_store(&m->is_over, true);
	(void)pthread_kill(m->main_thread, SIGUSR2);
	return NULL;
}

static void end_loop(struct forest_mount *m)
{
	fuse_session_exit(m->fuse);
	for (;;) {
		struct timespec until;

		(void)pthread_kill(m->loop, SIGUSR2);
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += KICK_NS;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		if (pthread_timedjoin_np(m->loop, NULL, &until) != ETIMEDOUT)
			return;
	}
}

static int serve(struct forest_mount *m)
{
	m->main_thread = pthread_self();
	if (pthread_create(&m->loop, NULL, run_loop, m) != 0)
		return -EAGAIN;
	hear_signals(m);
	service_notify_stopping(DRAIN_MS + FOREST_CHILD_MS + STOP_MARGIN_MS);
	if (!forest_end(m->forest, DRAIN_MS + FOREST_CHILD_MS))
		log_warning("a workspace's mount has not ended yet; it goes "
			    "on uploading by itself");
	end_loop(m);
	return 0;
}

static void take_down(struct forest_mount *m)
{
	attach_end(m->attach, m->fuse);
	if (m->fuse != NULL)
		fuse_session_destroy(m->fuse);
	/* Whoever still looks after a mount needs them. */
	if (m->forest == NULL || forest_end(m->forest, 0)) {
		fuse_forest_free(m->adapter);
		forest_free(m->forest);
		forest_kube_free(m->kube);
	}
	drain_note_close(&m->note);
	g_free(m->why);
}

static int exit_code(int rc)
{
	if (rc == -EINTR)
		return MOUNT_INTERRUPTED;
	return rc == -EINVAL ? MOUNT_USAGE : MOUNT_FAILED;
}

int forest_mount_run(struct options *options, struct daemonise *daemonise,
	struct attach *attach)
{
	struct forest_mount m = {
		.options = options, .attach = attach, .note = DRAIN_NOTE_INIT
	};
	const struct attendant_hooks hooks = { .end = end_start,
		.arg = &m.start };
	int code = MOUNT_OK;
	int rc;

	cancel_init(&m.start, options->timeout_ms);
	attendant_install(&m.attendant, &hooks);
	install_signals();
	rc = start(&m);
	/* What came too late for it is pending in this thread. */
	attendant_end(&m.attendant);
	cancel_fini(&m.start);
	if (rc == 0) {
		daemonise_ready(daemonise);
		service_notify_ready();
		rc = serve(&m);
		if (rc < 0)
			log_error("the mount ended: %s", g_strerror(-rc));
	} else {
		code = daemonise_failed(daemonise, exit_code(rc),
			m.why != NULL ? m.why : g_strerror(-rc));
	}
	take_down(&m);
	options_clear(options);
	return code;
}
