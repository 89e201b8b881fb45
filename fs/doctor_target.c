/* doctor_target.c - see doctor_target.h. */
#include "config.h"

#include "doctor_target.h"

#include "client.h"
#include "client_ask.h"
#include "client_status.h"
#include "config_file.h"
#include "credentials.h"
#include "fs_limits.h"
#include "http_client.h"
#include "hub_text.h"
#include "keyring.h"
#include "local_server.h"
#include "mountinfo.h"
#include "option_list.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* --- what is meant -------------------------------------------------------- */

static bool is_url(const char *word)
{
	return strstr(word, "://") != NULL;
}

static GPtrArray *mount_table(void)
{
	g_autofree char *text = mountinfo_text();

	return mountinfo_parse(text == NULL ? "" : text);
}

/* By the mount table alone: what is mounted there may hang. */
static bool is_mounted_here(const char *word)
{
	g_autofree char *name = mountinfo_name(word);
	g_autoptr(GPtrArray) all = mount_table();

	for (guint i = all->len; i-- > 0;) {
		const struct mountinfo_entry *e = all->pdata[i];

		if (strcmp(e->point, name) == 0)
			return e->is_ours;
	}
	return false;
}

/* "/" alone means all workspaces, as for mount.pycloud. A colon is a prefix's:
 * "local:m1" is a workspace, whatever is mounted on m1. */
static bool is_directory(const char *word)
{
	if (is_url(word) || strcmp(word, "/") == 0)
		return false;
	if (word[0] == '.' || word[0] == '~' || strchr(word, '/') != NULL)
		return true;
	return strchr(word, ':') == NULL && is_mounted_here(word);
}

/* As mount.pycloud would be told it; g_free. The mount table has the bare name
 * of a workspace of this computer, which where there is a cluster means that
 * one's. */
static char *spec_of(const struct client_asked *a)
{
	g_autofree char *endpoint = client_text_value(a->status, "endpoint");
	g_autofree char *context = client_text_value(a->status, "context");
	bool is_local = context == NULL &&
			g_strcmp0(endpoint, "http://localhost") == 0 &&
			config_file_bare_name(a->name) == a->name;

	return g_strconcat(is_local ? "local:" : "", a->name, NULL);
}

static bool is_online(const struct client_asked *a)
{
	enum client_health health = client_status_health(a);

	return health == HEALTH_FINE || health == HEALTH_PENDING;
}

/* Another's mount may name a kubeconfig that starts programs, or a
 * certificate that proves nothing. */
static bool is_own(const char *point)
{
	g_autoptr(GPtrArray) all = mount_table();

	for (guint i = all->len; i-- > 0;) {
		const struct mountinfo_entry *e = all->pdata[i];

		if (strcmp(e->point, point) == 0)
			return e->is_ours && e->owner == geteuid();
	}
	return false;
}

/* The way that the mount goes, as -o; NULL: it is not ours. Contexts are those
 * of its kubeconfig, which may be another than ours is now. g_free. */
static char *way_of(const struct client_asked *a)
{
	static const char *const keys[] = { "cacert", "kubeconfig", "context",
		"namespace" };
	g_autofree char *kubeconfig = NULL;
	GString *list;

	if (a->answer != ANSWER_GIVEN || !is_own(a->point))
		return NULL;
	list = g_string_new(NULL);
	kubeconfig = client_text_value(a->status, "kubeconfig");
	for (size_t i = 0; i < (kubeconfig == NULL ? 1 : G_N_ELEMENTS(keys));
		i++) {
		g_autofree char *said = client_text_value(a->status, keys[i]);
		g_autofree char *value =
			said == NULL ? NULL : g_strcompress(said);
		g_autofree char *escaped =
			value == NULL ? NULL : option_list_escape(value);

		if (escaped != NULL)
			g_string_append_printf(list, "%s%s=%s",
				list->len > 0 ? "," : "", keys[i], escaped);
	}
	return g_string_free(list, FALSE);
}

/* What is mounted there (g_free), or NULL. */
static char *mounted_at(
	const char *directory, struct doctor_place *place, char **ret_why)
{
	g_autofree char *root = client_ask_root(directory, ret_why);
	GPtrArray *mounts;
	char *name = NULL;

	if (root == NULL)
		return NULL;
	mounts = client_ask_mounts(root);
	if (mounts->len > 0) {
		name = spec_of(mounts->pdata[0]);
		place->is_online = is_online(mounts->pdata[0]);
		place->way = way_of(mounts->pdata[0]);
	}
	g_ptr_array_unref(mounts);
	if (name == NULL)
		*ret_why = g_strdup_printf(
			"%s was unmounted a moment ago; mount it again", root);
	return name;
}

/* The mount table has names without "kube:" and the like, and addresses without
 * pages and tokens. */
static bool is_meant(const char *word, const char *name)
{
	const char *colon = strchr(word, ':');
	size_t length = strlen(name);

	if (is_url(word))
		return strncmp(word, name, length) == 0 &&
		       (word[length] == '\0' ||
			       strchr("/?#", word[length]) != NULL);
	return strcmp(colon == NULL ? word : colon + 1, name) == 0;
}

/* Of a mount of the name that we were told, where there is one; g_free. */
static char *way_of_name(const char *word)
{
	g_autoptr(GPtrArray) all = mount_table();
	char *way = NULL;

	for (guint i = all->len; i-- > 0 && way == NULL;) {
		const struct mountinfo_entry *e = all->pdata[i];
		const char *name = mountinfo_workspace(e);
		g_autoptr(GPtrArray) mounts = NULL;

		if (name == NULL || e->owner != geteuid() ||
			!is_meant(word, name))
			continue;
		mounts = client_ask_mounts(e->point);
		if (mounts->len > 0)
			way = way_of(mounts->pdata[0]);
	}
	return way;
}

/* As mount.pycloud has it: files first, then what a mount that stands was told,
 * the command line over them. */
static bool take_options(
	struct doctor_place *place, char **lists, char **ret_why)
{
	struct config_file *config = config_file_new();
	char *way[] = { place->way, NULL };
	struct options early;
	bool is_good;

	options_init(&early);
	is_good =
		options_take_lists(&early, lists, ret_why) &&
		config_file_read_system(config, &early, place->spec, ret_why) &&
		config_file_read_own(config, &early, place->spec, ret_why) &&
		config_file_apply(config, &place->options, ret_why) &&
		options_take_lists(&place->options, way, ret_why) &&
		options_take_lists(&place->options, lists, ret_why);
	if (is_good && config_file_url(config) != NULL) {
		g_free(place->spec);
		place->spec = g_strdup(config_file_url(config));
	}
	options_clear(&early);
	config_file_free(config);
	return is_good;
}

int doctor_place_resolve(
	const struct doctor_probe *p, struct doctor_place *ret, char **ret_why)
{
	const char *word = p->options->target;

	*ret = (struct doctor_place){ 0 };
	options_init(&ret->options);
	ret->spec = is_directory(word) ? mounted_at(word, ret, ret_why)
				       : g_strdup(word);
	if (ret->spec == NULL)
		return -ENOENT;
	if (!is_directory(word))
		ret->way = way_of_name(word);
	if (!take_options(ret, p->options->lists, ret_why))
		return -EINVAL;
	ret->wishes = (struct workspace_options){
		.ca_file = ret->options.ca_file,
		.is_insecure = ret->options.is_insecure,
		.kubeconfig = ret->options.kubeconfig,
		.context = ret->options.context,
		.namespace = ret->options.namespace,
		.url = ret->options.url,
		.is_portforwarded = ret->options.is_portforwarded,
		.start = WORKSPACE_START_NEVER,
		.start_timeout_ms = DOCTOR_CALL_MS,
		.credentials_file = ret->options.credentials_file,
		.token_command = ret->options.token_command,
	};
	return 0;
}

void doctor_place_clear(struct doctor_place *place)
{
	if (place->spec != NULL)
		explicit_bzero(place->spec, strlen(place->spec));
	g_free(place->spec);
	g_free(place->way);
	options_clear(&place->options);
}

/* --- what families share -------------------------------------------------- */

struct secret *doctor_token(const struct doctor_probe *p,
	const struct doctor_place *place, const char *server)
{
	struct credentials *c = credentials_new(NULL,
		place->options.credentials_file, place->options.token_command);
	const struct credentials_wish wish = { .server = server };
	struct credentials_found found;
	g_autofree char *why = NULL;
	int rc = credentials_find(c, &wish, p->cancel, &found, &why);

	if (rc < 0 && rc != -ENOENT && why != NULL)
		doctor_tell(p, doctor_failed(place), "token", NULL, "%s", why);
	credentials_unref(c);
	return found.secret;
}

/* Without a keyring a file is the place for it; the one that is used now, where
 * one is. */
char *doctor_login_advice(const struct doctor_place *place, const char *name)
{
	const char *file = place->options.credentials_file;
	g_autofree char *login =
		file != NULL ? g_strdup_printf("run: pycloud login --file %s "
					       "%s",
				       file, name)
		: keyring_may_be_there()
			? g_strdup_printf("run: pycloud login %s", name)
			: g_strdup_printf("run: pycloud login --file FILE %s, "
					  "and mount with -o credentials=FILE",
				  name);

	return g_strconcat(login, "; or " DOCTOR_SET_TOKEN, NULL);
}

enum doctor_state doctor_failed(const struct doctor_place *place)
{
	return place->is_online ? DOCTOR_WARN : DOCTOR_FAILED;
}

void doctor_tell_mount_has_it(
	const struct doctor_probe *p, const char *what, const char *here)
{
	doctor_tell(p, DOCTOR_SKIPPED, what,
		"to look further give doctor the mount's own: -o "
		"credentials=FILE, or PYCLOUD_TOKEN",
		"the mount is online, so it has one that is good; from here: "
		"%s",
		here);
}

int doctor_get(const struct doctor_probe *p, struct http_pool *pool,
	const char *target, int64_t first, struct http_response *r)
{
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true,
		.tries_max = 1 };

	call.request.method = "GET";
	call.request.target = target;
	call.request.timeout_ms = DOCTOR_CALL_MS;
	call.request.range_first = first;
	call.request.range_last = first;
	http_response_init(r);
	(void)http_client_call(pool, &call, p->cancel, r);
	/* A mount takes a refusal of the token for a server that it cannot
	 * reach; here it is what was asked for. */
	if (r->error == -EHOSTUNREACH &&
		(r->status / 100 == 3 || r->status == 401 || r->status == 403))
		r->error = 0;
	return r->error;
}

/* --- the family ----------------------------------------------------------- */

/* `login` NULL: the token is the workspace's own. */
static void open_and_ask(const struct doctor_probe *p,
	const struct doctor_place *place, struct workspace *w,
	const struct doctor_login *login)
{
	const struct doctor_login own = { .has_token = true,
		.is_online = place->is_online,
		.advice = DOCTOR_SET_TOKEN };
	struct endpoint *endpoint = NULL;
	g_autofree char *why = NULL;

	if (workspace_open(w, p->cancel, &endpoint, &why) < 0) {
		doctor_tell(
			p, doctor_failed(place), "workspace", NULL, "%s", why);
		return;
	}
	doctor_server(p, endpoint, login != NULL ? login : &own);
	endpoint_unref(endpoint);
}

/* Whether a token will be sent, for the sentence about its refusal. */
static bool has_token(const struct doctor_probe *p,
	const struct doctor_place *place, const char *name)
{
	struct secret *token = NULL;
	bool is_there = strstr(place->spec, "token=") != NULL;

	if (!is_there)
		token = doctor_token(p, place, name);
	is_there = is_there || token != NULL;
	secret_unref(token);
	return is_there;
}

static void ask_with(const struct doctor_probe *p,
	const struct doctor_place *place, struct workspace *w, const char *name,
	bool has_token)
{
	g_autofree char *advice = doctor_login_advice(place, name);
	const struct doctor_login login = { .has_token = has_token,
		.is_online = place->is_online,
		.advice = advice };

	open_and_ask(p, place, w, &login);
}

static void ask_hub(const struct doctor_probe *p,
	const struct doctor_place *place, struct workspace *w)
{
	g_autofree char *name = NULL;

	if (doctor_hub(p, place, &name))
		ask_with(p, place, w, name, true);
}

/* Opening it would make it, and nothing is made here. */
static bool is_made(const struct workspace *w)
{
	g_autofree char *root = provider_local_root(w->name);

	return root == NULL || g_file_test(root, G_FILE_TEST_EXISTS);
}

static void tell_not_made(
	const struct doctor_probe *p, const struct workspace *w)
{
	g_auto(GStrv) programs = local_server_programs();

	doctor_tell(p, DOCTOR_WARN, "workspace",
		"is the name right? mount.pycloud makes a workspace of this "
		"computer when it is mounted first",
		"there is no workspace %s yet", w->name);
	if (programs[0] == NULL)
		doctor_tell(p, DOCTOR_FAILED, "server",
			"install the Debian packages jupyter-server and "
			"python3-ipykernel",
			"no Jupyter server is installed on this computer");
}

static void ask_local(const struct doctor_probe *p,
	const struct doctor_place *place, struct workspace *w)
{
	if (!is_made(w)) {
		tell_not_made(p, w);
		return;
	}
	doctor_tell(p, DOCTOR_OK, "workspace", NULL,
		"%s is one of this computer, with a Jupyter server of its own",
		w->name);
	open_and_ask(p, place, w, NULL);
}

static void ask(const struct doctor_probe *p, const struct doctor_place *place,
	struct workspace *w)
{
	if (hub_is_spec(place->spec)) {
		ask_hub(p, place, w);
	} else if (is_url(place->spec)) {
		ask_with(p, place, w, w->name, has_token(p, place, w->name));
	} else if (w->identity != NULL) {
		/* Only a cluster's workspace is more than its name says. */
		if (doctor_cluster(p, place, w->name))
			open_and_ask(p, place, w, NULL);
	} else {
		ask_local(p, place, w);
	}
}

void doctor_target(const struct doctor_probe *p)
{
	struct doctor_place place;
	struct workspace *w = NULL;
	g_autofree char *why = NULL;
	int rc = doctor_place_resolve(p, &place, &why);

	if (rc == 0 && strcmp(place.spec, "/") == 0)
		(void)doctor_cluster(p, &place, NULL);
	else if (rc == 0)
		rc = workspace_parse(place.spec, &place.wishes, &w, &why);
	if (rc < 0)
		doctor_tell(p, DOCTOR_FAILED, "workspace", NULL, "%s", why);
	else if (w != NULL)
		ask(p, &place, w);
	workspace_free(w);
	doctor_place_clear(&place);
}
