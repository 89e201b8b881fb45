/*
 * fuzz.h - the targets, one per parser of what comes from outside, and what
 * they share.
 *
 * One program holds them all: fuzz/fuzz is libFuzzer's (configure
 * --enable-fuzzers, clang) and runs the target that PYCLOUD_FUZZ_TARGET names;
 * fuzz/test_corpus is a test of `make check` that gives each target its corpus
 * (fuzz/corpus/NAME). `fuzz/run NAME...` is how to run the first by hand.
 *
 * A target has no state from one input to the next, keeps to this process's
 * memory and its scratch directory, and calls g_error() for what must not be:
 * not only crashes count. What would need a network is fed by fuzz_http.h and
 * fuzz_stream.h.
 */
#ifndef PYCLOUD_TESTS_FUZZ_H
#define PYCLOUD_TESTS_FUZZ_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each is void fuzz_NAME(const uint8_t *bytes, size_t length). */
#define FUZZ_TARGETS(X)   \
	X(assist_text)    \
	X(client_text)    \
	X(cluster_text)   \
	X(config_file)    \
	X(contents)       \
	X(contents_json)  \
	X(ctl)            \
	X(doctor_text)    \
	X(download_json)  \
	X(drain_note)     \
	X(extent)         \
	X(http_header)    \
	X(hub)            \
	X(hub_text)       \
	X(json)           \
	X(kernel)         \
	X(kernel_msg)     \
	X(kube)           \
	X(kube_exec)      \
	X(kube_list)      \
	X(kube_status)    \
	X(kubeconfig)     \
	X(mountinfo)      \
	X(names)          \
	X(options)        \
	X(portforward)    \
	X(run_events)     \
	X(run_line)       \
	X(run_log)        \
	X(run_record)     \
	X(service_notify) \
	X(state)          \
	X(timefmt)        \
	X(upload_json)    \
	X(url)            \
	X(websocket)      \
	X(websocket_handshake)

typedef void (*fuzz_fn)(const uint8_t *bytes, size_t length);

struct fuzz_target {
	const char *name;
	fuzz_fn run;
};

#define FUZZ_DECLARE(name) \
	void fuzz_##name(const uint8_t *bytes, size_t length);
FUZZ_TARGETS(FUZZ_DECLARE)

/* Ends with a NULL name. */
extern const struct fuzz_target fuzz_targets[];
/* Before the first input: logs are quiet, SIGPIPE ignored. */
void fuzz_begin(void);

/* --- the input, piece by piece -------------------------------------------- */

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* 0 at the end. */
uint8_t fuzz_take_byte(struct fuzz_input *);
/* The next line without its end, which is taken too, or the rest. Ends at a
 * NUL, like any C string. As large as it must be, so that the sanitizers see
 * a step too far; g_free. */
char *fuzz_take_line(struct fuzz_input *);
/* All that is left, as text, or as bytes without a NUL behind them. */
char *fuzz_take_text(struct fuzz_input *);
char *fuzz_take_bytes(struct fuzz_input *, size_t *ret_length);
char *fuzz_text(const uint8_t *bytes, size_t length);

/* --- what must be so ------------------------------------------------------ */

/* For a terminal or a log: UTF-8, one line, nothing that controls either, and
 * at most `max` bytes. */
void fuzz_check_sentence(const char *sentence, size_t max);
/* Of an error's sentence: `why` is there exactly when rc is an error (-EINTR
 * has none), and may be printed. Frees it. */
void fuzz_check_why(int rc, char *why);

/* A directory of this process's own, which is gone with it; borrowed. */
const char *fuzz_scratch(void);

#endif
