"""What POSIX has and the contents API has not: one system call each."""
import importlib
import json
import os
import stat
import threading

import pytest

helper_posix = importlib.import_module("helper_posix")


def names_of(root):
    return sorted(os.listdir(root))


def call(client, verb, *buffers, within_ms=20000, **data):
    return client.call(verb, *buffers, within_ms=within_ms, **data)


def rename(client, old, new, how="over", **data):
    return call(client, "rename", how=how, **{"from": old, "to": new}, **data)


@pytest.fixture
def f(root):
    (root / "f").write_bytes(b"old")
    return root / "f"


@pytest.fixture
def attributed(f):
    """A file that has an attribute, where there are such things."""
    try:
        os.setxattr(f, "user.x", b"1")
    except OSError as e:
        pytest.skip(f"no extended attributes here: {e.strerror}")
    return f


# --- the volume --------------------------------------------------------------

def test_the_volume_is_the_roots(client, root):
    reply = client.call("volume")
    seen = os.statvfs(root)
    assert reply["error"] == ""
    assert reply["block_bytes"] == seen.f_frsize
    assert reply["blocks"] == seen.f_blocks
    assert reply["name_max"] == seen.f_namemax
    assert 0 <= reply["available"] <= reply["free"] <= reply["blocks"]


def test_numbers_are_such_that_json_carries_them(client, monkeypatch):
    class Huge:
        f_frsize = 4096
        f_blocks = f_bfree = f_bavail = f_files = f_ffree = (1 << 64) - 1
        f_namemax = 255

    monkeypatch.setattr(helper_posix.os, "fstatvfs", lambda fd: Huge())
    assert client.call("volume")["blocks"] == 1 << 53


# --- names -------------------------------------------------------------------

def test_names_are_changed_while_no_save_changes_them(client, helper, f,
                                                      monkeypatch):
    held = []
    plain = helper_posix.rename

    def watched(*how):
        held.append(helper.files.saves.lock.locked())
        return plain(*how)
    monkeypatch.setattr(helper_posix, "rename", watched)
    assert rename(client, "f", "g")["error"] == ""
    assert held == [True]
    assert not helper.files.saves.lock.locked()


def test_a_file_takes_anothers_place(client, root, f):
    (root / "g").write_bytes(b"newer")
    inode = os.stat(root / "g").st_ino
    with open(f, "rb") as reader:
        reply = rename(client, "g", "f")
        assert reader.read() == b"old"
    assert (reply["error"], reply["same"]) == ("", False)
    assert reply["to"][:2] == ["f", 5]
    assert os.stat(f).st_ino == inode
    assert names_of(root) == ["f"]


def test_a_directory_takes_the_place_of_an_empty_one(client, root):
    (root / "d").mkdir()
    (root / "d" / "a").write_bytes(b"1")
    (root / "e").mkdir()
    assert rename(client, "d", "e")["error"] == ""
    assert (root / "e" / "a").read_bytes() == b"1"
    (root / "d").mkdir()
    assert rename(client, "d", "e")["error"] in ("ENOTEMPTY", "EEXIST")
    assert (root / "e" / "a").read_bytes() == b"1"


def test_errors_are_those_of_rename(client, root, f):
    (root / "d").mkdir()
    assert rename(client, "d", "f")["error"] == "ENOTDIR"
    assert rename(client, "f", "d")["error"] == "EISDIR"
    assert rename(client, "none", "f")["error"] == "ENOENT"
    assert rename(client, "d", "d/e")["error"] == "EINVAL"
    assert rename(client, "", "e")["error"] == "EINVAL"
    assert rename(client, "f", "../f")["error"] == "EINVAL"
    assert rename(client, "f", "g", "sideways")["error"] == "EINVAL"


def test_nothing_is_replaced_that_must_not_be(client, root, f):
    (root / "g").write_bytes(b"new")
    assert rename(client, "g", "f", "not over")["error"] == "EEXIST"
    assert f.read_bytes() == b"old"
    assert rename(client, "g", "h", "not over")["error"] == ""
    assert (root / "h").read_bytes() == b"new"


def test_two_names_are_exchanged(client, root, f):
    (root / "d").mkdir()
    (root / "d" / "a").write_bytes(b"1")
    reply = rename(client, "f", "d", "exchange")
    assert reply["error"] == ""
    assert (reply["to"][0], reply["from"][0]) == ("f", "d")
    assert (root / "f" / "a").read_bytes() == b"1"
    assert (root / "d").read_bytes() == b"old"
    assert rename(client, "f", "none", "exchange")["error"] == "ENOENT"


def test_a_place_is_not_exchanged_with_what_is_in_it(client, root):
    (root / "d" / "e").mkdir(parents=True)
    assert rename(client, "d", "d/e", "exchange")["error"] == "EINVAL"
    assert rename(client, "d/e", "d", "exchange")["error"] == "EINVAL"


@pytest.mark.parametrize("how", ["not over", "exchange"])
def test_what_the_kernel_cannot_is_not_for_us(client, root, f, monkeypatch,
                                              how):
    """Neither the one without the call nor the one without the flag."""
    (root / "g").write_bytes(b"new")

    class Libc:
        @staticmethod
        def renameat2(*_):
            helper_posix.ctypes.set_errno(number)
            return -1

    for number in (helper_posix.errno.ENOSYS, helper_posix.errno.EINVAL):
        monkeypatch.setattr(helper_posix, "libc", Libc)
        assert rename(client, "f", "g", how)["error"] in ("ENOTSUP",
                                                          "EOPNOTSUPP")


def test_a_library_without_the_call_is_no_obstacle(client, root, f,
                                                   monkeypatch):
    real = helper_posix.libc

    class Libc:
        syscall = real.syscall

    if os.uname().machine not in helper_posix.RENAMEAT2:
        pytest.skip("its number is not known here")
    monkeypatch.setattr(helper_posix, "libc", Libc)
    (root / "g").write_bytes(b"new")
    assert rename(client, "f", "g", "not over")["error"] == "EEXIST"
    assert rename(client, "f", "g", "exchange")["error"] == ""
    assert f.read_bytes() == b"new"


def test_two_names_of_one_file_both_stay(client, root, f):
    os.link(f, root / "g")
    assert rename(client, "f", "g")["same"]
    assert names_of(root) == ["f", "g"]


def test_links_lead_nowhere(client, root, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_bytes(b"theirs")
    (root / "l").symlink_to(tmp_path / "out")
    (root / "f").write_bytes(b"ours")
    for verb in ("rename", "link"):
        for old, new in (("l/a", "b"), ("f", "l/a")):
            reply = call(client, verb, how="over", **{"from": old, "to": new})
            assert reply["error"] in ("ENOTSUP", "EOPNOTSUPP")
    assert (tmp_path / "out" / "a").read_bytes() == b"theirs"
    assert names_of(root) == ["f", "l"]


def test_what_nobody_waits_for_is_not_done(client, root, f):
    for reply in (rename(client, "f", "g", within_ms=0),
                  call(client, "link", within_ms=0, **{"from": "f",
                                                       "to": "g"}),
                  call(client, "setxattr", b"1", within_ms=0, path="f",
                       name="user.x", how="any"),
                  call(client, "removexattr", within_ms=0, path="f",
                       name="user.x")):
        assert reply["error"] == "ECANCELED"
    assert names_of(root) == ["f"]


def test_of_many_who_must_not_replace_one_wins(helper, client, root):
    place = helper.files.posix
    won = []

    def go(number):
        (root / f"a{number}").write_bytes(b"%d" % number)
        try:
            place.call_rename({"from": f"a{number}", "to": "b",
                               "how": "not over", "received": 1e300,
                               "within_ms": 0})
            won.append(number)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=go, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(won) == 1
    assert (root / "b").read_bytes() == b"%d" % won[0]
    assert len(names_of(root)) == 8


def test_a_file_gets_another_name(client, root, f):
    reply = call(client, "link", **{"from": "f", "to": "g"})
    assert reply["error"] == ""
    assert reply["to"][:2] == reply["from"][:2] == ["f", 3]
    assert os.stat(f).st_ino == os.stat(root / "g").st_ino
    assert call(client, "link", **{"from": "f", "to": "g"})["error"] \
        == "EEXIST"
    (root / "d").mkdir()
    assert call(client, "link", **{"from": "d", "to": "e"})["error"] \
        == "EPERM"
    assert call(client, "link", **{"from": "none", "to": "e"})["error"] \
        == "ENOENT"


def test_neither_link_nor_fifo_gets_another_name(client, root):
    (root / "l").symlink_to("nowhere")
    os.mkfifo(root / "p")
    for name in "lp":
        assert call(client, "link", **{"from": name, "to": "e"})["error"] \
            in ("ENOTSUP", "EOPNOTSUPP")
    assert stat.S_ISFIFO(os.lstat(root / "p").st_mode)
    assert names_of(root) == ["l", "p"]


# --- extended attributes -----------------------------------------------------

def xattrs(client, directory=""):
    reply = client.call("xattrs", dir=directory)
    assert reply["error"] == ""
    return reply["all"], dict(json.loads(reply["bytes"]))


def test_attributes_are_set_read_and_removed(client, attributed):
    def set_x(value, how):
        return call(client, "setxattr", *value, path="f", name="user.y",
                    how=how)["error"]

    assert set_x([b"1"], "replace") == "ENODATA"
    assert set_x([b"\0\xff"], "create") == ""
    assert set_x([b"2"], "create") == "EEXIST"
    assert os.getxattr(attributed, "user.y") == b"\0\xff"
    reply = client.call("getxattr", path="f", name="user.y")
    assert (reply["error"], reply["bytes"]) == ("", b"\0\xff")
    assert set_x([], "any") == ""
    assert os.getxattr(attributed, "user.y") == b""
    assert call(client, "removexattr", path="f", name="user.y")["error"] == ""
    assert call(client, "removexattr", path="f", name="user.y")["error"] \
        == "ENODATA"
    assert client.call("getxattr", path="f", name="user.y")["error"] \
        == "ENODATA"


def test_a_directory_tells_of_all_its_names(client, root, attributed):
    (root / "plain").write_bytes(b"")
    (root / "d").mkdir()
    os.setxattr(root / "d", "user.d", b"")
    os.setxattr(root, "user.root", b"")
    os.setxattr(root, "user.pycloud.own", b"")
    (root / "l").symlink_to("f")
    assert xattrs(client) == (True, {"": ["user.root"], "f": ["user.x"],
                                     "d": ["user.d"]})
    assert xattrs(client, "d") == (True, {"": ["user.d"]})


def test_of_too_many_names_not_all_are_told(client, root, attributed,
                                            monkeypatch):
    for i in range(5):
        (root / f"g{i}").write_bytes(b"")
    monkeypatch.setattr(helper_posix, "XATTR_LOOKS", 3)
    assert not xattrs(client)[0]
    monkeypatch.setattr(helper_posix, "XATTR_LOOKS", 10)
    monkeypatch.setattr(helper_posix, "XATTR_ANSWER_BYTES", 2)
    assert xattrs(client) == (False, {})


def test_attributes_that_are_not_the_users_are_not_touched(client, f):
    for name in ("security.capability", "system.posix_acl_access", "user.",
                 "trusted.x", "user.pycloud.exit", "user.a\0b"):
        for verb, buffers in (("getxattr", []), ("setxattr", [b"1"]),
                              ("removexattr", [])):
            assert call(client, verb, *buffers, path="f", name=name,
                        how="any")["error"] in ("ENOTSUP", "EOPNOTSUPP")


def test_attributes_of_a_link_or_a_fifo_are_not_for_us(client, root,
                                                       attributed):
    (root / "l").symlink_to("f")
    os.mkfifo(root / "p")
    for name in "lp":
        assert call(client, "setxattr", b"2", path=name, name="user.x",
                    how="any")["error"] in ("ENOTSUP", "EOPNOTSUPP")
    assert os.getxattr(attributed, "user.x") == b"1"


def test_too_long_a_value_is_refused(client, f):
    assert call(client, "setxattr", bytes(65537), path="f", name="user.x",
                how="any")["error"] == "E2BIG"
