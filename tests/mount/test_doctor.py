"""pycloud doctor: what it finds, what it says to do, and what it never shows.

It looks at all mounts of this computer; here each test's has a mount table
without those of other tests.
"""

import contextlib
import email.utils
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

import liar as lies
from conftest import mount_server
from harness import LIMIT, SYSTEM_PATH, free_port
from hub import Hub

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "fakes"))

FAILED, USAGE, INTERRUPTED = 1, 2, 130
KEPT = 64  # umount.pycloud's
ALONE = r"""
grep ' fuse.pycloud ' /proc/self/mounts | while read -r _ point _; do
    case $point in "$0"/*) ;; *) umount -l -i -c "$point" ;; esac
done
exec "$@"
"""
WRONG = "wrong0123456789wrong0123456789"


@pytest.fixture
def environment(scratch):
    """What it is run with."""
    for name in ("home", "state", "cache", "run", "data"):
        (scratch / name).mkdir(exist_ok=True)
    return {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8",
            "HOME": str(scratch / "home"),
            "XDG_STATE_HOME": str(scratch / "state"),
            "XDG_CACHE_HOME": str(scratch / "cache"),
            "XDG_DATA_HOME": str(scratch / "data"),
            # What a check has to say of itself goes nowhere else.
            "ASAN_OPTIONS": f"log_path={scratch}/report",
            "UBSAN_OPTIONS": f"log_path={scratch}/report"}


@pytest.fixture
def command(build, scratch):
    """How it is begun, with a mount table of its own where that can be had:
    who looks into another test's mount keeps it busy."""
    alone = ["unshare", "-m", "sh", "-c", ALONE, str(scratch)]
    return [*(alone if os.geteuid() == 0 else []),
            str(build / "fs" / "pycloud"), "doctor"]


@pytest.fixture
def doctor(command, environment, scratch):
    """Runs it; the completed process."""
    def call(*arguments, **env):
        done = subprocess.run(
            [*command, *map(str, arguments)],
            env={**environment, **env}, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=3 * LIMIT, check=False)
        for report in scratch.glob("report.*"):
            raise AssertionError(report.read_text(errors="replace"))
        return done

    return call


@pytest.fixture
def see(doctor):
    """(state, found, advice) by check; the last of a name counts."""
    def call(*arguments, **env):
        done = doctor("--json", *arguments, **env)
        seen = json.loads(done.stdout)
        checks = seen["checks"]
        failed = any(check["state"] == "failed" for check in checks)
        assert done.returncode == (FAILED if failed else 0), done
        assert (seen["result"] == "failed") == failed
        return {check["check"]: (check["state"], check["found"],
                                 check["advice"] or "") for check in checks}

    return call


@pytest.fixture
def liar():
    """A server of lies."""
    made = lies.Liar()
    yield made
    made.stop()


@contextlib.contextmanager
def silent_server(accepts=True):
    """Takes connections and never says a word; its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen(64 if accepts else 0)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


# --- this computer -----------------------------------------------------------

def test_this_computer_is_fine(doctor):
    """Every line is of the same form; nothing is on stderr."""
    done = doctor()
    assert done.stderr == "" and done.returncode == 0
    assert "mount: no workspace is mounted now" in done.stdout
    *lines, total = done.stdout.splitlines()
    assert total.endswith(("warnings", "warning"))
    for line in lines:
        word, rest = line[:8].rstrip(), line[8:]
        assert word in ("ok", "skip", "warn", "FAILED"), line
        assert ": " in rest, line
    for check in ("versions", "system", "fuse device", "fusermount3",
                  "user_allow_other", "state directory", "cache directory",
                  "memory", "configuration", "keyring"):
        assert f"ok      {check}: " in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_plain_user(command, scratch):
    """Needs fusermount3, and for allow_other a line in a file of root's."""
    scratch.chmod(0o777)

    def call(*arguments):
        done = subprocess.run(
            [*command[:-2], "setpriv", "--reuid=nobody", "--regid=nogroup",
             "--clear-groups", *command[-2:], *arguments], cwd="/", text=True,
            capture_output=True, timeout=LIMIT, check=False,
            env={"PATH": SYSTEM_PATH, "HOME": str(scratch)})
        return done.stdout + done.stderr

    assert " fusermount3: /" in call()
    allowed = "\nuser_allow_other" in \
        f"\n{pathlib.Path('/etc/fuse.conf').read_text()}"
    for options in (["-o", "allow_other"], ["-o", "ro,allow_root"]):
        told = call(*options)
        assert ("FAILED  user_allow_other: " in told) != allowed, told
    assert "FAILED  user_allow_other: " not in call()


def test_quiet_shows_only_what_is_not_well(doctor, environment):
    config = pathlib.Path(environment["HOME"], ".config/pycloud/config")
    config.parent.mkdir(parents=True)
    config.write_text("[defaults]\ntimeout=soon\n")
    done = doctor("--quiet")
    assert done.returncode == FAILED
    assert f"FAILED  configuration: {config}:2: " in done.stdout
    assert "ok " not in done.stdout


def test_a_named_file_may_have_a_comma(doctor, scratch):
    config = scratch / "a,b"
    config.write_text("[defaults]\ntimeout=soon\n")
    done = doctor("-o", f'ro,config="{config}"')
    assert f"FAILED  configuration: {config}:2: " in done.stdout


def test_wrong_usage(doctor):
    for arguments in (["a", "b"], ["--nonsense"], [""]):
        done = doctor(*arguments)
        assert done.returncode == USAGE and done.stdout == ""
        assert "see pycloud doctor --help" in done.stderr
    done = doctor("--help")
    assert done.returncode == 0 and "--bundle FILE" in done.stdout


def test_directories_that_cannot_be_written(see, scratch):
    (scratch / "file").write_text("")
    seen = see(XDG_STATE_HOME=str(scratch / "file"),
               XDG_CACHE_HOME="/proc")
    assert seen["state directory"][0] == "failed"
    state, found, advice = seen["cache directory"]
    assert state == "failed" and "/proc" in found and advice


def test_damaged_memory_is_named_and_left_alone(mounter, server, see):
    mount = mount_server(mounter, server)
    mount.finish()
    mount.pid = None
    (database,) = mount.scratch.glob("state/pycloud/*/state.db")
    database.write_bytes(b"no database" * 1000)
    state, found, advice = see()["memory"]
    assert state == "warn" and f"{database} is damaged" in found
    assert "mount the workspace" in advice
    assert database.read_bytes() == b"no database" * 1000


@pytest.mark.options("writeback=600")
def test_files_of_a_dead_mount_wait_for_the_next(mounter, server, see):
    """While the daemon lives they are its own affair."""
    mount = mount_server(mounter, server, options="writeback=600")
    (mount.path / "kept").write_bytes(b"x")
    assert "not uploaded" not in see()
    mount.crash()
    mount.clear_away()
    mount.pid = None
    state, found, advice = see()["not uploaded"]
    assert state == "warn" and "1 file of an earlier mount" in found
    assert "mount that workspace again" in advice


def umount(mount, *arguments):
    """umount.pycloud of the same build; its exit code."""
    return subprocess.run(
        [mount.program.with_name("umount.pycloud"), *arguments,
         mount.directory], env=mount.env, capture_output=True,
        timeout=2 * LIMIT, check=False).returncode


def test_daemon_that_uploads_without_a_mount_is_told(mounter, server, see):
    """After umount -f it is in no mount table, and not everything is saved."""
    mount = mount_server(mounter, server, options="writeback=3600")
    (mount.path / "kept").write_bytes(b"x")
    server.signal(signal.SIGSTOP)
    try:
        assert umount(mount, "-f") == KEPT
        state, found, advice = see()["not uploaded"]
    finally:
        server.signal(signal.SIGCONT)
    assert state == "warn" and "daemon whose mount is gone" in found
    assert "1 file to upload (1 byte)" in found and "next mount" in advice
    assert mount.wait_end() == 0
    assert (server.root / "kept").read_bytes() == b"x"
    seen = see()
    assert "not uploaded" not in seen and seen["memory"][0] == "ok"


def test_daemon_that_is_only_held_by_open_files_is_told(mounter, server, see):
    """After umount -l nobody has begun to count what it has to upload."""
    mount = mount_server(mounter, server, options="writeback=3600")
    (mount.path / "kept").write_bytes(b"x")
    with open(mount.path / "kept", "rb"):
        assert umount(mount, "-l") == 0
        state, found, _ = see()["not uploaded"]
    assert state == "warn" and "daemon without a mount" in found
    assert "1 file in" in found and "is not uploaded yet" in found
    assert mount.wait_end() == 0


def test_only_workspaces_are_counted(mounter, server, see, scratch):
    """Not what servers of this computer have beside them."""
    mount_server(mounter, server).finish()
    for other in ("runs/one", "lib-0123456789abcdef", "forest"):
        (scratch / "state/pycloud" / other).mkdir(parents=True)
    state, found, _ = see()["memory"]
    assert state == "ok" and found.startswith("1 workspace remembered")


def test_keyring_that_hangs_keeps_nobody_waiting(see, scratch):
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(scratch / "bus"))
        bus.listen()
        begun = time.monotonic()
        state, found, advice = see(
            DBUS_SESSION_BUS_ADDRESS=f"unix:path={scratch}/bus")["keyring"]
        assert time.monotonic() - begun < 30
    assert state == "failed" and "no answer within 6 seconds" in found
    assert "PYCLOUD_TOKEN" in advice


def test_keyring_behind_a_bus_that_is_gone(see):
    state, found, _ = see(
        DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent")["keyring"]
    assert state == "warn" and "does not answer" in found


# --- mounts ------------------------------------------------------------------

def mount_line(done, mount):
    """The line about a mount."""
    (line,) = [x for x in done.stdout.splitlines()
               if f"{mount.directory} " in f"{x} " and " mount: " in x]
    return line


def test_live_mount_is_fine(mount, doctor):
    assert mount.path.is_dir()
    line = mount_line(doctor(), mount)
    assert line.startswith("ok ") and "online" in line


def test_stale_mount_says_what_to_do(mounter, server, doctor):
    mount = mount_server(mounter, server)
    mount.crash()
    try:
        done = doctor()
        assert done.returncode == FAILED
        line = mount_line(done, mount)
        assert line.startswith("FAILED") and "is dead" in line
        assert "fusermount3 -u" in line and "umount -l" in line
    finally:
        mount.clear_away()
        mount.pid = None


def test_silent_mount_keeps_nobody_waiting(mounter, server, doctor):
    mount = mount_server(mounter, server)
    os.kill(mount.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        line = mount_line(doctor(), mount)
        assert time.monotonic() - begun < 30
        assert line.startswith("FAILED") and "does not answer" in line
    finally:
        os.kill(mount.pid, signal.SIGCONT)


# --- a server ----------------------------------------------------------------

def test_server_is_fine(see, server):
    server.write("a file", "some bytes")
    seen = see(server.url, PYCLOUD_TOKEN=server.token)
    for check in ("connection", "server", "clock", "token", "files",
                  "reading", "dot names", "kernels"):
        assert seen[check][0] == "ok", seen[check]
    assert "parts of files can be read" in seen["reading"][1]
    assert seen["kernel start"][0] == seen["uploads"][0] == "skip"
    assert server.api("kernels") == []
    assert server.token not in str(seen)


def test_run_tries_and_leaves_nothing(see, server):
    seen = see("--run", f"{server.url}lab/tree/x?token={server.token}")
    assert seen["kernel start"][0] == seen["uploads"][0] == "ok", seen
    assert server.api("kernels") == []
    assert list(server.root.glob("pycloud*")) == []
    assert server.token not in str(seen)


def test_wrong_token_is_refused_and_not_shown(doctor, see, server):
    state, found, advice = see(server.url, PYCLOUD_TOKEN=WRONG)["token"]
    assert state == "failed" and "refuses it" in found
    assert "PYCLOUD_TOKEN" in advice
    done = doctor(f"{server.url}?token={WRONG}")
    assert done.returncode == FAILED and WRONG not in done.stdout
    state, found, _ = see(server.url)["token"]
    assert state == "failed" and "none was found" in found


def test_login_is_what_to_do(see, server, scratch):
    """Into a file, where there is no keyring or a file is used."""
    url = server.url.rstrip("/")
    advice = see(server.url)["token"][2]
    assert f"run: pycloud login --file FILE {url}" in advice
    assert "-o credentials=FILE" in advice
    bus = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}
    for token in ({}, {"PYCLOUD_TOKEN": WRONG}):
        seen = see(server.url, **bus, **token)
        assert f"run: pycloud login {url}" in seen["token"][2]
        assert "pycloud login --file FILE URL" in seen["keyring"][2]
    assert "pycloud login --file FILE URL" in see()["keyring"][2]
    token = scratch / "token"
    token.write_text(WRONG)
    token.chmod(0o600)
    advice = see("-o", f"credentials={token}", server.url)["token"][2]
    assert f"run: pycloud login --file {token} {url}" in advice


def test_token_of_a_file_or_a_command(see, server, scratch, environment):
    """Of -o, and of pycloud.conf(5)."""
    token = scratch / "token"
    token.write_text(server.token)
    token.chmod(0o600)
    config = pathlib.Path(environment["HOME"], ".config/pycloud/config")
    config.parent.mkdir(parents=True)
    for option in (f"credentials={token}", f"token_command=cat {token}"):
        config.write_text("")
        assert see("-o", option, server.url)["token"][0] == "ok"
        config.write_text(f"[defaults]\n{option}\n")
        assert see(server.url)["token"][0] == "ok"


def test_nobody_listens(see):
    seen = see(f"http://127.0.0.1:{free_port()}/")
    state, found, advice = seen["connection"]
    assert state == "failed" and "nobody listens" in found
    assert "start the server" in advice
    assert seen["server"][0] == "failed"


def test_name_without_an_address(see):
    state, found, advice = see("https://no.such.name.invalid/")["name"]
    assert state == "failed" and "no.such.name.invalid" in found
    assert advice


def test_server_that_says_nothing_keeps_nobody_waiting(see):
    with silent_server() as url:
        begun = time.monotonic()
        seen = see(url, PYCLOUD_TOKEN=WRONG)
        assert time.monotonic() - begun < LIMIT
    assert seen["connection"][0] == "ok"
    state, found, _ = seen["server"]
    assert state == "failed" and "no answer" in found


def test_what_is_no_jupyter_server(see):
    with http.server.ThreadingHTTPServer(
            ("127.0.0.1", free_port()),
            http.server.SimpleHTTPRequestHandler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        try:
            seen = see(f"http://127.0.0.1:{web.server_port}/")
        finally:
            web.shutdown()
    state, found, advice = seen["server"]
    assert state == "failed" and "no Jupyter server" in found
    assert "/lab" in advice


def test_https_where_there_is_none(see, server):
    url = server.url.replace("http:", "https:")
    state, _, advice = see(url, PYCLOUD_TOKEN=server.token)["server"]
    assert state == "failed" and "http://" in advice


def test_certificate_that_nobody_knows(see, tmp_path):
    kube = pytest.importorskip("kube", reason="the stand-in needs Python 3.11")
    with kube.Cluster(tmp_path) as cluster:
        state, found, advice = see(cluster.url)["server"]
    assert state == "failed" and "certificate" in found
    assert "cacert=FILE" in advice


def test_redirects_are_shown_without_their_query(see, liar):
    liar.lies["api"] = lies.redirect(
        "https://elsewhere.example/start?token=hidden")
    state, found, _ = see(liar.url)["server"]
    assert state == "failed"
    assert "https://elsewhere.example/start " in found
    assert "hidden" not in found
    liar.lies["api"] = lies.redirect("/hub/login?next=x")
    _, _, advice = see(liar.url)["server"]
    assert "PYCLOUD_TOKEN" in advice


@pytest.mark.parametrize("seconds, state", [(0, "ok"), (90, "warn"),
                                            (-3600, "warn")])
def test_clock_difference(see, liar, seconds, state):
    def date(sock, _):
        now = email.utils.formatdate(time.time() + seconds, usegmt=True)
        sock.sendall(lies.answer({"version": "2.0"},
                                 headers=[f"Date: {now}"]))

    liar.lies["api?"] = liar.lies["api"] = date
    liar.lies["api/"] = lambda sock, request: sock.sendall(
        liar.honest(request))
    seen = see(liar.url)
    assert seen["clock"][0] == state, seen["clock"]
    if state == "warn":
        assert f"{abs(seconds)} seconds" in seen["clock"][1] \
            or f"{abs(seconds) - 1} seconds" in seen["clock"][1]
        assert "timedatectl" in seen["clock"][2]


def test_server_without_ranges_and_kernels(see, liar):
    liar.lies["files/"] = lambda sock, _: sock.sendall(lies.answer(b"true"))
    liar.lies["api/kernelspecs"] = lambda sock, _: sock.sendall(
        lies.answer({"default": "r", "kernelspecs": {}}))
    seen = see(liar.url)
    assert seen["reading"][0] == "warn"
    assert "only as a whole" in seen["reading"][1]
    assert seen["kernels"][0] == "warn"
    assert "ipykernel" in seen["kernels"][2]


# --- what a workspace is called ----------------------------------------------

def test_workspace_of_this_computer(see, scratch):
    (scratch / "data/pycloud/workspaces/demo").mkdir(parents=True)
    seen = see("local:demo")
    assert seen["workspace"][0] == "ok"
    assert seen["token"][0] == "ok" and seen["kernels"][0] == "ok"


@pytest.mark.parametrize("name", ["nosuch", "local:nosuch", "pycloud:nosuch"])
def test_workspace_that_is_not_there_is_not_made(see, scratch, name):
    before = sorted(scratch.rglob("*"))
    seen = see(name)
    state, found, advice = seen["workspace"]
    assert state == "warn" and "no workspace nosuch yet" in found
    assert "mount.pycloud" in advice
    assert "server" not in seen and "token" not in seen
    assert sorted(scratch.rglob("*")) == before


def test_name_in_the_users_file(see, server, environment):
    config = pathlib.Path(environment["HOME"], ".config/pycloud/config")
    config.parent.mkdir(parents=True)
    config.write_text(f'[workspace "lab"]\nurl={server.url}\n')
    seen = see("lab", PYCLOUD_TOKEN=server.token)
    assert seen["configuration"][0] == seen["token"][0] == "ok"


@pytest.mark.direct("it asks for a server by its URL")
def test_mount_with_a_token_that_we_have_not(mounter, server, see, scratch):
    """It is well, whatever doctor itself could do there."""
    token = scratch / "token"
    token.write_text(server.token)
    token.chmod(0o600)
    mount = mounter(server.url, options=f"credentials={token}").start()
    seen = see(mount.path)
    assert seen["mount"][0] == "ok"
    state, found, _ = seen["token"]
    assert state == "skip" and "the mount is online" in found
    assert "none was found" in found
    state, found, _ = see(mount.path, PYCLOUD_TOKEN=WRONG)["token"]
    assert state == "skip" and "refuses it" in found
    seen = see("-o", f"credentials={token}", mount.path)
    assert seen["token"][0] == seen["files"][0] == "ok"


@pytest.mark.direct("it asks for a server by its URL")
def test_mount_whose_credentials_cannot_be_read_now(mounter, server, see,
                                                    scratch):
    mount = mount_server(mounter, server)
    assert mount.path.is_dir()
    seen = see("-o", f"credentials={scratch}/none", mount.path)
    assert seen["token"][0] == seen["workspace"][0] == "warn"
    assert "none" in seen["token"][1]
    seen = see("-o", f"credentials={scratch}/none", server.url)
    assert seen["token"][0] == "failed"


@pytest.mark.direct("it asks for a server by its URL")
def test_certificate_that_the_mount_was_told(mounter, server, see, tls_url,
                                             tmp_path):
    """It is the mount's way to the server, for its directory and its URL."""
    assert see(tls_url)["server"][0] == "failed"
    mount = mounter(tls_url, env={"PYCLOUD_TOKEN": server.token},
                    options=f"cacert={tmp_path}/cert.pem").start()
    for target in mount.path, tls_url:
        seen = see(target, PYCLOUD_TOKEN=server.token)
        assert seen["server"][0] == seen["token"][0] == "ok", seen
    seen = see("-o", f"cacert={tmp_path}/none.pem", tls_url)
    assert seen["server"][0] == "failed"


@pytest.mark.skipif(os.geteuid() != 0, reason="root asks of another's mount")
@pytest.mark.direct("it asks for a server by its URL")
def test_certificate_that_anothers_mount_was_told(mounter, server, see,
                                                  tls_url, tmp_path, machine):
    """Root does not trust what a user trusts."""
    cert = machine.ann.home / "cert.pem"
    shutil.copy(tmp_path / "cert.pem", cert)
    mount = mounter(tls_url, env={"PYCLOUD_TOKEN": server.token},
                    options=f"uid=ann,cacert={cert}").start()
    assert see(tls_url)["server"][0] == "failed"
    assert see(mount.path)["server"][0] != "ok"


@pytest.mark.direct("it asks for a server by its URL")
def test_directory_of_a_mount(mount, see, server, tmp_path):
    seen = see(mount.path, PYCLOUD_TOKEN=server.token)
    assert seen["token"][0] == "ok"
    state, found, _ = see(tmp_path)["workspace"]
    assert state == "failed" and "in no mounted workspace" in found


def test_directory_of_a_local_mount(mounter, see, scratch):
    """Also where a bare name would mean a cluster's workspace."""
    mount = mounter("local:demo").start()
    config = scratch / "kubeconfig"
    config.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k"}}],
        "clusters": [{"name": "k", "cluster": {
            "server": f"https://127.0.0.1:{free_port()}"}}]}))
    seen = see(mount.path, KUBECONFIG=str(config))
    assert "kubeconfig" not in seen
    assert seen["workspace"][0] == seen["token"][0] == "ok", seen


def test_bare_name_of_a_mounted_directory(mounter, see, scratch, monkeypatch):
    """Means the directory, as for pycloud status; not with a prefix."""
    mount = mounter("local:demo", name="m1").start()
    assert mount.path.name == "m1"
    monkeypatch.chdir(scratch)
    state, found, _ = see("m1")["workspace"]
    assert state == "ok" and found.startswith("demo is one of this computer")
    _, found, _ = see("local:m1")["workspace"]
    assert "m1" in found and "demo" not in found
    monkeypatch.chdir(scratch / "home")
    assert "demo" not in see("m1")["workspace"][1]


def test_name_that_is_none(see):
    state, found, _ = see("no name!")["workspace"]
    assert state == "failed" and "workspace's name" in found


def test_hub(see):
    hub = Hub()
    try:
        hub.start()
        spec = f"hub+{hub.url}/user/ann"
        seen = see(spec, PYCLOUD_TOKEN=hub.token)
        assert seen["hub"][0] == seen["hub token"][0] == "ok"
        assert seen["hub server"][0] == "warn"
        assert "stopped" in seen["hub server"][1]
        assert hub.servers() == set(), "it started something"
        hub.start_server()
        seen = see(spec, PYCLOUD_TOKEN=hub.token)
        assert seen["hub server"][0] == seen["token"][0] == "ok"
        state, found, advice = see(spec, PYCLOUD_TOKEN=WRONG)["hub token"]
        assert state == "failed" and f"pycloud login hub+{hub.url}" in found
        assert f"pycloud login --file FILE hub+{hub.url}" in advice
    finally:
        hub.stop()


def test_mount_of_a_hub_with_a_token_that_we_have_not(mounter, see, scratch):
    hub = Hub()
    token = scratch / "token"
    token.touch(mode=0o600)
    try:
        hub.start()
        token.write_text(hub.token)
        mount = mounter(f"hub+{hub.url}/user/ann",
                        options=f"credentials={token}").start()
        seen = see(mount.path)
        assert seen["mount"][0] == "ok"
        assert seen["hub token"][0] == "skip", seen["hub token"]
        seen = see("-o", f"credentials={token}", mount.path)
        assert seen["hub token"][0] == seen["token"][0] == "ok"
        mount.finish()
    finally:
        hub.stop()


def test_cluster(see, build, environment, tmp_path, mounter):
    kube = pytest.importorskip("kube", reason="the stand-in needs Python 3.11")
    with kube.Cluster(tmp_path) as cluster:
        config = {"KUBECONFIG": str(cluster.kubeconfig("user"))}
        seen = see("missing", **config)
        for check in ("kubeconfig", "API server", "rights"):
            assert seen[check][0] == "ok", seen[check]
        state, found, advice = seen["workspace"]
        assert state == "failed" and "missing" in found
        assert "pycloud create" in advice
        seen = see("/", **config)
        assert seen["rights"][0] == "ok" and "workspace" not in seen
        state, found, advice = see(
            "/", KUBECONFIG=str(cluster.kubeconfig("nobody")))["rights"]
        assert state != "ok" and "you may not" in found
        assert "role.yaml" in advice
        subprocess.run([build / "fs" / "pycloud", "create", "lab"],
                       env={**environment, **config}, check=True,
                       capture_output=True, timeout=2 * LIMIT)
        seen = see("lab", **config)
        assert seen["workspace"][0] == seen["token"][0] == "ok", seen
        mount = mounter("kube:lab", env=config | {"KUBECONFIG": "/none"},
                        options=f"kubeconfig={config['KUBECONFIG']}").start()
        for target in mount.path, "lab", "kube:lab":
            seen = see(target)
            assert seen["workspace"][0] == seen["token"][0] == "ok", seen
        mount.finish()
        subprocess.run([build / "fs" / "pycloud", "stop", "lab"],
                       env={**environment, **config}, check=True,
                       capture_output=True, timeout=2 * LIMIT)
        state, found, _ = see("lab", **config)["workspace"]
        assert state == "warn" and "pycloud start lab" in found


def test_cluster_that_is_away(see, tmp_path):
    config = tmp_path / "config"
    config.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {
            "server": f"https://127.0.0.1:{free_port()}"}}],
        "users": [{"name": "u", "user": {"token": WRONG}}]}))
    seen = see("lab", KUBECONFIG=str(config))
    assert seen["kubeconfig"][0] == "ok"
    assert seen["API server"][0] == "failed"
    assert WRONG not in str(seen)
    config.write_text("{")
    assert see("lab", KUBECONFIG=str(config))["workspace"][0] == "failed"


# --- the report --------------------------------------------------------------

def test_report_is_private_and_has_no_secret(doctor, mount, server, scratch,
                                             environment):
    """Tokens of the environment, of the address and of a file's comment."""
    config = pathlib.Path(environment["HOME"], ".config/pycloud/config")
    config.parent.mkdir(parents=True)
    config.write_text(f"# {WRONG}\n[defaults]\ntimeout=20\n")
    assert mount.path.is_dir()
    report = scratch / "told.txt"
    old = os.umask(0)
    try:
        done = doctor("--bundle", report, "-o", "timeout=9",
                      f"{server.url}?token={server.token}",
                      PYCLOUD_TOKEN=WRONG)
    finally:
        os.umask(old)
    assert str(report) in done.stdout
    text = report.read_text()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    for secret in (server.token, WRONG):
        assert secret not in text + done.stdout + done.stderr
    assert str(environment["HOME"]) not in text and "~/.config" in text
    for word in ("version: ", "-o timeout=9", "ok      token: accepted",
                 f"--- status of {mount.directory}", "state: online",
                 "timeout=20", "--- log"):
        assert word in text, text
    done = doctor("--bundle", report)
    assert done.returncode == FAILED and "is there already" in done.stderr
    assert report.read_text() == text


def test_report_has_no_token_of_a_token_command(doctor, server, scratch,
                                                environment):
    """Somebody writes the token itself there."""
    config = pathlib.Path(environment["HOME"], ".config/pycloud/config")
    config.parent.mkdir(parents=True)
    config.write_text("[defaults]\ntoken_command=echo f1le-s3cret\n"
                      "timeout=20\n")
    report = scratch / "told.txt"
    doctor("--bundle", report, "-o",
           'token_command="sh -c \'echo g1ven-s3cret; op3n-s3cret\'",'
           "attr_timeout=9", server.url)
    text = report.read_text()
    assert "s3cret" not in text
    for word in ("token_command=echo ****", "-o token_command=sh ****",
                 "timeout=20", "-o attr_timeout=9"):
        assert word in text, text


def test_token_is_not_in_the_command_line(command, environment, server):
    """Neither of this program nor of those that it starts."""
    with silent_server() as url:
        process = subprocess.Popen(
            [*command, f"{url}?token={WRONG}"],
            env={**environment, "PYCLOUD_TOKEN": server.token},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL)
        try:
            for line in process.stdout:
                if b" connection: " in line:
                    break
            shown = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
            assert b"doctor" in shown and WRONG.encode() not in shown
        finally:
            process.kill()
            process.communicate()


# --- being interrupted -------------------------------------------------------

def test_interrupt_ends_it_at_once(command, environment):
    with silent_server() as url:
        process = subprocess.Popen(
            [*command, url], env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL)
        try:
            for line in process.stdout:
                if b" connection: " in line:
                    break
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.wait(LIMIT) == INTERRUPTED
            assert time.monotonic() - begun < 5
            assert process.stderr.read() == b"pycloud: interrupted\n"
        finally:
            process.kill()
            process.communicate()


def test_reader_who_has_gone(command, environment):
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            command, env=environment, stdout=write,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            timeout=LIMIT, check=False)
    finally:
        os.close(write)
    assert done.returncode == 128 + signal.SIGPIPE and done.stderr == b""
