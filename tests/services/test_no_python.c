/* A real Jupyter server that has no Python kernels: files, but no runs. */
#include "config.h"

#include "real_server.h"
#include "test.h"

#include <errno.h>

static void start_is_not_supported(void **state)
{
	const char *const code[] = { "-c", "0", NULL };
	struct executor_run *run = NULL;
	struct outcome o;

	assert_int_equal(start_in(*state, "", code, &o, &run), -EOPNOTSUPP);
	assert_null(run);
	outcome_fini(&o);
}

static void asking_again_changes_nothing(void **state)
{
	g_autoptr(cJSON) kernels = NULL;

	start_is_not_supported(state);
	kernels = list_kernels(*state);
	assert_int_equal(cJSON_GetArraySize(kernels), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_is_not_supported),
		cmocka_unit_test(asking_again_changes_nothing),
	};

	if (!server_is_named())
		return 77;
	return cmocka_run_group_tests(tests, connect_server, leave_server);
}
