"""A workspace's whole life on the stand-in: a real Jupyter in its pod."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

import kube
import kube_client
import kube_socket

NAMESPACE = "default"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One cluster for all tests here."""
    with kube.Cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture(scope="module")
def client(cluster):
    """A user with what a workspace needs, and no more."""
    return kube_client.Client(cluster, "user")


def make_workspace(client, name):
    """Apply all of its objects; they are all new."""
    for item in (*kube_client.parts_of(name), kube_client.workspace(name)):
        code, made = client.apply(item, NAMESPACE)
        assert code == 201, made


def is_ready(event):
    """The readiness rule, for an event of a watch."""
    item = event["object"]
    found = item.get("status", {})
    wanted = item["spec"]["replicas"]
    return found.get("observedGeneration", 0) >= \
        item["metadata"]["generation"] and all(
            found.get(key, 0) == wanted for key in (
                "updatedReplicas", "replicas", "availableReplicas"))


def test_life_of_a_workspace(cluster, client):
    make_workspace(client, "lab")
    seen = client.watch(f"{DEPLOYMENTS}?watch=1&timeoutSeconds=30"
                        "&fieldSelector=metadata.name%3Dlab", is_ready)
    assert is_ready(seen[-1])
    pod = cluster.wait_ready("lab")["metadata"]["name"]
    for place in (f"{SERVICES}/lab:8888", f"{PODS}/{pod}:8888"):
        code, found = client.json("GET", f"{place}/proxy/api/status"
                                  "?token=SECRET")
        assert code == 200 and found["kernels"] == 0
        code, _ = client.json("GET", f"{place}/proxy/api/status")
        assert code == 403
    run_in_kernel(client, f"{PODS}/{pod}:8888/proxy")
    forward(client, f"{PODS}/{pod}/portforward?ports=8888")
    (cluster.claim_folder("lab-home") / "file").write_text("kept")
    cluster.kill_container(pod, number=signal.SIGTERM)
    again = cluster.wait(
        lambda: next((one for one in cluster.ready_pods("lab")
                      if one["status"]["containerStatuses"][0]
                      ["restartCount"] == 1), None), "it runs again")
    assert again["metadata"]["name"] == pod
    code, found = client.json("GET", f"{PODS}/{pod}:8888/proxy/api/contents"
                              "/file?token=SECRET")
    assert (code, found["content"]) == (200, "kept")
    remove(cluster, client)


def run_in_kernel(client, proxy):
    """A kernel through the pod's proxy: the cookie opens its socket."""
    code, raw, headers = client.ask(
        "POST", f"{proxy}/api/kernels?token=SECRET", {"name": "python3"})
    assert code == 201
    kernel = json.loads(raw)["id"]
    cookies = [one.partition(";")[0]
               for one in headers.get_all("Set-Cookie")]
    path = f"{proxy}/api/kernels/{kernel}/channels"
    with kube_socket.Socket(client, f"{path}?token=SECRET") as refused:
        assert refused.code == 403
    with kube_socket.Socket(client, path,
                            Cookie="; ".join(cookies)) as connection:
        assert connection.code == 101
        assert kube_socket.run_code(connection, "print(6 * 7)") == "42\n"
    code, _, _ = client.ask("DELETE",
                            f"{proxy}/api/kernels/{kernel}?token=SECRET")
    assert code == 204


def forward(client, path):
    """A request through a port-forward: its Authorization arrives."""
    with kube_socket.Socket(client, path,
                            ["v4.channel.k8s.io"]) as connection:
        assert connection.code == 101
        connection.send(2, b"\0GET /api/status HTTP/1.0\r\nHost: x\r\n"
                        b"Authorization: token SECRET\r\n\r\n")
        found = b""
        while (frame := connection.receive()) is not None:
            if frame[0] == 2 and frame[1][0] == 0:
                found += frame[1][1:]
            if frame[0] == 8:
                break
        assert found.startswith(b"\xb8\x22HTTP/1.1 200 OK"), found


def remove(cluster, client):
    """Everything of it, and the claim's files with it."""
    folder = cluster.claim_folder("lab-home")
    assert folder.is_dir()
    code, found = client.json("DELETE", f"{DEPLOYMENTS}/lab")
    assert (code, found["status"]) == (200, "Success")
    for path in (f"{SERVICES}/lab",
                 f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
                 "/lab-home",
                 f"/api/v1/namespaces/{NAMESPACE}/secrets/lab-token"):
        assert client.json("DELETE", path)[0] == 200
    cluster.wait(lambda: not cluster.list("Pod"), "the pod is gone")
    cluster.wait(lambda: not folder.exists(), "the files are gone")


def test_both_jupyters_by_their_images(cluster):
    for name in ("jupyter-server", "notebook"):
        item = kube_client.workspace(name, image=f"{name}:1", secret=None,
                                     claim=None)
        del item["spec"]["template"]["spec"]["containers"][0]["command"]
        cluster.create(item)
    for name in ("jupyter-server", "notebook"):
        pod = cluster.wait_ready(name)["metadata"]["name"]
        client = kube_client.Client(cluster)
        code, found = client.json("GET", f"{PODS}/{pod}:8888/proxy/api")
        assert code == 200 and "version" in found
        cluster.delete("Deployment", name)
    cluster.wait(lambda: not cluster.list("Pod"), "the pods are gone")


SCRIPT = """
import os, sys
import kube
cluster = kube.Cluster(sys.argv[1]).start()
cluster.create({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "p"}, "spec": {"containers": [{
                    "name": "c", "image": "x:1", "command": [
                        "sh", "-c", "sleep 600 & wait"]}]}})
cluster.wait(lambda: len(list(kube.processes.marked(cluster.kubelet.mark)))
             == 2, "both processes run")
print(cluster.kubelet.mark, cluster.kubelet.guard.process.pid, flush=True)
sys.stdin.read()
"""


def test_nothing_is_left_of_a_killed_cluster(tmp_path):
    here = pathlib.Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(here)})
    mark, guard = process.stdout.readline().split()
    assert len(list(kube.processes.marked(mark))) == 2
    process.kill()
    process.wait()
    # The guard ends when it has ended all others.
    descriptor = os.pidfd_open(int(guard))
    kube.processes.wait_for_end(descriptor, 30)
    assert not list(kube.processes.marked(mark))
