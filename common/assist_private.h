/*
 * assist_private.h - what assist.c (its life) and assist_files.c, assist_attr.c,
 * assist_posix.c (what it does) share; for nobody else.
 */
#ifndef PYCLOUD_ASSIST_PRIVATE_H
#define PYCLOUD_ASSIST_PRIVATE_H

#include "assist.h"

#include "mutex.h"
#include "waitlist.h"

enum assist_state {
	ASSIST_ASLEEP,
	ASSIST_UNPROVEN,
	ASSIST_LIVE,
	ASSIST_REFUSED,
};

struct assist {
	struct remote base;
	struct remote *inner;
	struct helper *helper;
	struct helper_user *user;
	struct cancel closing;
	pthread_t prover;

	struct mutex lock;
	/* guarded by lock */
	struct waitlist changed;
	enum assist_state state;
	unsigned life; /* of the helper: how many there were */
	bool is_closing;
	const char *why;   /* REFUSED; a clause */
	int64_t paused_ms; /* it is not used before; 0: it is */
	int64_t woken_ms;  /* the last try; 0: none */
	bool tells;	   /* watching can work there */
	bool has_clock;	   /* of this life */
	int64_t ahead_ms;  /* so far its clock is ahead of ours, at least */
	uint64_t next_watch;
	uint64_t watch;	  /* 0: nothing is told */
	int64_t told;	  /* the last message that told something */
	int64_t heard_ms; /* the last time that the count was right */
	bool is_asked;	  /* whether it still is: the prover is to ask */
	bool has_listener;
	bool is_telling; /* a function of it runs */
	struct remote_listener listener;
};

static inline struct assist *assist_of(struct remote *r)
{
	return (struct assist *)r; /* its first member */
}

/* May it be asked now? Starts the helper where there is none. */
bool assist_is_usable(struct assist *);
cJSON *assist_verb(const char *name);
cJSON *assist_verb_at(const char *name, const char *key, const char *path);
/* The helper's word on the root: "stat", which also says how much was told. */
int assist_ask_root(struct assist *, int timeout_ms, const struct cancel *,
	struct helper_reply *ret);
/* The verb's answer, as helper_ask(); any failure of the helper is -EOPNOTSUPP,
 * and none of its own errors is. */
int assist_ask(struct assist *, cJSON *call, const struct kernel_buffer *,
	int timeout_ms, const struct cancel *, struct helper_reply *ret);
/* Our time is past when the helper's clock says *ret, or a little later; false:
 * nothing is known of its clock. */
bool assist_helper_time(struct assist *, int64_t our_ms, int64_t *ret);
/* It did not answer in time, or not as agreed: it is left alone for a while. */
void assist_pause(struct assist *, const char *why);
/* What is not as agreed will not be so the next time: -EPROTO is -EOPNOTSUPP,
 * after which it is left alone, too. */
int assist_check_protocol(struct assist *, int rc);
/* There is no answer: what that means to who changes something, which may have
 * been done all the same. */
int assist_unanswered(int rc, const struct helper_reply *);
/* The members "base" and, as far as something is to be set, "mode", "mtime". */
void assist_add_base(cJSON *call, const struct entry *or_base);
void assist_add_attr(cJSON *call, const struct remote_attr *);
/* The watch that holds now, before something is listed; and whether an answer
 * says of the messages sent before it what we know of them. */
uint64_t assist_watch(struct assist *);
void assist_check_told(struct assist *, const cJSON *answer);

int assist_list_tree(struct remote *, const char *top, const char *after,
	unsigned entries_max, const struct remote_tree_sink *,
	const struct cancel *, bool *ret_is_all);
int assist_read_many(struct remote *, const char *const *paths,
	unsigned n_paths, int64_t bytes_max, const struct remote_many_sink *,
	const struct cancel *);
int assist_replace(struct remote *, const char *path,
	const struct remote_change *, const struct remote_source *,
	const struct cancel *, struct entry *ret_entry);
int assist_setattr(struct remote *, const char *path,
	const struct entry *or_base, const struct remote_attr *,
	const struct cancel *, struct entry *ret_entry);

int assist_volume(
	struct remote *, const struct cancel *, struct remote_volume *ret);
int assist_move(struct remote *, const char *from, const char *to,
	enum remote_how, const struct cancel *, struct entry *ret_to,
	struct entry *ret_from);
int assist_link(struct remote *, const char *from, const char *to,
	const struct cancel *, struct entry *ret_to, struct entry *ret_from);
int assist_xattrs(struct remote *, const char *directory, const struct cancel *,
	GHashTable **ret, bool *ret_is_all);
int assist_getxattr(struct remote *, const char *path, const char *name,
	const struct cancel *, GBytes **ret);
int assist_setxattr(struct remote *, const char *path, const char *name,
	GBytes *value, int flags, const struct cancel *);

#endif
