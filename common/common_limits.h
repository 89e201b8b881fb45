/*
 * common_limits.h - the maxima of common/, each with a name.
 *
 * The server, its files, its JSON and its frames are not trusted: nothing that
 * comes from outside may make us hold, wait or repeat without a bound. Raising
 * one of these is a decision; write down why beside it.
 */
#ifndef PYCLOUD_COMMON_LIMITS_H
#define PYCLOUD_COMMON_LIMITS_H

#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* --- HTTP ---------------------------------------------------------------- */
/* What a walk needs at 20 ms round trip to ask as fast as the server, which is
 * one thread, answers; and some to spare for those who wait. */
#define HTTP_CONNECTIONS_MAX	16
#define HTTP_CONNECT_TIMEOUT_MS 5000
/* Finding out where a server is now, where no other limit holds. */
#define HTTP_HOP_TIMEOUT_MS 30000
/* A length or a place that a header names; what is larger counts as not said,
 * and sums of these stay within 64 bits. */
#define HTTP_NUMBER_MAX ((int64_t)1 << 60)
/* All cookies of an answer together. */
#define HTTP_COOKIES_MAX      4096
#define HTTP_HEADER_BYTES_MAX (64 * KIB)
/* A 2xx body whose caller set no body_max. */
#define HTTP_BODY_MAX_DEFAULT (1 * MIB)
/* curl's own buffers, per connection. */
#define HTTP_RECEIVE_BUFFER (256 * KIB)
#define HTTP_SEND_BUFFER    (256 * KIB)
/* How often a waiting exchange looks at its limits. */
#define HTTP_TICK_MS 1000
/* Bytes in a second. What is slower for as long as a stall may last is one: a
 * byte now and then would hold a reader for hours. The slowest line that can be
 * worked on, GPRS at its edge, has 1000. */
#define HTTP_RATE_LEAST 32
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
/* Messages of ours and answers to pings that wait for the other side to read:
 * ours are one for each thread that sends. */
#define WEBSOCKET_QUEUE_MAX 1024

/* --- contents API -------------------------------------------------------- */
/* 300 bytes an entry: about 400,000 entries in one directory. */
#define CONTENTS_LISTING_MAX (128 * MIB)
#define CONTENTS_ENTRIES_MAX 500000
#define CONTENTS_MODEL_MAX   (1 * MIB)
#define CONTENTS_VERSION_MAX 64 /* of bytes; what is longer is cut */
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
/* One takes 64 bytes, and as few as two in the text: these are 512 MiB. The
 * largest listing, of CONTENTS_ENTRIES_MAX names, has 6 million. */
#define JSON_VALUES_MAX (8 << 20)

/* --- kernels ------------------------------------------------------------- */
/* Ours to the server: it resets the connection above 10 MiB. */
#define KERNEL_SEND_MAX (8 * MIB)
/* Who does not take a message for so long is not there any more. */
#define KERNEL_SEND_MS 30000
/* The server's to us: the helper never sends more than 1 MiB of output. */
#define KERNEL_RECV_MAX		(64 * MIB)
#define KERNEL_START_TIMEOUT_MS 60000
#define KERNEL_CALL_TIMEOUT_MS	30000
#define KERNEL_CHECK_TIMEOUT_MS 2000
#define KERNEL_BUFFERS_MAX	64
/* A kernel's id becomes part of a URL; a UUID has 36 bytes. */
#define KERNEL_ID_MAX 64
/* A kernel's model, or all kernelspecs with their metadata. */
#define KERNEL_REPLY_MAX (4 * MIB)
/* A kernel that died before it spoke leaves its WebSocket without an answer,
 * for as long as the server has patience with it. So often it is looked for. */
#define HELPER_OPEN_MS 5000
/* Runs, and files. */
#define HELPER_USERS_MAX 4
/* A helper that nobody needs is ended, kernel and all. */
#define HELPER_IDLE_MS (10 * 60 * 1000)
/* An answer that did not come is asked for again: messages get lost. */
#define HELPER_REPEAT_MS 2000
/* Bytes sent with a call take their time on a slow link, before anything can
 * answer: a second for each 32 KiB. */
#define HELPER_BYTES_PER_MS 32
/* A helper that says nothing at all for this long after we sent something may
 * have lost its kernel, which leaves the WebSocket open and silent: the server
 * is asked, once. A kernel that lives says within milliseconds that it is
 * busy; on a slow link, wrong suspicion costs one small request. */
#define HELPER_DOUBT_MS 300
/* After this long it is sought again, whatever the server said: the connection
 * may be dead. Wrong suspicion costs a reconnection. */
#define HELPER_DEAF_MS 6000
/* While a run goes on that cannot be followed: 250 ms, 500 ms, ... 16 s. */
#define HELPER_WAIT_DOUBLINGS 6

/* --- files by the helper -------------------------------------------------- */
/* A tree or many files; what takes longer is done in the plain way. */
#define ASSIST_CALL_MS 5000
/* A save is written and brought to a disk; large ones get more for each MiB. */
#define ASSIST_SAVE_MS	       10000
#define ASSIST_SAVE_MS_PER_MIB 100
/* A helper that was slow is left alone for so long. */
#define ASSIST_PAUSE_MS 10000
/* One that is not there is not started more often. */
#define ASSIST_WAKE_MS 30000
/* What is told is relied on for so long without a word; then it is asked. */
#define ASSIST_TRUST_MS 5000
/* In one answer, as helper_files.py has it. */
#define ASSIST_BYTES_MAX (4 * MIB)
/* Of a save: up to so much goes with it, more goes ahead in pieces, so much of
 * it without a sign of life from there. */
#define ASSIST_INLINE_BYTES (1 * MIB)
#define ASSIST_PIECE_BYTES  (1 * MIB)
#define ASSIST_WINDOW_BYTES (16 * MIB)
/* Of a disk's blocks; more bytes than that are a lie. */
#define ASSIST_BLOCK_MAX (1 << 30)
/* Of the root, so often. */
#define ASSIST_PROOFS 2
/* As long as somebody else keeps changing it, altogether. */
#define ASSIST_PROOF_TRIES 5

/* --- runs ---------------------------------------------------------------- */
/* Output on its way and not yet acknowledged: at 20 ms round trip, and with an
 * acknowledgement per quarter, this still carries 100 MB/s. */
#define RUN_WINDOW_BYTES (4 * MIB)
#define RUN_ACK_BYTES	 (1 * MIB)
/* No record is longer: where it ends is a number in JSON, which is exact up to
 * 2^53. At 1 GB/s it takes 13 days. */
#define RUN_RECORD_MAX ((int64_t)1 << 50)
/* The supervisor records at most 64 KiB at a time. */
#define RUN_FRAME_MAX (1 * MIB)
/* Starts without an answer, which the workspace is still to hear about. */
#define RUNS_ABANDONED_MAX 64
#define RUN_FEED_BYTES	   (1 * MIB)
#define RUN_COMMAND_MAX	   (128 * KIB)
/* Silence after which we ask whether something was lost, and the longest that
 * waiting grows to. */
#define RUN_QUIET_MS	 1000
#define RUN_QUIET_MAX_MS 15000

/* --- Kubernetes ---------------------------------------------------------- */
#define KUBE_CALL_TIMEOUT_MS 30000
/* An image is pulled first, by a small computer perhaps. */
#define KUBE_START_TIMEOUT_MS 600000
/* A list of a namespace's pods with all they say of themselves. */
#define KUBE_REPLY_MAX (32 * MIB)
/* One event of a watch. */
#define KUBE_LINE_MAX (4 * MIB)
/* A watch is asked for again after this long; servers end them at will. */
#define KUBE_WATCH_SECONDS 240
/* A server says its token in the beginning of its log. */
#define KUBE_TOKEN_LOG_BYTES (64 * KIB)
/* A server that has just been started says it after a while. */
#define KUBE_TOKEN_LOG_MS 20000
#define KUBE_LOG_MAX	  ((int64_t)1 << 40)
/* The API server's own pieces are of this size. */
#define PORTFORWARD_PIECE (32 * KIB)
/* Bytes that nobody takes for so long have no taker. */
#define PORTFORWARD_SEND_TIMEOUT_MS 60000
/* Of a message of the server's that is shown. */
#define KUBE_MESSAGE_MAX 1024

/* --- workspaces ---------------------------------------------------------- */
#define WORKSPACE_NAME_MAX 63 /* as a label of a cluster's object */
#define WORKSPACE_URL_MAX  4096
/* In a cluster, with room for the longest suffix of ours. */
#define KUBE_NAME_MAX	     55
#define KUBE_IMAGE_BYTES_MAX 512
/* Of any object: a subdomain of DNS. */
#define KUBE_OBJECT_NAME_MAX 253
/* "123456789.5Gi" and the like. */
#define KUBE_QUANTITY_MAX 24
/* Of a cluster's message, in a sentence. */
#define KUBE_TEXT_MAX 400
/* Of a list of pods or events, what is looked at. */
#define KUBE_ITEMS_MAX 1000
/* A container that ended so often will go on doing so. */
#define KUBE_RESTARTS_MAX 2
/* A cold Python on a busy machine; two seconds are usual. */
#define LOCAL_START_TIMEOUT_MS 60000
#define LOCAL_STOP_TIMEOUT_MS  3000
/* Of its log, what may be worth showing when it does not start. */
#define LOCAL_LOG_TAIL (8 * KIB)
/* A socket's path is short (108 bytes), so its name is too. */
#define PRIVATE_DIR_NAME_MAX 16
#define PRIVATE_DIR_TRIES    16

/* --- hubs ---------------------------------------------------------------- */
#define HUB_NAME_MAX 255
#define HUB_PATH_MAX 2048
/* A user's model with all named servers of his. */
#define HUB_REPLY_MAX (4 * MIB)
/* One event of a start's progress, and all of them together. */
#define HUB_LINE_MAX   (64 * KIB)
#define HUB_EVENTS_MAX (8 * MIB)
/* It answers a start after up to ten seconds (slow_spawn_timeout). */
#define HUB_CALL_TIMEOUT_MS 30000
/* Where the stream of the progress is not to be had. */
#define HUB_POLL_MS 500
/* Between two starts of a server that does not stay: doubled each time. */
#define HUB_START_DELAY_MS     5000
#define HUB_START_DELAY_MAX_MS 600000
/* What lived so long was stopped by somebody, and has not failed. */
#define HUB_LIVED_MS 600000

/* --- credentials ---------------------------------------------------------- */
/* A keyring that waits for somebody's password does not answer at all. */
#define KEYRING_TIMEOUT_MS 3000
/* Storing reads and deletes first; a person may be asked to unlock it. */
#define KEYRING_STORE_MS  10000
#define KEYRING_PERSON_MS 60000
#define KEYRING_ITEMS_MAX 64
/* A program may ask for a finger on a key. */
#define TOKEN_COMMAND_MS 60000
/* Is the token good for this server? One small request. */
#define TOKEN_TRIAL_MS 10000
/* A refused token: nobody looks for another one more often. One that was just
 * accepted is not tried again for as long. */
#define TOKEN_LOOK_MS 5000
/* Of Jupyter's notes about its running servers, how many are looked at. */
#define RUNTIME_FILES_MAX 256
#define RUNTIME_FILE_MAX  (64 * KIB)
/* A hub's token that a password was turned into lives for thirty days. */
#define LOGIN_TOKEN_SECONDS (30 * 24 * 3600)
/* Checking a password is slow on purpose. */
#define LOGIN_CALL_MS 30000

/* --- clusters ------------------------------------------------------------ */
/* Five hundred clusters with their certificates are 3 MiB. */
#define KUBECONFIG_FILE_MAX  (4 * MIB)
#define KUBECONFIG_FILES_MAX 64
#define KUBECONFIG_DEPTH_MAX 64
#define KUBECONFIG_NODES_MAX 200000
/* A file may be a pipe, as the shell's <(...) makes it. */
#define KUBECONFIG_PIPE_TIMEOUT_MS 5000
/* A certificate, a key, or a bundle of authorities (a system's is 230 KiB). */
#define KUBE_PEM_MAX (1 * MIB)
/* Files that somebody else rotates are read again after so long. */
#define KUBE_FILE_BELIEVED_MS 60000
/* A credential is renewed so long before it expires. */
#define KUBE_EXPIRY_MARGIN_MS 30000
/* What failed is not tried again before: a plugin that cannot log in would be
 * started by every request. */
#define KUBE_FAILURE_BELIEVED_MS 2000
/* A plugin asks a server of its own; one that asks a person, who looks for a
 * telephone, has longer. */
#define KUBE_EXEC_TIMEOUT_MS	    60000
#define KUBE_EXEC_PERSON_TIMEOUT_MS (5 * 60 * 1000)
/* Between "please end" and "end". */
#define KUBE_EXEC_PATIENCE_MS 500
#define KUBE_EXEC_OUTPUT_MAX  (1 * MIB)
#define KUBE_EXEC_WORDS_MAX   1000
/* Of what it complains, the end; and of that, the last line. */
#define CHILD_COMPLAINT_MAX 4096
#define CHILD_LINE_MAX	    200

#endif
