/*
 * node.h - one name of the mounted tree, and what can be done with it.
 *
 * The kernel's inode is a node's number. What a node *does* is its ops table:
 * directories, files, .run and the control files each bring one (dir.c,
 * file.c, run_file.c, control.c), so that no operation asks "is this the
 * control file?". A NULL op is answered with the errno programs expect for
 * "cannot be had" (fuse_ops.c has that table).
 *
 * Ops are called by the adapter with a counted node, block with the request's
 * token, return 0 (or a count) or -errno, and know nothing of FUSE.
 */
#ifndef PYCLOUD_NODE_H
#define PYCLOUD_NODE_H

#include "request.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct content;
struct handle;
struct node;
struct poller;

/* Attributes and how long the kernel may believe them. */
struct node_attr {
	struct stat st;
	int64_t valid_ms;
};

/* What a setattr asks for. */
struct node_change {
	bool has_mode, has_uid, has_gid, has_size, has_atime, has_mtime;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int64_t size;
	struct timespec mtime;
};

struct node_dirent {
	const char *name; /* borrowed from the handle's snapshot */
	struct node_attr attr;
	struct node
		*node; /* with a ref and a lookup, when asked for; or NULL */
};

struct open_result {
	struct handle *handle;
	bool is_direct;	  /* no page cache */
	bool keeps_cache; /* the kernel's pages are still right */
	bool is_seekable; /* false: a stream */
};

struct node_ops {
	const char *kind;
	mode_t type; /* S_IFREG, S_IFDIR, S_IFLNK */

	int (*getattr)(struct request *, struct node *, struct node_attr *ret);
	int (*setattr)(struct request *, struct node *, struct handle *,
		const struct node_change *, struct node_attr *ret);
	int (*readlink)(struct request *, struct node *, char **ret_target);

	/* +1 ref and +1 lookup on *ret_node. */
	int (*lookup)(struct request *, struct node *dir, const char *name,
		struct node **ret_node, struct node_attr *ret_attr);
	int (*create)(struct request *, struct node *dir, const char *name,
		mode_t mode, int flags, struct node **ret_node,
		struct node_attr *ret_attr, struct open_result *ret_open);
	int (*mkdir)(struct request *, struct node *dir, const char *name,
		mode_t mode, struct node **ret_node,
		struct node_attr *ret_attr);
	int (*symlink)(struct request *, struct node *dir, const char *name,
		const char *target, struct node **ret_node,
		struct node_attr *ret_attr);
	int (*unlink)(struct request *, struct node *dir, const char *name);
	int (*rmdir)(struct request *, struct node *dir, const char *name);
	int (*rename)(struct request *, struct node *dir, const char *name,
		struct node *to_dir, const char *to_name, unsigned flags);

	/* Another name, in this directory, of a node of any kind. */
	int (*link)(struct request *, struct node *, struct node *dir,
		const char *name, struct node **ret_node,
		struct node_attr *ret_attr);

	int (*opendir)(struct request *, struct node *, struct open_result *);
	/* The entry number `index` (0 is the first) of the handle's snapshot.
	 * 1: there is one, 0: the end, or -errno. */
	int (*dirent)(struct request *, struct handle *, uint64_t index,
		bool wants_node, struct node_dirent *ret);

	int (*open)(struct request *, struct node *, int flags,
		struct open_result *);
	ssize_t (*read)(struct request *, struct handle *, char *buffer,
		size_t size, int64_t offset);
	ssize_t (*write)(struct request *, struct handle *, const char *bytes,
		size_t size, int64_t offset);
	int (*flush)(struct request *, struct handle *);
	int (*fsync)(struct request *, struct handle *);
	int (*fallocate)(struct request *, struct handle *, int mode,
		int64_t offset, int64_t length);
	/* Would a read return at once? When not, the poller is woken as soon
	 * as that may be otherwise. Takes the poller; NULL: nobody sleeps.
	 * Without this op it would, always. */
	bool (*poll)(struct request *, struct handle *, struct poller *);
	/* How many bytes of `answer` are the answer. Without it: ENOTTY. */
	ssize_t (*ioctl)(struct request *, struct handle *, unsigned command,
		void *answer, size_t size);
	/* Also of directories. The handle is freed afterwards. */
	void (*release)(struct request *, struct handle *);

	int (*getxattr)(struct request *, struct node *, const char *name,
		char **ret_value, size_t *ret_size);
	int (*listxattr)(struct request *, struct node *, char **ret_names,
		size_t *ret_size);
	/* `flags` as of setxattr(2); value NULL: it is removed. */
	int (*setxattr)(struct request *, struct node *, const char *name,
		const char *value, size_t size, int flags);
};

/*
 * Fields are in three groups. Immutable ones may be read by whoever holds a
 * ref; the others belong to node_table.c and are reached by its functions.
 */
struct node {
	/* immutable */
	uint64_t ino;
	const struct node_ops *ops;
	uint64_t tag;		 /* kind's own: a run's number */
	struct content *content; /* files: their bytes; owned; else NULL */

	/* guarded by the node table's lock */
	struct node *parent; /* owns a ref; NULL: the root */
	char *name;
	bool is_linked;	  /* findable by (parent, name) */
	bool was_removed; /* by us: nobody wants its bytes any more */
	unsigned refs;
	uint64_t lookups;
	bool has_page_version;
	struct timespec page_mtime; /* the version the kernel's pages are of */
	int64_t page_size;
	bool has_last; /* what stat said last */
	mode_t last_mode;
	int64_t last_size;
	struct timespec last_mtime;
};

#endif
