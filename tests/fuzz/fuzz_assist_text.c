/* Any bytes as each of the helper's answers about files; the first says how
 * many files were asked for. */
#include "config.h"

#include "fuzz.h"

#include "assist_text.h"
#include "common_limits.h"
#include "names.h"

#include <string.h>

#define TOP "a"

static void check_attr(const struct entry *e)
{
	struct timespec exact = entry_exact_mtime(e);

	if (e->mode > 07777 || e->exact.tv_nsec < 0 ||
		e->exact.tv_nsec > 999999999)
		g_error("an attribute out of bounds");
	if (exact.tv_sec - e->mtime.tv_sec > 1 ||
		e->mtime.tv_sec - exact.tv_sec > 1)
		g_error("another time than the version's");
}

static void check_entry(const struct entry *e)
{
	if (e->size < -1 || e->mtime.tv_nsec < 0 || e->ctime.tv_nsec < 0 ||
		e->mtime.tv_nsec > 999999999 || e->ctime.tv_nsec > 999999999)
		g_error("a number out of bounds");
	if (e->type == ENTRY_DIRECTORY && e->size >= 0)
		g_error("a directory with a size");
	if (e->target != NULL && (!e->has_attr || *e->target == '\0' ||
					 strlen(e->target) > PATH_BYTES_MAX))
		g_error("a link that leads nowhere");
	if (e->has_attr)
		check_attr(e);
}

static void check_path(const char *path)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1);

	for (char **name = names; *path != '\0' && *name != NULL; name++)
		if (!name_is_trusted(*name))
			g_error("an untrusted path came through");
}

static void check_tree(const uint8_t *bytes, size_t length)
{
	g_autoptr(GPtrArray) all = NULL;

	if (assist_parse_tree(bytes, length, TOP, &all) < 0)
		return;
	for (guint i = 0; i < all->len; i++) {
		const struct assist_directory *d = all->pdata[i];

		check_path(d->path);
		if (!path_is_below(d->path, TOP))
			g_error("out of what was asked for");
		for (guint j = 0; j < d->entries->len; j++) {
			const struct entry *e = d->entries->pdata[j];
			const struct entry *before =
				j == 0 ? NULL : d->entries->pdata[j - 1];

			check_entry(e);
			if (!name_is_trusted(e->name) ||
				(before != NULL &&
					strcmp(before->name, e->name) >= 0))
				g_error("names untrusted or out of order");
		}
	}
}

static void check_told(const uint8_t *bytes, size_t length)
{
	g_autoptr(GPtrArray) all = NULL;

	if (assist_parse_told(bytes, length, &all) < 0)
		return;
	for (guint i = 0; i < all->len; i++) {
		const struct assist_told *t = all->pdata[i];

		check_path(t->directory);
		if (!name_is_trusted(t->entry.name))
			g_error("an untrusted name came through");
		if (t->told == REMOTE_TOLD_ENTRY)
			check_entry(&t->entry);
	}
}

static void check_xattrs(const uint8_t *bytes, size_t length)
{
	GHashTable *all = NULL;
	GHashTableIter iter;
	gpointer key, value;

	if (assist_parse_xattrs(bytes, length, &all) < 0)
		return;
	g_hash_table_iter_init(&iter, all);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		size_t size;
		const char *names = g_bytes_get_data(value, &size);

		if (*(const char *)key != '\0' && !name_is_trusted(key))
			g_error("an untrusted name came through");
		if (size == 0 || names[size - 1] != '\0')
			g_error("attributes without an end");
		for (size_t at = 0; at < size; at += strlen(names + at) + 1)
			if (!name_is_users_xattr(names + at))
				g_error("an attribute that is not the user's");
	}
	g_hash_table_unref(all);
}

static void check_volume(const cJSON *answer)
{
	struct remote_volume v;

	if (assist_parse_volume(answer, &v) < 0)
		return;
	if (v.block_bytes < 1 || v.available < 0 || v.available > v.free ||
		v.free > v.blocks || v.files_free > v.files || v.name_max < 1)
		g_error("a volume that cannot be");
}

static void check_answer(const uint8_t *bytes, size_t length, unsigned count)
{
	g_autofree char *text = g_memdup2(bytes, length);
	g_autoptr(cJSON) answer = json_parse(text, length);
	g_autofree struct assist_file *files = NULL;
	struct entry e;

	if (answer == NULL)
		return;
	if (assist_parse_files(answer, count, 100, &files) == 0)
		for (unsigned i = 0; i < count; i++)
			if (files[i].offset < 0 || files[i].length < 0 ||
				files[i].offset + files[i].length > 100)
				g_error("outside of the answer's bytes");
	if (assist_parse_entry(answer, &e) == 0)
		check_entry(&e);
	if (assist_parse_now(answer, &e) == 0 && (int)e.type != -1)
		check_entry(&e);
	if (assist_parse_entry_at(answer, "to", &e) == 0)
		check_entry(&e);
	entry_clear(&e);
	check_volume(answer);
}

void fuzz_assist_text(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	unsigned count = fuzz_take_byte(&in) % 8;
	const uint8_t *rest = bytes + (length - in.left);

	check_tree(rest, in.left);
	check_told(rest, in.left);
	check_xattrs(rest, in.left);
	check_answer(rest, in.left, count);
}
