/*
 * spool.h - bytes that are not on the server yet, safe from our own end.
 *
 * A content whose bytes were changed here has two files in the spool's
 * directory for as long as it is dirty:
 *
 *     ID.data   the bytes: the content's own file, given a name
 *     ID.log    what they are: path, base, which ranges are there; appended to
 *               before the write that it speaks of is answered
 *
 * The log stands under its name only when its beginning is complete, and goes
 * first when the bytes are on the server: ID.log is there if, and only if, the
 * bytes are wanted. It needs no other record, so no two records can disagree,
 * and the spool survives the loss of everything else this computer remembers.
 *
 * Against kill -9 appending is enough, because the system keeps what it was
 * given; against a power cut there is spool_sync(). A log that ends within a
 * record ends before it: that write was never answered.
 *
 * The data file carries a lock (flock) while a daemon has it, so that a second
 * mount of the workspace leaves it alone. A log is its content's, and guarded
 * by the content's lock. Plain system calls on the local disk.
 *
 * The log: 8 bytes of magic, then records of 24 bytes {u32 kind, u32 length,
 * i64 a, i64 b} in this machine's byte order, each followed by `length` bytes.
 */
#ifndef PYCLOUD_SPOOL_H
#define PYCLOUD_SPOOL_H

#include "extent.h"

#include <stdbool.h>
#include <time.h>

/* What an edit began from. */
enum spool_base {
	SPOOL_BASE_UNKNOWN,
	SPOOL_BASE_ABSENT,
	SPOOL_BASE_VERSION
};

struct spool_record {
	char *path;
	enum spool_base base;
	int64_t base_size; /* of SPOOL_BASE_VERSION */
	struct timespec base_mtime;
	int64_t since_s; /* when it became dirty, Unix time */
	int64_t size;
	struct extents present;
	/* As far as a reader of the log is concerned: */
	bool was_sent;	    /* an upload was begun, of whatever bytes */
	bool is_unfinished; /* written to since anybody said flush or fsync */
};

/* Frees what it owns; it is empty then. */
void spool_record_clear(struct spool_record *);

/* The directory, and files for new logs. Locking: one internal lock around the
 * latter. Logs must be gone before spool_free(). */
struct spool;
struct spool_log;

/* Borrows the descriptor. */
struct spool *spool_new(int directory_fd);
void spool_free(struct spool *);

/* Gives *fd a name in the directory and begins its log. A file that cannot be
 * given one is copied, and *fd replaced. 0 or -errno; then nothing changed. */
int spool_begin(struct spool *, int *fd, const struct spool_record *,
	struct spool_log **ret);

/* Each 0 or -errno (the local disk is full): then the change must not be
 * answered as done. */
int spool_log_present(struct spool_log *, int64_t start, int64_t end);
int spool_log_truncated(struct spool_log *, int64_t size);
int spool_log_moved(struct spool_log *, const char *path);
/* An upload is begun; `is_unfinished`: of what a killed program left. */
int spool_log_sent(struct spool_log *, bool is_unfinished);

/* "ID.data": where the bytes stand; borrowed. */
const char *spool_log_file(const struct spool_log *);
/* Bytes and log will survive a power cut. Takes descriptors of its own, to be
 * used without the content's lock: spool_sync_begin() with it. */
struct spool_sync {
	int data_fd, log_fd, directory_fd;
};
int spool_sync_begin(struct spool_log *, int fd, struct spool_sync *ret);
int spool_sync_end(struct spool_sync *);

/* The bytes are on the server, or nobody wants them: the names go. */
void spool_remove(struct spool_log *);
/* The same, but the bytes' file has another name from now on, which a file
 * without any could not be given again. False: it has none. */
bool spool_release(
	struct spool_log *, int to_directory_fd, const char *to_name);
/* The names stay, for the next mount. */
void spool_close(struct spool_log *);

/* What an earlier mount left behind: names for spool_open() (GPtrArray of
 * char *). Bytes that no log ever came to speak of are removed. */
GPtrArray *spool_list(struct spool *);
/* 0, and the record, the bytes' file and the log to go on with. -EBUSY: another
 * daemon's. -ENOENT: gone. -EBADMSG: not a log that we understand; it stays. */
int spool_open(struct spool *, const char *name,
	struct spool_record *ret_record, int *ret_fd,
	struct spool_log **ret_log);

#endif
