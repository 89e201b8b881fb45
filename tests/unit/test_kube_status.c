/* What a real cluster showed, as one state and one sentence. */
#include "config.h"

#include "kube_events.h"
#include "kube_status.h"
#include "recording.h"

static void assert_sentence(const struct kube_condition *c, const char *words)
{
	if (strstr(c->sentence, words) == NULL)
		fail_msg("no \"%s\" in: %s", words, c->sentence);
	assert_null(strchr(c->sentence, '\n'));
	assert_true(g_str_has_suffix(c->sentence, "."));
}

static void assert_state(const struct kube_condition *c, enum kube_state state)
{
	if (c->state != state)
		fail_msg("%s, not %s: %s", kube_state_name(c->state),
			kube_state_name(state), c->sentence);
}

static void assert_view(const struct kube_view *view, enum kube_state state,
	bool is_hopeless, const char *words)
{
	struct kube_condition c;

	kube_condition_read(view, &c);
	assert_state(&c, state);
	assert_sentence(&c, words);
	if (c.is_hopeless != is_hopeless)
		fail_msg("wrong hope: %s", c.sentence);
	kube_condition_clear(&c);
}

/* --- what a watch showed ------------------------------------------------- */

static void keep_last(const cJSON *object, void *user)
{
	cJSON **last = user;

	cJSON_Delete(*last);
	*last = cJSON_Duplicate(object, true);
}

static cJSON *last_of(const char *watch)
{
	cJSON *last = NULL;

	recording_watch(watch, keep_last, &last);
	assert_non_null(last);
	return last;
}

/* A list of that one; takes it over. */
static cJSON *list_of(cJSON *item)
{
	cJSON *list = cJSON_CreateObject();

	(void)cJSON_AddItemToArray(cJSON_AddArrayToObject(list, "items"), item);
	return list;
}

static cJSON *no_pods(void)
{
	cJSON *list = cJSON_CreateObject();

	(void)cJSON_AddArrayToObject(list, "items");
	return list;
}

/* How the failure `what` ended, with or without the events. */
static void assert_failure(const char *what, bool has_pod, bool has_events,
	enum kube_state state, bool is_hopeless, const char *words)
{
	g_autofree char *deployment_name =
		g_strconcat("watch-fail-", what, "-deployment", NULL);
	g_autofree char *pod_name =
		g_strconcat("watch-fail-", what, "-pod", NULL);
	g_autofree char *events_name =
		g_strconcat("events-fail-", what, "-200", NULL);
	g_autoptr(cJSON) deployment = last_of(deployment_name);
	g_autoptr(cJSON) pods =
		has_pod ? list_of(last_of(pod_name)) : no_pods();
	g_autoptr(cJSON) events =
		has_events ? recording_json(events_name) : NULL;
	const struct kube_view view = { .name = "lab",
		.workload = deployment,
		.pods = pods,
		.events = events };

	assert_view(&view, state, is_hopeless, words);
}

static void every_recorded_failure_has_its_sentence(void **state)
{
	(void)state;
	assert_failure("badimage", true, true, KUBE_FAILED, true,
		"There is no such image (Container image "
		"\"docker.io/local/nosuch:1\"");
	assert_failure("crash", true, true, KUBE_FAILED, true,
		"with exit status 3 and is started again: `pycloud logs lab`");
	assert_failure("nocommand", true, true, KUBE_FAILED, true,
		"lacks the program to start (");
	assert_failure(
		"nopvc", true, true, KUBE_FAILED, true, "`pycloud create lab`");
	assert_failure("nosecret", true, true, KUBE_FAILED, true,
		"(secret \"no-such-secret\" not found)");
	assert_failure("notready", true, true, KUBE_STARTING, false,
		"connection refused");
	assert_failure("oom", true, true, KUBE_FAILED, true, "more memory");
	assert_failure("podsecurity", false, true, KUBE_FAILED, true,
		"violates PodSecurity");
	assert_failure("quota", false, true, KUBE_FAILED, true,
		"limited: requests.memory=100Mi");
	assert_failure("unsched", true, true, KUBE_FAILED, true,
		"(0/1 nodes are available: 1 Insufficient cpu.");
}

/* Not everybody may read events. */
static void most_failures_are_seen_without_events(void **state)
{
	(void)state;
	assert_failure("crash", true, false, KUBE_FAILED, true, "status 3");
	assert_failure("nocommand", true, false, KUBE_FAILED, true, "lacks");
	assert_failure("nosecret", true, false, KUBE_FAILED, true, "secret");
	assert_failure("oom", true, false, KUBE_FAILED, true, "more memory");
	assert_failure("podsecurity", false, false, KUBE_FAILED, true,
		"violates PodSecurity");
	assert_failure(
		"quota", false, false, KUBE_FAILED, true, "quota is used up");
	assert_failure("notready", true, false, KUBE_STARTING, false,
		"does not answer yet.");
}

/* --- from the beginning to the end --------------------------------------- */

struct history {
	GString *states;
	const char *last;
};

static void see_workload(const cJSON *object, void *user)
{
	struct history *h = user;
	const struct kube_view view = { .name = "lab", .workload = object };
	struct kube_condition c;
	const char *name;

	kube_condition_read(&view, &c);
	name = kube_state_name(c.state);
	if (h->last == NULL || strcmp(h->last, name) != 0)
		g_string_append_printf(h->states, "%s ", name);
	h->last = name;
	kube_condition_clear(&c);
}

static void assert_history(const char *watch, const char *expected)
{
	struct history h = { .states = g_string_new(NULL) };

	recording_watch(watch, see_workload, &h);
	if (strcmp(h.states->str, expected) != 0)
		fail_msg("%s: %s", watch, h.states->str);
	(void)g_string_free(h.states, TRUE);
}

static void a_workload_goes_from_state_to_state(void **state)
{
	(void)state;
	assert_history("watch-deployment-create-to-ready", "starting ready ");
	assert_history("watch-statefulset-create-to-ready", "starting ready ");
	assert_history(
		"watch-deployment-scale-to-0", "ready stopping stopped ");
	assert_history(
		"watch-deployment-scale-to-1", "stopped starting ready ");
}

static void see_good_pod(const cJSON *object, void *user)
{
	g_autoptr(cJSON) pods = list_of(cJSON_Duplicate(object, true));
	const struct kube_view view = {
		.name = "lab", .workload = user, .pods = pods
	};

	assert_view(&view, KUBE_STARTING, false, "");
}

static void a_good_start_is_never_a_failure(void **state)
{
	g_autoptr(cJSON) deployment = last_of("watch-fail-notready-deployment");

	(void)state;
	recording_watch("watch-pod-create-to-ready", see_good_pod, deployment);
	recording_watch("watch-pod-scale-to-1", see_good_pod, deployment);
	recording_watch("watch-statefulset-pod", see_good_pod, deployment);
}

static void the_pod_is_believed_before_the_workload(void **state)
{
	g_autoptr(cJSON) deployment =
		recording_json("get-deployment-ready-200");
	g_autoptr(cJSON) ready = recording_json("list-pods-ready-200");
	g_autoptr(cJSON) crashed = list_of(recording_json("get-pod-crash-200"));
	struct kube_view view = {
		.name = "lab", .workload = deployment, .pods = ready
	};

	(void)state;
	assert_view(&view, KUBE_READY, false, "lab is ready");
	view.pods = crashed;
	assert_view(&view, KUBE_FAILED, true, "exit status 3");
}

static void what_is_missing_says_how_to_make_it(void **state)
{
	g_autoptr(cJSON) claim = recording_json("get-pvc-bound-200");
	struct kube_view view = { .name = "lab" };

	(void)state;
	assert_view(&view, KUBE_MISSING, true,
		"no workspace lab: `pycloud create lab`");
	view.claim = claim;
	assert_view(&view, KUBE_MISSING, true, "has its files");
}

static void a_stop_lasts_until_its_pod_is_gone(void **state)
{
	g_autoptr(cJSON) deployment = last_of("watch-deployment-scale-to-0");
	g_autoptr(cJSON) pods = recording_json("list-pods-ready-200");
	g_autoptr(cJSON) ended = list_of(last_of("watch-pod-scale-to-0"));
	struct kube_view view = {
		.name = "lab", .workload = deployment, .pods = pods
	};

	(void)state;
	assert_view(&view, KUBE_STOPPING, false, "being stopped");
	view.pods = ended;
	assert_view(&view, KUBE_STOPPED, true, "`pycloud start lab`");
}

/* --- made by hand: what the recordings lack ------------------------------ */

#define WORKLOAD                                                      \
	"{\"metadata\":{\"generation\":1},\"spec\":{\"replicas\":1}," \
	"\"status\":{\"observedGeneration\":1,\"replicas\":1,"        \
	"\"updatedReplicas\":1}}"

static cJSON *parse(const char *json)
{
	g_autofree char *text = g_strdelimit(g_strdup(json), "'", '"');

	return recording_parse(text);
}

/* A pod in that status, with an event about it. */
static void assert_pod(const char *status, const char *reason,
	const char *message, enum kube_state state, bool is_hopeless,
	const char *words)
{
	g_autofree char *pod_text =
		g_strdup_printf("{'items':[{'metadata':{'name':'p','uid':'u'},"
				"'status':%s}]}",
			status);
	g_autofree char *event_text = g_strdup_printf(
		"{'items':[{'involvedObject':{'name':'p','uid':'u'},"
		"'reason':'%s','message':'%s'}]}",
		reason, message);
	g_autoptr(cJSON) workload = parse(WORKLOAD);
	g_autoptr(cJSON) pods = parse(pod_text);
	g_autoptr(cJSON) events = parse(event_text);
	const struct kube_view view = { .name = "lab",
		.workload = workload,
		.pods = pods,
		.events = events };

	assert_view(&view, state, is_hopeless, words);
}

#define WAITING(reason, message)                                         \
	"{'containerStatuses':[{'ready':false,'restartCount':1,'state':" \
	"{'waiting':{'reason':'" reason "','message':'" message "'}}}]}"
#define ENDED(inside)                                                    \
	"{'containerStatuses':[{'ready':false,'restartCount':1,'state':" \
	"{'terminated':{" inside "}}}]}"
#define UNSCHEDULABLE(message)                                     \
	"{'phase':'Pending','conditions':[{'type':'PodScheduled'," \
	"'status':'False','message':'" message "'}]}"

static void the_registrys_answer_is_looked_for(void **state)
{
	const char *waiting =
		WAITING("ImagePullBackOff", "Back-off pulling image x:1");

	(void)state;
	assert_pod(waiting, "Failed",
		"Failed to pull image x:1: x:1: not found", KUBE_FAILED, true,
		"There is no such image (Failed to pull image x:1");
	assert_pod(waiting, "Failed",
		"Failed to pull image x:1: pull access denied", KUBE_FAILED,
		true, "missing or not public");
	assert_pod(waiting, "Failed",
		"Failed to pull image x:1: no match for platform in manifest: "
		"not found",
		KUBE_FAILED, true, "not made for the nodes' processor");
	assert_pod(waiting, "Failed",
		"Failed to pull image x:1: 429 toomanyrequests", KUBE_FAILED,
		false, "wants us to wait");
	assert_pod(waiting, "Failed",
		"Failed to pull image x:1: dial tcp: i/o timeout", KUBE_FAILED,
		false, "could not get the image yet (Failed to pull");
	assert_pod(waiting, "Scheduled", "", KUBE_FAILED, false,
		"(Back-off pulling image x:1)");
	assert_pod(WAITING("InvalidImageName", ""), "", "", KUBE_FAILED, true,
		"name is none");
}

static void a_volume_that_does_not_come_is_named(void **state)
{
	const char *creating = WAITING("ContainerCreating", "");

	(void)state;
	assert_pod(creating, "FailedAttachVolume",
		"Multi-Attach error for volume pvc-1", KUBE_FAILED, false,
		"in use on another node");
	assert_pod(creating, "FailedMount", "MountVolume.SetUp failed",
		KUBE_FAILED, false, "cannot be mounted yet (MountVolume");
	assert_pod(creating, "FailedCreatePodSandBox",
		"Failed to create pod sandbox: x", KUBE_FAILED, false,
		"could not prepare the pod");
	assert_pod(creating, "Pulling", "Pulling image", KUBE_STARTING, false,
		"gets the image");
	assert_pod(creating, "Pulled", "", KUBE_STARTING, false, "prepares");
}

static void a_place_that_may_come_back_leaves_hope(void **state)
{
	(void)state;
	assert_pod(UNSCHEDULABLE("0/2 nodes: 1 Insufficient memory"),
		"TriggeredScaleUp", "", KUBE_STARTING, false, "adding a node");
	assert_pod(UNSCHEDULABLE("0/2 nodes: 1 Insufficient memory, 1 node(s) "
				 "had untolerated taint {unreachable}"),
		"", "", KUBE_FAILED, false, "No node has room");
	assert_pod(UNSCHEDULABLE("0/2 nodes: 1 node(s) had volume node "
				 "affinity conflict, 1 had untolerated taint"),
		"", "", KUBE_FAILED, false, "bring that node back");
	assert_pod(UNSCHEDULABLE("0/2 nodes: 2 node(s) were unschedulable"), "",
		"", KUBE_FAILED, false, "No node takes pods");
	assert_pod(UNSCHEDULABLE("pod has unbound immediate "
				 "PersistentVolumeClaims"),
		"", "", KUBE_STARTING, false, "waits for the storage");
}

static void ends_are_told_apart(void **state)
{
	(void)state;
	assert_pod(ENDED("'exitCode':127"), "", "", KUBE_FAILED, true,
		"has no Jupyter");
	assert_pod(ENDED("'exitCode':1"), "", "", KUBE_FAILED, false,
		"exit status 1");
	assert_pod(ENDED("'exitCode':143"), "", "", KUBE_FAILED, false,
		"by signal 15");
	assert_pod(ENDED("'exitCode':137,'reason':'OOMKilled'"), "", "",
		KUBE_FAILED, false, "more memory");
	assert_pod(ENDED("'exitCode':128,'reason':'StartError','message':"
			 "'exec /bin/sh: exec format error'"),
		"", "", KUBE_FAILED, true, "processor");
	assert_pod("{'phase':'Failed','reason':'Evicted','message':"
		   "'low on resource: memory'}",
		"", "", KUBE_FAILED, false, "(Evicted: low on resource");
	assert_pod(WAITING("CreateContainerConfigError",
			   "container has runAsNonRoot and image will run as "
			   "root"),
		"", "", KUBE_FAILED, true, "user is root");
}

/* One of two Raspberry Pis is off: nobody says so but the pod's condition. */
static void a_silent_node_is_named(void **state)
{
	g_autoptr(cJSON) deployment = last_of("watch-fail-notready-deployment");
	g_autoptr(cJSON) pods = recording_json("list-pods-ready-200");
	const struct kube_view view = {
		.name = "lab", .workload = deployment, .pods = pods
	};
	cJSON *status = cJSON_GetObjectItemCaseSensitive(
		cJSON_GetObjectItemCaseSensitive(pods, "items")->child,
		"status");
	cJSON *condition;

	(void)state;
	assert_view(&view, KUBE_STARTING, false, "about to take note");
	cJSON_ArrayForEach(condition,
		cJSON_GetObjectItemCaseSensitive(status, "conditions"))
	{
		if (strcmp(json_string(condition, "type"), "Ready") == 0)
			(void)cJSON_ReplaceItemInObjectCaseSensitive(condition,
				"status", cJSON_CreateString("False"));
	}
	assert_view(&view, KUBE_FAILED, false,
		"The node node1, where it runs, does not answer");
}

/* A claim in that phase, with an event about it, and a pod that waits. */
static void assert_claim(const char *phase, const char *reason,
	const char *message, enum kube_state state, bool is_hopeless,
	const char *words)
{
	g_autofree char *claim_text = g_strdup_printf(
		"{'metadata':{'name':'lab','uid':'u'},'status':{'phase':'%s'}}",
		phase);
	g_autofree char *event_text = g_strdup_printf(
		"{'items':[{'regarding':{'name':'lab','uid':'old'},"
		"'reason':'ProvisioningFailed','note':'of an earlier one',"
		"'eventTime':'2027'},"
		"{'regarding':{'name':'lab','uid':'u'},"
		"'reason':'%s','note':'%s','eventTime':'2026'}]}",
		reason, message);
	g_autoptr(cJSON) workload = parse(WORKLOAD);
	g_autoptr(cJSON) claim = parse(claim_text);
	g_autoptr(cJSON) events = parse(event_text);
	g_autoptr(cJSON) pods = parse(
		"{'items':[{'status':" UNSCHEDULABLE("unbound claims") "}]}");
	const struct kube_view view = { .name = "lab",
		.workload = workload,
		.pods = pods,
		.claim = claim,
		.events = events };

	assert_view(&view, state, is_hopeless, words);
}

static void a_claim_that_waits_says_for_what(void **state)
{
	(void)state;
	assert_claim("Pending", "WaitForFirstConsumer", "waiting",
		KUBE_STARTING, false, "waits for the storage");
	assert_claim("Pending", "FailedBinding",
		"no persistent volumes available for this claim and no storage "
		"class is set",
		KUBE_FAILED, true, "no storage class of its own");
	assert_claim("Pending", "ProvisioningFailed",
		"storageclass.storage.k8s.io fast not found", KUBE_FAILED, true,
		"does not know the storage class");
	assert_claim("Pending", "ProvisioningFailed", "disk full", KUBE_FAILED,
		false, "(disk full)");
	assert_claim("Lost", "", "", KUBE_FAILED, true, "is gone");
}

static void the_newest_event_counts(void **state)
{
	static const char *const reasons[] = { "A", "B", NULL };
	g_autoptr(cJSON) pod = parse("{'metadata':{'name':'p'}}");
	g_autoptr(cJSON) events = parse(
		"{'items':[{'involvedObject':{'name':'p'},'reason':'A',"
		"'lastTimestamp':null,'eventTime':'2026-11-22T08:47:57Z'},"
		"{'involvedObject':{'name':'p'},'reason':'B',"
		"'lastTimestamp':'2026-11-22T08:47:56Z','message':1},"
		"{'involvedObject':{'name':'q'},'reason':'B',"
		"'lastTimestamp':'2027-11-22T08:47:56Z'},"
		"{'involvedObject':{'name':'p'},'reason':'C',"
		"'lastTimestamp':'2027-11-22T08:47:56Z'}, 1, null]}");

	(void)state;
	assert_string_equal(
		kube_event_reason(kube_event_latest(events, pod, reasons)),
		"A");
	assert_null(kube_event_latest(events, NULL, reasons));
	assert_null(kube_event_latest(NULL, pod, reasons));
}

static void the_pod_is_the_newest_that_stays(void **state)
{
	g_autoptr(cJSON) pods =
		parse("{'items':[{'metadata':{'name':'old',"
		      "'creationTimestamp':'2026-01-01T00:00:00Z'}},"
		      "{'metadata':{'name':'new',"
		      "'creationTimestamp':'2026-01-03T00:00:00Z'}},"
		      "{'metadata':{'name':'going','deletionTimestamp':'x',"
		      "'creationTimestamp':'2026-01-04T00:00:00Z'}},"
		      "{'metadata':{'name':'evicted',"
		      "'creationTimestamp':'2026-01-05T00:00:00Z'},"
		      "'status':{'phase':'Failed'}}]}");
	g_autoptr(cJSON) going =
		parse("{'items':[{'metadata':{'deletionTimestamp':'x'}}]}");
	const cJSON *pod = kube_status_pod(pods);

	(void)state;
	assert_string_equal(
		json_string(json_object(pod, "metadata"), "name"), "new");
	assert_int_equal(kube_status_live_pods(pods), 3);
	assert_null(kube_status_pod(going));
	assert_null(kube_status_pod(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_recorded_failure_has_its_sentence),
		cmocka_unit_test(most_failures_are_seen_without_events),
		cmocka_unit_test(a_workload_goes_from_state_to_state),
		cmocka_unit_test(a_good_start_is_never_a_failure),
		cmocka_unit_test(the_pod_is_believed_before_the_workload),
		cmocka_unit_test(what_is_missing_says_how_to_make_it),
		cmocka_unit_test(a_stop_lasts_until_its_pod_is_gone),
		cmocka_unit_test(the_registrys_answer_is_looked_for),
		cmocka_unit_test(a_volume_that_does_not_come_is_named),
		cmocka_unit_test(a_place_that_may_come_back_leaves_hope),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(a_silent_node_is_named),
		cmocka_unit_test(a_claim_that_waits_says_for_what),
		cmocka_unit_test(the_newest_event_counts),
		cmocka_unit_test(the_pod_is_the_newest_that_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
