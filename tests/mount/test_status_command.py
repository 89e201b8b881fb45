"""pycloud status: how mounts are, for people and for scripts."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import time

import pytest

from conftest import mount_server
from harness import LIMIT, is_mounted, wait_until

KEYS = {"mount", "workspace", "state", "why", "since", "endpoint", "server",
        "context", "namespace", "mounted", "note", "pending", "pending_bytes",
        "conflicts", "cache_bytes", "latency_us", "requests", "failures",
        "runs_active"}
PENDING, OFFLINE, DEAD = 3, 4, 5


@pytest.fixture
def status(build):
    """Runs `pycloud status`; the completed process."""
    def call(*arguments, cwd="/", check=None):
        done = subprocess.run([build / "fs" / "pycloud", "status", *arguments],
                              cwd=cwd, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=LIMIT,
                              check=False)
        if check is not None:
            assert done.returncode == check, done
        return done

    return call


@pytest.fixture
def see(status):
    """The one object that --json has for a directory."""
    def call(directory, check):
        done = status("--json", str(directory), check=check)
        (found,) = json.loads(done.stdout)
        return found

    return call


@contextlib.contextmanager
def watching(build, directory, stdout, *arguments):
    """Runs `pycloud status --watch`; ends it."""
    process = subprocess.Popen(
        [build / "fs" / "pycloud", "status", "--watch", *arguments,
         str(directory)],
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        if process.stdout is not None:
            process.stdout.close()


def test_fine_mount_is_online_and_exits_0(mount, see, server):
    """From any directory of it, and by name; all keys are there."""
    server.write("deep/er/file", "x")
    seen = see(mount.path / "deep" / "er", 0)
    assert set(seen) == KEYS
    assert seen["mount"] == str(mount.path)
    assert seen["state"] == "online" and seen["why"] is None
    assert seen["pending"] == 0 and seen["pending_bytes"] == 0
    assert seen["requests"] > 0 and seen["runs_active"] == 0
    assert server.token not in json.dumps(seen)


def test_people_see_it_from_inside(mount, status, server):
    done = status(cwd=mount.path, check=0)
    assert f"mount      {mount.path}\n" in done.stdout
    assert "state      online since " in done.stdout
    assert "pending    nothing\n" in done.stdout
    assert server.token not in done.stdout + done.stderr


def test_outside_all_mounts_are_shown(mounter, server, status, tmp_path):
    first = mount_server(mounter, server)
    second = mount_server(mounter, server)
    done = status("--json", cwd=tmp_path)
    found = {x["mount"]: x for x in json.loads(done.stdout)}
    for mount in (first, second):
        assert found[str(mount.path)]["state"] == "online"


def test_directory_outside_is_refused(status, tmp_path):
    done = status(str(tmp_path), check=1)
    assert "is in no mounted workspace" in done.stderr
    done = status(str(tmp_path / "missing"), check=1)
    assert "No such file or directory" in done.stderr
    done = status("a", "b", check=2)
    assert "b is too much" in done.stderr


@pytest.mark.options("writeback=600")
def test_pending_files_and_bytes_exit_3(tree, see, status):
    (tree / "a").write_bytes(b"x" * 1000)
    (tree / "b").write_bytes(b"y" * 234)
    seen = see(tree, PENDING)
    assert (seen["pending"], seen["pending_bytes"]) == (2, 1234)
    done = status(str(tree), check=PENDING)
    assert "pending    2 files, 1.2\u00a0kB\n" in done.stdout \
        or "pending    2 files, 1.2 kB\n" in done.stdout


@pytest.mark.direct("it stops the server that the mount talks to")
def test_offline_says_why_and_exits_4(mounter, own_server, see):
    mount = mount_server(mounter, own_server,
                         options="attr_timeout=0,timeout=5")
    own_server.kill()

    def is_offline():
        with contextlib.suppress(OSError):
            os.listdir(mount.path / "unknown")
        return mount.status()["state"] == "offline"

    wait_until(is_offline, "the mount to be offline")
    seen = see(mount.path, OFFLINE)
    assert seen["state"] == "offline" and seen["why"] and seen["since"]


def test_stale_mount_says_what_to_do(mounter, server, see, status):
    """Also for the name of a directory that was there."""
    mount = mount_server(mounter, server)
    mount.crash()
    try:
        assert is_mounted(mount.path)
        seen = see(mount.path / "gone" / "too", DEAD)
        assert seen["state"] == "stale"
        assert "fusermount3 -u" in seen["why"] and "umount -l" in seen["why"]
        assert "state      stale\n" in status(str(mount.path),
                                              check=DEAD).stdout
    finally:
        mount.clear_away()
        mount.pid = None


def test_silent_mount_keeps_nobody_waiting(mounter, server, see):
    mount = mount_server(mounter, server)
    os.kill(mount.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        seen = see(mount.path, DEAD)
        assert time.monotonic() - begun < 15
        assert seen["state"] == "silent" and "does not answer" in seen["why"]
    finally:
        os.kill(mount.pid, signal.SIGCONT)


def test_any_name_is_valid_json(mounter, server, scratch, see, status):
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token})
    mount.directory = scratch / "m\"q\x7f\u00e9"
    mount.start()
    assert see(mount.path, 0)["mount"] == str(mount.path)
    assert "\x7f" not in status(str(mount.path), check=0).stdout


def test_watch_prints_a_block_per_change(build, mount, tree):
    path = mount.path
    with watching(build, path, subprocess.PIPE, "--json") as process:
        (first,) = json.loads(process.stdout.readline())
        assert first["pending"] == 0
        (tree / "new").write_bytes(b"x")
        # A block of its own may tell that it is being uploaded.
        requests = first["requests"]
        while requests == first["requests"]:
            (later,) = json.loads(process.stdout.readline())
            assert later != first
            requests = later["requests"]
        assert requests > first["requests"]
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == -signal.SIGINT


def test_watch_redraws_a_terminal(build, mount):
    ours, theirs = pty.openpty()
    try:
        with watching(build, mount.path, theirs):
            seen = b""
            while b"state" not in seen:
                seen += os.read(ours, 4096)
            assert b"\033[H\033[2J" in seen
    finally:
        os.close(ours)
        os.close(theirs)


def test_watch_ends_with_its_reader(build, mount):
    with watching(build, mount.path, subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"  mount")
        process.stdout.close()
        process.stdout = None
        process.wait(LIMIT)
