"""Making, moving and removing names."""

import errno
import os

import pytest


def errno_of(function, *args):
    """The errno a call fails with; it must fail."""
    with pytest.raises(OSError) as caught:
        function(*args)
    return caught.value.errno


def test_mkdir_and_rmdir(server, tree):
    os.mkdir(tree / "d")
    assert (server.root / "d").is_dir()
    assert os.listdir(tree / "d") == []
    os.rmdir(tree / "d")
    assert not (server.root / "d").exists()
    assert not (tree / "d").exists()


def test_mkdir_of_an_existing_name_is_eexist(server, tree):
    server.write("d/a", "keep")
    server.write("f", "keep")
    assert errno_of(os.mkdir, tree / "d") == errno.EEXIST
    assert errno_of(os.mkdir, tree / "f") == errno.EEXIST
    assert (server.root / "d" / "a").read_text() == "keep"


def test_mkdir_below_a_missing_directory_is_enoent(tree):
    assert errno_of(os.mkdir, tree / "no" / "d") == errno.ENOENT


def test_rmdir_of_a_full_directory_is_enotempty(server, tree):
    server.write("d/a", "keep")
    assert errno_of(os.rmdir, tree / "d") == errno.ENOTEMPTY
    assert (server.root / "d" / "a").read_text() == "keep"


def test_rmdir_looks_again_before_it_believes(server, tree):
    (server.root / "d").mkdir()
    assert os.listdir(tree / "d") == []
    server.write("d/late", "keep")
    assert errno_of(os.rmdir, tree / "d") == errno.ENOTEMPTY
    assert (server.root / "d" / "late").read_text() == "keep"


def test_rmdir_and_unlink_know_the_kind(server, tree):
    server.write("f", "one")
    (server.root / "d").mkdir()
    assert errno_of(os.rmdir, tree / "f") == errno.ENOTDIR
    assert errno_of(os.unlink, tree / "d") == errno.EISDIR
    assert (server.root / "f").exists() and (server.root / "d").exists()


def test_unlink(server, tree):
    server.write("f", "one")
    os.unlink(tree / "f")
    assert not (server.root / "f").exists()
    assert not (tree / "f").exists()
    assert errno_of(os.unlink, tree / "f") == errno.ENOENT


def test_exclusive_create(server, tree):
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    os.close(os.open(tree / "f", flags))
    assert (server.root / "f").exists()
    assert errno_of(os.open, tree / "f", flags) == errno.EEXIST


@pytest.mark.options("attr_timeout=0")
def test_exclusive_create_sees_what_the_server_has(server, tree):
    assert not (tree / "behind").exists()
    server.write("behind", "keep")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    assert errno_of(os.open, tree / "behind", flags) == errno.EEXIST
    assert (server.root / "behind").read_text() == "keep"


def test_rename_of_a_file(server, tree):
    server.write("a", "one")
    os.rename(tree / "a", tree / "b")
    assert (server.root / "b").read_text() == "one"
    assert not (server.root / "a").exists()
    assert not (tree / "a").exists()
    assert (tree / "b").read_text() == "one"


def test_rename_into_another_directory(server, tree):
    server.write("from/a", "one")
    (server.root / "to").mkdir()
    os.rename(tree / "from" / "a", tree / "to" / "b")
    assert (server.root / "to" / "b").read_text() == "one"
    assert os.listdir(tree / "from") == []
    assert os.listdir(tree / "to") == ["b"]


def test_rename_over_an_existing_file(server, tree):
    server.write("new", "new content")
    server.write("old", "old")
    os.rename(tree / "new", tree / "old")
    assert (server.root / "old").read_text() == "new content"
    assert not (server.root / "new").exists()
    assert (tree / "old").read_text() == "new content"
    assert not (tree / "new").exists()


@pytest.mark.options("assist=off")  # with it: test_assist_posix.py
def test_rename_over_a_file_keeps_its_mode_in_the_pod(server, tree):
    server.write("script", "old", mode=0o755)
    (tree / "tmp").write_text("new")
    os.rename(tree / "tmp", tree / "script")
    assert (server.root / "script").read_text() == "new"
    assert (server.root / "script").stat().st_mode & 0o777 == 0o755


def test_rename_of_a_file_just_written(server, tree):
    with open(tree / "tmp", "wb") as file:
        file.write(b"fresh")
        os.rename(tree / "tmp", tree / "final")
        file.write(b" and more")
    assert (server.root / "final").read_text() == "fresh and more"
    assert not (server.root / "tmp").exists()


def test_rename_over_an_open_file_leaves_the_reader_its_bytes(server, tree):
    server.write("old", "old bytes")
    server.write("new", "new bytes")
    with open(tree / "old") as reader:
        os.rename(tree / "new", tree / "old")
        assert reader.read() == "old bytes"
    assert (tree / "old").read_text() == "new bytes"


def test_rename_of_a_directory(server, tree):
    server.write("d/sub/a", "one")
    assert (tree / "d" / "sub" / "a").read_text() == "one"
    os.rename(tree / "d", tree / "e")
    assert (server.root / "e" / "sub" / "a").read_text() == "one"
    assert (tree / "e" / "sub" / "a").read_text() == "one"
    assert not (tree / "d").exists()


def test_open_file_follows_its_renamed_directory(server, tree):
    os.mkdir(tree / "d")
    with open(tree / "d" / "a", "w") as file:
        file.write("late")
        os.rename(tree / "d", tree / "e")
    assert (server.root / "e" / "a").read_text() == "late"


def test_rename_of_a_directory_onto_an_empty_one(server, tree):
    server.write("d/a", "one")
    (server.root / "empty").mkdir()
    os.rename(tree / "d", tree / "empty")
    assert (server.root / "empty" / "a").read_text() == "one"
    assert not (server.root / "d").exists()


def test_rename_of_a_directory_onto_a_full_one_is_enotempty(server, tree):
    server.write("d/a", "one")
    server.write("full/b", "keep")
    assert errno_of(os.rename, tree / "d", tree / "full") == errno.ENOTEMPTY
    assert (server.root / "full" / "b").read_text() == "keep"
    assert (server.root / "d" / "a").read_text() == "one"


def test_rename_between_kinds_is_refused(server, tree):
    server.write("f", "one")
    (server.root / "d").mkdir()
    assert errno_of(os.rename, tree / "f", tree / "d") == errno.EISDIR
    assert errno_of(os.rename, tree / "d", tree / "f") == errno.ENOTDIR
    assert (server.root / "f").read_text() == "one"


def test_rename_of_a_directory_into_itself_is_einval(server, tree):
    (server.root / "d").mkdir()
    assert errno_of(os.rename, tree / "d", tree / "d" / "e") == errno.EINVAL


def test_rename_to_itself_changes_nothing(server, tree):
    server.write("f", "one")
    os.rename(tree / "f", tree / "f")
    assert (server.root / "f").read_text() == "one"


def test_rename_of_a_missing_name_is_enoent(tree):
    assert errno_of(os.rename, tree / "a", tree / "b") == errno.ENOENT


@pytest.mark.options("assist=off")  # with it: test_assist_posix.py
def test_hard_links_are_refused_as_programs_expect(server, tree):
    server.write("f", "one")
    assert errno_of(os.link, tree / "f", tree / "g") == errno.EPERM
