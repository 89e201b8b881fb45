/*
 * fs_limits.h - the maxima of fs/, each with a name.
 */
#ifndef PYCLOUD_FS_LIMITS_H
#define PYCLOUD_FS_LIMITS_H

/* A listing's worth of attributes is about 200 bytes: 100 MiB at most. When it
 * is reached, the listings that were not used for longest are forgotten. So
 * it is with as many directories, of which no name need be known. */
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
/* The same where what was only told is no proof (attr_cache.h). */
#define PROOF_MS (REVALIDATE_MS - 1)
/* Whose changes are told is believed for so long without being asked for. */
#define WATCH_BELIEVED_MS ((int64_t)3600 * 1000)
/* Names of a directory that are asked for one by one, when all others are
 * known; with more it is listed. */
#define DOUBTS_MAX 8
/* A directory whose changes nobody wanted to tell is not tried again for so
 * long; and how many such are remembered. */
#define WATCH_REFUSED_MS   60000
#define WATCH_REFUSALS_MAX 1000
/* Who answers from what was told has the watch looked after, so often. */
#define WATCH_RELY_MS 1000
/* .pycloud/events: reads that wait for news occupy a worker each; and what is
 * kept for who does not read it. */
#define EVENT_READERS_MAX 16
#define EVENT_BYTES_MAX	  ((size_t)256 << 10)

/* Files whose remembered modes and times are sent each time that the helper has
 * come. */
#define ATTR_CARRY_MAX 10000
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

/* How much room there is is believed for so long; asked for so long, and not
 * again so soon where there was no answer. */
#define VOLUME_VALID_MS	 1000
#define VOLUME_WAIT_MS	 500
#define VOLUME_FAILED_MS 5000

/* Directories of which it is known which of their names have extended
 * attributes; with more all are asked again. */
#define XATTR_DIRECTORIES_MAX 1000

/* What must be put right after a request that was interrupted. */
#define TIDY_MS 10000

/* Pieces that a content's present or dirty bytes may be in; 64 KiB of memory,
 * and at most 160 KiB of text in the state. */
#define EXTENTS_MAX 4096

/* Of a file of at least this size only what changed is sent, where that can be
 * done and is in so many ranges at most. */
#define DELTA_FILE_MIN	 (((int64_t)256 << 10) + 1)
#define DELTA_RANGES_MAX 63

/* Answers that another version is there to a save before it is made in the plain
 * way. */
#define SWAP_ATTEMPTS 4

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

/* A walk's listings in one request: the entries of the first, which doubles,
 * and of the largest; and how long such a request may stand still before those
 * who wait for one of its listings ask for that themselves. */
#define TREE_PIECE_ENTRIES     1000
#define TREE_PIECE_ENTRIES_MAX 4000
#define TREE_PIECE_PATIENCE_MS 200
/* A walk's files in one request: what is in one, and how many there are under
 * way; and how far ahead of the walk the last of them is asked for, as many
 * times as it has read files, up to the second. */
#define PREFETCH_BATCH_BYTES ((int64_t)1 << 20)
#define PREFETCH_BATCH_FILES 512
#define PREFETCH_BATCHES     3
#define PREFETCH_AHEAD_TIMES 16
#define PREFETCH_AHEAD_FILES 1024
#define PREFETCH_SPOILED_MAX 1024

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
/* Runs remembered, here and in the workspace; the oldest that is over goes
 * first. */
#define RUNS_KEEP     20
#define RUNS_KEEP_MAX 10000
/* Runs going on at once; past it EAGAIN. */
#define RUNS_ACTIVE_MAX 16
/* Output kept of one run, here and in the workspace: its tail. */
#define RUN_OUTPUT_MAX	 ((int64_t)1 << 30)
#define RUN_OUTPUT_LEAST ((int64_t)1 << 20)
#define RUN_FIGURES_MAX	 256
/* A figure of the workspace has at most 64 MiB, in pieces of 64 KiB or more. */
#define RUN_FIGURE_PIECES_MAX 4096
/* While a run writes, what is believed about the workspace is dropped so
 * often: its result files appear. */
#define RUN_BELIEFS_MS 500

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
/* Names given again to a file that another mount took for left behind. */
#define SPOOL_COPY_TRIES 8
/* Of uploads whose end is not known: digests remembered, and the largest file
 * that is read for it. */
#define SENT_PIECES_MAX 1024
#define SENT_BYTES_MAX	((int64_t)256 << 20)
/* The same of uploads of some ranges: the last few. */
#define SENT_RANGES_MAX 4
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
/* How often it says what is left. */
#define DRAIN_TELL_MS 100
/* What a service manager is told to wait longer: than draining, and than the
 * workspace's own start. */
#define STOP_MARGIN_MS	15000
#define START_MARGIN_MS 120000

/* The kernel answers an invalidation at once; more than this means that it is
 * gone or stuck, and nobody should wait for it. */
#define NOTIFY_WAIT_MS 5000
/* What the kernel is still to be told of, at once. */
#define NOTES_MAX 16384

/* All workspaces as one tree: how long the list of them is believed, how long
 * asking for it may take, and who needs it waits for a newer one. */
#define FOREST_LIST_VALID_MS 5000
#define FOREST_LIST_MS	     10000
#define FOREST_WAIT_MS	     2000
/* How long a mount that failed is not tried again. */
#define FOREST_FAILURE_MS 5000
/* Programs that wait for mounts; more are told EAGAIN. Each that was told to
 * walk once more does so at once. */
#define FOREST_WAITERS_MAX 32
#define FOREST_RETURN_MS   2000
/* Names there ever were. */
#define FOREST_PLACES_MAX 10000
/* Of mkdir, of looking whether a workspace is empty, and of removing it with
 * that: other changes of the root wait meanwhile. */
#define FOREST_CREATE_MS 20000
#define FOREST_PROOF_MS	 20000
#define FOREST_REMOVE_MS 60000
/* A process that was told to end, and has nothing to upload. */
#define FOREST_CHILD_MS 10000
/* A line of what such a process says. */
#define FOREST_LINE_MAX 4096

/* What a mount's .pycloud/status, pending and the like may be at most, for who
 * reads them: another user's program may have mounted something that only
 * looks like one. More is cut off. */
#define CONTROL_TEXT_MAX (4 << 20)
/* Mounts that are asked how they are at once: each takes a process. */
#define MOUNTS_ASKED_MAX 64
/* Of all that is pending, as it is added up. */
#define PENDING_BYTES_MAX ((int64_t)1 << 62)
/* What people write for a time, of a day, and for a size, in any unit. */
#define OPTION_SECONDS_MAX 86400
#define OPTION_SIZE_MAX	   (1 << 20)
/* A configuration file. */
#define CONFIG_BYTES_MAX 65536

/* pycloud doctor: how long each of its checks may take. A workspace's has a
 * program that gives credentials, a start of a server on this computer, and
 * some fifteen requests in it. */
#define DOCTOR_QUICK_MS	 6000
#define DOCTOR_DISK_MS	 15000
#define DOCTOR_REACH_MS	 25000
#define DOCTOR_TARGET_MS 180000
/* A request of its, and a connection. */
#define DOCTOR_CALL_MS	  10000
#define DOCTOR_CONNECT_MS 5000
/* A kernel, until it answers. */
#define DOCTOR_KERNEL_MS 30000
/* What a check says without ending a line, a log's and a file's text among it;
 * and how much of such a text is taken. */
#define DOCTOR_HEARD_MAX (1024 * 1024)
#define DOCTOR_TEXT_MAX	 (64 * 1024)
/* Workspaces that were mounted here once, of which the state is looked at. */
#define DOCTOR_STATES_MAX 200
/* Lines of the log. */
#define DOCTOR_LOG_LINES 100
/* What is too little room on the disk to work with, and what soon will be. */
#define DOCTOR_BYTES_LEAST (16 * 1024 * 1024)
#define DOCTOR_BYTES_FEW   (512 * 1024 * 1024)
/* A clock that is so far from the server's makes `make` and rsync err. */
#define DOCTOR_CLOCK_SECONDS 5

#endif
