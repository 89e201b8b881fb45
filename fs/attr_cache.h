/*
 * attr_cache.h - what we believe about the server's names, and since when.
 *
 * One listing fills the attributes of all children of a directory and proves
 * which names do not exist, so there is one record per directory path: its
 * children, when each was learnt, and whether the set is complete. Nothing is
 * believed for longer than the caller allows.
 *
 * What we change ourselves is known at once, and must not be undone by an
 * answer that was on its way meanwhile. So every question takes a ticket
 * before it is sent (attr_cache_ticket) and hands it in with the answer:
 * names that we changed after the ticket was drawn keep what we know, and answers
 * about directories that we removed or renamed after it are worth nothing.
 *
 * Of names that a server may keep out of its listings (names.h) a listing says
 * nothing: what was learnt of them otherwise goes on being believed.
 *
 * Names that are local only (created here, not uploaded yet) are `is_local`:
 * no listing removes them.
 *
 * A directory may be watched (remote.h: listeners): each change in it is told.
 * While its watch is the current one, what is known of it is true now, however
 * long ago it was learnt, WATCH_BELIEVED_MS at most: to those who would believe
 * it for REVALIDATE_MS. Who would for less needs the server's own word, a proof,
 * and what was only told is none. When the watch ends, things are as old as the
 * moment when the watch was last heard of.
 *
 * What a file system tells of a name, and the contents API does not
 * (entry.h: has_attr), stays known when the latter answers: it holds as long as
 * the change time does, and is the best guess for another version.
 *
 * Entries are copied in and out. Locking: one internal lock; nothing blocks.
 */
#ifndef PYCLOUD_ATTR_CACHE_H
#define PYCLOUD_ATTR_CACHE_H

#include "entry.h"
#include "remote.h"

struct attr_cache;

/* As a max_age_ms: whatever was learnt and not disproved, dropped beliefs too.
 * For those who cannot ask. */
#define ATTR_ANY_AGE INT64_MAX

enum attr_answer {
	ATTR_UNKNOWN,  /* ask the server */
	ATTR_UNLISTED, /* not in the listing, which is all that is known */
	ATTR_ABSENT,   /* it was not there */
	ATTR_PRESENT,
};

struct attr_cache *attr_cache_new(void);
void attr_cache_free(struct attr_cache *);
/* Instead of clock_now_ms(). */
void attr_cache_set_clock(struct attr_cache *, int64_t (*now_ms)(void));

uint64_t attr_cache_ticket(struct attr_cache *);

/* What is known about dir/name that is at most max_age_ms old. ret_entry is
 * filled for ATTR_PRESENT (entry_clear it); ret_age_ms may be NULL. */
enum attr_answer attr_cache_lookup(struct attr_cache *, const char *dir,
	const char *name, int64_t max_age_ms, struct entry *ret_entry,
	int64_t *ret_age_ms);

/* The root's mtime, which no listing tells: when its names were last seen to be
 * others. */
struct timespec attr_cache_root_time(struct attr_cache *);

/* All children (of struct entry *, names sorted bytewise, free with
 * g_ptr_array_unref) when a listing at most max_age_ms old is here, else NULL.
 * ret_age_ms may be NULL. */
GPtrArray *attr_cache_listing(struct attr_cache *, const char *dir,
	int64_t max_age_ms, int64_t *ret_age_ms);

/* Names (char *, g_ptr_array_unref) that were there, however long ago, and that
 * a listing need not show. */
GPtrArray *attr_cache_unlisted(struct attr_cache *, const char *dir);

/* How many names the directory had when it was last listed, -1 unknown; and
 * the count of single lookups since, which this call raises. */
int attr_cache_count_single(
	struct attr_cache *, const char *dir, unsigned *ret_singles);

/* Answers from the server. Entries are borrowed. */
void attr_cache_put_listing(struct attr_cache *, uint64_t ticket,
	const char *dir, GPtrArray *entries);
/* A complete listing, as remote_list_tree() has them, of a directory whose
 * changes are told by that watch (0: by none). Without has_dots it was asked for
 * before dot names were the server's, and does not have them either. */
void attr_cache_put_watched(struct attr_cache *, uint64_t ticket, bool has_dots,
	const char *dir, GPtrArray *entries, uint64_t watch);
void attr_cache_put_answer(struct attr_cache *, uint64_t ticket,
	const char *dir, const char *name, const struct entry *or_absent);

/* What we did ourselves: dir/name is so now. NULL: it is gone. */
void attr_cache_changed(struct attr_cache *, const char *dir, const char *name,
	const struct entry *or_absent, bool is_local);
/* We made the directory: it is empty, the names too that no listing shows. */
void attr_cache_made(struct attr_cache *, const char *path);
/* That dir/name is not there is known from what we did ourselves, not from the
 * server, whose answer others may have overtaken: we removed it REVALIDATE_MS
 * ago at most, or made the directory max_age_ms ago at most. */
bool attr_cache_owns_absence(struct attr_cache *, const char *dir,
	const char *name, int64_t max_age_ms);
bool attr_cache_is_local(
	struct attr_cache *, const char *dir, const char *name);
/* Everything below `from` is below `to` now. */
void attr_cache_moved(struct attr_cache *, const char *from, const char *to);
/* The directory and all below it are gone. */
void attr_cache_removed(struct attr_cache *, const char *path);

/* What we tried to change may or may not be changed: ask before it is believed
 * again; an answer that is on its way may be older. What is local stays. */
void attr_cache_doubt(struct attr_cache *, const char *dir, const char *name);

/* --- being told (attr_cache_watch.c) -------------------------------------- */

/* What was told, to us and to the kernel. */
enum attr_news {
	ATTR_NEWS_NONE,	   /* nothing else than what is believed */
	ATTR_NEWS_DOUBT,   /* the name must be asked for again */
	ATTR_NEWS_CAME,	   /* it was not there, or was of another type */
	ATTR_NEWS_CHANGED, /* another version of it */
	ATTR_NEWS_ATTR,	   /* the same version, of another mode */
	ATTR_NEWS_WENT,
};

/* The current watch, 0: none. The same one again: it is alive. */
void attr_cache_set_watch(struct attr_cache *, uint64_t watch);
/* Dot names are not the server's: complete listings from now on do not have
 * them, and what is told of them is not believed. */
void attr_cache_set_hides_dots(struct attr_cache *, bool hides_dots);
/* What we changed ourselves within the last REVALIDATE_MS, or has a time of
 * change that is not before the one that is told, is asked for rather than
 * believed to be otherwise: it may be an old event. So is a name that is gone
 * from the root: when its disk is lost, all are.
 * `entry` for REMOTE_TOLD_ENTRY. */
enum attr_news attr_cache_told(struct attr_cache *, uint64_t watch,
	const char *dir, const char *name, enum remote_told,
	const struct entry *entry);
void attr_cache_unwatched(struct attr_cache *, uint64_t watch, const char *dir);
bool attr_cache_is_watched(struct attr_cache *, const char *dir);
unsigned attr_cache_count_watched(struct attr_cache *);
/* Was anybody answered, since this was last asked, from what only a watch has
 * kept true? */
bool attr_cache_take_reliance(struct attr_cache *);
/* All but this name is known of the directory, or that is to be asked alone. */
bool attr_cache_doubts_alone(
	struct attr_cache *, const char *dir, const char *name);
/* The names (char *, g_ptr_array_unref) of a watched directory that must be
 * asked for before its listing is known. NULL: it is not watched, or not any
 * more, for there were too many. */
GPtrArray *attr_cache_doubted(struct attr_cache *, const char *dir);

/* Believe nothing any more (local names stay), nor the answers that are on their
 * way. It stays known: ATTR_ANY_AGE. */
void attr_cache_expire(struct attr_cache *);
void attr_cache_expire_dir(struct attr_cache *, const char *dir);

#endif
