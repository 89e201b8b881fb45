/* Every target gets its corpus, what a fuzzer once found among it. */
#include "config.h"

#include "fuzz.h"
#include "test.h"

#include <string.h>

static void give(const struct fuzz_target *target, const char *path)
{
	g_autofree char *bytes = NULL;
	gsize length;

	if (!g_file_get_contents(path, &bytes, &length, NULL))
		fail_msg("cannot read %s", path);
	target->run((const uint8_t *)bytes, length);
}

static void the_corpus_does_no_harm(void **state)
{
	const struct fuzz_target *target = *state;
	g_autofree char *directory =
		g_build_filename(FUZZ_CORPUS_DIR, target->name, NULL);
	GDir *dir = g_dir_open(directory, 0, NULL);
	const char *name;
	unsigned count = 0;

	if (dir == NULL)
		fail_msg("%s has no corpus: %s", target->name, directory);
	target->run((const uint8_t *)"", 0);
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(directory, name, NULL);

		give(target, path);
		count++;
	}
	g_dir_close(dir);
	assert_int_not_equal(count, 0);
}

int main(void)
{
	struct CMUnitTest tests[64] = { 0 };
	size_t count = 0;

	fuzz_begin();
	for (; fuzz_targets[count].name != NULL; count++)
		tests[count] = (struct CMUnitTest){
			.name = fuzz_targets[count].name,
			.test_func = the_corpus_does_no_harm,
			.initial_state =
				(void *)(uintptr_t)&fuzz_targets[count],
		};
	g_assert(count < G_N_ELEMENTS(tests));
	return _cmocka_run_group_tests("corpus", tests, count, NULL, NULL);
}
