"""Bytes that outlive the mount."""

import os
import signal

from conftest import mount_server

FILES = 20


def lay_out(server):
    """Some small files and one that is read in windows."""
    for number in range(FILES):
        server.write(f"d/f{number:02}", f"bytes of {number}\n" * 50)
    server.write("d/big", os.urandom(6 << 20))


def read_all(mount):
    """Every byte of the directory."""
    return {path.name: path.read_bytes()
            for path in sorted((mount.path / "d").iterdir())}


def test_the_next_mount_reads_from_the_cache(mounter, own_server):
    lay_out(own_server)
    mount = mount_server(mounter, own_server)
    first = read_all(mount)
    assert mount.unmount().returncode == 0
    assert mount.wait_end() == 0
    again = mount_server(mounter, own_server)
    again.path.stat()
    with again.counting() as requests:
        assert read_all(again) == first
    # The directory's listing, and no file.
    assert requests[0] <= 2


def test_what_changed_between_two_mounts_is_fetched(mounter, own_server):
    lay_out(own_server)
    mount = mount_server(mounter, own_server)
    read_all(mount)
    assert mount.unmount().returncode == 0
    assert mount.wait_end() == 0
    own_server.write("d/f03", "something else")
    again = mount_server(mounter, own_server)
    read = read_all(again)
    assert read["f03"] == b"something else"
    assert read["f04"] == (own_server.root / "d/f04").read_bytes()


def test_a_killed_mount_leaves_nothing_to_believe(mounter, own_server):
    lay_out(own_server)
    mount = mount_server(mounter, own_server)
    first = read_all(mount)
    os.kill(mount.pid, signal.SIGKILL)
    assert mount.wait_end() == -signal.SIGKILL
    assert mount.unmount().returncode == 0
    mount.pid = None
    again = mount_server(mounter, own_server)
    assert read_all(again) == first
