"""Two people save one file: the first one wins, and both versions stay."""

import errno
import os

import pytest

from conftest import mount_server
from harness import wait_until

pytestmark = pytest.mark.each_server


def conflicts(mount):
    """The lines of .pycloud/conflicts, split."""
    text = (mount.path / ".pycloud" / "conflicts").read_text()
    return [line.split("\t") for line in text.splitlines()]


@pytest.fixture
def pair(mounter, server):
    """Two mounts of one server, which believe nothing for long."""
    return [mount_server(mounter, server, name=name, options="attr_timeout=0")
            for name in ("one", "two")]


def edit(mount, name, text):
    """Open and overwrite the beginning; the close is the caller's."""
    fd = os.open(mount.path / name, os.O_RDWR)
    os.pwrite(fd, text, 0)
    return fd


def close_stale(fd):
    """Close, which must say that somebody else was there."""
    with pytest.raises(OSError) as caught:
        os.close(fd)
    assert caught.value.errno == errno.ESTALE


def wait_for_second(server, name):
    """A look at the server is spared for a second; see to it that the file's
    time is another one than whatever was believed."""
    before = (server.root / name).stat().st_mtime_ns

    def is_later():
        os.utime(server.root / name)
        return (server.root / name).stat().st_mtime_ns > before + 1_200_000_000

    wait_until(is_later, "beliefs to be old")


def test_second_close_is_stale_and_both_stay(pair, server):
    server.write("a.txt", "before")
    one, two = pair
    first, second = edit(one, "a.txt", b"ONE"), edit(two, "a.txt", b"TWO")
    os.close(first)
    wait_for_second(server, "a.txt")
    close_stale(second)
    assert (server.root / "a.txt").read_text() == "ONEore"
    (copy,) = server.root.glob("a.conflict-*.txt")
    assert copy.read_text() == "TWOore"
    assert (two.path / "a.txt").read_text() == "ONEore"
    ((path, ours, theirs),) = conflicts(two)
    assert (path, ours) == ("a.txt", copy.name)
    assert theirs.startswith("6 bytes of ")
    assert conflicts(one) == []
    (two.path / "a.txt").write_text("settled")
    assert (server.root / "a.txt").read_text() == "settled"
    (two.path / copy.name).unlink()
    assert conflicts(two) == []


def test_conflicts_outlive_the_mount(mounter, server):
    server.write("a", "before")
    mount = mount_server(mounter, server, options="attr_timeout=0")
    fd = edit(mount, "a", b"OURS")
    server.write("a", "theirs, longer")
    wait_for_second(server, "a")
    close_stale(fd)
    assert mount.unmount().returncode == 0
    assert mount.wait_end() == 0
    again = mount_server(mounter, server, name="again")
    ((path, ours, _),) = conflicts(again)
    assert path == "a"
    assert (again.path / ours).read_text() == "OURSre"


def test_same_bytes_are_no_conflict(mounter, server):
    server.write("a", "before")
    mount = mount_server(mounter, server, options="attr_timeout=0")
    fd = edit(mount, "a", b"OURS")
    server.write("a", "OURSre")
    wait_for_second(server, "a")
    os.close(fd)
    assert conflicts(mount) == []
    assert [path.name for path in server.root.iterdir()] == ["a"]


def test_saving_like_vim_again_and_again_is_no_conflict(mounter, server):
    server.write("a.py", "0")
    mount = mount_server(mounter, server)
    for number in range(1, 6):
        path = mount.path / "a.py"
        path.rename(mount.path / "a.py~")
        path.write_text(f"{number}")
        (mount.path / "a.py~").unlink()
        assert (server.root / "a.py").read_text() == f"{number}"
        # And in place, through one handle.
        with open(path, "r+b", buffering=0) as file:
            for text in b"x", b"y":
                file.seek(0)
                file.write(text)
                os.fsync(file.fileno())
        assert (server.root / "a.py").read_text() == "y"
    assert conflicts(mount) == []
    assert list(server.root.glob("*.conflict-*")) == []
