/* kubeconfig.c - see kubeconfig.h. */
#include "config.h"

#include "kubeconfig.h"

#include "common_limits.h"
#include "kubeconfig_cluster.h"
#include "kubeconfig_files.h"
#include "kubeconfig_pod.h"
#include "kubeconfig_user.h"
#include "sensitive.h"

#include <errno.h>
#include <string.h>

void kube_place_free(struct kube_place *p)
{
	if (p == NULL)
		return;
	g_free(p->context);
	g_free(p->cluster);
	g_free(p->namespace);
	g_free(p->server);
	g_free(p->tls_server_name);
	sensitive_free_text(p->proxy_url);
	g_clear_pointer(&p->ca_pem, g_bytes_unref);
	kube_auth_unref(p->auth);
	g_free(p->origin);
	g_strfreev(p->warnings);
	g_free(p);
}

/* --- the namespace ------------------------------------------------------- */

/* It becomes a part of URLs. */
static bool is_label(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= WORKSPACE_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
		       length &&
	       name[0] != '-' && name[length - 1] != '-';
}

static int choose_namespace(
	const struct config_node *map, struct kube_place *p, char **ret_why)
{
	const char *name;
	int rc = config_get_text(map, "namespace", &name, ret_why);

	if (rc != 0 || p->namespace != NULL)
		return rc;
	if (name != NULL && !is_label(name))
		return config_error(config_member(map, "namespace"), ret_why,
			"`namespace` must be lower-case letters, digits and "
			"hyphens.");
	p->namespace = g_strdup(name);
	return 0;
}

static int check_wish(const struct kubeconfig_wish *wish, char **ret_why)
{
	g_autofree char *shown = NULL;

	if (wish->namespace == NULL || is_label(wish->namespace))
		return 0;
	shown = config_show(wish->namespace);
	*ret_why = g_strdup_printf("`%s` cannot be a namespace: that is "
				   "lower-case letters, digits and hyphens.",
		shown);
	return -EINVAL;
}

/* --- a context ----------------------------------------------------------- */

/* Over plain HTTP everybody on the way could read them; kubectl sends none
 * either. */
static int load_nobody(
	struct kube_place *p, GPtrArray *warnings, char **ret_why)
{
	g_ptr_array_add(warnings,
		g_strdup_printf("%s is not encrypted, so no credentials are "
				"sent to it.",
			p->server));
	return kubeconfig_user_load(NULL, NULL, warnings, &p->auth, ret_why);
}

/* An entry that another one names by `key`. */
static int follow(const struct kubeconfig_files *f,
	const struct config_node *context, const char *key, const char *list,
	const struct config_node **ret, char **ret_why)
{
	const char *name;
	g_autofree char *shown = NULL;
	int rc = config_get_text(context, key, &name, ret_why);

	*ret = NULL;
	if (rc != 0 || name == NULL)
		return rc;
	rc = kubeconfig_files_find(f, list, name, ret, ret_why);
	if (rc != 0 || *ret != NULL)
		return rc;
	shown = config_show(name);
	return config_error(config_member(context, key), ret_why,
		"there is no %s `%s` in `%s`.", key, shown, list);
}

static int load_user(const struct kubeconfig_files *f,
	const struct config_node *context, const struct config_node *cluster,
	struct kube_place *p, GPtrArray *warnings, char **ret_why)
{
	const struct config_node *user;
	g_autofree char *json = NULL;
	int rc = follow(f, context, "user", "users", &user, ret_why);

	if (rc != 0)
		return rc;
	if (user != NULL && g_str_has_prefix(p->server, "http://"))
		return load_nobody(p, warnings, ret_why);
	rc = kubeconfig_cluster_json(cluster, p, &json, ret_why);
	if (rc == 0)
		rc = kubeconfig_user_load(
			user, json, warnings, &p->auth, ret_why);
	sensitive_free_text(g_steal_pointer(&json)); /* a proxy's password */
	return rc;
}

static int load_context(const struct kubeconfig_files *f,
	const struct config_node *entry, struct kube_place *p,
	GPtrArray *warnings, char **ret_why)
{
	const struct config_node *context;
	const struct config_node *cluster = NULL;
	const char *name;
	int rc = config_get_map(entry, "context", &context, ret_why);

	if (rc == 0)
		rc = choose_namespace(context, p, ret_why);
	if (rc == 0)
		rc = follow(
			f, context, "cluster", "clusters", &cluster, ret_why);
	if (rc == 0 && cluster == NULL)
		rc = config_error(
			entry, ret_why, "the context names no `cluster`.");
	if (rc == 0)
		rc = config_get_text(context, "cluster", &name, ret_why);
	if (rc != 0)
		return rc;
	p->cluster = g_strdup(name);
	rc = kubeconfig_cluster_load(cluster, p, warnings, ret_why);
	if (rc == 0)
		rc = load_user(f, context, cluster, p, warnings, ret_why);
	return rc;
}

static char *describe_no_context(
	const struct kubeconfig_files *f, const char *name)
{
	g_autofree char *shown = config_show(name);
	g_autofree char *names = kubeconfig_files_names(f, "contexts");

	return g_strdup_printf("There is no context `%s` in %s; there is: %s.",
		shown, f->origin, names);
}

static int load_files(const struct kubeconfig_files *f, const char *context,
	struct kube_place *p, GPtrArray *warnings, char **ret_why)
{
	const struct config_node *entry;
	int rc = kubeconfig_files_find(f, "contexts", context, &entry, ret_why);

	if (rc != 0)
		return rc;
	if (entry == NULL) {
		*ret_why = describe_no_context(f, context);
		return -EINVAL;
	}
	p->context = g_strdup(context);
	p->origin = g_strdup(f->origin);
	return load_context(f, entry, p, warnings, ret_why);
}

/* --- after somebody has logged in again ---------------------------------- */

struct source {
	char **paths;
	char *context;
	char *server;
};

static void source_free(void *arg)
{
	struct source *s = arg;

	g_strfreev(s->paths);
	g_free(s->context);
	g_free(s->server);
	g_free(s);
}

/* The credentials are for the server that they were loaded for: another one
 * must not get them, nor this one those of another. */
static int check_server(
	const struct source *s, const struct kube_place *p, char **ret_why)
{
	if (strcmp(s->server, p->server) == 0)
		return 0;
	*ret_why = g_strdup_printf("The context `%s` in %s means another "
				   "server now; mount again.",
		p->context, p->origin);
	return -EKEYREJECTED;
}

static int reload(void *arg, struct kube_auth **ret, char **ret_why)
{
	const struct source *s = arg;
	g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
	struct kubeconfig_files *files = NULL;
	struct kube_place *p;
	int rc = kubeconfig_files_read_again(s->paths, &files, ret_why);

	if (rc != 0)
		return rc;
	p = g_new0(struct kube_place, 1);
	rc = load_files(files, s->context, p, warnings, ret_why);
	if (rc == 0)
		rc = check_server(s, p, ret_why);
	if (rc == 0)
		*ret = kube_auth_ref(p->auth);
	kube_place_free(p);
	kubeconfig_files_free(files);
	return rc;
}

static void remember_source(
	const struct kubeconfig_files *f, const struct kube_place *p)
{
	struct source *s = g_new0(struct source, 1);

	s->paths = g_strdupv(f->paths);
	s->context = g_strdup(p->context);
	s->server = g_strdup(p->server);
	kube_auth_set_reload(p->auth, reload, source_free, s);
}

/* --- which one ----------------------------------------------------------- */

static char *describe_nothing(const struct kubeconfig_files *f)
{
	g_autofree char *names = kubeconfig_files_names(f, "contexts");

	if (f->trees->len == 0)
		return g_strdup_printf("There is no Kubernetes configuration: "
				       "%s is not there; put your cluster's "
				       "kubeconfig there, or let KUBECONFIG or "
				       "the option kubeconfig name it.",
			f->origin);
	return g_strdup_printf("%s chooses no context; run `kubectl config "
			       "use-context NAME`, or name one with -o "
			       "context=. There is: %s.",
		f->origin, names);
}

/* What one context of the files says, or what this pod is told. */
static int load_somewhere(const struct kubeconfig_files *f, const char *context,
	const struct kubeconfig_wish *wish, struct kube_place *p,
	GPtrArray *warnings, char **ret_why)
{
	int rc;

	if (context != NULL) {
		rc = load_files(f, context, p, warnings, ret_why);
		/* A pipe says nothing the second time. */
		if (rc == 0 && !kubeconfig_files_are_pipes(wish->file))
			remember_source(f, p);
		return rc;
	}
	if (wish->file == NULL && kubeconfig_pod_is_there(KUBECONFIG_POD_DIR))
		return kubeconfig_pod_load(KUBECONFIG_POD_DIR, p, ret_why);
	*ret_why = describe_nothing(f);
	return -ENOENT;
}

static int load_place(const struct kubeconfig_files *f,
	const struct kubeconfig_wish *wish, struct kube_place *p,
	GPtrArray *warnings, char **ret_why)
{
	const char *context = wish->context;
	int rc = 0;

	p->namespace = g_strdup(wish->namespace);
	if (context == NULL)
		rc = kubeconfig_files_current(f, &context, ret_why);
	if (rc == 0)
		rc = load_somewhere(f, context, wish, p, warnings, ret_why);
	if (rc == 0 && p->namespace == NULL)
		p->namespace = g_strdup("default");
	if (rc == 0 && !is_label(p->namespace)) {
		*ret_why =
			g_strdup("This pod's namespace cannot be one; name it "
				 "with -o namespace=NAME.");
		rc = -EINVAL;
	}
	return rc;
}

int kubeconfig_load(const struct kubeconfig_wish *wish, struct kube_place **ret,
	char **ret_why)
{
	struct kubeconfig_files *files = NULL;
	struct kube_place *p;
	GPtrArray *warnings;
	int rc = check_wish(wish, ret_why);

	if (rc == 0)
		rc = kubeconfig_files_read(wish->file, &files, ret_why);
	if (rc != 0)
		return rc;
	p = g_new0(struct kube_place, 1);
	warnings = g_ptr_array_new();
	rc = load_place(files, wish, p, warnings, ret_why);
	g_ptr_array_add(warnings, NULL);
	p->warnings = (char **)g_ptr_array_free(warnings, FALSE);
	kubeconfig_files_free(files);
	if (rc == 0)
		*ret = p;
	else
		kube_place_free(p);
	return rc;
}

bool kubeconfig_is_there(const struct kubeconfig_wish *wish)
{
	struct kubeconfig_files *files = NULL;
	const char *context = NULL;
	char *why = NULL;
	bool is_there;
	int rc;

	if (wish->file != NULL || wish->context != NULL ||
		wish->namespace != NULL)
		return true;
	/* Whoever points KUBECONFIG at something means a cluster, and is to
	 * hear it where there is none. */
	if (g_getenv("KUBECONFIG") != NULL && *g_getenv("KUBECONFIG") != '\0')
		return true;
	rc = kubeconfig_files_read(NULL, &files, &why);
	is_there = rc != 0;
	if (rc == 0)
		rc = kubeconfig_files_current(files, &context, &why);
	is_there = is_there || (rc != 0 && rc != -ENOENT) || context != NULL ||
		   kubeconfig_pod_is_there(KUBECONFIG_POD_DIR);
	kubeconfig_files_free(files);
	g_free(why);
	return is_there;
}
