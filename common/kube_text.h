/*
 * kube_text.h - what a cluster says, made fit for one line of a terminal. Pure.
 *
 * Messages come from whoever can make an object there: they may be long, not
 * UTF-8, and hold line breaks or escape sequences.
 */
#ifndef PYCLOUD_KUBE_TEXT_H
#define PYCLOUD_KUBE_TEXT_H

#include <stdbool.h>

/* One line of at most KUBE_TEXT_MAX bytes, without what controls a terminal,
 * without white space and full stops at its end; NULL: "". g_free. */
char *kube_text_clean(const char *text);

/* True when `text` (NULL: never) holds one of the words, up to NULL; the case
 * of ASCII letters does not matter. */
bool kube_text_has(const char *text, ...) __attribute__((sentinel));

#endif
