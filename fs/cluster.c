/* cluster.c - see cluster.h: the frame that all commands share. */
#include "config.h"

#include "cluster.h"

#include "client.h"
#include "client_cancel.h"
#include "kube_pick.h"
#include "secret.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* --- signals -------------------------------------------------------------- */

/* The second one ends the program at once. Nothing is restarted: a question
 * that waits for its answer is over, too. */
static void install_signals(struct cancel *cancel)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	client_cancel_set(cancel);
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
		struct sigaction now;

		/* Not what we were started to ignore (nohup). */
		if (sigaction(numbers[i], NULL, &now) == 0 &&
			now.sa_handler != SIG_IGN)
			client_cancel_hear(numbers[i], (int)SA_RESETHAND);
	}
	/* A connection that breaks is an error like others; so is a reader of
	 * stdout that has gone. */
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/* --- what is told --------------------------------------------------------- */

int cluster_failed(struct cluster *c, int rc, char *why, const char *stands)
{
	g_autofree char *sentence = why;

	progress_end(&c->progress);
	if (rc != -EINTR)
		return client_error(CLIENT_REFUSED, "%s",
			sentence != NULL ? sentence : g_strerror(-rc));
	return client_error(CLUSTER_INTERRUPTED, "interrupted%s%s",
		stands != NULL ? ": " : "", stands != NULL ? stands : "");
}

int cluster_write(struct cluster *c, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, length);

		if (n >= 0) {
			bytes += n;
			length -= (size_t)n;
		} else if (errno == EAGAIN) { /* somebody's O_NONBLOCK */
			struct pollfd p = { STDOUT_FILENO, POLLOUT, 0 };

			(void)poll(&p, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
		if (length > 0 && cancel_check(&c->cancel) < 0)
			return cancel_check(&c->cancel);
	}
	return 0;
}

int cluster_not_written(struct cluster *c, int rc)
{
	if (rc == -EPIPE) /* `pycloud list | head` has what it wants */
		return CLIENT_SIGNALED + SIGPIPE;
	if (rc == -EINTR)
		return CLUSTER_INTERRUPTED;
	return cluster_failed(c, rc,
		g_strdup_printf("cannot write: %s", g_strerror(-rc)), NULL);
}

int cluster_print(struct cluster *c, char *text)
{
	int rc = cluster_write(c, text, strlen(text));

	g_free(text);
	return rc == 0 ? 0 : cluster_not_written(c, rc);
}

/* --- the frame ------------------------------------------------------------ */

/* What need not be asked about. A Service that somebody else made may have any
 * name. */
static char *explain_options(const struct cluster_options *o)
{
	const struct kube_workspace_spec spec = { .name = o->name,
		.image = o->image,
		.cpu = o->cpu,
		.memory = o->memory,
		.storage = o->storage,
		.storage_class = o->storage_class };
	char *why = NULL;

	if (o->command == CLUSTER_CREATE)
		(void)kube_spec_check(&spec, &why);
	else if (o->name != NULL && !kube_name_is_good(o->name))
		why = g_strdup_printf("'%s' is no name of a workspace in a "
				      "cluster; `pycloud list` shows them",
			o->name);
	return why;
}

static int connect_cluster(struct cluster *c, char **ret_why)
{
	const struct cluster_options *o = c->options;
	const struct kubeconfig_wish wish = {
		.file = o->kubeconfig,
		.context = o->context,
		.namespace = o->namespace,
	};
	int rc = kube_connect(&wish, &c->kube, ret_why);

	if (rc < 0)
		return rc;
	c->place = (struct cluster_place){
		.context = kube_place(c->kube)->context,
		.namespace = kube_place(c->kube)->namespace,
	};
	c->workspace = (struct kube_workspace){
		.kube = c->kube,
		.namespace = c->place.namespace,
		.name = o->name,
		.progress = progress_line,
		.progress_arg = &c->progress,
	};
	return 0;
}

static int run_command(struct cluster *c)
{
	static int (*const commands[])(struct cluster *) = {
		[CLUSTER_CREATE] = cluster_create,
		[CLUSTER_LIST] = cluster_list,
		[CLUSTER_START] = cluster_start,
		[CLUSTER_STOP] = cluster_stop,
		[CLUSTER_DELETE] = cluster_delete,
		[CLUSTER_LOGS] = cluster_logs,
		[CLUSTER_DESCRIBE] = cluster_describe,
	};
	char *why = NULL;
	int rc = connect_cluster(c, &why);

	return rc < 0 ? cluster_failed(c, rc, why, NULL)
		      : commands[c->options->command](c);
}

int cluster_run(const struct cluster_options *options)
{
	struct cluster c = { .options = options,
		.progress.program = "pycloud" };
	g_autofree char *why = explain_options(options);
	int status;

	if (why != NULL)
		return client_error(CLIENT_USAGE, "%s", why);
	secret_hide_environment();
	cancel_init(&c.cancel, 0);
	install_signals(&c.cancel);
	status = run_command(&c);
	progress_end(&c.progress);
	kube_unref(c.kube);
	client_cancel_set(NULL);
	cancel_fini(&c.cancel);
	return status;
}
