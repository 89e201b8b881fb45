/*
 * printable.h - text that does nothing to a terminal. Pure.
 *
 * What others wrote may move the cursor, or begin a line that looks like ours.
 */
#ifndef PYCLOUD_PRINTABLE_H
#define PYCLOUD_PRINTABLE_H

/* Puts `instead`, an ASCII letter, for each byte of a control character, of
 * those beyond ASCII too (U+0080 to U+009F: some terminals obey them). What is
 * no UTF-8 stays. */
void printable_make(char *text, char instead);

#endif
