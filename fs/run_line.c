/* run_line.c - see run_line.h. */
#include "config.h"

#include "run_line.h"

#include <stdbool.h>
#include <string.h>

/* The grammar of g_shell_parse_argv(), as far as newlines go. */
enum state {
	BLANK, /* before a word */
	WORD,
	ESCAPED,
	SINGLE,
	DOUBLE,
	DOUBLE_ESCAPED,
	COMMENT
};

static enum state in_words(enum state state, char c)
{
	switch (c) {
	case '\\':
		return ESCAPED;
	case '\'':
		return SINGLE;
	case '"':
		return DOUBLE;
	case ' ':
		return BLANK; /* a '#' behind a tab begins no comment */
	case '#':
		return state == BLANK ? COMMENT : WORD;
	default:
		return WORD;
	}
}

static enum state next(enum state state, char c)
{
	switch (state) {
	case ESCAPED:
		/* A '#' is judged by the byte before it, escaped or not. */
		return c == ' ' || c == '\n' ? BLANK : WORD;
	case SINGLE:
		return c == '\'' ? WORD : SINGLE;
	case DOUBLE:
		if (c == '\\')
			return DOUBLE_ESCAPED;
		return c == '"' ? WORD : DOUBLE;
	case DOUBLE_ESCAPED:
		return DOUBLE;
	case COMMENT:
		return COMMENT;
	case BLANK:
	case WORD:
		break;
	}
	return in_words(state, c);
}

static bool ends_at_newline(enum state state)
{
	return state == BLANK || state == WORD || state == COMMENT;
}

size_t run_line_end(const char *begun, const char *bytes, size_t size)
{
	enum state state = BLANK;
	const char *first;

	for (; *begun != '\0'; begun++)
		state = next(state, *begun);
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n' && ends_at_newline(state))
			return i;
		state = next(state, bytes[i]);
	}
	first = memchr(bytes, '\n', size);
	return first == NULL ? size : (size_t)(first - bytes);
}
