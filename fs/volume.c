/* volume.c - see volume.h. */
#include "config.h"

#include "volume.h"

#include "fs_limits.h"
#include "mutex.h"
#include "remote.h"

#include <errno.h>

#define UNKNOWN_BLOCK  4096
#define UNKNOWN_BLOCKS (((int64_t)1 << 40) / UNKNOWN_BLOCK)
#define UNKNOWN_NAME   255

struct volume {
	struct remote *remote;

	struct mutex lock;
	/* guarded by lock */
	struct remote_volume last;
	bool is_asking;	  /* somebody is */
	int64_t again_ms; /* before then it is not asked */
};

struct volume *volume_new(struct remote *remote)
{
	struct volume *v = g_new0(struct volume, 1);

	v->remote = remote;
	v->last = (struct remote_volume){
		.block_bytes = UNKNOWN_BLOCK,
		.blocks = UNKNOWN_BLOCKS,
		.free = UNKNOWN_BLOCKS,
		.available = UNKNOWN_BLOCKS,
		.name_max = UNKNOWN_NAME,
	};
	mutex_init(&v->lock);
	return v;
}

void volume_free(struct volume *v)
{
	if (v == NULL)
		return;
	mutex_fini(&v->lock);
	g_free(v);
}

/* Is it for this caller to ask? */
static bool begin_asking(struct volume *v)
{
	bool asks;

	if ((remote_capabilities(v->remote) & REMOTE_CAN_VOLUME) == 0)
		return false;
	mutex_lock(&v->lock);
	asks = !v->is_asking && clock_now_ms() >= v->again_ms;
	v->is_asking = v->is_asking || asks;
	mutex_unlock(&v->lock);
	return asks;
}

static void ask(struct volume *v)
{
	struct remote_volume now = { 0 };
	struct cancel limit;
	int rc;

	cancel_init(&limit, VOLUME_WAIT_MS);
	rc = remote_volume(v->remote, &limit, &now);
	cancel_fini(&limit);
	mutex_lock(&v->lock);
	if (rc == 0)
		v->last = now;
	v->again_ms =
		clock_now_ms() + (rc == 0 ? VOLUME_VALID_MS : VOLUME_FAILED_MS);
	v->is_asking = false;
	mutex_unlock(&v->lock);
}

void volume_stat(struct volume *v, struct statvfs *ret)
{
	struct remote_volume last;

	if (begin_asking(v))
		ask(v);
	mutex_lock(&v->lock);
	last = v->last;
	mutex_unlock(&v->lock);
	*ret = (struct statvfs){
		.f_bsize = (unsigned long)last.block_bytes,
		.f_frsize = (unsigned long)last.block_bytes,
		.f_blocks = (fsblkcnt_t)last.blocks,
		.f_bfree = (fsblkcnt_t)last.free,
		.f_bavail = (fsblkcnt_t)last.available,
		.f_files = (fsfilcnt_t)last.files,
		.f_ffree = (fsfilcnt_t)last.files_free,
		.f_favail = (fsfilcnt_t)last.files_free,
		.f_namemax = (unsigned long)last.name_max,
	};
}
