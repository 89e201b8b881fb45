/*
 * fs_limits.h - the maxima of fs/, each with a name.
 */
#ifndef PYCLOUD_FS_LIMITS_H
#define PYCLOUD_FS_LIMITS_H

/* A listing's worth of attributes is about 200 bytes: 100 MiB at most. When it
 * is reached, the listings that were not used for longest are forgotten. */
#define ATTR_CACHE_NAMES_MAX 500000
/* Removed and renamed directories whose late answers are told from others'. */
#define PARTED_MAX 32
/* A directory with more names than this answers single lookups by a single
 * stat: its listing costs the server 70 us and more per entry. */
#define BIG_DIRECTORY 500
/* ... until this many single lookups in a row make the listing cheaper. */
#define BIG_DIRECTORY_LOOKUPS 40
/* How old a belief may be for open() and for the proofs that creating and
 * removing need. */
#define REVALIDATE_MS 1000

/* What a file's mode is as long as nobody said otherwise. */
#define DEFAULT_FILE_MODE 0644
/* A server that was not found is looked for again, when somebody asks for
 * something, after the first of these, then twice that, up to the second. */
#define OFFLINE_DELAY_FIRST_MS 1000
#define OFFLINE_DELAY_MAX_MS   30000
/* How long whoever asked may be held up by that. */
#define OFFLINE_PROBE_MS 5000
/* How long the kernel believes what is answered without the server. */
#define OFFLINE_VALID_MS 1000
/* A root that had this many names does not lose all of them at once, unless it
 * says so for this long. */
#define ROOT_NAMES_GUARDED 3
#define ROOT_EMPTY_MS	   60000

/* An answer of the server that is no older is its word of now. */
#define JUST_ASKED_MS 10

/* What must be put right after a request that was interrupted. */
#define TIDY_MS 10000

/* Pieces that a content's present or dirty bytes may be in; 64 KiB of memory,
 * and at most 160 KiB of text in the state. */
#define EXTENTS_MAX 4096

/* A file up to this size comes whole, in one request. */
#define SMALL_FILE_BYTES ((int64_t)4 << 20)
/* Larger ones: what random reading fetches, and the windows of sequential
 * reading, from the first to the largest. */
#define READ_BLOCK	((int64_t)16 << 10)
#define READ_WINDOW_MIN ((int64_t)128 << 10)
#define READ_WINDOW_MAX ((int64_t)8 << 20)
/* What is fetched a second time rather than in two requests around it. */
#define READ_BRIDGE ((int64_t)64 << 10)
/* A random reader who has waited this long, not counting what came at once, is
 * helped by bringing the rest of the file, when it is not larger than this. */
#define RANDOM_PATIENCE_US ((int64_t)150 * 1000)
#define RANDOM_AT_ONCE_US  ((int64_t)5 * 1000)
#define RANDOM_FILE_BYTES  ((int64_t)256 << 20)
/* How far out of order the kernel's own read-ahead asks. */
#define READ_SLACK ((int64_t)512 << 10)

/* Clean bytes kept on the local disk, between mounts too. */
#define CACHE_BYTES ((int64_t)1 << 30)

/* Work that nobody waits for: read-ahead and prefetch. */
#define WORKER_THREADS	 12
#define WORKER_QUEUE_MAX 512
/* How far ahead of a walk the next directories, and the small files that are
 * read with it, are asked for: this far, and half of it for each of the first
 * files that it has not read yet. */
#define PREFETCH_DIRECTORIES 24
#define PREFETCH_FILES	     128
#define PREFETCH_BYTES	     ((int64_t)16 << 20)
#define PREFETCH_DOUBLINGS   4
#define PREFETCH_FILE_BYTES  ((int64_t)256 << 10)
/* How many times as long as its attributes a directory's names may be known to
 * say what comes next in it. */
#define PREFETCH_NAMES_AGE 4
/* Two steps further apart than this are no walk. */
#define PREFETCH_PAUSE_MS 3000

/* How long a use of the state waits for the other daemon of the endpoint. */
#define STATE_BUSY_MS 5000

/* How long a file that was renamed to an editor's backup name stays on the
 * server, for it may be written again; and how often its removal is tried. */
#define LATE_REMOVE_MS	     2000
#define LATE_REMOVE_ATTEMPTS 3

/* How long the kernel may believe what is said of names that stay here. */
#define LOCAL_ATTR_MS 1000

/* Worker threads of the FUSE loop: handlers block, so there are many. */
#define FUSE_THREADS_MAX      64
#define FUSE_THREADS_IDLE_MAX 16
#define FUSE_WRITE_MAX	      (1024 * 1024)

/* Reads of a running .run occupy a worker each; more than this is EAGAIN, so
 * that watching runs can never stop the rest of the mount. */
#define RUN_READERS_MAX 32
#define RUN_LINE_MAX	(64 * 1024)
/* How often those readers look whether the mount is ending. */
#define RUN_READER_TURN_MS 500
/* Runs remembered by one mount; the oldest finished one goes first. */
#define RUNS_KEEP 20
/* Runs going on at once; past it EAGAIN. */
#define RUNS_ACTIVE_MAX 16
/* Output kept of one run on this computer. */
#define RUN_OUTPUT_MAX ((int64_t)1 << 30)

/* A copy beside a file that somebody else saved: the longest name, extension
 * and host in it, and how many such copies of one second there may be. */
#define CONFLICT_NAME_MAX   245
#define CONFLICT_SUFFIX_MAX 32
#define CONFLICT_HOST_MAX   32
#define CONFLICT_TRIES	    9

/* Bytes that are dirty for so long are made to survive a power cut. */
#define SPOOL_SYNC_MS 1000
/* Empty logs kept for the next files that become dirty. */
#define SPOOL_SPARES 16
/* Of uploads whose end is not known: digests remembered, and the largest file
 * that is read for it. */
#define SENT_PIECES_MAX 1024
#define SENT_BYTES_MAX	((int64_t)256 << 20)
/* Uploads that nobody waits for, at once. */
#define WRITEBACK_THREADS 4
/* After a failed upload: the first wait, which doubles, and the longest. What
 * the server refused is likely to be refused again. */
#define RETRY_FAULT_MS	     1000
#define RETRY_FAULT_MAX_MS   60000
#define RETRY_REFUSED_MS     60000
#define RETRY_REFUSED_MAX_MS 3600000

/* How long unmounting goes on trying to place what is not on the server. */
#define DRAIN_MS 30000

/* The kernel answers an invalidation at once; more than this means that it is
 * gone or stuck, and nobody should wait for it. */
#define NOTIFY_WAIT_MS 5000

#endif
