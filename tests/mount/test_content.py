"""Bytes: what is read is what is there, what is written arrives."""

import errno
import hashlib
import json
import mmap
import os
import shutil

import pytest

pytestmark = pytest.mark.each_server

MIB = 1024 * 1024


def test_read_gives_the_servers_bytes(server, tree):
    content = bytes(range(256)) * 1000
    server.write("bin", content)
    server.write("empty", b"")
    assert (tree / "bin").read_bytes() == content
    assert (tree / "empty").read_bytes() == b""


def test_write_arrives_before_close_returns(server, tree):
    content = b"a\r\nb\0c\xff\xfe" * 100
    with open(tree / "new", "wb") as file:
        file.write(content)
    assert (server.root / "new").read_bytes() == content
    assert os.stat(tree / "new").st_size == len(content)


def test_fsync_arrives_before_it_returns(server, tree):
    with open(tree / "new", "wb", buffering=0) as file:
        file.write(b"first")
        os.fsync(file.fileno())
        assert (server.root / "new").read_bytes() == b"first"
        file.write(b" second")
    assert (server.root / "new").read_bytes() == b"first second"


def test_empty_file_is_created(server, tree):
    open(tree / "empty", "w").close()
    assert (server.root / "empty").read_bytes() == b""


def test_overwrite_shrinks(server, tree):
    server.write("a", "a long line of text")
    (tree / "a").write_text("short")
    assert (server.root / "a").read_text() == "short"
    assert (tree / "a").read_text() == "short"


def test_append(server, tree):
    server.write("log", "one\n")
    with open(tree / "log", "a") as file:
        file.write("two\n")
    with open(tree / "log", "a") as file:
        file.write("three\n")
    assert (server.root / "log").read_text() == "one\ntwo\nthree\n"


def test_write_in_the_middle_keeps_the_rest(server, tree):
    server.write("a", "0123456789")
    with open(tree / "a", "r+b") as file:
        file.seek(3)
        file.write(b"xyz")
    assert (server.root / "a").read_text() == "012xyz6789"


def test_write_past_the_end_leaves_zeros(server, tree):
    with open(tree / "a", "wb") as file:
        file.seek(100)
        file.write(b"end")
    assert (server.root / "a").read_bytes() == bytes(100) + b"end"


def test_truncate_by_name_and_by_handle(server, tree):
    server.write("a", "0123456789")
    os.truncate(tree / "a", 4)
    assert (server.root / "a").read_bytes() == b"0123"
    os.truncate(tree / "a", 6)
    assert (server.root / "a").read_bytes() == b"0123\0\0"
    with open(tree / "a", "r+b") as file:
        file.truncate(2)
    assert (server.root / "a").read_bytes() == b"01"
    assert os.stat(tree / "a").st_size == 2


def test_reader_beside_a_writer_sees_its_bytes(tree):
    with open(tree / "a", "wb", buffering=0) as writer:
        writer.write(b"hello")
        assert (tree / "a").read_bytes() == b"hello"
        assert os.stat(tree / "a").st_size == 5


def test_read_only_handle_cannot_write(server, tree):
    server.write("a", "one")
    fd = os.open(tree / "a", os.O_RDONLY)
    with pytest.raises(OSError) as caught:
        os.write(fd, b"x")
    os.close(fd)
    assert caught.value.errno == errno.EBADF


def test_mapped_file_reads(server, tree):
    server.write("a", b"0123456789" * 1000)
    with open(tree / "a", "rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert mapped[5000:5010] == b"0123456789"


def test_unlinked_file_keeps_its_bytes_for_its_handle(server, tree):
    server.write("a", "still here")
    with open(tree / "a") as file:
        os.unlink(tree / "a")
        assert not (server.root / "a").exists()
        assert file.read() == "still here"
    assert not (server.root / "a").exists()


def test_notebook_is_kept_byte_for_byte(server, tree):
    notebook = {"cells": [], "metadata": {}, "nbformat": 3,
                "nbformat_minor": 0, "n": 1.0}
    texts = [json.dumps(notebook, indent=7), "{not json", "", "\ufeff{}\r\n"]
    for text in texts:
        content = text.encode()
        (tree / "n.ipynb").write_bytes(content)
        assert (server.root / "n.ipynb").read_bytes() == content
        assert (tree / "n.ipynb").read_bytes() == content
        assert os.stat(tree / "n.ipynb").st_size == len(content)


def test_save_of_a_kilobyte_costs_two_requests_at_most(server, mount):
    server.write("old", "z" * 1024)
    os.listdir(mount.path)
    with mount.counting() as creating:
        (mount.path / "new").write_bytes(b"x" * 1024)
    assert creating[0] <= 2
    with mount.counting() as overwriting:
        (mount.path / "new").write_bytes(b"y" * 1024)
    assert overwriting[0] <= 2
    with mount.counting() as overwriting:
        (mount.path / "old").write_bytes(b"y" * 1024)
    assert overwriting[0] <= 2
    assert (server.root / "old").read_bytes() == b"y" * 1024


def test_reading_again_costs_at_most_a_look(server, mount):
    server.write("a", "x" * 1000)
    (mount.path / "a").read_bytes()
    with mount.counting() as again:
        (mount.path / "a").read_bytes()
    assert again[0] <= 2


def digest(path):
    """SHA-256 of a file, read in pieces."""
    seen = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(MIB):
            seen.update(piece)
    return seen.hexdigest()


@pytest.mark.plain
@pytest.mark.options("stall=120")
def test_big_file_goes_in_and_out_in_bounded_memory(server, mount, scratch):
    source = scratch / "source"
    with open(source, "wb") as file:
        for number in range(200):
            file.write(os.urandom(4096) * 255 + bytes([number]) * 4096)
    assert source.stat().st_size == 200 * MIB
    os.listdir(mount.path)
    idle = mount.memory_kib("VmRSS")
    shutil.copyfile(source, mount.path / "big")
    assert digest(server.root / "big") == digest(source)
    shutil.copyfile(mount.path / "big", scratch / "back")
    assert digest(scratch / "back") == digest(source)
    if mount.is_sanitized():
        print("memory is not measured: the build has a sanitizer")
        return
    assert mount.memory_kib("VmHWM") - idle < 64 * 1024


def test_file_of_several_chunks_arrives_whole(server, tree):
    content = os.urandom(9 * MIB + 1)
    (tree / "chunks").write_bytes(content)
    assert (server.root / "chunks").read_bytes() == content
    (tree / "chunks").write_bytes(content[:MIB])
    assert (server.root / "chunks").read_bytes() == content[:MIB]
