"""Modes and times with the helper (assist=on): they are real over there, other
mounts see them, and what copies and unpacks pays nothing for them."""

import os
import shutil
import stat
import subprocess

import pytest

from conftest import mount_server
from harness import wait_until
from test_assist import assisted, watched

pytestmark = pytest.mark.options("assist=on")
LONG_AGO = 981173106123456789
# One that the contents API knows to the microsecond.
ROUND = 981173106123456000


def run(directory, *words):
    done = subprocess.run(words, cwd=directory, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def need(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def looks(root, exact=True):
    """{path: (mode, mtime)} of everything below."""
    found = {}
    for directory, _, files in os.walk(root):
        for name in [directory, *(os.path.join(directory, f) for f in files)]:
            st = os.lstat(name)
            found[os.path.relpath(name, root)] = (
                stat.S_IMODE(st.st_mode),
                st.st_mtime_ns if exact else st.st_mtime_ns // 1000)
    found.pop(".")
    return found


def make_source(root):
    """A tree with modes and times of its own."""
    root.mkdir()
    for d in "one", "two/three":
        (root / d).mkdir(parents=True)
        for number, mode in enumerate((0o644, 0o755, 0o600, 0o444)):
            file = root / d / f"f{number}"
            file.write_text(f"{d} {number}")
            file.chmod(mode)
            os.utime(file, ns=(LONG_AGO + number, LONG_AGO + number))
    (root / "one").chmod(0o750)
    for d in "one", "two/three", "two":
        os.utime(root / d, ns=(LONG_AGO, LONG_AGO))
    return root


def test_chmod_and_touch_are_seen_in_the_pod(mounter, own_server):
    tool = own_server.write("d/tool", "#!/bin/sh\n")
    mount = assisted(mounter, own_server)
    watched(mount, "d")
    run(mount.path, "chmod", "+x", "d/tool")
    assert stat.S_IMODE(tool.stat().st_mode) == 0o755
    run(mount.path, "touch", "-d", "2001-02-03T04:05:06.123456789Z", "d/tool")
    assert tool.stat().st_mtime_ns == LONG_AGO
    assert (mount.path / "d" / "tool").stat().st_mtime_ns == LONG_AGO
    run(mount.path, "chmod", "700", "d")
    assert stat.S_IMODE((own_server.root / "d").stat().st_mode) == 0o700
    assert mount.status()["attributes"] == "0 kept here"


def test_modes_of_the_pod_are_shown(mounter, own_server):
    own_server.write("d/tool", "#!/bin/sh\n", mode=0o755)
    own_server.write("d/secret", "x", mode=0o600)
    mount = assisted(mounter, own_server)
    assert stat.S_IMODE((mount.path / "d" / "tool").stat().st_mode) == 0o755
    watched(mount, "d")
    assert stat.S_IMODE((mount.path / "d" / "secret").stat().st_mode) == 0o600
    (own_server.root / "d" / "secret").chmod(0o640)
    wait_until(lambda: (mount.path / "d" / "secret").stat().st_mode & 0o777
               == 0o640, "the new mode")


def test_an_open_file_keeps_its_bytes_and_its_writer(mounter, own_server):
    own_server.write("a", "bytes")
    mount = assisted(mounter, own_server)
    with open(mount.path / "a", "r+b", 0) as file:
        assert file.read() == b"bytes"
        os.utime(mount.path / "a", ns=(LONG_AGO, LONG_AGO))
        with open(mount.path / "a", "rb", 0) as other:
            assert other.read() == b"bytes"
        file.seek(0)
        assert file.read() == b"bytes"
        file.seek(0)
        file.write(b"BY")
    assert (own_server.root / "a").read_text() == "BYtes"
    assert mount.status()["conflicts"] == "0"


def test_cp_a_is_the_same_over_there_and_moves_nothing_twice(
        mounter, own_server, scratch):
    source = make_source(scratch / "source")
    mount = assisted(mounter, own_server)
    run(mount.path, "cp", "-a", str(source), "copy")
    assert looks(own_server.root / "copy") == looks(source)
    assert looks(mount.path / "copy") == looks(source)
    sent = int(mount.status()["bytes_out"])
    run(mount.path, "cp", "-au", f"{source}/.", "copy/")
    assert looks(own_server.root / "copy") == looks(source)
    assert int(mount.status()["bytes_out"]) - sent < 20000


def test_rsync_moves_nothing_the_second_time(mounter, own_server, scratch):
    need("rsync")
    source = make_source(scratch / "source")
    mount = assisted(mounter, own_server)
    run(mount.path, "rsync", "-a", f"{source}/", "copy/")
    assert looks(own_server.root / "copy") == looks(source)
    assert run(mount.path, "rsync", "-a", "-i", f"{source}/", "copy/") == ""
    # To who looks without us, too.
    assert run(own_server.root, "rsync", "-a", "-i", f"{source}/", "copy/") \
        == ""


def test_tar_pays_nothing_for_modes_and_times(mounter, own_server, scratch):
    source = make_source(scratch / "source")
    run(source, "tar", "--format=posix", "-cf", str(scratch / "x.tar"), ".")
    mount = assisted(mounter, own_server)
    (mount.path / "x").mkdir()
    watched(mount, "x")
    before = mount.requests()
    run(mount.path / "x", "tar", "xf", str(scratch / "x.tar"))
    assert mount.requests() - before <= 12  # three directories, and looks
    assert looks(own_server.root / "x") == looks(source)
    assert looks(mount.path / "x") == looks(source)


def test_git_checks_out_what_can_be_executed(mounter, own_server, scratch):
    need("git")
    origin = scratch / "origin"
    origin.mkdir()
    (origin / "tool").write_text("#!/bin/sh\necho works\n")
    (origin / "tool").chmod(0o755)
    (origin / "text").write_text("text\n")
    run(origin, "git", "init", "-q", "-b", "main")
    run(origin, "git", "add", ".")
    run(origin, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit",
        "-qm", "first")
    mount = assisted(mounter, own_server)
    run(mount.path, "git", "clone", "-q", str(origin), "clone")
    clone = own_server.root / "clone"
    assert stat.S_IMODE((clone / "tool").stat().st_mode) & 0o111
    assert not stat.S_IMODE((clone / "text").stat().st_mode) & 0o111
    assert run(clone, "./tool") == "works\n"
    assert run(mount.path / "clone", "git", "status", "--porcelain") == ""


def test_the_next_mount_shows_the_same(mounter, own_server, scratch):
    source = make_source(scratch / "source")
    mount = assisted(mounter, own_server)
    run(mount.path, "cp", "-a", str(source), "copy")
    mount.finish()
    again = mount_server(mounter, own_server, options="assist=off")
    assert looks(again.path / "copy") == looks(source)
    again.finish()
    # Where nobody remembers, the helper tells.
    for name in os.listdir(scratch):
        if name.startswith("state"):
            shutil.rmtree(scratch / name)
    third = assisted(mounter, own_server)
    watched(third, "copy")
    wait_until(lambda: looks(third.path / "copy") == looks(source),
               "what the helper tells")


def test_what_earlier_mounts_remembered_is_carried_over(
        mounter, own_server, scratch):
    for name in "ab":
        own_server.write(name, name)
    first = mount_server(mounter, own_server, options="assist=off")
    os.chmod(first.path / "a", 0o751)
    os.utime(first.path / "a", ns=(ROUND, ROUND))
    os.utime(first.path / "b", ns=(ROUND, ROUND))
    assert first.status()["attributes"] == "2 kept here"
    first.finish()
    own_server.write("b", "of somebody else")  # its time has ended
    second = assisted(mounter, own_server)
    wait_until(lambda: second.status()["attributes"] == "1 kept here",
               "what could be carried over")
    st = (own_server.root / "a").stat()
    assert (stat.S_IMODE(st.st_mode), st.st_mtime_ns) == (0o751, ROUND)
    assert (own_server.root / "b").stat().st_mtime_ns != ROUND
    assert (second.path / "a").stat().st_mtime_ns == ROUND


def test_a_helper_that_dies_loses_nothing(mounter, own_server):
    for name in "abcdef":
        own_server.write(name, name)
    mount = assisted(mounter, own_server)
    for number, name in enumerate("abcdef"):
        if number == 2:
            for kernel in own_server.api("kernels"):
                own_server.api(f"kernels/{kernel['id']}", "DELETE")
        os.chmod(mount.path / name, 0o700 + number)
        os.utime(mount.path / name, ns=(ROUND + number, ROUND + number))
        (mount.path / f"new-{name}").write_text(name)
        os.chmod(mount.path / f"new-{name}", 0o711)
    for number, name in enumerate("abcdef"):
        st = (mount.path / name).stat()
        assert (stat.S_IMODE(st.st_mode), st.st_mtime_ns) == (
            0o700 + number, ROUND + number)
        assert (mount.path / f"new-{name}").stat().st_mode & 0o777 == 0o711
        assert (own_server.root / f"new-{name}").read_text() == name
    assert mount.status()["conflicts"] == "0"
