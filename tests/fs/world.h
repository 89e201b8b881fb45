/*
 * world.h - a session over fakes, and system calls upon it without a kernel.
 *
 * The functions named after system calls walk paths from the root as the
 * kernel would: they look every component up, call the node ops, and forget
 * again. They return what the system call would, -errno on failure.
 */
#ifndef PYCLOUD_TESTS_FS_WORLD_H
#define PYCLOUD_TESTS_FS_WORLD_H

#include "fake_executor.h"
#include "fake_remote.h"
#include "handle_table.h"
#include "node_table.h"
#include "scratch_place.h"
#include "session.h"

struct world {
	struct remote *remote;
	struct executor *executor;
	struct session *session;
	struct state *state_db;
	struct scratch_place cache, spool, names, runs, state;
	unsigned resumed;		/* runs, by the last session */
	struct session_options options; /* of the next session */
};

/* As cmocka wants its setup and teardown; *state is the struct world. */
int world_setup(void **state);
int world_teardown(void **state);
/* The directories and the state of a world that is set up otherwise. */
void world_make_places(struct world *, struct session_params *);
void world_remove_places(struct world *);
/* What a session must be told of them. */
void world_name_places(struct world *, struct session_params *);
/* Frees the session only: what does that leave? */
void world_end_session(struct world *);
/* Makes one again, with the same remote, state and directories. */
void world_begin_session(struct world *);

/* Another session on the same directories, which takes up what was left. How
 * many changes that were. */
unsigned world_restart(struct world *);
/* The same after kill -9: what the spool has now is what the next one finds. */
unsigned world_kill(struct world *);
/* And the remote is down from then on. */
unsigned world_kill_alone(struct world *);
/* Time passes: what the server has is asked for again. */
void world_forget_beliefs(struct world *);
/* Everything that may be uploaded is tried now. */
void world_upload_late(struct world *);

/* A request of nobody's, and its end. */
void world_begin(struct world *, struct request *);
void world_end(struct request *);

/* +1 ref and +1 lookup; world_forget() gives both back. NULL on failure, with
 * *ret_error. */
struct node *world_walk(struct world *, const char *path, int *ret_error);
void world_forget(struct world *, struct node *);

int world_stat(struct world *, const char *path, struct stat *ret);
int world_exists(struct world *, const char *path); /* stat's errno */
int64_t world_size(struct world *, const char *path);
int world_open(
	struct world *, const char *path, int flags, struct handle **ret);
int world_open_mode(struct world *, const char *path, int flags, mode_t,
	struct handle **ret);
ssize_t world_read(
	struct world *, struct handle *, char *buffer, size_t, int64_t offset);
ssize_t world_write(
	struct world *, struct handle *, const char *text, int64_t offset);
int world_flush(struct world *, struct handle *);
int world_fsync(struct world *, struct handle *);
/* flush, then release; flush's result. */
int world_close(struct world *, struct handle *);
/* Without a flush before it. */
void world_release(struct world *, struct handle *);
int world_fallocate(
	struct world *, struct handle *, int mode, int64_t offset, int64_t);
int world_truncate(struct world *, const char *path, int64_t size);
int world_change(struct world *, const char *path, const struct node_change *);
int world_mkdir(struct world *, const char *path);
int world_symlink(struct world *, const char *target, const char *path);
/* g_free; NULL on failure. */
char *world_readlink(struct world *, const char *path);
int world_unlink(struct world *, const char *path);
int world_rmdir(struct world *, const char *path);
int world_rename(
	struct world *, const char *from, const char *to, unsigned flags);
int world_link(struct world *, const char *from, const char *to);
/* "a b c", without "." and ".."; g_free; NULL and *ret_error on failure. */
char *world_names(struct world *, const char *path, int *ret_error);
/* As text; g_free; NULL: none. */
char *world_getxattr(struct world *, const char *path, const char *name);
/* "user.a user.b"; g_free. */
char *world_listxattr(struct world *, const char *path);
/* value NULL: it is removed. */
int world_setxattr(struct world *, const char *path, const char *name,
	const char *value, int flags);

/* --- whole files, for short tests ----------------------------------------- */

/* Opens, reads all, closes; g_free; NULL and *ret_error on failure. */
char *world_cat(struct world *, const char *path, int *ret_error);
/* Creates or truncates, writes, closes; the first failure. */
int world_save(struct world *, const char *path, const char *text);

/* Fail the test unless so. */
void assert_cat(struct world *, const char *path, const char *expected);
void assert_remote(struct world *, const char *path, const char *expected);
void assert_changes(struct world *, const char *expected);
/* What the handle reads from its beginning. */
void assert_handle(struct world *, struct handle *, const char *expected);
unsigned world_pending(struct world *);

#endif
