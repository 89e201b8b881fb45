/*
 * content_state.h - a content from the inside, for content.c and the
 * other content_*.c alone.
 */
#ifndef PYCLOUD_CONTENT_STATE_H
#define PYCLOUD_CONTENT_STATE_H

#include "content.h"
#include "delta.h"
#include "extent.h"
#include "mutex.h"
#include "sent.h"
#include "spool.h"
#include "waitlist.h"

enum content_state {
	CONTENT_EMPTY,
	CONTENT_PREPARING,
	CONTENT_READY
};

struct content {
	int directory_fd; /* immutable */
	struct mutex lock;

	/* guarded by lock */
	struct waitlist changed;
	enum content_state state;
	bool is_uploading;
	unsigned opens;
	int fd;			/* -1 unless READY */
	struct cache_name name; /* of fd in the cache's directory */
	int64_t size;
	struct extents present;
	GArray *claims;	     /* of struct content_claim, under way */
	uint64_t generation; /* raised when the bytes become others' */
	uint64_t failures;   /* of fetches and preparations, and the last */
	int failure;
	int64_t failed_ms;
	bool has_source; /* what the bytes' own headers said */
	int64_t source_total;
	time_t source_modified;
	bool has_version;
	struct entry version; /* what the clean bytes are of; name unused */
	uint64_t dirty_gen;   /* INVARIANT: clean_gen <= dirty_gen */
	uint64_t clean_gen;
	uint64_t uploading_gen;
	uint64_t tried_gen; /* of the last upload that was begun */
	bool was_sent;
	struct timespec mtime;
	/* What the change began from: set while clean, kept while dirty. */
	enum spool_base base;
	struct entry base_version;
	struct delta delta;    /* from base_version, while dirty */
	int64_t base_ms;       /* when that was last known to be so */
	int64_t dirty_ms;      /* since when it is dirty */
	struct sent sent;      /* by uploads that failed since it is dirty */
	struct spool_log *log; /* NULL: not in the spool */
	uint64_t synced_gen;   /* will survive a power cut */
	bool is_unfinished;    /* left behind in the middle of a change */
	bool is_mixed;	       /* of two versions */
	struct entry own;      /* what our last upload made; its name unused */
	int64_t listed_size;   /* with which listings have that: a link's own */
	unsigned writers;      /* handles that may write */
	uint64_t epoch;	       /* raised by a conflict */
};

bool content_is_dirty_locked(struct content *c) REQUIRES(c->lock);
void content_make_empty_locked(struct content *c) REQUIRES(c->lock);
/* Our own last upload made it, by either of its sizes. */
bool content_is_own_locked(struct content *c, const struct entry *)
	REQUIRES(c->lock);
void content_set_version_locked(struct content *c, const struct entry *version)
	REQUIRES(c->lock);

/* Until no upload and no preparation is under way: 0 or -errno. */
int content_wait_quiet_locked(struct content *c, const struct cancel *cancel)
	REQUIRES(c->lock);
/* An upload of what is there now has begun. */
void content_start_upload_locked(struct content *c) REQUIRES(c->lock);

/* The journal's part of a change: 0 or -errno, then the change must not be
 * answered as done. */
int content_log_present_locked(struct content *c, int64_t start, int64_t end)
	REQUIRES(c->lock);
int content_log_truncated_locked(struct content *c, int64_t size)
	REQUIRES(c->lock);
void content_log_sent_locked(struct content *c) REQUIRES(c->lock);
/* Clean: the spool need not keep it. */
void content_unlog_locked(struct content *c) REQUIRES(c->lock);
void content_begin_change_locked(struct content *c) REQUIRES(c->lock);

#endif
