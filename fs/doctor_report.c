/* doctor_report.c - see doctor_report.h. */
#include "config.h"

#include "doctor_report.h"

#include "doctor_text.h"
#include "option_list.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* On a line of its own, as what is not shown of it goes on to the line's end. */
static void append_option(GString *out, const char *option)
{
	g_autofree char *blotted = g_strdup(option);

	options_blot(blotted);
	g_strdelimit(blotted, "\r\n", ' ');
	g_string_append_printf(out, "-o %s\n", blotted);
}

static void append_options(GString *out, const struct doctor_options *o)
{
	for (char **list = o->lists; list != NULL && *list != NULL; list++) {
		g_autofree char *why = NULL;
		g_auto(GStrv) words = option_list_split(*list, &why);

		if (words == NULL)
			append_option(out, *list);
		for (char **word = words; word != NULL && *word != NULL; word++)
			append_option(out, *word);
	}
	g_string_append_printf(out, "--run: %s\n", o->tries ? "yes" : "no");
}

static char *compose(const struct doctor_report *r)
{
	GString *out = g_string_new("pycloud doctor's report\n");
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *when = g_date_time_format(now, "%FT%TZ");

	g_string_append_printf(out,
		"version: %s\nwritten: %s\ntarget: %s\n\n--- options\n",
		PACKAGE_VERSION, when, r->target != NULL ? r->target : "none");
	append_options(out, r->options);
	g_string_append(out, "\n--- checks\n");
	for (guint i = 0; i < r->findings->len; i++)
		doctor_text_append_line(out, r->findings->pdata[i]);
	doctor_text_append_sum(out, r->findings);
	g_string_append(out, r->notes);
	return g_string_free(out, FALSE);
}

/* "root" tells nothing, and is a word of many sentences. */
static const char *user_name(void)
{
	const char *user = g_get_user_name();

	return getuid() == 0 || strcmp(user, "root") == 0 ? NULL : user;
}

static const char *host_name(void)
{
	const char *host = g_get_host_name();

	return strcmp(host, "localhost") == 0 ? NULL : host;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += MAX(n, 0);
		left -= (size_t)MAX(n, 0);
	}
	return 0;
}

int doctor_report_write(
	const char *path, const struct doctor_report *report, char **ret_why)
{
	const struct doctor_privacy privacy = {
		.home = g_get_home_dir(),
		.user = user_name(),
		.host = host_name(),
		.aliases = report->aliases,
	};
	g_autofree char *text = compose(report);
	g_autofree char *shown = doctor_text_anonymous(text, &privacy);
	int fd = open(path,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -errno : write_all(fd, shown);

	if (fd >= 0 && close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == -EEXIST)
		*ret_why = g_strdup_printf("%s is there already, and stays as "
					   "it is; name another file for the "
					   "report",
			path);
	else if (rc < 0)
		*ret_why = g_strdup_printf(
			"cannot write the report to %s: %s; name a file that "
			"you may write",
			path, g_strerror(-rc));
	return rc;
}
