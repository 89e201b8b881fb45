/* memory_file.h - a growing block of memory as remote sink and source. */
#ifndef PYCLOUD_TESTS_UNIT_MEMORY_FILE_H
#define PYCLOUD_TESTS_UNIT_MEMORY_FILE_H

#include "remote.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

struct memory_file {
	GByteArray *bytes;
	size_t read_max; /* longest single read; 0: any */
	int error;	 /* what every access returns; 0: none */
};

static inline int memory_file_write(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	struct memory_file *f = arg;

	if (f->error != 0)
		return f->error;
	if ((size_t)offset + length > f->bytes->len)
		g_byte_array_set_size(
			f->bytes, (guint)((size_t)offset + length));
	memcpy(f->bytes->data + offset, bytes, length);
	return 0;
}

static inline ssize_t memory_file_read(
	void *arg, void *buffer, size_t size, int64_t offset)
{
	struct memory_file *f = arg;
	size_t left = (size_t)(f->bytes->len - offset);

	if (f->error != 0)
		return f->error;
	if (size > left)
		size = left;
	if (f->read_max != 0 && size > f->read_max)
		size = f->read_max;
	memcpy(buffer, f->bytes->data + offset, size);
	return (ssize_t)size;
}

/* `length` bytes that repeat nowhere near a power of two, NULs among them. */
static inline struct memory_file memory_file_new(size_t length)
{
	struct memory_file f = { .bytes = g_byte_array_new() };

	g_byte_array_set_size(f.bytes, (guint)length);
	for (size_t i = 0; i < length; i++)
		f.bytes->data[i] = (unsigned char)(i * 31 + i / 251);
	return f;
}

static inline void memory_file_free(struct memory_file *f)
{
	g_byte_array_unref(f->bytes);
}

#endif
