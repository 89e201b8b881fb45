/* assist_files.c - see assist.h: what it does beyond the other remote. */
#include "config.h"

#include "assist_private.h"

#include "assist_text.h"
#include "common_limits.h"
#include "names.h"

#include <errno.h>
#include <string.h>

static const void *bytes_of(const struct helper_reply *r, size_t *ret_length)
{
	*ret_length = 0;
	return r->bytes == NULL ? "" : g_bytes_get_data(r->bytes, ret_length);
}

/* --- trees ---------------------------------------------------------------- */

static void give_directories(
	GPtrArray *all, const struct remote_tree_sink *sink, uint64_t watch)
{
	for (guint i = 0; i < all->len; i++) {
		struct assist_directory *d = all->pdata[i];

		sink->directory(sink->arg, d->path,
			g_steal_pointer(&d->entries), d->dropped,
			d->is_watched ? watch : 0);
	}
}

static int read_tree(struct assist *a, const struct helper_reply *answer,
	const char *top, GPtrArray **ret, bool *ret_is_all)
{
	size_t length;
	const void *text = bytes_of(answer, &length);
	int rc = assist_parse_tree(text, length, top, ret);

	if (rc < 0)
		return rc;
	*ret_is_all = json_bool(answer->data, "all", false);
	assist_check_told(a, answer->data);
	return 0;
}

int assist_list_tree(struct remote *remote, const char *top, const char *after,
	unsigned entries_max, const struct remote_tree_sink *sink,
	const struct cancel *cancel, bool *ret_is_all)
{
	struct assist *a = assist_of(remote);
	unsigned can = remote_capabilities(a->inner);
	uint64_t watch = assist_watch(a);
	struct helper_reply answer = { 0 };
	g_autoptr(GPtrArray) all = NULL;
	cJSON *call;
	int rc;

	if (!assist_is_usable(a))
		return -EOPNOTSUPP;
	call = assist_verb_at("list_tree", "top", top);
	(void)cJSON_AddStringToObject(call, "after", after);
	(void)cJSON_AddNumberToObject(call, "entries_max", entries_max);
	(void)cJSON_AddBoolToObject(
		call, "hidden", (can & REMOTE_CAN_HIDDEN) != 0);
	(void)cJSON_AddBoolToObject(call, "watch", watch != 0);
	rc = assist_ask(a, call, NULL, ASSIST_CALL_MS, cancel, &answer);
	if (rc == 0)
		rc = assist_check_protocol(
			a, read_tree(a, &answer, top, &all, ret_is_all));
	/* Somebody has found out more meanwhile: it is not what they ask for. */
	if (((remote_capabilities(a->inner) ^ can) & REMOTE_CAN_HIDDEN) != 0)
		rc = -EOPNOTSUPP;
	if (rc == 0)
		give_directories(all, sink, watch);
	helper_reply_clear(&answer);
	return rc;
}

/* --- many files ----------------------------------------------------------- */

static int give_files(const struct helper_reply *answer, unsigned n_paths,
	const struct remote_many_sink *sink)
{
	size_t length;
	const uint8_t *bytes = bytes_of(answer, &length);
	g_autofree struct assist_file *files = NULL;
	int rc = assist_parse_files(
		answer->data, n_paths, (int64_t)length, &files);

	for (unsigned i = 0; rc == 0 && i < n_paths; i++)
		sink->file(sink->arg, i, files[i].error, &files[i].version,
			bytes + files[i].offset, (size_t)files[i].length);
	return rc;
}

int assist_read_many(struct remote *remote, const char *const *paths,
	unsigned n_paths, int64_t bytes_max,
	const struct remote_many_sink *sink, const struct cancel *cancel)
{
	struct assist *a = assist_of(remote);
	struct helper_reply answer = { 0 };
	cJSON *call, *list;
	int rc;

	if (!assist_is_usable(a))
		return -EOPNOTSUPP;
	call = assist_verb("read_many");
	list = cJSON_AddArrayToObject(call, "paths");
	for (unsigned i = 0; i < n_paths; i++)
		(void)cJSON_AddItemToArray(list, cJSON_CreateString(paths[i]));
	(void)cJSON_AddNumberToObject(
		call, "bytes_max", (double)MIN(bytes_max, ASSIST_BYTES_MAX));
	rc = assist_ask(a, call, NULL, ASSIST_CALL_MS, cancel, &answer);
	if (rc == 0)
		rc = assist_check_protocol(
			a, give_files(&answer, n_paths, sink));
	helper_reply_clear(&answer);
	return rc;
}

/* --- a save --------------------------------------------------------------- */

struct save {
	struct assist *assist;
	const char *path;
	const struct remote_change *change;
	const struct remote_source *source;
	const struct cancel *cancel;
	char *file;    /* the pieces' name; NULL: all goes at once */
	int64_t total; /* what is sent */
};

static int64_t total_of(
	const struct remote_change *change, const struct remote_source *source)
{
	int64_t total = 0;

	if (change->ranges == NULL)
		return source->size;
	for (unsigned i = 0; i < change->n_ranges; i++)
		total += change->ranges[i].length;
	return total;
}

static int read_exactly(const struct remote_source *source, uint8_t *buffer,
	int64_t length, int64_t offset)
{
	while (length > 0) {
		ssize_t n = source->read(
			source->arg, buffer, (size_t)length, offset);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		buffer += n;
		offset += n;
		length -= n;
	}
	return 0;
}

/* Of what is sent: the ranges, one after the other. */
static int read_sent(
	const struct save *s, uint8_t *buffer, int64_t length, int64_t offset)
{
	int64_t before = 0;
	int rc = 0;

	if (s->change->ranges == NULL)
		return read_exactly(s->source, buffer, length, offset);
	for (unsigned i = 0; rc == 0 && length > 0 && i < s->change->n_ranges;
		i++) {
		const struct remote_range *r = &s->change->ranges[i];
		int64_t skip = offset - before;
		int64_t n = MIN(r->length - skip, length);

		before += r->length;
		if (n <= 0)
			continue;
		rc = read_exactly(s->source, buffer, n, r->start + skip);
		buffer += n;
		offset += n;
		length -= n;
	}
	return rc == 0 && length > 0 ? -EIO : rc;
}

static int send_piece(
	const struct save *s, uint8_t *buffer, int64_t length, int64_t offset)
{
	const struct kernel_buffer bytes = { buffer, (size_t)length };
	cJSON *call;
	int rc = read_sent(s, buffer, length, offset);

	if (rc < 0)
		return rc;
	call = assist_verb_at("piece", "path", s->path);
	(void)cJSON_AddStringToObject(call, "file", s->file);
	(void)cJSON_AddNumberToObject(call, "offset", (double)offset);
	rc = helper_post_bytes(s->assist->helper, call, &bytes, s->cancel);
	if (cancel_check(s->cancel) < 0)
		return cancel_check(s->cancel);
	return rc < 0 ? -EOPNOTSUPP : 0;
}

/* All before it has been taken there; else we would fill the server's memory. */
static int await_pieces(const struct save *s)
{
	struct helper_reply answer = { 0 };
	int rc = assist_ask_root(s->assist, ASSIST_SAVE_MS, s->cancel, &answer);

	helper_reply_clear(&answer);
	return rc;
}

static int send_pieces(const struct save *s)
{
	g_autofree uint8_t *buffer = g_malloc(ASSIST_PIECE_BYTES);
	int64_t offset = 0;
	int64_t ahead = 0;
	int rc = 0;

	while (rc == 0 && offset < s->total) {
		int64_t n = MIN(s->total - offset, ASSIST_PIECE_BYTES);

		rc = send_piece(s, buffer, n, offset);
		offset += n;
		ahead += n;
		if (rc == 0 && ahead >= ASSIST_WINDOW_BYTES) {
			rc = await_pieces(s);
			ahead = 0;
		}
	}
	return rc;
}

static const char *condition_name(enum remote_condition condition)
{
	switch (condition) {
	case REMOTE_IF_VERSION:
		return "version";
	case REMOTE_IF_ABSENT:
		return "absent";
	case REMOTE_WHATEVER:
	default:
		return "any";
	}
}

static void add_ranges(cJSON *call, const struct remote_change *change)
{
	cJSON *list;

	if (change->ranges == NULL) {
		(void)cJSON_AddNullToObject(call, "ranges");
		return;
	}
	list = cJSON_AddArrayToObject(call, "ranges");
	for (unsigned i = 0; i < change->n_ranges; i++) {
		const double pair[] = { (double)change->ranges[i].start,
			(double)change->ranges[i].length };

		(void)cJSON_AddItemToArray(
			list, cJSON_CreateDoubleArray(pair, 2));
	}
}

static cJSON *save_call(const struct save *s, int within_ms)
{
	cJSON *call = assist_verb_at("save", "path", s->path);
	int64_t until_ms;

	(void)cJSON_AddNumberToObject(call, "size", (double)s->source->size);
	(void)cJSON_AddStringToObject(
		call, "condition", condition_name(s->change->condition));
	assist_add_base(call, s->change->condition == REMOTE_IF_VERSION
				      ? s->change->base
				      : NULL);
	add_ranges(call, s->change);
	if (s->file != NULL)
		(void)cJSON_AddStringToObject(call, "file", s->file);
	else
		(void)cJSON_AddNullToObject(call, "file");
	(void)cJSON_AddTrueToObject(call, "sync");
	/* Whoever could open it here may go on writing to it. */
	(void)cJSON_AddTrueToObject(call, "owner");
	assist_add_attr(call, &s->change->attr);
	(void)cJSON_AddNumberToObject(call, "within_ms", within_ms);
	if (assist_helper_time(
		    s->assist, clock_now_ms() + within_ms, &until_ms))
		(void)cJSON_AddNumberToObject(
			call, "until_ms", (double)until_ms);
	return call;
}

/* What the save's answer means, or that there is none. */
static int read_answer(const struct save *s, int rc,
	const struct helper_reply *answer, struct entry *ret)
{
	struct assist *a = s->assist;

	if (answer->data == NULL)
		return assist_unanswered(rc, answer);
	/* Too late, or some piece got lost, or others write there. */
	if (rc == -ECANCELED || rc == -EAGAIN ||
		(rc == -ESTALE && s->change->condition == REMOTE_WHATEVER))
		return -EOPNOTSUPP;
	if (rc == -ESTALE)
		rc = assist_parse_now(answer->data, ret);
	else if (rc == 0)
		return assist_parse_entry(answer->data, ret) < 0
			       ? assist_check_protocol(a, -EPROTO)
			       : 0;
	else
		return rc;
	return rc == 0 ? -ESTALE : assist_check_protocol(a, rc);
}

static int carry_out(const struct save *s, struct entry *ret)
{
	struct helper_reply answer = { 0 };
	struct kernel_buffer bytes = { 0 };
	g_autofree uint8_t *buffer = NULL;
	int timeout_ms = (int)MIN(
		ASSIST_SAVE_MS + s->source->size / MIB * ASSIST_SAVE_MS_PER_MIB,
		INT32_MAX);
	int rc = 0;

	if (s->file != NULL) {
		rc = send_pieces(s);
	} else {
		buffer = g_malloc((gsize)s->total + 1);
		rc = read_sent(s, buffer, s->total, 0);
		bytes = (struct kernel_buffer){ buffer, (size_t)s->total };
	}
	if (rc < 0)
		return rc;
	timeout_ms = (int)cancel_remaining_ms(s->cancel, timeout_ms);
	rc = assist_ask(s->assist, save_call(s, timeout_ms),
		s->file == NULL ? &bytes : NULL, timeout_ms, s->cancel,
		&answer);
	rc = read_answer(s, rc, &answer, ret);
	helper_reply_clear(&answer);
	return rc;
}

int assist_replace(struct remote *remote, const char *path,
	const struct remote_change *change, const struct remote_source *source,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct assist *a = assist_of(remote);
	struct save s = {
		.assist = a,
		.path = path,
		.change = change,
		.source = source,
		.cancel = cancel,
		.total = total_of(change, source),
	};
	int rc;

	*ret_entry = (struct entry){ .size = -1 };
	if (!assist_is_usable(a))
		return -EOPNOTSUPP;
	if (s.total > ASSIST_INLINE_BYTES) {
		g_autofree char *id = g_uuid_string_random();
		g_auto(GStrv) words = g_strsplit(id, "-", -1);

		s.file = g_strjoinv("", words);
	}
	rc = carry_out(&s, ret_entry);
	g_free(s.file);
	if (rc == 0)
		ret_entry->name = g_strdup(path_basename(path));
	return rc;
}
