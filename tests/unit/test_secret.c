/* Secrets: what may be one, where it is looked for, how long that may take. */
#include "config.h"

#include "cancel.h"
#include "secret.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void a_secret_is_a_copy(void **state)
{
	char bytes[] = "t0ken";
	struct secret *s = secret_new(bytes, 5);

	(void)state;
	secret_wipe(bytes, sizeof(bytes));
	assert_int_equal(bytes[0], 0);
	assert_string_equal(secret_peek(s), "t0ken");
	assert_ptr_equal(secret_ref(s), s);
	secret_unref(s);
	secret_unref(s);
	secret_unref(NULL);
}

static void what_could_break_out_of_a_header_is_no_secret(void **state)
{
	static const char *const bad[] = { "", "a\nb", "a\rb", "a b", "\t",
		"\x7f" };
	char long_one[SECRET_BYTES_MAX + 1];
	struct secret *s;
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_null(secret_new(bad[i], strlen(bad[i])));
	assert_null(secret_new("a\0b", 3));
	memset(long_one, 'x', sizeof(long_one));
	assert_null(secret_new(long_one, sizeof(long_one)));
	s = secret_new(long_one, SECRET_BYTES_MAX);
	assert_non_null(s);
	secret_unref(s);
}

static void equal_means_the_same_bytes(void **state)
{
	struct secret *a = secret_new("abc", 3);
	struct secret *b = secret_new("abc", 3);
	struct secret *c = secret_new("abd", 3);
	struct secret *d = secret_new("abcd", 4);

	(void)state;
	assert_true(secret_equal(a, b));
	assert_false(secret_equal(a, c));
	assert_false(secret_equal(a, d));
	assert_false(secret_equal(a, NULL));
	assert_true(secret_equal(NULL, NULL));
	secret_unref(a);
	secret_unref(b);
	secret_unref(c);
	secret_unref(d);
}

static void random_secrets_differ(void **state)
{
	struct secret *a = secret_random();
	struct secret *b = secret_random();

	(void)state;
	assert_int_equal(strlen(secret_peek(a)), 48);
	assert_int_equal(strspn(secret_peek(a), "0123456789abcdef"), 48);
	assert_false(secret_equal(a, b));
	secret_unref(a);
	secret_unref(b);
}

static void without_a_bus_there_is_no_keyring(void **state)
{
	struct secret *s = NULL;

	(void)state;
	(void)unsetenv("DBUS_SESSION_BUS_ADDRESS");
	(void)setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
	assert_int_equal(secret_find("http://host", &s), -ENOENT);
	(void)unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(secret_find("http://host", &s), -ENOENT);
	assert_null(s);
}

/* A bus that takes the call and says nothing. */
static void a_keyring_that_hangs_is_left_behind(void **state)
{
	char folder[] = "/tmp/pycloud-test-XXXXXX";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int64_t begin = clock_now_ms();
	struct secret *s = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)g_snprintf(
		address.sun_path, sizeof(address.sun_path), "%s/bus", folder);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	(void)setenv("XDG_RUNTIME_DIR", folder, 1);
	assert_int_equal(secret_find("http://host", &s), -ENOENT);
	assert_null(s);
	assert_in_range(
		clock_now_ms() - begin, 0, 2 * (int64_t)SECRET_TIMEOUT_MS);
	(void)unsetenv("XDG_RUNTIME_DIR");
	(void)close(fd);
	(void)unlink(address.sun_path);
	(void)rmdir(folder);
}

static void the_environments_token_is_taken_and_kept(void **state)
{
	struct secret *s = NULL;

	(void)state;
	(void)setenv("PYCLOUD_TOKEN", "fr0m-env", 1);
	assert_int_equal(secret_find("http://host", &s), 0);
	assert_string_equal(secret_peek(s), "fr0m-env");
	secret_unref(s);
	assert_null(getenv("PYCLOUD_TOKEN"));
	assert_int_equal(secret_find("http://other", &s), 0);
	assert_string_equal(secret_peek(s), "fr0m-env");
	secret_unref(s);
}

static void an_impossible_token_is_not_passed_over(void **state)
{
	struct secret *s = NULL;

	(void)state;
	(void)setenv("PYCLOUD_TOKEN", "two words", 1);
	assert_int_equal(secret_find("http://host", &s), -EINVAL);
	assert_null(s);
	assert_null(getenv("PYCLOUD_TOKEN"));
	(void)setenv("PYCLOUD_TOKEN", "", 1);
	assert_int_equal(secret_find("http://host", &s), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_a_copy),
		cmocka_unit_test(what_could_break_out_of_a_header_is_no_secret),
		cmocka_unit_test(equal_means_the_same_bytes),
		cmocka_unit_test(random_secrets_differ),
		cmocka_unit_test(without_a_bus_there_is_no_keyring),
		cmocka_unit_test(a_keyring_that_hangs_is_left_behind),
		cmocka_unit_test(the_environments_token_is_taken_and_kept),
		cmocka_unit_test(an_impossible_token_is_not_passed_over),
	};

	(void)unsetenv("PYCLOUD_TOKEN");
	(void)unsetenv("DBUS_SESSION_BUS_ADDRESS");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
