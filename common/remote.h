/*
 * remote.h - THE SEAM of files: what a place that keeps files can do.
 *
 * fs/ knows this header and nothing behind it; contents.c implements it over
 * the Jupyter contents API, tests over memory with scripted failures.
 *
 * Paths are relative to the workspace's root: "" is the root, "a/b.py" a file;
 * no leading, trailing or double slash, no "." or "..", UTF-8, components of
 * at most NAME_BYTES_MAX bytes. What is not UTF-8 is refused before it comes
 * here.
 *
 * Every function blocks the calling thread for at most the remote's own time
 * limit for that kind of call, ends early with -EINTR when the token fires,
 * and returns 0 or -errno. Any thread may call; calls run in parallel.
 *
 * After a failed mutation the truth is not known (a 500 may have been carried
 * out): the implementation finds out where it can, and returns 0 when what was
 * asked for is so.
 */
#ifndef PYCLOUD_REMOTE_H
#define PYCLOUD_REMOTE_H

#include "cancel.h"
#include "entry.h"

#include <errno.h>

struct remote;

enum remote_capability {
	REMOTE_CAN_RANGE = 1 << 0, /* read with an offset costs its length */
	/* Dot names: accepted and listed; refused; neither: not known yet. */
	REMOTE_CAN_HIDDEN = 1 << 1,
	REMOTE_NO_HIDDEN = 1 << 5,
	REMOTE_CAN_MODE = 1 << 2, /* setattr(); comes and goes, as below */
	REMOTE_CAN_TIMES = 1 << 3,
	REMOTE_CAN_SYMLINK = 1 << 4,
	/* These come and go: what could be done may fail with -EOPNOTSUPP a
	 * moment later, and then the caller does it in the plain way. */
	REMOTE_CAN_TREE = 1 << 6,    /* list_tree(), read_many() */
	REMOTE_CAN_SWAP = 1 << 7,    /* replace() */
	REMOTE_CAN_VOLUME = 1 << 10, /* volume() */
	REMOTE_CAN_MOVE = 1 << 11,   /* move() */
	REMOTE_CAN_LINK = 1 << 12,   /* link() */
	REMOTE_CAN_XATTR = 1 << 13,  /* the four of extended attributes */
};

/* Where read bytes go: pwrite-like, 0 or -errno. */
struct remote_sink {
	int (*write)(
		void *arg, const void *bytes, size_t length, int64_t offset);
	void *arg;
};

/* Where bytes to be written come from: pread-like, so that an upload can start
 * again. Must deliver exactly `size` bytes; fewer is -EIO. */
struct remote_source {
	ssize_t (*read)(void *arg, void *buffer, size_t size, int64_t offset);
	void *arg;
	int64_t size;
};

/* What a read learnt about the file, for length and version checks. */
struct remote_read_info {
	int64_t received; /* bytes given to the sink */
	int64_t total;	  /* the file's size as the answer said; -1 unknown */
	time_t last_modified; /* whole seconds; 0 unknown */
};

/* --- beyond the plain ------------------------------------------------------ */

/* Where whole listings go, on the thread that asked. Entries and errors as of
 * list(); the array is the callee's. But these are complete: the names too that
 * list() keeps to itself (names.h), except dot names where REMOTE_NO_HIDDEN
 * holds. `watch`: of a listener (below) that hears of each change in this
 * directory from before it was listed; 0: nobody does. */
struct remote_tree_sink {
	void (*directory)(void *arg, const char *path, GPtrArray *entries,
		unsigned dropped, uint64_t watch);
	void *arg;
};

/* Where whole files go, on the thread that asked. `index`: of the path. rc < 0:
 * this one could not be had so, ask for it alone. Else its bytes, which are all
 * of that version; its name is not set. */
struct remote_many_sink {
	void (*file)(void *arg, unsigned index, int rc,
		const struct entry *version, const void *bytes, size_t length);
	void *arg;
};

enum remote_condition {
	REMOTE_WHATEVER,   /* replace what is there, or create */
	REMOTE_IF_VERSION, /* only where it still is `base` */
	REMOTE_IF_ABSENT,  /* only where nothing is */
};

struct remote_range {
	int64_t start, length;
};

/* What chmod(2) and utimensat(2) set. */
struct remote_attr {
	bool has_mode;
	mode_t mode; /* permission bits */
	bool has_mtime;
	struct timespec mtime;
};

/* A save that is all or nothing, to whoever looks over there too. */
struct remote_change {
	enum remote_condition condition;
	const struct entry *base; /* for REMOTE_IF_VERSION; name unused */
	/* With REMOTE_IF_VERSION: only these bytes differ from those of `base`
	 * (and the size, which is the source's). In order, apart. NULL: all.
	 * Not NULL and none of them: the size alone. */
	const struct remote_range *ranges;
	unsigned n_ranges;
	/* Set along with it where that can be done: the new version's entry
	 * tells, if it has_attr. */
	struct remote_attr attr;
};

/* What an -ESTALE of replace() found: nothing. */
static inline bool remote_found_nothing(const struct entry *found)
{
	return found->size < 0 && (int)found->type == -1;
}

/* What of a name is told. */
enum remote_told {
	REMOTE_TOLD_ENTRY,  /* it is so now */
	REMOTE_TOLD_ABSENT, /* it is gone */
	REMOTE_TOLD_CHANGE, /* it may be anything: ask */
};

/* Hears of changes, on a thread of the remote's; must not call the remote, nor
 * block for long. Our own changes are told, too, and late sometimes: a version
 * that we have replaced meanwhile. A watch ends as a whole: with the next one,
 * or with 0, after which nothing is told. */
struct remote_listener {
	void (*watch)(void *arg, uint64_t watch);
	void (*changed)(void *arg, uint64_t watch, const char *directory,
		const char *name, enum remote_told, const struct entry *);
	/* Of this directory, and of none below it, nothing is told any more. */
	void (*unwatched)(void *arg, uint64_t watch, const char *directory);
	void *arg;
};

/* The disk that the root is on: as statvfs(3) has it. */
struct remote_volume {
	int64_t block_bytes;
	int64_t blocks, free, available; /* in such blocks */
	int64_t files, files_free;
	int64_t name_max;
};

enum remote_how {
	REMOTE_MOVE_OVER,     /* as rename(2) */
	REMOTE_MOVE_NOT_OVER, /* -EEXIST when `to` exists */
	REMOTE_MOVE_EXCHANGE, /* of two that exist */
};

struct remote_ops {
	int (*stat)(struct remote *, const char *path, const struct cancel *,
		struct entry *ret_entry);
	/* ret_entries: of struct entry *, with entry_free as free function;
	 * names are checked (no "", ".", "..", "/", NUL; UTF-8; no duplicates);
	 * `ret_dropped` counts names that were not. */
	int (*list)(struct remote *, const char *path, const struct cancel *,
		GPtrArray **ret_entries, unsigned *ret_dropped);
	/* length -1: to the end. A reply shorter than it promised is -EIO,
	 * never success. Reading at or past the end gives received = 0. */
	int (*read)(struct remote *, const char *path, int64_t offset,
		int64_t length, const struct remote_sink *,
		const struct cancel *, struct remote_read_info *ret_info);
	/* Creates or replaces the whole file. ret_entry is the new version. */
	int (*write)(struct remote *, const char *path,
		const struct remote_source *, const struct cancel *,
		struct entry *ret_entry);
	int (*mkdir)(struct remote *, const char *path, const struct cancel *,
		struct entry *ret_entry);
	/* Never replaces: -EEXIST when `to` exists. */
	int (*rename)(struct remote *, const char *from, const char *to,
		const struct cancel *, struct entry *ret_entry);
	/* A directory must have been proved empty by the caller: the server
	 * may remove a full one without a word. */
	int (*remove)(struct remote *, const char *path, const struct cancel *);
	unsigned (*capabilities)(struct remote *);
	/* Finds out which of REMOTE_CAN_HIDDEN and REMOTE_NO_HIDDEN holds, and
	 * changes nothing over there. -EOPNOTSUPP: there is no telling. */
	int (*probe_hidden)(struct remote *, const struct cancel *);

	/* The rest may be NULL: -EOPNOTSUPP. */

	/* Listings of `top` and of the directories below it, in the order of a
	 * walk (a directory, all below it, its next sibling, names bytewise),
	 * without those that come before `after` ("" and `top`: all). Ends after
	 * the directory with which there are entries_max entries; 0: after the
	 * first. *ret_is_all: there are no more. A directory that cannot be
	 * listed is left out. */
	int (*list_tree)(struct remote *, const char *top, const char *after,
		unsigned entries_max, const struct remote_tree_sink *,
		const struct cancel *, bool *ret_is_all);
	/* Each path's file, up to bytes_max together; what does not fit any
	 * more is -EFBIG. The sink is called once for each, in order. */
	int (*read_many)(struct remote *, const char *const *paths,
		unsigned n_paths, int64_t bytes_max,
		const struct remote_many_sink *, const struct cancel *);
	/* -ESTALE: the condition does not hold, nothing is changed, and what is
	 * there is in *ret_entry (type and size -1: nothing). As write(), else. */
	int (*replace)(struct remote *, const char *path,
		const struct remote_change *, const struct remote_source *,
		const struct cancel *, struct entry *ret_entry);
	/* One listener; NULL: none, and none is called after this returned. */
	void (*listen)(struct remote *, const struct remote_listener *);
	/* Somebody is answered from what was told: let the remote make sure, in
	 * its own time, that it still would be. Never blocks. */
	void (*rely)(struct remote *);
	/* Of a file or directory; *ret_entry is what it is then. A file's time
	 * is its version. `or_base`: only while it is this version, else
	 * -ESTALE as replace(). */
	int (*setattr)(struct remote *, const char *path,
		const struct entry *or_base, const struct remote_attr *,
		const struct cancel *, struct entry *ret_entry);
	void (*free)(struct remote *);

	/* --- what POSIX has besides; NULL, or without the capability:
	 * -EOPNOTSUPP. -ETIMEDOUT: what changes something may have been done. */

	int (*volume)(struct remote *, const struct cancel *,
		struct remote_volume *ret);
	/* In one step, which is all or nothing to whoever looks over there.
	 * ret_from is set where they were exchanged. 1: nothing is done, they
	 * are two names of one file. -EOPNOTSUPP: not here, or not so. */
	int (*move)(struct remote *, const char *from, const char *to,
		enum remote_how, const struct cancel *, struct entry *ret_to,
		struct entry *ret_from);
	/* Another name of a file: -EEXIST when `to` exists. */
	int (*link)(struct remote *, const char *from, const char *to,
		const struct cancel *, struct entry *ret_to,
		struct entry *ret_from);
	/* Which of the directory's names have extended attributes of the
	 * user's: of char * (the name, "": its own) to GBytes * (the names of
	 * its attributes, each with its NUL). !*ret_is_all: of names that are
	 * not in it nothing is known. */
	int (*xattrs)(struct remote *, const char *directory,
		const struct cancel *, GHashTable **ret, bool *ret_is_all);
	/* -ENODATA: there is none. */
	int (*getxattr)(struct remote *, const char *path, const char *name,
		const struct cancel *, GBytes **ret);
	/* `flags` as of setxattr(2). NULL: it is removed. */
	int (*setxattr)(struct remote *, const char *path, const char *name,
		GBytes *value, int flags, const struct cancel *);
};

struct remote {
	const struct remote_ops *ops;
};

static inline int remote_stat(struct remote *r, const char *path,
	const struct cancel *c, struct entry *ret)
{
	return r->ops->stat(r, path, c, ret);
}

static inline int remote_list(struct remote *r, const char *path,
	const struct cancel *c, GPtrArray **ret_entries, unsigned *ret_dropped)
{
	return r->ops->list(r, path, c, ret_entries, ret_dropped);
}

static inline int remote_read(struct remote *r, const char *path,
	int64_t offset, int64_t length, const struct remote_sink *sink,
	const struct cancel *c, struct remote_read_info *ret)
{
	return r->ops->read(r, path, offset, length, sink, c, ret);
}

static inline int remote_write(struct remote *r, const char *path,
	const struct remote_source *source, const struct cancel *c,
	struct entry *ret)
{
	return r->ops->write(r, path, source, c, ret);
}

static inline int remote_mkdir(struct remote *r, const char *path,
	const struct cancel *c, struct entry *ret)
{
	return r->ops->mkdir(r, path, c, ret);
}

static inline int remote_rename(struct remote *r, const char *from,
	const char *to, const struct cancel *c, struct entry *ret)
{
	return r->ops->rename(r, from, to, c, ret);
}

static inline int remote_remove(
	struct remote *r, const char *path, const struct cancel *c)
{
	return r->ops->remove(r, path, c);
}

static inline unsigned remote_capabilities(struct remote *r)
{
	return r->ops->capabilities(r);
}

static inline int remote_probe_hidden(struct remote *r, const struct cancel *c)
{
	return r->ops->probe_hidden(r, c);
}

static inline int remote_list_tree(struct remote *r, const char *top,
	const char *after, unsigned entries_max,
	const struct remote_tree_sink *sink, const struct cancel *c,
	bool *ret_is_all)
{
	return r->ops->list_tree == NULL
		       ? -EOPNOTSUPP
		       : r->ops->list_tree(r, top, after, entries_max, sink, c,
				 ret_is_all);
}

static inline int remote_read_many(struct remote *r, const char *const *paths,
	unsigned n_paths, int64_t bytes_max,
	const struct remote_many_sink *sink, const struct cancel *c)
{
	return r->ops->read_many == NULL ? -EOPNOTSUPP
					 : r->ops->read_many(r, paths, n_paths,
						   bytes_max, sink, c);
}

static inline int remote_replace(struct remote *r, const char *path,
	const struct remote_change *change, const struct remote_source *source,
	const struct cancel *c, struct entry *ret)
{
	return r->ops->replace == NULL
		       ? -EOPNOTSUPP
		       : r->ops->replace(r, path, change, source, c, ret);
}

static inline int remote_setattr(struct remote *r, const char *path,
	const struct entry *or_base, const struct remote_attr *attr,
	const struct cancel *c, struct entry *ret)
{
	return r->ops->setattr == NULL
		       ? -EOPNOTSUPP
		       : r->ops->setattr(r, path, or_base, attr, c, ret);
}

static inline void remote_listen(
	struct remote *r, const struct remote_listener *listener)
{
	if (r->ops->listen != NULL)
		r->ops->listen(r, listener);
}

static inline void remote_rely(struct remote *r)
{
	if (r->ops->rely != NULL)
		r->ops->rely(r);
}

static inline int remote_volume(
	struct remote *r, const struct cancel *c, struct remote_volume *ret)
{
	return r->ops->volume == NULL ? -EOPNOTSUPP : r->ops->volume(r, c, ret);
}

static inline int remote_move(struct remote *r, const char *from,
	const char *to, enum remote_how how, const struct cancel *c,
	struct entry *ret_to, struct entry *ret_from)
{
	return r->ops->move == NULL
		       ? -EOPNOTSUPP
		       : r->ops->move(r, from, to, how, c, ret_to, ret_from);
}

static inline int remote_link(struct remote *r, const char *from,
	const char *to, const struct cancel *c, struct entry *ret_to,
	struct entry *ret_from)
{
	return r->ops->link == NULL
		       ? -EOPNOTSUPP
		       : r->ops->link(r, from, to, c, ret_to, ret_from);
}

static inline int remote_xattrs(struct remote *r, const char *directory,
	const struct cancel *c, GHashTable **ret, bool *ret_is_all)
{
	return r->ops->xattrs == NULL
		       ? -EOPNOTSUPP
		       : r->ops->xattrs(r, directory, c, ret, ret_is_all);
}

static inline int remote_getxattr(struct remote *r, const char *path,
	const char *name, const struct cancel *c, GBytes **ret)
{
	return r->ops->getxattr == NULL
		       ? -EOPNOTSUPP
		       : r->ops->getxattr(r, path, name, c, ret);
}

static inline int remote_setxattr(struct remote *r, const char *path,
	const char *name, GBytes *value, int flags, const struct cancel *c)
{
	return r->ops->setxattr == NULL
		       ? -EOPNOTSUPP
		       : r->ops->setxattr(r, path, name, value, flags, c);
}

static inline void remote_free(struct remote *r)
{
	if (r != NULL)
		r->ops->free(r);
}

#endif
