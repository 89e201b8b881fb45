/*
 * limits.h - the maxima of common/, each with a name.
 *
 * The server, its files, its JSON and its frames are not trusted: nothing that
 * comes from outside may make us hold, wait or repeat without a bound. Raising
 * one of these is a decision; write down why beside it.
 */
#ifndef PYCLOUD_LIMITS_H
#define PYCLOUD_LIMITS_H

#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* --- HTTP ---------------------------------------------------------------- */
/* What a walk needs at 20 ms round trip to ask as fast as the server, which is
 * one thread, answers; and some to spare for those who wait. */
#define HTTP_CONNECTIONS_MAX	16
#define HTTP_CONNECT_TIMEOUT_MS 5000
#define HTTP_HEADER_BYTES_MAX	(64 * KIB)
/* A 2xx body whose caller set no body_max. */
#define HTTP_BODY_MAX_DEFAULT (1 * MIB)
/* curl's own buffers, per connection. */
#define HTTP_RECEIVE_BUFFER (256 * KIB)
#define HTTP_SEND_BUFFER    (256 * KIB)
/* How often a waiting exchange looks at its limits. */
#define HTTP_TICK_MS 1000
/* A server may ask for patience, but not for any amount of it. */
#define HTTP_RETRY_AFTER_MAX_MS 60000
/* An error's body is read for its "message" only. */
#define HTTP_ERROR_BODY_MAX (64 * KIB)
/* The server closes the connection past a 64 KiB request line. */
#define HTTP_URL_MAX	 (60 * KIB)
#define HTTP_RETRIES_MAX 8
/* Smaller exchanges than this measure latency, larger ones throughput. */
#define HTTP_LATENCY_BYTES (16 * KIB)

/* --- WebSocket ----------------------------------------------------------- */
#define WEBSOCKET_BUFFER (64 * KIB)

/* --- contents API -------------------------------------------------------- */
/* 300 bytes an entry: about 400,000 entries in one directory. */
#define CONTENTS_LISTING_MAX (128 * MIB)
#define CONTENTS_ENTRIES_MAX 500000
#define CONTENTS_MODEL_MAX   (1 * MIB)
/* After a change that failed, somebody who has waited long already waits for
 * the question what became of it. */
#define CONTENTS_TRUTH_MS 5000
/* One big PUT freezes the server for everybody; 8 MiB costs it <= 115 ms. */
#define CONTENTS_CHUNK_BYTES (8 * MIB / 3 * 3) /* base64: threes */
/* What we are ready to hold of one file at all (local disk, not memory). */
#define CONTENTS_FILE_MAX ((int64_t)1 << 42)
#define NAME_BYTES_MAX	  255
#define PATH_BYTES_MAX	  4096

/* --- JSON ---------------------------------------------------------------- */
#define JSON_DEPTH_MAX 64

/* --- kernels ------------------------------------------------------------- */
/* Ours to the server: it resets the connection above 10 MiB. */
#define KERNEL_SEND_MAX (8 * MIB)
/* The server's to us: the helper never sends more than 1 MiB of output. */
#define KERNEL_RECV_MAX		(64 * MIB)
#define KERNEL_START_TIMEOUT_MS 60000
#define KERNEL_CALL_TIMEOUT_MS	30000
#define KERNEL_CHECK_TIMEOUT_MS 2000
#define KERNEL_BUFFERS_MAX	64
/* A kernel's model, or all kernelspecs with their metadata. */
#define KERNEL_REPLY_MAX (4 * MIB)
/* A helper that nobody needs is ended, kernel and all. */
#define HELPER_IDLE_MS (10 * 60 * 1000)
/* An answer that did not come is asked for again: messages get lost. */
#define HELPER_REPEAT_MS 2000
/* A helper that says nothing at all for this long after we sent something may
 * have lost its kernel, which leaves the WebSocket open and silent: the server
 * is asked, once. A kernel that lives says within milliseconds that it is
 * busy; on a slow link, wrong suspicion costs one small request. */
#define HELPER_DOUBT_MS 300
/* After this long it is sought again, whatever the server said: the connection
 * may be dead. Wrong suspicion costs a reconnection. */
#define HELPER_DEAF_MS 6000
/* How often, with growing waits (about four minutes in all), runs that go on
 * are worth another attempt to reach them. */
#define HELPER_ATTEMPTS_MAX 12

/* --- runs ---------------------------------------------------------------- */
/* Output on its way and not yet acknowledged: at 20 ms round trip, and with an
 * acknowledgement per quarter, this still carries 100 MB/s. */
#define RUN_WINDOW_BYTES (4 * MIB)
#define RUN_ACK_BYTES	 (1 * MIB)
/* The supervisor records at most 64 KiB at a time. */
#define RUN_FRAME_MAX	(1 * MIB)
#define RUN_FEED_BYTES	(1 * MIB)
#define RUN_COMMAND_MAX (128 * KIB)
/* Silence after which we ask whether something was lost, and the longest that
 * waiting grows to. */
#define RUN_QUIET_MS	 1000
#define RUN_QUIET_MAX_MS 15000

/* --- workspaces ---------------------------------------------------------- */
#define WORKSPACE_NAME_MAX 63 /* as a label of a cluster's object */
#define WORKSPACE_URL_MAX  4096
/* A cold Python on a busy machine; two seconds are usual. */
#define LOCAL_START_TIMEOUT_MS 60000
#define LOCAL_STOP_TIMEOUT_MS  3000
/* Of its log, what may be worth showing when it does not start. */
#define LOCAL_LOG_TAIL (8 * KIB)
/* A socket's path is short (108 bytes), so its name is too. */
#define PRIVATE_DIR_NAME_MAX 16
#define PRIVATE_DIR_TRIES    16

#endif
