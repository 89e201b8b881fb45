/*
 * attr_cache_private.h - what attr_cache.c, attr_cache_put.c (the server's
 * answers) and attr_cache_watch.c (what is told) share.
 */
#ifndef PYCLOUD_ATTR_CACHE_PRIVATE_H
#define PYCLOUD_ATTR_CACHE_PRIVATE_H

#include "attr_cache.h"

#include "fs_limits.h"
#include "mutex.h"

#include <stdatomic.h>

/* Something that is known, and how. */
struct knowledge {
	int64_t learnt_ms; /* 0: never */
	bool is_dropped;   /* known, and not believed any more */
	bool is_told;	   /* nobody had asked: no proof */
};

/* One name of one directory. */
struct belief {
	struct entry entry; /* its name is the key in directory.names */
	bool is_absent;
	bool is_local;
	bool is_own;	/* learnt from what we did ourselves */
	int64_t own_ms; /* when we did; answers that say the same leave it */
	struct knowledge known;
	uint64_t changed; /* ticket number of the last change of our own, or
			   * that we were told; 0: none */
};

struct directory {
	GHashTable *names;	 /* name -> struct belief * */
	struct knowledge listed; /* is_told: names came or went since */
	bool is_own;		 /* not listed but made by us */
	int last_count;		 /* -1: never listed */
	unsigned singles;
	unsigned locals; /* names that are is_local: never make room of them */
	int64_t used_ms;
	uint64_t expired; /* as the cache's, of this directory's answers */
	bool hides_dots;  /* as the cache's, when it was listed so */
	uint64_t watch;	  /* that began before it was listed; 0: none */
	/* As `expired`, of watches: what was asked for before is not watched */
	uint64_t unwatched;
	int64_t true_ms; /* a watch that is over vouched for it until then */
};

/* A directory that was removed or got another name. What was asked of its path
 * before is no answer to what the path names now. */
struct parted {
	char *path;
	uint64_t ticket;
};

struct attr_cache {
	/* Somebody was answered from what only a watch keeps true. */
	atomic_bool is_relied_on;
	struct mutex lock;
	/* guarded by lock */
	GHashTable *directories; /* path -> struct directory * */
	uint64_t ticket;
	uint64_t expired; /* answers to older questions are worth nothing */
	struct parted parted[PARTED_MAX]; /* without a path: free */
	unsigned names;
	struct timespec root_time;
	uint64_t watch;	  /* that goes on; 0: none */
	int64_t alive_ms; /* when it was last heard of */
	bool hides_dots;  /* complete listings have no dot names */
	int64_t (*now_ms)(void);
};

/* NULL: nothing is known of it. */
struct directory *attrs_find_locked(struct attr_cache *c, const char *dir)
	REQUIRES(c->lock);
struct directory *attrs_get_locked(struct attr_cache *c, const char *dir)
	REQUIRES(c->lock);
/* An answer to a question of then is worth nothing. */
bool attrs_is_void_locked(struct attr_cache *c, uint64_t ticket,
	const char *dir) REQUIRES(c->lock);
/* Sets what is believed about one name. NULL: that it is not there. */
struct belief *attrs_believe_locked(struct attr_cache *c, struct directory *d,
	const char *name, const struct entry *) REQUIRES(c->lock);
/* Forgets whole directories until there is room again. */
void attrs_make_room_locked(struct attr_cache *c) REQUIRES(c->lock);
/* The directory's own mtime moves when its entries do. */
void attrs_touch_parent_locked(struct attr_cache *c, const char *dir)
	REQUIRES(c->lock);
/* It and all below it are gone. */
void attrs_remove_locked(struct attr_cache *c, const char *path)
	REQUIRES(c->lock);

/* Its watch goes on. */
static inline bool attrs_is_watched_locked(
	const struct attr_cache *c, const struct directory *d)
{
	return d->watch != 0 && d->watch == c->watch;
}

/* The directory's complete listing said nothing of such a name. */
static inline bool attrs_hides_locked(
	const struct directory *d, const char *name)
{
	return d->hides_dots && name[0] == '.';
}

/* Its names, and what is known of them, are as a watch has told until now. */
bool attrs_is_live_locked(struct attr_cache *c, const struct directory *d)
	REQUIRES(c->lock);
/* The watch of it is over, and was true until then. */
void attrs_unwatch_locked(struct attr_cache *c, struct directory *d,
	int64_t true_ms) REQUIRES(c->lock);

#endif
