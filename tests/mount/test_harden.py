"""What a mounted daemon gives up, and that it still does all it is for."""

import os
import pathlib
import pwd
import resource
import shutil
import signal
import stat
import subprocess

import pytest

from conftest import mount_server
from harness import is_alive, is_mounted, wait_until


def lines_of(path):
    """A file of /proc as a dictionary."""
    pairs = (line.split(":", 1) for line in path.read_text().splitlines())
    return {key: value.strip() for key, value in pairs}


@pytest.fixture(scope="module", autouse=True)
def seccomp(build):
    """Skips where nothing can be refused."""
    config = (build / "config.h").read_text()
    if "#define HAVE_SECCOMP 1" not in config:
        pytest.skip("built without libseccomp")
    if not lines_of(pathlib.Path("/proc/self/status")).get("Seccomp"):
        pytest.skip("this kernel has no seccomp")


def use(mount, server):
    """Files and directories, both ways; and a run."""
    (mount.path / "d").mkdir()
    (mount.path / "d" / "new").write_text("here")
    assert (server.root / "d" / "new").read_text() == "here"
    (mount.path / "d" / "new").rename(mount.path / "d" / "old")
    assert os.listdir(mount.path / "d") == ["old"]
    assert (mount.path / "d" / "old").stat().st_size == 4
    (mount.path / "d" / "old").unlink()
    (mount.path / "d").rmdir()
    assert not (server.root / "d").exists()
    with open(mount.path / ".run", "r+b", buffering=0) as run:
        run.write(b"-c 'print(6 * 7)'\n")
        assert run.readall() == b"42\n"


def check_locked(pid):
    """Every thread of it."""
    tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    assert tasks
    for task in tasks:
        status = lines_of(task / "status")
        assert status["Seccomp"] == "2", task
        assert status["NoNewPrivs"] == "1", task


@pytest.mark.plain
def test_mounted_daemon_is_locked_and_of_use(mounter, server):
    mount = mount_server(mounter, server)
    check_locked(mount.pid)
    assert resource.prlimit(mount.pid, resource.RLIMIT_CORE) == (0, 0)
    use(mount, server)
    check_locked(mount.pid)


@pytest.mark.plain
@pytest.mark.direct("a local workspace is this computer's")
def test_local_server_is_not_locked(mounter):
    mount = mounter("local:free").start()
    check_locked(mount.pid)
    below = pathlib.Path(f"/proc/{mount.pid}/task/{mount.pid}/children")
    servers = below.read_text().split()
    assert servers
    for pid in servers:
        status = lines_of(pathlib.Path(f"/proc/{pid}/status"))
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("0", "0")


# --- a plain user's ----------------------------------------------------------

@pytest.fixture
def plain_mount(build, scratch, server, machine):
    """Mounts as nobody, in the foreground; ends it whatever happens."""
    assert os.stat("/dev/fuse").st_mode & 0o006 == 0o006, machine
    helper = shutil.which("fusermount3")
    if not helper or not os.stat(helper).st_mode & stat.S_ISUID:
        pytest.skip("fusermount3 is not setuid root")
    user = pwd.getpwnam("nobody")
    place = scratch / "plain"
    (place / "mnt").mkdir(parents=True)
    # The build may lie where nobody can go.
    program = shutil.copy(build / "fs" / "mount.pycloud", place)
    for path in (place, place / "mnt"):
        os.chown(path, user.pw_uid, user.pw_gid)
    scratch.chmod(0o711)
    env = {"PATH": os.environ["PATH"], "HOME": str(place),
           "XDG_RUNTIME_DIR": str(place), "PYCLOUD_LOG_STDERR": "1",
           "PYCLOUD_TOKEN": server.token}
    with open(scratch / "plain.log", "wb") as log:
        daemon = subprocess.Popen(
            [program, server.url, str(place / "mnt"), "--foreground"],
            env=env, user=user.pw_uid, group=user.pw_gid, extra_groups=[],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
    try:
        wait_until(lambda: is_mounted(place / "mnt")
                   or daemon.poll() is not None, "a mount")
        log = (scratch / "plain.log").read_text(errors="replace")
        assert daemon.poll() is None, log
        yield daemon, place / "mnt", scratch / "plain.log"
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()
        if is_mounted(place / "mnt"):
            subprocess.run(["umount", "-l", place / "mnt"], check=False)


def as_nobody(code, directory):
    """Runs Python there as the user whose mount it is."""
    user = pwd.getpwnam("nobody")
    return subprocess.run(
        ["/usr/bin/python3", "-c", code], user=user.pw_uid,
        group=user.pw_gid, extra_groups=[], cwd="/", check=False, timeout=60,
        capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "AT": str(directory)})


USE = """if True:
    import os
    os.chdir(os.environ["AT"])
    with open("new", "w") as file:
        file.write("here")
    assert open("new").read() == "here"
    assert "new" in os.listdir(".")
    with open(".run", "r+b", buffering=0) as run:
        run.write(b"-c 'print(6 * 7)'\\n")
        assert run.readall() == b"42\\n"
"""


def locked(daemon):
    """It is in the kernel's table a little before it is locked."""
    status = lines_of(pathlib.Path(f"/proc/{daemon.pid}/status"))
    return status["Seccomp"] == "2"


@pytest.mark.plain
def test_plain_users_daemon_is_locked_and_lets_go(plain_mount, server):
    daemon, directory, log = plain_mount
    wait_until(lambda: locked(daemon), "the lock")
    result = as_nobody(USE, directory)
    assert result.returncode == 0, result.stderr
    assert (server.root / "new").read_text() == "here"
    helpers = pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
    detacher, = helpers.read_text().split()
    # Signals to all of them mean the daemon.
    os.kill(int(detacher), signal.SIGTERM)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0, log.read_text(errors="replace")
    assert not is_mounted(directory)
    assert not is_alive(int(detacher))


@pytest.mark.plain
def test_plain_users_unmount_ends_all(plain_mount):
    daemon, directory, log = plain_mount
    result = as_nobody("import os, sys; os.execlp('fusermount3', "
                       "'fusermount3', '-u', os.environ['AT'])", directory)
    assert result.returncode == 0, result.stderr
    assert daemon.wait(60) == 0, log.read_text(errors="replace")
    assert not is_mounted(directory)


@pytest.mark.plain
def test_killed_plain_daemon_leaves_no_process(plain_mount):
    daemon, directory, _ = plain_mount
    # Before, fusermount3 may still be there.
    wait_until(lambda: locked(daemon), "the lock")
    helpers = pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
    detacher, = helpers.read_text().split()
    daemon.kill()
    daemon.wait()
    wait_until(lambda: not is_alive(int(detacher)), "the detacher's end")
    assert is_mounted(directory), "a crash is told from an unmount"
