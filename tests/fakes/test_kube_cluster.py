"""What can go wrong in the stand-in for a cluster, and who may do what."""

import base64
import json
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest

import kube
import kube_client

NAMESPACE = "default"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
HOLD = ["sh", "-c", 'trap "exit 0" TERM; sleep 600 & wait']


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One cluster for all tests here."""
    with kube.Cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def client(cluster):
    """An administrator."""
    return kube_client.Client(cluster)


@pytest.fixture
def deploy(cluster):
    """Makes Deployments that do not outlive the test."""
    names = []

    def make(name, **more):
        more = {"command": HOLD, "secret": None, "claim": None,
                "probe": False, "image": "x/y:1", **more}
        cluster.create(kube_client.workspace(name, **more))
        names.append(name)

    yield make
    for name in names:
        cluster.delete("Deployment", name)
    cluster.wait(lambda: not any(cluster.pods_of(name) for name in names)
                 and not cluster.list("Pod"), "the pods are gone")


def only_pod(cluster, name):
    """The pod of a Deployment, or None."""
    found = [pod for pod in cluster.pods_of(name)
             if "deletionTimestamp" not in pod["metadata"]]
    return found[0] if len(found) == 1 else None


def waiting(cluster, name):
    """The reason for which its container waits, or None."""
    pod = only_pod(cluster, name)
    for one in (pod or {"status": {}})["status"].get(
            "containerStatuses") or ():
        return one["state"].get("waiting", {}).get("reason")
    return None


def unschedulable(cluster, name):
    """Why it has no node, or None."""
    pod = only_pod(cluster, name)
    for one in (pod or {"status": {}})["status"].get("conditions") or ():
        if one.get("reason") == "Unschedulable":
            return one["message"]
    return None


def test_an_image_that_is_not_there(cluster, deploy):
    deploy("image", image="registry.example/no-such:1")
    for reason in ("ErrImagePull", "ImagePullBackOff"):
        cluster.wait(lambda reason=reason: waiting(cluster, "image")
                     == reason, reason)
    pod = only_pod(cluster, "image")
    assert ("Warning", "Failed", "Error: ErrImagePull") in \
        cluster.events_of(pod["metadata"]["name"])


def test_a_missing_secret_that_comes_later(cluster, deploy):
    deploy("late", secret="token")
    cluster.wait(lambda: waiting(cluster, "late")
                 == "CreateContainerConfigError", "it waits")
    cluster.create({"apiVersion": "v1", "kind": "Secret",
                    "metadata": {"name": "late-token"},
                    "stringData": {"token": "T"}})
    cluster.wait_ready("late")
    cluster.delete("Secret", "late-token")


def test_a_claim_without_its_class(cluster, deploy):
    item = kube_client.parts_of("class", "no-such-class")[1]
    cluster.create(item)
    deploy("class", claim="home")
    assert cluster.wait(lambda: unschedulable(cluster, "class"),
                        "it has no node").startswith(
        "0/1 nodes are available: pod has unbound immediate")
    assert ("Warning", "ProvisioningFailed", "storageclass.storage.k8s.io "
            '"no-such-class" not found') in cluster.events_of("class-home")
    cluster.delete("PersistentVolumeClaim", "class-home")


def test_a_claim_that_comes_later(cluster, deploy):
    deploy("claim", claim="home")
    assert 'persistentvolumeclaim "claim-home" not found' in cluster.wait(
        lambda: unschedulable(cluster, "claim"), "it has no node")
    cluster.create(kube_client.parts_of("claim")[1])
    cluster.wait_ready("claim")
    assert cluster.get("PersistentVolumeClaim", "claim-home")["status"][
        "phase"] == "Bound"
    cluster.delete("PersistentVolumeClaim", "claim-home")


def test_a_claim_that_binds_at_once(cluster):
    cluster.create(kube_client.parts_of("now", "fast")[1])
    cluster.wait(lambda: cluster.get("PersistentVolumeClaim", "now-home")[
        "status"]["phase"] == "Bound", "it is bound")
    cluster.delete("PersistentVolumeClaim", "now-home")


def test_a_node_that_is_too_small(cluster, deploy):
    deploy("big", resources={"requests": {"cpu": "500"}})
    assert "Insufficient cpu" in cluster.wait(
        lambda: unschedulable(cluster, "big"), "it has no node")
    cluster.set_capacity(cpu=1000)
    cluster.wait_ready("big")
    cluster.set_capacity(cpu=8)


def test_a_quota(cluster, deploy):
    cluster.set_quota({"pods": "0"}, "none")
    deploy("quota")
    found = cluster.wait(lambda: [
        one for one in cluster.get("Deployment", "quota")["status"].get(
            "conditions") or () if one["type"] == "ReplicaFailure"],
        "it fails")
    assert "exceeded quota: none, requested: pods=1, used: pods=0" in \
        found[0]["message"]
    cluster.delete("ResourceQuota", "none")
    cluster.wait_ready("quota")


def test_a_crash_loop_and_its_logs(cluster, client, deploy):
    deploy("crash", command=["sh", "-c", "echo $HOME; exit 3"])
    cluster.wait(lambda: waiting(cluster, "crash") == "CrashLoopBackOff",
                 "it waits")
    pod = only_pod(cluster, "crash")
    one = pod["status"]["containerStatuses"][0]
    assert one["lastState"]["terminated"]["exitCode"] == 3
    assert pod["status"]["phase"] == "Running"
    path = f"{PODS}/{pod['metadata']['name']}/log"
    homes = {client.ask("GET", f"{path}{query}")[1]
             for query in ("", "?previous=true")}
    cluster.wait(lambda: only_pod(cluster, "crash")["status"][
        "containerStatuses"][0]["restartCount"] > one["restartCount"],
        "it runs again")
    homes.add(client.ask("GET", path)[1])
    assert len(homes) > 1, "each run has a home of its own"


def test_killed_for_its_memory(cluster, deploy):
    deploy("memory")
    pod = cluster.wait_ready("memory")["metadata"]["name"]
    cluster.oom_kill(pod)
    again = cluster.wait(lambda: next(
        (one for one in only_pod(cluster, "memory")["status"][
            "containerStatuses"] if one["restartCount"] == 1
         and one["ready"]), None), "it runs again")
    assert again["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert again["lastState"]["terminated"]["exitCode"] == 137


def test_an_evicted_pod_comes_again(cluster, deploy):
    deploy("evicted")
    first = cluster.wait_ready("evicted")
    cluster.evict(first["metadata"]["name"])
    second = cluster.wait(lambda: next(
        (pod for pod in cluster.ready_pods("evicted")
         if pod["metadata"]["uid"] != first["metadata"]["uid"]), None),
        "another pod")
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert second["status"]["podIP"] != first["status"]["podIP"]
    gone = cluster.get("Pod", first["metadata"]["name"])
    assert (gone["status"]["phase"], gone["status"]["reason"]) == \
        ("Failed", "Evicted")
    cluster.delete("Pod", first["metadata"]["name"])


def test_a_roll_out_keeps_one_pod_at_a_time(cluster, deploy):
    deploy("roll")
    first = cluster.wait_ready("roll")["metadata"]["name"]
    cluster.roll_out("roll")
    second = cluster.wait(lambda: next(
        (pod for pod in cluster.ready_pods("roll")
         if pod["metadata"]["name"] != first), None), "the new pod")
    assert cluster.get("Pod", first) is None
    assert second["metadata"]["name"].rpartition("-")[0] != \
        first.rpartition("-")[0]


def test_a_pod_held_unready_leaves_its_service(cluster, client, deploy):
    deploy("unready")
    cluster.create(kube_client.parts_of("unready")[2])
    pod = cluster.wait_ready("unready")["metadata"]["name"]
    cluster.wait(lambda: cluster.get("Endpoints", "unready").get("subsets"),
                 "its endpoint")
    cluster.hold_unready(pod)
    cluster.wait(lambda: "notReadyAddresses" in cluster.get(
        "Endpoints", "unready")["subsets"][0], "it is not ready")
    code, found = client.json("GET", "/api/v1/namespaces/default/services/"
                              "unready:8888/proxy/")
    assert (code, found["message"]) == \
        (503, 'no endpoints available for service "unready:8888"')
    cluster.hold_unready(pod, False)
    cluster.wait_ready("unready")
    cluster.delete("Service", "unready")


def test_files_of_secrets_and_volumes_in_volumes(cluster, client):
    cluster.create({"apiVersion": "v1", "kind": "Secret",
                    "metadata": {"name": "files"},
                    "stringData": {"key": "secret words"}})
    cluster.create(kube_client.parts_of("files")[1])
    mounts = [{"name": "keys", "mountPath": "/etc/keys"},
              {"name": "home", "mountPath": "/work", "subPath": "a"},
              {"name": "home", "mountPath": "/work/data", "subPath": "b"}]
    script = "cat /etc/keys/key; echo; echo x >/work/data/file; " \
        "cat /work/data/file; echo $WHERE; exec sleep 600"
    cluster.create({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": "files"}, "spec": {
                        "volumes": [
                            {"name": "keys",
                             "secret": {"secretName": "files"}},
                            {"name": "home", "persistentVolumeClaim": {
                                "claimName": "files-home"}}],
                        "containers": [{
                            "name": "c", "image": "x:1",
                            "command": ["sh", "-c", script],
                            "env": [{"name": "WHERE",
                                     "value": "at=/work/data"}],
                            "volumeMounts": mounts}]}})
    folder = cluster.wait(lambda: cluster.claim_folder("files-home"), "")
    cluster.wait(lambda: (folder / "b" / "file").exists()
                 and client.ask("GET", f"{PODS}/files/log")[1].count(
                     b"\n") == 3, "its lines")
    _, log, _ = client.ask("GET", f"{PODS}/files/log")
    assert log.decode().splitlines() == [
        "secret words", "x", f"at={folder}/b"]
    assert (folder / "a" / "data" / "file").read_text() == "x\n"
    cluster.delete("Pod", "files", gracePeriodSeconds=0)
    cluster.delete("PersistentVolumeClaim", "files-home")
    cluster.wait(lambda: not folder.exists(), "its files are gone")
    cluster.delete("Secret", "files")


def test_the_api_server_comes_again_on_its_port(cluster, client, deploy):
    deploy("server")
    pod = cluster.wait_ready("server")["metadata"]["uid"]
    link = client.connect()
    link.request("GET", f"{PODS}?watch=1", headers=client.headers)
    answer = link.getresponse()
    assert answer.readline()
    cluster.stop_server()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", client.port))
    with pytest.raises((OSError, ssl.SSLError,
                        kube_client.http.client.HTTPException)):
        while answer.readline():
            pass
        raise ConnectionError("the end")
    cluster.start_server()
    code, found = client.json("GET", PODS)
    assert code == 200
    assert [one["metadata"]["uid"] for one in found["items"]] == [pod]


def test_expired_and_denied(cluster):
    client = kube_client.Client(cluster, "user")
    assert client.json("GET", PODS)[0] == 200
    cluster.deny("user", "list", "pods")
    code, found = client.json("GET", PODS)
    assert (code, found["message"]) == (
        403, 'pods is forbidden: User "user" cannot list resource "pods" '
        'in API group "" in the namespace "default"')
    cluster.allow()
    assert client.json("GET", PODS)[0] == 200
    cluster.expire_user("user")
    assert client.json("GET", PODS)[0] == 401
    again = kube_client.Client(cluster, "user")
    assert again.json("GET", PODS)[0] == 200
    nobody = kube_client.Client(cluster, "nobody")
    assert nobody.json("GET", PODS)[0] == 403


def who(cluster, context, headers=None):
    """The name that the API server has for a client."""
    link = kube_client.http.client.HTTPSConnection(
        "127.0.0.1", cluster.server.port, context=context, timeout=30)
    link.request("POST", "/apis/authentication.k8s.io/v1/"
                 "selfsubjectreviews", "{}",
                 {"Content-Type": "application/json", **(headers or {})})
    answer = link.getresponse()
    body = json.loads(answer.read())
    link.close()
    return body["status"]["userInfo"]["username"] \
        if answer.status == 201 else answer.status


def trusting(cluster):
    """A TLS context that knows the cluster's authority."""
    return ssl.create_default_context(cafile=cluster.authority.certificate)


def user_of(path):
    """The user's part of a kubeconfig."""
    return json.loads(pathlib.Path(path).read_text())["users"][0]["user"]


def test_every_form_of_credentials(cluster, tmp_path):
    plain = trusting(cluster)
    assert who(cluster, plain) == 403
    cluster.add_user("forms", kube.WORKSPACE, password="words")
    token = user_of(cluster.kubeconfig("forms"))["token"]
    assert who(cluster, plain, {"Authorization": f"Bearer {token}"}) \
        == "forms"
    path = user_of(cluster.kubeconfig("forms", form="token-file"))[
        "tokenFile"]
    assert pathlib.Path(path).read_text() == token
    basic = user_of(cluster.kubeconfig("forms", form="basic"))
    words = f"{basic['username']}:{basic['password']}".encode()
    encoded = base64.b64encode(words).decode()
    assert who(cluster, plain, {"Authorization": f"Basic {encoded}"}) \
        == "forms"
    command = user_of(cluster.kubeconfig("forms", form="exec"))["exec"]
    made = subprocess.run([command["command"]], capture_output=True,
                          check=True, timeout=30)
    assert json.loads(made.stdout)["status"]["token"] == token
    for form in ("certificate", "certificate-file"):
        found = user_of(cluster.kubeconfig("forms", form=form))
        context = trusting(cluster)
        context.load_cert_chain(*certificate_files(found, tmp_path))
        assert who(cluster, context) == "forms"


def certificate_files(user, folder):
    """Paths of certificate and key of a kubeconfig's user."""
    if "client-key" in user:
        return user["client-certificate"], user["client-key"]
    paths = []
    for name in ("client-certificate-data", "client-key-data"):
        paths.append(folder / name)
        paths[-1].write_bytes(base64.b64decode(user[name]))
    return paths


def test_plain_http(tmp_path):
    with kube.Cluster(tmp_path, tls=False) as cluster:
        link = kube_client.http.client.HTTPConnection(
            "127.0.0.1", cluster.server.port, timeout=30)
        link.request("GET", "/version", headers={
            "Authorization": f"Bearer {cluster.token('user')}"})
        assert link.getresponse().status == 200
        assert cluster.url.startswith("http://127.0.0.1:")


def test_a_watch_wakes_at_once_and_ends_with_its_time(cluster, client):
    path = "/api/v1/namespaces/default/configmaps?watch=1" \
        "&fieldSelector=metadata.name%3Dw&timeoutSeconds=20"
    seen = []
    since = f"{path}&resourceVersion={cluster.store.version}"
    thread = threading.Thread(target=lambda: seen.extend(client.watch(
        since, lambda event: event["type"] == "DELETED")))
    thread.start()
    cluster.create({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": "w"}})
    cluster.delete("ConfigMap", "w")
    thread.join(20)
    assert [event["type"] for event in seen] == ["ADDED", "DELETED"]
    path = path.replace("=20", "=1")
    assert client.watch(path, lambda _: False) == []


def kubectl(cluster, *words, check=True):
    """What kubectl says."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    config = cluster.kubeconfig("admin", yaml=True)
    made = subprocess.run(
        [program, "--kubeconfig", config, *words], capture_output=True,
        text=True, check=False, timeout=60,
        env={"HOME": str(cluster.folder), "PATH": "/usr/bin:/bin"})
    assert made.returncode == 0 or not check, made.stderr
    return made.stdout


def test_kubectl(cluster, deploy):
    deploy("ctl")
    pod = cluster.wait_ready("ctl")["metadata"]["name"]
    assert pod in kubectl(cluster, "get", "pods")
    assert "1/1" in kubectl(cluster, "get", "deployments")
    assert "Created container" in kubectl(cluster, "describe", "pod", pod)
    kubectl(cluster, "logs", "deploy/ctl")
    kubectl(cluster, "scale", "deploy", "ctl", "--replicas=0")
    kubectl(cluster, "wait", "--for=delete", f"pod/{pod}", "--timeout=30s")
    manifest = cluster.folder / "manifest.yaml"
    manifest.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n"
                        "  name: ctl\ndata:\n  a: |\n    two\n    lines\n")
    kubectl(cluster, "apply", "--validate=false", "-f", str(manifest))
    kubectl(cluster, "apply", "--validate=false", "-f", str(manifest))
    assert cluster.get("ConfigMap", "ctl")["data"]["a"] == "two\nlines\n"
    kubectl(cluster, "expose", "deploy", "ctl", "--port=80")
    kubectl(cluster, "run", "once", "--image=x:1", "--restart=Never",
            "--command", "--", "true")
    cluster.wait(lambda: cluster.get("Pod", "once")["status"]["phase"]
                 == "Succeeded", "it has run")
    for kind, name in (("configmap", "ctl"), ("service", "ctl"),
                       ("pod", "once")):
        kubectl(cluster, "delete", kind, name)


def make_pod(cluster, name, container, **spec):
    """A pod of one container."""
    cluster.create({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": name}, "spec": {
                        "terminationGracePeriodSeconds": 1, **spec,
                        "containers": [{"name": "c", "image": "x:1",
                                        **container}]}})


def state_of(cluster, name):
    """The first of its containerStatuses."""
    return (cluster.get("Pod", name)["status"].get("containerStatuses")
            or [{"ready": False, "started": False, "restartCount": 0}])[0]


def test_liveness_ends_a_container(cluster):
    make_pod(cluster, "dead", {"command": HOLD, "livenessProbe": {
        "tcpSocket": {"port": 8080}, "periodSeconds": 1}})
    cluster.wait(lambda: state_of(cluster, "dead")["restartCount"] > 0,
                 "it is started again")
    assert "Killing" in [one[1] for one in cluster.events_of("dead")]
    cluster.delete("Pod", "dead", gracePeriodSeconds=0)


def test_startup_holds_readiness_back(cluster):
    server = ["python3", "-m", "http.server", "8080", "--bind", "0.0.0.0"]
    made = cluster.folder / "go"
    wait = f"until [ -e {made} ]; do :; done; exec {' '.join(server)}"
    probe = {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1,
             "failureThreshold": 1000}
    make_pod(cluster, "slow", {
        "command": ["sh", "-c", wait],
        "ports": [{"name": "web", "containerPort": 8080}],
        "startupProbe": probe})
    cluster.wait(lambda: "Startup probe failed" in " ".join(
        one[2] for one in cluster.events_of("slow")), "it is asked")
    assert not state_of(cluster, "slow")["started"]
    made.touch()
    cluster.wait(lambda: state_of(cluster, "slow")["ready"], "it is ready")
    assert state_of(cluster, "slow")["restartCount"] == 0
    cluster.delete("Pod", "slow", gracePeriodSeconds=0)


def test_what_prepares_runs_first(cluster, client):
    share = {"volumeMounts": [{"name": "v", "mountPath": "/share"}]}
    make_pod(cluster, "prepared",
             {"command": ["cat", "/share/file"], **share},
             restartPolicy="Never",
             volumes=[{"name": "v", "emptyDir": {}}],
             initContainers=[{"name": "i", "image": "x:1", "command": [
                 "sh", "-c", "echo before > /share/file"], **share}])
    cluster.wait(lambda: cluster.get("Pod", "prepared")["status"]["phase"]
                 == "Succeeded", "it has run")
    assert client.ask("GET", f"{PODS}/prepared/log?container=c")[1] == \
        b"before\n"
    cluster.delete("Pod", "prepared")


def test_a_stateful_set_keeps_its_claims(cluster):
    item = kube_client.workspace("set", command=HOLD, secret=None,
                                 claim=None, probe=False)
    del item["spec"]["strategy"]
    item["kind"] = "StatefulSet"
    item["spec"].update(serviceName="set", replicas=2, volumeClaimTemplates=[
        {"metadata": {"name": "home"},
         "spec": kube_client.parts_of("x")[1]["spec"]}])
    cluster.create(item)
    cluster.wait(lambda: len(cluster.ready_pods("set")) == 2, "both run")
    uid = cluster.get("Pod", "set-0")["metadata"]["uid"]
    (cluster.claim_folder("home-set-0") / "file").touch()
    cluster.delete("Pod", "set-0")
    cluster.wait(lambda: (cluster.get("Pod", "set-0") or {"metadata": {
        "uid": uid}})["metadata"]["uid"] != uid, "it comes again")
    cluster.delete("StatefulSet", "set")
    cluster.wait(lambda: not cluster.list("Pod"), "the pods are gone")
    for number in (0, 1):
        assert cluster.get("PersistentVolumeClaim", f"home-set-{number}")
    assert (cluster.claim_folder("home-set-0") / "file").exists()


CURL = ["curl", "--silent", "--show-error", "--http1.1", "--cacert"]


def test_curl_with_a_certificate(cluster, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    found = user_of(cluster.kubeconfig("user", form="certificate"))
    certificate, key = certificate_files(found, tmp_path)
    made = subprocess.run(
        [*CURL, str(cluster.authority.certificate), "--cert",
         str(certificate), "--key", str(key), "--data",
         "{}", "--header", "Content-Type: application/json",
         f"{cluster.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"],
        capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(made.stdout)["status"]["userInfo"]["username"] \
        == "user"


def test_term_and_then_kill(cluster, client):
    """A process that does not listen is killed when its time is over."""
    cluster.create({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": "deaf"}, "spec": {
                        "terminationGracePeriodSeconds": 1,
                        "containers": [{
                            "name": "c", "image": "x:1", "command": [
                                "sh", "-c", "trap '' TERM; echo deaf; "
                                "while :; do sleep 600; done"]}]}})
    cluster.wait(lambda: (cluster.get("Pod", "deaf")["status"].get(
        "containerStatuses") or [{"ready": False}])[0]["ready"], "it runs")
    cluster.wait(lambda: client.ask("GET", f"{PODS}/deaf/log")[1]
                 == b"deaf\n", "it is deaf")
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(client.watch(
        f"{PODS}?watch=1&fieldSelector=metadata.name%3Ddeaf"
        "&timeoutSeconds=20", lambda event: event["type"] == "DELETED")))
    thread.start()
    cluster.delete("Pod", "deaf")
    thread.join(20)
    last = seen[-1]["object"]["status"]["containerStatuses"][0]["state"]
    assert last["terminated"]["exitCode"] == 128 + signal.SIGKILL
