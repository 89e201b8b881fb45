/*
 * secret.h - a token or password: held, found, never shown.
 *
 * A struct secret is wiped when freed and has no printf path; only what puts
 * it on the wire (the transport) or into a private file (the local provider)
 * may peek at it. Immutable and reference-counted, so threads share it freely.
 *
 * It is a token, or the cookie of a login where a server has no tokens to give:
 * "cookie:NAME=VALUE". Where secrets come from is credentials.h's matter.
 */
#ifndef PYCLOUD_SECRET_H
#define PYCLOUD_SECRET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* A token that lists its owner's groups has a few hundred of them. */
#define SECRET_BYTES_MAX 16384

struct secret;

/* Copies `length` bytes. NULL where it holds bytes that could break out of a
 * header or URL (control characters) or is longer than SECRET_BYTES_MAX. */
struct secret *secret_new(const char *bytes, size_t length);
/* A password, or "a=1; b=2" for a Cookie header: spaces may be in it. Never for
 * another header, nor for a URL. */
struct secret *secret_new_phrase(const char *bytes, size_t length);
struct secret *secret_random(void); /* 192 random bits, as hex */
struct secret *secret_ref(struct secret *);
void secret_unref(struct secret *);

/* Borrowed, NUL-terminated, lives as long as the secret. Wipe what you copy. */
const char *secret_peek(const struct secret *);
bool secret_equal(const struct secret *, const struct secret *);

/* The first line of a file or of what a program printed, without the white
 * space around it. 0; -ENOENT: there is nothing on it; -EINVAL as above. */
int secret_from_text(const char *text, size_t length, struct secret **ret);

/* What belongs into a Cookie header, borrowed; NULL: it is a token. */
const char *secret_cookie(const struct secret *);
/* The secret that stands for this cookie; NULL as secret_new(). */
struct secret *secret_new_cookie(const char *cookie, size_t length);

/* $PYCLOUD_TOKEN: 0 and a new reference; -ENOENT when it was not set or empty;
 * -EINVAL when it cannot be a token. It is taken out of the environment and
 * remembered: children do not inherit it. */
int secret_from_environment(struct secret **ret);

/* Takes it out at once, whether or not a token will be looked for: before the
 * first child and the first thread. */
void secret_hide_environment(void);

/* Overwrites memory in a way the compiler keeps. */
void secret_wipe(void *memory, size_t size);

#endif
