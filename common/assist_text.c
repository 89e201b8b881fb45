/* assist_text.c - see assist_text.h. */
#include "config.h"

#include "assist_text.h"

#include "common_limits.h"
#include "helper.h"
#include "names.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>

#define US_PER_S  1000000
#define NS_PER_US 1000
#define NS_PER_S  1000000000

void assist_directory_free(struct assist_directory *d)
{
	g_free(d->path);
	if (d->entries != NULL)
		g_ptr_array_unref(d->entries);
	g_free(d);
}

void assist_told_free(struct assist_told *t)
{
	g_free(t->directory);
	entry_clear(&t->entry);
	g_free(t);
}

/* --- numbers and names ---------------------------------------------------- */

static bool read_number(const cJSON *item, int64_t least, int64_t *ret)
{
	double value;

	if (!cJSON_IsNumber(item))
		return false;
	value = item->valuedouble;
	if (!(value >= (double)least && value <= 9007199254740992.0))
		return false;
	*ret = (int64_t)value;
	return (double)*ret == value;
}

int64_t assist_us_of_time(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * US_PER_S + ts->tv_nsec / 1000;
}

static struct timespec time_of_us(int64_t us)
{
	int64_t rest = us % US_PER_S;

	if (rest < 0)
		rest += US_PER_S;
	return (struct timespec){
		.tv_sec = (time_t)((us - rest) / US_PER_S),
		.tv_nsec = (long)rest * 1000,
	};
}

static bool read_time(const cJSON *item, struct timespec *ret)
{
	int64_t us;

	if (!read_number(item, -9007199254740992, &us))
		return false;
	*ret = time_of_us(us);
	return true;
}

/* Of the workspace: as in remote.h. */
static bool is_path(const char *path)
{
	g_auto(GStrv) names = NULL;

	if (path == NULL || strlen(path) > PATH_BYTES_MAX)
		return false;
	if (*path == '\0')
		return true;
	names = g_strsplit(path, "/", -1);
	for (char **name = names; *name != NULL; name++)
		if (!name_is_trusted(*name))
			return false;
	return true;
}

/* Of a symbolic link. */
static bool is_target(const char *target)
{
	return target != NULL && *target != '\0' &&
	       strlen(target) <= PATH_BYTES_MAX;
}

/* --- entries -------------------------------------------------------------- */

/* [mode, uid, gid, nlink, ns, target]; ns is what the time in microseconds,
 * which is rounded, lacks. */
static bool read_attr(const cJSON *attr, struct entry *e)
{
	const cJSON *item = cJSON_IsArray(attr) ? attr->child : NULL;
	int64_t number[5];
	int64_t ns;

	for (size_t i = 0; i < G_N_ELEMENTS(number); i++) {
		if (item == NULL || !read_number(item, -2 * NS_PER_US, &ns))
			return false;
		number[i] = ns;
		item = item->next;
	}
	if (number[0] < 0 || number[0] > 07777 || number[1] < 0 ||
		number[1] > UINT32_MAX || number[2] < 0 ||
		number[2] > UINT32_MAX || number[3] < 0 ||
		number[3] > UINT32_MAX || number[4] > 2 * NS_PER_US ||
		item == NULL)
		return false;
	if (!cJSON_IsNull(item) && !is_target(cJSON_GetStringValue(item)))
		return false;
	ns = e->mtime.tv_nsec + number[4];
	e->exact.tv_sec = e->mtime.tv_sec + (ns < 0 ? -1 : ns / NS_PER_S);
	e->exact.tv_nsec = (long)((ns + NS_PER_S) % NS_PER_S);
	e->mode = (mode_t)number[0];
	e->uid = (uid_t)number[1];
	e->gid = (gid_t)number[2];
	e->nlink = (uint32_t)number[3];
	e->target = g_strdup(cJSON_GetStringValue(item));
	e->has_attr = true;
	return true;
}

/* The members that follow each other, from `kind` on; without attr where a file
 * system was not asked. */
static bool read_entry(const cJSON *kind, struct entry *ret)
{
	const cJSON *size = kind == NULL ? NULL : kind->next;
	const cJSON *mtime = size == NULL ? NULL : size->next;
	const cJSON *ctime = mtime == NULL ? NULL : mtime->next;
	const cJSON *writable = ctime == NULL ? NULL : ctime->next;
	const char *letter = cJSON_GetStringValue(kind);
	int64_t flag;

	*ret = (struct entry){ .size = -1 };
	if (letter == NULL || writable == NULL ||
		!read_time(mtime, &ret->mtime) ||
		!read_time(ctime, &ret->ctime) ||
		!read_number(writable, 0, &flag))
		return false;
	ret->is_writable = flag != 0;
	ret->type = strcmp(letter, "d") == 0 ? ENTRY_DIRECTORY : ENTRY_FILE;
	if (ret->type == ENTRY_FILE &&
		(strcmp(letter, "f") != 0 || !read_number(size, 0, &ret->size)))
		return false;
	return writable->next == NULL || read_attr(writable->next, ret);
}

int assist_parse_entry(const cJSON *object, struct entry *ret)
{
	const char *kind = json_string(object, "kind");
	const cJSON *attr = cJSON_GetObjectItemCaseSensitive(object, "attr");
	int64_t mtime, ctime, writable;

	*ret = (struct entry){ .size = -1 };
	if (kind == NULL || !json_int64(object, "mtime_us", &mtime) ||
		!json_int64(object, "ctime_us", &ctime) ||
		!json_int64(object, "writable", &writable))
		return -EPROTO;
	ret->mtime = time_of_us(mtime);
	ret->ctime = time_of_us(ctime);
	ret->is_writable = writable != 0;
	ret->type = strcmp(kind, "d") == 0 ? ENTRY_DIRECTORY : ENTRY_FILE;
	if (ret->type == ENTRY_FILE &&
		(strcmp(kind, "f") != 0 ||
			!json_int64(object, "size", &ret->size) ||
			ret->size < 0))
		return -EPROTO;
	return attr == NULL || read_attr(attr, ret) ? 0 : -EPROTO;
}

int assist_parse_now(const cJSON *answer, struct entry *ret)
{
	const cJSON *now = cJSON_GetObjectItemCaseSensitive(answer, "now");

	*ret = (struct entry){ .type = (enum entry_type) - 1, .size = -1 };
	if (cJSON_IsNull(now))
		return 0;
	return cJSON_IsArray(now) && read_entry(now->child, ret) ? 0 : -EPROTO;
}

/* --- trees ---------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct entry *const *x = a;
	const struct entry *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* As list() promises: trusted names, each once. */
static void drop_repeated(struct assist_directory *d)
{
	GPtrArray *all = d->entries;
	guint kept = 0;

	g_ptr_array_sort(all, by_name);
	for (guint i = 0; i < all->len; i++) {
		struct entry *e = all->pdata[i];
		const struct entry *last =
			kept == 0 ? NULL : all->pdata[kept - 1];

		if (last == NULL || strcmp(last->name, e->name) != 0) {
			all->pdata[i] = NULL;
			all->pdata[kept++] = e;
			continue;
		}
		entry_free(e);
		all->pdata[i] = NULL;
		d->dropped++;
	}
	g_ptr_array_set_size(all, (gint)kept);
}

static int read_children(const cJSON *list, struct assist_directory *d)
{
	const cJSON *child;

	cJSON_ArrayForEach(child, list)
	{
		const cJSON *first = cJSON_IsArray(child) ? child->child : NULL;
		const char *name = cJSON_GetStringValue(first);
		struct entry e;

		if (name == NULL || !read_entry(first->next, &e))
			return -EPROTO;
		if (!name_is_trusted(name)) {
			d->dropped++;
			continue;
		}
		e.name = g_strdup(name);
		g_ptr_array_add(d->entries, entry_dup(&e));
		entry_clear(&e);
	}
	drop_repeated(d);
	return 0;
}

static int read_directory(
	const cJSON *item, const char *top, struct assist_directory *d)
{
	const cJSON *first = cJSON_IsArray(item) ? item->child : NULL;
	const char *path = cJSON_GetStringValue(first);
	const cJSON *watched = first == NULL ? NULL : first->next;
	const cJSON *dropped = watched == NULL ? NULL : watched->next;
	const cJSON *list = dropped == NULL ? NULL : dropped->next;
	int64_t flag, count;

	if (!is_path(path) || !path_is_below(path, top) ||
		!cJSON_IsArray(list) || !read_number(watched, 0, &flag) ||
		!read_number(dropped, 0, &count))
		return -EPROTO;
	d->path = g_strdup(path);
	d->is_watched = flag != 0;
	d->dropped = (unsigned)MIN(count, CONTENTS_ENTRIES_MAX);
	d->entries = g_ptr_array_new_with_free_func((GDestroyNotify)entry_free);
	return read_children(list, d);
}

static cJSON *parse_bytes(const void *text, size_t length)
{
	g_autofree char *own = g_strndup(text, length);

	return json_parse(own, length);
}

int assist_parse_tree(
	const void *text, size_t length, const char *top, GPtrArray **ret)
{
	g_autoptr(cJSON) list = parse_bytes(text, length);
	g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(
		(GDestroyNotify)assist_directory_free);
	const cJSON *item;

	if (!cJSON_IsArray(list))
		return -EPROTO;
	cJSON_ArrayForEach(item, list)
	{
		struct assist_directory *d = g_new0(struct assist_directory, 1);

		g_ptr_array_add(all, d);
		if (read_directory(item, top, d) < 0)
			return -EPROTO;
	}
	*ret = g_steal_pointer(&all);
	return 0;
}

/* --- what is told --------------------------------------------------------- */

static int read_told(const cJSON *item, struct assist_told *t)
{
	const cJSON *first = cJSON_IsArray(item) ? item->child : NULL;
	const cJSON *second = first == NULL ? NULL : first->next;
	const cJSON *kind = second == NULL ? NULL : second->next;
	const char *directory = cJSON_GetStringValue(first);
	const char *name = cJSON_GetStringValue(second);

	if (!is_path(directory) || name == NULL || !name_is_trusted(name) ||
		kind == NULL)
		return -EPROTO;
	t->told = REMOTE_TOLD_CHANGE;
	if (cJSON_IsNull(kind))
		t->told = REMOTE_TOLD_ABSENT;
	else if (read_entry(kind, &t->entry))
		t->told = REMOTE_TOLD_ENTRY;
	else if (g_strcmp0(cJSON_GetStringValue(kind), "?") != 0)
		return -EPROTO;
	t->directory = g_strdup(directory);
	t->entry.name = g_strdup(name);
	return 0;
}

int assist_parse_told(const void *text, size_t length, GPtrArray **ret)
{
	g_autoptr(cJSON) list = parse_bytes(text, length);
	g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(
		(GDestroyNotify)assist_told_free);
	const cJSON *item;

	if (!cJSON_IsArray(list))
		return -EPROTO;
	cJSON_ArrayForEach(item, list)
	{
		struct assist_told *t = g_new0(struct assist_told, 1);

		g_ptr_array_add(all, t);
		if (read_told(item, t) < 0)
			return -EPROTO;
	}
	*ret = g_steal_pointer(&all);
	return 0;
}

/* --- many files ----------------------------------------------------------- */

static int read_file(const cJSON *item, struct assist_file *f)
{
	const cJSON *error = cJSON_IsArray(item) ? item->child : NULL;
	const cJSON *size = error == NULL ? NULL : error->next;
	const cJSON *mtime = size == NULL ? NULL : size->next;
	const cJSON *ctime = mtime == NULL ? NULL : mtime->next;
	const cJSON *length = ctime == NULL ? NULL : ctime->next;
	const char *name = cJSON_GetStringValue(error);

	if (name == NULL)
		return -EPROTO;
	f->error = helper_errno(name);
	f->version = (struct entry){ .type = ENTRY_FILE, .size = -1 };
	if (f->error < 0)
		return 0;
	return read_number(size, 0, &f->version.size) &&
			       read_time(mtime, &f->version.mtime) &&
			       read_time(ctime, &f->version.ctime) &&
			       read_number(length, 0, &f->length)
		       ? 0
		       : -EPROTO;
}

int assist_parse_files(const cJSON *answer, unsigned count, int64_t bytes,
	struct assist_file **ret)
{
	const cJSON *list = json_array(answer, "files");
	g_autofree struct assist_file *files =
		g_new0(struct assist_file, count + 1);
	int64_t offset = 0;
	unsigned n = 0;
	const cJSON *item;

	if (cJSON_GetArraySize(list) != (int)count)
		return -EPROTO;
	cJSON_ArrayForEach(item, list)
	{
		struct assist_file *f = &files[n++];

		if (read_file(item, f) < 0 || f->length > bytes - offset ||
			(f->error == 0 && f->length != f->version.size))
			return -EPROTO;
		f->offset = offset;
		offset += f->length;
	}
	if (offset != bytes)
		return -EPROTO;
	*ret = g_steal_pointer(&files);
	return 0;
}

/* --- what POSIX has besides ----------------------------------------------- */

int assist_parse_entry_at(
	const cJSON *answer, const char *key, struct entry *ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(answer, key);

	*ret = (struct entry){ .size = -1 };
	return cJSON_IsArray(item) && read_entry(item->child, ret) ? 0
								   : -EPROTO;
}

int assist_parse_volume(const cJSON *answer, struct remote_volume *ret)
{
	struct remote_volume v = { 0 };

	if (!json_int64(answer, "block_bytes", &v.block_bytes) ||
		!json_int64(answer, "blocks", &v.blocks) ||
		!json_int64(answer, "free", &v.free) ||
		!json_int64(answer, "available", &v.available) ||
		!json_int64(answer, "files", &v.files) ||
		!json_int64(answer, "files_free", &v.files_free) ||
		!json_int64(answer, "name_max", &v.name_max))
		return -EPROTO;
	if (v.block_bytes < 1 || v.block_bytes > ASSIST_BLOCK_MAX ||
		v.blocks < 0 || v.free < 0 || v.available < 0 || v.files < 0 ||
		v.files_free < 0 || v.name_max < 1)
		return -EPROTO;
	v.free = MIN(v.free, v.blocks);
	v.available = MIN(v.available, v.free);
	v.files_free = MIN(v.files_free, v.files);
	v.name_max = MIN(v.name_max, NAME_BYTES_MAX);
	*ret = v;
	return 0;
}

/* Each with its NUL; NULL: none. */
static GBytes *read_xattr_names(const cJSON *list)
{
	GByteArray *names = g_byte_array_new();
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		const char *name = cJSON_GetStringValue(item);

		if (name == NULL || !name_is_users_xattr(name) ||
			names->len + strlen(name) >= XATTR_LIST_MAX)
			continue;
		g_byte_array_append(
			names, (const guint8 *)name, (guint)strlen(name) + 1);
	}
	if (names->len > 0)
		return g_byte_array_free_to_bytes(names);
	g_byte_array_unref(names);
	return NULL;
}

int assist_parse_xattrs(const void *text, size_t length, GHashTable **ret)
{
	g_autoptr(cJSON) list = parse_bytes(text, length);
	const cJSON *item;

	if (!cJSON_IsArray(list))
		return -EPROTO;
	*ret = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
	cJSON_ArrayForEach(item, list)
	{
		const cJSON *first = cJSON_IsArray(item) ? item->child : NULL;
		const char *name = cJSON_GetStringValue(first);
		GBytes *names;

		if (name == NULL || !cJSON_IsArray(first->next)) {
			g_hash_table_unref(*ret);
			*ret = NULL;
			return -EPROTO;
		}
		if (*name != '\0' && !name_is_trusted(name))
			continue;
		names = read_xattr_names(first->next);
		if (names != NULL)
			g_hash_table_insert(*ret, g_strdup(name), names);
	}
	return 0;
}
