/* Any bytes as a daemon's note of what is left to upload. */
#include "config.h"

#include "fuzz.h"

#include "drain_note.h"

#include <sys/mman.h>
#include <unistd.h>

void fuzz_drain_note(const uint8_t *bytes, size_t length)
{
	static int fd = -1;
	struct drain_left left;

	if (fd < 0)
		fd = memfd_create("note", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 ||
		pwrite(fd, bytes, length, 0) != (ssize_t)length)
		g_error("there is no memory for a file");
	if (drain_note_read(fd, &left) && left.bytes < 0)
		g_error("%" G_GINT64_FORMAT " bytes are left", left.bytes);
}
