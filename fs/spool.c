/* spool.c - see spool.h. */
#include "config.h"

#include "spool.h"

#include "fs_limits.h"
#include "limits.h"
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	  "PYCSPL01"
#define MAGIC_LEN 8
#define NAME_MAX_ 32

enum kind {
	KIND_SIZE = 1, /* a: size; nothing of it is there yet */
	KIND_PRESENT,  /* a, b: these bytes are there; the size is b at least */
	KIND_TRUNCATED, /* a: size */
	KIND_PATH,	/* bytes: path */
	KIND_BASE,	/* a: enum spool_base; bytes: struct base_bytes */
	KIND_SINCE,	/* a: Unix time */
	KIND_SENT,
};

struct record {
	uint32_t kind;
	uint32_t length;
	int64_t a, b;
};

struct base_bytes {
	int64_t size, s, ns;
};

struct spool_log {
	int directory_fd;
	int fd;
	int64_t end; /* where the next record goes */
	/* The last record, when it is one that may still grow. */
	bool may_grow;
	struct record last;
	char data_name[NAME_MAX_];
	char log_name[NAME_MAX_];
};

void spool_record_clear(struct spool_record *r)
{
	g_free(r->path);
	extents_clear(&r->present);
	*r = (struct spool_record){ 0 };
}

/* --- appending ------------------------------------------------------------ */

static int put(struct spool_log *log, enum kind kind, int64_t a, int64_t b,
	const void *bytes, size_t length)
{
	struct record r = { kind, (uint32_t)length, a, b };
	int rc = scratch_write(log->fd, &r, sizeof(r), log->end);

	if (rc == 0 && length > 0)
		rc = scratch_write(
			log->fd, bytes, length, log->end + (int64_t)sizeof(r));
	if (rc < 0) {
		(void)ftruncate(log->fd, log->end);
		return rc;
	}
	log->end += (int64_t)(sizeof(r) + length);
	log->may_grow = kind == KIND_PRESENT;
	log->last = r;
	return 0;
}

/* A sequential writer makes one record, not a million. */
static bool grow_last(struct spool_log *log, int64_t start, int64_t end)
{
	struct record r = log->last;

	if (!log->may_grow || start < r.a || start > r.b)
		return false;
	if (end <= r.b)
		return true;
	r.b = end;
	if (scratch_write(
		    log->fd, &r, sizeof(r), log->end - (int64_t)sizeof(r)) < 0)
		return false;
	log->last = r;
	return true;
}

int spool_log_present(struct spool_log *log, int64_t start, int64_t end)
{
	if (end <= start || grow_last(log, start, end))
		return 0;
	return put(log, KIND_PRESENT, start, end, NULL, 0);
}

int spool_log_truncated(struct spool_log *log, int64_t size)
{
	return put(log, KIND_TRUNCATED, size, 0, NULL, 0);
}

int spool_log_moved(struct spool_log *log, const char *path)
{
	return put(log, KIND_PATH, 0, 0, path, strlen(path));
}

int spool_log_sent(struct spool_log *log)
{
	return put(log, KIND_SENT, 0, 0, NULL, 0);
}

const char *spool_log_file(const struct spool_log *log)
{
	return log->data_name;
}

/* --- beginning ------------------------------------------------------------ */

static int put_beginning(struct spool_log *log, const struct spool_record *r)
{
	const struct base_bytes base = { r->base_size, r->base_mtime.tv_sec,
		r->base_mtime.tv_nsec };
	int64_t at = 0;
	int64_t start, end;
	int rc = scratch_write(log->fd, MAGIC, MAGIC_LEN, 0);

	log->end = MAGIC_LEN;
	if (rc == 0)
		rc = spool_log_moved(log, r->path);
	if (rc == 0)
		rc = put(log, KIND_BASE, r->base, 0, &base, sizeof(base));
	if (rc == 0)
		rc = put(log, KIND_SINCE, r->since_s, 0, NULL, 0);
	if (rc == 0)
		rc = put(log, KIND_SIZE, r->size, 0, NULL, 0);
	while (rc == 0 &&
		extents_next_run(&r->present, at, INT64_MAX, &start, &end)) {
		rc = spool_log_present(log, start, end);
		at = end;
	}
	return rc;
}

/* The log comes under its name when its beginning is whole. */
static int begin_log(struct spool_log *log, const struct spool_record *r)
{
	char temporary[NAME_MAX_ + 4];
	int rc;

	(void)snprintf(temporary, sizeof(temporary), "%s.new", log->log_name);
	log->fd = openat(log->directory_fd, temporary,
		O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log->fd < 0)
		return -errno;
	rc = put_beginning(log, r);
	if (rc == 0 && renameat(log->directory_fd, temporary, log->directory_fd,
			       log->log_name) < 0)
		rc = -errno;
	if (rc < 0) {
		(void)unlinkat(log->directory_fd, temporary, 0);
		(void)close(log->fd);
	}
	return rc;
}

static int copy_present(int from, int to, const struct extents *present)
{
	int64_t at = 0;
	int64_t start, end;
	int rc = 0;

	while (rc == 0 &&
		extents_next_run(present, at, INT64_MAX, &start, &end)) {
		rc = scratch_copy(from, to, start, end);
		at = end;
	}
	return rc;
}

/* The bytes' file has no name that could be given (another file system, or one
 * without unnamed files): its bytes get a file that has. */
static int name_copy(
	struct spool_log *log, int *fd, const struct spool_record *r)
{
	int copy = openat(log->directory_fd, log->data_name,
		O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (copy < 0)
		return -errno;
	rc = copy_present(*fd, copy, &r->present);
	if (rc == 0 && ftruncate(copy, r->size) < 0)
		rc = -errno;
	if (rc < 0) {
		(void)unlinkat(log->directory_fd, log->data_name, 0);
		(void)close(copy);
		return rc;
	}
	(void)close(*fd);
	*fd = copy;
	return 0;
}

static void set_names(struct spool_log *log, const char *id)
{
	(void)snprintf(log->data_name, sizeof(log->data_name), "%s.data", id);
	(void)snprintf(log->log_name, sizeof(log->log_name), "%s.log", id);
}

int spool_begin(int directory_fd, int *fd, const struct spool_record *r,
	struct spool_log **ret)
{
	g_autofree struct spool_log *log = g_new0(struct spool_log, 1);
	char id[20];
	int rc;

	log->directory_fd = directory_fd;
	(void)snprintf(
		id, sizeof(id), "%08x%08x", g_random_int(), g_random_int());
	set_names(log, id);
	/* Before it has a name, so that nobody takes it for left behind. */
	(void)flock(*fd, LOCK_EX | LOCK_NB);
	rc = scratch_name(*fd, directory_fd, log->data_name);
	if (rc < 0 && rc != -EEXIST) {
		rc = name_copy(log, fd, r);
		(void)flock(*fd, LOCK_EX | LOCK_NB);
	}
	if (rc < 0)
		return rc;
	rc = begin_log(log, r);
	if (rc < 0) {
		(void)unlinkat(directory_fd, log->data_name, 0);
		return rc;
	}
	*ret = g_steal_pointer(&log);
	return 0;
}

/* --- keeping -------------------------------------------------------------- */

int spool_sync_begin(struct spool_log *log, int fd, struct spool_sync *ret)
{
	ret->data_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ret->log_fd = fcntl(log->fd, F_DUPFD_CLOEXEC, 0);
	ret->directory_fd = log->directory_fd;
	if (ret->data_fd >= 0 && ret->log_fd >= 0)
		return 0;
	if (ret->data_fd >= 0)
		(void)close(ret->data_fd);
	if (ret->log_fd >= 0)
		(void)close(ret->log_fd);
	return -EMFILE;
}

int spool_sync_end(struct spool_sync *sync)
{
	int rc = 0;

	if (fdatasync(sync->data_fd) < 0 || fdatasync(sync->log_fd) < 0 ||
		fsync(sync->directory_fd) < 0)
		rc = -errno;
	(void)close(sync->data_fd);
	(void)close(sync->log_fd);
	return rc;
}

void spool_close(struct spool_log *log)
{
	if (log == NULL)
		return;
	(void)close(log->fd);
	g_free(log);
}

void spool_remove(struct spool_log *log)
{
	if (log == NULL)
		return;
	(void)unlinkat(log->directory_fd, log->log_name, 0);
	(void)unlinkat(log->directory_fd, log->data_name, 0);
	spool_close(log);
}

bool spool_release(
	struct spool_log *log, int to_directory_fd, const char *to_name)
{
	bool is_renamed;

	/* First, so that the log never speaks of a file that is elsewhere. */
	(void)unlinkat(log->directory_fd, log->log_name, 0);
	is_renamed = renameat(log->directory_fd, log->data_name,
			     to_directory_fd, to_name) == 0;
	if (!is_renamed)
		(void)unlinkat(log->directory_fd, log->data_name, 0);
	spool_close(log);
	return is_renamed;
}

/* --- reading what was left behind ----------------------------------------- */

static int read_all(int fd, void *buffer, size_t size, int64_t offset)
{
	char *p = buffer;

	while (size > 0) {
		ssize_t n = pread(fd, p, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		p += n;
		size -= (size_t)n;
		offset += n;
	}
	return 0;
}

static int apply_present(struct spool_record *r, int64_t start, int64_t end)
{
	if (start < 0 || end <= start || end > CONTENTS_FILE_MAX)
		return -EBADMSG;
	r->is_unfinished = true;
	r->size = MAX(r->size, end);
	return extents_add(&r->present, start, end);
}

static int apply_size(struct spool_record *r, int64_t size)
{
	if (size < 0 || size > CONTENTS_FILE_MAX)
		return -EBADMSG;
	r->is_unfinished = true;
	extents_truncate(&r->present, size);
	r->size = size;
	return 0;
}

static int apply_base(
	struct spool_record *r, int64_t kind, const struct base_bytes *base)
{
	if (kind < SPOOL_BASE_UNKNOWN || kind > SPOOL_BASE_VERSION)
		return -EBADMSG;
	r->base = (enum spool_base)kind;
	r->base_size = base->size;
	r->base_mtime.tv_sec = base->s;
	r->base_mtime.tv_nsec = (long)base->ns;
	return 0;
}

static int apply_path(struct spool_record *r, const char *path, size_t length)
{
	if (length == 0 || memchr(path, '\0', length) != NULL)
		return -EBADMSG;
	g_free(r->path);
	r->path = g_strndup(path, length);
	return 0;
}

static int apply(
	struct spool_record *r, const struct record *record, const void *bytes)
{
	struct base_bytes base;

	switch (record->kind) {
	case KIND_SIZE:
	case KIND_TRUNCATED:
		return apply_size(r, record->a);
	case KIND_PRESENT:
		return apply_present(r, record->a, record->b);
	case KIND_PATH:
		return apply_path(r, bytes, record->length);
	case KIND_BASE:
		if (record->length != sizeof(base))
			return -EBADMSG;
		memcpy(&base, bytes, sizeof(base));
		return apply_base(r, record->a, &base);
	case KIND_SINCE:
		r->since_s = record->a;
		return 0;
	case KIND_SENT:
		r->was_sent = true;
		r->is_unfinished = false;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* One record; 0 and the log's end moves on, -ENODATA where the log ends. */
static int read_record(struct spool_log *log, struct spool_record *r)
{
	char bytes[PATH_BYTES_MAX];
	struct record record;
	int rc = read_all(log->fd, &record, sizeof(record), log->end);

	if (rc < 0)
		return rc;
	if (record.length > sizeof(bytes))
		return -EBADMSG;
	rc = read_all(log->fd, bytes, record.length,
		log->end + (int64_t)sizeof(record));
	if (rc == 0)
		rc = apply(r, &record, bytes);
	if (rc == 0)
		log->end += (int64_t)(sizeof(record) + record.length);
	return rc;
}

static int read_log(struct spool_log *log, struct spool_record *r)
{
	char magic[MAGIC_LEN];
	int rc = read_all(log->fd, magic, MAGIC_LEN, 0);

	if (rc == 0 && memcmp(magic, MAGIC, MAGIC_LEN) != 0)
		rc = -EBADMSG;
	log->end = MAGIC_LEN;
	while (rc == 0)
		rc = read_record(log, r);
	if (rc != -ENODATA)
		return rc;
	if (r->path == NULL)
		return -EBADMSG;
	/* A piece of a record that was never answered for. */
	return ftruncate(log->fd, log->end) < 0 ? -errno : 0;
}

static int open_data(const struct spool_log *log, int *ret_fd)
{
	int fd = openat(log->directory_fd, log->data_name,
		O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		(void)close(fd);
		return -EBUSY;
	}
	*ret_fd = fd;
	return 0;
}

int spool_open(int directory_fd, const char *name,
	struct spool_record *ret_record, int *ret_fd,
	struct spool_log **ret_log)
{
	struct spool_log *log = g_new0(struct spool_log, 1);
	int fd = -1;
	int rc;

	*ret_record = (struct spool_record){ 0 };
	log->directory_fd = directory_fd;
	set_names(log, name);
	rc = open_data(log, &fd);
	if (rc == 0) {
		log->fd = openat(directory_fd, log->log_name,
			O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		rc = log->fd < 0 ? -errno : read_log(log, ret_record);
		if (rc < 0 && log->fd >= 0)
			(void)close(log->fd);
	}
	/* Also what a write that was not answered for left past the end. */
	if (rc == 0 && ftruncate(fd, ret_record->size) < 0) {
		rc = -errno;
		(void)close(log->fd);
	}
	if (rc < 0) {
		if (fd >= 0)
			(void)close(fd);
		spool_record_clear(ret_record);
		g_free(log);
		return rc;
	}
	*ret_fd = fd;
	*ret_log = log;
	return 0;
}

static bool has_file(int directory_fd, const char *id, const char *suffix)
{
	g_autofree char *name = g_strconcat(id, suffix, NULL);
	struct stat st;

	return fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Bytes whose log was never begun, or is gone: nobody waits for them. */
static void remove_orphan(int directory_fd, const char *id)
{
	struct spool_log log = { .directory_fd = directory_fd };
	int fd;

	set_names(&log, id);
	if (open_data(&log, &fd) < 0)
		return;
	if (!has_file(directory_fd, id, ".log")) {
		g_autofree char *begun =
			g_strconcat(log.log_name, ".new", NULL);

		(void)unlinkat(directory_fd, begun, 0);
		(void)unlinkat(directory_fd, log.data_name, 0);
	}
	(void)close(fd);
}

GPtrArray *spool_list(int directory_fd)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;
		g_autofree char *id = NULL;

		if (!g_str_has_suffix(name, ".data") ||
			strlen(name) >= NAME_MAX_)
			continue;
		id = g_strndup(name, strlen(name) - strlen(".data"));
		if (has_file(directory_fd, id, ".log"))
			g_ptr_array_add(names, g_steal_pointer(&id));
		else
			remove_orphan(directory_fd, id);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return names;
}
