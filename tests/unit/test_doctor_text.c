/* What pycloud doctor shows, and what it never shows. */
#include "config.h"

#include "doctor_text.h"
#include "test.h"

#include <string.h>

#define TOKEN "0123456789abcdef0123456789abcdef"

static void assert_line(enum doctor_state state, const char *found,
	const char *advice, const char *expected)
{
	struct doctor_finding f = { state, (char[]){ "fuse" }, NULL, NULL };
	GString *line = g_string_new(NULL);

	f.found = g_strdup(found);
	f.advice = g_strdup(advice);
	doctor_text_append_line(line, &f);
	assert_string_equal(line->str, expected);
	g_string_free(line, TRUE);
	g_free(f.found);
	g_free(f.advice);
}

static void a_finding_is_one_line(void **state)
{
	(void)state;
	assert_line(DOCTOR_OK, "there", NULL, "ok      fuse: there\n");
	assert_line(DOCTOR_SKIPPED, "no", NULL, "skip    fuse: no\n");
	assert_line(DOCTOR_WARN, "a", "b", "warn    fuse: a -- b\n");
	assert_line(DOCTOR_FAILED, "a", "b", "FAILED  fuse: a -- b\n");
}

static void what_a_server_says_plays_with_no_terminal(void **state)
{
	(void)state;
	assert_line(DOCTOR_FAILED, "a\nok      all: \x1b[2J\x7f",
		"\xc2\x9b\xff!",
		"FAILED  fuse: a?ok      all: ?[2J? -- ?\xef\xbf\xbd!\n");
}

static GPtrArray *make_findings(const enum doctor_state *states, size_t count)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(doctor_finding_free);

	for (size_t i = 0; i < count; i++) {
		struct doctor_finding *f = g_new0(struct doctor_finding, 1);

		f->state = states[i];
		f->what = g_strdup("name");
		f->found = g_strdup("\"quoted\"");
		g_ptr_array_add(all, f);
	}
	return all;
}

static void the_worst_counts(void **state)
{
	static const enum doctor_state states[] = { DOCTOR_OK, DOCTOR_SKIPPED,
		DOCTOR_WARN, DOCTOR_FAILED, DOCTOR_OK };
	GPtrArray *all = make_findings(states, 0);

	(void)state;
	assert_int_equal(doctor_text_worst(all), DOCTOR_OK);
	g_ptr_array_unref(all);
	all = make_findings(states, 3);
	assert_int_equal(doctor_text_worst(all), DOCTOR_WARN);
	g_ptr_array_unref(all);
	all = make_findings(states, G_N_ELEMENTS(states));
	assert_int_equal(doctor_text_worst(all), DOCTOR_FAILED);
	g_ptr_array_unref(all);
}

static void the_sum_counts_what_was_tried(void **state)
{
	static const enum doctor_state states[] = { DOCTOR_OK, DOCTOR_SKIPPED,
		DOCTOR_WARN, DOCTOR_FAILED };
	GPtrArray *all = make_findings(states, G_N_ELEMENTS(states));
	GString *sum = g_string_new(NULL);

	(void)state;
	doctor_text_append_sum(sum, all);
	assert_string_equal(sum->str, "3 checks: 1 failed, 1 warning\n");
	g_string_free(sum, TRUE);
	g_ptr_array_unref(all);
}

static void programs_get_an_object(void **state)
{
	static const enum doctor_state states[] = { DOCTOR_FAILED };
	GPtrArray *all = make_findings(states, 1);
	g_autofree char *text = doctor_text_json("1.2", "lab", all);

	(void)state;
	assert_string_equal(text,
		"{\"version\":\"1.2\",\"target\":\"lab\",\"result\":\"failed\","
		"\"checks\":[{\"check\":\"name\",\"state\":\"failed\","
		"\"found\":\"\\\"quoted\\\"\",\"advice\":null}]}");
	g_ptr_array_unref(all);
}

/* --- secrets -------------------------------------------------------------- */

static void assert_blotted(const char *text, const char *expected)
{
	g_autofree char *blotted = doctor_text_blot(text, FALSE);

	assert_string_equal(blotted, expected);
}

static void secrets_are_known_by_what_stands_before_them(void **state)
{
	(void)state;
	assert_blotted("http://h/?token=abc&x=1", "http://h/?token=****&x=1");
	assert_blotted("token = abc\npassword\t=\tabc\nkey =\nabc",
		"token = ****\npassword\t=\t****\nkey =\nabc");
	assert_blotted("url=https://h,PASSWORD=ab,ro",
		"url=https://h,PASSWORD=****,ro");
	assert_blotted(
		"a\nAuthorization: token abc\nb", "a\nAuthorization: ****\nb");
	assert_blotted("Bearer abcdefghijklmnop1 x", "Bearer **** x");
	assert_blotted("https://ann:pw@h/x", "https://****@h/x");
}

static void sentences_stay_as_they_are(void **state)
{
	static const char *const sentences[] = {
		"token: accepted",
		"the server refuses the token; set PYCLOUD_TOKEN",
		"a basic workspace; the token understands everything",
		"http://127.0.0.1:8888/user/ann",
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(sentences); i++)
		assert_blotted(sentences[i], sentences[i]);
}

static void the_report_shows_nothing_that_could_be_a_token(void **state)
{
	g_autofree char *blotted =
		doctor_text_blot("said " TOKEN ", and /a-word-of-letters-only/"
				 " eyJhbGciOiJSUzI1NiIsImtpZCI6.x",
			TRUE);

	(void)state;
	assert_string_equal(
		blotted, "said ****, and /a-word-of-letters-only/ ****.x");
}

static void of_a_token_command_the_report_has_the_program(void **state)
{
	static const char *const rows[][2] = {
		{ "token_command=echo abc\nro", "token_command=echo ****\nro" },
		{ "-o token_command=\"pass show\",x",
			"-o token_command=\"pass ****" },
		{ "token_command = '/bin/my pass' abc",
			"token_command = '/bin/my ****" },
		{ "token_command=sh -c 'echo a,b'", "token_command=sh ****" },
		{ "token_command=printf\\,abc", "token_command=printf ****" },
		{ "token_command=pass\nx", "token_command=pass\nx" },
		{ "token: token_command failed with exit status 127: abc: not "
		  "found",
			"token: token_command failed with exit status 127: "
			"****" },
		{ "token_command failed with exit status 1",
			"token_command failed with exit status 1" },
		{ "token_command was ended by signal 9: abc",
			"token_command was ended by signal 9: ****" },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *blotted = doctor_text_blot(rows[i][0], TRUE);

		assert_string_equal(blotted, rows[i][1]);
	}
	/* On one's own screen it is what one has written. */
	assert_blotted(rows[0][0], rows[0][0]);
}

static void the_report_names_nobody(void **state)
{
	struct doctor_alias hub = { (char[]){ "hub.example.org" },
		(char[]){ "SERVER" } };
	g_autoptr(GPtrArray) aliases = g_ptr_array_new();
	const struct doctor_privacy privacy = {
		.home = "/home/ann",
		.user = "ann",
		.host = "laptop",
		.aliases = aliases,
	};
	g_autofree char *text = NULL;

	(void)state;
	g_ptr_array_add(aliases, &hub);
	text = doctor_text_anonymous(
		"/home/ann/ws on laptop: https://hub.example.org/user/ann, "
		"hub.example.org is down, ann planned, /home/bob/x, "
		"https://other.example:8/user/carl/x, http://127.0.0.1:8888/ "
		"https://u:p@third.example/ http://[::1]:1/",
		&privacy);
	assert_string_equal(text,
		"~/ws on HOST: https://SERVER/user/USER, SERVER is down, USER "
		"planned, /home/USER/x, https://SERVER:8/user/USER/x, "
		"http://127.0.0.1:8888/ https://****@SERVER/ "
		"http://[::1]:1/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_finding_is_one_line),
		cmocka_unit_test(what_a_server_says_plays_with_no_terminal),
		cmocka_unit_test(the_worst_counts),
		cmocka_unit_test(the_sum_counts_what_was_tried),
		cmocka_unit_test(programs_get_an_object),
		cmocka_unit_test(secrets_are_known_by_what_stands_before_them),
		cmocka_unit_test(sentences_stay_as_they_are),
		cmocka_unit_test(
			the_report_shows_nothing_that_could_be_a_token),
		cmocka_unit_test(of_a_token_command_the_report_has_the_program),
		cmocka_unit_test(the_report_names_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
