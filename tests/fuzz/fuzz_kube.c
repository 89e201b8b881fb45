/* Any bytes as an API server's answers, in the life of a workspace. */
#include "config.h"

#include "fuzz_http.h"

#include "common_limits.h"
#include "kube_workspace.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char config[] =
	"apiVersion: v1\nkind: Config\ncurrent-context: c\n"
	"contexts: [{name: c, context: {cluster: k, user: u, namespace: n}}]\n"
	"clusters: [{name: k, cluster: {server: \"https://127.0.0.1:1\"}}]\n"
	"users: [{name: u, user: {token: t}}]\n";

/* For all inputs. */
static struct kube *connect_once(void)
{
	static struct kube *kube;
	char file[] = "/proc/self/fd/0000000000";
	struct kubeconfig_wish wish = { .file = file };
	char *why = NULL;
	int fd;

	if (kube != NULL)
		return kube;
	fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	(void)g_snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	if (write(fd, config, strlen(config)) != (ssize_t)strlen(config) ||
		kube_connect(&wish, &kube, &why) < 0)
		g_error("there is no cluster: %s", why);
	(void)close(fd);
	return kube;
}

static void show(void *arg, const char *line)
{
	(void)arg;
	fuzz_check_sentence(line, 4096);
}

static void look(const struct kube_workspace *w, const struct cancel *cancel)
{
	struct kube_look l;
	struct secret *token = NULL;
	char *why = NULL;
	int rc = kube_workspace_look(w, cancel, &l, &why);

	fuzz_check_why(rc, g_steal_pointer(&why));
	if (rc == 0 && kube_workspace_token(w, &l, cancel, &token, &why) < 0 &&
		token != NULL)
		g_error("a token beside an error");
	secret_unref(token);
	g_free(why);
	kube_look_clear(&l);
}

static void list(const struct kube_workspace *w, const struct cancel *cancel)
{
	GPtrArray *all = NULL;
	char *why = NULL;
	int rc = kube_workspace_list(w->kube, w->namespace, cancel, &all, &why);

	fuzz_check_why(rc, why);
	for (guint i = 0; rc == 0 && i < all->len; i++) {
		const struct kube_listed *l = all->pdata[i];

		if (kube_spec_check_name(l->name, &why) < 0)
			g_error("a workspace's name that is none: %s", why);
	}
	g_clear_pointer(&all, g_ptr_array_unref);
}

static void change(const struct kube_workspace *w, uint8_t what,
	const struct cancel *cancel)
{
	const struct kube_workspace_spec spec = { .name = w->name };
	char *why = NULL;
	int rc;

	switch (what % 4) {
	case 0:
		rc = kube_workspace_create(w, &spec, cancel, &why);
		break;
	case 1:
		rc = kube_workspace_scale(w, 1, cancel, &why);
		break;
	case 2:
		rc = kube_workspace_wait(w, what % 8 < 4, 5000, cancel, &why);
		break;
	default:
		rc = kube_workspace_delete(w, what % 8 < 4, 5000, cancel, &why);
		break;
	}
	fuzz_check_why(rc, why);
}

/* What is done; then answers. */
void fuzz_kube(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	uint8_t what = fuzz_take_byte(&in);
	const struct kube_workspace w = { .kube = connect_once(),
		.namespace = "n",
		.name = "lab",
		.progress = show };
	struct cancel cancel;

	cancel_init(&cancel, 0);
	fuzz_http_begin(&in, &cancel);
	if (what % 3 == 0)
		look(&w, &cancel);
	else if (what % 3 == 1)
		list(&w, &cancel);
	else
		change(&w, what / 3, &cancel);
	fuzz_http_end();
	cancel_fini(&cancel);
}
