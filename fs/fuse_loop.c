/* fuse_loop.c - see fuse_loop.h. */
#include "config.h"

#include "fuse_loop.h"

#include "fs_limits.h"

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
