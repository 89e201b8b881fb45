/*
 * fuzz_http.h - a server whose answers are the fuzzer's input, in place of
 * http_client_call(), and a time that goes by without anybody waiting.
 *
 * The linker puts them there (--wrap, see tests/Makefile.am). An answer is a
 * header's lines, an empty line and a body; a line "%%" ends it. Each call takes
 * the next one; after the last, connections are refused and the token fires.
 * What is asked must be fit to be sent, whatever answers led to it.
 */
#ifndef PYCLOUD_TESTS_FUZZ_HTTP_H
#define PYCLOUD_TESTS_FUZZ_HTTP_H

#include "fuzz.h"

#include "http_pool.h"

/* Takes what is left of the input. Both are borrowed until fuzz_http_end(). */
void fuzz_http_begin(struct fuzz_input *, struct cancel *);
void fuzz_http_end(void);

/* For all targets, never freed: leads nowhere. */
struct http_pool *fuzz_http_pool(void);

/* What sleeps would have taken, of all inputs together. */
int64_t fuzz_http_slept_ms(void);

#endif
