/* Any bytes as the state of an earlier mount: set aside, or what is read of it
 * is freed as it came. */
#include "config.h"

#include "fuzz.h"

#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void empty(const char *directory)
{
	GDir *dir = g_dir_open(directory, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(directory, name, NULL);

		(void)unlink(path);
	}
	if (dir != NULL)
		g_dir_close(dir);
}

static void check_list(int rc, GPtrArray *list)
{
	if (rc > 0 || (rc == 0) != (list != NULL))
		g_error("a list of %d", rc);
	g_clear_pointer(&list, g_ptr_array_unref);
}

static void read_all(struct state *s)
{
	GPtrArray *list = NULL;
	char *value = NULL;
	int64_t number = 0;
	int rc = state_cache_list(s, &list);

	check_list(rc, g_steal_pointer(&list));
	rc = state_attr_list(s, &list);
	check_list(rc, g_steal_pointer(&list));
	rc = state_run_list(s, &list);
	check_list(rc, g_steal_pointer(&list));
	rc = state_fact_get(s, "kernel", &value);
	if ((rc == 0) != (value != NULL))
		g_error("a fact of %d", rc);
	g_free(value);
	if (state_run_next_number(s, &number) == 0 && number < 1)
		g_error("a run's number of %" G_GINT64_FORMAT, number);
	(void)state_attr_remove(s, "a");
}

void fuzz_state(const uint8_t *bytes, size_t length)
{
	g_autofree char *directory =
		g_build_filename(fuzz_scratch(), "state", NULL);
	g_autofree char *path = g_build_filename(directory, "state.db", NULL);
	struct state *s = NULL;
	char *note = NULL;
	int rc;

	empty(directory);
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		g_error("cannot make %s", directory);
	fuzz_write(path, bytes, length, 0600);
	rc = state_open(directory, &s, &note);
	if (rc > 0 || (rc == 0) != (s != NULL))
		g_error("a state of %d", rc);
	if (note != NULL)
		fuzz_check_sentence(note, SIZE_MAX);
	g_free(note);
	if (s != NULL)
		read_all(s);
	if (s != NULL)
		state_close(s);
}
