/*
 * fuzz_secret.h - what must be so of every secret that is read from outside.
 */
#ifndef PYCLOUD_TESTS_FUZZ_SECRET_H
#define PYCLOUD_TESTS_FUZZ_SECRET_H

#include "fuzz.h"

#include "secret.h"

/* The first line of these bytes without the white space around it, which is the
 * word that a token's source means; g_free. */
char *fuzz_secret_word(const uint8_t *bytes, size_t length);

/* It is fit for a header, and the word (NULL: whatever it is). */
void fuzz_secret_check(const struct secret *, const char *word);

/* A sentence does not repeat it, where it is long enough to be known again. */
void fuzz_secret_hidden(const char *word, const char *sentence);

#endif
