/* The helper's errors by name, and its source. */
#include "config.h"

#include "helper.h"
#include "helper_py.h"
#include "test.h"

#include <errno.h>
#include <string.h>

static void errors_have_names(void **state)
{
	(void)state;
	assert_int_equal(helper_errno(""), 0);
	assert_int_equal(helper_errno("ENOENT"), -ENOENT);
	assert_int_equal(helper_errno("EISDIR"), -EISDIR);
	assert_int_equal(helper_errno("EAGAIN"), -EAGAIN);
	assert_int_equal(helper_errno("ESRCH"), -ESRCH);
	/* One number, two names. */
	assert_int_equal(helper_errno("ENOTSUP"), -EOPNOTSUPP);
	assert_int_equal(helper_errno("EOPNOTSUPP"), -EOPNOTSUPP);
}

static void unknown_error_is_eio(void **state)
{
	(void)state;
	assert_int_equal(helper_errno("EWHATEVER"), -EIO);
	assert_int_equal(helper_errno(NULL), -EIO);
	assert_int_equal(helper_errno("ENOENT "), -EIO);
}

static void source_travels_as_ascii(void **state)
{
	size_t i;

	(void)state;
	assert_non_null(strstr(helper_py, "get_ipython().kernel"));
	for (i = 0; helper_py[i] != '\0'; i++)
		assert_in_range(helper_py[i], '\n', '~');
	assert_in_range(i, 1000, 200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_have_names),
		cmocka_unit_test(unknown_error_is_eio),
		cmocka_unit_test(source_travels_as_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
