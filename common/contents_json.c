/* contents_json.c - see contents_json.h. */
#include "config.h"

#include "contents_json.h"

#include "common_limits.h"
#include "json.h"
#include "names.h"
#include "printable.h"
#include "timefmt.h"

#include <errno.h>
#include <string.h>

static int parse_type(const char *text, enum entry_type *ret)
{
	if (text == NULL)
		return -EPROTO;
	if (strcmp(text, "directory") == 0)
		*ret = ENTRY_DIRECTORY;
	else if (strcmp(text, "file") == 0 || strcmp(text, "notebook") == 0)
		*ret = ENTRY_FILE;
	else
		return -EPROTO;
	return 0;
}

static struct timespec parse_time(const cJSON *model, const char *key)
{
	struct timespec ts = { 0 };
	const char *text = json_string(model, key);

	if (text == NULL || time_parse_iso8601(text, &ts) < 0)
		return (struct timespec){ 0 };
	return ts;
}

static int parse_model(const cJSON *model, struct entry *ret)
{
	struct entry e = { .size = -1 };
	const char *name = json_string(model, "name");
	int rc = parse_type(json_string(model, "type"), &e.type);

	if (rc < 0)
		return rc;
	if (name == NULL)
		return -EPROTO;
	if (e.type == ENTRY_FILE &&
		(!json_int64(model, "size", &e.size) || e.size < 0))
		e.size = -1;
	e.mtime = parse_time(model, "last_modified");
	e.ctime = parse_time(model, "created");
	/* A manager that does not say will say no when we try. */
	e.is_writable = json_bool(model, "writable", true);
	e.name = g_strdup(name);
	*ret = e;
	return 0;
}

int contents_parse_entry(char *text, size_t length, struct entry *ret_entry)
{
	g_autoptr(cJSON) model = json_parse(text, length);

	return parse_model(model, ret_entry);
}

/* Borrows its keys from the entries it is filled with. */
static bool collect_child(
	const cJSON *model, GPtrArray *entries, GHashTable *seen)
{
	struct entry e;

	if (parse_model(model, &e) < 0)
		return false;
	if (!name_is_trusted(e.name) || g_hash_table_contains(seen, e.name)) {
		entry_clear(&e);
		return false;
	}
	g_ptr_array_add(entries, g_memdup2(&e, sizeof(e)));
	g_hash_table_add(seen, e.name);
	return true;
}

static int collect_children(
	const cJSON *content, GPtrArray *entries, unsigned *ret_dropped)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	const cJSON *model;
	unsigned dropped = 0;

	cJSON_ArrayForEach(model, content)
	{
		if (!collect_child(model, entries, seen))
			dropped++;
		if (entries->len + dropped > CONTENTS_ENTRIES_MAX)
			return -EFBIG;
	}
	*ret_dropped = dropped;
	return 0;
}

int contents_parse_listing(char *text, size_t length, GPtrArray **ret_entries,
	unsigned *ret_dropped)
{
	g_autoptr(cJSON) model = json_parse(text, length);
	g_autoptr(GPtrArray) entries = NULL;
	const cJSON *content = json_array(model, "content");
	enum entry_type type;
	int rc = parse_type(json_string(model, "type"), &type);

	if (rc < 0)
		return rc;
	if (type != ENTRY_DIRECTORY)
		return -ENOTDIR;
	if (content == NULL)
		return -EPROTO;
	entries = g_ptr_array_new_with_free_func((GDestroyNotify)entry_free);
	rc = collect_children(content, entries, ret_dropped);
	if (rc < 0)
		return rc;
	*ret_entries = g_steal_pointer(&entries);
	return 0;
}

/* The last line of a Python traceback: the exception itself. */
static const char *exception_of(const cJSON *body)
{
	const char *traceback = json_string(body, "traceback");
	const char *end, *line;

	if (traceback == NULL)
		return NULL;
	end = traceback + strlen(traceback);
	while (end > traceback && end[-1] == '\n')
		end--;
	for (line = end; line > traceback && line[-1] != '\n';)
		line--;
	return line == end ? NULL : line;
}

char *contents_parse_message(char *text, size_t length)
{
	g_autoptr(cJSON) body = json_parse(text, length);
	const char *message = json_string(body, "message");
	const char *exception = exception_of(body);

	if (message == NULL || strcmp(message, "Unhandled error") != 0 ||
		exception == NULL)
		return g_strdup(message);
	return g_strchomp(g_strconcat(message, ": ", exception, NULL));
}

char *contents_parse_version(char *text, size_t length)
{
	g_autoptr(cJSON) body = json_parse(text, length);
	const char *said = json_string(body, "version");
	g_autofree char *start = NULL;
	char *version;

	if (said == NULL)
		return NULL;
	start = g_strndup(said, CONTENTS_VERSION_MAX);
	version = g_utf8_make_valid(start, -1);
	printable_make(version, ' ');
	return version;
}

char *contents_rename_body(const char *new_path)
{
	g_autofree char *quoted = json_quote(new_path);

	return g_strconcat("{\"path\":", quoted, "}", NULL);
}

char *contents_mkdir_body(void)
{
	return g_strdup("{\"type\":\"directory\"}");
}
