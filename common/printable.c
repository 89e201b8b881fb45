/* printable.c - see printable.h. */
#include "config.h"

#include "printable.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

void printable_make(char *text, char instead)
{
	while (*text != '\0') {
		gunichar c = g_utf8_get_char_validated(text, -1);
		/* The values that say "no character" are the largest. */
		bool is_one = c <= 0x10ffff;
		size_t size = is_one ? (size_t)g_utf8_skip[(guchar)*text] : 1;

		if (is_one && g_unichar_iscntrl(c))
			memset(text, instead, size);
		text += size;
	}
}
