"""Workspaces in a cluster: real Jupyter servers as the pods of a stand-in for
the Kubernetes API server, mounted by name."""

import errno
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sys

import pytest

from harness import is_mounted, wait_until, watch_for

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "fakes"))

import kube  # noqa: E402  (found by the line above)

IMAGES = {"notebook": "notebook", "server": "jupyter-server"}
BIG = int(os.environ.get("PYCLOUD_BIG_MB", "24")) << 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One cluster for this file's tests."""
    with kube.Cluster(tmp_path_factory.mktemp("kube")) as made:
        yield made


@pytest.fixture(params=["proxy", "portforward"])
def via(request):
    """Both ways to a pod."""
    return request.param


@pytest.fixture
def name(request, cluster):
    """A workspace's name of the test's own; what it made is deleted."""
    short = hashlib.sha1(request.node.name.encode()).hexdigest()[:8]
    yield f"ws-{short}"
    for kind in ("Deployment", "Service", "Secret",
                 "PersistentVolumeClaim"):
        for item in cluster.list(kind):
            if item["metadata"]["name"].startswith(f"ws-{short}"):
                cluster.delete(kind, item["metadata"]["name"])


@pytest.fixture
def cluster_mount(mounter, cluster):
    """Makes mounts by name, as the user whose rights are documented."""
    def make(name, options="", user="user", config=None, **kwargs):
        config = config or cluster.kubeconfig(user=user)
        return mounter(name, options=options,
                       env={"KUBECONFIG": str(config)}, **kwargs)
    return make


@pytest.fixture
def made(cluster_mount, name, via, generation):
    """A workspace that the mount itself created."""
    return cluster_mount(
        name,
        f"create,image={IMAGES[generation]},via={via}").start()


def run_line(directory, line):
    """What a run of this line prints."""
    with open(directory / ".run", "w", encoding="utf-8") as handle:
        handle.write(f"{line}\n")
    return (directory / ".run").read_text()


def pod_of(cluster, name):
    """The pod of a workspace."""
    return cluster.wait_ready(name)["metadata"]["name"]


# --- the main job -----------------------------------------------------------

def test_created_mounted_edited_and_run(made, cluster, name):
    (made.path / "main.py").write_text("print(6 * 7)\n")
    assert run_line(made.path, "main.py") == "42\n"
    assert (cluster.claim_folder(name) / "main.py").read_text() == \
        "print(6 * 7)\n"
    status = made.status()
    assert status["pod"] == pod_of(cluster, name)
    assert status["namespace"] == cluster.namespace


def test_html_big_files_and_notebooks_keep_every_byte(
        made, cluster, name, via, cluster_mount):
    html = (b'<!DOCTYPE html>\n<A HREF="/x"><IMG src=/y.png></a>'
            b"<form action='/z'>\xc3\xa9\r\n")
    notebook = json.dumps({"cells": [], "metadata": {"x": 1.0},
                           "nbformat": 4, "nbformat_minor": 5}).encode()
    big = os.urandom(1 << 20) * (BIG >> 20)
    files = {"page.html": html, "PAGE.HTM": html, "a.ipynb": notebook,
             "big.bin": big, "empty.html": b""}
    for file, content in files.items():
        (made.path / file).write_bytes(content)
    for file, content in files.items():
        assert (cluster.claim_folder(name) / file).read_bytes() == content
    made.unmount()
    made.wait_end()
    shutil.rmtree(made.scratch / "cache")
    again = cluster_mount(name, f"via={via}").start()
    for file, content in files.items():
        seen = (again.path / file).read_bytes()
        assert hashlib.sha256(seen).digest() == \
            hashlib.sha256(content).digest(), file


def test_html_changed_behind_the_mount_is_read_whole(made, cluster, name):
    text = b'<a href="/api">' + b"x" * 70000 + b"</a>"
    (cluster.claim_folder(name) / "p.html").write_bytes(text)
    (cluster.claim_folder(name) / "disguised").write_bytes(text)
    os.kill(made.pid, signal.SIGHUP)  # drops what is believed
    wait_until(lambda: (made.path / "p.html").exists(), "the new file")
    assert (made.path / "p.html").read_bytes() == text
    with open(made.path / "p.html", "rb") as handle:
        handle.seek(69990)
        assert handle.read(100) == text[69990:]
    assert (made.path / "disguised").read_bytes() == text


@pytest.mark.parametrize("word", ["checkpoints", "trust"])
def test_names_of_api_routes_are_refused_through_the_proxy(
        cluster, name, cluster_mount, word):
    options = "create,image=jupyter-server,via="
    made = cluster_mount(name, f"{options}proxy").start()
    (cluster.claim_folder(name) / word).write_text("old")
    with pytest.raises(OSError) as caught:
        (made.path / word).write_text("new")
    assert caught.value.errno == errno.EOPNOTSUPP
    (made.path / f"{word}.txt").write_text("fine")
    assert made.status()["state"] == "online"
    made.unmount()
    made.wait_end()
    made = cluster_mount(name, f"{options}portforward").start()
    # What could not be placed was kept, and is placed now, as a conflict.
    wait_until(lambda: made.status()["pending"] == "0", "the kept bytes")
    (made.path / word).write_text("new")
    assert (cluster.claim_folder(name) / word).read_text() == "new"


# --- a pod's life -----------------------------------------------------------

def rewrite(directory, text):
    """Write a file as soon as the workspace can be reached."""
    def attempt():
        try:
            (directory / "f").write_text(text)
        except OSError:
            return False
        return True
    wait_until(attempt, "a save that succeeds")


@pytest.mark.limit(240)
def test_mount_survives_the_end_of_the_container(made, cluster, name):
    (made.path / "f").write_text("one")
    assert run_line(made.path, "-c 'print(1)'") == "1\n"
    pod = pod_of(cluster, name)
    cluster.kill_container(pod)
    rewrite(made.path, "two")
    assert (cluster.claim_folder(name) / "f").read_text() == "two"
    assert wait_until(lambda: try_run(made.path, "-c 'print(2)'"),
                      "a run in the new container") == "2\n"
    assert made.status()["pod"] == pod


def try_run(directory, line):
    """The output, or nothing while the workspace cannot be reached."""
    try:
        return run_line(directory, line)
    except OSError:
        return ""


@pytest.mark.limit(240)
@pytest.mark.parametrize("loss", ["evict", "roll_out"])
def test_mount_follows_a_pod_to_its_successor(made, cluster, name, loss):
    (made.path / "f").write_text("one")
    old = pod_of(cluster, name)
    if loss == "evict":
        cluster.evict(old)
    else:
        cluster.roll_out(name)
    rewrite(made.path, "two")
    new = wait_until(
        lambda: [p["metadata"]["name"] for p in cluster.ready_pods(name)
                 if p["metadata"]["name"] != old], "another pod")[0]
    assert (cluster.claim_folder(name) / "f").read_text() == "two"
    assert wait_until(lambda: try_run(made.path, "-c 'print(2)'"),
                      "a run in the new pod") == "2\n"
    assert made.status()["pod"] == new


@pytest.mark.limit(240)
def test_nothing_acknowledged_is_lost_with_the_api_server(
        made, cluster, name):
    (made.path / "f").write_text("one")
    cluster.stop_server()
    try:
        with pytest.raises(OSError):
            (made.path / "f").write_text("two")
        assert wait_until(lambda: made.status()["state"] == "offline",
                          "offline")
        assert "API server" in made.status()["why"]
        assert (made.path / "f").read_text() == "two"
    finally:
        cluster.start_server()
    wait_until(lambda: (cluster.claim_folder(name) / "f").read_text()
               == "two", "the save that was kept")
    assert run_line(made.path, "-c 'print(3)'") == "3\n"


@pytest.mark.limit(240)
def test_expired_credentials_are_read_again(mounter, cluster, name, via,
                                            tmp_path):
    cluster.add_user("ann", kube.access.WORKSPACE, ("dev",))
    config = cluster.kubeconfig(user="ann", form="token-file",
                                path=tmp_path / "config")
    mount = mounter(name, options=f"create,image=jupyter-server,via={via}",
                    env={"KUBECONFIG": str(config)}).start()
    (mount.path / "f").write_text("one")
    cluster.expire_user("ann")
    cluster.kubeconfig(user="ann", form="token-file",
                       path=tmp_path / "config2")
    rewrite(mount.path, "two")
    assert (cluster.claim_folder(name) / "f").read_text() == "two"


# --- what is there already --------------------------------------------------

def stop_workspace(cluster, name):
    """As `pycloud stop` does."""
    def put(item):
        item["spec"]["replicas"] = 0
        item["metadata"]["generation"] += 1
        return item
    cluster.store.change(cluster.resource("Deployment"), cluster.namespace,
                         name, put)
    cluster.wait(lambda: not cluster.pods_of(name), "no pod")


def test_stopped_workspace_is_started_or_said(made, cluster, name, via,
                                              cluster_mount):
    (made.path / "kept").write_text("yes")
    made.unmount()
    made.wait_end()
    stop_workspace(cluster, name)
    refused = cluster_mount(name, f"via={via},start=never").attempt()
    assert refused.returncode == 32
    assert f"pycloud start {name}" in refused.stderr
    started = cluster_mount(name, f"via={via}").start()
    assert (started.path / "kept").read_text() == "yes"


def expose(cluster, name, replicas=1, labels=None):
    """What `kubectl create deployment` and `kubectl expose` make."""
    labels = labels or {"app": name}
    cluster.create({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": f"{name}-d"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                 "template": {"metadata": {"labels": labels}, "spec": {
                     "containers": [{
                         "name": "jupyter", "image": "jupyter-server",
                         "ports": [{"containerPort": 8888}]}]}}}})
    cluster.create({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": labels,
                 "ports": [{"port": 80, "targetPort": 8888}]}})
    cluster.wait(lambda: len(cluster.ready_pods(f"{name}-d")) == replicas,
                 "pods")


def test_service_of_somebody_else_is_mounted_with_the_logs_token(
        cluster, name, via, cluster_mount):
    expose(cluster, name)
    mount = cluster_mount(name, f"via={via}").start()
    (mount.path / "a.py").write_text("print('hello')\n")
    assert run_line(mount.path, "a.py") == "hello\n"


@pytest.mark.limit(240)
def test_a_server_that_comes_back_with_another_token(
        cluster, name, via, cluster_mount):
    """Each start of a server that has none given makes one up."""
    expose(cluster, name)
    mount = cluster_mount(name, f"via={via},attr_timeout=0").start()
    (mount.path / "f").write_text("one")
    pod = pod_of(cluster, f"{name}-d")
    cluster.kill_container(pod)
    rewrite(mount.path, "two")
    assert wait_until(lambda: try_run(mount.path, "-c 'print(2)'"),
                      "a run in the new container") == "2\n"
    assert (mount.path / "f").read_text() == "two"
    assert mount.status()["pod"] == pod


@pytest.mark.limit(240)
def test_a_workspaces_token_is_renewed(made, cluster, name):
    """In its Secret, which the next pod reads."""
    (made.path / "f").write_text("one")
    cluster.set_secret(f"{name}-pycloud", token="n3w-t0ken")
    cluster.roll_out(name)
    rewrite(made.path, "two")
    assert (cluster.claim_folder(name) / "f").read_text() == "two"


def test_of_several_pods_the_mount_stays_with_one(cluster, name, via,
                                                  cluster_mount):
    expose(cluster, name, replicas=2)
    mount = cluster_mount(name, f"via={via}").start_foreground()
    pod = mount.status()["pod"]
    for number in range(6):
        (mount.path / f"f{number}").write_text("x")
    assert len(list(mount.path.glob("f?"))) == 6
    assert run_line(mount.path, "-c 'print(1)'") == "1\n"
    assert mount.status()["pod"] == pod
    assert "has 2 pods" in mount.log.read_text()


def test_idle_mount_asks_the_cluster_nothing(made, cluster):
    (made.path / "f").write_text("x")
    before = cluster.server.served
    watch_for(3)
    assert cluster.server.served == before


@pytest.mark.parametrize("form", ["certificate", "certificate-file",
                                  "basic", "exec", "token-file"])
def test_every_kind_of_credential_opens_the_cluster(cluster, name, via,
                                                    cluster_mount, form):
    config = cluster.kubeconfig(user="user", form=form)
    mount = cluster_mount(name, f"create,image=jupyter-server,via={via}",
                          config=config).start()
    (mount.path / "f").write_text("x")
    assert run_line(mount.path, "-c 'print(5)'") == "5\n"


def test_plain_http_server_of_an_old_cluster(mounter, name, via, tmp_path):
    with kube.Cluster(tmp_path / "old", tls=False) as old:
        old.access.is_open = True
        mount = mounter(
            name, options=f"create,image=jupyter-server,via={via}",
            env={"KUBECONFIG": str(old.kubeconfig(form="none"))}).start()
        (mount.path / "f").write_text("x")
        assert (old.claim_folder(name) / "f").read_text() == "x"
        assert run_line(mount.path, "-c 'print(5)'") == "5\n"
        mount.unmount()
        mount.wait_end()


def test_ingress_is_reached_by_its_url(cluster, name, cluster_mount):
    made = cluster_mount(name, "create,image=jupyter-server").start()
    pod = cluster.get("Pod", pod_of(cluster, name))
    made.unmount()
    made.wait_end()
    mount = cluster_mount(
        name, f"url=http://{pod['status']['podIP']}:8888").start()
    assert mount.status()["via"] == "url"
    (mount.path / "f").write_text("x")
    assert (cluster.claim_folder(name) / "f").read_text() == "x"


# --- what cannot be mounted -------------------------------------------------

def refuse(mount, *words):
    """It fails with 32 and one line that has these words."""
    result = mount.attempt()
    assert result.returncode == 32, result.stderr
    assert not is_mounted(mount.directory)
    line = result.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in line, line
    return line


def test_no_configuration_is_said(mounter, tmp_path):
    refuse(mounter("demo", env={"KUBECONFIG": str(tmp_path / "none")}),
           "none")
    refuse(mounter("demo", options="context=far",
                   env={"KUBECONFIG": ""}), "far")


def test_wrong_context_is_said(cluster_mount):
    refuse(cluster_mount("demo", "context=elsewhere"), "elsewhere",
           "context")


def test_expired_token_is_said(cluster, cluster_mount):
    cluster.add_user("bob", kube.access.WORKSPACE, ("dev",))
    config = cluster.kubeconfig(user="bob")
    cluster.expire_user("bob")
    refuse(cluster_mount("demo", config=config), "credentials", "log in")


@pytest.mark.parametrize("program, words", [
    ({"command": "/no/such/login"}, "/no/such/login"),
    ({"command": "sh", "args": ["-c", "echo run foo login >&2; exit 1"]},
     "run foo login")])
def test_login_program_that_fails_is_said(cluster, cluster_mount, tmp_path,
                                          program, words):
    config = json.loads(pathlib.Path(cluster.kubeconfig()).read_text())
    config["users"][0]["user"] = {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never", **program}}
    (tmp_path / "config").write_text(json.dumps(config))
    refuse(cluster_mount("demo", config=tmp_path / "config"), words)


def test_missing_rights_are_said(cluster_mount):
    refuse(cluster_mount("demo", "create", user="nobody"), "may not")


def test_missing_workspace_is_said(cluster, cluster_mount):
    refuse(cluster_mount("nothere"), "nothere", cluster.namespace,
           "pycloud create")


def test_exhausted_quota_is_said(cluster, cluster_mount, name):
    cluster.add_namespace(f"{name}-q")
    cluster.set_quota({"pods": "0"}, namespace=f"{name}-q")
    refuse(cluster_mount(name, f"create,namespace={name}-q,"
                         "image=jupyter-server", user="admin"), "quota")


def test_image_that_cannot_be_pulled_is_said(cluster_mount, name):
    refuse(cluster_mount(name, "create,image=no-such-image"),
           "no-such-image")


def test_node_without_room_is_said(cluster, cluster_mount, name):
    cluster.cordon()
    try:
        refuse(cluster_mount(
            name, "create,image=jupyter-server,start_timeout=8"), "node")
    finally:
        cluster.cordon(False)


def test_crash_loop_is_said(cluster, cluster_mount, name):
    labels = {"app.kubernetes.io/instance": name,
              "app.kubernetes.io/name": "pycloud",
              "app.kubernetes.io/component": "workspace",
              "app.kubernetes.io/managed-by": "pycloud"}
    cluster.create({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": labels, "ports": [{"port": 8888}]}})
    cluster.create({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels},
                 "template": {"metadata": {"labels": labels}, "spec": {
                     "containers": [{
                         "name": "jupyter", "image": "jupyter-server",
                         "command": ["sh", "-c", "exit 7"],
                         "readinessProbe": {"httpGet": {
                             "path": "/api", "port": 8888}}}]}}}})
    refuse(cluster_mount(name, "start_timeout=60"), "pycloud logs", "7")


def test_missing_storage_class_is_said(cluster, cluster_mount, name):
    labels = {"app.kubernetes.io/instance": name}
    cluster.create({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": {
            **labels, "app.kubernetes.io/managed-by": "pycloud"}},
        "spec": {"accessModes": ["ReadWriteOnce"],
                 "storageClassName": "nowhere",
                 "resources": {"requests": {"storage": "1Gi"}}}})
    refuse(cluster_mount(
        name, "create,image=jupyter-server,start_timeout=10"), "nowhere")


def test_unreachable_api_server_is_said(cluster, cluster_mount):
    config = cluster.kubeconfig(user="user")
    cluster.stop_server()
    try:
        refuse(cluster_mount("demo", config=config), "API server",
               "cluster up")
    finally:
        cluster.start_server()
