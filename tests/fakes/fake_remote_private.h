/* fake_remote_private.h - a fake remote from the inside, for fake_*.c alone. */
#ifndef PYCLOUD_TESTS_FAKE_REMOTE_PRIVATE_H
#define PYCLOUD_TESTS_FAKE_REMOTE_PRIVATE_H

#include "fake_remote.h"

#include "fake_tree.h"
#include "mutex.h"
#include "waitlist.h"

struct script {
	unsigned calls;
	unsigned ended;
	unsigned fails_in; /* 1: the next call fails; 0: none does */
	int error;
	bool stalls;
	bool is_stalled; /* somebody stands still */
};

struct fake {
	struct remote remote;
	struct mutex lock;
	/* guarded by lock */
	struct fake_tree *tree;
	unsigned capabilities;
	unsigned probed; /* REMOTE_CAN_HIDDEN, REMOTE_NO_HIDDEN or 0 */
	struct script scripts[FAKE_OPS];
	int error; /* of all calls; 0: none */
	int64_t missing_bytes;
	int64_t read_bytes;
	int torn_error; /* of the next write; 0: none */
	int64_t torn_bytes;
	int last_ranges;
	int64_t replaced_bytes;
	mode_t refused_bits;
	struct remote_volume volume;
	GHashTable *attributes; /* path -> (name -> GBytes *); NULL: none */
	GString *changes;
	struct waitlist changed;
};

static inline struct fake *fake_of(struct remote *r)
{
	return (struct fake *)r;
}

/* What every call begins with: counted, perhaps held, perhaps failed. */
int fake_begin_locked(struct fake *f, enum fake_op op,
	const struct cancel *cancel) REQUIRES(f->lock);
/* 0, or why no file can be at the path. */
int fake_check_place_locked(struct fake *f, const char *path) REQUIRES(f->lock);

/* fake_swap.c */
int fake_replace(struct remote *, const char *path,
	const struct remote_change *, const struct remote_source *,
	const struct cancel *, struct entry *ret);
int fake_setattr(struct remote *, const char *path, const struct entry *or_base,
	const struct remote_attr *, const struct cancel *, struct entry *ret);

/* fake_posix.c */
int fake_volume(
	struct remote *, const struct cancel *, struct remote_volume *ret);
int fake_move(struct remote *, const char *from, const char *to,
	enum remote_how, const struct cancel *, struct entry *ret_to,
	struct entry *ret_from);
int fake_link(struct remote *, const char *from, const char *to,
	const struct cancel *, struct entry *ret_to, struct entry *ret_from);
int fake_xattrs(struct remote *, const char *directory, const struct cancel *,
	GHashTable **ret, bool *ret_is_all);
int fake_getxattr(struct remote *, const char *path, const char *name,
	const struct cancel *, GBytes **ret);
int fake_setxattr(struct remote *, const char *path, const char *name,
	GBytes *value, int flags, const struct cancel *);

#endif
