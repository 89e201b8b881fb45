/* doctor_text.c - see doctor_text.h. */
#include "config.h"

#include "doctor_text.h"

#include "json.h"

#include <string.h>

#define BLOT "****"

void doctor_finding_free(gpointer finding)
{
	struct doctor_finding *f = finding;

	g_free(f->what);
	g_free(f->found);
	g_free(f->advice);
	g_free(f);
}

void doctor_alias_free(gpointer alias)
{
	struct doctor_alias *a = alias;

	g_free(a->name);
	g_free(a->shown);
	g_free(a);
}

const char *doctor_state_name(enum doctor_state state)
{
	static const char *const names[DOCTOR_STATES] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_SKIPPED] = "skip",
		[DOCTOR_WARN] = "warn",
		[DOCTOR_FAILED] = "FAILED",
	};

	return names[state];
}

enum doctor_state doctor_text_worst(const GPtrArray *findings)
{
	enum doctor_state worst = DOCTOR_OK;

	for (guint i = 0; i < findings->len; i++) {
		const struct doctor_finding *f = findings->pdata[i];

		worst = MAX(worst, f->state);
	}
	return worst;
}

/* --- for people ----------------------------------------------------------- */

/* What a server says must not play with the terminal, or begin a line. */
static void append_printable(GString *out, const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);

	for (char *c = valid; *c != '\0'; c = g_utf8_next_char(c)) {
		gunichar letter = g_utf8_get_char(c);

		if (g_unichar_iscntrl(letter))
			g_string_append_c(out, '?');
		else
			g_string_append_unichar(out, letter);
	}
}

void doctor_text_append_line(GString *out, const struct doctor_finding *f)
{
	g_string_append_printf(out, "%-6s  ", doctor_state_name(f->state));
	append_printable(out, f->what);
	g_string_append(out, ": ");
	append_printable(out, f->found);
	if (f->advice != NULL) {
		g_string_append(out, " -- ");
		append_printable(out, f->advice);
	}
	g_string_append_c(out, '\n');
}

void doctor_text_append_sum(GString *out, const GPtrArray *findings)
{
	unsigned counts[DOCTOR_STATES] = { 0 };

	for (guint i = 0; i < findings->len; i++) {
		const struct doctor_finding *f = findings->pdata[i];

		counts[f->state]++;
	}
	g_string_append_printf(out, "%u checks: %u failed, %u warning%s\n",
		findings->len - counts[DOCTOR_SKIPPED], counts[DOCTOR_FAILED],
		counts[DOCTOR_WARN], counts[DOCTOR_WARN] == 1 ? "" : "s");
}

/* --- for programs --------------------------------------------------------- */

static void add_text(cJSON *object, const char *key, const char *text)
{
	g_autofree char *valid =
		text == NULL ? NULL : g_utf8_make_valid(text, -1);

	if (valid == NULL)
		(void)cJSON_AddNullToObject(object, key);
	else
		(void)cJSON_AddStringToObject(object, key, valid);
}

/* "failed": for programs there are no capitals. */
static void add_state(cJSON *object, const char *key, enum doctor_state state)
{
	g_autofree char *name = g_ascii_strdown(doctor_state_name(state), -1);

	add_text(object, key, name);
}

char *doctor_text_json(
	const char *version, const char *target, const GPtrArray *findings)
{
	g_autoptr(cJSON) object = cJSON_CreateObject();
	cJSON *checks;

	add_text(object, "version", version);
	add_text(object, "target", target);
	add_state(object, "result", doctor_text_worst(findings));
	checks = cJSON_AddArrayToObject(object, "checks");
	for (guint i = 0; i < findings->len; i++) {
		const struct doctor_finding *f = findings->pdata[i];
		cJSON *check = cJSON_CreateObject();

		add_text(check, "check", f->what);
		add_state(check, "state", f->state);
		add_text(check, "found", f->found);
		add_text(check, "advice", f->advice);
		(void)cJSON_AddItemToArray(checks, check);
	}
	return json_print(object);
}

/* --- what is not shown ---------------------------------------------------- */

struct rule {
	const char *pattern; /* PCRE */
	const char *instead;
	gboolean is_strict;
};

static const struct rule secret_rules[] = {
	/* token=..., password = ... in a query, an option or a file */
	{ "(?i)((?:token|password|passwd|secret|_xsrf|signature|code|key)"
	  "[ \\t]*=[ \\t]*)[^\\s&\"',;]+",
		"\\1" BLOT, FALSE },
	/* headers */
	{ "(?im)\\b((?:proxy-)?authorization|(?:set-)?cookie):.*$",
		"\\1: " BLOT, FALSE },
	{ "(?i)\\b(bearer|basic|token)\\s+(?=\\S*[0-9])[a-z0-9+/=._~-]{16,}",
		"\\1 " BLOT, FALSE },
	/* https://user:password@host */
	{ "(://)[^/\\s@]+@", "\\1" BLOT "@", FALSE },
	/* a program's arguments may be the token itself ("echo TOKEN"), and
	 * its complaint may repeat them */
	{ "(?im)(token_command[ \\t]*=[ \\t\"']*)"
	  "([^\\s\"'\\\\,;|&<>$`()]*+).+$",
		"\\1\\2 " BLOT, TRUE },
	{ "(?m)(token_command (?:failed with exit status|was ended by signal) "
	  "[0-9]+: ).+$",
		"\\1" BLOT, TRUE },
	/* whatever is long and has both letters and digits */
	{ "(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Za-z])"
	  "[A-Za-z0-9_-]{24,}",
		BLOT, TRUE },
};

/* Takes the text over. */
static char *replace(char *text, const char *pattern, const char *instead)
{
	g_autoptr(GRegex) regex =
		g_regex_new(pattern, G_REGEX_OPTIMIZE, 0, NULL);
	char *done = regex == NULL ? NULL
				   : g_regex_replace(regex, text, -1, 0,
					     instead, 0, NULL);

	/* A text that cannot be looked through is not shown at all. */
	g_free(text);
	return done != NULL ? done : g_strdup(BLOT);
}

char *doctor_text_blot(const char *text, gboolean is_strict)
{
	char *out = g_utf8_make_valid(text, -1);

	for (size_t i = 0; i < G_N_ELEMENTS(secret_rules); i++)
		if (is_strict || !secret_rules[i].is_strict)
			out = replace(out, secret_rules[i].pattern,
				secret_rules[i].instead);
	return out;
}

/* Where it stands as a word. */
static char *replace_word(char *text, const char *word, const char *instead)
{
	g_autofree char *quoted =
		word == NULL ? NULL : g_regex_escape_string(word, -1);
	g_autofree char *pattern = NULL;

	if (quoted == NULL || *quoted == '\0')
		return text;
	pattern = g_strdup_printf(
		"(?<![A-Za-z0-9_.-])%s(?![A-Za-z0-9_-])", quoted);
	return replace(text, pattern, instead);
}

char *doctor_text_anonymous(const char *text, const struct doctor_privacy *p)
{
	char *out = doctor_text_blot(text, TRUE);

	out = replace_word(out, p->home, "~");
	for (guint i = 0; p->aliases != NULL && i < p->aliases->len; i++) {
		const struct doctor_alias *a = p->aliases->pdata[i];

		out = replace_word(out, a->name, a->shown);
	}
	/* This computer's own address says nothing about anybody. */
	out = replace(out,
		"(://(?:\\*{4}@)?)(?!localhost\\b|127\\.|\\[::1\\]|SERVER\\b)"
		"(?:\\[[^\\]\\s]*\\]|[^/:\\s\"'@*]+)",
		"\\1SERVER");
	out = replace(out, "(/(?:home|user)/)[^/\\s\"':?#,]+", "\\1USER");
	out = replace_word(out, p->user, "USER");
	return replace_word(out, p->host, "HOST");
}
