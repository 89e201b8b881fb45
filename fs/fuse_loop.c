/* fuse_loop.c - see fuse_loop.h. */
#include "config.h"

#include "fuse_loop.h"

#include "fs_limits.h"

#include <glib.h>

struct fuse_session *fuse_loop_session(const char *options,
	const struct fuse_lowlevel_ops *ops, size_t ops_size, void *arg)
{
	g_autofree char *copy = g_strdup(options);
	char program[] = "mount.pycloud";
	char flag[] = "-o";
	char *argv[] = { program, flag, copy, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	struct fuse_session *fuse = fuse_session_new(&args, ops, ops_size, arg);

	fuse_opt_free_args(&args); /* libfuse has made them its own */
	return fuse;
}

int fuse_loop_run(struct fuse_session *fuse)
{
#ifdef HAVE_FUSE_312
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int rc;

	fuse_loop_cfg_set_max_threads(config, FUSE_THREADS_MAX);
	fuse_loop_cfg_set_idle_threads(config, FUSE_THREADS_IDLE_MAX);
	fuse_loop_cfg_set_clone_fd(config, 0);
	rc = fuse_session_loop_mt(fuse, config);
	fuse_loop_cfg_destroy(config);
	return rc;
#else
	struct fuse_loop_config config = {
		.clone_fd = 0,
		.max_idle_threads = FUSE_THREADS_IDLE_MAX,
	};

	return fuse_session_loop_mt(fuse, &config);
#endif
}
