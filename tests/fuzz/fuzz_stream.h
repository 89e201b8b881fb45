/*
 * fuzz_stream.h - a connection whose bytes are the fuzzer's input, in place of
 * http_stream.h's (--wrap, see tests/Makefile.am).
 *
 * Begins with an upgrade that is agreed to, or with whatever the input says.
 * The rest comes in pieces; then the connection ends. What is sent is taken,
 * now and then only a little of it.
 */
#ifndef PYCLOUD_TESTS_FUZZ_STREAM_H
#define PYCLOUD_TESTS_FUZZ_STREAM_H

#include "fuzz.h"

/* The input is borrowed until fuzz_stream_end(). agrees: the upgrade's answer
 * is made, choosing `protocol` (NULL: none); else it is the input's, too. */
void fuzz_stream_begin(
	struct fuzz_input *, bool agrees, const char *protocol, size_t step);
void fuzz_stream_end(void);

#endif
