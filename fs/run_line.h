/*
 * run_line.h - where a command line ends. Pure.
 *
 * A newline ends it, unless it is part of a word: between quotes, or behind a
 * backslash. A program can so give a script an argument with a newline in it.
 * Where that would leave no end at all (a quote stays open), the first newline
 * is the end: whoever forgot a quote hears of it at once, from the write.
 */
#ifndef PYCLOUD_RUN_LINE_H
#define PYCLOUD_RUN_LINE_H

#include <stddef.h>

/* Of the line that begins with `begun` and goes on with the bytes: how many of
 * these come before the newline that ends it; `size`: it does not end here. */
size_t run_line_end(const char *begun, const char *bytes, size_t size);

#endif
