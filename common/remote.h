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

struct remote;

enum remote_capability {
	REMOTE_CAN_RANGE = 1 << 0, /* read with an offset costs its length */
	/* Dot names: accepted and listed; refused; neither: not known yet. */
	REMOTE_CAN_HIDDEN = 1 << 1,
	REMOTE_NO_HIDDEN = 1 << 5,
	REMOTE_CAN_MODE = 1 << 2,
	REMOTE_CAN_TIMES = 1 << 3,
	REMOTE_CAN_SYMLINK = 1 << 4,
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
	void (*free)(struct remote *);
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

static inline void remote_free(struct remote *r)
{
	if (r != NULL)
		r->ops->free(r);
}

#endif
