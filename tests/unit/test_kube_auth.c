/* Logins over time: kept, renewed, refused; and among threads. */
#include "config.h"

#include "kube_auth.h"

#include "kube_files.h"

#include <errno.h>
#include <pthread.h>

#define THREADS 8

/* Each run adds a byte to the file `runs`; $n is how many there were. */
#define COUNT "cd ${0%/*}; printf . >> runs; n=$(wc -c < runs)\n"
#define GIVE(status)                                           \
	"printf '{\"kind\":\"ExecCredential\",\"apiVersion\":" \
	"\"client.authentication.k8s.io/v1\",\"status\":{%s}}' " status "\n"
#define TOKEN(word) "\"\\\"token\\\":\\\"" word "\\\"\""

static int setup(void **state)
{
	g_autofree char *runs = kube_path("runs");

	(void)state;
	(void)unlink(runs);
	return 0;
}

static size_t runs(void)
{
	g_autofree char *path = kube_path("runs");
	g_autofree char *text = NULL;
	gsize length = 0;

	(void)g_file_get_contents(path, &text, &length, NULL);
	return length;
}

static struct kube_auth *auth_of(const char *script, const char *mode)
{
	g_autofree char *user = g_strdup_printf(
		"    exec:\n"
		"      apiVersion: client.authentication.k8s.io/v1\n"
		"      command: ./plugin\n"
		"      interactiveMode: %s\n",
		mode);
	struct kube_place *place;
	struct kube_auth *auth;

	kube_write_program("plugin", script);
	place = kube_place_of(KUBE_SERVER, user);
	auth = kube_auth_ref(place->auth);
	kube_place_free(place);
	return auth;
}

static struct kube_login *get(struct kube_auth *auth)
{
	struct kube_login *login = NULL;
	char *why = NULL;

	if (kube_auth_get(auth, NULL, &login, &why) != 0)
		fail_msg("%s", why);
	return login;
}

static void get_refused(struct kube_auth *auth, int rc, const char *words)
{
	struct kube_login *login = NULL;
	g_autofree char *why = NULL;

	assert_int_equal(kube_auth_get(auth, NULL, &login, &why), rc);
	assert_null(login);
	if (strstr(why, words) == NULL)
		fail_msg("it said: %s", why);
}

static struct kube_login *renew(
	struct kube_auth *auth, const struct kube_login *refused)
{
	struct kube_login *login = NULL;
	char *why = NULL;

	if (kube_auth_renew(auth, refused, NULL, &login, &why) != 0)
		fail_msg("%s", why);
	return login;
}

static void renew_refused(struct kube_auth *auth,
	const struct kube_login *refused, int rc, const char *words)
{
	struct kube_login *login = NULL;
	g_autofree char *why = NULL;

	assert_int_equal(
		kube_auth_renew(auth, refused, NULL, &login, &why), rc);
	assert_null(login);
	if (strstr(why, words) == NULL)
		fail_msg("it said: %s", why);
}

static void a_login_is_kept(void **state)
{
	struct kube_auth *auth = auth_of(COUNT GIVE(TOKEN("T$n")), "Never");
	struct kube_login *first = get(auth);
	struct kube_login *second = get(auth);

	(void)state;
	assert_string_equal(secret_peek(first->bearer), "T1");
	assert_ptr_equal(first, second);
	assert_int_equal(runs(), 1);
	kube_login_unref(first);
	kube_login_unref(second);
	kube_auth_unref(auth);
}

static void one_that_expires_is_renewed_before(void **state)
{
	static const char *const script = COUNT
		"at=$(date -u -d '+4 seconds' +%Y-%m-%dT%H:%M:%S.%NZ)\n" GIVE(
			"\"\\\"token\\\":\\\"T$n\\\","
			"\\\"expirationTimestamp\\\":\\\"$at\\\"\"");
	struct kube_auth *auth = auth_of(script, "Never");
	struct kube_login *first = get(auth);
	struct kube_login *next = get(auth);

	(void)state;
	while (kube_login_equal(first, next)) {
		assert_true(g_get_real_time() / 1000 < first->expires_ms);
		kube_login_unref(next);
		g_thread_yield();
		next = get(auth);
	}
	assert_string_equal(secret_peek(next->bearer), "T2");
	assert_true(next->expires_ms > first->expires_ms);
	assert_int_equal(runs(), 2);
	kube_login_unref(first);
	kube_login_unref(next);
	kube_auth_unref(auth);
}

static void a_refused_login_is_renewed_once(void **state)
{
	struct kube_auth *auth = auth_of(COUNT GIVE(TOKEN("T$n")), "Never");
	struct kube_login *first = get(auth);
	struct kube_login *second = renew(auth, first);
	struct kube_login *again = renew(auth, first);

	(void)state;
	assert_string_equal(secret_peek(second->bearer), "T2");
	assert_ptr_equal(second, again);
	/* A server that refuses everything has us run it no more for now. */
	renew_refused(auth, second, -EKEYREJECTED, "log in again.");
	assert_int_equal(runs(), 2);
	kube_login_unref(first);
	kube_login_unref(second);
	kube_login_unref(again);
	kube_auth_unref(auth);
}

static void the_same_again_is_nothing_new(void **state)
{
	struct kube_auth *auth = auth_of(COUNT
		"echo 'run: lab login' >&2\n" GIVE(TOKEN("SECRET")),
		"Never");
	struct kube_login *login = get(auth);
	struct kube_login *same;

	(void)state;
	renew_refused(auth, login, -EKEYREJECTED,
		"/plugin` gives; log in again: run: lab login");
	assert_int_equal(runs(), 2);
	/* And not at once again. */
	renew_refused(auth, login, -EKEYREJECTED, "log in again");
	assert_int_equal(runs(), 2);
	same = get(auth);
	assert_int_equal(runs(), 2);
	kube_login_unref(same);
	kube_login_unref(login);
	kube_auth_unref(auth);
}

static void a_failure_says_why_and_is_believed(void **state)
{
	struct kube_auth *auth = auth_of(COUNT
		"echo 'noise' >&2; echo 'no ticket' >&2; exit 7\n",
		"Never");

	(void)state;
	get_refused(
		auth, -EACCES, "/plugin` ended with exit status 7: no ticket");
	get_refused(auth, -EACCES, "no ticket");
	assert_int_equal(runs(), 1);
	kube_auth_unref(auth);
	auth = auth_of("kill -9 $$\n", "Never");
	get_refused(auth, -EACCES, "was ended by signal 9.");
	kube_auth_unref(auth);
	auth = auth_of("echo SECRET\n", "Never");
	get_refused(auth, -EINVAL, "/plugin` printed something that is not");
	kube_auth_unref(auth);
	auth = auth_of("yes\n", "Never");
	get_refused(auth, -EFBIG, "printed far more than a credential");
	kube_auth_unref(auth);
}

static void a_failed_renewal_changes_nothing(void **state)
{
	struct kube_auth *auth = auth_of(
		COUNT "[ $n = 1 ] || exit 1\n" GIVE(TOKEN("T$n")), "Never");
	struct kube_login *first = get(auth);
	struct kube_login *second;

	(void)state;
	renew_refused(auth, first, -EACCES, "ended with exit status 1.");
	second = get(auth);
	assert_ptr_equal(first, second);
	kube_login_unref(first);
	kube_login_unref(second);
	kube_auth_unref(auth);
}

static void a_file_is_read_again_after_a_refusal(void **state)
{
	struct kube_place *place;
	struct kube_login *first;
	struct kube_login *second;
	struct kube_login *third;

	(void)state;
	kube_write("token", "one");
	place = kube_place_of(KUBE_SERVER, "    tokenFile: token\n");
	first = get(place->auth);
	kube_write("token", "two");
	second = get(place->auth);
	assert_ptr_equal(first, second);
	third = renew(place->auth, first);
	assert_string_equal(secret_peek(third->bearer), "two");
	renew_refused(place->auth, third, -EKEYREJECTED, "/token, the cred");
	kube_login_unref(first);
	kube_login_unref(second);
	kube_login_unref(third);
	kube_place_free(place);
}

static void a_certificate_in_files_is_read_again_too(void **state)
{
	static const char *const user = "    client-certificate: cert.pem\n"
					"    client-key: key.pem\n";
	struct kube_place *place;
	struct kube_login *first;
	struct kube_login *second;

	(void)state;
	kube_write("cert.pem", CERT_PEM);
	kube_write("key.pem", KEY_PEM);
	place = kube_place_of(KUBE_SERVER, user);
	first = get(place->auth);
	renew_refused(place->auth, first, -EKEYREJECTED, "/cert.pem, the");
	kube_place_free(place);
	/* What was refused is believed for a while; another one looks. */
	place = kube_place_of(KUBE_SERVER, user);
	kube_login_unref(get(place->auth));
	kube_write("cert.pem", "# next\n" CERT_PEM);
	second = renew(place->auth, first);
	assert_false(kube_login_equal(first, second));
	kube_login_unref(first);
	kube_login_unref(second);
	kube_place_free(place);
}

static void fixed_words_have_no_successor(void **state)
{
	struct kube_place *place =
		kube_place_of(KUBE_SERVER, "    token: SECRET\n");
	struct kube_login *login = get(place->auth);
	struct kube_login *same;

	(void)state;
	renew_refused(place->auth, login, -EKEYREJECTED,
		"refuses the credentials of user `ann` in ");
	same = get(place->auth);
	assert_ptr_equal(login, same);
	kube_login_unref(login);
	kube_login_unref(same);
	kube_place_free(place);
}

static void somebody_who_logs_in_again_goes_on(void **state)
{
	struct kube_place *place =
		kube_place_of(KUBE_SERVER, "    token: one\n");
	g_autofree char *text = kube_config(KUBE_SERVER, "    token: two\n");
	struct kube_login *first = get(place->auth);
	struct kube_login *second;

	(void)state;
	kube_write("config", text);
	second = renew(place->auth, first);
	assert_string_equal(secret_peek(second->bearer), "two");
	renew_refused(place->auth, second, -EKEYREJECTED, "log in again.");
	kube_login_unref(first);
	kube_login_unref(second);
	kube_place_free(place);
}

static void no_server_gets_the_credentials_of_another(void **state)
{
	struct kube_place *place =
		kube_place_of(KUBE_SERVER, "    token: one\n");
	g_autofree char *text =
		kube_config("    server: https://other\n", "    token: two\n");
	struct kube_login *login = get(place->auth);

	(void)state;
	kube_write("config", text);
	renew_refused(
		place->auth, login, -EKEYREJECTED, "means another server now");
	kube_login_unref(login);
	kube_place_free(place);
}

static void a_file_that_is_being_written_is_no_login(void **state)
{
	struct kube_place *place =
		kube_place_of(KUBE_SERVER, "    token: one\n");
	struct kube_login *login = get(place->auth);
	struct kube_login *same;

	(void)state;
	kube_write("config", "users: [");
	renew_refused(place->auth, login, -EINVAL, "this is no YAML");
	same = get(place->auth);
	assert_ptr_equal(login, same);
	kube_login_unref(same);
	kube_login_unref(login);
	kube_place_free(place);
}

/* --- among threads ------------------------------------------------------- */

struct asker {
	pthread_t thread;
	struct kube_auth *auth;
	struct cancel *cancel;
	struct kube_login *login;
	char *why;
	int rc;
};

static void *ask(void *arg)
{
	struct asker *a = arg;

	a->rc = kube_auth_get(a->auth, a->cancel, &a->login, &a->why);
	return NULL;
}

static void threads_share_one_renewal(void **state)
{
	struct kube_auth *auth = auth_of(COUNT GIVE(TOKEN("T$n")), "Never");
	struct asker askers[THREADS] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < THREADS; i++) {
		askers[i].auth = auth;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask,
					 &askers[i]),
			0);
	}
	for (i = 0; i < THREADS; i++) {
		(void)pthread_join(askers[i].thread, NULL);
		assert_int_equal(askers[i].rc, 0);
		assert_ptr_equal(askers[i].login, askers[0].login);
	}
	for (i = 0; i < THREADS; i++)
		kube_login_unref(askers[i].login);
	assert_int_equal(runs(), 1);
	kube_auth_unref(auth);
}

static void one_that_gives_up_does_not_take_the_others_along(void **state)
{
	/* The first run never ends. */
	struct kube_auth *auth = auth_of(COUNT
		"while [ $n = 1 ]; do :; done\n" GIVE(TOKEN("T$n")),
		"Never");
	struct asker impatient = { .auth = auth };
	struct asker patient = { .auth = auth };
	struct cancel cancel;

	(void)state;
	cancel_init(&cancel, 0);
	impatient.cancel = &cancel;
	assert_int_equal(
		pthread_create(&impatient.thread, NULL, ask, &impatient), 0);
	while (runs() == 0)
		g_thread_yield();
	assert_int_equal(
		pthread_create(&patient.thread, NULL, ask, &patient), 0);
	cancel_fire(&cancel);
	(void)pthread_join(impatient.thread, NULL);
	(void)pthread_join(patient.thread, NULL);
	assert_int_equal(impatient.rc, -EINTR);
	assert_int_equal(patient.rc, 0);
	assert_string_equal(secret_peek(patient.login->bearer), "T2");
	kube_login_unref(patient.login);
	g_free(impatient.why);
	kube_auth_unref(auth);
	cancel_fini(&cancel);
}

static void a_deadline_is_kept_and_said(void **state)
{
	struct kube_auth *auth =
		auth_of(COUNT "while :; do :; done\n", "Never");
	struct kube_login *login = NULL;
	g_autofree char *why = NULL;
	struct cancel cancel;

	(void)state;
	cancel_init(&cancel, 300);
	assert_int_equal(
		kube_auth_get(auth, &cancel, &login, &why), -ETIMEDOUT);
	assert_non_null(strstr(why, "took too long"));
	cancel_fini(&cancel);
	kube_auth_unref(auth);
}

/* --- with a person ------------------------------------------------------- */

/* Makes a terminal our standard input; the other side of it. */
static int open_terminal(int *ret_saved)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	int slave;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	*ret_saved = dup(STDIN_FILENO);
	assert_int_equal(dup2(slave, STDIN_FILENO), STDIN_FILENO);
	(void)close(slave);
	return master;
}

static void close_terminal(int master, int saved)
{
	assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
	(void)close(saved);
	(void)close(master);
}

static void a_person_at_a_terminal_is_asked(void **state)
{
	static const char *const script =
		"read answer; case $KUBERNETES_EXEC_INFO in "
		"*'\"interactive\":true'*) ;; *) answer=none ;; esac\n" GIVE(
			TOKEN("$answer"));
	struct kube_auth *auth = auth_of(script, "Always");
	struct kube_auth *never = auth_of(script, "Never");
	struct kube_login *login;
	int saved;
	int master = open_terminal(&saved);

	(void)state;
	assert_int_equal(write(master, "typed\n", 6), 6);
	login = get(auth);
	assert_string_equal(secret_peek(login->bearer), "typed");
	kube_login_unref(login);
	login = get(never);
	assert_string_equal(secret_peek(login->bearer), "none");
	kube_login_unref(login);
	close_terminal(master, saved);
	kube_auth_unref(auth);
	kube_auth_unref(never);
}

static void without_a_terminal_nobody_can_be_asked(void **state)
{
	struct kube_auth *auth = auth_of(COUNT, "Always");

	(void)state;
	get_refused(auth, -EACCES, "there is no terminal; mount again");
	assert_int_equal(runs(), 0);
	kube_auth_unref(auth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_login_is_kept, setup),
		cmocka_unit_test_setup(
			one_that_expires_is_renewed_before, setup),
		cmocka_unit_test_setup(a_refused_login_is_renewed_once, setup),
		cmocka_unit_test_setup(the_same_again_is_nothing_new, setup),
		cmocka_unit_test_setup(
			a_failure_says_why_and_is_believed, setup),
		cmocka_unit_test_setup(a_failed_renewal_changes_nothing, setup),
		cmocka_unit_test(a_file_is_read_again_after_a_refusal),
		cmocka_unit_test(a_certificate_in_files_is_read_again_too),
		cmocka_unit_test(fixed_words_have_no_successor),
		cmocka_unit_test(somebody_who_logs_in_again_goes_on),
		cmocka_unit_test(no_server_gets_the_credentials_of_another),
		cmocka_unit_test(a_file_that_is_being_written_is_no_login),
		cmocka_unit_test_setup(threads_share_one_renewal, setup),
		cmocka_unit_test_setup(
			one_that_gives_up_does_not_take_the_others_along,
			setup),
		cmocka_unit_test_setup(a_deadline_is_kept_and_said, setup),
		cmocka_unit_test(a_person_at_a_terminal_is_asked),
		cmocka_unit_test_setup(
			without_a_terminal_nobody_can_be_asked, setup),
	};

	kube_home_make();
	return kube_home_remove(
		cmocka_run_group_tests_name("kube_auth", tests, NULL, NULL));
}
