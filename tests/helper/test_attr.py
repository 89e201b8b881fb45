"""Modes and times that the client sets: of what it names, and of nothing that
it leads to."""
import importlib
import os
import stat

import pytest

from test_save import entry, only, save, told, version

helper_attr = importlib.import_module("helper_attr")
helper_place = importlib.import_module("helper_place")
helper_save = importlib.import_module("helper_save")
helper_temporary = importlib.import_module("helper_temporary")

MTIME = [981173106, 123456789]
NS = MTIME[0] * 10 ** 9 + MTIME[1]


@pytest.fixture
def f(root):
    (root / "f").write_bytes(b"old")
    return root / "f"


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_a_mode_and_a_time_are_set_at_once(client, f):
    accessed = os.stat(f).st_atime_ns
    reply = client.call("setattr", path="f", mode=0o4751, mtime=MTIME)
    assert entry(reply) == told(client, "f")
    assert mode(f) == 0o4751
    assert os.stat(f).st_mtime_ns == NS
    assert os.stat(f).st_atime_ns == accessed
    assert reply["attr"][0] == 0o4751
    assert reply["mtime_us"] * 1000 + reply["attr"][4] == NS


def test_what_is_not_named_stays(client, f):
    before = os.stat(f)
    assert entry(client.call("setattr", path="f", mode=0o600))
    assert os.stat(f).st_mtime_ns == before.st_mtime_ns
    assert entry(client.call("setattr", path="f", mtime=[5, 0], mode=None))
    assert mode(f) == 0o600 and os.stat(f).st_mtime_ns == 5 * 10 ** 9


def test_directories_have_them_too(client, root):
    (root / "d").mkdir()
    reply = client.call("setattr", path="d", mode=0o2700, mtime=MTIME)
    assert reply["kind"] == "d" and entry(reply) == told(client, "d")
    assert mode(root / "d") == 0o2700
    assert os.stat(root / "d").st_mtime_ns == NS


def test_the_root_has_a_mode(client, root):
    assert client.call("setattr", path="", mode=0o750)["error"] == ""
    assert mode(root) == 0o750


def test_another_version_is_left_alone(client, f):
    before = version(f)
    f.write_bytes(b"newer")
    then = os.stat(f)
    reply = client.call("setattr", path="f", mode=0o600, mtime=MTIME,
                        base=before)
    assert reply["error"] == "ESTALE"
    assert reply["now"] == told(client, "f")
    assert (mode(f), os.stat(f).st_mtime_ns) == (
        stat.S_IMODE(then.st_mode), then.st_mtime_ns)
    reply = client.call("setattr", path="f", mode=0o600, mtime=MTIME,
                        base=version(f))
    assert entry(reply)[5][0] == 0o600


def test_a_directorys_version_is_its_time(client, root):
    (root / "d").mkdir()
    now = version(root / "d")[1]
    assert client.call("setattr", path="d", mode=0o700,
                       base=[None, now - 1])["error"] == "ESTALE"
    assert entry(client.call("setattr", path="d", mode=0o700,
                             base=[None, now]))


def test_no_link_is_followed(client, root, f):
    (root / "link").symlink_to("f")
    (root / "d").mkdir()
    (root / "d" / "inner").write_text("x")
    (root / "way").symlink_to("d")
    before = os.stat(f), os.stat(root / "d" / "inner")
    for path in "link", "way/inner":
        reply = client.call("setattr", path=path, mode=0o777, mtime=MTIME)
        assert reply["error"] == "ENOTSUP", path
    assert (os.stat(f), os.stat(root / "d" / "inner")) == before


def test_what_is_neither_file_nor_directory_is_left_alone(client, root):
    os.mkfifo(root / "fifo", 0o600)
    reply = client.call("setattr", path="fifo", mode=0o666)
    assert reply["error"] == "ENOTSUP" and mode(root / "fifo") == 0o600


@pytest.mark.parametrize("path", ["../f", "/f", "d//f", "."])
def test_a_path_that_leads_out_is_none(client, path):
    assert client.call("setattr", path=path, mode=0o600)["error"] == "EINVAL"


@pytest.mark.parametrize("wish", [
    {"mode": 0o10000}, {"mode": -1}, {"mode": "0644"}, {"mtime": 5},
    {"mtime": [1, 10 ** 9]}, {"mtime": [1, -1]}, {"mtime": [1]}])
def test_what_is_no_wish_is_refused(client, f, wish):
    before = os.stat(f)
    assert client.call("setattr", path="f", **wish)["error"] == "EINVAL"
    assert os.stat(f) == before


@pytest.mark.parametrize("seconds", [-10 ** 12, 10 ** 11, 1 << 53])
def test_times_that_cannot_be_told_are_not_for_us(client, f, seconds):
    before = os.stat(f)
    reply = client.call("setattr", path="f", mode=0o600, mtime=[seconds, 0])
    assert reply["error"] == "ENOTSUP"
    assert os.stat(f) == before


def test_a_time_before_the_epoch(client, f):
    assert entry(client.call("setattr", path="f", mtime=[-5, 7]))
    assert os.stat(f).st_mtime_ns == -5 * 10 ** 9 + 7


def test_nothing_there(client):
    assert client.call("setattr", path="no", mode=0o600)["error"] == "ENOENT"


def test_what_the_owner_may_not_read_can_be_set(client, root, f):
    f.chmod(0)
    assert entry(client.call("setattr", path="f", mtime=MTIME))
    (root / "d").mkdir(mode=0)
    reply = client.call("setattr", path="d", mode=0o000)
    assert reply["error"] == "" and reply["kind"] == "d"


# --- along with a save -------------------------------------------------------

def save_with(client, path, data, **wish):
    return client.call("save", data, path=path, size=len(data), base=None,
                       condition="any", file=None, ranges=None, sync=True,
                       within_ms=20000, **wish)


@pytest.mark.parametrize("flag", ["unnamed", "hidden"])
def test_a_new_file_has_what_it_should(client, root, monkeypatch, flag):
    if flag == "hidden":
        monkeypatch.setattr(helper_temporary.os, "O_TMPFILE", os.O_DIRECTORY)
    reply = save_with(client, "new", b"x", mode=0o751, mtime=MTIME)
    assert entry(reply) == told(client, "new")
    assert mode(root / "new") == 0o751
    assert os.stat(root / "new").st_mtime_ns == NS
    assert only(root, "new")


@pytest.mark.parametrize("names", [1, 2])
def test_a_replaced_file_too_and_one_that_is_written_in_place(
        client, root, f, names):
    if names == 2:
        os.link(f, root / "g")
    reply = save_with(client, "f", b"bytes", mode=0o640, mtime=MTIME)
    assert entry(reply) == told(client, "f")
    assert (mode(f), os.stat(f).st_mtime_ns) == (0o640, NS)
    assert f.read_bytes() == b"bytes"


def test_two_versions_are_never_the_same(client, f):
    os.utime(f, ns=(NS, NS))
    before = version(f)
    entry(save_with(client, "f", b"bad", mtime=MTIME))
    assert version(f) != before and f.read_bytes() == b"bad"


def test_the_bytes_are_saved_whatever_becomes_of_the_wish(
        client, f, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "not the owner")
    monkeypatch.setattr(helper_attr.os, "utime", refuse)
    reply = save_with(client, "f", b"bytes", mode=0o640, mtime=MTIME)
    assert entry(reply) == told(client, "f")
    assert f.read_bytes() == b"bytes" and reply["mtime_us"] != NS // 1000


def test_a_page_of_it(client, f):
    f.write_bytes(bytes(5000))
    reply = client.call("save", b"x", path="f", size=5000, base=version(f),
                        condition="version", file=None, ranges=[[7, 1]],
                        sync=False, within_ms=20000, mode=0o700, mtime=MTIME)
    assert entry(reply) == told(client, "f")
    assert (mode(f), os.stat(f).st_mtime_ns) == (0o700, NS)


@pytest.mark.parametrize("has_ranges", [False, True])
def test_who_had_it_open_may_save_what_is_read_only_now(
        client, f, monkeypatch, has_ranges):
    f.chmod(0o444)
    monkeypatch.setattr(helper_save.os, "access", lambda *_, **__: False)
    assert save(client, "f", b"new")["error"] == "EACCES"
    if has_ranges:
        reply = client.call("save", b"x", path="f", size=3, base=version(f),
                            condition="version", file=None, owner=True,
                            ranges=[[0, 1]], sync=False, within_ms=20000)
    else:
        reply = save_with(client, "f", b"xld", owner=True)
    assert reply["error"] == ""
    assert f.read_bytes() == b"xld" and mode(f) == 0o444
    f.chmod(0o644)  # it is something else that keeps us from writing
    assert save_with(client, "f", b"no", owner=True)["error"] == "EACCES"
