/* trusted_path.c - see trusted_path.h. */
#include "config.h"

#include "trusted_path.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT 0
/* As many as the kernel follows. */
#define LINKS_MAX 40

struct walk {
	int fd;	    /* where we are, O_PATH; -1: nowhere */
	char *left; /* the way from there */
	unsigned links;
};

static int go(struct walk *w, int fd)
{
	if (fd < 0)
		return -errno;
	if (w->fd >= 0)
		(void)close(w->fd);
	w->fd = fd;
	return 0;
}

static int go_to_root(struct walk *w)
{
	return go(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static char *name_of(int fd)
{
	g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);

	return g_file_read_link(link, NULL);
}

/* The way goes on where the link leads. */
static int follow(struct walk *w, const char *target)
{
	char *left = g_strconcat(target, "/", w->left, NULL);

	g_free(w->left);
	w->left = left;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	return *target == '/' ? go_to_root(w) : 0;
}

static int take_link(
	struct walk *w, int link_fd, const char *name, char **ret_link)
{
	char target[PATH_MAX];
	ssize_t length;
	struct stat st;

	if (fstat(link_fd, &st) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != ROOT) {
		g_autofree char *folder = name_of(w->fd);

		*ret_link = g_build_filename(
			folder == NULL ? "/" : folder, name, NULL);
		return -EPERM;
	}
	length = readlinkat(link_fd, "", target, sizeof(target));
	if (length < 0)
		return -errno;
	if (length == (ssize_t)sizeof(target))
		return -ENAMETOOLONG;
	target[length] = '\0';
	return follow(w, target);
}

static int step(struct walk *w, const char *name, char **ret_link)
{
	/* As a directory first: that is what makes an automount come. */
	int fd = openat(
		w->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	if (fd >= 0 || errno != ENOTDIR)
		return go(w, fd);
	fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = take_link(w, fd, name, ret_link);
	(void)close(fd);
	return rc;
}

/* The next name of the way, taken from it; NULL: that was all. */
static char *next_name(struct walk *w)
{
	const char *first = w->left + strspn(w->left, "/");
	size_t length = strcspn(first, "/");
	char *name = length == 0 ? NULL : g_strndup(first, length);
	char *left = g_strdup(first + length);

	g_free(w->left);
	w->left = left;
	return name;
}

int trusted_path_resolve(const char *path, char **ret, char **ret_link)
{
	struct walk w = { .fd = -1, .left = g_strdup(path) };
	int rc = go_to_root(&w);

	*ret = *ret_link = NULL;
	while (rc == 0) {
		g_autofree char *name = next_name(&w);

		if (name == NULL)
			break;
		rc = step(&w, name, ret_link);
	}
	if (rc == 0)
		*ret = name_of(w.fd);
	if (rc == 0 && *ret == NULL)
		rc = -EIO;
	if (w.fd >= 0)
		(void)close(w.fd);
	g_free(w.left);
	return rc;
}
