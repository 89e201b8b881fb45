/* credentials.c - see credentials.h. */
#include "config.h"

#include "credentials.h"

#include "keyring.h"
#include "runtime_file.h"
#include "terminal.h"
#include "token_command.h"
#include "token_file.h"
#include "token_systemd.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct credentials {
	atomic_int refs;
	struct secret *given;
	char *file;
	char *command;
};

/* What the sources are asked with. */
struct search {
	const struct credentials *credentials;
	const struct credentials_wish *wish;
	const struct cancel *cancel;
	char *why; /* of the source at hand */
};

struct credentials *credentials_new(
	struct secret *given, const char *file, const char *token_command)
{
	struct credentials *c = g_new0(struct credentials, 1);

	atomic_init(&c->refs, 1);
	c->given = secret_ref(given);
	/* A daemon stands elsewhere when it reads it again. */
	c->file = file == NULL ? NULL : g_canonicalize_filename(file, NULL);
	c->command = g_strdup(token_command);
	return c;
}

struct credentials *credentials_ref(struct credentials *c)
{
	(void)atomic_fetch_add(&c->refs, 1);
	return c;
}

void credentials_unref(struct credentials *c)
{
	if (c == NULL || atomic_fetch_sub(&c->refs, 1) > 1)
		return;
	secret_unref(c->given);
	g_free(c->file);
	g_free(c->command);
	g_free(c);
}

bool credentials_starts_programs(const struct credentials *c)
{
	return c->command != NULL;
}

/* --- the sources: -ENOENT where it has none ------------------------------- */

static int ask_given(struct search *s, struct secret **ret)
{
	*ret = secret_ref(s->credentials->given);
	return *ret == NULL ? -ENOENT : 0;
}

static int ask_file(struct search *s, struct secret **ret)
{
	int rc;

	if (s->credentials->file == NULL)
		return -ENOENT;
	rc = token_file_read(
		s->credentials->file, TOKEN_FILE_OWN, ret, &s->why);
	/* It was named: that it is not there is no small thing. No server has
	 * refused anything yet, which is what -EACCES would say. */
	return rc == -ENOENT || rc == -EACCES ? -EPERM : rc;
}

static int ask_systemd(struct search *s, struct secret **ret)
{
	int rc = token_systemd_find(ret, &s->why);

	return rc == -EACCES ? -EPERM : rc;
}

static int ask_environment(struct search *s, struct secret **ret)
{
	int rc = secret_from_environment(ret);

	if (rc == -EINVAL)
		s->why = g_strdup("what PYCLOUD_TOKEN holds cannot be a token: "
				  "it is too long, or has spaces or control "
				  "characters in it");
	return rc;
}

static int ask_command(struct search *s, struct secret **ret)
{
	const struct token_command_call call = {
		.command = s->credentials->command,
		.server = s->wish->server,
		.is_attended = s->wish->is_attended,
	};

	int rc;

	if (call.command == NULL)
		return -ENOENT;
	rc = token_command_run(&call, s->cancel, ret, &s->why);
	return rc == -EACCES ? -EPERM : rc; /* nobody has judged it yet */
}

static int ask_keyring(struct search *s, struct secret **ret)
{
	const struct keyring_key key = {
		.server = s->wish->server,
		.user = s->wish->user,
	};
	int rc = keyring_find(&key, s->cancel, ret, &s->why);

	if (rc == -EINVAL && s->why == NULL)
		s->why = g_strdup("what the keyring has for this server cannot "
				  "be a token");
	return rc;
}

static int ask_runtime_file(struct search *s, struct secret **ret)
{
	return runtime_file_find(s->wish->server, ret);
}

static int ask_person(struct search *s, struct secret **ret)
{
	g_autofree char *prompt = NULL;
	struct secret *typed = NULL;
	int rc;

	if (!s->wish->asks_person || !terminal_is_there())
		return -ENOENT;
	prompt = g_strdup_printf("Token of %s: ", s->wish->server);
	rc = terminal_ask_secret(prompt, s->cancel, &typed);
	if (rc == 0)
		rc = secret_from_text(
			secret_peek(typed), strlen(secret_peek(typed)), ret);
	secret_unref(typed);
	if (rc == -EINVAL)
		s->why = g_strdup("what was typed cannot be a token");
	return rc == 0 || rc == -EINTR || rc == -EINVAL ? rc : -ENOENT;
}

/* --- the order ------------------------------------------------------------ */

/* `remedy`: what to do when the server refuses it; the server's name follows. */
static const struct {
	int (*ask)(struct search *, struct secret **ret);
	const char *name;
	const char *remedy;
} sources[] = {
	{ ask_given, "the URL",
		"leave it out of there and run: pycloud login" },
	{ ask_file, "the file of the option credentials",
		"to write another one there, run: pycloud login --file THAT-FILE" },
	{ ask_systemd, "systemd's credential " TOKEN_SYSTEMD_NAME,
		"renew it, or leave it out and run: pycloud login" },
	{ ask_environment, "PYCLOUD_TOKEN",
		"set another one, or unset it and run: pycloud login" },
	{ ask_command, "token_command",
		"let it print another one, or leave it out and run: pycloud "
		"login" },
	{ ask_keyring, "the keyring", "run: pycloud login" },
	{ ask_runtime_file, "the server's runtime file", "run: pycloud login" },
	{ ask_person, "the terminal",
		"if it is a password, run: pycloud login" },
};

const char *credentials_remedy(const char *source)
{
	for (size_t i = 0; i < G_N_ELEMENTS(sources); i++)
		if (g_strcmp0(sources[i].name, source) == 0)
			return sources[i].remedy;
	return "run: pycloud login";
}

/* 0 and a candidate; what it is good for is another question. */
static int ask(struct search *s, size_t source, struct secret **ret)
{
	g_autofree char *hint = g_steal_pointer(&s->why);
	int rc = sources[source].ask(s, ret);

	/* The last word of those that have nothing is the best guess why. */
	if (s->why == NULL && rc == -ENOENT)
		s->why = g_steal_pointer(&hint);
	return rc;
}

static int judge(const struct credentials_wish *wish, struct secret *secret)
{
	return wish->accepts == NULL ? 0 : wish->accepts(wish->arg, secret);
}

static int search(struct search *s, struct credentials_found *ret)
{
	int none = -ENOENT;

	for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
		struct secret *secret = NULL;
		int rc = ask(s, i, &secret);

		if (rc == -ENOENT)
			continue;
		if (rc < 0)
			return rc;
		ret->source = sources[i].name;
		rc = judge(s->wish, secret);
		if (rc == 0)
			ret->secret = secret;
		else
			secret_unref(secret);
		if (rc != -EACCES)
			return rc;
		none = -EACCES;
	}
	return none;
}

int credentials_find(struct credentials *c, const struct credentials_wish *wish,
	const struct cancel *cancel, struct credentials_found *ret,
	char **ret_why)
{
	struct search s = { .credentials = c, .wish = wish, .cancel = cancel };
	int rc;

	*ret = (struct credentials_found){ 0 };
	rc = search(&s, ret);
	*ret_why = NULL;
	if (rc < 0 && rc != -EACCES)
		*ret_why = g_steal_pointer(&s.why);
	g_free(s.why);
	return rc;
}
