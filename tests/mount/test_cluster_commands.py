"""pycloud's commands for workspaces in a cluster: a workspace's whole life,
and what is said when something is in its way."""

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import urllib.request

import pytest

from harness import LIMIT, SYSTEM_PATH, is_mounted, wait_until
from mute import Mute

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "fakes"))
kube = pytest.importorskip("kube", reason="the stand-in needs Python 3.11")

INTERRUPTED = 130
PATIENCE = ["--timeout", "20"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One cluster for all tests here; each uses names of its own."""
    with kube.Cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture(scope="module")
def config(cluster):
    """Of a user with what a workspace needs, and no more."""
    return cluster.kubeconfig("user")


@pytest.fixture
def environment(scratch, config):
    """What the commands are run with."""
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    return {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": str(home),
            "KUBECONFIG": str(config),
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}


@pytest.fixture
def pycloud(build, environment):
    """Runs a command; the completed process."""
    def call(*arguments, check=0, **env):
        done = subprocess.run([build / "fs" / "pycloud", *arguments],
                              env={**environment, **env}, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL,
                              timeout=2 * LIMIT, check=False)
        assert check is None or done.returncode == check, done
        return done

    return call


@pytest.fixture
def begin(build, environment):
    """Begins a command; whatever is left of it ends with the test."""
    begun = []

    def popen(*arguments, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.PIPE)
        kwargs.setdefault("env", environment)
        begun.append(subprocess.Popen([build / "fs" / "pycloud", *arguments],
                                      text=True, **kwargs))
        return begun[-1]

    yield popen
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def workspace(pycloud, request):
    """A workspace that is ready, and is deleted afterwards."""
    name = "w-" + re.sub("[^a-z0-9]+", "-", request.node.name)[:40].strip("-")
    pycloud("create", name)
    yield name
    pycloud("delete", name, "--yes", check=None)


def sentence(done):
    """The last line on stderr, which must be all that it says of the end."""
    lines = done.stderr.splitlines()
    assert lines and lines[-1].startswith("pycloud: "), done
    return lines[-1]


def listed(pycloud, name):
    """The row of a workspace in the list, or None."""
    rows = json.loads(pycloud("list", "--json").stdout)
    return next((row for row in rows if row["name"] == name), None)


# --- a whole life ----------------------------------------------------------

def test_the_users_file_says_which_cluster(pycloud, scratch, config):
    file = scratch / "home" / ".config" / "pycloud" / "config"
    file.parent.mkdir(parents=True)
    file.write_text(f"[defaults]\nkubeconfig={config}\n")
    file.chmod(0o600)
    nowhere = str(scratch / "nowhere")
    # A configuration that is not there would be an error.
    json.loads(pycloud("list", "--json", KUBECONFIG=nowhere).stdout)
    refused = pycloud("list", "--kubeconfig", nowhere, check=None)
    assert refused.returncode != 0
    assert nowhere in refused.stderr
    file.write_text("[defaults]\ncolour=red\n")
    refused = pycloud("list", check=None)
    assert refused.returncode != 0
    assert "config:2: unknown key 'colour'" in refused.stderr


def test_two_creations_at_once_agree_on_the_token(begin, cluster):
    both = [begin("create", "twice") for _ in range(2)]
    assert [one.wait(LIMIT) for one in both] == [0, 0]
    secret = cluster.get("Secret", "twice-pycloud")
    token = base64.b64decode(secret["data"]["token"]).decode()
    pod = cluster.wait_ready("twice")
    request = urllib.request.Request(
        f"http://{pod['status']['podIP']}:8888/api/status",
        headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=LIMIT) as answer:
        assert answer.status == 200
    assert begin("delete", "twice", "--yes").wait(LIMIT) == 0


def test_life_of_a_workspace(pycloud, cluster):
    done = pycloud("create", "life", "--memory", "512Mi", "--storage", "2Gi")
    assert done.stdout == "life is ready: mount.pycloud life DIRECTORY\n"
    assert "pycloud: life: " in done.stderr
    row = listed(pycloud, "life")
    assert (row["state"], row["storage"], row["mounted"]) \
        == ("ready", "2Gi", [])
    table = pycloud("list").stdout.splitlines()
    assert table[0].split() == ["NAME", "STATE", "IMAGE", "AGE", "STORAGE",
                                "MOUNTED"]
    assert any(re.match(r"life +ready +\S+ +\d+[sm] +2Gi +-$", line)
               for line in table)
    facts = json.loads(pycloud("describe", "life", "--json").stdout)
    pod = cluster.ready_pods("life")[0]["metadata"]["name"]
    assert (facts["pod"], facts["memory"], facts["restarts"]) \
        == (pod, "512Mi", 0)
    assert facts["why"] == "The workspace life is ready."
    (cluster.claim_folder("life") / "kept").write_text("kept")
    stop_and_start(pycloud, cluster)
    assert "Jupyter" in pycloud("logs", "life").stdout
    assert len(pycloud("logs", "life", "--tail", "2").stdout.splitlines()) == 2
    keep_and_delete(pycloud, cluster)


def stop_and_start(pycloud, cluster):
    """Files live on; a stopped one says how to start it."""
    done = pycloud("stop", "life")
    assert done.stdout == "life is stopped; its files are kept\n"
    assert cluster.pods_of("life") == []
    assert listed(pycloud, "life")["state"] == "stopped"
    assert "pycloud start life" in pycloud("describe", "life").stdout
    done = pycloud("logs", "life", check=1)
    assert "no log yet" in sentence(done) and "start life" in sentence(done)
    pycloud("start", "life")
    assert listed(pycloud, "life")["state"] == "ready"


def keep_and_delete(pycloud, cluster):
    """Kept files are taken up again, token and all."""
    assert "--yes" in sentence(pycloud("delete", "life", check=1))
    assert listed(pycloud, "life")["state"] == "ready"
    pycloud("delete", "life", "--yes", "--keep-files")
    assert listed(pycloud, "life")["state"] == "missing"
    assert "create life" in sentence(pycloud("describe", "life", check=1))
    assert "create life" in sentence(pycloud("start", "life", check=1))
    pycloud("create", "life", "--no-wait")
    cluster.wait_ready("life")
    assert (cluster.claim_folder("life") / "kept").read_text() == "kept"
    assert pycloud("delete", "life", "-y").stdout == "life is deleted\n"
    assert listed(pycloud, "life") is None
    for kind, name in (("Secret", "life-pycloud"), ("Service", "life"),
                       ("PersistentVolumeClaim", "life")):
        assert cluster.get(kind, name) is None
    for command in (["describe"], ["start"], ["stop"], ["logs"],
                    ["delete", "-y"]):
        done = pycloud(command[0], "life", *command[1:], check=1)
        assert "no workspace 'life'" in sentence(done)


def test_creation_may_be_repeated(pycloud, workspace, cluster):
    before = cluster.get("Secret", f"{workspace}-pycloud")
    pod = cluster.ready_pods(workspace)[0]["metadata"]["uid"]
    pycloud("create", workspace)
    assert cluster.get("Secret", f"{workspace}-pycloud") == before
    assert cluster.ready_pods(workspace)[0]["metadata"]["uid"] == pod


def test_creation_does_not_start_what_was_stopped(pycloud, workspace,
                                                  cluster):
    pycloud("stop", workspace, "--no-wait")
    done = pycloud("create", workspace, "--memory", "700Mi", check=1)
    assert f"`pycloud start {workspace}` starts it" in sentence(done)
    assert cluster.get("Deployment", workspace)["spec"]["replicas"] == 0
    pycloud("start", workspace)
    facts = json.loads(pycloud("describe", workspace, "--json").stdout)
    assert facts["memory"] == "700Mi"


def test_what_others_made_is_left_alone(pycloud, cluster):
    cluster.create({"apiVersion": "v1", "kind": "Service",
                    "metadata": {"name": "theirs"},
                    "spec": {"ports": [{"port": 80}]}})
    done = pycloud("create", "theirs", check=1)
    assert "another name" in sentence(done)
    pycloud("delete", "theirs", "--yes", check=1)
    assert cluster.get("Service", "theirs") is not None
    assert listed(pycloud, "theirs") is None


def test_namespaces_are_apart(pycloud, cluster):
    cluster.add_namespace("elsewhere")
    pycloud("create", "apart", "-n", "elsewhere", "--no-wait")
    assert listed(pycloud, "apart") is None
    assert pycloud("list", "--namespace=elsewhere").stdout.count("apart") == 1
    pycloud("delete", "apart", "-n", "elsewhere", "--yes")
    done = pycloud("list", "-n", "elsewhere")
    assert done.stdout == "" and "pycloud create" in done.stderr


# --- logs ------------------------------------------------------------------

def test_followed_logs_end_by_a_signal(begin, workspace):
    process = begin("logs", workspace, "--follow")
    assert process.stdout.readline() != ""
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == INTERRUPTED
    assert process.stderr.read() == ""


def test_followed_logs_end_with_the_server(begin, workspace, pycloud):
    process = begin("logs", workspace, "-f", "--tail", "1")
    assert process.stdout.readline() != ""
    pycloud("stop", workspace)
    process.stdout.read()
    assert process.wait(LIMIT) == 0, process.stderr.read()


def test_the_log_before_a_restart(pycloud, workspace, cluster):
    done = pycloud("logs", workspace, "--previous", check=1)
    assert "not restarted" in sentence(done)
    pod = cluster.ready_pods(workspace)[0]["metadata"]["name"]
    cluster.kill_container(pod)
    wait_until(lambda: "Jupyter" in pycloud(
        "logs", workspace, "--previous", check=None).stdout, "a former log")


# --- mounts ----------------------------------------------------------------

def test_mounts_are_listed_and_not_deleted(pycloud, workspace, mounter,
                                           config):
    mount = mounter(workspace, env={"KUBECONFIG": str(config)}).start()
    assert listed(pycloud, workspace)["mounted"] == [str(mount.directory)]
    assert f"mounted: {mount.directory}\n" in pycloud(
        "describe", workspace).stdout
    done = pycloud("delete", workspace, "--yes", check=1)
    assert f"unmount it first: fusermount3 -u {mount.directory}" \
        in sentence(done)
    assert listed(pycloud, workspace)["state"] == "ready"


def test_a_silent_mount_keeps_nobody(pycloud, workspace, mounter, config):
    mount = mounter(workspace, env={"KUBECONFIG": str(config)}).start()
    os.kill(mount.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        rows = json.loads(pycloud("list", "--json").stdout)
        assert workspace in [row["name"] for row in rows]
        done = pycloud("delete", workspace, "--yes", check=1)
        assert time.monotonic() - began < LIMIT / 2
        assert "does not answer" in sentence(done)
    finally:
        os.kill(mount.pid, signal.SIGCONT)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount(2)")
def test_who_hangs_in_a_mount_keeps_no_command(pycloud, workspace, tmp_path):
    """Not even SIGKILL ends who has asked such a daemon."""
    mute = Mute(tmp_path)
    try:
        began = time.monotonic()
        assert workspace in pycloud("list").stdout
        assert time.monotonic() - began < LIMIT / 2
        assert mute.taken.is_set()
    finally:
        mute.end()


def test_a_local_mount_of_that_name_is_another(pycloud, workspace, mounter):
    mount = mounter(f"local:{workspace}").start()
    assert is_mounted(mount.directory)
    assert listed(pycloud, workspace)["mounted"] == []
    pycloud("delete", workspace, "--yes")


# --- what is in the way ----------------------------------------------------

@contextlib.contextmanager
def crashing(cluster, name):
    """Each server of the workspace ends as soon as it runs."""
    is_over = threading.Event()

    def kill():
        while not is_over.wait(0.02):
            for pod in cluster.pods_of(name):
                with contextlib.suppress(Exception):
                    cluster.kill_container(pod["metadata"]["name"])

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    is_over.set()
    thread.join()


@contextlib.contextmanager
def full_node(cluster):
    """The node has no room for another pod."""
    before = dict(cluster.controllers.capacity)
    cluster.set_capacity(cpu="10m")
    yield
    cluster.controllers.capacity.update(before)


@contextlib.contextmanager
def quota(cluster):
    """The namespace `tight` may have no pod."""
    cluster.add_namespace("tight")
    cluster.set_quota({"pods": "0"}, namespace="tight")
    yield


@contextlib.contextmanager
def expired(cluster):
    """The token of `ann` was good."""
    cluster.expire_user("ann")
    yield


@contextlib.contextmanager
def down(cluster):
    """No API server listens."""
    cluster.stop_server()
    yield
    cluster.start_server()


@contextlib.contextmanager
def nothing(_):
    """It is wrong from the beginning."""
    yield


def config_of(user, *rules):
    """Makes the environment of a user with a configuration of its own."""
    def make(cluster):
        cluster.add_user(user, *rules)
        return {"KUBECONFIG": str(cluster.kubeconfig(user))}
    return make


# name: (what is wrong, options of create, environment, cause, remedy)
FAILURES = {
    "no-config": (nothing, [], lambda _: {"KUBECONFIG": ""},
                  "no Kubernetes configuration",
                  "put your cluster's kubeconfig there"),
    "wrong-context": (nothing, ["--context", "nowhere"], None,
                      "'?nowhere'?", "user@stand-in"),
    "expired-token": (expired, [], config_of("ann", kube.WORKSPACE),
                      "credentials", "again"),
    "no-permission": (nothing, [], config_of("bob"),
                      "may not patch", "role.yaml"),
    "quota": (quota, ["-n", "tight"], None, "quota", "ask for less"),
    "no-image": (nothing, ["--image", "example.org/no-such:1"], None,
                 "example.org/no-such:1", "image"),
    "no-room": (full_node, [], None, "No node has room", "ask for less"),
    "crash-loop": (crashing, [], None, "ended", "pycloud logs crash-loop"),
    "no-class": (nothing, ["--storage-class", "no-such"], None,
                 "no-such", "storage"),
    "api-down": (down, [], None, "API server", "is the cluster up"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_one_sentence_in_time(name, cluster, pycloud):
    wrong, options, environment, cause, remedy = FAILURES[name]
    env = environment(cluster) if environment else {}
    arguments = (cluster, name) if wrong is crashing else (cluster,)
    began = time.monotonic()
    with wrong(*arguments):
        done = pycloud("create", name, *options, *PATIENCE, check=1, **env)
        assert time.monotonic() - began < 45
    assert done.stdout == ""
    said = sentence(done)
    assert re.search(cause, said) and remedy in said, said
    assert "Bearer" not in done.stderr and "token-" not in done.stderr
    wanted = [word for word in options if word in ("-n", "tight")]
    pycloud("delete", name, "--yes", *wanted, check=None)


def test_describe_says_why_it_is_not_ready(cluster, pycloud):
    pycloud("create", "ill", "--no-wait", "--image", "example.org/no-such:2")
    facts = wait_until(lambda: next((facts for facts in [json.loads(
        pycloud("describe", "ill", "--json").stdout)]
        if facts["state"] == "failed"), None), "it fails")
    assert "no-such:2" in facts["why"]
    assert "no-such:2" in sentence(pycloud("logs", "ill", check=1))
    pycloud("delete", "ill", "--yes")


def test_a_wait_ends_at_its_limit(cluster, pycloud):
    cluster.cordon()
    try:
        done = pycloud("create", "late", "--timeout", "1", check=1)
        assert re.search(r"late is not ready after \d+ s: ", sentence(done))
    finally:
        cluster.cordon(False)
    cluster.wait_ready("late")
    pycloud("delete", "late", "--yes")


# --- signals, terminals, pipes ---------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_creation_says_what_stands(begin, pycloud, cluster,
                                                  number):
    cluster.cordon()
    try:
        process = begin("create", "half")
        assert process.stderr.readline().startswith("pycloud: half: ")
        process.send_signal(number)
        assert process.wait(LIMIT) == INTERRUPTED
        said = process.stderr.read().splitlines()[-1]
        assert "interrupted: half is made" in said
        assert "`pycloud delete half` removes it" in said
    finally:
        cluster.cordon(False)
    pycloud("create", "half")
    pycloud("delete", "half", "--yes")


@pytest.fixture
def mute(scratch):
    """(socket, kubeconfig) of an API server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        path = scratch / "mute"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c"}}],
            "clusters": [{"name": "c", "cluster": {
                "server": f"http://127.0.0.1:{server.getsockname()[1]}"}}]}))
        path.chmod(0o600)
        yield server, str(path)


def test_a_signal_ends_the_wait_for_an_answer(begin, mute):
    server, path = mute
    process = begin("create", "x", "--kubeconfig", path)
    connection = server.accept()[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == INTERRUPTED
    assert "pycloud: interrupted: x may be made in part" \
        in process.stderr.read()
    connection.close()


@pytest.mark.parametrize("command", ["create", "start", "stop", "delete"])
def test_a_silent_server_is_given_up(pycloud, mute, command):
    began = time.monotonic()
    sure = ["--yes"] if command == "delete" else []
    done = pycloud(command, "x", "--kubeconfig", mute[1], "--timeout", "1",
                   *sure, check=1)
    assert time.monotonic() - began < 20
    assert "does not answer; is the cluster up" in sentence(done)


def test_nobody_reads_the_list(begin, workspace):
    process = begin("list")
    process.stdout.close()
    assert process.wait(LIMIT) == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""
    assert workspace != ""


@pytest.mark.parametrize("answer, code, stays", [
    (b"n\n", 1, True), (b"\n", 1, True), (b"y\n", 0, False),
    (b"\x03", INTERRUPTED, True)])
def test_a_terminal_is_asked(begin, pycloud, answer, code, stays):
    pycloud("create", "asked", "--no-wait")
    master, slave = pty.openpty()
    try:
        process = begin("delete", "asked", stdin=slave, stderr=slave,
                        preexec_fn=take_terminal)
        said = b""
        while b"[y/N]" not in said:
            said += os.read(master, 4096)
        os.write(master, answer)
        assert process.wait(LIMIT) == code
    finally:
        os.close(slave)
        os.close(master)
    assert (listed(pycloud, "asked") is not None) == stays
    pycloud("delete", "asked", "--yes", check=None)


def test_a_terminal_shows_one_line(begin, pycloud, cluster):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 30, 0, 0))
    cluster.cordon()
    try:
        process = begin("create", "narrow", stderr=slave)
        said = b""
        while b"\r\x1b[Kpycloud: narrow: " not in said:
            said += os.read(master, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == INTERRUPTED
        while b"removes it" not in said:
            said += os.read(master, 4096)
    finally:
        cluster.cordon(False)
        os.close(slave)
        os.close(master)
    *lines, last = said.split(b"\r\x1b[K")
    assert all(len(line) < 30 and b"\n" not in line for line in lines)
    assert last.startswith(b"pycloud: interrupted: narrow is made")
    pycloud("delete", "narrow", "--yes")


def take_terminal():
    """In the child: the terminal on stdin is ours, Ctrl-C and all."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


# --- the command line ------------------------------------------------------

@pytest.mark.parametrize("arguments, word", [
    (["create"], "which workspace"), (["create", "a", "b"], "b is too much"),
    (["create", "UPPER"], "name"), (["create", "x" * 56], "name"),
    (["create", "x", "--memory", "lots"], "memory"),
    (["create", "x", "--frob"], "--frob"), (["list", "x"], "x is too much"),
    (["logs", "../x"], "../x"), (["start", "x", "--timeout", "0"], "0")])
def test_wrong_usage_is_named(pycloud, arguments, word):
    done = pycloud(*arguments, check=2)
    assert word in sentence(done) and done.stdout == ""
