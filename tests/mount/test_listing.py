"""Names and attributes: what is listed, what it costs, which names work."""

import errno
import os
import stat
import subprocess
import time

import pytest

import harness
from conftest import mount_server
from harness import watch_for
from way import VIA

ODD_NAMES = [
    "with space", " lead", "trail ", "100%", "%41", "#hash", "what?", "a&b=c",
    "it's", 'say "hi"', "new\nline", "tab\there", "back\\slash", "semi;colon",
    "star*", "plus+", "a:b", "<tag>", "$HOME", "caf\u00e9", "cafe\u0301",
    "\u65e5\u672c\u8a9e", "\U0001f480", "checkpoints", "trust", "files",
    "-rf", "\x01", "n" * 200, "contents.ipynb", "\u2028",
]
if VIA == "proxy":
    # See test_names_of_api_routes_are_refused_through_the_proxy.
    ODD_NAMES = [name for name in ODD_NAMES
                 if name not in ("checkpoints", "trust")]


def ident(name):
    """A short, printable name of a parameter."""
    return ascii(name)[1:25]


def test_listing_shows_what_the_server_has(server, tree):
    server.write("a.txt", "one")
    server.write("sub/b.txt", "two")
    assert sorted(os.listdir(tree)) == [".run", "a.txt", "sub"] \
        or sorted(os.listdir(tree)) == ["a.txt", "sub"]
    assert os.listdir(tree / "sub") == ["b.txt"]


def test_attributes_are_the_servers(server, tree):
    path = server.write("a.txt", "12345")
    (server.root / "sub").mkdir()
    seen = os.stat(tree / "a.txt")
    assert seen.st_size == 5
    assert stat.S_ISREG(seen.st_mode)
    assert seen.st_mode & 0o777 == 0o644
    assert abs(seen.st_mtime - path.stat().st_mtime) < 0.001
    assert (seen.st_uid, seen.st_gid) == (os.geteuid(), os.getegid())
    for directory in (tree, tree / "sub"):
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o755


def test_missing_name_is_enoent(tree):
    with pytest.raises(FileNotFoundError):
        os.stat(tree / "none")
    with pytest.raises(FileNotFoundError):
        os.listdir(tree / "none")


def test_name_below_a_file_is_enotdir(server, tree):
    server.write("a.txt", "one")
    with pytest.raises(NotADirectoryError):
        os.stat(tree / "a.txt" / "b")


@pytest.mark.options("attr_timeout=120")
def test_ls_costs_one_request_a_directory_and_none_again(server, mount):
    for d in range(100):
        for f in range(10):
            server.write(f"d{d:03}/f{f}.txt", "x")
    with mount.counting() as first:
        seen = subprocess.run(["ls", "-lR", mount.path], check=True,
                              capture_output=True, text=True).stdout
    assert seen.count(".txt") == 1000
    assert first[0] <= 102
    with mount.counting() as again:
        subprocess.run(["ls", "-lR", mount.path], check=True,
                       capture_output=True)
    assert again[0] == 0


def test_grep_costs_one_request_a_file_and_directory(server, mount):
    for d in range(30):
        for f in range(10):
            server.write(f"tree/d{d:03}/f{f}.txt", f"needle {d} {f}\n")
    command = ["grep", "-r", "needle", "tree"]
    began = time.monotonic()
    os.stat(mount.path / "tree")
    for limit in (31 + 300, 1 + 31):
        with mount.counting() as counted:
            found = subprocess.run(command, check=True, cwd=mount.path,
                                   capture_output=True, text=True).stdout
        seconds = int(time.monotonic() - began)
        assert len(found.splitlines()) == 300
        # What was listed more than a second ago is asked for again (S1.2): a
        # machine that is slow meets that in the midst of the walk, in each
        # directory at most once a second.
        assert counted[0] <= limit + 31 * seconds
        began = time.monotonic()


def test_idle_mount_sends_nothing(server, mount):
    server.write("a.txt", "one")
    os.listdir(mount.path)
    with mount.counting() as idle:
        watch_for(4)
    assert idle[0] == 0


def test_directory_of_a_thousand_entries(server, tree):
    names = {f"file{n:04}" for n in range(1000)}
    for name in names:
        server.write(f"big/{name}", name)
    assert set(os.listdir(tree / "big")) == names
    assert {e.stat().st_size for e in os.scandir(tree / "big")} == {8}
    assert (tree / "big" / "file0999").read_text() == "file0999"


@pytest.mark.parametrize("name", ODD_NAMES, ids=ident)
def test_odd_name_of_a_file(server, tree, name):
    content = name.encode()
    (tree / name).write_bytes(content)
    assert (server.root / name).read_bytes() == content
    assert name in os.listdir(tree)
    assert (tree / name).read_bytes() == content
    os.rename(tree / name, tree / "plain")
    assert (server.root / "plain").read_bytes() == content
    os.rename(tree / "plain", tree / name)
    assert (server.root / name).read_bytes() == content
    os.unlink(tree / name)
    assert not (server.root / name).exists()
    assert name not in os.listdir(tree)


@pytest.mark.parametrize("name", ODD_NAMES, ids=ident)
def test_odd_name_of_a_directory(server, tree, name):
    os.mkdir(tree / name)
    assert (server.root / name).is_dir()
    (tree / name / "ck1").write_text("in")
    assert (server.root / name / "ck1").read_text() == "in"
    assert os.listdir(tree / name) == ["ck1"]
    assert (tree / name / "ck1").read_text() == "in"
    os.unlink(tree / name / "ck1")
    os.rmdir(tree / name)
    assert not (server.root / name).exists()


@pytest.mark.parametrize("name", ODD_NAMES, ids=ident)
def test_odd_name_made_on_the_server(server, tree, name):
    server.write(name, "there")
    assert name in os.listdir(tree)
    assert (tree / name).read_text() == "there"


def test_name_that_is_not_utf8_is_eilseq(tree):
    name = os.fsencode(tree) + b"/caf\xe9"
    with pytest.raises(OSError) as caught:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    assert caught.value.errno == errno.EILSEQ
    with pytest.raises(OSError) as caught:
        os.mkdir(name)
    assert caught.value.errno == errno.EILSEQ


def test_one_bad_name_on_the_server_does_not_hide_the_others(server, tree):
    server.write("good.txt", "one")
    with open(os.fsencode(server.root) + b"/caf\xe9", "w") as bad:
        bad.write("x")
    try:
        assert "good.txt" in os.listdir(tree)
        assert (tree / "good.txt").read_text() == "one"
    finally:
        os.unlink(os.fsencode(server.root) + b"/caf\xe9")


def test_too_long_a_name_is_enametoolong(tree):
    with pytest.raises(OSError) as caught:
        (tree / ("n" * 256)).write_text("x")
    assert caught.value.errno == errno.ENAMETOOLONG


def test_names_that_listings_hide_can_be_used(server, tree):
    names = ("module.pyc", "module.pyo", "__pycache__")
    for name in names:
        server.write(name, name)
    for name in names:
        assert (tree / name).read_text() == name


def test_dot_names_work_where_the_server_allows_them(mounter, generation):
    allowing = harness.Server(
        generation, ["--ContentsManager.allow_hidden=True"]).start()
    try:
        allowing.write(".git/config", "there")
        mount = mount_server(mounter, allowing)
        assert ".git" in os.listdir(mount.path)
        assert (mount.path / ".git" / "config").read_text() == "there"
        (mount.path / ".new").write_text("new")
        assert (allowing.root / ".new").read_text() == "new"
        assert ".new" in os.listdir(mount.path)
        os.rename(mount.path / ".new", mount.path / ".git" / "moved")
        os.unlink(mount.path / ".git" / "moved")
        assert not (allowing.root / ".git" / "moved").exists()
        assert mount.unmount().returncode == 0
    finally:
        allowing.stop()


def test_statfs_answers(tree):
    seen = os.statvfs(tree)
    assert seen.f_namemax >= 200
    subprocess.run(["df", tree], check=True, capture_output=True)


def test_a_change_on_the_server_shows_after_the_attribute_time(
        mounter, server):
    mount = mounter(server.url, options="attr_timeout=0",
                    env={"PYCLOUD_TOKEN": server.token}).start()
    server.write("a.txt", "one")
    assert os.stat(mount.path / "a.txt").st_size == 3
    server.write("a.txt", "three")
    assert os.stat(mount.path / "a.txt").st_size == 5
    assert (mount.path / "a.txt").read_text() == "three"
    server.write("new.txt", "x")
    assert "new.txt" in os.listdir(mount.path)
