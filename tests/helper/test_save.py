"""The helper's saves: all or nothing, and only over what the client knows."""
import importlib
import os
import random
import stat
import threading
import time

import pytest

from pod import DEADLINE, Client

helper_files = importlib.import_module("helper_files")
helper_place = importlib.import_module("helper_place")
helper_save = importlib.import_module("helper_save")
helper_temporary = importlib.import_module("helper_temporary")
helper_upload = importlib.import_module("helper_upload")

ENTRY = ("kind", "size", "mtime_us", "ctime_us", "writable", "attr")
MIB = 1 << 20


def save(client, path, data=None, condition="any", base=None, size=None,
         file=None, ranges=None, sync=False, call_id=None, within_ms=20000,
         **more):
    size = len(data) if size is None else size
    return client.call("save", *([] if data is None else [data]),
                       call_id=call_id, path=path, size=size,
                       condition=condition, base=base, file=file,
                       ranges=ranges, sync=sync, within_ms=within_ms, **more)


def entry(reply):
    assert reply["error"] == "", reply
    return [reply[k] for k in ENTRY]


def version(path):
    return helper_place.version(os.lstat(path))


def told(client, path):
    return entry(client.call("stat", path=path))


def only(root, *names):
    """Nothing was left behind."""
    return sorted(os.listdir(root)) == sorted(names)


@pytest.fixture(params=["unnamed", "hidden"])
def kind(request, monkeypatch):
    """Of temporary: not every file system can do without a name."""
    if request.param == "hidden":
        monkeypatch.setattr(helper_temporary.os, "O_TMPFILE", os.O_DIRECTORY)
    return request.param


@pytest.fixture
def f(root):
    (root / "f").write_bytes(b"old")
    return root / "f"


# --- conditions --------------------------------------------------------------

def test_a_new_file_has_the_kernels_mode(client, root, kind):
    mask = os.umask(0o027)
    try:
        reply = save(client, "f", b"new", "absent")
    finally:
        os.umask(mask)
    assert entry(reply) == told(client, "f")
    assert (root / "f").read_bytes() == b"new"
    assert stat.S_IMODE(os.stat(root / "f").st_mode) == 0o640
    assert only(root, "f")


@pytest.mark.parametrize("sync", [False, True])
def test_a_file_is_replaced(client, root, f, kind, sync):
    inode = os.stat(f).st_ino
    with open(f, "rb") as reader:
        reply = save(client, "f", b"newer", "version", version(f), sync=sync)
        assert reader.read() == b"old"  # who reads has all of one version
    assert entry(reply) == told(client, "f")
    assert (f.read_bytes(), os.stat(f).st_ino != inode) == (b"newer", True)
    assert only(root, "f")


def test_what_is_not_as_expected_is_not_replaced(client, root, f, kind):
    base = version(f)
    os.utime(f, ns=(0, 10**18))
    for condition, expected in (("version", base), ("absent", None)):
        reply = save(client, "f", b"new", condition, expected)
        assert (reply["error"], reply["now"]) == ("ESTALE", told(client, "f"))
    assert f.read_bytes() == b"old"
    f.unlink()
    reply = save(client, "f", b"new", "version", base)
    assert (reply["error"], reply["now"]) == ("ESTALE", None)
    assert only(root)


@pytest.mark.parametrize("condition", ["absent", "version"])
def test_the_last_look_is_the_one_that_counts(client, root, f, condition,
                                              monkeypatch, kind):
    """Somebody else writes while the new file is being put together."""
    base = version(f) if condition == "version" else None
    if base is None:
        f.unlink()
    fill = helper_save.Saves._fill

    def interrupted(self, *args):
        fill(self, *args)
        f.write_bytes(b"theirs")
    monkeypatch.setattr(helper_save.Saves, "_fill", interrupted)
    reply = save(client, "f", b"ours", condition, base)
    assert (reply["error"], reply["now"]) == ("ESTALE", told(client, "f"))
    assert f.read_bytes() == b"theirs"
    assert only(root, "f")


def test_a_new_file_is_never_put_over_another(client, root, kind,
                                              monkeypatch):
    """One that comes even after the last look."""
    become = helper_temporary.Temporary.become

    def late(self, directory, name):
        (root / "f").write_bytes(b"theirs")
        become(self, directory, name)
    monkeypatch.setattr(helper_temporary.Temporary, "become", late)
    assert save(client, "f", b"ours", "absent")["error"] == "ESTALE"
    assert (root / "f").read_bytes() == b"theirs"
    assert only(root, "f")


def test_one_of_many_wins(client, root, f):
    """Everybody saves over the same version."""
    base = version(f)
    for number in range(40):
        client.post("save", b"%04d" % number, id="s%d" % number, path="f",
                    size=4, condition="version", base=base, file=None,
                    ranges=None, sync=False, within_ms=20000)
    replies = [client.wait(lambda d, n=n: d.get("reply") == "s%d" % n)
               for n in range(40)]
    won = [n for n, r in enumerate(replies) if r["error"] == ""]
    assert len(won) == 1 and f.read_bytes() == b"%04d" % won[0]
    assert {r["error"] for r in replies} == {"", "ESTALE"}
    assert only(root, "f")


def test_a_version_is_another_one_each_time(client, f):
    """Even faster than the clock of files ticks."""
    seen = [version(f)]
    for number in range(50):
        seen.append(entry(save(client, "f", b"%03d" % number, "version",
                               seen[-1]))[1:3])
        assert seen[-1] == version(f)
    assert len({tuple(v) for v in seen}) == len(seen)


def test_a_repeated_save_gets_its_first_answer(client, f):
    base = version(f)
    first = save(client, "f", b"new", "version", base, call_id=5)
    assert save(client, "f", b"new", "version", base, call_id=5) == first
    assert first["error"] == "" and f.read_bytes() == b"new"


@pytest.mark.parametrize("path, more, name", [
    ("d", {}, "EISDIR"), ("", {}, "EISDIR"), ("no/f", {}, "ENOENT"),
    ("f/g", {}, "ENOTDIR"), ("d/../f", {}, "EINVAL"), ("fifo", {}, "ENOTSUP"),
    ("f", {"size": 4}, "EINVAL"), ("f", {"condition": "maybe"}, "EINVAL"),
    ("f", {"condition": "version"}, "EINVAL"),
    ("f", {"ranges": [[0, 3]]}, "EINVAL"),
    ("f", {"condition": "version", "base": [3, 0],
           "ranges": [[1, 1], [0, 1]]}, "EINVAL"),
    ("f", {"condition": "version", "base": [3, 0], "ranges": [[2, 3]]},
     "EINVAL"),
    ("f", {"file": "ab"}, "EAGAIN"),
])
def test_what_cannot_be_saved(client, root, f, path, more, name):
    (root / "d").mkdir()
    os.mkfifo(root / "fifo")
    assert save(client, path, b"new", **more)["error"] == name
    assert f.read_bytes() == b"old" and only(root, "d", "f", "fifo")


# --- what nobody waits for any more ------------------------------------------

class Clock:
    """Of the saves."""

    def __init__(self):
        self.late = 0.0

    def monotonic(self):
        return time.monotonic() + self.late

    sleep = staticmethod(time.sleep)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(helper_save, "time", made)
    return made


def held_in_fsync(monkeypatch, happens):
    """That happens while the new file is brought to the disk."""
    fsync, todo = os.fsync, [happens]

    def slow(fd):
        if todo:
            todo.pop()()
        fsync(fd)
    monkeypatch.setattr(helper_save.os, "fsync", slow)


@pytest.mark.parametrize("is_there", [True, False])
def test_what_is_newer_is_not_replaced_by_any_save(
        client, helper, root, is_there, monkeypatch, kind):
    """One that was given up goes on; what its client saved since stays."""
    if is_there:
        (root / "f").write_bytes(b"old")
    call = dict(path="f", size=5, condition="any", base=None, file=None,
                ranges=None, sync=False, within_ms=20000,
                received=time.monotonic())
    held_in_fsync(monkeypatch,
                  lambda: helper.files.saves.save(call, b"newer"))
    reply = save(client, "f", b"older", sync=True)
    assert (reply["error"], reply["now"]) == ("ESTALE", told(client, "f"))
    assert (root / "f").read_bytes() == b"newer" and only(root, "f")


def test_what_was_written_since_is_not_replaced_by_any_save(client, f,
                                                            monkeypatch):
    """By the server, which writes in place."""
    held_in_fsync(monkeypatch, lambda: f.write_bytes(b"newer"))
    assert save(client, "f", b"older", sync=True)["error"] == "ESTALE"
    assert f.read_bytes() == b"newer"


def test_a_save_that_took_too_long_changes_nothing(client, root, f, kind,
                                                   clock, monkeypatch):
    base = version(f)
    held_in_fsync(monkeypatch, lambda: setattr(clock, "late", 60.0))
    reply = save(client, "f", b"late", "version", base, sync=True)
    assert reply["error"] == "ECANCELED"
    assert f.read_bytes() == b"old" and only(root, "f")
    assert save(client, "g", b"late", "absent")["error"] == "ECANCELED"
    assert only(root, "f")
    clock.late = 0.0
    entry(save(client, "f", b"new", "version", base))


def test_nor_does_it_in_place(client, root, f, clock):
    os.link(f, root / "g")
    clock.late = 60.0
    base = version(f)
    assert save(client, "f", b"late")["error"] == "ECANCELED"
    assert save(client, "f", b"x", "version", base, 3,
                ranges=[[1, 1]])["error"] == "ECANCELED"
    assert f.read_bytes() == b"old" and version(f) == base


def test_a_save_that_was_long_on_its_way_changes_nothing(client, root, f):
    now = client.call("prove")["now_ms"]
    assert abs(now - time.monotonic() * 1000) < 20000
    base = version(f)
    reply = save(client, "f", b"late", "version", base, until_ms=now)
    assert reply["error"] == "ECANCELED" and f.read_bytes() == b"old"
    entry(save(client, "f", b"new", "version", base, until_ms=now + 60000))
    assert save(client, "f", b"late", within_ms=0,
                until_ms=now + 60000)["error"] == "ECANCELED"


def test_the_time_of_a_save_begins_when_it_comes_first(client, f, clock,
                                                       monkeypatch):
    """Not when it is asked for again."""
    entered, left = threading.Event(), threading.Event()
    fill = helper_save.Saves._fill

    def slow(self, *args):
        fill(self, *args)
        entered.set()
        left.wait()
    monkeypatch.setattr(helper_save.Saves, "_fill", slow)
    call = dict(id="s", path="f", size=4, condition="any", base=None,
                file=None, ranges=None, sync=False, within_ms=20000)
    client.post("save", b"late", **call)
    entered.wait()
    clock.late = 20.0
    client.post("save", b"late", **call)
    left.set()
    reply = client.wait(lambda d: d.get("reply") == "s")
    assert (reply["error"], f.read_bytes()) == ("ECANCELED", b"old")


# --- temporaries -------------------------------------------------------------

def test_what_a_killed_kernel_left_is_removed_and_not_shown(
        client, root, monkeypatch):
    monkeypatch.setattr(helper_temporary.os, "O_TMPFILE", os.O_DIRECTORY)
    left, recent = (".~pycloud-" + digit * 32 for digit in "0a")
    others = [".~pycloud-" + "0" * 31, left + "0", "x" + left]
    for name in (left, recent, *others):
        (root / name).write_bytes(b"left")
        if name != recent:
            os.utime(root / name, (10**9, 10**9))
    entry(save(client, "f", b"new", "absent"))
    assert only(root, "f", recent, *others)
    tree = client.call("list_tree", top="", after="", entries_max=99,
                       hidden=True, watch=False)["bytes"]
    assert others[0].encode() in tree and recent.encode() not in tree


# --- what is done is done ----------------------------------------------------

@pytest.mark.parametrize("number", ["EINVAL", "EACCES", "EIO"])
def test_a_directory_that_cannot_be_synced_fails_no_save(
        client, root, f, number, monkeypatch):
    fsync = os.fsync

    def refuse(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(getattr(helper_save.errno, number), "no")
        fsync(fd)
    monkeypatch.setattr(helper_save.os, "fsync", refuse)
    reply = save(client, "f", b"new", "version", version(f), sync=True)
    assert entry(reply) == told(client, "f")
    assert f.read_bytes() == b"new" and only(root, "f")


# --- like the old file -------------------------------------------------------

def test_mode_and_attributes_are_kept(client, root, f, kind):
    f.chmod(0o751)
    try:
        os.setxattr(f, "user.colour", b"red")
    except OSError:
        pytest.skip("no attributes here")
    assert save(client, "f", b"new")["error"] == ""
    assert stat.S_IMODE(os.stat(f).st_mode) == 0o751
    assert os.getxattr(f, "user.colour") == b"red"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another owner")
def test_the_owner_is_kept(client, f):
    os.chown(f, 12345, 54321)
    f.chmod(0o4755)
    assert save(client, "f", b"new")["error"] == ""
    st = os.stat(f)
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (
        12345, 54321, 0o4755)


def test_other_names_of_the_file_stay(client, root, f):
    os.link(f, root / "g")
    reply = save(client, "f", b"new", "version", version(f))
    assert entry(reply) == told(client, "f")
    assert (root / "g").read_bytes() == b"new" and os.path.samefile(
        f, root / "g")


def test_what_cannot_be_like_the_old_one_is_written_in_place(client, root, f,
                                                             monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "no")
    monkeypatch.setattr(helper_temporary.os, "fchmod", refuse)
    inode = os.stat(f).st_ino
    assert entry(save(client, "f", b"newer")) == told(client, "f")
    assert (f.read_bytes(), os.stat(f).st_ino) == (b"newer", inode)
    assert save(client, "f", b"s", "version", [9, 9])["error"] == "ESTALE"
    assert entry(save(client, "f", b"s", "version", version(f)))[1] == 1
    assert f.read_bytes() == b"s" and only(root, "f")


@pytest.mark.parametrize("number", ["EBUSY", "EACCES", "EXDEV"])
def test_what_cannot_be_renamed_over_is_written_in_place(
        client, root, f, kind, number, monkeypatch):
    """A file that is mounted there, for one."""
    def refuse(*_, **__):
        raise OSError(getattr(helper_save.errno, number), "no")
    monkeypatch.setattr(helper_temporary.os, "rename", refuse)
    assert entry(save(client, "f", b"newer")) == told(client, "f")
    assert f.read_bytes() == b"newer" and only(root, "f")


def test_who_writes_in_place_holds_up_only_the_same_file(
        client, helper, root, f, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    make_room = helper_save.make_room

    def slow(*args):
        begun.set()
        assert go_on.wait(DEADLINE)
        make_room(*args)
    monkeypatch.setattr(helper_save, "make_room", slow)
    (root / "large").write_bytes(b"large")
    os.link(root / "large", root / "also")
    base = version(root / "large")
    for name in ("large", "also"):
        client.post("save", b"x" * 9, id=name, path=name, size=9,
                    condition="version", base=base, file=None, ranges=None,
                    sync=False, within_ms=20000)
        assert begun.wait(DEADLINE)
    assert save(client, "f", b"new", "version", version(f))["error"] == ""
    assert save(client, "g", b"new", "absent")["error"] == ""
    assert not [d for d in client.seen if "reply" in d]
    go_on.set()
    replies = [client.wait(lambda d, n=n: d.get("reply") == n)["error"]
               for n in ("large", "also")]
    assert replies == ["", "ESTALE"]
    assert not helper.files.saves.locks.held


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_nothing_need_be_created_beside_it(client, root, f):
    root.chmod(0o555)
    try:
        assert entry(save(client, "f", b"newer"))[1] == 5
        assert save(client, "g", b"new")["error"] == "EACCES"
        f.chmod(0o444)
        assert save(client, "f", b"no")["error"] == "EACCES"
    finally:
        root.chmod(0o755)
    assert f.read_bytes() == b"newer"


def test_where_there_are_no_links_a_new_file_still_is_whole(
        client, root, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "no links")
    monkeypatch.setattr(helper_temporary.os, "O_TMPFILE", os.O_DIRECTORY)
    monkeypatch.setattr(helper_temporary.os, "link", refuse)
    assert entry(save(client, "f", b"new", "absent")) == told(client, "f")
    assert save(client, "f", b"newer", "absent")["error"] == "ESTALE"
    assert (root / "f").read_bytes() == b"new" and only(root, "f")


# --- links -------------------------------------------------------------------

def test_a_link_inside_the_workspace_is_written_through(client, root, f):
    (root / "d").mkdir()
    (root / "d" / "link").symlink_to("../f")
    (root / "d" / "absolute").symlink_to(f)
    (root / "d" / "chain").symlink_to("link")
    for name, text in (("link", b"1"), ("absolute", b"2"), ("chain", b"3")):
        path = "d/" + name
        reply = save(client, path, text, "version", version(root / path))
        assert entry(reply) == told(client, path)  # a link's, as listed
        assert f.read_bytes() == text and (root / path).is_symlink()
    (root / "new").symlink_to("d/made")
    assert save(client, "new", b"through", "absent")["error"] == "ESTALE"
    assert save(client, "new", b"through")["error"] == ""
    assert (root / "d" / "made").read_bytes() == b"through"


def test_a_link_elsewhere_is_not(client, root, f):
    outside = root.parent / "outside"
    outside.write_bytes(b"outside")
    (root / "d").mkdir()
    (root / "to-d").symlink_to("d")
    for text in ("../outside", str(outside), "to-d/x", "d/../f", "self",
                 "/etc/passwd"):
        (root / "self").symlink_to(text)
        reply = save(client, "self", b"new")
        assert reply["error"] == "ENOTSUP", text
        (root / "self").unlink()
    assert (outside.read_bytes(), f.read_bytes()) == (b"outside", b"old")
    assert save(client, "to-d/x", b"new")["error"] == "ENOTSUP"


def test_ranges_mean_nothing_to_a_link(client, root, f):
    (root / "link").symlink_to("f")
    reply = save(client, "link", b"x", "version", version(root / "link"),
                 size=1, ranges=[[0, 1]])
    assert reply["error"] == "ENOTSUP"


# --- ranges ------------------------------------------------------------------

@pytest.fixture(params=["buffer", "pieces"])
def give(request, client):
    """Saves with ranges, the bytes in the call or in pieces."""
    def save_ranges(path, data, ranges, size, base):
        if request.param == "buffer":
            return save(client, path, data, "version", base, size,
                        ranges=ranges)
        client.post("piece", data, file="ab", path=path, offset=0)
        return save(client, path, None, "version", base, size, "ab", ranges)
    save_ranges.kind = request.param
    return save_ranges


@pytest.mark.parametrize("old_size, size, ranges", [
    (10000, 10000, [[4096, 100]]), (10000, 10000, [[4100, 8], [4200, 9]]),
    (10000, 10000, [[4090, 12]]), (10000, 10000, [[0, 1], [9999, 1]]),
    (10000, 10100, [[10000, 100]]), (10000, 20000, [[10000, 10000]]),
    (10000, 5000, []), (10000, 5000, [[10, 20]]), (10000, 10000, []),
    (0, 10, [[0, 10]]), (10, 8300, [[0, 1], [8200, 100]]),
    (3 * MIB + 5, 3 * MIB + 9, [[7, 2 * MIB], [3 * MIB, 9]]),
])
def test_ranges_change_what_they_say(client, root, kind, give, old_size, size,
                                     ranges):
    dice = random.Random(old_size)
    expected = bytearray(dice.getrandbits(8) for _ in range(old_size))
    (root / "f").write_bytes(expected)
    expected = (expected + bytes(size))[:size]
    data = b""
    for start, length in ranges:
        piece = bytes(dice.getrandbits(8) for _ in range(length))
        expected[start:start + length] = piece
        data += piece
    base = version(root / "f")
    if not data and give.kind == "pieces":
        pytest.skip("there are no bytes to send")
    reply = give("f", data, ranges, size, base)
    assert entry(reply) == told(client, "f")
    assert (root / "f").read_bytes() == expected
    assert entry(reply)[1:3] != base and only(root, "f")
    assert give("f", data, ranges, size, base)["error"] == "ESTALE"


@pytest.mark.parametrize("ranges, is_same", [
    ([[4096, 100]], True), ([[4090, 12]], False), ([[8191, 1]], True),
])
def test_one_page_is_written_where_it_is(client, root, ranges, is_same):
    """And nobody sees half of it: by one write."""
    (root / "f").write_bytes(bytes(10000))
    inode = os.stat(root / "f").st_ino
    length = ranges[0][1]
    entry(save(client, "f", b"x" * length, "version", version(root / "f"),
               10000, ranges=ranges))
    assert (os.stat(root / "f").st_ino == inode) == is_same


# --- pieces ------------------------------------------------------------------

def test_a_file_comes_in_pieces(client, root, f, kind):
    data = os.urandom(3 * MIB + 17)
    for offset in range(0, len(data), MIB):
        client.post("piece", data[offset:offset + MIB], file="0af", path="f",
                    offset=offset)
    assert f.read_bytes() == b"old"
    reply = save(client, "f", None, "version", version(f), len(data), "0af")
    assert entry(reply) == told(client, "f")
    assert f.read_bytes() == data and only(root, "f")
    reply = save(client, "f", None, "any", None, len(data), "0af")
    assert reply["error"] == "EAGAIN"


def test_a_piece_that_is_missing_is_missed(client, root, f):
    for offset in (0, 8):
        client.post("piece", b"1234", file="1", path="f", offset=offset)
    assert save(client, "f", size=12, file="1")["error"] == "EAGAIN"
    client.post("piece", b"5678", file="1", path="f", offset=4)
    assert save(client, "f", size=11, file="1")["error"] == "EAGAIN"
    assert save(client, "f", size=12, file="1")["error"] == ""
    assert f.read_bytes() == b"123456781234"


def test_pieces_are_kept_until_a_save_went_well(client, root, f, kind):
    client.post("piece", b"new", file="1", path="f", offset=0)
    reply = save(client, "f", None, "version", [1, 1], 3, "1")
    assert reply["error"] == "ESTALE"
    assert save(client, "f", None, "any", None, 3, "1")["error"] == ""
    assert f.read_bytes() == b"new" and only(root, "f")


def test_a_save_waits_for_its_pieces(client, root, monkeypatch):
    """They are put by other threads; one of them is slow."""
    entered, left = threading.Event(), threading.Event()
    put = helper_upload.Uploads.put

    def slow(self, upload, call, data):
        if call["offset"] == 0:
            entered.set()
            left.wait()
        put(self, upload, call, data)
    monkeypatch.setattr(helper_upload.Uploads, "put", slow)
    client.post("piece", b"abc", file="1", path="f", offset=0)
    client.post("piece", b"def", file="1", path="f", offset=3)
    entered.wait()
    client.post("save", id="s", path="f", size=6, condition="absent",
                base=None, file="1", ranges=None, sync=False,
                within_ms=20000)
    assert client.call("stat", path="f")["error"] == "ENOENT"
    left.set()
    assert client.wait(lambda d: d.get("reply") == "s")["error"] == ""
    assert (root / "f").read_bytes() == b"abcdef"


def test_a_piece_is_answered_if_wanted(client, root):
    for offset, name in ((0, ""), (-1, "")):  # what is wrong: the save says
        reply = client.call("piece", b"abc", file="1", path="f",
                            offset=offset)
        assert reply["error"] == name
    assert save(client, "f", size=3, file="1")["error"] == "EINVAL"


def test_what_went_wrong_with_a_piece_is_told_by_the_save(client, root):
    client.post("piece", b"abc", file="1", path="no/f", offset=0)
    assert save(client, "no/f", size=3, file="1")["error"] == "ENOENT"
    client.post("piece", b"abc", file="2", path="f", offset=-1)
    assert save(client, "f", size=3, file="2")["error"] == "EINVAL"


def test_a_flood_of_pieces_is_put_by_who_brings_it(client, root, monkeypatch):
    monkeypatch.setattr(helper_files, "WAITING_BYTES", 4)
    put = helper_upload.Uploads.put
    done_by = set()

    def note(self, *args):
        done_by.add(threading.current_thread().name)
        put(self, *args)
    monkeypatch.setattr(helper_upload.Uploads, "put", note)
    client.post("piece", b"12345", file="1", path="f", offset=0)
    assert done_by == {threading.main_thread().name}
    client.post("piece", b"6789", file="1", path="f", offset=5)
    assert entry(save(client, "f", size=9, file="1"))[1] == 9
    assert "pycloud-files" in done_by


def test_unfinished_saves_are_few(client, helper, root, kind):
    for number in range(12):
        client.post("piece", b"abc", file="%x" % number, path="f", offset=0)
        # Each after the one before was put: who is on its way is not dropped.
        assert save(client, "f", size=4, file="%x" % number)["error"] == \
            "EAGAIN"
    assert list(helper.files.saves.uploads.found) == list("456789ab")
    assert len(os.listdir(root)) == (0 if kind == "unnamed" else 8)
    assert client.call("list_tree", top="", after="", entries_max=9,
                       hidden=True, watch=False)["bytes"] == b'[["",0,0,[]]]'


def test_unfinished_saves_do_not_get_old(client, helper, root, monkeypatch,
                                         kind):
    client.post("piece", b"abc", file="1", path="f", offset=0)
    assert save(client, "f", size=4, file="1")["error"] == "EAGAIN"
    assert helper.files.saves.uploads.reap()
    monkeypatch.setattr(helper_upload, "UPLOAD_SECONDS", 0.0)
    assert not helper.files.saves.uploads.reap()
    assert only(root)


def test_a_new_client_has_no_unfinished_saves(client, helper, root, kind):
    client.post("piece", b"abc", file="1", path="f", offset=0)
    assert save(client, "f", size=4, file="1")["error"] == "EAGAIN"
    fresh = Client(helper)
    assert only(root)
    assert save(fresh, "f", size=3, file="1")["error"] == "EAGAIN"
