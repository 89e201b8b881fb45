/* mounter.c - see mounter.h. */
#include "config.h"

#include "mounter.h"

#include "fd_pass.h"
#include "harden.h"
#include "log.h"
#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEVICE		 "/dev/fuse"
#define SOURCE_BYTES_MAX 2048

enum kind {
	KIND_MOUNT,
	KIND_DETACH,
};

/* Both ends are one program: as it is in memory. */
struct request {
	enum kind kind;
	unsigned long flags; /* of mount(2) */
	bool checks_modes;
	bool lets_others;
	char name[SOURCE_BYTES_MAX];
};

struct answer {
	int error; /* 0 or -errno */
	uint64_t mount_id;
};

/* What a user may say about a mount, and how mount(2) calls it. */
static const struct {
	const char *name;
	unsigned long flag;
} flags[] = {
	{ "ro", MS_RDONLY },
	{ "noexec", MS_NOEXEC },
	{ "noatime", MS_NOATIME },
};

/* --- its process ---------------------------------------------------------- */

static unsigned long allowed_flags(unsigned long wished)
{
	unsigned long allowed = MS_NOSUID | MS_NODEV;

	for (size_t i = 0; i < G_N_ELEMENTS(flags); i++)
		allowed |= wished & flags[i].flag;
	return allowed;
}

/* By its descriptor: nobody can put another in its place. */
static int mount_at(const struct mounter_params *p, const struct request *r,
	int directory_fd, int device_fd)
{
	g_autofree char *source =
		g_strdup_printf("pycloud:%.*s", SOURCE_BYTES_MAX - 1, r->name);
	g_autofree char *target =
		g_strdup_printf("/proc/self/fd/%d", directory_fd);
	g_autofree char *options = g_strdup_printf(
		"fd=%d,rootmode=40000,user_id=%u,group_id=%u%s%s", device_fd,
		(unsigned)p->uid, (unsigned)p->gid,
		r->checks_modes ? ",default_permissions" : "",
		r->lets_others ? ",allow_other" : "");

	return mount(source, target, "fuse.pycloud", allowed_flags(r->flags),
		       options) < 0
		       ? -errno
		       : 0;
}

/* Where it is now; g_free. */
static char *path_of(int directory_fd)
{
	g_autofree char *link =
		g_strdup_printf("/proc/self/fd/%d", directory_fd);

	return g_file_read_link(link, NULL);
}

/* Not where a link has led that took the place of a directory above it since
 * its name was found out: whom root mounts for may own some of them. */
static int open_directory(const char *directory)
{
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	g_autofree char *path = fd < 0 ? NULL : path_of(fd);

	if (fd >= 0 && g_strcmp0(path, directory) != 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static uint64_t id_of(int directory_fd)
{
	g_autofree char *path = path_of(directory_fd);

	return path == NULL ? 0 : mountinfo_id(path);
}

static int do_mount(const struct mounter_params *p, const struct request *r,
	int directory_fd, int *ret_device, uint64_t *ret_id)
{
	int rc;

	if (directory_fd < 0)
		return -ENOTDIR;
	if (r->lets_others && !p->may_let_others)
		return -EPERM;
	*ret_device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (*ret_device < 0)
		return -errno;
	rc = mount_at(p, r, directory_fd, *ret_device);
	if (rc == 0)
		*ret_id = id_of(directory_fd);
	return rc;
}

static bool hear(int fd, struct request *ret)
{
	ssize_t n;

	do
		n = recv(fd, ret, sizeof(*ret), 0);
	while (n < 0 && errno == EINTR);
	ret->name[SOURCE_BYTES_MAX - 1] = '\0';
	return n == (ssize_t)sizeof(*ret);
}

/* It may have been moved, and something else be where it was. */
static void detach(uint64_t id)
{
	g_autofree char *table = mountinfo_text();
	g_autoptr(GPtrArray) all = mountinfo_parse(table == NULL ? "" : table);

	for (guint i = 0; i < all->len; i++) {
		const struct mountinfo_entry *e = all->pdata[i];
		g_autofree char *path = NULL;
		int fd;

		if (e->id != id)
			continue;
		fd = open(e->point,
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		path = g_strdup_printf("/proc/self/fd/%d", fd);
		if (fd >= 0 && mountinfo_id_of(fd) == id)
			(void)umount2(path, MNT_DETACH);
		if (fd >= 0)
			(void)close(fd);
	}
}

static void be_mounter(void *arg, int fd)
{
	const struct mounter_params *p = arg;
	int directory_fd = open_directory(p->directory);
	struct answer answer = { 0 };
	struct request request;
	int device = -1;

	if (!hear(fd, &request) || request.kind != KIND_MOUNT)
		return;
	answer.error =
		do_mount(p, &request, directory_fd, &device, &answer.mount_id);
	(void)fd_pass_send(
		fd, &answer, sizeof(answer), answer.error == 0 ? device : -1);
	/* The directory is not to be kept busy, nor the connection alive. */
	if (directory_fd >= 0)
		(void)close(directory_fd);
	if (device >= 0)
		(void)close(device);
	/* Not before: an automount lets its own process group through. */
	(void)setsid();
	/* All that is left to do is umount2(2). */
	(void)harden_lock(false);
	if (answer.error == 0 && answer.mount_id != 0 && hear(fd, &request) &&
		request.kind == KIND_DETACH)
		detach(answer.mount_id);
}

/* --- the daemon's side ---------------------------------------------------- */

int mounter_start(struct aide *a, const struct mounter_params *p)
{
	return aide_start(
		a, "pycloud-mounter", be_mounter, (void *)(uintptr_t)p);
}

static int receive(int fd, struct answer *ret, int *ret_device)
{
	ssize_t n = fd_pass_receive(fd, ret, sizeof(*ret), ret_device);

	if (n != (ssize_t)sizeof(*ret))
		return -EIO;
	return ret->error == 0 && *ret_device < 0 ? -EIO : ret->error;
}

static void read_wish(const struct mounter_wish *wish, struct request *ret)
{
	g_auto(GStrv) words = g_strsplit(wish->options, ",", -1);

	*ret = (struct request){ .kind = KIND_MOUNT,
		.checks_modes = wish->checks_modes };
	(void)g_strlcpy(ret->name, wish->name, sizeof(ret->name));
	for (char **word = words; *word != NULL; word++) {
		/* libfuse sees to it that it is root only. */
		if (strcmp(*word, "allow_other") == 0 ||
			strcmp(*word, "allow_root") == 0)
			ret->lets_others = true;
		for (size_t i = 0; i < G_N_ELEMENTS(flags); i++)
			if (strcmp(*word, flags[i].name) == 0)
				ret->flags |= flags[i].flag;
	}
}

int mounter_mount(struct aide *a, const struct mounter_wish *wish, int *ret_fd,
	uint64_t *ret_mount_id)
{
	struct request request;
	struct answer answer;
	int rc;

	read_wish(wish, &request);
	if (send(a->fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		return -errno;
	rc = receive(a->fd, &answer, ret_fd);
	if (rc == 0)
		*ret_mount_id = answer.mount_id;
	return rc;
}

void mounter_finish(struct aide *a)
{
	const struct request request = { .kind = KIND_DETACH };

	if (a->pid == 0)
		return;
	if (send(a->fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		log_debug("there is no mounter any more");
	aide_finish(a);
}
