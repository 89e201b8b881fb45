"""What write took is never lost: kill -9, dead servers, full disks."""

import contextlib
import errno
import os
import signal
import subprocess
import sys

import pytest

from conftest import mount_server
from harness import wait_until

pytestmark = pytest.mark.each_server

LIMITS = "timeout=2,stall=2"


def pending(mount):
    """The paths whose bytes are not on the server."""
    text = (mount.path / ".pycloud" / "pending").read_text()
    return [line.split("\t")[0] for line in text.splitlines()]


def kill(mount):
    """kill -9, as the kernel does when memory is short; clears the mount."""
    os.kill(mount.pid, signal.SIGKILL)
    mount.wait_end()
    # Files are open there: no plain umount.
    subprocess.run(["umount", "-l", mount.directory], check=True)
    # It has ended as it should: finish() need not ask how.
    mount.pid = None


def spool_files(mount):
    """What stands in the spools of this user."""
    return [path for path in mount.scratch.rglob("*.data")
            if path.is_file() and not path.is_relative_to(mount.directory)]


def wait_for_bytes(server, name, expected):
    """Wait until the server's file has them."""
    def arrived():
        with contextlib.suppress(OSError):
            return (server.root / name).read_bytes() == expected
        return False
    wait_until(arrived, f"{name} to arrive on the server")


def test_kill_loses_no_write(mounter, server):
    server.write("log", "one\n")
    mount = mount_server(mounter, server)
    appended = os.open(mount.path / "log", os.O_WRONLY | os.O_APPEND)
    os.write(appended, b"two\n")
    new = os.open(mount.path / "new", os.O_WRONLY | os.O_CREAT)
    large = os.urandom(6_000_000)
    assert os.write(new, large) == len(large)
    kill(mount)
    for fd in appended, new:
        with contextlib.suppress(OSError):
            os.close(fd)
    again = mount_server(mounter, server, name="again")
    wait_for_bytes(server, "log", b"one\ntwo\n")
    wait_for_bytes(server, "new", large)
    wait_until(lambda: not pending(again), "nothing to be pending")
    assert spool_files(again) == []


def test_kill_half_way_through_a_new_version_keeps_the_old(mounter, server):
    server.write("a.txt", "a long and good version")
    mount = mount_server(mounter, server)
    fd = os.open(mount.path / "a.txt", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b"half")
    kill(mount)
    with contextlib.suppress(OSError):
        os.close(fd)
    again = mount_server(mounter, server, name="again")
    wait_until(lambda: not pending(again), "nothing to be pending")
    assert (server.root / "a.txt").read_text() == "a long and good version"
    copies = list(server.root.glob("a.conflict-*.txt"))
    assert [copy.read_text() for copy in copies] == ["half"]


def test_dead_server_gets_it_when_it_is_back(mounter, own_server):
    own_server.write("a", "old")
    mount = mount_server(mounter, own_server, options=LIMITS)
    assert (mount.path / "a").read_text() == "old"
    fd = os.open(mount.path / "a", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b"precious")
    own_server.kill()
    with pytest.raises(OSError):
        os.close(fd)
    assert pending(mount) == ["a"]
    own_server.start()
    wait_for_bytes(own_server, "a", b"precious")
    wait_until(lambda: not pending(mount), "nothing to be pending")


@pytest.mark.parametrize("ending", ["unmount", "kill"])
def test_next_mount_uploads_what_this_one_could_not(mounter, own_server,
                                                    ending):
    mount = mount_server(mounter, own_server, options=LIMITS)
    fd = os.open(mount.path / "a", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"precious")
    own_server.kill()
    with pytest.raises(OSError):
        os.close(fd)
    if ending == "kill":
        kill(mount)
    else:
        assert mount.unmount().returncode == 0
        mount.wait_end()
    assert len(spool_files(mount)) == 1
    own_server.start()
    again = mount_server(mounter, own_server, name="again")
    wait_for_bytes(own_server, "a", b"precious")
    wait_until(lambda: not pending(again), "nothing to be pending")
    assert spool_files(again) == []


def test_lost_state_does_not_lose_bytes(mounter, own_server):
    mount = mount_server(mounter, own_server, options=LIMITS)
    fd = os.open(mount.path / "a", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"precious")
    kill(mount)
    with contextlib.suppress(OSError):
        os.close(fd)
    databases = list(mount.scratch.rglob("state.db"))
    assert databases
    for path in databases:
        path.write_bytes(b"garbage" * 1000)
        # Else what is in the journal would mend it.
        path.with_name("state.db-wal").unlink()
    again = mount_server(mounter, own_server, name="again")
    wait_for_bytes(own_server, "a", b"precious")
    assert "kept as state.db.aside-" in again.status()["note"]


def test_full_disk_keeps_old_and_new(mounter, own_server):
    disk = own_server.root / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none",
                           disk], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted: {made.stderr.strip()}")
    try:
        (disk / "filler").write_bytes(b"x" * 2_000_000)
        mount = mount_server(mounter, own_server)
        with pytest.raises(OSError) as caught:
            (mount.path / "disk" / "new").write_bytes(b"y" * 1_000_000)
        assert caught.value.errno == errno.ENOSPC
        assert pending(mount) == ["disk/new"]
        assert (disk / "filler").stat().st_size == 2_000_000
        (disk / "filler").unlink()
        fd = os.open(mount.path / "disk" / "new", os.O_WRONLY)
        os.fsync(fd)
        os.close(fd)
        wait_for_bytes(own_server, "disk/new", b"y" * 1_000_000)
        assert pending(mount) == []
        assert mount.unmount().returncode == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


HOLD = """import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, b"being written")
print(flush=True)
sys.stdin.read()
os.close(fd)
"""


def test_second_mount_leaves_the_first_ones_spool(mounter, own_server):
    first = mount_server(mounter, own_server)
    # A process of its own: a fork of ours would flush what we have open.
    writer = subprocess.Popen([sys.executable, "-c", HOLD, first.path / "a"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"\n"
    second = mount_server(mounter, own_server, name="second")
    assert pending(second) == []
    assert len(spool_files(first)) == 1
    assert second.unmount().returncode == 0
    assert second.wait_end() == 0
    assert len(spool_files(first)) == 1
    assert not (own_server.root / "a").exists()
    writer.communicate()
    assert (own_server.root / "a").read_bytes() == b"being written"
    assert spool_files(first) == []


def test_writeback_costs_nothing_until_fsync(mounter, server):
    mount = mount_server(mounter, server, options="writeback=3600")
    fd = os.open(mount.path / "a", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"late")
    with mount.counting() as counted:
        os.close(fd)
    assert counted == [0]
    assert pending(mount) == ["a"]
    fd = os.open(mount.path / "a", os.O_WRONLY)
    os.fsync(fd)
    assert (server.root / "a").read_bytes() == b"late"
    os.close(fd)
    (mount.path / "b").write_bytes(b"drained")
    assert mount.unmount().returncode == 0
    assert mount.wait_end() == 0
    assert (server.root / "b").read_bytes() == b"drained"


def test_kill_after_a_late_close_loses_nothing(mounter, server):
    mount = mount_server(mounter, server, options="writeback=3600")
    (mount.path / "a").write_bytes(b"late")
    kill(mount)
    mount_server(mounter, server, name="again")
    wait_for_bytes(server, "a", b"late")
