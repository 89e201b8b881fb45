"""The helper's view of the workspace's files: entries as the contents API has
them, listings of trees, many files at once, and no way out.
"""
import datetime
import importlib
import json
import os
import random
import socket
import stat
import threading

import pytest

from pod import Client

helper_files = importlib.import_module("helper_files")
helper_place = importlib.import_module("helper_place")
helper_tree = importlib.import_module("helper_tree")


def tree(client, top="", after="", entries_max=10**6, hidden=True,
         watch=False):
    """(answer, [[path, watched, dropped, entries], ...])"""
    reply = client.call("list_tree", top=top, after=after,
                        entries_max=entries_max, hidden=hidden, watch=watch)
    return reply, json.loads(reply.get("bytes", b"[]").decode())


def paths(client, **how):
    return [found[0] for found in tree(client, **how)[1]]


def read_many(client, *names, bytes_max=1 << 20):
    reply = client.call("read_many", paths=names, bytes_max=bytes_max)
    assert reply["error"] == ""
    return reply["files"], reply["bytes"] if "bytes" in reply else b""


@pytest.fixture
def little(root):
    for name in ("a/x.py", "a/b/y.py", "a-/z.py", "c/d/e/f.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


# --- what it looks like ------------------------------------------------------

def test_times_are_rounded_as_datetime_does():
    dice = random.Random(1)
    for _ in range(20000):
        seconds = dice.randrange(-10**9, 10**10) + 1e-9 * dice.randrange(10**9)
        then = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
        expected = then - datetime.datetime(1970, 1, 1,
                                            tzinfo=datetime.timezone.utc)
        assert helper_place.microseconds(seconds) == \
            expected // datetime.timedelta(microseconds=1)


def test_times_that_datetime_refuses_are_the_epoch():
    for seconds in (1e12, -1e12):
        with pytest.raises((ValueError, OverflowError)):
            datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
        assert helper_place.microseconds(seconds) == 0


@pytest.fixture
def furnished(root):
    """One of everything that a directory can have in it."""
    (root / "plain.txt").write_text("text")
    os.utime(root / "plain.txt", ns=(0, 1234567890123456789))
    (root / "read-only").write_text("")
    (root / "read-only").chmod(0o444)
    (root / "folder").mkdir()
    (root / "locked").mkdir(mode=0)
    (root / "link").symlink_to("plain.txt")
    (root / "to-folder").symlink_to("folder")
    (root / "broken").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    (root / "out").symlink_to("/etc")
    (root / "\u00e9 \u4e2d.ipynb").write_text("{}")
    os.mkfifo(root / "fifo")
    (root / "to-fifo").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(os.path.relpath(root / "socket"))
    yield root
    (root / "locked").chmod(0o700)


def contents_entries(root):
    """{name: entry} as a real server lists them."""
    manager = pytest.importorskip(
        "jupyter_server.services.contents.filemanager",
        reason="jupyter_server is not installed").FileContentsManager(
            root_dir=str(root))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

    def micro(when):
        return (when - epoch) // datetime.timedelta(microseconds=1)
    return {m["name"]: ["d" if m["type"] == "directory" else "f", m["size"],
                        micro(m["last_modified"]), micro(m["created"]),
                        int(m["writable"])]
            for m in manager.get("")["content"]}


def test_a_listing_is_the_contents_apis(client, furnished):
    reply, listed = tree(client, hidden=False)
    assert reply["error"] == ""
    assert {e[0]: e[1:6] for e in listed[0][3]} == \
        contents_entries(furnished)


def test_a_listing_tells_what_the_contents_api_does_not(client, furnished):
    os.utime(furnished / "out", ns=(0, 1234567890123456789),
             follow_symlinks=False)
    told = {e[0]: (e[3], e[6]) for e in tree(client)[1][0][3]}
    assert told["out"][1][5] == "/etc"
    for name, (mtime_us, attr) in told.items():
        st = os.lstat(furnished / name)
        assert attr[:4] == [stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid,
                            st.st_nlink], name
        assert mtime_us == 0 or \
            mtime_us * 1000 + attr[4] == st.st_mtime_ns, name
        assert attr[5] == (os.readlink(furnished / name)
                           if stat.S_ISLNK(st.st_mode) else None), name


def test_a_listing_has_what_the_contents_api_hides(client, root):
    for name in ("__pycache__", ".git"):
        (root / name).mkdir()
    for name in ("m.pyc", "old~", "lib.so", ".hidden"):
        (root / name).write_text("")
    names = [sorted(e[0] for e in tree(client, hidden=hidden)[1][0][3])
             for hidden in (False, True)]
    assert names[0] == ["__pycache__", "lib.so", "m.pyc", "old~"]
    assert names[1] == [".git", ".hidden"] + names[0]
    assert paths(client, hidden=False) == ["", "__pycache__"]
    assert paths(client, hidden=True) == ["", ".git", "__pycache__"]


def test_names_that_are_not_utf8_are_counted(client, root):
    os.close(os.open(os.fsencode(root) + b"/caf\xe9", os.O_CREAT))
    os.mkdir(os.fsencode(root) + b"/d\xff")
    (root / "good").write_text("")
    (_, _, dropped, entries), = tree(client)[1]
    assert (dropped, [e[0] for e in entries]) == (2, ["good"])


def test_stat_is_the_entry_of_the_listing(client, little):
    (little / "link").symlink_to("a")
    for path, listed in (("a", tree(client)[1][0]),
                         ("link", tree(client)[1][0]),
                         ("a/x.py", tree(client, top="a")[1][0])):
        name = path.rpartition("/")[2]
        reply = client.call("stat", path=path)
        assert [[name] + [reply[k] for k in (
            "kind", "size", "mtime_us", "ctime_us", "writable", "attr")]] == [
                e for e in listed[3] if e[0] == name]
    assert client.call("stat", path="")["kind"] == "d"
    assert client.call("stat", path="a/no")["error"] == "ENOENT"
    assert client.call("stat", path="a/x.py/no")["error"] == "ENOTDIR"


# --- the order of a tree -----------------------------------------------------

WALK = ["", "a", "a/b", "a-", "c", "c/d", "c/d/e"]


def test_a_tree_comes_in_the_order_of_a_walk(client, little):
    reply, listed = tree(client)
    # By components: "a/b" comes before "a-" though "-" is less than "/".
    assert [d[0] for d in listed] == WALK
    assert (reply["all"], reply["next"]) == (True, None)
    assert paths(client, top="c") == ["c", "c/d", "c/d/e"]


@pytest.mark.parametrize("after", range(len(WALK)))
def test_a_tree_can_be_gone_on_with(client, little, after):
    assert paths(client, after=WALK[after]) == WALK[after:]


def test_what_is_gone_need_not_be_there_to_go_on(client, little):
    assert paths(client, after="a/a") == WALK[2:]
    assert paths(client, after="b/x/y") == WALK[4:]
    assert paths(client, top="c", after="c/d/e") == ["c/d/e"]
    assert paths(client, top="c", after="c") == ["c", "c/d", "c/d/e"]
    assert paths(client, after="d") == []


def test_a_tree_ends_with_enough_entries(client, little):
    reply, listed = tree(client, entries_max=0)
    assert ([d[0] for d in listed], reply["all"], reply["next"]) == (
        [""], False, "a")
    reply, listed = tree(client, entries_max=4)  # three, and two in a
    assert ([d[0] for d in listed], reply["next"]) == (["", "a"], "a/b")
    found, after = [], ""
    while after is not None:
        reply, listed = tree(client, after=after, entries_max=0)
        assert reply["all"] == (reply["next"] is None)
        found += [d[0] for d in listed]
        after = reply["next"]
    assert found == WALK


def test_a_tree_is_sent_in_answers_of_bounded_size(client, little,
                                                   monkeypatch):
    monkeypatch.setattr(helper_tree, "ANSWER_BYTES", 400)
    for n in range(20):
        (little / "a-" / ("file%02d" % n)).write_text("")
    found, after = [], ""
    while after is not None:
        reply, listed = tree(client, after=after)
        assert len(reply["bytes"]) <= 400
        found += [d[0] for d in listed]
        after = reply["next"]
    assert found == [p for p in WALK if p != "a-"]  # fits in none
    assert client.call("list_tree", top="a-", after="", entries_max=1,
                       hidden=True, watch=False)["error"] == "EFBIG"


@pytest.mark.parametrize("top, name", [
    ("no", "ENOENT"), ("a/x.py", "ENOTDIR"), ("link", "ENOTSUP"),
    ("link/b", "ENOTSUP"), ("..", "EINVAL"), ("a/../c", "EINVAL"),
    ("/etc", "EINVAL"), ("a/", "EINVAL"), ("a//b", "EINVAL"),
    ("a\0", "EINVAL"), (".", "EINVAL"), ("caf\udce9", "EINVAL"),
    (None, "EINVAL"),
])
def test_what_cannot_be_a_tree(client, little, top, name):
    (little / "link").symlink_to("a")
    assert tree(client, top=top)[0]["error"] == name


def test_times_too_far_away_are_not_for_us(client, little):
    """JSON would round them, and the version would be another one."""
    far = little / "a" / "x.py"
    os.utime(far, (2**32, 2**32))
    assert "a" in paths(client)
    os.utime(far, (10**10, 10**10))
    if os.stat(far).st_mtime < 10**10:
        pytest.skip("this file system cannot have them")
    assert paths(client) == [p for p in WALK
                             if not p.startswith("a") or p == "a-"]
    assert tree(client, top="a")[0]["error"] == "ENOTSUP"
    assert client.call("stat", path="a/x.py")["error"] == "ENOTSUP"
    assert read_many(client, "a/x.py")[0][0][0] == "ENOTSUP"


def test_paths_too_long_are_left_out(client, root):
    name = "d" * 250
    fd = os.open(str(root), os.O_RDONLY)
    for _ in range(18):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    assert [p.count("/") for p in paths(client)[1:]] == list(range(16))


def test_links_to_directories_are_not_entered(client, little):
    (little / "out").symlink_to("/etc")
    (little / "up").symlink_to(".")
    assert paths(client) == WALK


# --- bytes -------------------------------------------------------------------

def test_many_files_come_at_once(client, little):
    (little / "empty").write_text("")
    names = ["a/x.py", "a/b/y.py", "no", "a", "empty", "c/d/e/f.py"]
    files, data = read_many(client, *names)
    assert [f[0] for f in files] == ["", "", "ENOENT", "EISDIR", "", ""]
    assert [f[4] for f in files] == [6, 8, 0, 0, 0, 10]
    assert data == b"a/x.pya/b/y.pyc/d/e/f.py"
    listed = tree(client, top="a")[1][0][3]
    assert files[0][1:4] == [e for e in listed if e[0] == "x.py"][0][2:5]


def test_what_does_not_fit_any_more_says_so(client, root):
    for name, size in (("a", 10), ("b", 11), ("c", 10), ("d", 1)):
        (root / name).write_bytes(name.encode() * size)
    files, data = read_many(client, "a", "b", "c", "d", bytes_max=20)
    assert [f[0] for f in files] == ["", "EFBIG", "", "EFBIG"]
    assert data == b"a" * 10 + b"c" * 10


@pytest.mark.parametrize("name, error", [
    ("fifo", "ENOTSUP"), ("link", "ENOTSUP"), ("out/hostname", "ENOTSUP"),
    ("../secret", "EINVAL"), ("", "EISDIR"),
])
def test_only_regular_files_are_read(client, root, name, error):
    """A FIFO must not hold up who opens it, a link leads anywhere."""
    (root.parent / "secret").write_text("secret")
    (root / "plain").write_text("plain")
    (root / "link").symlink_to("plain")
    (root / "out").symlink_to("/etc")
    os.mkfifo(root / "fifo")
    if name == "../secret":  # refuses the whole call
        assert client.call("read_many", paths=[name],
                           bytes_max=9)["error"] == error
    else:
        assert read_many(client, name)[0][0][0] == error
    assert client.call("read", path=name, offset=0, length=9)["error"] == error


def test_a_piece_of_a_file_is_read(client, root):
    (root / "f").write_bytes(b"0123456789")
    reply = client.call("read", path="f", offset=3, length=4)
    assert (reply["bytes"], reply["size"]) == (b"3456", 10)
    assert reply["mtime_us"] == client.call("stat", path="f")["mtime_us"]
    assert client.call("read", path="f", offset=8, length=9)["bytes"] == b"89"
    assert client.call("read", path="f", offset=10, length=1)["bytes"] == b""
    assert client.call("read", path="f", offset=-1,
                       length=1)["error"] == "EINVAL"


def test_a_file_that_is_written_to_meanwhile_is_not_read(client, root,
                                                         monkeypatch):
    (root / "f").write_bytes(b"one")
    read_all = helper_files.read_all

    def interrupted(*args):
        data = read_all(*args)
        (root / "f").write_bytes(b"three")
        return data
    monkeypatch.setattr(helper_files, "read_all", interrupted)
    assert read_many(client, "f")[0][0][0] == "EAGAIN"
    assert client.call("read", path="f", offset=0,
                       length=3)["error"] == "EAGAIN"


def test_a_directory_that_becomes_a_link_leads_nowhere(client, little,
                                                       monkeypatch):
    """Between the walk to a directory and the file in it."""
    (little.parent / "secret").mkdir()
    (little.parent / "secret" / "x.py").write_text("secret")
    open_in = helper_place.open_in

    def interrupted(directory, name, flags):
        if name == b"x.py" and not (little / "a").is_symlink():
            (little / "a").rename(little / "moved")
            (little / "a").symlink_to("../secret")
        return open_in(directory, name, flags)
    monkeypatch.setattr(helper_place, "open_in", interrupted)
    assert read_many(client, "a/x.py")[1] == b"a/x.py"
    assert read_many(client, "a/x.py")[0][0][0] == "ENOTSUP"


# --- calls -------------------------------------------------------------------

def test_the_root_is_proved_by_its_ctime(client, root):
    before = os.stat(root)
    reply = client.call("prove")
    after = os.stat(root)
    assert after.st_ctime_ns != before.st_ctime_ns
    assert after.st_mtime_ns == before.st_mtime_ns
    assert reply["ctime_us"] == helper_place.microseconds(after.st_ctime)
    assert (reply["uid"], reply["told"]) == (os.geteuid(), 0)
    assert client.call("prove")["ctime_us"] > reply["ctime_us"]


def test_what_only_reads_is_done_again(client, root):
    (root / "f").write_bytes(b"one")
    first = client.call("read_many", call_id=7, paths=["f"], bytes_max=9)
    (root / "f").write_bytes(b"other")
    again = client.call("read_many", call_id=7, paths=["f"], bytes_max=9)
    assert (first["bytes"], again["bytes"]) == (b"one", b"other")


def test_an_answer_is_only_for_who_asked(helper, monkeypatch):
    """The next client may count its calls from the same number."""
    entered, left, over = (threading.Event() for _ in range(3))

    def slow(_self, _call):
        entered.set()
        left.wait()

    def answer(*call):
        helper._answer(*call)
        over.set()
    monkeypatch.setattr(helper_files.Files, "call_stat", slow)
    helper.files.answer = answer
    first = Client(helper)
    first.post("stat", id=1, path="")
    entered.wait()
    second = Client(helper)
    left.set()
    over.wait()
    assert first.events.empty() and second.events.empty()
    assert second.call("prove", call_id=1)["error"] == ""


def test_the_kernels_own_thread_is_kept_free(client, root, monkeypatch):
    done_by = []

    def note(self, call):
        done_by.append(threading.current_thread())
    monkeypatch.setattr(helper_files.Files, "call_stat", note)
    client.call("stat", path="")
    assert done_by[0].daemon and done_by[0] is not threading.main_thread()
    assert os.getpriority(os.PRIO_PROCESS, 0) < os.getpriority(
        os.PRIO_PROCESS, done_by[0].native_id)


def test_a_helper_that_does_no_files_has_no_threads_for_them(another_helper):
    before = set(threading.enumerate())
    Client(another_helper())
    names = {t.name for t in set(threading.enumerate()) - before}
    assert "pycloud-files" not in names and "pycloud-watch" not in names
