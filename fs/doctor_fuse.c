/* doctor_fuse.c - pycloud doctor: can this user mount anything by FUSE? */
#include "config.h"

#include "doctor.h"

#include "doctor_target.h"
#include "fusermount.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICE "/dev/fuse"

static void check_device(const struct doctor_probe *p)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	int error = errno;

	if (fd >= 0) {
		(void)close(fd);
		doctor_tell(p, DOCTOR_OK, "fuse device", NULL,
			DEVICE " is there and can be opened");
	} else if (error == ENOENT || error == ENODEV || error == ENXIO) {
		doctor_tell(p, DOCTOR_FAILED, "fuse device",
			"load the module (modprobe fuse, as root), or start "
			"the container with --device " DEVICE,
			"there is no " DEVICE);
	} else if (error == EPERM) {
		doctor_tell(p, DOCTOR_FAILED, "fuse device",
			"start the container with --device " DEVICE
			" --cap-add SYS_ADMIN",
			"this container may not use " DEVICE);
	} else {
		doctor_tell(p, DOCTOR_FAILED, "fuse device",
			"ls -l " DEVICE " says who may; most systems let "
			"everybody (mode 0666)",
			"you may not open " DEVICE ": %s", g_strerror(error));
	}
}

/* Root mounts without it; everybody else by it alone. */
static void check_helper(const struct doctor_probe *p)
{
	const char *path = fusermount_find();
	bool is_root = geteuid() == 0;
	struct stat st;

	if (path == NULL) {
		doctor_tell(p, is_root ? DOCTOR_WARN : DOCTOR_FAILED,
			"fusermount3", "install the package fuse3",
			is_root ? "it is not installed; root mounts without "
				  "it, other users cannot"
				: "it is not installed, and mounts are made "
				  "and ended by it");
		return;
	}
	if (stat(path, &st) < 0) {
		doctor_tell(p, DOCTOR_FAILED, "fusermount3",
			"install the package fuse3 again", "%s: %s", path,
			g_strerror(errno));
		return;
	}
	if ((st.st_mode & S_ISUID) == 0 || st.st_uid != 0)
		doctor_tell(p, is_root ? DOCTOR_WARN : DOCTOR_FAILED,
			"fusermount3",
			"as root: chown root:root and chmod 4755 that file, "
			"or install the package fuse3 again",
			"%s does not run as root (it is not setuid)", path);
	else
		doctor_tell(p, DOCTOR_OK, "fusermount3", NULL,
			"%s is there and runs as root", path);
}

/* Asked for by the options, or by a file. A directory says nothing of that. */
static bool wants_others(const struct doctor_probe *p)
{
	struct doctor_options options = *p->options;
	const struct doctor_probe probe = {
		.options = &options, .cancel = p->cancel, .fd = p->fd
	};
	char all[] = "/";
	struct doctor_place place;
	g_autofree char *why = NULL;
	bool is_wanted;

	if (options.target == NULL || (strchr(options.target, '/') != NULL &&
					      !strstr(options.target, "://")))
		options.target = all;
	/* What is wrong with them is told elsewhere. */
	is_wanted = doctor_place_resolve(&probe, &place, &why) == 0 &&
		    strstr(place.options.fuse_options->str, "allow_") != NULL;
	doctor_place_clear(&place);
	return is_wanted;
}

static void check_conf(const struct doctor_probe *p)
{
	bool is_allowed = fusermount_lets_others();

	if (geteuid() == 0)
		doctor_tell(p, DOCTOR_OK, "user_allow_other", NULL,
			"%s in " FUSERMOUNT_CONF "; root does not need it",
			is_allowed ? "set" : "not set");
	else if (is_allowed)
		doctor_tell(p, DOCTOR_OK, "user_allow_other", NULL,
			"set in " FUSERMOUNT_CONF ": -o allow_other works");
	else if (wants_others(p))
		doctor_tell(p, DOCTOR_FAILED, "user_allow_other",
			"have root add the line user_allow_other to " FUSERMOUNT_CONF
			", or leave out allow_other",
			"not set, and the options ask for allow_other or "
			"allow_root");
	else
		doctor_tell(p, DOCTOR_OK, "user_allow_other",
			"for -o allow_other root adds the line "
			"user_allow_other to " FUSERMOUNT_CONF,
			"not set: only you can enter your mounts");
}

void doctor_fuse(const struct doctor_probe *p)
{
	check_device(p);
	check_helper(p);
	check_conf(p);
}
