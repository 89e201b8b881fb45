"""All workspaces of a cluster's namespace as one tree: who looks starts
nothing, who goes in finds the workspace."""

import concurrent.futures
import contextlib
import errno
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from harness import LIMIT, descendants, is_alive, is_mounted, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "fakes"))

import kube  # noqa: E402  (found by the line above)

KINDS = ("Deployment", "Service", "Secret", "PersistentVolumeClaim")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One cluster for this file's tests."""
    with kube.Cluster(tmp_path_factory.mktemp("kube")) as made:
        yield made


class Forest:
    """The mount of all workspaces, and what is behind it."""

    def __init__(self, cluster, mount):
        self.cluster = cluster
        self.mount = mount
        self.path = mount.directory

    def status(self):
        """The lines of .pycloud/status by their first words."""
        return self.mount.status()

    def children(self):
        """The command lines of the mounts below, by pid."""
        return {pid: line.split("\0")
                for pid, line in descendants(self.mount.pid).items()
                if "kube:" in line}

    def child(self, name):
        """The pid of a workspace's mount."""
        return next(pid for pid, words in self.children().items()
                    if f"kube:{name}" in words)

    def leave(self, name):
        """Unmount a workspace, and wait for its process."""
        path = self.path / name
        if not is_mounted(path):
            return
        pid = self.child(name)
        subprocess.run(["umount", str(path)], check=True)
        wait_until(lambda: not is_alive(pid), f"the end of {name}'s process")

    def replicas(self, name):
        """How many pods are wanted."""
        return self.cluster.get("Deployment", name)["spec"]["replicas"]

    def stop(self, name):
        """What `pycloud stop` does."""
        self.cluster.store.change(
            self.cluster.resource("Deployment"), self.cluster.namespace,
            name, scale_down)
        wait_until(lambda: not self.cluster.ready_pods(name), "no pod")


def scale_down(item):
    """No pod is wanted."""
    item["spec"]["replicas"] = 0
    item["metadata"]["generation"] += 1
    return item


@pytest.fixture
def make_forest(mounter, cluster):
    """Makes such mounts; afterwards each ends by SIGTERM, with all below
    it, and the cluster is empty."""
    made = []

    def make(options="", user="user", start=True):
        options = ",".join(x for x in ("image=jupyter-server", options) if x)
        mount = mounter("/", options=options, env={
            "KUBECONFIG": str(cluster.kubeconfig(user=user))})
        made.append(Forest(cluster, mount))
        return made[-1] if not start else (mount.start(), made[-1])[1]

    yield make
    for forest in made:
        if forest.mount.pid is not None \
                and forest.mount.status_code is None:
            os.kill(forest.mount.pid, signal.SIGTERM)
            forest.mount.wait_end()
    cluster.allow()
    for kind in (*KINDS, "ResourceQuota"):
        for item in cluster.list(kind):
            with contextlib.suppress(kube.ApiError):
                cluster.delete(kind, item["metadata"]["name"])
    wait_until(lambda: not any(cluster.list(kind) for kind in KINDS),
               "an empty namespace")


@pytest.fixture
def forest(make_forest):
    """The mount, with the workspaces a and b, nobody in them."""
    made = make_forest()
    for name in "ab":
        (made.path / name).mkdir()
    for name in "ab":
        made.cluster.wait_ready(name)
    return made


def run_line(directory, line):
    """What a run of this line prints."""
    with open(directory / ".run", "w", encoding="utf-8") as handle:
        handle.write(f"{line}\n")
    return (directory / ".run").read_text()


def error_of(function, *args):
    """The errno of a call that must fail."""
    with pytest.raises(OSError) as caught:
        function(*args)
    return caught.value.errno


# --- looking ----------------------------------------------------------------

def test_looking_starts_nothing(forest):
    forest.stop("a")
    os.kill(forest.mount.pid, signal.SIGHUP)
    wait_until(lambda: "stop" in forest.status()["a"], "the new list")
    seen = subprocess.run(["ls", "-la", str(forest.path)], check=True,
                          capture_output=True, text=True).stdout
    assert [line.split()[-1] for line in seen.splitlines()[1:]] == \
        [".", "..", "a", "b"]
    for name in "ab":
        assert (forest.path / name).is_dir()
        for mode in (os.R_OK, os.W_OK, os.X_OK):
            assert os.access(forest.path / name, mode)
    assert not forest.children()
    assert forest.replicas("a") == 0


def test_unknown_name_is_not_there(forest):
    assert error_of(os.stat, forest.path / "none") == errno.ENOENT
    assert not forest.children()


# --- going in ---------------------------------------------------------------

def change_directory(path):
    """As a shell does."""
    subprocess.run(["sh", "-c", 'cd "$1" && : > made', "sh", str(path)],
                   check=True)


def open_directory(path):
    """open(O_DIRECTORY), and a file relative to it."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.close(os.open("made", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.close(fd)


WAYS = {
    "stat": (lambda p: error_of(os.stat, p / "none"), None),
    "listing": (os.listdir, None),
    "open directory": (open_directory, "made"),
    "chdir": (change_directory, "made"),
    "write": (lambda p: (p / "made").write_text("x"), "made"),
    "mkdir": (lambda p: os.mkdir(p / "made"), "made"),
    "mknod": (lambda p: os.mknod(p / "made", 0o100600), "made"),
    "symlink": (lambda p: os.symlink("x", p / "made"), None),
    "truncate": (lambda p: error_of(os.truncate, p / "none", 1), None),
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_first_use_of_any_kind_goes_in(forest, way):
    function, made = WAYS[way]
    function(forest.path / "a")
    assert is_mounted(forest.path / "a")
    assert not is_mounted(forest.path / "b")
    assert made is None or (
        forest.cluster.claim_folder("a") / made).exists()


def test_changes_as_a_first_use(forest):
    path = forest.path / "a"
    (path / "one").write_text("1")
    forest.leave("a")
    os.rename(path / "one", path / "two")
    forest.leave("a")
    assert (path / "two").read_text() == "1"
    forest.leave("a")
    os.unlink(path / "two")
    assert os.listdir(forest.cluster.claim_folder("a")) == []


def test_stopped_workspace_is_started(forest):
    (forest.cluster.claim_folder("a") / "f").write_text("kept")
    forest.stop("a")
    assert (forest.path / "a" / "f").read_text() == "kept"
    assert forest.replicas("a") == 1


def test_scripts_run_in_a_workspace(forest):
    (forest.path / "a" / "main.py").write_text("print(6 * 7)\n")
    assert run_line(forest.path / "a", "main.py") == "42\n"


def test_many_who_go_in_share_one_mount(forest):
    (forest.cluster.claim_folder("a") / "f").write_text("x")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        texts = list(pool.map(lambda _: (forest.path / "a/f").read_text(),
                              range(16)))
    assert texts == ["x"] * 16
    assert len(forest.children()) == 1


def test_options_are_handed_down(make_forest):
    forest = make_forest("umask=077,via=portforward")
    (forest.path / "a").mkdir()
    forest.cluster.wait_ready("a")
    (forest.cluster.claim_folder("a") / "f").write_text("")
    assert (forest.path / "a" / "f").stat().st_mode & 0o777 == 0o600
    status = (forest.path / "a" / ".pycloud" / "status").read_text()
    assert "via: portforward\n" in status


# --- waiting and failing ----------------------------------------------------

def test_start_holds_up_only_who_goes_in_and_can_be_interrupted(forest):
    forest.stop("a")
    forest.cluster.cordon()
    try:
        with subprocess.Popen(["cat", str(forest.path / "a" / "f")],
                              stderr=subprocess.DEVNULL) as waiting:
            wait_until(lambda: forest.status()["a"].startswith(
                "being mounted; "), "a start that says what it waits for")
            subprocess.run(["ls", "-la", str(forest.path)], check=True,
                           timeout=30, stdout=subprocess.DEVNULL)
            (forest.path / "b" / "f").write_text("x")
            assert waiting.poll() is None
            waiting.send_signal(signal.SIGINT)
            assert waiting.wait(30) == -signal.SIGINT
    finally:
        forest.cluster.cordon(False)
    (forest.path / "a" / "f").write_text("y")


def test_failure_is_told_and_remembered(make_forest):
    forest = make_forest("start=never")
    (forest.path / "a").mkdir()
    forest.cluster.wait_ready("a")
    forest.stop("a")
    assert error_of(os.listdir, forest.path / "a") == errno.EHOSTUNREACH
    begin = time.monotonic()
    assert error_of(os.mkdir, forest.path / "a" / "x") == errno.EHOSTUNREACH
    assert time.monotonic() - begin < 1 or forest.mount.is_sanitized()
    assert "stopped" in forest.status()["a"]
    assert not forest.children()


def test_workspace_that_somebody_deleted(forest):
    assert sorted(os.listdir(forest.path)) == ["a", "b"]
    for kind in ("Deployment", "Service"):
        forest.cluster.delete(kind, "a")
    assert error_of(os.listdir, forest.path / "a") == errno.ENOENT


def test_without_the_api_server_the_last_list_is_shown(forest):
    (forest.path / "b" / "f").write_text("x")
    os.kill(forest.mount.pid, signal.SIGHUP)
    forest.cluster.stop_server()
    try:
        begin = time.monotonic()
        assert sorted(os.listdir(forest.path)) == ["a", "b"]
        assert error_of(os.listdir, forest.path / "a") == \
            errno.EHOSTUNREACH
        assert time.monotonic() - begin < 60
        assert (forest.path / "b" / "f").read_text() == "x"
        assert forest.status()["list"] != "believed"
    finally:
        forest.cluster.start_server()
    os.kill(forest.mount.pid, signal.SIGHUP)
    (forest.path / "a" / "f").write_text("y")


# --- making and removing ----------------------------------------------------

def test_mkdir_and_rmdir_of_a_workspace(forest):
    path = forest.path / "made"
    path.mkdir()
    assert forest.cluster.get("Deployment", "made")
    assert "made" in os.listdir(forest.path)
    (path / ".hidden").write_text("x")
    assert error_of(os.rmdir, path) == errno.EBUSY
    forest.leave("made")
    assert error_of(os.rmdir, path) == errno.ENOTEMPTY
    assert ".hidden" in forest.status()["made"]
    assert forest.cluster.get("Deployment", "made")
    (path / ".hidden").unlink()
    forest.leave("made")
    os.rmdir(path)
    assert not path.exists()
    assert sorted(os.listdir(forest.path)) == ["a", "b"]
    for kind in KINDS:
        assert not [x for x in forest.cluster.list(kind)
                    if x["metadata"]["name"].startswith("made")]
    path.mkdir()
    (path / "f").write_text("again")
    assert (forest.cluster.claim_folder("made") / "f").exists()


def test_what_cannot_be_looked_into_is_not_removed(make_forest):
    forest = make_forest("start=never")
    (forest.path / "a").mkdir()
    forest.cluster.wait_ready("a")
    forest.stop("a")
    assert error_of(os.rmdir, forest.path / "a") == errno.ENOTEMPTY
    assert forest.cluster.get("Deployment", "a")


def test_mkdir_says_why_not(forest):
    assert error_of(os.mkdir, forest.path / "Not_a_name") == errno.EINVAL
    assert error_of(os.mkdir, forest.path / "a") == errno.EEXIST
    forest.cluster.deny("user", "patch", "deployments")
    assert error_of(os.mkdir, forest.path / "c") == errno.EACCES
    forest.cluster.allow()
    forest.cluster.set_quota({"persistentvolumeclaims": "2"})
    assert error_of(os.mkdir, forest.path / "c") == errno.EDQUOT


def test_nothing_else_can_be_made(forest):
    path = forest.path
    assert error_of((path / "file").write_text, "x") == errno.EPERM
    assert error_of(os.symlink, "x", path / "link") == errno.EPERM
    assert error_of(os.rename, path / "a", path / "c") == errno.EPERM
    assert error_of(os.chmod, path, 0) == errno.EPERM
    assert error_of(os.unlink, path / ".pycloud/status") == errno.EPERM
    assert error_of(os.rmdir, path / ".pycloud") == errno.EPERM
    assert not forest.children()


# --- ending -----------------------------------------------------------------

def test_killed_mount_is_a_plain_directory_and_is_entered_again(forest):
    (forest.path / "a" / "f").write_text("x")
    pid = forest.child("a")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_mounted(forest.path / "a"), "the mount's end")
    assert (forest.path / "a" / "f").read_text() == "x"
    assert forest.child("a") != pid


def test_unmounted_workspace_is_entered_again(forest):
    for text in ("one", "two"):
        (forest.path / "a" / "f").write_text(text)
        subprocess.run(["umount", str(forest.path / "a")], check=True)
        assert (forest.path / "a" / "f").read_text() == text
    assert is_mounted(forest.path / "a")


def test_unmounting_the_forest_is_refused_while_workspaces_are_used(forest):
    (forest.path / "a" / "f").write_text("x")
    assert "busy" in forest.mount.unmount().stderr
    assert (forest.path / "a" / "f").read_text() == "x"
    forest.leave("a")
    assert forest.mount.unmount().returncode == 0
    assert forest.mount.wait_end() == 0


def test_sigterm_leaves_nothing(forest):
    for name in "ab":
        (forest.path / name / "f").write_text(name)
    pids = [forest.mount.pid, *forest.children()]
    assert len(pids) == 3
    held = os.open(forest.path / "a" / "f", os.O_RDONLY)
    os.kill(forest.mount.pid, signal.SIGTERM)
    wait_until(lambda: not is_mounted(forest.path), "no mount")
    with contextlib.suppress(OSError):
        os.close(held)
    assert forest.mount.wait_end() == 0
    for path in (forest.path, forest.path / "a", forest.path / "b"):
        assert not is_mounted(path)
    for pid in pids:
        wait_until(lambda pid=pid: not is_alive(pid), "no process")
    for name in "ab":
        assert (forest.cluster.claim_folder(name) / "f").read_text() == name


def test_workspaces_of_a_killed_forest_end_by_themselves(forest):
    (forest.path / "a" / "f").write_text("x")
    pid = forest.child("a")
    held = os.open(forest.path / "a" / "f", os.O_RDWR)
    forest.mount.crash()
    assert error_of(os.listdir, forest.path) == errno.ENOTCONN

    def is_detached():
        with contextlib.suppress(OSError):
            os.stat(forest.path / "a")
        return not is_mounted(forest.path / "a")

    wait_until(is_detached, "the kernel to let go of the mount")
    assert os.write(held, b"y") == 1
    os.close(held)
    wait_until(lambda: not is_alive(pid), "the end of its process")
    assert (forest.cluster.claim_folder("a") / "f").read_text() == "y"
    forest.mount.clear_away()
    forest.mount.pid = None


# --- starting ---------------------------------------------------------------

def test_mount_without_an_api_server_fails_with_a_sentence(make_forest,
                                                           cluster):
    forest = make_forest("timeout=3", start=False)
    cluster.stop_server()
    try:
        result = forest.mount.attempt()
    finally:
        cluster.start_server()
    assert result.returncode == 32
    assert len(result.stderr.splitlines()) == 1
    assert not is_mounted(forest.path)
    forest.mount.pid = None


def test_a_start_that_waits_for_the_cluster_is_interrupted(make_forest,
                                                           scratch):
    mount = make_forest(start=False).mount
    mount.directory.mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(LIMIT)
        config = scratch / "silent"
        config.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c"}}],
            "clusters": [{"name": "c", "cluster": {
                "server": f"http://127.0.0.1:{silent.getsockname()[1]}"}}]}))
        config.chmod(0o600)
        with subprocess.Popen(
                [mount.program, "/", mount.directory, "-o",
                 f"kubeconfig={config}"], env=mount.env, text=True,
                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as waiting:
            connection, _ = silent.accept()
            waiting.send_signal(signal.SIGINT)
            said = waiting.communicate(timeout=LIMIT / 4)[1]
        connection.close()
    assert (waiting.returncode, said) == (8, "mount.pycloud: interrupted\n")
    assert not is_mounted(mount.directory)


def test_options_for_one_workspace_are_refused(make_forest):
    forest = make_forest("create", start=False)
    result = forest.mount.attempt()
    assert result.returncode == 1
    assert "mkdir" in result.stderr


# --- a plain user -----------------------------------------------------------

PLAIN = """
"$1" / mnt --foreground -o kubeconfig=config,image=jupyter-server &
until grep -q "$PWD/mnt " /proc/mounts; do kill -0 $! || exit 1; done
set -e
mkdir mnt/a
mkdir mnt/a/made
fusermount3 -u mnt/a
cd mnt/a
touch made/file
cd ../..
fusermount3 -u mnt/a
test "$(ls mnt/a/made)" = file
if fusermount3 -u mnt; then exit 1; fi
kill $!
wait $!
if grep "$PWD/mnt" /proc/mounts; then exit 1; fi
echo fine
"""

AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534",
             "--clear-groups"]
# The kernel's device is for everybody, and fusermount3 allows what it needs,
# for these processes only.
IN_NAMESPACE = f"""
set -e
mount --bind "$1/fuse" /dev/fuse
mount --bind "$1/fuse.conf" /etc/fuse.conf
cd "$1/user"
exec {" ".join(AS_NOBODY)} sh -c "$2" sh "$3"
"""


def test_plain_user_who_may_let_others_in(make_forest, cluster, scratch):
    if os.geteuid() != 0:
        pytest.skip("only root can make /dev/fuse and fuse.conf as needed")
    program = make_forest(start=False).mount.program
    if subprocess.run([*AS_NOBODY, "test", "-x", str(program)],
                      check=False).returncode != 0:
        pytest.skip("the build cannot be entered by a plain user")
    home = scratch / "user"
    home.mkdir()
    (home / "mnt").mkdir()
    cluster.kubeconfig(user="user", path=home / "config")
    (home / "config").chmod(0o644)
    for path in (home, home / "mnt"):
        os.chown(path, 65534, 65534)
    os.mknod(scratch / "fuse", 0o20666, os.stat("/dev/fuse").st_rdev)
    os.chmod(scratch / "fuse", 0o666)
    (scratch / "fuse.conf").write_text("user_allow_other\n")
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "slave", "sh", "-c",
         IN_NAMESPACE, "sh", str(scratch), PLAIN, str(program)],
        env={"PATH": os.environ["PATH"], "HOME": str(home),
             "XDG_STATE_HOME": str(home), "XDG_CACHE_HOME": str(home)},
        capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.endswith("fine\n"), done.stdout + done.stderr


def test_root_mounts_the_list_for_a_user(make_forest, cluster, machine):
    ann = machine.ann
    config = ann.home / "config"
    cluster.kubeconfig(user="user", path=config)
    os.chown(config, ann.uid, ann.gid)
    forest = make_forest(options=f"uid=ann,kubeconfig={config}")
    done = ann.run("sh", "-ec", f"cd {forest.path}; mkdir a; cd a; "
                   "echo text > f; cat f")
    assert done.stdout == "text\n", done.stderr
    for pid in (forest.mount.pid, forest.child("a")):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{ann.uid}\t{ann.uid}\t{ann.uid}\t{ann.uid}\n" in status
    assert machine.bob.run("ls", forest.path).returncode != 0
    os.kill(forest.mount.pid, signal.SIGTERM)
    assert forest.mount.wait_end() == 0
    assert not is_mounted(forest.path)


def test_children_find_what_a_relative_path_names(make_forest, cluster,
                                                   scratch, monkeypatch):
    cluster.kubeconfig(user="user", path=scratch / "my,config")
    monkeypatch.chdir(scratch)
    forest = make_forest(options="kubeconfig=my\\,config", start=False)
    forest.mount.env["KUBECONFIG"] = "/nonexistent"
    forest.mount.start()
    (forest.path / "a").mkdir()
    forest.cluster.wait_ready("a")
    (forest.path / "a" / "file").write_text("text")
    assert (forest.path / "a" / "file").read_text() == "text"


def test_umount_ends_the_whole_tree_and_saves_it(make_forest):
    forest = make_forest(options="writeback=3600")
    for name in "ab":
        (forest.path / name).mkdir()
    for name in "ab":
        forest.cluster.wait_ready(name)
        (forest.path / name / "saved").write_text(name)
    below = list(forest.children())
    program = forest.mount.program.with_name("umount.pycloud")
    result = subprocess.run([program, forest.path], env=forest.mount.env,
                            capture_output=True, text=True, check=False,
                            timeout=LIMIT)
    assert result.returncode == 0, result.stderr
    assert not any(is_mounted(path) for path in (
        forest.path, forest.path / "a", forest.path / "b"))
    assert not any(is_alive(pid) for pid in below)
    assert forest.mount.wait_end(5) == 0
    again = make_forest()
    for name in "ab":
        assert (again.path / name / "saved").read_text() == name
