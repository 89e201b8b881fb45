/* spool.c - see spool.h. */
#include "config.h"

#include "spool.h"

#include "common_limits.h"
#include "fs_limits.h"
#include "mutex.h"
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
#define SPARE	  "spare-"

enum kind {
	KIND_SIZE = 1, /* a: size; the last record of the beginning */
	KIND_PRESENT,  /* a, b: these bytes are there; the size is b at least */
	KIND_TRUNCATED, /* a: size */
	KIND_PATH,	/* bytes: path */
	KIND_BASE,	/* a: enum spool_base; bytes: struct base_bytes */
	KIND_SINCE,	/* a: Unix time */
	KIND_SENT,	/* a: 1 when what was sent is still unfinished */
};

struct record {
	uint32_t kind;
	uint32_t length;
	int64_t a, b;
};

struct base_bytes {
	int64_t size, s, ns;
};

/* An empty log that nobody uses. Files that are made and removed by the
 * hundred make some file systems slow: ext4 looks through all that were removed
 * of late before it makes one. */
struct spare {
	int fd;
	char name[NAME_MAX_];
};

struct spool {
	int directory_fd; /* immutable; borrowed */

	struct mutex lock;
	/* guarded by lock */
	struct spare spares[SPOOL_SPARES];
	unsigned spare_count;
};

struct spool_log {
	struct spool *spool;
	int directory_fd;
	int fd;
	GByteArray *draft; /* the beginning, before it is written; else NULL */
	int64_t end;	   /* where the next record goes */
	/* The last record, when it is one that may still grow. */
	bool may_grow;
	bool has_beginning; /* as far as it was read */
	struct record last;
	char *path; /* that the log last said */
	char data_name[NAME_MAX_];
	char log_name[NAME_MAX_];
};

void spool_record_clear(struct spool_record *r)
{
	g_free(r->path);
	extents_clear(&r->present);
	*r = (struct spool_record){ 0 };
}

static void log_free(struct spool_log *log)
{
	g_free(log->path);
	g_free(log);
}

struct spool *spool_new(int directory_fd)
{
	struct spool *s = g_new0(struct spool, 1);

	mutex_init(&s->lock);
	s->directory_fd = directory_fd;
	return s;
}

void spool_free(struct spool *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->spare_count; i++) {
		(void)unlinkat(s->directory_fd, s->spares[i].name, 0);
		(void)close(s->spares[i].fd);
	}
	mutex_fini(&s->lock);
	g_free(s);
}

/* --- appending ------------------------------------------------------------ */

static int put(struct spool_log *log, enum kind kind, int64_t a, int64_t b,
	const void *bytes, size_t length)
{
	struct record r = { kind, (uint32_t)length, a, b };
	int rc;

	if (log->draft != NULL) {
		g_byte_array_append(log->draft, (void *)&r, sizeof(r));
		g_byte_array_append(log->draft, bytes, (guint)length);
		return 0;
	}
	rc = scratch_write(log->fd, &r, sizeof(r), log->end);
	if (rc == 0 && length > 0)
		rc = scratch_write(
			log->fd, bytes, length, log->end + (int64_t)sizeof(r));
	if (rc < 0) {
		scratch_cut(log->fd, log->end);
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

	if (log->draft != NULL || !log->may_grow || start < r.a || start > r.b)
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
	int rc;

	if (g_strcmp0(log->path, path) == 0)
		return 0;
	rc = put(log, KIND_PATH, 0, 0, path, strlen(path));
	if (rc == 0) {
		g_free(log->path);
		log->path = g_strdup(path);
	}
	return rc;
}

int spool_log_sent(struct spool_log *log, bool is_unfinished)
{
	return put(log, KIND_SENT, is_unfinished, 0, NULL, 0);
}

const char *spool_log_file(const struct spool_log *log)
{
	return log->data_name;
}

/* --- beginning ------------------------------------------------------------ */

static void draft_beginning(struct spool_log *log, const struct spool_record *r)
{
	const struct base_bytes base = { r->base_size, r->base_mtime.tv_sec,
		r->base_mtime.tv_nsec };
	int64_t at = 0;
	int64_t start, end;

	g_byte_array_append(log->draft, (const guint8 *)MAGIC, MAGIC_LEN);
	(void)spool_log_moved(log, r->path);
	(void)put(log, KIND_BASE, r->base, 0, &base, sizeof(base));
	(void)put(log, KIND_SINCE, r->since_s, 0, NULL, 0);
	while (extents_next_run(&r->present, at, INT64_MAX, &start, &end)) {
		(void)put(log, KIND_PRESENT, start, end, NULL, 0);
		at = end;
	}
	/* Last: without it nothing of the log counts. */
	(void)put(log, KIND_SIZE, r->size, 0, NULL, 0);
}

static int write_beginning(struct spool_log *log, const struct spool_record *r)
{
	int rc;

	log->draft = g_byte_array_new();
	draft_beginning(log, r);
	rc = scratch_write(log->fd, log->draft->data, log->draft->len, 0);
	log->end = log->draft->len;
	g_byte_array_unref(log->draft);
	log->draft = NULL;
	return rc;
}

/* An open file, and the name it has meanwhile. */
static int find_file(struct spool_log *log, struct spare *ret)
{
	struct spool *s = log->spool;
	bool is_found;

	mutex_lock(&s->lock);
	is_found = s->spare_count > 0;
	if (is_found)
		*ret = s->spares[--s->spare_count];
	mutex_unlock(&s->lock);
	if (is_found)
		return 0;
	(void)snprintf(ret->name, sizeof(ret->name), SPARE "%08x%08x",
		g_random_int(), g_random_int());
	ret->fd = openat(s->directory_fd, ret->name,
		O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return ret->fd < 0 ? -errno : 0;
}

/* The log comes under its name when its beginning is whole. */
static int try_log(struct spool_log *log, const struct spool_record *r)
{
	struct spare file;
	int rc = find_file(log, &file);

	if (rc < 0)
		return rc;
	log->fd = file.fd;
	rc = write_beginning(log, r);
	if (rc == 0 && renameat(log->directory_fd, file.name, log->directory_fd,
			       log->log_name) < 0)
		rc = -errno;
	if (rc < 0) {
		(void)unlinkat(log->directory_fd, file.name, 0);
		(void)close(log->fd);
	}
	return rc;
}

/* A spare file may have been removed behind our back. */
static int begin_log(struct spool_log *log, const struct spool_record *r)
{
	int rc = try_log(log, r);

	for (unsigned i = 0; rc == -ENOENT && i < SPOOL_SPARES; i++)
		rc = try_log(log, r);
	return rc;
}

/* The name goes; the file may serve another log. */
static void end_log(struct spool_log *log)
{
	struct spool *s = log->spool;
	struct spare file = { .fd = log->fd };
	bool is_kept = false;

	(void)snprintf(file.name, sizeof(file.name), SPARE "%08x%08x",
		g_random_int(), g_random_int());
	if (renameat(log->directory_fd, log->log_name, log->directory_fd,
		    file.name) < 0) {
		(void)unlinkat(log->directory_fd, log->log_name, 0);
		(void)close(log->fd);
		return;
	}
	if (ftruncate(file.fd, 0) == 0) {
		mutex_lock(&s->lock);
		is_kept = s->spare_count < SPOOL_SPARES;
		if (is_kept)
			s->spares[s->spare_count++] = file;
		mutex_unlock(&s->lock);
	}
	if (!is_kept) {
		(void)unlinkat(log->directory_fd, file.name, 0);
		(void)close(file.fd);
	}
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

/* A file that is locked before anybody finds it: who mounts the workspace
 * meanwhile removes bytes that nobody holds and no log speaks of. -EAGAIN: he
 * was faster. */
static int try_copy(const struct spool_log *log, int *ret_fd)
{
	struct stat st;
	int fd = openat(log->directory_fd, log->data_name,
		O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		rc = -EAGAIN;
	else if (fstat(fd, &st) < 0)
		rc = -errno;
	else if (st.st_nlink == 0)
		rc = -EAGAIN;
	if (rc < 0) {
		(void)unlinkat(log->directory_fd, log->data_name, 0);
		(void)close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

/* The bytes' file has no name that could be given (another file system, or one
 * without unnamed files): its bytes get a file that has. */
static int name_copy(
	struct spool_log *log, int *fd, const struct spool_record *r)
{
	int copy = -1;
	int rc = try_copy(log, &copy);

	for (unsigned i = 0; rc == -EAGAIN && i < SPOOL_COPY_TRIES; i++)
		rc = try_copy(log, &copy);
	if (rc < 0)
		return rc;
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

int spool_begin(struct spool *s, int *fd, const struct spool_record *r,
	struct spool_log **ret)
{
	struct spool_log *log = g_new0(struct spool_log, 1);
	char id[20];
	int rc;

	log->spool = s;
	log->directory_fd = s->directory_fd;
	(void)snprintf(
		id, sizeof(id), "%08x%08x", g_random_int(), g_random_int());
	set_names(log, id);
	/* Before it has a name, so that nobody takes it for left behind. */
	(void)flock(*fd, LOCK_EX | LOCK_NB);
	rc = scratch_name(*fd, s->directory_fd, log->data_name);
	if (rc < 0 && rc != -EEXIST)
		rc = name_copy(log, fd, r);
	if (rc == 0) {
		rc = begin_log(log, r);
		if (rc < 0)
			(void)unlinkat(s->directory_fd, log->data_name, 0);
	}
	if (rc < 0)
		log_free(log);
	else
		*ret = log;
	return rc;
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
	log_free(log);
}

void spool_remove(struct spool_log *log)
{
	if (log == NULL)
		return;
	end_log(log);
	(void)unlinkat(log->directory_fd, log->data_name, 0);
	log_free(log);
}

bool spool_release(
	struct spool_log *log, int to_directory_fd, const char *to_name)
{
	bool is_renamed;

	/* First, so that the log never speaks of a file that is elsewhere. */
	end_log(log);
	is_renamed = renameat(log->directory_fd, log->data_name,
			     to_directory_fd, to_name) == 0;
	if (!is_renamed)
		(void)unlinkat(log->directory_fd, log->data_name, 0);
	log_free(log);
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
	return extents_add(&r->present, start, end) < 0 ? -EBADMSG : 0;
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
		r->is_unfinished = record->a != 0;
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
	if (record.kind == 0) /* the system gave room, and never filled it */
		return -ENODATA;
	if (record.length > sizeof(bytes))
		return -EBADMSG;
	rc = read_all(log->fd, bytes, record.length,
		log->end + (int64_t)sizeof(record));
	if (rc == 0)
		rc = apply(r, &record, bytes);
	if (rc == 0) {
		log->end += (int64_t)(sizeof(record) + record.length);
		log->has_beginning |= record.kind == KIND_SIZE;
	}
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
	if (r->path == NULL || !log->has_beginning)
		return -EBADMSG; /* and the bytes stay as they are */
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

int spool_open(struct spool *s, const char *name,
	struct spool_record *ret_record, int *ret_fd,
	struct spool_log **ret_log)
{
	struct spool_log *log = g_new0(struct spool_log, 1);
	int fd = -1;
	int rc;

	*ret_record = (struct spool_record){ 0 };
	log->spool = s;
	log->directory_fd = s->directory_fd;
	set_names(log, name);
	rc = open_data(log, &fd);
	if (rc == 0) {
		log->fd = openat(s->directory_fd, log->log_name,
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
		log_free(log);
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
	if (!has_file(directory_fd, id, ".log"))
		(void)unlinkat(directory_fd, log.data_name, 0);
	(void)close(fd);
}

GPtrArray *spool_list(struct spool *s)
{
	int directory_fd = s->directory_fd;
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;
		g_autofree char *id = NULL;

		/* Another daemon's, maybe, which makes itself a new one. */
		if (g_str_has_prefix(name, SPARE))
			(void)unlinkat(directory_fd, name, 0);
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
