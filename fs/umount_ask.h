/*
 * umount_ask.h - asking a mount, before it goes, what it has to upload.
 *
 * As mount_ask.h does: a daemon that does not answer holds up nobody.
 */
#ifndef PYCLOUD_UMOUNT_ASK_H
#define PYCLOUD_UMOUNT_ASK_H

#include "umount_table.h"

#include <stdint.h>

struct umount_answer {
	int error;	/* 0, or -errno: -ENOTCONN the daemon died, -ETIMEDOUT
			 * it does not answer */
	int note_fd;	/* drain_note.h; -1: it cannot be waited for */
	unsigned files; /* that are not uploaded */
	int64_t bytes;
};

void umount_ask(const struct mountinfo_entry *, int limit_ms,
	struct umount_answer *ret);

#endif
