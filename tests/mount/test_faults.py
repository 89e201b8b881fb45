"""When the server or the disk fails: errors, never a hang, never a lie."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from conftest import mount_server
from harness import is_mounted, wait_until

LIMITS = "timeout=2,stall=2"
# Three tries of two seconds each, and a sanitizer's slowness.
DEADLINE = 10


def test_killed_server_gives_errors(mounter, own_server):
    own_server.write("a", "one")
    own_server.write("b", "two")
    mount = mount_server(mounter, own_server, options=LIMITS)
    assert (mount.path / "a").read_text() == "one"
    own_server.kill()
    began = time.monotonic()
    with pytest.raises(OSError):
        (mount.path / "b").read_text()
    with pytest.raises(OSError):
        (mount.path / "c").write_text("lost?")
    assert time.monotonic() - began < 2 * DEADLINE
    assert mount.unmount().returncode == 0


def test_server_that_comes_back_is_used_again(mounter, own_server):
    own_server.write("a", "one")
    mount = mount_server(mounter, own_server,
                         options=LIMITS + ",attr_timeout=0")
    own_server.kill()
    with pytest.raises(OSError):
        (mount.path / "a").read_text()
    own_server.start()

    def reads():
        try:
            return (mount.path / "a").read_text() == "one"
        except OSError:
            return False

    wait_until(reads, "the file to be readable again")


@pytest.mark.parametrize("command", [["cat", "a"], ["ls", "-l", "sub"],
                                     ["cp", "a", "c"], ["rm", "a"],
                                     ["mkdir", "d"], ["mv", "a", "d"]],
                         ids=lambda command: command[0])
def test_stopped_server_ends_calls_within_the_deadline(mounter, own_server,
                                                       command):
    own_server.write("a", "one")
    own_server.write("sub/b", "two")
    mount = mount_server(mounter, own_server, options=LIMITS)
    own_server.signal(signal.SIGSTOP)
    result = subprocess.run(command, cwd=mount.path, check=False,
                            capture_output=True, timeout=3 * DEADLINE)
    assert result.returncode != 0
    began = time.monotonic()
    assert mount.unmount().returncode == 0
    assert not is_mounted(mount.path)
    assert time.monotonic() - began < DEADLINE
    mount.wait_end(DEADLINE)
    own_server.signal(signal.SIGCONT)


def test_blocked_call_can_be_interrupted(mounter, own_server):
    own_server.write("a", "one")
    mount = mount_server(mounter, own_server, options="timeout=60,stall=60")
    own_server.signal(signal.SIGSTOP)
    cat = subprocess.Popen(["cat", mount.path / "a"],
                           stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)

    def waits_in_fuse():
        with open(f"/proc/{cat.pid}/status") as status:
            state = [x for x in status if x.startswith("State:")][0]
        return state.split()[1] in "SD" and cat.poll() is None

    wait_until(waits_in_fuse, "cat to block")
    cat.send_signal(signal.SIGINT)
    assert cat.wait(DEADLINE) != 0
    own_server.signal(signal.SIGCONT)


def test_caught_signals_do_not_disturb_files(server, tree):
    program = """if True:
        import os, signal
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        for number in range(20):
            fd = os.open(f"f{number}", os.O_CREAT | os.O_WRONLY)
            rest = bytes([number]) * 3_000_000
            while rest:
                rest = rest[os.write(fd, rest):]
            os.close(fd)
        signal.setitimer(signal.ITIMER_REAL, 0)
    """
    subprocess.run([sys.executable, "-c", program], cwd=tree, check=True)
    for number in range(20):
        there = (server.root / f"f{number}").read_bytes()
        assert there == bytes([number]) * 3_000_000


def test_close_reports_a_failed_upload(mounter, plain_user_server):
    server = plain_user_server
    (server.root / "d").mkdir()
    if server.user is not None:
        os.chown(server.root / "d", server.user.pw_uid, server.user.pw_gid)
    mount = mount_server(mounter, server)
    fd = os.open(mount.path / "d" / "new", os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"will not fit")
    (server.root / "d").chmod(0o555)
    with pytest.raises(OSError) as caught:
        os.close(fd)
    assert caught.value.errno in (errno.EACCES, errno.EPERM)
    assert not (server.root / "d" / "new").exists()


def test_fsync_reports_a_failed_upload(mounter, plain_user_server):
    server = plain_user_server
    (server.root / "d").mkdir()
    if server.user is not None:
        os.chown(server.root / "d", server.user.pw_uid, server.user.pw_gid)
    mount = mount_server(mounter, server)
    fd = os.open(mount.path / "d" / "new", os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"will not fit")
    (server.root / "d").chmod(0o555)
    with pytest.raises(OSError) as caught:
        os.fsync(fd)
    assert caught.value.errno in (errno.EACCES, errno.EPERM)
    (server.root / "d").chmod(0o755)
    os.fsync(fd)
    os.close(fd)
    assert (server.root / "d" / "new").read_bytes() == b"will not fit"


def test_upload_to_a_killed_server_fails_at_close(mounter, own_server):
    mount = mount_server(mounter, own_server, options=LIMITS)
    fd = os.open(mount.path / "new", os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"bytes")
    own_server.kill()
    with pytest.raises(OSError):
        os.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_full_disk_is_enospc(mounter, own_server):
    disk = own_server.root / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none",
                           disk], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted: {made.stderr.strip()}")
    try:
        (disk / "old").write_bytes(b"x" * 700000)
        mount = mount_server(mounter, own_server)
        with pytest.raises(OSError) as caught:
            (mount.path / "disk" / "old").write_bytes(b"y" * 2000000)
        assert caught.value.errno == errno.ENOSPC
        assert mount.unmount().returncode == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_full_local_disk_is_enospc(mounter, server, scratch):
    state = scratch / "state"
    state.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none",
                           state], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted: {made.stderr.strip()}")
    try:
        mount = mount_server(mounter, server)
        fd = os.open(mount.path / "a", os.O_CREAT | os.O_WRONLY)
        with pytest.raises(OSError) as caught:
            for _ in range(20):
                os.write(fd, b"x" * 1_000_000)
        assert caught.value.errno == errno.ENOSPC
        os.ftruncate(fd, 1_000_000)
        os.close(fd)
        assert (server.root / "a").read_bytes() == b"x" * 1_000_000
        (mount.path / "b").write_text("there is room again")
        assert (server.root / "b").read_text() == "there is room again"
        mount.finish()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def test_file_that_the_server_may_not_read_is_an_error(
        mounter, plain_user_server):
    server = plain_user_server
    server.write("locked", "secret", mode=0)
    if server.user is not None:
        os.chown(server.root / "locked", 0, 0)
    mount = mount_server(mounter, server)
    with pytest.raises(OSError) as caught:
        (mount.path / "locked").read_bytes()
    assert caught.value.errno in (errno.EACCES, errno.EPERM)
