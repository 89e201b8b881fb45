/*
 * kube_spec.c - see kube_spec.h.
 *
 * The manifests stand here as text, as one reads them elsewhere, with ' for ";
 * a value that begins with $ is filled in.
 */
#include "config.h"

#include "kube_spec.h"

#include "common_limits.h"
#include "kube_quantity.h"

#include <errno.h>
#include <string.h>

#define SECRET_SUFFIX "-pycloud"

/* What a pod asks for when it may use more; a Raspberry Pi has it. */
#define CPU_REQUEST    "100m"
#define MEMORY_REQUEST "256Mi"
/* Less than this and Jupyter does not start. */
#define MEMORY_MIN "64Mi"

G_STATIC_ASSERT(KUBE_NAME_MAX + sizeof(SECRET_SUFFIX) - 1 <= 63);

/* Images have the one server, the other, or both. HOME may belong to another
 * user than the one we run as; without a place for its runtime files Jupyter
 * does not start. */
static const char start_script[] =
	"if [ ! -w \"${HOME:-/}\" ]; then\n"
	"  HOME=/tmp/home\n"
	"  export HOME\n"
	"  mkdir -p \"$HOME\"\n"
	"fi\n"
	"if [ \"$(id -u)\" = 0 ]; then\n"
	"  set -- --allow-root \"$@\"\n"
	"fi\n"
	"for server in jupyter-server jupyter-notebook; do\n"
	"  if command -v \"$server\" >/dev/null; then\n"
	"    exec \"$server\" \"$@\"\n"
	"  fi\n"
	"done\n"
	"echo 'This image has no jupyter-server and no jupyter-notebook.' >&2\n"
	"exit 127\n";

static const char claim_text[] =
	"{'apiVersion':'v1','kind':'PersistentVolumeClaim',"
	"'metadata':{'name':'$name','labels':'$labels'},"
	"'spec':{'accessModes':['ReadWriteOnce'],"
	"'resources':{'requests':{'storage':'$storage'}}}}";

static const char service_text[] =
	"{'apiVersion':'v1','kind':'Service',"
	"'metadata':{'name':'$name','labels':'$labels'},"
	"'spec':{'selector':'$selector',"
	"'ports':[{'name':'http','port':8888,'targetPort':'http'}]}}";

/* Notebook 6 and jupyter_server each ignore the other's settings. What they
 * mean is said in local_server.c, which has them too. The token is only in the
 * environment: everybody on the node may read a command line.
 *
 * Recreate: two servers on the same files know nothing of each other's
 * kernels. A shared process namespace: something must reap what a run leaves
 * behind, and Jupyter as the first process would not.
 *
 * A restart ends all that runs in there. So it gets five minutes, at its start
 * and whenever it does not answer; to be left out of the Service takes 15 s. */
static const char deployment_text[] =
	"{'apiVersion':'apps/v1','kind':'Deployment',"
	"'metadata':{'name':'$name','labels':'$labels'},"
	"'spec':{'replicas':1,'strategy':{'type':'Recreate'},"
	"'selector':{'matchLabels':'$selector'},"
	"'template':{'metadata':{'labels':'$labels'},'spec':{"
	"'enableServiceLinks':false,"
	"'automountServiceAccountToken':false,"
	"'shareProcessNamespace':true,"
	"'terminationGracePeriodSeconds':10,"
	"'securityContext':{'runAsNonRoot':true,'runAsUser':1000,"
	"'runAsGroup':100,'fsGroup':100,"
	"'fsGroupChangePolicy':'OnRootMismatch',"
	"'seccompProfile':{'type':'RuntimeDefault'}},"
	"'containers':[{'name':'jupyter','image':'$image',"
	"'command':['sh','-c','$script','pycloud',"
	"'--ip=0.0.0.0','--port=8888','--no-browser',"
	"'--ServerApp.port_retries=0','--NotebookApp.port_retries=0',"
	"'--ServerApp.base_url=/','--NotebookApp.base_url=/',"
	"'--ServerApp.allow_remote_access=True',"
	"'--NotebookApp.allow_remote_access=True',"
	"'--ServerApp.root_dir=/workspace',"
	"'--NotebookApp.notebook_dir=/workspace',"
	"'--ContentsManager.allow_hidden=True',"
	"'--ContentsManager.hide_globs=[]',"
	"'--FileContentsManager.delete_to_trash=False',"
	"'--FileCheckpoints.checkpoint_dir=/tmp/checkpoints'],"
	"'workingDir':'/workspace',"
	"'env':[{'name':'JUPYTER_TOKEN','valueFrom':"
	"{'secretKeyRef':{'name':'$secret','key':'token'}}}],"
	"'ports':[{'name':'http','containerPort':8888}],"
	"'startupProbe':{'httpGet':{'path':'/api','port':'http'},"
	"'periodSeconds':2,'timeoutSeconds':5,'failureThreshold':150},"
	"'readinessProbe':{'httpGet':{'path':'/api','port':'http'},"
	"'periodSeconds':5,'timeoutSeconds':5,'failureThreshold':3},"
	"'livenessProbe':{'httpGet':{'path':'/api','port':'http'},"
	"'periodSeconds':15,'timeoutSeconds':5,'failureThreshold':20},"
	"'resources':{'requests':'$requests','limits':'$limits'},"
	"'securityContext':{'allowPrivilegeEscalation':false,"
	"'capabilities':{'drop':['ALL']}},"
	"'volumeMounts':[{'name':'workspace','mountPath':'/workspace'}]}],"
	"'volumes':[{'name':'workspace',"
	"'persistentVolumeClaim':{'claimName':'$name'}}]}}}}";

/* --- what is asked for --------------------------------------------------- */

static int refuse(char **ret_why, char *sentence)
{
	*ret_why = sentence;
	return -EINVAL;
}

static bool is_made_of(const char *text, const char *punctuation)
{
	for (; *text != '\0'; text++)
		if (!g_ascii_isalnum(*text) &&
			strchr(punctuation, *text) == NULL)
			return false;
	return true;
}

/* Of lower case letters, digits and `punctuation`, with no punctuation at
 * either end. */
static bool is_dns_name(const char *text, const char *punctuation, size_t max)
{
	size_t length = strlen(text);
	size_t i;

	if (length == 0 || length > max || !is_made_of(text, punctuation))
		return false;
	for (i = 0; i < length; i++)
		if (g_ascii_isupper(text[i]))
			return false;
	return g_ascii_isalnum(text[0]) && g_ascii_isalnum(text[length - 1]);
}

int kube_spec_check_name(const char *name, char **ret_why)
{
	if (is_dns_name(name, "-", KUBE_NAME_MAX) && g_ascii_isalpha(name[0]))
		return 0;
	return refuse(ret_why,
		g_strdup_printf("A workspace in a cluster needs a name of at "
				"most %d lower case letters, digits and "
				"dashes that begins with a letter and does not "
				"end with a dash.",
			KUBE_NAME_MAX));
}

static int check_image(const char *image, char **ret_why)
{
	if (image == NULL || (g_ascii_isalnum(image[0]) &&
				     strlen(image) <= KUBE_IMAGE_BYTES_MAX &&
				     is_made_of(image, "._-/:@")))
		return 0;
	return refuse(ret_why,
		g_strdup(
			"The image's name is none: it looks like " KUBE_IMAGE_DEFAULT
			"."));
}

static int check_cpu(const char *cpu, char **ret_why)
{
	double cores;

	if (cpu == NULL || (kube_quantity_parse(cpu, &cores) &&
				   cores >= 0.001 && cores <= 1024 &&
				   strspn(cpu, "0123456789.m") == strlen(cpu)))
		return 0;
	return refuse(ret_why,
		g_strdup("The cpu is a number of processors, as 2 or 0.5, or "
			 "of thousandths, as 500m."));
}

static int check_bytes(const char *what, const char *text, const char *min,
	const char *example, char **ret_why)
{
	double bytes, least;

	if (text == NULL)
		return 0;
	if (!kube_quantity_parse(text, &bytes) || strchr(text, 'm') != NULL)
		return refuse(ret_why,
			g_strdup_printf("The %s is a number of bytes, as %s.",
				what, example));
	(void)kube_quantity_parse(min, &least);
	if (bytes < least)
		return refuse(ret_why,
			g_strdup_printf("The %s must be at least %s; a number "
					"without a unit counts bytes.",
				what, min));
	return 0;
}

static int check_storage_class(const char *name, char **ret_why)
{
	if (name == NULL || name[0] == '\0' || is_dns_name(name, "-.", 253))
		return 0;
	return refuse(ret_why,
		g_strdup("The storage class is one of those that `kubectl get "
			 "storageclass` names."));
}

int kube_spec_check(const struct kube_workspace_spec *spec, char **ret_why)
{
	int rc = kube_spec_check_name(spec->name, ret_why);

	if (rc == 0)
		rc = check_image(spec->image, ret_why);
	if (rc == 0)
		rc = check_cpu(spec->cpu, ret_why);
	if (rc == 0)
		rc = check_bytes(
			"memory", spec->memory, MEMORY_MIN, "512Mi", ret_why);
	if (rc == 0)
		rc = check_bytes(
			"storage", spec->storage, "1Mi", "10Gi", ret_why);
	if (rc == 0)
		rc = check_storage_class(spec->storage_class, ret_why);
	return rc;
}

/* --- filling in ---------------------------------------------------------- */

char *kube_spec_secret_name(const char *name)
{
	return g_strconcat(name, SECRET_SUFFIX, NULL);
}

static cJSON *make_selector(const struct kube_workspace_spec *spec)
{
	cJSON *labels = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(
		labels, "app.kubernetes.io/name", "pycloud");
	(void)cJSON_AddStringToObject(labels, KUBE_INSTANCE_LABEL, spec->name);
	return labels;
}

static cJSON *make_labels(const struct kube_workspace_spec *spec)
{
	cJSON *labels = make_selector(spec);

	(void)cJSON_AddStringToObject(
		labels, "app.kubernetes.io/component", "workspace");
	(void)cJSON_AddStringToObject(
		labels, "app.kubernetes.io/part-of", "pycloud");
	(void)cJSON_AddStringToObject(
		labels, "app.kubernetes.io/managed-by", "pycloud");
	return labels;
}

static const char *memory_limit(const struct kube_workspace_spec *spec)
{
	return spec->memory == NULL ? KUBE_MEMORY_DEFAULT : spec->memory;
}

/* A request above the limit is refused. */
static const char *lesser(const char *request, const char *limit)
{
	double a, b;

	if (limit == NULL || !kube_quantity_parse(request, &a) ||
		!kube_quantity_parse(limit, &b))
		return request;
	return a <= b ? request : limit;
}

static cJSON *make_requests(const struct kube_workspace_spec *spec)
{
	cJSON *requests = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(
		requests, "cpu", lesser(CPU_REQUEST, spec->cpu));
	(void)cJSON_AddStringToObject(
		requests, "memory", lesser(MEMORY_REQUEST, memory_limit(spec)));
	return requests;
}

/* Without a limit of our own for the cpu: what nobody uses would be idle. */
static cJSON *make_limits(const struct kube_workspace_spec *spec)
{
	cJSON *limits = cJSON_CreateObject();

	if (spec->cpu != NULL)
		(void)cJSON_AddStringToObject(limits, "cpu", spec->cpu);
	(void)cJSON_AddStringToObject(limits, "memory", memory_limit(spec));
	return limits;
}

static cJSON *make_string(const char *text, const char *fallback)
{
	return cJSON_CreateString(text == NULL ? fallback : text);
}

static cJSON *make_value(
	const struct kube_workspace_spec *spec, const char *key)
{
	g_autofree char *secret = kube_spec_secret_name(spec->name);

	if (strcmp(key, "$labels") == 0)
		return make_labels(spec);
	if (strcmp(key, "$selector") == 0)
		return make_selector(spec);
	if (strcmp(key, "$requests") == 0)
		return make_requests(spec);
	if (strcmp(key, "$limits") == 0)
		return make_limits(spec);
	if (strcmp(key, "$image") == 0)
		return make_string(spec->image, KUBE_IMAGE_DEFAULT);
	if (strcmp(key, "$storage") == 0)
		return make_string(spec->storage, KUBE_STORAGE_DEFAULT);
	if (strcmp(key, "$secret") == 0)
		return cJSON_CreateString(secret);
	if (strcmp(key, "$script") == 0)
		return cJSON_CreateString(start_script);
	return cJSON_CreateString(spec->name);
}

static void fill_in(cJSON *parent, const struct kube_workspace_spec *spec)
{
	cJSON *item = parent->child;

	while (item != NULL) {
		cJSON *next = item->next;
		const char *text = cJSON_GetStringValue(item);

		if (text == NULL || text[0] != '$')
			fill_in(item, spec);
		else if (item->string == NULL)
			(void)cJSON_ReplaceItemViaPointer(
				parent, item, make_value(spec, text));
		else
			(void)cJSON_ReplaceItemInObjectCaseSensitive(
				parent, item->string, make_value(spec, text));
		item = next;
	}
}

static cJSON *make_object(
	const char *template, const struct kube_workspace_spec *spec)
{
	g_autofree char *text = g_strdelimit(g_strdup(template), "'", '"');
	cJSON *object = json_parse(text, strlen(text));

	g_assert(object != NULL);
	fill_in(object, spec);
	return object;
}

/* --- the objects --------------------------------------------------------- */

static void wipe_string(char *text)
{
	secret_wipe(text, strlen(text));
	g_free(text);
}

struct secret *kube_spec_secret(
	const struct kube_workspace_spec *spec, const struct secret *token)
{
	g_autofree char *name = kube_spec_secret_name(spec->name);
	cJSON *labels_object = make_labels(spec);
	g_autofree char *labels = json_print(labels_object);
	const char *bytes = secret_peek(token);
	char *encoded =
		g_base64_encode((const unsigned char *)bytes, strlen(bytes));
	char *text = g_strdup_printf(
		"{\"apiVersion\":\"v1\",\"kind\":\"Secret\","
		"\"metadata\":{\"name\":\"%s\",\"labels\":%s},"
		"\"type\":\"Opaque\",\"data\":{\"token\":\"%s\"}}",
		name, labels, encoded);
	struct secret *manifest = secret_new(text, strlen(text));

	cJSON_Delete(labels_object);
	wipe_string(encoded);
	wipe_string(text);
	return manifest;
}

cJSON *kube_spec_claim(const struct kube_workspace_spec *spec)
{
	cJSON *claim = make_object(claim_text, spec);
	cJSON *inner = cJSON_GetObjectItemCaseSensitive(claim, "spec");

	if (spec->storage_class != NULL)
		(void)cJSON_AddStringToObject(
			inner, "storageClassName", spec->storage_class);
	return claim;
}

static cJSON *find_mutable(cJSON *object, const char *const *path)
{
	for (; *path != NULL; path++)
		object = cJSON_GetObjectItemCaseSensitive(object, *path);
	return object;
}

static void leave_user_to_image(cJSON *deployment)
{
	static const char *const path[] = { "spec", "template", "spec",
		"securityContext", NULL };
	static const char *const ours[] = { "runAsNonRoot", "runAsUser",
		"runAsGroup", "fsGroup", "fsGroupChangePolicy" };
	cJSON *context = find_mutable(deployment, path);
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(ours); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(context, ours[i]);
}

cJSON *kube_spec_deployment(const struct kube_workspace_spec *spec)
{
	cJSON *deployment = make_object(deployment_text, spec);

	if (spec->is_image_user)
		leave_user_to_image(deployment);
	if (spec->exists)
		cJSON_DeleteItemFromObjectCaseSensitive(
			cJSON_GetObjectItemCaseSensitive(deployment, "spec"),
			"replicas");
	return deployment;
}

cJSON *kube_spec_service(const struct kube_workspace_spec *spec)
{
	return make_object(service_text, spec);
}

char *kube_spec_scale(unsigned replicas)
{
	return g_strdup_printf("{\"spec\":{\"replicas\":%u}}", replicas);
}

/* --- and back ------------------------------------------------------------ */

struct secret *kube_spec_token(const cJSON *secret_object)
{
	const char *encoded =
		json_string(json_object(secret_object, "data"), "token");
	struct secret *token = NULL;
	unsigned char *bytes;
	size_t length;

	if (encoded == NULL || strlen(encoded) > 2 * SECRET_BYTES_MAX)
		return NULL;
	bytes = g_base64_decode(encoded, &length);
	if (length > 0)
		token = secret_new((const char *)bytes, length);
	secret_wipe(bytes, length);
	g_free(bytes);
	return token;
}

static bool has_label(const cJSON *labels, const char *key, const char *value)
{
	const char *text = json_string(labels, key);

	return text != NULL && strcmp(text, value) == 0;
}

bool kube_spec_is_ours(const cJSON *object, const char *name)
{
	const cJSON *labels =
		json_object(json_object(object, "metadata"), "labels");

	return has_label(labels, "app.kubernetes.io/managed-by", "pycloud") &&
	       has_label(labels, KUBE_INSTANCE_LABEL, name);
}

void kube_spec_adopt(struct kube_workspace_spec *spec, const cJSON *deployment)
{
	const cJSON *pod = json_object(
		json_object(json_object(deployment, "spec"), "template"),
		"spec");
	const cJSON *container =
		cJSON_GetArrayItem(json_array(pod, "containers"), 0);
	const cJSON *limits =
		json_object(json_object(container, "resources"), "limits");
	const cJSON *context = json_object(pod, "securityContext");

	spec->exists = true;
	if (spec->image == NULL)
		spec->image = json_string(container, "image");
	if (spec->cpu == NULL)
		spec->cpu = json_string(limits, "cpu");
	if (spec->memory == NULL)
		spec->memory = json_string(limits, "memory");
	if (cJSON_GetObjectItemCaseSensitive(context, "runAsUser") == NULL)
		spec->is_image_user = true;
}
