/*
 * content.h - the bytes of one file as we hold them.
 *
 * A content belongs to a file's node for the node's whole life. While it is
 * READY its bytes stand in an unnamed sparse file of the file's full size, of
 * which some ranges are `present` and the rest is a hole that must be fetched
 * before it is read. What takes time is a state, and whoever needs it waits for
 * the state to change:
 *
 *     EMPTY   --begin_prepare--> PREPARING --end_prepare--> READY (or EMPTY)
 *     READY   a range: absent --claim--> being fetched --end_fetch--> present
 *     READY   --begin_upload--> READY + is_uploading --end_upload--> READY
 *     READY   --last close, clean--> EMPTY, its bytes to whoever closed it
 *
 * Bytes that were written here are present at once and are never overwritten
 * by a fetch that was under way. Every change raises `dirty_gen`; an upload
 * takes the generation it sends, and only an unchanged generation makes the
 * content clean. Writers wait while an upload runs, so that what the server
 * gets is one moment's bytes. A content that could not be uploaded stays dirty:
 * its bytes are kept until they are placed: from its first change on they stand
 * in the spool (spool.h), and each further change is in its journal before it is
 * answered.
 *
 * `base` is what a change began from: the version of the clean bytes, or what
 * the caller said (content_set_base) when there were none. Whoever uploads
 * compares it with what the server has now (conflict.h). When that ends with
 * our bytes beside the file instead of in it, the content is EMPTY again and
 * its `epoch` is raised: what was opened before can write no more.
 *
 * This module moves no bytes over the network and knows no path: fetch.c and
 * transfer.c do both. Locking: one internal lock, held across reads and writes
 * of the local file but never across the network; waits take a cancel token.
 */
#ifndef PYCLOUD_CONTENT_H
#define PYCLOUD_CONTENT_H

#include "cache.h"
#include "cancel.h"
#include "entry.h"
#include "spool.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct content;

/* What a stat of the file must say while we know better than the server. */
struct content_stat {
	bool is_dirty;
	bool has_real_size; /* the listing's is a symbolic link's own */
	int64_t size;
	struct timespec mtime; /* of the last local write */
};

/* A range that its claimer must fetch. */
struct content_claim {
	int64_t start, end;
	uint64_t generation; /* of the bytes: a later one makes it void */
	bool is_whole;	     /* the answer may turn out longer: a link's */
};

/* `directory_fd` is where temporary files are made; borrowed for life. */
struct content *content_new(int directory_fd);
/* Bytes that are not on the server stay in the spool. */
void content_free(struct content *);

/* Holders: each open handle, and each transfer that needs the bytes. The last
 * close of clean bytes moves them to *ret_bytes (cached_bytes_clear it); true
 * when there are any. */
void content_open(struct content *);
bool content_close(struct content *, struct cached_bytes *ret_bytes);
bool content_is_open(struct content *);

/* Forgets clean bytes that are of another version than `now`; true when there
 * was something to forget. */
bool content_revalidate(struct content *, const struct entry *now);
/* Forgets clean bytes: the server's turned out to be others. */
void content_drop(struct content *);

/* 1: the caller must find a version (and bytes, if any are cached) and call
 * content_end_prepare(); 0: it is READY; -errno. */
int content_begin_prepare(struct content *, const struct cancel *);
/* On rc 0 takes *bytes: a file descriptor (-1: none yet), the version, its
 * size and what is present. */
void content_end_prepare(struct content *, int rc, struct cached_bytes *bytes);

/* Is [offset, end) here (as far as the file goes)? 0: yes. 1: fetch
 * *ret_claim, which begins within the range and goes up to `wanted_end` at
 * most, then call content_end_fetch(). -ESTALE: not READY. Waits for those who
 * are fetching it already; with no token and `no_wait` it is -EAGAIN instead. */
int content_claim(struct content *, int64_t offset, int64_t end,
	int64_t wanted_end, bool no_wait, const struct cancel *,
	struct content_claim *ret_claim);
/* Bytes for a claim, in order or not; they are not present before the fetch
 * has ended well. Those that were written here meanwhile stay. -ESTALE: the
 * content has other bytes now. */
int content_store(struct content *, const struct content_claim *,
	const void *bytes, size_t length, int64_t offset);
void content_end_fetch(struct content *, const struct content_claim *, int rc);

/* The version that the present bytes are of, and what the first fetch learnt
 * of it from the bytes' own headers. Set once per version; compared by
 * content_check_source: -ESTALE when a later fetch says otherwise, or when the
 * first does not fit the version and is not trusted (asked again, the listing
 * says the same: a symbolic link in the pod). 1: the size is another now. */
int content_check_source(struct content *, const struct content_claim *,
	int64_t total, time_t last_modified, bool is_trusted);

/* -ESTALE unless READY and all of the range present: claim again. Past the
 * end is 0. */
ssize_t content_read(
	struct content *, void *buffer, size_t size, int64_t offset);
/* Needs READY. offset -1: at the end (O_APPEND). Waits for an upload.
 * -EREMCHG: not of this epoch any more (0: any). -EFBIG: past what a file may
 * have (CONTENTS_FILE_MAX), as by content_truncate(). */
ssize_t content_write(struct content *, const void *bytes, size_t size,
	int64_t offset, uint64_t epoch, const struct cancel *);
/* Needs READY, or size 0, which needs nothing (O_TRUNC, creation). */
int content_truncate(struct content *, int64_t size, const struct cancel *);

bool content_is_dirty(struct content *);
/* Changed since an upload was last tried, or put off. */
bool content_has_untried(struct content *);
/* Some of it may be on the server: an upload was begun, however it ended. */
bool content_was_sent(struct content *);
/* Its clean bytes are of this version. */
bool content_is_version(struct content *, const struct entry *);
/* Nothing but its time was changed over there, by us: what is of version `from`
 * is of `to` now. Nobody may be uploading it. */
void content_set_time(
	struct content *, const struct entry *from, const struct entry *to);
/* What was sent did not come to stay where it should: dirty again. */
void content_touch(struct content *);
bool content_is_ready(struct content *);
int64_t content_size(struct content *);
void content_stat(struct content *, struct content_stat *ret);

/* 1: the caller must upload what content_read() gives, `ret_size` bytes, and
 * then call content_end_upload(); 0: nothing to do; -errno; -ESTALE when some
 * of it is not present. With `force` clean bytes are sent too (to another
 * path). */
int content_begin_upload(
	struct content *, bool force, const struct cancel *, int64_t *ret_size);
void content_end_upload(struct content *, int rc, const struct entry *version);
/* Before an upload that went well is ended: listings have what it made with this
 * size, which of a symbolic link in the pod is the link's own. */
void content_note_listed_size(struct content *, int64_t size);
/* Before an upload that failed is ended: what it may have left is remembered
 * (sent.h) until the content is clean. */
void content_remember_sent(struct content *, int64_t size);
/* The same of an upload of these ranges (of struct remote_range) alone. */
void content_remember_sent_ranges(
	struct content *, int64_t size, const GArray *ranges);
/* Such uploads (of struct sent_ranges *; g_ptr_array_unref). */
GPtrArray *content_sent_ranges(struct content *);
/* An upload of `from` to the path of this one failed. */
void content_inherit_sent(struct content *, struct content *from);
/* Did uploads of ours leave these `length` bytes there? Ends the checksum. */
bool content_has_sent(struct content *, GChecksum *, int64_t length);
/* Instead: the bytes were placed elsewhere, and are given up here. */
void content_end_conflict(struct content *);

/* --- uploads by remote_replace() (content_swap.c) ------------------------- */

/* What is to be replaced, and with what. */
struct content_swap {
	enum spool_base base;
	struct entry version; /* SPOOL_BASE_VERSION's */
	int64_t size;
	/* What differs from it (of struct remote_range); NULL: all is sent. */
	GArray *ranges;
	bool is_whole; /* all of it is here, not only the ranges */
};

/* As content_begin_upload(), but ranges that can be sent alone are enough; on 1
 * content_swap_clear() *ret. */
int content_begin_swap(
	struct content *, const struct cancel *, struct content_swap *ret);
void content_swap_clear(struct content_swap *);
/* Instead of content_end_upload(): it left nothing on the server. `was_sent`:
 * as it was before it began. */
void content_end_refused(struct content *, bool was_sent);
/* Before content_end_upload(): only these bytes were found to be the version's
 * that is there, and others are to be fetched again. */
void content_keep_ranges(struct content *, const GArray *ranges);

/* In an upload: the version `now` has what an earlier one sent, and what is
 * dirty here goes on from it; the rest is to be fetched again. False: it is not
 * known what differs. */
bool content_rebase(struct content *, const struct entry *now);

/* Nobody will ask for these bytes again (the file is gone): clean. */
void content_abandon(struct content *);

/* --- the spool (content_spool.c) ------------------------------------------ */

/* What is about to change began from this; NULL: from nothing. Ignored while
 * the content is dirty or has bytes of a version. */
void content_set_base(struct content *, const struct entry *or_absent);
/* Our own last upload made it: whoever set the base may not have known yet. */
bool content_is_own_version(struct content *, const struct entry *);
/* The version, when it is SPOOL_BASE_VERSION, and how old the knowledge is. */
enum spool_base content_base(
	struct content *, struct entry *ret_version, int64_t *ret_age_ms);

/* Its dirty bytes are in the spool from now on. 0 too when they are there, or
 * when nothing is dirty. */
int content_journal(struct content *, struct spool *, const char *path);
bool content_is_journaled(struct content *);
void content_unjournal(struct content *);
int content_journal_moved(struct content *, const char *path);
/* What was written so far is a whole, as far as its program is concerned. */
void content_journal_flushed(struct content *);
/* They will survive a power cut; 0 when there is nothing to be done. */
int content_sync(struct content *);
/* Where the bytes stand in the spool; g_free; NULL: they do not. */
char *content_spool_file(struct content *);

/* Takes up what an earlier mount left: takes fd and log, empties *record. The
 * content must be EMPTY, else -EBUSY and nothing is taken. */
int content_adopt(struct content *, struct spool_record *record, int fd,
	struct spool_log *log);
/* Taken up so, in the middle of a change, and not changed since. */
bool content_is_unfinished(struct content *);
/* Bytes of another version stand in it where its own are lost for good: it must
 * not go by the name of either. */
void content_set_mixed(struct content *);
bool content_is_mixed(struct content *);

/* Handles that may write; background uploads leave a file alone that has
 * changes which none of them has flushed. */
void content_add_writer(struct content *);
void content_remove_writer(struct content *);
bool content_may_upload_late(struct content *);
uint64_t content_epoch(struct content *);

#endif
