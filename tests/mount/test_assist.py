"""The helper beside the files (assist=on): what it adds, and that nothing
depends on it.  PYCLOUD_ASSIST=on gives it to all the other tests."""

import os

import pytest

from conftest import mount_server
from harness import wait_until, watch_for

pytestmark = pytest.mark.options("assist=on")
MIB = 1 << 20


def assisted(mounter, server, options="assist=on"):
    """A mount whose helper has proved itself, and tells of changes."""
    mount = mount_server(mounter, server, options=options)
    wait_until(lambda: mount.status()["assist"] == "on", "the helper")
    wait_until(lambda: mount.status()["push"] == "live", "its word")
    return mount


def watched(mount, directory):
    """List it, and the root, until the changes of both are told."""
    def are_watched():
        os.listdir(mount.path)
        os.listdir(mount.path / directory)
        return int(mount.status()["watched"]) >= 2

    wait_until(are_watched, f"{directory} is watched")


def test_it_is_off_unless_asked_for(mounter, server):
    mount = mount_server(mounter, server, options="assist=off")
    assert mount.status()["assist"] == "off"
    assert server.api("kernels") == []


def test_a_change_in_the_pod_is_seen_without_a_request(mounter, own_server):
    own_server.write("d/a", "one")
    mount = assisted(mounter, own_server)
    watched(mount, "d")
    file = mount.path / "d" / "a"
    assert file.stat().st_size == 3
    before = mount.requests()
    own_server.write("d/a", "three")
    wait_until(lambda: file.stat().st_size == 5, "the new size")
    own_server.write("d/b", "new")
    wait_until(lambda: sorted(os.listdir(file.parent)) == ["a", "b"],
               "the new name")
    (own_server.root / "d" / "a").unlink()
    wait_until(lambda: not file.exists(), "the end of the old one")
    assert mount.requests() == before


def test_what_is_watched_costs_no_request_at_any_age(mounter, own_server):
    for name in "abc":
        own_server.write(f"d/{name}", name)
    mount = assisted(mounter, own_server, "assist=on,attr_timeout=1")
    watched(mount, "d")
    before = mount.requests()
    watch_for(2.5)  # older than what is believed otherwise
    assert sorted(os.listdir(mount.path / "d")) == ["a", "b", "c"]
    for name in "abc":
        assert (mount.path / "d" / name).stat().st_size == 1
    assert not (mount.path / "d" / "x").exists()
    assert mount.requests() == before


def test_another_tree_is_not_believed(mounter, make_server, scratch):
    """The contents API shows another directory than the kernels see."""
    other = scratch / "other"
    other.mkdir()
    (other / "there").write_text("1")
    server = make_server([f"--FileContentsManager.root_dir={other}"])
    mount = mount_server(mounter, server)
    wait_until(lambda: mount.status()["assist"].startswith("off"), "its no")
    assert "another tree" in mount.status()["assist"]
    assert os.listdir(mount.path) == [".run", "there"]
    (mount.path / "here").write_text("2")
    assert (other / "here").read_text() == "2"
    assert not (server.root / "here").exists()


def test_some_bytes_of_a_large_file_are_all_that_travels(mounter, own_server):
    data = os.urandom(MIB) * 64
    own_server.write("big", data)
    mount = assisted(mounter, own_server)
    sent = int(mount.status()["bytes_out"])
    with open(mount.path / "big", "rb+", 0) as file:
        file.seek(40 * MIB + 77)
        file.write(b"x" * 100)
    assert int(mount.status()["bytes_out"]) - sent < MIB
    wanted = bytearray(data)
    wanted[40 * MIB + 77:40 * MIB + 177] = b"x" * 100
    assert (own_server.root / "big").read_bytes() == wanted
    assert (mount.path / "big").read_bytes() == wanted


def test_a_save_keeps_what_the_pod_knows_of_the_file(mounter, own_server):
    path = own_server.write("tool", "old", mode=0o750)
    mount = assisted(mounter, own_server)
    (mount.path / "tool").write_text("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o750


def test_a_helper_that_is_gone_is_missed_by_nobody(mounter, own_server):
    own_server.write("d/a", "one")
    mount = assisted(mounter, own_server)
    watched(mount, "d")
    for kernel in own_server.api("kernels"):
        own_server.api(f"kernels/{kernel['id']}", "DELETE")
    own_server.write("d/a", "three")
    (mount.path / "d" / "b").write_text("two")
    assert (own_server.root / "d" / "b").read_text() == "two"
    wait_until(lambda: (mount.path / "d" / "a").stat().st_size == 5,
               "the new size")


def test_unmounting_ends_its_kernel(mounter, own_server):
    mount = assisted(mounter, own_server)
    assert len(own_server.api("kernels")) == 1
    mount.finish()
    assert own_server.api("kernels") == []
