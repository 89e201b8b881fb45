/*
 * secret.h - a token or password: held, found, never shown.
 *
 * A struct secret is wiped when freed and has no printf path; only what puts
 * it on the wire (the transport) or into a private file (the local provider)
 * may peek at it. Immutable and reference-counted, so threads share it freely.
 *
 * secret_find() looks where DESIGN says a secret may be: $PYCLOUD_TOKEN, then
 * the desktop's keyring (libsecret). It never prompts and never blocks longer
 * than SECRET_TIMEOUT_MS: a mount from fstab has no desktop. It may start
 * threads (D-Bus), so a daemon calls it after its last fork.
 */
#ifndef PYCLOUD_SECRET_H
#define PYCLOUD_SECRET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#define SECRET_TIMEOUT_MS 3000
/* A token that lists its owner's groups has a few hundred of them. */
#define SECRET_BYTES_MAX 16384

struct secret;

/* Copies `length` bytes. NULL where it holds bytes that could break out of a
 * header or URL (control characters) or is longer than SECRET_BYTES_MAX. */
struct secret *secret_new(const char *bytes, size_t length);
struct secret *secret_random(void); /* 192 random bits, as hex */
struct secret *secret_ref(struct secret *);
void secret_unref(struct secret *);

/* Borrowed, NUL-terminated, lives as long as the secret. Wipe what you copy. */
const char *secret_peek(const struct secret *);
bool secret_equal(const struct secret *, const struct secret *);

/* The token for a server: 0 and a new reference; -ENOENT when there is none;
 * -EINVAL when one was found that cannot be a token. `server` is the base URL
 * without secrets. $PYCLOUD_TOKEN is taken out of the environment and
 * remembered: children do not inherit it. */
int secret_find(const char *server, struct secret **ret_secret);

/* Takes it out at once, whether or not a token will be looked for: before the
 * first child and the first thread. */
void secret_hide_environment(void);

/* Overwrites memory in a way the compiler keeps. */
void secret_wipe(void *memory, size_t size);

#endif
