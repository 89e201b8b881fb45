/* Any bytes as a kubeconfig: refused with a sentence, or a place as promised.
 * No plugin is started. */
#include "config.h"

#include "fuzz.h"

#include "kubeconfig.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_place(const struct kube_place *p)
{
	if (p->context == NULL || p->cluster == NULL || p->namespace == NULL ||
		p->auth == NULL || p->warnings == NULL || p->origin == NULL)
		g_error("a place lacks something");
	if (!g_str_has_prefix(p->server, "http") ||
		g_str_has_suffix(p->server, "/") ||
		strpbrk(p->server, " @?#\n") != NULL)
		g_error("a server that is no URL: %s", p->server);
	if (strpbrk(p->namespace, "/.%?") != NULL)
		g_error("a namespace that is none: %s", p->namespace);
}

static void load_file(const uint8_t *bytes, size_t length)
{
	int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	g_autofree char *file = g_strdup_printf("/proc/self/fd/%d", fd);
	struct kubeconfig_wish wish = { .file = file };
	struct kube_place *place = NULL;
	char *why = NULL;
	int rc;

	if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
		g_error("there is no memory for a file");
	rc = kubeconfig_load(&wish, &place, &why);
	if ((rc == 0) != (place != NULL) || (rc == 0) != (why == NULL))
		g_error("neither a place nor a sentence: %d", rc);
	if (rc == 0)
		check_place(place);
	else if (!g_utf8_validate(why, -1, NULL))
		g_error("a sentence that is no text");
	kube_place_free(place);
	g_free(why);
	(void)close(fd);
}

void fuzz_kubeconfig(const uint8_t *bytes, size_t length)
{
	load_file(bytes, length);
}
