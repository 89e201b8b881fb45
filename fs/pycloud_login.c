/*
 * pycloud_login.c - pycloud login and logout.
 *
 * Started by pycloud with its own arguments; see pycloud(1). What is typed is
 * tried as a token first and then as a password, and only what the server has
 * accepted is kept.
 */
#include "config.h"

#include "client.h"
#include "client_cancel.h"
#include "command_help.h"
#include "common_limits.h"
#include "harden.h"
#include "keyring.h"
#include "login.h"
#include "login_place.h"
#include "terminal.h"
#include "token_file.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct login {
	struct login_options options;
	struct login_place place;
	struct cancel cancel; /* fired by SIGINT and the like */
	struct secret *typed;
	struct secret *accepted;
	char *token_id;	 /* of one that a hub made for us; NULL: it did not */
	GPtrArray *gone; /* out of the keyring: keyring_item; NULL: none is */
	char *why;
};

/* --- signals -------------------------------------------------------------- */

static void install_signals(struct cancel *cancel)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	client_cancel_set(cancel);
	client_cancel_hear(SIGINT, 0);
	client_cancel_hear(SIGTERM, 0);
	client_cancel_hear(SIGHUP, 0);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/* --- what the server says ------------------------------------------------- */

static int explain(struct login *l, int rc)
{
	const struct login_place *p = &l->place;

	switch (-rc) {
	case EINTR:
		l->why = g_strdup("interrupted");
		break;
	case ENOENT:
	case EPROTO:
		l->why = g_strdup_printf(
			"%s is no %s; check the address and its path, or, for "
			"https, the certificate",
			p->server, p->is_hub ? "JupyterHub" : "Jupyter server");
		break;
	default:
		l->why = g_strdup_printf(
			"cannot reach %s: %s; is the server running there?",
			p->server, g_strerror(-rc));
	}
	return rc;
}

static int explain_refused(struct login *l)
{
	const struct login_place *p = &l->place;

	if (p->is_hub)
		l->why = g_strdup_printf(
			"%s knows neither this token nor this password; make a "
			"token at %s/hub/token, and try again",
			p->server, p->server);
	else
		l->why = g_strdup_printf(
			"%s refuses it, as a token and as a password; "
			"`jupyter server list` on the server's computer shows "
			"the token, where it has one",
			p->server);
	return -EACCES;
}

/* -EACCES: it wants to know us. 1: it does not. */
static int look_at_server(struct login *l)
{
	const struct token_place place = login_place_trial(&l->place);
	int rc = token_trial(
		&place, NULL, &l->cancel, clock_now_ms() + TOKEN_TRIAL_MS);

	if (rc == 0)
		return 1;
	return rc == -EACCES ? 0 : explain(l, rc);
}

/* --- what is typed -------------------------------------------------------- */

static int wait_for_input(const struct cancel *cancel)
{
	struct pollfd p[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = cancel_fd(cancel), .events = POLLIN },
	};

	while (poll(p, G_N_ELEMENTS(p), -1) < 0)
		if (errno != EINTR)
			return -errno;
	return cancel_check(cancel);
}

/* The first line, of as much as a secret may be. */
static int read_stdin(struct login *l)
{
	char bytes[SECRET_BYTES_MAX + 2];
	size_t length = 0;
	ssize_t n = 1;
	int rc = 0;

	while (n > 0 && rc == 0 && length < sizeof(bytes) &&
		memchr(bytes, '\n', length) == NULL) {
		rc = wait_for_input(&l->cancel);
		if (rc == 0)
			n = read(STDIN_FILENO, bytes + length,
				sizeof(bytes) - length);
		if (rc == 0 && n < 0)
			rc = errno == EAGAIN || errno == EINTR ? 0 : -errno;
		length += n > 0 && rc == 0 ? (size_t)n : 0;
		n = n < 0 ? 1 : n;
	}
	if (rc == 0) {
		const char *end = memchr(bytes, '\n', length);

		length = end == NULL ? length : (size_t)(end - bytes);
		if (length > 0 && bytes[length - 1] == '\r')
			length--;
		l->typed = secret_new_phrase(bytes, length);
		rc = length == 0 ? -ENOENT : l->typed == NULL ? -EINVAL : 0;
	}
	secret_wipe(bytes, sizeof(bytes));
	return rc;
}

static int ask_person(struct login *l)
{
	g_autofree char *prompt =
		g_strdup_printf("Token or password of %s: ", l->place.server);

	if (l->place.is_hub)
		(void)fprintf(stderr, "Tokens are made at %s/hub/token\n",
			l->place.server);
	return terminal_ask_secret(prompt, &l->cancel, &l->typed);
}

static int get_typed(struct login *l)
{
	int rc = l->options.from == LOGIN_FROM_TERMINAL ? ask_person(l)
							: read_stdin(l);

	if (rc == -EINTR)
		l->why = g_strdup("interrupted");
	else if (rc == -ENOTTY)
		l->why = g_strdup("there is no terminal to ask at; use "
				  "--token-stdin or --password-stdin");
	else if (rc == -ENOENT)
		l->why = g_strdup("nothing was given");
	else if (rc == -EINVAL)
		l->why = g_strdup("this can be neither a token nor a password: "
				  "it is too long, or has control characters "
				  "in it");
	else if (rc < 0)
		l->why = g_strdup_printf("cannot read it: %s", g_strerror(-rc));
	return rc;
}

/* --- trying it ------------------------------------------------------------ */

/* -EACCES: it is no token. */
static int try_as_token(struct login *l)
{
	const struct token_place place = login_place_trial(&l->place);
	const char *text = secret_peek(l->typed);
	struct secret *token = NULL;
	int rc = secret_from_text(text, strlen(text), &token);

	if (rc < 0)
		return -EACCES;
	rc = token_trial(
		&place, token, &l->cancel, clock_now_ms() + TOKEN_TRIAL_MS);
	if (rc == 0)
		l->accepted = token;
	else
		secret_unref(token);
	return rc;
}

static int find_user(struct login *l)
{
	int rc;

	if (!l->place.is_hub || l->place.user != NULL)
		return 0;
	rc = terminal_ask("User name at the hub: ", &l->cancel, &l->place.user);
	if (rc == -ENOTTY || rc == -ENOENT)
		l->why = g_strdup("whose password is it? Use --user");
	return rc;
}

static int try_as_password(struct login *l)
{
	const struct token_place place = login_place_trial(&l->place);
	int rc = find_user(l);

	if (rc < 0)
		return rc;
	if (l->place.is_hub)
		rc = login_to_hub(&place, l->place.user, l->typed, &l->cancel,
			&l->accepted, &l->token_id);
	else
		rc = login_to_server(
			&place, l->typed, &l->cancel, &l->accepted);
	/* What it gave is tried, too. */
	if (rc == 0)
		rc = token_trial(&place, l->accepted, &l->cancel,
			clock_now_ms() + TOKEN_TRIAL_MS);
	return rc;
}

static int try_typed(struct login *l)
{
	int rc = -EACCES;

	if (l->options.from != LOGIN_FROM_PASSWORD_STDIN)
		rc = try_as_token(l);
	if (rc == -EACCES && l->options.from != LOGIN_FROM_TOKEN_STDIN)
		rc = try_as_password(l);
	if (rc == 0 || l->why != NULL)
		return rc;
	return rc == -EACCES ? explain_refused(l) : explain(l, rc);
}

/* A mount that names no user takes the newest. */
static int name_user(struct login *l)
{
	const struct token_place place = login_place_trial(&l->place);
	int rc;

	if (!l->place.is_hub || l->place.user != NULL)
		return 0;
	rc = login_ask_user(&place, l->accepted, &l->cancel, &l->place.user);
	return rc == -ENOENT ? 0 : rc < 0 ? explain(l, rc) : 0;
}

/* --- keeping it ----------------------------------------------------------- */

static struct keyring_key key_of(const struct login *l)
{
	return (struct keyring_key){
		.server = l->place.server,
		.workspace = l->place.shown,
		.user = l->place.user,
		.token_id = l->token_id,
	};
}

/* What was made for us and is of no use is not left behind, also when it is a
 * signal that ends us. */
static void take_back(const struct login *l)
{
	const struct token_place place = login_place_trial(&l->place);
	struct cancel limit;

	if (l->token_id == NULL || l->accepted == NULL)
		return;
	cancel_init(&limit, LOGIN_CALL_MS);
	(void)login_revoke(
		&place, l->place.user, l->token_id, l->accepted, &limit);
	cancel_fini(&limit);
}

static int keep(struct login *l)
{
	const struct keyring_key key = key_of(l);
	g_autofree char *why = NULL;
	int rc;

	if (l->place.file != NULL)
		return token_file_write(l->place.file, l->accepted, &l->why);
	rc = keyring_store(&key, l->accepted, &l->cancel, &l->gone, &why);
	if (rc == -EINTR)
		l->why = g_strdup("interrupted");
	else if (rc < 0)
		l->why = g_strdup_printf(
			"%s accepts it, but the keyring cannot keep it (%s); "
			"keep it in a file: pycloud login --file FILE %s, and "
			"mount with -o credentials=FILE",
			l->place.server, why != NULL ? why : g_strerror(-rc),
			l->place.shown);
	return rc;
}

/* Login made this token of a password, so nobody else has a use for it. What a
 * person made is that person's to revoke. */
static void revoke_token(
	struct login *l, const struct keyring_item *item, const char *which)
{
	const struct token_place place = login_place_trial(&l->place);
	const char *user = item->user != NULL ? item->user : "a service";
	const char *server = l->place.server;
	int rc = item->token_id == NULL || item->user == NULL ||
				 item->token == NULL
			 ? -ENOKEY
			 : login_revoke(&place, item->user, item->token_id,
				   item->token, &l->cancel);

	if (rc == 0)
		(void)printf("the hub has revoked the %s of %s\n", which, user);
	else if (rc == -ENOKEY)
		(void)printf("the token of %s was not made by login, and stays "
			     "good; revoke it at %s/hub/token\n",
			user, server);
	else
		(void)fprintf(stderr,
			"pycloud: the hub did not revoke the %s of %s (%s), "
			"which stays good until it expires; revoke it at "
			"%s/hub/token\n",
			which, user, g_strerror(-rc), server);
}

/* Those that login had made before, in whose place the new one is. */
static void revoke_former(struct login *l)
{
	for (guint i = 0;
		l->place.is_hub && l->gone != NULL && i < l->gone->len; i++) {
		const struct keyring_item *item = l->gone->pdata[i];

		if (item->token_id != NULL && item->token != NULL &&
			!secret_equal(item->token, l->accepted))
			revoke_token(l, item, "former token");
	}
}

static int login(struct login *l)
{
	int rc = look_at_server(l);

	if (rc == 1) {
		(void)printf("%s needs no login: everybody may use it\n",
			l->place.server);
		return 0;
	}
	if (rc == 0)
		rc = get_typed(l);
	if (rc == 0)
		rc = try_typed(l);
	if (rc == 0)
		rc = name_user(l);
	if (rc == 0)
		rc = keep(l);
	if (rc < 0)
		take_back(l);
	if (rc < 0)
		return rc;
	(void)printf("logged in to %s%s%s; the %s is kept in %s\n",
		l->place.server,
		l->place.is_hub && l->place.user != NULL ? " as " : "",
		l->place.is_hub && l->place.user != NULL ? l->place.user : "",
		secret_cookie(l->accepted) == NULL ? "token" : "cookie",
		l->place.file != NULL ? l->place.file : "the keyring");
	revoke_former(l);
	if (l->place.has_command)
		(void)printf("but mounts will ask your token_command first\n");
	return 0;
}

static char *explain_logout(const struct login *l, int rc, const char *why)
{
	g_autofree char *hint =
		l->place.is_hub && (rc == -EINTR || rc == -ETIMEDOUT)
			? g_strdup_printf("; some tokens may be gone from it "
					  "unrevoked; see %s/hub/token",
				  l->place.server)
			: NULL;

	if (rc == -EINTR)
		return g_strconcat("interrupted", hint, NULL);
	return g_strdup_printf("cannot look into the keyring: %s; what login "
			       "--file has kept goes with its file%s",
		why != NULL ? why : g_strerror(-rc), hint == NULL ? "" : hint);
}

static int logout(struct login *l)
{
	const struct keyring_key key = key_of(l);
	g_autofree char *why = NULL;
	int rc = keyring_forget(&key, &l->cancel, &l->gone, &why);
	guint count = l->gone == NULL ? 0 : l->gone->len;

	if (rc < 0)
		l->why = explain_logout(l, rc, why);
	else if (count == 0)
		(void)printf(
			"the keyring has nothing for %s\n", l->place.server);
	else
		(void)printf("the keyring has forgotten %s\n", l->place.server);
	for (guint i = 0; l->place.is_hub && i < count; i++)
		revoke_token(l, l->gone->pdata[i], "token");
	if (rc == 0 && l->place.file != NULL)
		(void)printf("%s is left as it is\n", l->place.file);
	return rc;
}

/* --- the program ---------------------------------------------------------- */

/* Whoever is in between could read what is typed, and what logout has a hub
 * revoke. */
static void warn_of_insecure(const struct login *l)
{
	if (l->place.is_insecure && (!l->options.is_logout || l->place.is_hub))
		(void)fprintf(stderr,
			"pycloud: the certificate of %s is not verified: "
			"whoever is in between can read your token or "
			"password\n",
			l->place.server);
}

static int run(struct login *l)
{
	int rc;

	if (!login_place_find(&l->options, &l->place, &l->why))
		return client_error(CLIENT_USAGE, "%s", l->why);
	warn_of_insecure(l);
	install_signals(&l->cancel);
	rc = l->options.is_logout ? logout(l) : login(l);
	if (rc == 0)
		return 0;
	return client_error(
		rc == -EINTR ? CLIENT_SIGNALED + SIGINT : CLIENT_REFUSED, "%s",
		l->why != NULL ? l->why : g_strerror(-rc));
}

int main(int argc, char **argv)
{
	struct login l = { 0 };
	int status;

	harden_memory();
	secret_hide_environment();
	(void)setlocale(LC_ALL, "");
	if (argc < 2 || !login_options_has(argv[1]))
		return client_error(CLIENT_USAGE,
			"this program is pycloud's; see pycloud --help");
	cancel_init(&l.cancel, 0);
	if (!login_options_parse(argc, argv, &l.options, &l.why))
		status = client_error(
			CLIENT_USAGE, "%s; see pycloud --help", l.why);
	else if (l.options.wants_help)
		status = command_print_help(argv[1]);
	else
		status = run(&l);
	client_cancel_set(NULL);
	secret_unref(l.typed);
	secret_unref(l.accepted);
	login_place_clear(&l.place);
	login_options_clear(&l.options);
	cancel_fini(&l.cancel);
	g_free(l.token_id);
	g_clear_pointer(&l.gone, g_ptr_array_unref);
	g_free(l.why);
	return status;
}
