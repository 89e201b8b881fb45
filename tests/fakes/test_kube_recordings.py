"""The stand-in for a Kubernetes cluster beside recorded exchanges of one.

The recorded requests are sent again, in the order of then, to a stand-in in
the same state; the answers have to be the same but for names and times.

Not replayed here: what a pod answers through proxy-*, ws-* and portforward-*
(test_kube_proxy.py and test_kube_upgrade.py do), exec-* (the stand-in has no
exec: it answers 501), log-jupyter-200 (it shows a Jupyter's own words).
"""

import pytest

import kube
import kube_replay

UNSAFE = [("body.message", "the words about `unsafeproxy` are of one "
           "distribution")]
# What differs on purpose: recording -> (part of a difference, why).
ON_PURPOSE = {
    "basic-apis-200": [("body.groups", "has only what is used here")],
    **{f"ssar-{name}-201": [("body.metadata.managedFields",
                             "nobody looks at those of a review")]
       for name in ("allowed", "allowed-subresource", "denied",
                    "denied-portforward")},
    "err-403-anonymous-proxy": UNSAFE,
    "ws-anonymous-403": UNSAFE,
    "err-422-immutable-pvc": [("message", "the difference is printed in "
                               "another way")],
}
# What may differ as it is a matter of time.
TIMING = {
    "create-apply-deployment-again-200": ("body.status",
                                          "body.metadata.annotations"),
    "create-apply-statefulset-again-200": ("body.status",),
    "get-deployment-table-200": ("cells[4]",),
    "list-endpointslice-2-200": ("metadata.generation",),
    "get-pod-succeeded-200": ("body.status", "command[2]"),
    "get-pod-crash-200": ("restartCount",),
    "delete-pod-200": ("command[2]",),
}
TOKENS = {"admin": "ADMIN-BEARER-TOKEN-PLACEHOLDER",
          "alice": "ALICE-BEARER-TOKEN-PLACEHOLDER",
          "mallory": "MALLORY-BEARER-TOKEN-PLACEHOLDER-"}
ALICE = (
    {"verbs": ["get", "list", "watch", "create", "update", "patch",
               "delete"], "apiGroups": [""],
     "resources": ["pods", "services", "persistentvolumeclaims", "secrets",
                   "events", "endpoints"]},
    {"verbs": ["get", "list", "watch", "create", "update", "patch",
               "delete"], "apiGroups": ["apps"],
     "resources": ["deployments", "statefulsets"]},
    {"verbs": ["get", "create"], "apiGroups": [""],
     "resources": ["services/proxy"]},
    {"verbs": ["get"], "apiGroups": [""],
     "resources": ["pods/exec", "pods/portforward"]})
REASON = 'RBAC: allowed by RoleBinding "alice-ws/jtest" of Role ' \
    '"workspace-user" to User "alice"'
ECHO = {"apiVersion": "v1", "kind": "Pod", "metadata": {
    "name": "echo-6cff4bdcfd-675vp", "labels": {"app": "echo"}},
    "spec": {"containers": [
        {"name": name, "image": "echo:1", "command": [
            "sh", "-c", "echo one; echo '10.77.0.1 \"GET /status/503 "
            "HTTP/1.1\" 503 -'; echo '127.0.0.'1' \"GET /html HTTP/1.1\" "
            "200 -'; exec sleep 600"]} for name in ("echo", "tls")]}}
HOLD = ["sh", "-c", 'trap "exit 0" TERM; sleep 3600 & wait']
ECHO_SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo"},
    "spec": {"selector": {"app": "echo"},
             "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}
# What the API server says by itself before there is a pod to ask.
RESOLVED = (
    "proxy-missing-slash-301", "proxy-missing-slash-query-301",
    "proxy-method-propfind-405", "proxy-no-port-503",
    "proxy-unknown-port-503", "proxy-unknown-portname-503",
    "proxy-unknown-service-404", "proxy-unknown-pod-404",
    "ws-unknown-service-404", "ws-rbac-403", "ws-bad-token-401",
    "ws-anonymous-403", "portforward-rbac-403",
    "portforward-unknown-pod-404")
WITHOUT_POD = ("proxy-no-endpoints-503", "proxy-no-endpoints-starting-503",
               "proxy-pod-gone-404")
FORWARDED = ("portforward-no-ports-400", "portforward-bad-port-400",
             "portforward-no-upgrade-400")
LINES = "import os,time\nfor i in range(6): print('line',i,flush=True); " \
    "time.sleep(.1)\n"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster with the users and namespaces of the recordings."""
    made = kube.Cluster(tmp_path_factory.mktemp("recorded"), speed=20)
    made.add_user("alice", ALICE, ("dev",), uid="1002", reason=REASON,
                  token=TOKENS["alice"], namespaces=("jtest",))
    made.add_user("mallory", token=TOKENS["mallory"])
    made.add_user("admin", kube.ANYTHING, ("system:masters",),
                  token=TOKENS["admin"])
    for name, labels in (("jtest", {}), ("jrec-quota", {}), ("jrec-psa", {
            f"pod-security.kubernetes.io/{mode}": "restricted"
            for mode in ("enforce", "warn")})):
        record(made, "Namespace", {"metadata": {"name": name,
                                                "labels": labels}}, "")
    with made:
        made.create(ECHO, "jtest")
        made.create(ECHO_SERVICE, "jtest")
        yield made


def record(cluster, kind, item, namespace="jrec"):
    """Make what was made beside the recordings, by the same program."""
    kube.objects.create(cluster.store, cluster.resource(kind), namespace,
                        item, "recorder")


@pytest.fixture(scope="module")
def results(cluster):
    """Everything, replayed once."""
    replayer = kube_replay.Replayer(cluster)
    for act in (basics, make_lab, lab_is_ready, failures, quotas, pages,
                stateful, scaling, deleting, resolving, last):
        act(cluster, replayer)
    return replayer.done


def basics(_cluster, replayer):
    """Who am I, what is there not."""
    replayer.replay(
        "basic-api-200", "basic-apis-200", "basic-readyz-200",
        "basic-version-200", "basic-whoami-201", "err-401-bad-token",
        "err-403-anonymous", "err-403-rbac-create-deployment",
        "err-403-rbac-pods-list", "err-403-rbac-pods-proxy",
        "err-403-rbac-portforward", "err-403-rbac-services-proxy",
        "err-403-watch-rbac", "err-403-anonymous-proxy",
        "err-404-create-in-unknown-namespace", "err-404-deployment",
        "err-404-namespace", "err-404-pod-log", "err-404-pod",
        "err-404-service", "list-unknown-namespace-200",
        "ssar-allowed-201", "ssar-allowed-subresource-201",
        "ssar-denied-201", "ssar-denied-portforward-201", "ssrr-201",
        "create-namespace-201", "err-404-api-path", "err-405-method")


def make_lab(cluster, replayer):
    """The workspace `lab`, and what goes wrong while it is made."""
    watches = [replayer.watch(name) for name in (
        "watch-deployment-create-to-ready", "watch-pod-create-to-ready",
        "watch-pvc-create-to-bound", "watch-service-create")]
    replayer.replay(
        "create-apply-secret-201", "create-apply-secret-again-200",
        "create-apply-pvc-201", "create-apply-pvc-again-200",
        "create-apply-service-201", "create-apply-service-again-200",
        "create-apply-deployment-201", "create-apply-deployment-again-200",
        "create-apply-yaml-201")
    set_extra(cluster)
    replayer.replay("err-409-apply-fieldmanager-conflict",
                    "create-apply-force-200", "get-secret-200")
    uid = cluster.get("Secret", "lab-yaml", "jrec")["metadata"]["uid"]
    replayer.names["583f8b12-1dd6-4798-9a2f-6ef832fefe5b"] = uid
    note_version(cluster, replayer, "2226")
    replayer.replay("put-secret-200", "err-409-put-stale",
                    "patch-merge-200", "err-409-post-already-exists",
                    "create-dryrun-201", "create-apply-dryrun-201",
                    "create-dryrun-then-get-404",
                    "create-unknown-field-warning-201")
    replayer.replay(
        "err-400-apply-name-mismatch", "err-400-malformed-json",
        "err-400-secret-not-base64", "err-400-unknown-field-strict",
        "err-406-accept", "err-415-content-type", "err-415-patch-json",
        "err-422-apply-no-fieldmanager", "err-422-deployment-causes",
        "err-422-immutable-pvc", "err-422-immutable-selector",
        "err-422-name", "err-422-service-name")
    for watch in watches:
        watch.finish()


def set_extra(cluster):
    """What another manager had applied to lab-yaml before."""
    apply(cluster, {"apiVersion": "v1", "kind": "Secret",
                    "metadata": {"name": "lab-yaml"},
                    "data": {"extra": "RVhUUkE="}}, "kubectl")


def apply(cluster, item, manager="jupyterc"):
    """Server-side apply in `jrec`."""
    kube.objects.apply(cluster.store, cluster.resource(item["kind"]),
                       "jrec", item["metadata"]["name"], item, manager)


def note_version(cluster, replayer, recorded):
    """The resourceVersion of lab-yaml, in place of the recorded one."""
    item = cluster.get("Secret", "lab-yaml", "jrec")
    replayer.names[f'"resourceVersion":"{recorded}"'] = \
        f'"resourceVersion":"{item["metadata"]["resourceVersion"]}"'


def lab_is_ready(_cluster, replayer):
    """What can be seen of it."""
    replayer.replay(
        "err-400-labelselector", "get-deployment-metadata-only-200",
        "get-deployment-ready-200", "get-deployment-table-200",
        "get-pvc-bound-200", "list-deployments-empty-200",
        "list-deployments-labelselector-200", "list-endpointslice-1-200",
        "list-events-ready-200", "list-pods-ready-200",
        "list-endpoints-200")


# name: how many of the recorded states of the pod's watch are waited for.
CASES = {"badimage": None, "crash": 9, "nocommand": 6, "nopvc": None,
         "nosecret": None, "notready": None, "oom": 6, "unsched": None}


def failures(cluster, replayer):
    """Deployments whose pods cannot live."""
    watches = []
    for name, count in CASES.items():
        watches.append(replayer.watch(f"watch-fail-{name}-deployment",
                                      count and 5, loose=True))
        watches.append(replayer.watch(f"watch-fail-{name}-pod", count,
                                      loose=name == "oom"))
        replayer.replay(f"create-fail-{name}-201")
    for watch in watches:
        watch.finish()
    for name in CASES:
        pod = cluster.pods_of(name, "jrec")[0]["metadata"]["name"]
        recorded = next(
            one["object"]["metadata"]["name"] for one in
            kube_replay.Recording(f"watch-fail-{name}-pod.txt").events())
        replayer.names[recorded] = pod
    cluster.wait(lambda: waits_long(cluster.pods_of("crash", "jrec")[0]),
                 "a crash loop's second back-off")
    replayer.replay("get-pod-crash-200", "log-crash-200",
                    "log-crash-previous-200",
                    "log-unscheduled-204", "err-400-log-waiting",
                    *(f"events-fail-{name}-200" for name in CASES),
                    "events-newapi-crash-200")
    record(cluster, "Service", {
        "metadata": {"name": "notready"}, "spec": {
            "selector": {"jupyterc/workspace": "notready"},
            "ports": [{"name": "http", "port": 8888}]}})
    cluster.wait(lambda: (cluster.get("Endpoints", "notready", "jrec")
                          or {}).get("subsets"), "its endpoint")
    replayer.replay("proxy-not-ready-503", "proxy-pod-without-ip-400")
    for name in CASES:
        cluster.delete("Deployment", name, "jrec")


def waits_long(pod):
    """True in a back-off that takes a while."""
    one = pod["status"]["containerStatuses"][0]
    return one["restartCount"] > 1 and "waiting" in one["state"]


def quotas(cluster, replayer):
    """What a namespace does not allow."""
    replayer.replay("create-resourcequota-201")
    watches = [replayer.watch("watch-fail-podsecurity-deployment"),
               replayer.watch("watch-fail-quota-deployment")]
    replayer.replay(
        "create-fail-quota-201", "create-podsecurity-warning-201",
        "err-403-podsecurity-pod", "err-403-quota-must-specify",
        "err-403-quota-pod", "err-403-quota-pvc")
    for watch in watches:
        watch.finish()
    replayer.replay("events-fail-podsecurity-200", "events-fail-quota-200")
    hold = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "hold", "finalizers": ["example.com/hold"]}}
    cluster.create(hold, "jrec-quota")
    replayer.replay("delete-namespace-200", "err-403-namespace-terminating")


def pages(cluster, replayer):
    """Lists in pages, and watches that begin somewhere."""
    answer = replayer.replay("list-limit-1-200")
    recorded = kube_replay.Recording("list-limit-2-200.txt").url
    replayer.names[recorded.rpartition("continue=")[2]] = \
        kube_replay.json.loads(answer.body)["metadata"]["continue"]
    replayer.replay("list-limit-2-200")
    replayer.replay("err-410-list-continue-expired")
    replayer.names["resourceVersion=2860"] = \
        f"resourceVersion={cluster.store.version}"
    watches = [replayer.watch(name, loose=True) for name in (
        "watch-timeout-empty", "watch-too-old-410",
        "watch-sendinitialevents", "watch-from-resourceversion")]
    del replayer.names["resourceVersion=2860"]
    for name in ("half", "tmp"):
        make_plain(cluster, name)
    for watch in watches:
        watch.finish()


def make_plain(cluster, name):
    """One of the Deployments that were made beside the recordings."""
    labels = {"app.kubernetes.io/managed-by": "jupyterc",
              "jupyterc/workspace": name}
    if name == "tmp":
        apply(cluster, {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "tmp-home", "labels": labels},
            "spec": {"accessModes": ["ReadWriteOnce"],
                     "storageClassName": "manual",
                     "resources": {"requests": {"storage": "1Gi"}}}})
    container = {"name": "jupyter", "image": "docker.io/local/jupyter:1",
                 "imagePullPolicy": "Never", "command": HOLD,
                 "ports": [{"name": "http", "containerPort": 8888}],
                 "resources": {"limits": {"memory": "1Gi"},
                               "requests": {"cpu": "50m",
                                            "memory": "128Mi"}}}
    spec = {"enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {"runAsUser": 1000, "fsGroup": 1000},
            "containers": [container]}
    if name == "tmp":
        container["volumeMounts"] = [{"name": "home", "mountPath": "/data"}]
        spec["volumes"] = [{"name": "home", "persistentVolumeClaim": {
            "claimName": "tmp-home"}}]
    record(cluster, "Deployment", {
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": 1, "strategy": {"type": "Recreate"},
                 "selector": {"matchLabels": {"jupyterc/workspace": name}},
                 "template": {"metadata": {"labels": labels},
                              "spec": spec}}})
    if name == "half":
        record(cluster, "Service", {
            "metadata": {"name": "half"}, "spec": {
                "selector": {"jupyterc/workspace": "half"}, "ports": [
                    {"name": "http", "port": 8888}]}})


def stateful(cluster, replayer):
    """A StatefulSet, and a pod that writes lines."""
    watches = [replayer.watch("watch-statefulset-create-to-ready"),
               replayer.watch("watch-statefulset-pod")]
    replayer.replay("create-apply-statefulset-201",
                    "create-apply-statefulset-again-200")
    for watch in watches:
        watch.finish()
    record(cluster, "Pod", {"metadata": {"name": "logger"}, "spec": {
        "restartPolicy": "Never", "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": "docker.io/local/jupyter:1",
                        "imagePullPolicy": "Never",
                        "command": ["python3", "-c", LINES]}]}})
    cluster.wait(lambda: cluster.get("Pod", "logger", "jrec")["status"].get(
        "containerStatuses", [{"state": {}}])[0]["state"].keys()
        & {"running", "terminated"}, "it writes")
    replayer.replay("log-follow-200")
    cluster.wait(lambda: cluster.get("Pod", "logger", "jrec")["status"][
        "phase"] == "Succeeded", "the lines are written")
    replayer.replay("get-pod-succeeded-200", "log-timestamps-200",
                    "get-statefulset-200", "scale-statefulset-patch-200",
                    "err-400-log-container-not-named", "log-container-200")


def scaling(cluster, replayer):
    """lab is stopped and started again."""
    replayer.replay("get-scale-200")
    watches = [replayer.watch(name) for name in (
        "watch-deployment-scale-to-0", "watch-endpointslice-scale-to-0",
        "watch-pod-scale-to-0")]
    replayer.replay("scale-patch-0-200")
    for watch in watches:
        watch.finish()
    replayer.replay(*WITHOUT_POD)
    kube.objects.rescale(
        cluster.store, cluster.resource("Deployment"), "jrec", "half",
        "put", {"spec": {"replicas": 2}})
    cluster.wait(lambda: len(cluster.ready_pods("half", "jrec")) == 2
                 and cluster.ready_pods("tmp", "jrec"), "both are ready")
    replayer.replay("list-endpointslice-0-200", "list-endpointslice-2-200")
    watches = [replayer.watch("watch-deployment-scale-to-1"),
               replayer.watch("watch-pod-scale-to-1", loose=True)]
    replayer.replay("scale-patch-1-200")
    for watch in watches:
        watch.finish()
    pod = cluster.wait_ready("lab", "jrec")["metadata"]["name"]
    watch = replayer.watch("watch-pod-container-restart", loose=True)
    cluster.kill_container(pod, "jrec", number=15)
    watch.finish()


def deleting(cluster, replayer):
    """What DELETE answers, and what is seen of it."""
    replayer.replay("err-409-delete-precondition")
    watches = [replayer.watch(name) for name in (
        "watch-deployment-delete-foreground", "watch-pod-delete-foreground",
        "watch-pvc-delete-in-use")]
    replayer.replay("delete-pvc-in-use-200", "get-pvc-terminating-200",
                    "delete-deployment-foreground-200")
    for watch in watches:
        watch.finish()
    replayer.replay(
        "get-deployment-deleted-404", "get-pvc-deleted-404",
        "delete-collection-200", "delete-deployment-background-200",
        "delete-pod-200", "delete-secret-200", "err-404-delete",
        "delete-service-200", "delete-statefulset-200")
    cluster.wait(lambda: not cluster.get("Pod", "set-0", "jrec"), "gone")
    replayer.replay("get-statefulset-pvc-kept-200", "delete-pvc-unused-200")


def last(cluster, replayer):
    """What ends lab's pod, or is too large."""
    cluster.wait_ready("lab", "jrec")
    replayer.replay("err-409-scale-patch-stale", "err-422-scale-negative",
                    "apply-after-scale-200", "err-413-request-too-large",
                    "err-422-secret-too-large")


def resolving(cluster, replayer):
    """Whom a proxy means."""
    cluster.wait(lambda: cluster.get("Endpoints", "echo", "jtest").get(
        "subsets"), "the echo's endpoint")
    replayer.replay(*RESOLVED)
    pod = cluster.wait_ready("lab", "jrec")["metadata"]["name"]
    for recorded in ("t7xh9", "ksprj"):
        replayer.names[f"lab-548965f59b-{recorded}"] = pod
    replayer.replay(*FORWARDED)


NOT_HERE = ("proxy-", "ws-", "portforward-", "exec-", "log-jupyter-")
NAMES = sorted(path.stem for path in kube_replay.RECORDINGS.glob("*.txt")
               if not path.stem.startswith(NOT_HERE)) + [
    *RESOLVED, *WITHOUT_POD, *FORWARDED, "proxy-not-ready-503",
    "proxy-pod-without-ip-400"]


@pytest.mark.parametrize("name", NAMES)
def test_answer_is_as_recorded(results, name):
    assert name in results, "it was not replayed"
    allowed = ON_PURPOSE.get(name, ())
    left = [one for one in results[name]
            if not any(part in one for part in (
                *(part for part, _ in allowed), *TIMING.get(name, ())))]
    assert not left, "\n".join(left)
    for part, why in allowed:
        assert any(part in one for one in results[name]), \
            f"no more different: {part} ({why})"
