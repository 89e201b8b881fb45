/*
 * url_text.h - the URLs that people paste as a workspace's. Pure.
 *
 * For the providers that take one: what cannot be accepted, the token in the
 * query, and where a page of Jupyter's user interface begins.
 */
#ifndef PYCLOUD_URL_TEXT_H
#define PYCLOUD_URL_TEXT_H

#include "secret.h"

/* What is wrong with the URL (which has "://" in it), or NULL. */
const char *url_text_fault(const char *url);

/* Finds token=VALUE in the query. 0 with *ret NULL when there is none. */
int url_text_take_token(const char *query, struct secret **ret);

/* A page begins with this part of a path. */
bool url_text_is_page_word(const char *segment, size_t length);

#endif
