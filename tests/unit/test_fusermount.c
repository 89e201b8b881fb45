/* Where fusermount3 is: PATH has no say in it. */
#include "config.h"

#include "fusermount.h"
#include "scratch_place.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void another_in_path_is_not_taken(void **state)
{
	g_autofree char *before = g_strdup(g_getenv("PATH"));
	struct scratch_place place;
	g_autofree char *trap = NULL;
	const char *found;

	(void)state;
	scratch_place_make(&place);
	trap = g_build_filename(place.path, "fusermount3", NULL);
	assert_true(g_file_set_contents(trap, "#!/bin/sh\n", -1, NULL));
	assert_int_equal(chmod(trap, 0755), 0);
	assert_int_equal(setenv("PATH", place.path, 1), 0);
	found = fusermount_find();
	assert_true(found == NULL || found[0] == '/');
	assert_string_not_equal(found == NULL ? "" : found, trap);
	/* systemd gives none at all. */
	assert_int_equal(unsetenv("PATH"), 0);
	assert_ptr_equal(fusermount_find(), found);
	if (before != NULL)
		assert_int_equal(setenv("PATH", before, 1), 0);
	scratch_place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_in_path_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
