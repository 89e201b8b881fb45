/* fuzz_main.c - libFuzzer's program: the target that the environment names. */
#include "config.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static fuzz_fn run;

/* The environment, because libFuzzer starts itself again for some of its
 * modes and takes every word that is no option for a directory. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("PYCLOUD_FUZZ_TARGET");

	(void)argc;
	(void)argv;
	for (const struct fuzz_target *t = fuzz_targets; t->name != NULL; t++)
		if (name != NULL && strcmp(t->name, name) == 0)
			run = t->run;
	if (run == NULL) {
		g_printerr("PYCLOUD_FUZZ_TARGET is to be one of:");
		for (const struct fuzz_target *t = fuzz_targets;
			t->name != NULL; t++)
			g_printerr(" %s", t->name);
		g_printerr("\n");
		exit(2);
	}
	fuzz_begin();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	run(bytes, length);
	return 0;
}
