/* attr.c - see attr.h. */
#include "config.h"

#include "attr.h"

#include "content.h"
#include "fs_limits.h"
#include "node_table.h"
#include "overlay.h"

#define BLOCK_BYTES 4096

/* A link's mode says nothing of what it leads to. */
static mode_t known_mode(const struct entry *e, mode_t otherwise)
{
	return e->has_attr && e->target == NULL ? e->mode : otherwise;
}

static mode_t file_mode(const struct session *s, const struct entry *e)
{
	mode_t mode = known_mode(e, 0644);

	if (!e->is_writable)
		mode &= ~(mode_t)0222;
	return S_IFREG | (mode & ~s->options.fmask);
}

static mode_t directory_mode(const struct session *s, const struct entry *e)
{
	mode_t mode = known_mode(e, 0755);

	if (!e->is_writable)
		mode &= ~(mode_t)0222;
	return S_IFDIR | (mode & ~s->options.dmask);
}

static void set_size(struct stat *st, int64_t size)
{
	st->st_size = size;
	st->st_blocks = (size + 511) / 512;
}

static void apply_overlay(struct session *s, const char *path,
	const struct entry *e, struct stat *st)
{
	struct overlay_attr set;

	if (!overlay_get(s->overlay, path, e, &set))
		return;
	if (set.has_mode)
		st->st_mode = (st->st_mode & S_IFMT) | set.mode;
	if (set.has_mtime)
		st->st_mtim = set.mtime;
}

static void apply_set_time(struct session *s, const char *path, struct stat *st)
{
	struct overlay_attr set;

	if (overlay_get(s->overlay, path, NULL, &set) && set.has_mtime)
		st->st_mtim = set.mtime;
}

void attr_fill_entry(struct session *s, const char *path, const struct entry *e,
	int64_t age_ms, struct node_attr *ret)
{
	struct stat *st = &ret->st;

	*ret = (struct node_attr){ 0 };
	st->st_uid = s->options.uid;
	st->st_gid = s->options.gid;
	st->st_nlink = 1;
	/* A directory's would say how many are below it, to who counts. */
	if (e->has_attr && e->type == ENTRY_FILE && e->target == NULL)
		st->st_nlink = MAX(1, e->nlink);
	st->st_blksize = BLOCK_BYTES;
	st->st_mtim = entry_exact_mtime(e);
	st->st_ctim = e->ctime.tv_sec != 0 ? e->ctime : e->mtime;
	st->st_mode = e->type == ENTRY_DIRECTORY ? directory_mode(s, e)
						 : file_mode(s, e);
	set_size(st, e->type == ENTRY_DIRECTORY || e->size < 0 ? 0 : e->size);
	apply_overlay(s, path, e, st);
	st->st_atim = st->st_mtim;
	ret->valid_ms = MAX(0, s->options.attr_timeout_ms - age_ms);
}

/* What the content knows better than the server's entry. */
static void apply_content(struct session *s, const struct node *n,
	const char *path, const struct entry *e, struct node_attr *ret)
{
	struct content_stat held;

	content_stat(n->content, &held);
	/* Its upload changes its time without the kernel's knowledge. */
	if (held.is_dirty)
		ret->valid_ms = 0;
	if (!held.is_dirty && path != NULL) {
		if (held.has_real_size && content_is_version(n->content, e))
			set_size(&ret->st, held.size);
		return;
	}
	set_size(&ret->st, held.size);
	if (held.is_dirty && path != NULL) {
		ret->st.st_mtim = ret->st.st_ctim = held.mtime;
		apply_set_time(s, path, &ret->st);
	}
}

void attr_fill(struct session *s, struct node *n, const char *path,
	const struct entry *e, int64_t age_ms, struct node_attr *ret)
{
	attr_fill_entry(s, path != NULL ? path : "", e, age_ms, ret);
	ret->st.st_ino = n->ino;
	if (path == NULL) {
		ret->st.st_nlink = 0;
		(void)node_table_recall(s->nodes, n, &ret->st);
	}
	if (n->content != NULL)
		apply_content(s, n, path, e, ret);
	if (path != NULL)
		node_table_remember(s->nodes, n, &ret->st);
	ret->st.st_atim = ret->st.st_mtim;
}

/* There is nothing but the node to keep it in. */
void attr_change_nameless(
	struct session *s, struct node *n, const struct node_change *change)
{
	struct stat st = { .st_mode = n->ops->type | DEFAULT_FILE_MODE };

	(void)node_table_recall(s->nodes, n, &st);
	if (change->has_mode)
		st.st_mode = n->ops->type | (change->mode & 07777);
	if (change->has_mtime)
		st.st_mtim = change->mtime;
	node_table_remember(s->nodes, n, &st);
}

void attr_fill_control(struct session *s, const struct node *n, mode_t mode,
	int64_t size, const struct timespec *mtime, struct node_attr *ret)
{
	*ret = (struct node_attr){ 0 };
	ret->st.st_ino = n->ino;
	ret->st.st_mode = n->ops->type | mode;
	ret->st.st_nlink = 1;
	ret->st.st_uid = s->options.uid;
	ret->st.st_gid = s->options.gid;
	ret->st.st_blksize = BLOCK_BYTES;
	ret->st.st_mtim = ret->st.st_ctim = ret->st.st_atim = *mtime;
	set_size(&ret->st, size);
}
