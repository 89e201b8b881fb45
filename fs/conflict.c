/* conflict.c - see conflict.h. */
#include "config.h"

#include "conflict.h"

#include "attr_cache.h"
#include "common_limits.h"
#include "content.h"
#include "fs_limits.h"
#include "log.h"
#include "mutex.h"
#include "names.h"
#include "node_table.h"
#include "notifier.h"
#include "sent.h"
#include "session.h"
#include "state.h"
#include "swap.h"
#include "timefmt.h"
#include "tree.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FACT "conflicts"

/* --- the list ------------------------------------------------------------- */

struct conflict {
	char *path, *ours, *theirs;
};

struct conflicts {
	struct state *state;

	struct mutex lock;
	GPtrArray *list; /* of struct conflict *; guarded by lock */
};

static void conflict_free(void *p)
{
	struct conflict *c = p;

	g_free(c->path);
	g_free(c->ours);
	g_free(c->theirs);
	g_free(c);
}

static void add_line(struct conflicts *c, const char *line)
{
	g_auto(GStrv) part = g_strsplit(line, "\t", 3);
	struct conflict *one;

	if (g_strv_length(part) != 3)
		return;
	one = g_new0(struct conflict, 1);
	one->path = g_strcompress(part[0]);
	one->ours = g_strcompress(part[1]);
	one->theirs = g_strdup(part[2]);
	g_ptr_array_add(c->list, one);
}

struct conflicts *conflicts_new(struct state *state)
{
	struct conflicts *c = g_new0(struct conflicts, 1);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	mutex_init(&c->lock);
	c->state = state;
	c->list = g_ptr_array_new_with_free_func(conflict_free);
	if (state_fact_get(state, FACT, &text) < 0)
		return c;
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line != NULL; line++)
		add_line(c, *line);
	return c;
}

void conflicts_free(struct conflicts *c)
{
	if (c == NULL)
		return;
	g_ptr_array_unref(c->list);
	mutex_fini(&c->lock);
	g_free(c);
}

static void list_locked(struct conflicts *c, GString *text) REQUIRES(c->lock)
{
	for (guint i = 0; i < c->list->len; i++) {
		const struct conflict *one = c->list->pdata[i];
		g_autofree char *path = name_escape(one->path);
		g_autofree char *ours = name_escape(one->ours);

		g_string_append_printf(
			text, "%s\t%s\t%s\n", path, ours, one->theirs);
	}
}

void conflicts_list(struct conflicts *c, GString *text)
{
	mutex_lock(&c->lock);
	list_locked(c, text);
	mutex_unlock(&c->lock);
}

unsigned conflicts_count(struct conflicts *c)
{
	unsigned count;

	mutex_lock(&c->lock);
	count = c->list->len;
	mutex_unlock(&c->lock);
	return count;
}

/* Outside the lock, because the state has one of its own. */
static void remember(struct conflicts *c)
{
	GString *text = g_string_new(NULL);
	int rc;

	conflicts_list(c, text);
	rc = state_fact_set(c->state, FACT, text->len > 0 ? text->str : NULL);
	if (rc < 0)
		log_warning("the list of conflicts could not be kept: %s",
			g_strerror(-rc));
	g_string_free(text, TRUE);
}

void conflicts_forget(struct conflicts *c, const char *path)
{
	bool is_changed = false;

	mutex_lock(&c->lock);
	for (guint i = c->list->len; i > 0; i--) {
		const struct conflict *one = c->list->pdata[i - 1];

		if (path_is_below(one->ours, path)) {
			g_ptr_array_remove_index(c->list, i - 1);
			is_changed = true;
		}
	}
	mutex_unlock(&c->lock);
	if (is_changed)
		remember(c);
}

static void add(struct conflicts *c, const char *path, const char *ours,
	const struct entry *theirs)
{
	struct conflict *one = g_new0(struct conflict, 1);
	char when[32];

	one->path = g_strdup(path);
	one->ours = g_strdup(ours);
	if (theirs != NULL) {
		time_format_iso8601(&theirs->mtime, when);
		one->theirs = g_strdup_printf(
			"%" G_GINT64_FORMAT " bytes of %s", theirs->size, when);
	} else {
		one->theirs = g_strdup("removed");
	}
	mutex_lock(&c->lock);
	g_ptr_array_add(c->list, one);
	mutex_unlock(&c->lock);
	remember(c);
}

/* --- who was there? ------------------------------------------------------- */

struct comparison {
	struct content *content;
	GChecksum *sum; /* of all that came */
	int64_t at;	/* up to here */
	bool was_sent;	/* bytes of ours, by an upload that failed */
	bool differs;
};

static int compare_sink(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	struct comparison *c = arg;
	g_autofree char *ours = g_malloc(length > 0 ? length : 1);
	ssize_t n = content_read(c->content, ours, length, offset);

	/* An answer that broke is asked for again. */
	if (offset == 0) {
		g_checksum_reset(c->sum);
		c->at = 0;
		c->differs = false;
	}
	if (offset != c->at)
		return -EIO;
	c->at += (int64_t)length;
	if (n < 0 || (size_t)n != length || memcmp(ours, bytes, length) != 0)
		c->differs = true;
	g_checksum_update(c->sum, bytes, (gssize)length);
	/* The rest does not matter, unless it may be what we sent before. */
	return c->differs && !c->was_sent ? -ECANCELED : 0;
}

/* Are the server's bytes ours, or the beginning of them? */
static int compare(struct session *s, struct node *n, const char *path,
	int64_t size, bool was_sent, const struct cancel *cancel)
{
	struct comparison c = { .content = n->content,
		.sum = sent_checksum_new(),
		.was_sent = was_sent };
	struct remote_sink sink = { compare_sink, &c };
	struct remote_read_info info = { 0 };
	int rc = remote_read(s->remote, path, 0, -1, &sink, cancel, &info);

	if (c.differs && !was_sent)
		rc = CONFLICT_OTHERS;
	else if (rc == 0 && c.differs)
		rc = content_has_sent(n->content, c.sum, info.received)
			     ? CONFLICT_NONE
			     : CONFLICT_OTHERS;
	else if (rc == 0 && info.received == size)
		rc = CONFLICT_SAME;
	else if (rc == 0)
		rc = was_sent || info.received == 0 ? CONFLICT_NONE
						    : CONFLICT_OTHERS;
	g_checksum_free(c.sum);
	return rc;
}

/* What the server has at the path: 1, 0 nothing, -errno. */
static int find_now(struct session *s, const char *path, enum spool_base base,
	const struct cancel *cancel, struct entry *ret_now)
{
	/* A name that is ours alone is answered for by ourselves. */
	int rc = base == SPOOL_BASE_ABSENT
			 ? remote_stat(s->remote, path, cancel, ret_now)
			 : tree_stat(s->tree, path, PROOF_MS, cancel, ret_now,
				   NULL);

	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : 1;
}

/* An edit that its program never finished, and that is less than what it began
 * from, must not replace it. */
static bool is_worse(struct content *c, enum spool_base base, int64_t size,
	const struct entry *version)
{
	return content_is_unfinished(c) && base == SPOOL_BASE_VERSION &&
	       size < version->size;
}

int conflict_judge(struct session *s, struct node *n, const char *path,
	int64_t size, bool was_sent, const struct entry *now,
	const struct cancel *cancel)
{
	return content_is_own_version(n->content, now)
		       ? CONFLICT_NONE
		       : compare(s, n, path, size, was_sent, cancel);
}

struct range_comparison {
	struct content *content;
	int64_t at; /* up to here they are the same */
};

static int compare_range_sink(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	struct range_comparison *c = arg;
	g_autofree char *ours = g_malloc(length > 0 ? length : 1);
	ssize_t n = content_read(c->content, ours, length, offset);

	if (n < 0 || (size_t)n != length || memcmp(ours, bytes, length) != 0)
		return -ECANCELED;
	c->at = offset + (int64_t)length;
	return 0;
}

static int compare_range(struct session *s, struct node *n, const char *path,
	const struct remote_range *range, const struct cancel *cancel)
{
	struct range_comparison c = { n->content, range->start };
	struct remote_sink sink = { compare_range_sink, &c };
	struct remote_read_info info = { 0 };
	int rc = remote_read(s->remote, path, range->start, range->length,
		&sink, cancel, &info);

	if (rc == -ECANCELED || rc == -ENOENT)
		return CONFLICT_OTHERS;
	if (rc < 0)
		return rc;
	return c.at >= range->start + range->length ? CONFLICT_SAME
						    : CONFLICT_OTHERS;
}

int conflict_judge_ranges(struct session *s, struct node *n, const char *path,
	int64_t size, const GArray *ranges, const struct entry *now,
	const struct cancel *cancel)
{
	int rc = now->size == size ? CONFLICT_SAME : CONFLICT_OTHERS;

	for (guint i = 0; rc == CONFLICT_SAME && i < ranges->len; i++)
		rc = compare_range(s, n, path,
			&g_array_index(ranges, struct remote_range, i), cancel);
	return rc;
}

struct range_digest {
	GChecksum *before; /* of all ranges before this one */
	GChecksum *sum;
	int64_t start, at;
};

static int digest_sink(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	struct range_digest *d = arg;

	/* An answer that broke is asked for again. */
	if (offset == d->start) {
		g_checksum_free(d->sum);
		d->sum = g_checksum_copy(d->before);
		d->at = d->start;
	}
	if (offset != d->at)
		return -EIO;
	g_checksum_update(d->sum, bytes, (gssize)length);
	d->at += (int64_t)length;
	return 0;
}

/* Adds the range's bytes over there to *sum. */
static int digest_range(struct session *s, const char *path,
	const struct remote_range *range, const struct cancel *cancel,
	GChecksum **sum)
{
	struct range_digest d = { *sum, g_checksum_copy(*sum), range->start,
		range->start };
	struct remote_sink sink = { digest_sink, &d };
	struct remote_read_info info = { 0 };
	int rc = remote_read(s->remote, path, range->start, range->length,
		&sink, cancel, &info);

	g_checksum_free(*sum);
	*sum = d.sum;
	if (rc == 0 && d.at != range->start + range->length)
		rc = -ENOENT;
	return rc;
}

static int judge_sent_ranges(struct session *s, const char *path,
	const struct sent_ranges *sent, const struct cancel *cancel)
{
	GChecksum *sum = sent_checksum_new();
	int rc = 0;

	for (guint i = 0; rc == 0 && i < sent->ranges->len; i++)
		rc = digest_range(s, path,
			&g_array_index(sent->ranges, struct remote_range, i),
			cancel, &sum);
	if (rc == 0)
		rc = sent_ranges_match(sent, sum) ? CONFLICT_NONE
						  : CONFLICT_OTHERS;
	g_checksum_free(sum);
	return rc == -ENOENT ? CONFLICT_OTHERS : rc;
}

int conflict_judge_sent(struct session *s, struct node *n, const char *path,
	const struct entry *now, const struct cancel *cancel)
{
	g_autoptr(GPtrArray) all = content_sent_ranges(n->content);
	int rc = CONFLICT_OTHERS;

	for (guint i = all->len; rc == CONFLICT_OTHERS && i > 0; i--) {
		const struct sent_ranges *sent = all->pdata[i - 1];

		if (sent->size == now->size)
			rc = judge_sent_ranges(s, path, sent, cancel);
	}
	return rc;
}

int conflict_examine(struct session *s, struct node *n, const char *path,
	int64_t size, bool was_sent, const struct cancel *cancel,
	struct entry *ret_now)
{
	struct entry version;
	int64_t age_ms;
	enum spool_base base = content_base(n->content, &version, &age_ms);
	int rc;

	if (base == SPOOL_BASE_UNKNOWN ||
		(base == SPOOL_BASE_ABSENT && age_ms <= REVALIDATE_MS &&
			!was_sent))
		return CONFLICT_NONE;
	rc = find_now(s, path, base, cancel, ret_now);
	if (rc <= 0)
		return rc < 0 ? rc : CONFLICT_NONE;
	if (ret_now->type != ENTRY_FILE)
		rc = -EISDIR;
	else if (is_worse(n->content, base, size, &version))
		rc = CONFLICT_OTHERS;
	else if (base == SPOOL_BASE_VERSION &&
		 entry_same_version(&version, ret_now))
		rc = CONFLICT_NONE;
	else
		rc = conflict_judge(
			s, n, path, size, was_sent, ret_now, cancel);
	if (rc != CONFLICT_SAME && rc != CONFLICT_OTHERS)
		entry_clear(ret_now);
	return rc;
}

/* --- both are kept -------------------------------------------------------- */

/* As many bytes as may be, but no piece of a character. */
static size_t cut(const char *text, size_t length, size_t max)
{
	if (length <= max)
		return length;
	while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
		max--;
	return max;
}

char *conflict_name(
	const char *path, const char *host, time_t when, unsigned number)
{
	g_autofree char *dir = path_parent(path);
	const char *name = path_basename(path);
	const char *dot = strrchr(name, '.');
	g_autofree char *mark = NULL;
	g_autofree char *ours = NULL;
	size_t stem;
	struct tm tm;
	char text[32];

	/* ".bashrc" is all stem. An extension is short. */
	if (dot == NULL || dot == name || strlen(dot) > CONFLICT_SUFFIX_MAX)
		dot = name + strlen(name);
	(void)gmtime_r(&when, &tm);
	(void)strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &tm);
	mark = number > 1 ? g_strdup_printf(
				    ".conflict-%s-%s-%u", host, text, number)
			  : g_strdup_printf(".conflict-%s-%s", host, text);
	/* The server cannot overwrite names that are longer still. */
	stem = cut(name, (size_t)(dot - name),
		CONFLICT_NAME_MAX - strlen(mark) - strlen(dot));
	ours = g_strdup_printf("%.*s%s%s", (int)stem, name, mark, dot);
	return path_join(dir, ours);
}

static char *host_name(void)
{
	char name[CONFLICT_HOST_MAX + 1] = "";
	char *p;

	if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
		return g_strdup("localhost");
	for (p = name; *p != '\0' && *p != '.'; p++)
		if (!g_ascii_isalnum(*p))
			*p = '-';
	*p = '\0';
	return g_strdup(name);
}

/* A name beside the file that nobody has. */
static int find_name(struct session *s, const char *path,
	const struct cancel *cancel, char **ret_ours)
{
	g_autofree char *host = host_name();
	time_t now = time(NULL);

	for (unsigned number = 1; number <= CONFLICT_TRIES; number++) {
		g_autofree char *ours = conflict_name(path, host, now, number);
		struct entry entry;
		int rc = remote_stat(s->remote, ours, cancel, &entry);

		if (rc == -ENOENT) {
			*ret_ours = g_steal_pointer(&ours);
			return 0;
		}
		if (rc < 0)
			return rc;
		entry_clear(&entry);
	}
	return -EEXIST;
}

/* Where a name that nobody has can be taken in one step: -EOPNOTSUPP
 * elsewhere. */
static int take_name(struct session *s, const char *path,
	const struct remote_source *source, const struct cancel *cancel,
	char **ret_ours, struct entry *ret_placed)
{
	g_autofree char *host = host_name();
	time_t now = time(NULL);
	int rc = -ESTALE;

	for (unsigned number = 1; rc == -ESTALE && number <= CONFLICT_TRIES;
		number++) {
		g_autofree char *ours = conflict_name(path, host, now, number);

		rc = swap_put(s, ours, REMOTE_IF_ABSENT, SWAP_ONLY, NULL,
			source, cancel, ret_placed);
		if (rc == 0)
			*ret_ours = g_steal_pointer(&ours);
		else
			entry_clear(ret_placed);
	}
	return rc == -ESTALE ? -EEXIST : rc;
}

static int put_beside(struct session *s, const char *path,
	const struct remote_source *source, const struct cancel *cancel,
	char **ret_ours, struct entry *ret_placed)
{
	int rc = take_name(s, path, source, cancel, ret_ours, ret_placed);

	if (!swap_should_write(rc))
		return rc;
	rc = find_name(s, path, cancel, ret_ours);
	return rc < 0 ? rc
		      : remote_write(s->remote, *ret_ours, source, cancel,
				ret_placed);
}

static ssize_t our_source(void *arg, void *buffer, size_t size, int64_t offset)
{
	return content_read(arg, buffer, size, offset);
}

/* The path is the server's file again, for us and for the kernel. */
static void give_way(struct session *s, struct node *n, const char *path,
	const struct entry *theirs)
{
	g_autofree char *dir = path_parent(path);

	attr_cache_changed(s->attrs, dir, path_basename(path), theirs, false);
	node_table_forget_pages(s->nodes, n);
	if (s->notifier != NULL)
		notifier_invalidate_attr(s->notifier, n->ino);
}

int conflict_place(struct session *s, struct node *n, const char *path,
	int64_t size, const struct entry *theirs, const struct cancel *cancel)
{
	struct remote_source source = { our_source, n->content, size };
	g_autofree char *dir = path_parent(path);
	g_autofree char *ours = NULL;
	struct entry placed = { 0 };
	int rc = put_beside(s, path, &source, cancel, &ours, &placed);

	if (rc < 0)
		return rc;
	placed.size = size;
	attr_cache_changed(s->attrs, dir, path_basename(ours), &placed, false);
	entry_clear(&placed);
	add(s->conflicts, path, ours, theirs);
	give_way(s, n, path, theirs);
	log_warning("'%s' was saved by somebody else meanwhile; what was "
		    "saved here stands beside it as '%s'",
		path, ours);
	return 0;
}

/* --- what cannot be had any more ------------------------------------------ */

struct filling {
	struct content *content;
	const struct content_claim *claim;
};

static int fill_sink(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	const struct filling *f = arg;

	if (offset >= f->claim->end)
		return 0;
	length = (size_t)MIN((int64_t)length, f->claim->end - offset);
	return content_store(f->content, f->claim, bytes, length, offset);
}

int conflict_fill(struct session *s, struct node *n, const char *path,
	const struct cancel *cancel)
{
	struct content_claim claim;
	int rc;

	content_set_mixed(n->content);
	while ((rc = content_claim(n->content, 0, INT64_MAX, INT64_MAX, false,
			cancel, &claim)) == 1) {
		struct filling f = { n->content, &claim };
		struct remote_sink sink = { fill_sink, &f };
		struct remote_read_info info = { 0 };

		rc = remote_read(s->remote, path, claim.start,
			claim.end - claim.start, &sink, cancel, &info);
		if (rc == -ENOENT)
			rc = 0; /* zeroes, then */
		content_end_fetch(n->content, &claim, rc);
		if (rc < 0)
			return rc;
	}
	return rc;
}
