/* Which names stay here, and which must not be taken for such. */
#include "config.h"

#include "name_policy.h"
#include "test.h"

#include <fcntl.h>
#include <stddef.h>

#define VIMS (O_CREAT | O_WRONLY | O_EXCL | O_NOFOLLOW)

static void editors_own_names_stay_here(void **state)
{
	static const char *const names[] = { ".a.py.swp", ".a.py.swo", ".a.swx",
		"a.py~", ".#a.py", "#a.py#", "##", ".goutputstream-XYZ",
		".a.kate-swp", ".~lock.a.odt#", "a___jb_tmp___",
		"a___jb_old___", ".Trash-1000", ".DS_Store", ".directory",
		".nfs0001" };
	struct name_policy *p = name_policy_new(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!name_policy_keeps(p, names[i]))
			fail_msg("%s does not stay here", names[i]);
	name_policy_free(p);
}

static void other_names_do_not(void **state)
{
	static const char *const names[] = { "", "a", "swp", "a.swp", ".swp",
		".a.swp.txt", "a~b", "#a", "a#", ".git", ".env", "4913",
		"directory", "Trash-1000", ".DS_Stores", "[", "*" };
	struct name_policy *p = name_policy_new(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name_policy_keeps(p, names[i]))
			fail_msg("%s stays here", names[i]);
	name_policy_free(p);
}

static void a_number_is_vims_by_the_way_it_is_created(void **state)
{
	struct name_policy *p = name_policy_new(NULL);

	(void)state;
	assert_true(name_policy_keeps_new(p, "4913", VIMS));
	assert_true(name_policy_keeps_new(p, "5036", VIMS));
	assert_false(name_policy_keeps_new(p, "4914", VIMS));
	assert_false(name_policy_keeps_new(p, "04913", VIMS));
	assert_false(name_policy_keeps_new(p, "4790", VIMS));
	assert_false(name_policy_keeps_new(p, "10000", VIMS));
	assert_false(name_policy_keeps_new(p, "4913x", VIMS));
	assert_false(name_policy_keeps_new(
		p, "4913", O_CREAT | O_WRONLY | O_EXCL)); /* cp's */
	assert_false(name_policy_keeps_new(
		p, "4913", O_CREAT | O_RDWR | O_EXCL | O_NOFOLLOW));
	assert_true(name_policy_keeps_new(p, "a~", O_CREAT | O_WRONLY));
	name_policy_free(p);
}

static void users_add_patterns(void **state)
{
	struct name_policy *p = name_policy_new("*.tmp::cache-?:[");

	(void)state;
	assert_true(name_policy_keeps(p, "a.tmp"));
	assert_true(name_policy_keeps(p, "cache-1"));
	assert_true(name_policy_keeps(p, "a~"));
	assert_false(name_policy_keeps(p, "cache-12"));
	assert_false(name_policy_keeps(p, ""));
	assert_false(name_policy_keeps(p, "a"));
	name_policy_free(p);
	name_policy_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(editors_own_names_stay_here),
		cmocka_unit_test(other_names_do_not),
		cmocka_unit_test(a_number_is_vims_by_the_way_it_is_created),
		cmocka_unit_test(users_add_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
