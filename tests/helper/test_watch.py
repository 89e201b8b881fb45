"""Being told of changes: what the helper says about directories that were
listed with a watch. What must not be told is proven by what is told later.
"""
import importlib
import json
import os
import threading

import pytest

from pod import DEADLINE, Client

helper_place = importlib.import_module("helper_place")
helper_watch = importlib.import_module("helper_watch")


class Told:
    """What a client heard, in order."""

    def __init__(self, client):
        self.client = client
        self.entries = {}  # (directory, name): the last entry
        self.lost = []
        self.number = 0

    def next(self):
        event = self.client.wait(lambda d: d.get("event") in (
            "changed", "unwatched"))
        self.number += 1
        assert event["told"] == self.number, "one was lost, or came twice"
        if event["event"] == "unwatched":
            self.lost += event["dirs"]
            return
        for directory, name, *entry in json.loads(event["bytes"].decode()):
            self.entries[directory, name] = entry

    def until(self, directory, name, entry=None):
        """Waits for that to be told of a name, or anything."""
        key = directory, name
        while key not in self.entries or entry is not None \
                and self.entries[key] != entry:
            self.next()
        return self.entries[key]

    def until_lost(self, *directories):
        while not set(directories) <= set(self.lost):
            self.next()
        assert sorted(self.lost) == sorted(directories)
        self.lost = []


NOTHING = [None, None, 0, 0, 0]


def tree(client, top="", hidden=False, watch=True, entries_max=10**6,
         after=""):
    reply = client.call("list_tree", top=top, after=after, hidden=hidden,
                        entries_max=entries_max, watch=watch)
    assert reply["error"] == ""
    return json.loads(reply["bytes"].decode())


def watched(client, **how):
    """{directory: 0 or 1}"""
    return {d[0]: d[1] for d in tree(client, **how)}


def now(client, path):
    reply = client.call("stat", path=path)
    return [reply[k] for k in ("kind", "size", "mtime_us", "ctime_us",
                               "writable", "attr")]


def inotify_count():
    """How many of them this process holds."""
    count = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink("/proc/self/fd/" + fd).endswith("inotify")
        except FileNotFoundError:  # of this very listing
            pass
    return count


@pytest.fixture
def told(client):
    if not client.call("prove")["tells"]:
        pytest.skip("nothing is told on this file system")
    return Told(client)


@pytest.fixture
def little(root):
    for name in ("a/x", "a/b/y", "c/z"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


ALL = {"": 1, "a": 1, "a/b": 1, "c": 1}


# --- what is told ------------------------------------------------------------

def test_a_change_is_told_with_its_entry(client, told, little):
    assert watched(client) == ALL
    (little / "a" / "x").write_text("more than before")
    assert told.until("a", "x", now(client, "a/x"))[:2] == ["f", 16]
    (little / "a" / "b" / "new").write_text("n")
    assert told.until("a/b", "new", now(client, "a/b/new"))[:2] == ["f", 1]
    (little / "a" / "x").chmod(0o600)
    told.until("a", "x", now(client, "a/x"))
    (little / "a" / "x").rename(little / "c" / "moved")
    assert told.until("a", "x", NOTHING)
    told.until("c", "moved", now(client, "c/moved"))
    (little / "c" / "z").unlink()
    assert told.until("c", "z", NOTHING)
    (little / "d").mkdir()
    assert told.until("", "d", now(client, "d"))[0] == "d"
    assert told.lost == []


def test_a_directory_is_told_when_what_it_has_changes(client, told, little):
    """Its own time of change is in the listing above it."""
    watched(client)
    (little / "a" / "b" / "new").write_text("")
    assert told.until("a", "b", now(client, "a/b"))[0] == "d"


def test_a_directory_nobody_listed_is_told_when_what_it_has_changes(
        client, told, little):
    """It is in a listing; so is one that comes later."""
    assert tree(client, entries_max=1)[0][:2] == ["", 1]
    (little / "a" / "new").write_text("")
    (little / "c" / ".new").write_text("")
    for name in ("a", "c"):
        told.until("", name, now(client, name))
    (little / "d").mkdir()
    told.until("", "d", now(client, "d"))
    (little / "d" / "new").write_text("")
    told.until("", "d", now(client, "d"))
    (little / "d" / "new").write_text("more")  # that is no change of d's
    (little / "e").write_text("")
    told.until("", "e")
    assert set(told.entries) == {("", n) for n in "acde"}


def test_directories_nobody_listed_are_watched_while_there_is_room(
        client, helper, told, little, monkeypatch):
    for number in range(9):
        (little / "c" / str(number)).mkdir()
    helper.files.watches.inside_max = 3
    assert watched(client, top="c", entries_max=1) == {"c": 1}
    assert len(helper.files.watches.by_path) == 2 + 3  # and the root
    monkeypatch.setattr(helper_watch, "WATCHES_MAX", 6)
    assert watched(client, top="a", entries_max=1) == {"a": 1}
    assert len(helper.files.watches.by_path) == 6
    assert told.lost == []


def test_a_save_is_told_as_any_other_change(client, told, little):
    watched(client, hidden=True)
    for number in range(5):
        reply = client.call(
            "save", b"x" * number, path="a/x", size=number, condition="any",
            base=None, file=None, ranges=None, sync=False, within_ms=20000)
        assert reply["error"] == ""
    told.until("a", "x", now(client, "a/x"))
    assert {name for _, name in told.entries} == {"x", "a"}  # no temporaries
    assert told.lost == []


def test_dot_names_are_told_to_those_who_list_them(client, told, little):
    watched(client)
    (little / "a" / ".dot").write_text("")
    (little / "a" / "later").write_text("")
    told.until("a", "later")
    assert ("a", ".dot") not in told.entries
    watched(client, hidden=True)
    (little / "a" / ".dot").write_text("now")
    assert told.until("a", ".dot", now(client, "a/.dot"))


def test_what_no_listing_shows_is_nothing(client, told, little):
    watched(client)
    os.mkfifo(little / "a" / "fifo")
    assert told.until("a", "fifo") == NOTHING


def test_only_what_was_asked_for_is_told(client, told, little):
    assert watched(client, watch=False) == dict.fromkeys(ALL, 0)
    watched(client, top="c")
    (little / "a" / "x").write_text("untold")
    (little / "c" / "z").write_text("told")
    told.until("c", "z")
    assert list(told.entries) == [("c", "z")]


def test_what_is_not_wanted_any_more_is_not_told(client, told, little):
    watched(client)
    client.post("unwatch", dirs=["a", "no"])
    assert client.call("stat", path="a")["error"] == ""
    (little / "a" / "b" / "y").write_text("told")
    told.until("a/b", "y")
    (little / "a" / "x").write_text("untold")
    (little / "c" / "z").write_text("told")
    told.until("c", "z")
    assert ("a", "x") not in told.entries and told.lost == []


def test_a_new_client_is_told_nothing_of_old_watches(client, helper, told,
                                                     little):
    watched(client)
    fresh = Client(helper)
    assert fresh.call("prove")["told"] == 0
    watched(fresh, top="c")
    (little / "a" / "x").write_text("untold")
    (little / "c" / "z").write_text("told")
    heard = Told(fresh)
    heard.until("c", "z")
    assert list(heard.entries) == [("c", "z")]


def test_answers_say_how_much_was_told(client, helper, told, little):
    watched(client)
    for number in range(1, 4):
        (little / "a" / "x").write_text("x" * number)
        told.until("a", "x", now(client, "a/x"))
        # Counted when it was sent, which the other thread may just be doing.
        assert number - 1 <= client.call("prove")["told"] <= told.number
    with helper.files.watches.telling:  # by now it has counted
        assert client.call("prove")["told"] == told.number


# --- order -------------------------------------------------------------------

def test_what_happens_after_a_listing_is_told_after_it(client, told, little,
                                                       monkeypatch):
    """However long the rest of the tree takes."""
    settle = helper_watch.Watches.settle
    ready = threading.Event()

    def note(seconds):
        ready.set()
    monkeypatch.setattr(helper_watch.time, "sleep", note)

    def slow(self, path, *args):
        if path == "a":
            (little / "a" / "x").write_text("after it was listed")
            assert ready.wait(DEADLINE)  # the teller has heard of it
        return settle(self, path, *args)
    monkeypatch.setattr(helper_watch.Watches, "settle", slow)
    client.post("list_tree", id="l", top="", after="", entries_max=99,
                hidden=False, watch=True)
    first = client.wait(lambda d: True)
    assert first.get("reply") == "l"
    listed = {d[0]: d for d in json.loads(first["bytes"].decode())}
    assert listed["a"][1] == 1 and listed["a"][3][0][:3] != ["x", "f", 19]
    told.until("a", "x", now(client, "a/x"))


# --- what is not watched -----------------------------------------------------

def test_what_changes_unheard_is_not_watched(client, told, little):
    (little / "a" / "link").symlink_to("x")
    os.link(little / "c" / "z", little / "z2")
    assert watched(client) == {"": 0, "a": 0, "a/b": 1, "c": 0}


def test_what_is_mounted_is_not_watched_from_above(client, helper, told,
                                                   little, monkeypatch):
    monkeypatch.setattr(helper.files.place, "mounts", lambda: {"a/b"})
    assert watched(client) == {"": 1, "a": 0, "a/b": 1, "c": 1}
    monkeypatch.setattr(helper.files.place, "mounts", lambda: None)
    assert watched(client, top="c") == {"c": 0}


def test_mounts_are_read_from_the_system():
    place = helper_place.Place("/")
    mounts = place.mounts()
    assert "proc" in mounts and "" not in mounts
    assert helper_place.Place("/proc").mounts() == {
        m[5:] for m in mounts if m.startswith("proc/")}


def test_a_mount_ends_what_it_covers(client, helper, told, little,
                                     monkeypatch):
    watched(client)
    monkeypatch.setattr(helper.files.place, "mounts", lambda: {"a/b"})
    fd = os.open("/proc/self/mountinfo", os.O_RDONLY)
    with helper.files.watches.telling:
        helper.files.watches._look_at_mounts(fd)
    os.close(fd)
    told.until_lost("a", "a/b")


@pytest.mark.parametrize("name", ["fstatfs", "inotify_init1"])
def test_where_nothing_is_told_nothing_is_watched(client, little, name,
                                                  monkeypatch):
    class Libc:
        def __getattr__(self, wanted):
            return (lambda *_: -1) if wanted == name else getattr(libc, wanted)
    libc = helper_place.libc
    monkeypatch.setattr(helper_place, "libc", Libc())
    monkeypatch.setattr(helper_watch, "libc", Libc())
    assert client.call("prove")["tells"] is False
    assert watched(client) == dict.fromkeys(ALL, 0)


# --- losing ------------------------------------------------------------------

@pytest.mark.parametrize("make", [
    lambda a: (a / "new").symlink_to("x"),
    lambda a: os.link(a / "x", a / "new"),
    lambda a: os.close(os.open(os.fsencode(a) + b"/\xff", os.O_CREAT)),
])
def test_what_changes_unheard_from_now_on_is_lost(client, told, little, make):
    watched(client)
    make(little / "a")
    told.until_lost("a")
    (little / "a" / "b" / "y").write_text("still told")
    told.until("a/b", "y")


def test_what_is_removed_is_lost(client, told, little):
    watched(client)
    (little / "a" / "b" / "y").unlink()
    (little / "a" / "b").rmdir()
    told.until_lost("a/b")
    assert told.until("a", "b", NOTHING)
    (little / "a" / "b").mkdir()
    told.until("a", "b", now(client, "a/b"))
    assert watched(client, top="a/b") == {"a/b": 1}
    (little / "a" / "b" / "y").write_text("again")
    told.until("a/b", "y")


def test_what_is_moved_is_lost_with_all_below_it(client, told, little):
    watched(client)
    (little / "a").rename(little / "c" / "a")
    told.until_lost("a", "a/b")
    assert watched(client) == {"": 1, "c": 1, "c/a": 1, "c/a/b": 1}
    (little / "c" / "a" / "b" / "y").write_text("by its new name")
    told.until("c/a/b", "y")
    assert ("a/b", "y") not in told.entries


@pytest.mark.parametrize("only", ["a/b/deep", "a/b"])
def test_what_is_moved_from_above_is_lost(client, told, little, only):
    """Those above it are guarded, even if nobody asked for them."""
    (little / "a" / "b" / "deep").mkdir()
    (little / "link").symlink_to("a")
    assert watched(client, top=only)[only] == 1
    (little / "a").rename(little / "elsewhere")
    told.until_lost(*{"a/b", "a/b/deep"} & {only, "a/b/deep"})


def test_what_cannot_be_entered_any_more_is_lost(client, helper, told, little,
                                                 monkeypatch):
    watched(client)
    access = os.access
    monkeypatch.setattr(helper_watch.os, "access", lambda path, *args, **how:
                        not os.fsencode(path).endswith(b"/a")
                        and access(path, *args, **how))
    (little / "a").chmod(0o700)
    told.until_lost("a", "a/b")


def test_too_much_at_once_is_lost(client, helper, told, little, monkeypatch):
    monkeypatch.setattr(helper_watch, "NAMES_MAX", 5)
    watched(client)
    with helper.files.watches.telling:
        for number in range(6):
            (little / "c" / str(number)).write_text("")
    told.until_lost("", "c")  # what c is, is in the root
    (little / "a" / "x").write_text("still told")
    told.until("a", "x")


def test_when_events_are_lost_everything_is(client, helper, told, little):
    watched(client)
    watches = helper.files.watches
    with watches.lock:
        watches._take_locked(-1, helper_watch.IN_Q_OVERFLOW, b"")
    told.until_lost("*")
    assert watched(client) == ALL
    (little / "a" / "x").write_text("told again")
    told.until("a", "x")


def test_what_could_not_be_told_ends_everything(client, helper, told, little):
    """And the gap in the numbers says so, too."""
    watched(client)
    send = helper.files.watches.send

    def fail(data, _):
        helper.files.watches.send = send
        raise RuntimeError("the socket is closed")
    helper.files.watches.send = fail
    (little / "a" / "x").write_text("untold")
    told.number = 1
    told.until_lost("*")
    assert watched(client) == ALL


def test_watches_are_bounded_and_the_oldest_go(client, helper, told, little,
                                               monkeypatch):
    monkeypatch.setattr(helper_watch, "WATCHES_MAX", 3)
    assert watched(client, top="a/b") == {"a/b": 1}  # and two guards
    assert watched(client, top="c") == {"c": 1}
    told.until_lost("a/b")
    assert len(helper.files.watches.by_path) == 3
    assert len(watched(client)) == 4
    while len(told.lost) < 2:  # c, or of these what had no room
        told.next()
    assert len(helper.files.watches.by_path) <= 3


def test_a_helper_that_is_closed_gives_all_back(another_helper, little):
    def held():
        names = [t.name for t in threading.enumerate()]
        return inotify_count(), names.count("pycloud-watch"), names.count(
            "pycloud-pump")
    before = held()
    helper = another_helper()
    client = Client(helper)
    if client.call("prove")["tells"]:
        assert set(watched(client).values()) == {1}
        assert held() == (before[0] + 2, before[1] + 1, before[2] + 1)
    helper.close()
    assert held() == before


def test_no_watch_is_left_behind(client, helper, told, little):
    """As many in the system as are known here."""
    watched(client)
    fdinfo = "/proc/self/fdinfo/%d" % helper.files.watches.fd

    def count():
        with open(fdinfo) as f:
            return f.read().count("inotify wd")
    assert count() == len(ALL) == len(helper.files.watches.by_path)
    (little / "a").rename(little / "moved")
    told.until_lost("a", "a/b")
    assert count() == 3 == len(helper.files.watches.by_path)  # "", c, moved
    Client(helper)
    assert count() == 0
