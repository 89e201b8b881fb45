/*
 * download_json.c - see download_json.h.
 *
 * A machine of one step per byte. Outside of strings `shape` says what may come
 * next at the top level:
 *
 *   START  {  ->  FIRST_KEY  "key"  ->  COLON  :  ->  VALUE  ->  AFTER
 *   AFTER  ,  ->  KEY "key" -> COLON ...        AFTER  }  ->  DONE
 *
 * where a value that is skipped is a SCALAR or NESTED. Inside of a string the
 * bytes are unescaped and each character goes where `role` says.
 */
#include "config.h"

#include "download_json.h"

#include <errno.h>
#include <string.h>

enum shape {
	SHAPE_START,
	SHAPE_FIRST_KEY,
	SHAPE_KEY,
	SHAPE_COLON,
	SHAPE_VALUE,
	SHAPE_SCALAR,
	SHAPE_NESTED,
	SHAPE_AFTER,
	SHAPE_DONE,
};

enum text {
	TEXT_NONE,
	TEXT_PLAIN,
	TEXT_ESCAPE,
	TEXT_UNICODE,
};

enum role {
	ROLE_SKIP,
	ROLE_KEY,
	ROLE_FORMAT,
	ROLE_CONTENT,
};

void download_json_init(struct download_json *d, const struct remote_sink *sink)
{
	memset(d, 0, offsetof(struct download_json, piece));
	d->sink = sink;
}

/* --- base64 -------------------------------------------------------------- */

static int flush(struct download_json *d)
{
	int rc;

	if (d->piece_length == 0)
		return 0;
	rc = d->sink->write(
		d->sink->arg, d->piece, d->piece_length, d->written);
	if (rc < 0)
		return rc;
	d->written += (int64_t)d->piece_length;
	d->piece_length = 0;
	return 0;
}

static int digit_value(unsigned c)
{
	if (c >= 'A' && c <= 'Z')
		return (int)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (int)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (int)(c - '0') + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

static int decode_quad(struct download_json *d)
{
	for (unsigned i = 0; i < 3 - d->padding; i++)
		d->piece[d->piece_length++] =
			(unsigned char)(d->quad >> (16 - 8 * i));
	d->quad = 0;
	d->quad_digits = 0;
	return d->piece_length > sizeof(d->piece) - 3 ? flush(d) : 0;
}

static int take_content(struct download_json *d, unsigned c)
{
	int value = digit_value(c);

	if (c == '\n' || c == '\r')
		return 0;
	if (c == '=' && d->quad_digits >= 2) {
		d->padding++;
		value = 0;
	} else if (d->padding > 0) {
		return -EPROTO;
	}
	if (value < 0)
		return -EPROTO;
	d->quad = d->quad << 6 | (uint32_t)value;
	return ++d->quad_digits == 4 ? decode_quad(d) : 0;
}

/* --- strings ------------------------------------------------------------- */

static void open_text(struct download_json *d, enum role role)
{
	d->text = TEXT_PLAIN;
	d->role = role;
	d->word_length = 0;
}

static bool word_is(const struct download_json *d, const char *word)
{
	return d->word_length == strlen(word) &&
	       memcmp(d->word, word, d->word_length) == 0;
}

static enum role role_of_key(const struct download_json *d)
{
	if (word_is(d, "content"))
		return ROLE_CONTENT;
	return word_is(d, "format") ? ROLE_FORMAT : ROLE_SKIP;
}

static int close_text(struct download_json *d)
{
	d->text = TEXT_NONE;
	if (d->role == ROLE_KEY) {
		d->member = (int)role_of_key(d);
		d->shape = SHAPE_COLON;
		return 0;
	}
	if (d->shape != SHAPE_NESTED)
		d->shape = SHAPE_AFTER;
	if (d->role == ROLE_FORMAT)
		return word_is(d, "base64") ? 0 : -EPROTO;
	if (d->role == ROLE_CONTENT)
		return d->quad_digits == 0 ? flush(d) : -EPROTO;
	return 0;
}

/* One character of a string; only ASCII keeps its value. */
static int take_char(struct download_json *d, unsigned c)
{
	if (d->role == ROLE_CONTENT)
		return take_content(d, c);
	if (d->role == ROLE_SKIP)
		return 0;
	/* A word too long to fit is none of ours: its length says so. */
	if (d->word_length < sizeof(d->word))
		d->word[d->word_length++] = c < 0x80 ? (char)c : '\0';
	return 0;
}

static int take_escape(struct download_json *d, unsigned c)
{
	static const char names[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (c == 'u') {
		d->text = TEXT_UNICODE;
		d->unit = 0;
		d->unit_digits = 0;
		return 0;
	}
	at = c == '\0' ? NULL : strchr(names, (int)c);
	if (at == NULL)
		return -EPROTO;
	d->text = TEXT_PLAIN;
	return take_char(d, (unsigned char)values[at - names]);
}

static int take_unicode(struct download_json *d, unsigned c)
{
	int value = g_ascii_xdigit_value((char)c);

	if (value < 0)
		return -EPROTO;
	d->unit = d->unit << 4 | (unsigned)value;
	if (++d->unit_digits < 4)
		return 0;
	d->text = TEXT_PLAIN;
	return take_char(d, d->unit);
}

static int step_text(struct download_json *d, unsigned c)
{
	if (d->text == TEXT_ESCAPE)
		return take_escape(d, c);
	if (d->text == TEXT_UNICODE)
		return take_unicode(d, c);
	if (c == '"')
		return close_text(d);
	if (c < 0x20)
		return -EPROTO;
	if (c != '\\')
		return take_char(d, c);
	d->text = TEXT_ESCAPE;
	return 0;
}

/* --- the object ---------------------------------------------------------- */

static int step_value(struct download_json *d, unsigned c)
{
	if (d->member != ROLE_SKIP && c != '"')
		return -EPROTO;
	if (d->member == ROLE_CONTENT) {
		if (d->is_content_seen)
			return -EPROTO;
		d->is_content_seen = true;
	}
	if (c == '"') {
		open_text(d, (enum role)d->member);
	} else if (c == '{' || c == '[') {
		d->shape = SHAPE_NESTED;
		d->depth = 1;
	} else if (g_ascii_isalnum((char)c) || c == '-') {
		d->shape = SHAPE_SCALAR;
	} else {
		return -EPROTO;
	}
	return 0;
}

static int step_nested(struct download_json *d, unsigned c)
{
	if (c == '"')
		open_text(d, ROLE_SKIP);
	else if ((c == '{' || c == '[') && ++d->depth > JSON_DEPTH_MAX)
		return -EPROTO;
	else if ((c == '}' || c == ']') && --d->depth == 0)
		d->shape = SHAPE_AFTER;
	return 0;
}

static int step_key(struct download_json *d, unsigned c)
{
	if (c == '}' && d->shape == SHAPE_FIRST_KEY) {
		d->shape = SHAPE_DONE;
		return 0;
	}
	if (c != '"')
		return -EPROTO;
	open_text(d, ROLE_KEY);
	return 0;
}

static int expect(
	struct download_json *d, unsigned c, char wanted, enum shape next)
{
	if (c != (unsigned char)wanted)
		return -EPROTO;
	d->shape = next;
	return 0;
}

static bool is_blank(unsigned c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_scalar(unsigned c)
{
	return g_ascii_isalnum((char)c) || c == '-' || c == '+' || c == '.';
}

static int step_shape(struct download_json *d, unsigned c)
{
	if (d->shape == SHAPE_NESTED)
		return step_nested(d, c);
	if (d->shape == SHAPE_SCALAR && is_scalar(c))
		return 0;
	if (d->shape == SHAPE_SCALAR)
		d->shape = SHAPE_AFTER;
	if (is_blank(c))
		return 0;
	switch (d->shape) {
	case SHAPE_START:
		return expect(d, c, '{', SHAPE_FIRST_KEY);
	case SHAPE_FIRST_KEY:
	case SHAPE_KEY:
		return step_key(d, c);
	case SHAPE_COLON:
		return expect(d, c, ':', SHAPE_VALUE);
	case SHAPE_VALUE:
		return step_value(d, c);
	case SHAPE_AFTER:
		return c == '}' ? expect(d, c, '}', SHAPE_DONE)
				: expect(d, c, ',', SHAPE_KEY);
	default: /* text after the object */
		return -EPROTO;
	}
}

static int step(struct download_json *d, unsigned c)
{
	if (d->text != TEXT_NONE && d->role == ROLE_CONTENT)
		return step_text(d, c);
	if (++d->skipped > CONTENTS_MODEL_MAX)
		return -EFBIG;
	return d->text != TEXT_NONE ? step_text(d, c) : step_shape(d, c);
}

int download_json_write(void *arg, const char *bytes, size_t length)
{
	struct download_json *d = arg;

	for (size_t i = 0; i < length && d->error == 0; i++)
		d->error = step(d, (unsigned char)bytes[i]);
	return d->error;
}

int download_json_finish(struct download_json *d)
{
	if (d->error == 0 && (d->shape != SHAPE_DONE || d->text != TEXT_NONE ||
				     !d->is_content_seen))
		d->error = -EPROTO;
	return d->error;
}
