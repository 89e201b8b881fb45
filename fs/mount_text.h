/*
 * mount_text.h - what a mount's start says when it fails. Pure.
 */
#ifndef PYCLOUD_MOUNT_TEXT_H
#define PYCLOUD_MOUNT_TEXT_H

/* Why the server at the URL could not be used, and what to do: a sentence;
 * g_free. rc: -errno of the first questions to it. */
char *mount_text_of(const char *url, int rc);

#endif
