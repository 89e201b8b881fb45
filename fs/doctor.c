/*
 * doctor.c - see doctor.h: the frame in which checks run.
 *
 * A family tells its findings through a pipe, an object of JSON in each line.
 * This process has one thread, and reads until the pipe ends, the family's time
 * is over, or somebody interrupts.
 */
#include "config.h"

#include "doctor.h"

#include "client.h"
#include "client_cancel.h"
#include "doctor_report.h"
#include "fs_limits.h"
#include "json.h"
#include "options.h"
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct family {
	const char *what;
	void (*look)(const struct doctor_probe *);
	int limit_ms;
	const char *advice; /* where it does not end in time */
	bool asks; /* a program that gives credentials may ask the user */
};

static const struct family families[] = {
	{ "versions", doctor_versions, DOCTOR_QUICK_MS, NULL, false },
	{ "fuse device", doctor_fuse, DOCTOR_QUICK_MS,
		"something keeps /dev or a directory of PATH from answering; "
		"look for a dead mount in /proc/mounts",
		false },
	{ "directories", doctor_places, DOCTOR_DISK_MS,
		"the file system that holds your home does not answer; is its "
		"file server alive?",
		false },
	{ "memory", doctor_memory, DOCTOR_DISK_MS,
		"the file system that holds your home does not answer; is its "
		"file server alive?",
		false },
	{ "configuration", doctor_config, DOCTOR_QUICK_MS,
		"the file system that holds your home does not answer; is its "
		"file server alive?",
		false },
	{ "keyring", doctor_keyring, DOCTOR_QUICK_MS,
		"unlock the keyring, or keep a server's token in a file (run: "
		"pycloud login --file FILE URL; mount with -o "
		"credentials=FILE) or in PYCLOUD_TOKEN",
		false },
	{ "mounts", doctor_mounts, DOCTOR_DISK_MS, NULL, false },
};

/* Where one was named. */
static const struct family of_target[] = {
	{ "connection", doctor_reach, DOCTOR_REACH_MS,
		"is this computer online, and are its name servers "
		"(/etc/resolv.conf) up?",
		false },
	{ "workspace", doctor_target, DOCTOR_TARGET_MS,
		"what it waits for is the step after the last line above",
		true },
};

/* For the report. */
static const struct family journal = { "journal", doctor_journal,
	DOCTOR_QUICK_MS, NULL, false };

struct doctor {
	const struct doctor_options *options;
	struct cancel cancel;
	GPtrArray *findings;  /* of struct doctor_finding */
	GPtrArray *aliases;   /* of struct doctor_alias */
	GString *notes;	      /* for the report only */
	struct secret *token; /* of the environment; NULL: none */
};

/* --- a family's side ------------------------------------------------------ */

static void send_line(const struct doctor_probe *p, const cJSON *object)
{
	g_autofree char *text = json_print(object);
	g_autofree char *line = g_strconcat(text, "\n", NULL);
	size_t length = strlen(line);
	size_t sent = 0;

	while (sent < length) {
		ssize_t n = write(p->fd, line + sent, length - sent);

		if (n <= 0 && errno != EINTR)
			return; /* nobody listens any more */
		sent += n > 0 ? (size_t)n : 0;
	}
}

static void add_text(cJSON *object, const char *key, const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);

	(void)cJSON_AddStringToObject(object, key, valid);
}

void doctor_tell(const struct doctor_probe *p, enum doctor_state state,
	const char *what, const char *advice, const char *found, ...)
{
	g_autoptr(cJSON) object = cJSON_CreateObject();
	g_autofree char *text = NULL;
	va_list arguments;

	va_start(arguments, found);
	text = g_strdup_vprintf(found, arguments);
	va_end(arguments);
	(void)cJSON_AddNumberToObject(object, "state", state);
	add_text(object, "what", what);
	add_text(object, "found", text);
	if (advice != NULL)
		add_text(object, "advice", advice);
	send_line(p, object);
}

void doctor_attach(
	const struct doctor_probe *p, const char *heading, const char *text)
{
	g_autoptr(cJSON) object = cJSON_CreateObject();

	add_text(object, "heading", heading);
	add_text(object, "text", text);
	send_line(p, object);
}

void doctor_conceal(
	const struct doctor_probe *p, const char *name, const char *shown)
{
	g_autoptr(cJSON) object = cJSON_CreateObject();

	add_text(object, "name", name);
	add_text(object, "shown", shown);
	send_line(p, object);
}

/* Who reads our output must not wait for a process that the kernel keeps. */
static void let_go_of_output(const struct family *f)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	(void)dup2(null, STDOUT_FILENO);
	if (!f->asks) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDERR_FILENO);
	}
	(void)close(null);
}

static _Noreturn void look(
	const struct doctor *d, const struct family *f, int fd)
{
	const struct doctor_probe probe = {
		.options = d->options,
		.cancel = &d->cancel,
		.fd = fd,
	};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	let_go_of_output(f);
	f->look(&probe);
	_exit(0);
}

/* --- what it told --------------------------------------------------------- */

/* Without secrets; NULL for NULL. */
static char *clean(const struct doctor *d, const char *text)
{
	g_auto(GStrv) parts = NULL;
	g_autofree char *whole = NULL;

	if (text == NULL)
		return NULL;
	if (d->token == NULL)
		return doctor_text_blot(text, FALSE);
	parts = g_strsplit(text, secret_peek(d->token), -1);
	whole = g_strjoinv("****", parts);
	return doctor_text_blot(whole, FALSE);
}

static void show(const struct doctor *d, const struct doctor_finding *f)
{
	GString *line;

	if (d->options->is_json ||
		(d->options->is_quiet && f->state < DOCTOR_WARN))
		return;
	line = g_string_new(NULL);
	doctor_text_append_line(line, f);
	(void)fputs(line->str, stdout);
	(void)fflush(stdout);
	g_string_free(line, TRUE);
}

static void take(struct doctor *d, enum doctor_state state, const char *what,
	const char *found, const char *advice)
{
	struct doctor_finding *f = g_new0(struct doctor_finding, 1);

	f->state = state;
	f->what = g_strdup(what);
	f->found = clean(d, found);
	f->advice = clean(d, advice);
	g_ptr_array_add(d->findings, f);
	show(d, f);
}

static void take_alias(struct doctor *d, const char *name, const char *shown)
{
	struct doctor_alias *a = g_new0(struct doctor_alias, 1);

	a->name = g_strdup(name);
	a->shown = g_strdup(shown != NULL ? shown : "NAME");
	g_ptr_array_add(d->aliases, a);
}

static void take_line(struct doctor *d, char *line)
{
	g_autoptr(cJSON) object = json_parse(line, strlen(line));
	const char *text = object == NULL ? NULL : json_string(object, "text");
	const char *name = object == NULL ? NULL : json_string(object, "name");
	int64_t state = DOCTOR_FAILED;

	if (object == NULL)
		return;
	if (text != NULL) {
		g_autofree char *blotted = clean(d, text);

		g_string_append_printf(d->notes, "\n--- %s\n%s\n",
			json_string(object, "heading"), blotted);
	} else if (name != NULL) {
		take_alias(d, name, json_string(object, "shown"));
	} else {
		(void)json_int64(object, "state", &state);
		take(d, (enum doctor_state)CLAMP(state, 0, DOCTOR_FAILED),
			json_string(object, "what"),
			json_string(object, "found"),
			json_string(object, "advice"));
	}
}

/* Takes the whole lines out of what has come. */
static void take_lines(struct doctor *d, GString *heard)
{
	char *end;

	while ((end = memchr(heard->str, '\n', heard->len)) != NULL) {
		*end = '\0';
		take_line(d, heard->str);
		g_string_erase(heard, 0, end + 1 - heard->str);
	}
}

/* --- its life ------------------------------------------------------------- */

/* 1: there may be more; 0: that was all; -errno: -ETIMEDOUT, -EINTR, -EFBIG. */
static int hear(struct doctor *d, int fd, int64_t end_ms, GString *heard)
{
	struct pollfd polled[] = { { fd, POLLIN, 0 },
		{ cancel_fd(&d->cancel), POLLIN, 0 } };
	int64_t left_ms = MAX(end_ms - clock_now_ms(), 0);
	char buffer[4096];
	ssize_t n;

	if (cancel_check(&d->cancel) < 0)
		return -EINTR;
	n = poll(polled, G_N_ELEMENTS(polled), (int)left_ms);
	if (n == 0)
		return -ETIMEDOUT;
	if (n < 0 || polled[0].revents == 0)
		return n < 0 && errno != EINTR ? -errno : 1;
	n = read(fd, buffer, sizeof(buffer));
	if (n > 0)
		g_string_append_len(heard, buffer, n);
	if (n < 0 && errno == EINTR)
		return 1;
	return heard->len > DOCTOR_HEARD_MAX ? -EFBIG : n > 0;
}

static void tell_death(struct doctor *d, const struct family *f, int status)
{
	g_autofree char *found = NULL;

	if (!WIFSIGNALED(status) && WEXITSTATUS(status) == 0)
		return;
	found = WIFSIGNALED(status)
			? g_strdup_printf("the check was ended by signal %d",
				  WTERMSIG(status))
			: g_strdup_printf("the check ended with status %d",
				  WEXITSTATUS(status));
	take(d, DOCTOR_FAILED, f->what, found,
		"this is a fault of pycloud's; report it, with what --bundle "
		"writes");
}

/* A child that the kernel keeps is not waited for: it ends without us. */
static void end(struct doctor *d, const struct family *f, pid_t child, int rc)
{
	g_autofree char *found = NULL;
	int status = 0;

	if (rc < 0)
		(void)kill(child, SIGKILL);
	if (waitpid(child, &status, rc < 0 ? WNOHANG : 0) == child && rc == 0)
		tell_death(d, f, status);
	if (rc != -ETIMEDOUT)
		return;
	found = g_strdup_printf(
		"no answer within %d seconds", f->limit_ms / 1000);
	take(d, DOCTOR_FAILED, f->what, found,
		f->advice != NULL ? f->advice
				  : "run it again; if it stays so, report it");
}

static void examine(struct doctor *d, const struct family *f)
{
	int64_t end_ms = clock_now_ms() + f->limit_ms;
	GString *heard = g_string_new(NULL);
	int fds[2] = { -1, -1 };
	pid_t child = -1;
	int rc = 1;

	if (pipe2(fds, O_CLOEXEC) == 0)
		child = fork();
	if (child == 0)
		look(d, f, fds[1]);
	if (fds[1] >= 0)
		(void)close(fds[1]);
	if (child < 0)
		take(d, DOCTOR_FAILED, f->what, "cannot start a process",
			"end some programs, and run it again");
	while (child > 0 && rc > 0) {
		rc = hear(d, fds[0], end_ms, heard);
		take_lines(d, heard);
	}
	if (child > 0)
		end(d, f, child, rc);
	if (fds[0] >= 0)
		(void)close(fds[0]);
	g_string_free(heard, TRUE);
}

/* --- all of it ------------------------------------------------------------ */

/* The second one ends the program at once. */
static void install_signals(struct cancel *cancel)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	client_cancel_set(cancel);
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
		client_cancel_hear(numbers[i], (int)SA_RESETHAND);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/* To know it again where it should not be. It stays for who looks for it. */
static struct secret *environment_token(void)
{
	const char *value = g_getenv("PYCLOUD_TOKEN");

	return value == NULL ? NULL : secret_new(value, strlen(value));
}

static char *safe_target(const struct doctor *d)
{
	g_autofree char *target = d->options->target == NULL
					  ? NULL
					  : g_strdup(d->options->target);

	if (target == NULL)
		return NULL;
	options_blot(target);
	return clean(d, target);
}

static void examine_those(
	struct doctor *d, const struct family *these, size_t count)
{
	for (size_t i = 0; i < count && cancel_check(&d->cancel) == 0; i++)
		examine(d, &these[i]);
}

static void examine_all(struct doctor *d)
{
	examine_those(d, families, G_N_ELEMENTS(families));
	if (d->options->target != NULL)
		examine_those(d, of_target, G_N_ELEMENTS(of_target));
	if (d->options->bundle != NULL)
		examine_those(d, &journal, 1);
}

static int write_report(const struct doctor *d, const char *safe)
{
	const struct doctor_report report = {
		.target = safe,
		.findings = d->findings,
		.aliases = d->aliases,
		.notes = d->notes->str,
		.options = d->options,
	};
	g_autofree char *why = NULL;

	if (doctor_report_write(d->options->bundle, &report, &why) < 0)
		return client_error(CLIENT_REFUSED, "%s", why);
	if (!d->options->is_json)
		(void)printf("The report is in %s; read it before you hand it "
			     "to others.\n",
			d->options->bundle);
	return 0;
}

/* `pycloud doctor | head` has what it wants. */
static int not_written(int error)
{
	if (error == EPIPE)
		return CLIENT_SIGNALED + SIGPIPE;
	return client_error(
		CLIENT_REFUSED, "cannot write: %s", g_strerror(error));
}

static int conclude(struct doctor *d)
{
	g_autofree char *safe = safe_target(d);
	GString *sum = g_string_new(NULL);
	int status = doctor_text_worst(d->findings) == DOCTOR_FAILED
			     ? DOCTOR_UNWELL
			     : DOCTOR_WELL;

	if (d->options->is_json) {
		g_autofree char *json =
			doctor_text_json(PACKAGE_VERSION, safe, d->findings);

		g_string_append_printf(sum, "%s\n", json);
	} else if (!d->options->is_quiet) {
		doctor_text_append_sum(sum, d->findings);
	}
	if (d->options->bundle != NULL && write_report(d, safe) != 0)
		status = DOCTOR_UNWELL;
	if (fputs(sum->str, stdout) < 0 || fflush(stdout) != 0)
		status = not_written(errno);
	g_string_free(sum, TRUE);
	return status;
}

int doctor_run(const struct doctor_options *options)
{
	struct doctor d = {
		.options = options,
		.findings = g_ptr_array_new_with_free_func(doctor_finding_free),
		.aliases = g_ptr_array_new_with_free_func(doctor_alias_free),
		.notes = g_string_new(NULL),
		.token = environment_token(),
	};
	int status;

	secret_hide_environment();
	cancel_init(&d.cancel, 0);
	install_signals(&d.cancel);
	examine_all(&d);
	status = cancel_check(&d.cancel) == 0
			 ? conclude(&d)
			 : client_error(DOCTOR_INTERRUPTED, "interrupted");
	client_cancel_set(NULL);
	cancel_fini(&d.cancel);
	secret_unref(d.token);
	g_ptr_array_unref(d.findings);
	g_ptr_array_unref(d.aliases);
	g_string_free(d.notes, TRUE);
	return status;
}
