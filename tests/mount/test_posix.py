"""What a local disk does in its corners, the mount does too."""

import contextlib
import ctypes
import errno
import mmap
import os
import stat
import subprocess
import sys

import pytest

from conftest import mount_server
from harness import wait_until, watch_for

pytestmark = pytest.mark.each_server

# The lookup before a creation counts as asking: JUST_ASKED_MS, and more.
JUST_ASKED = 0.05

LIBC = ctypes.CDLL(None, use_errno=True)
MIB = 1024 * 1024


def errno_of(function, *args):
    """The errno a call fails with; it must fail."""
    with pytest.raises(OSError) as caught:
        function(*args)
    return caught.value.errno


@contextlib.contextmanager
def opened(path, flags=os.O_RDWR, mode=0o644):
    """A file descriptor, closed afterwards."""
    fd = os.open(path, flags, mode)
    try:
        yield fd
    finally:
        os.close(fd)


# --- files without a name ----------------------------------------------------

def test_unlinked_file_is_read_written_and_looked_at(work_server, work):
    work_server.write("a", b"0123456789")
    os.chmod(work / "a", 0o640)
    with opened(work / "a") as fd:
        os.unlink(work / "a")
        before = os.fstat(fd)
        assert before.st_nlink == 0
        assert stat.S_IMODE(before.st_mode) == 0o640
        assert before.st_mtime > 1_700_000_000
        os.pwrite(fd, b"xy", 8)
        os.ftruncate(fd, 12)
        os.fsync(fd)
        assert os.pread(fd, 100, 0) == b"01234567xy\0\0"
        os.fchmod(fd, 0o600)
        os.utime(fd, ns=(123, 456789))
        after = os.fstat(fd)
        assert stat.S_IMODE(after.st_mode) == 0o600
        assert after.st_mtime_ns == 456789
        assert after.st_size == 12
    assert os.listdir(work_server.root) == []


def test_name_of_an_unlinked_file_is_free_for_another(work_server, work):
    work_server.write("a", "old")
    with opened(work / "a") as old:
        os.unlink(work / "a")
        (work / "a").write_text("new")
        os.pwrite(old, b"OLD", 0)
        assert os.pread(old, 10, 0) == b"OLD"
        assert (work / "a").read_text() == "new"
    assert (work_server.root / "a").read_text() == "new"


def test_removed_directory_can_still_be_looked_at(work):
    os.mkdir(work / "d")
    with opened(work / "d", os.O_RDONLY) as fd:
        os.rmdir(work / "d")
        assert stat.S_ISDIR(os.fstat(fd).st_mode)
        assert os.listdir(fd) == []
        assert errno_of(os.mkdir, f"/proc/self/fd/{fd}/x") == errno.ENOENT
        os.fchmod(fd, 0o700)
        assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o700


def test_renamed_file_goes_on_being_written(work_server, work):
    with opened(work / "a", os.O_CREAT | os.O_WRONLY) as fd:
        os.write(fd, b"one ")
        os.fsync(fd)
        os.rename(work / "a", work / "b")
        os.write(fd, b"two ")
        os.mkdir(work / "d")
        os.rename(work / "b", work / "d" / "c")
        os.write(fd, b"three")
    assert (work_server.root / "d" / "c").read_text() == "one two three"
    assert os.listdir(work_server.root) == ["d"]


def test_replaced_file_keeps_its_bytes_for_its_writer(work_server, work):
    work_server.write("a", "old")
    with opened(work / "a") as old:
        os.pwrite(old, b"OL", 0)
        (work / "tmp").write_text("new")
        os.rename(work / "tmp", work / "a")
        assert os.pread(old, 10, 0) == b"OLd"
    assert (work_server.root / "a").read_text() == "new"


def test_directory_is_renamed_with_open_files_below(work_server, work):
    work_server.write("d/e/read", "to be read")
    with contextlib.ExitStack() as stack:
        written = stack.enter_context(
            opened(work / "d" / "e" / "w", os.O_CREAT | os.O_RDWR))
        read = stack.enter_context(opened(work / "d" / "e" / "read"))
        gone = stack.enter_context(
            opened(work / "d" / "gone", os.O_CREAT | os.O_RDWR))
        os.write(gone, b"nowhere")
        os.unlink(work / "d" / "gone")
        os.write(written, b"before")
        os.rename(work / "d", work / "f")
        os.write(written, b" and after")
        assert os.read(read, 100) == b"to be read"
        assert os.pread(written, 100, 0) == b"before and after"
        assert (work / "f" / "e" / "w").read_bytes() == b"before and after"
        assert not (work / "d").exists()
    assert (work_server.root / "f/e/w").read_text() == "before and after"
    assert not (work_server.root / "f" / "gone").exists()


def test_file_that_replaces_a_symbolic_link_is_on_the_server(
        work_server, work):
    os.symlink("nowhere", work / "link")
    os.symlink("nowhere", work / "other")
    (work / "a").write_text("saved")
    with opened(work / "a") as fd:
        os.rename(work / "a", work / "link")
        os.write(fd, b"SAVED")
    assert (work_server.root / "link").read_text() == "SAVED"
    assert (work / "link").read_text() == "SAVED"
    assert not os.path.islink(work / "link")
    os.mkdir(work / "d")
    assert errno_of(os.rename, work / "d", work / "other") == errno.ENOTDIR
    assert os.readlink(work / "other") == "nowhere"


# --- how a file is opened ----------------------------------------------------

def test_two_handles_append_by_turns(work_server, work):
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
    with opened(work / "log", flags) as first, \
            opened(work / "log", flags) as second:
        for number in range(20):
            os.write((first, second)[number % 2], f"{number}\n".encode())
    wanted = "".join(f"{number}\n" for number in range(20))
    assert (work_server.root / "log").read_text() == wanted


def test_two_processes_append_at_once(work_server, work):
    program = ("import os, sys\n"
               "fd = os.open('log', os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
               "for n in range(200):\n"
               "    os.write(fd, f'{sys.argv[1]} {n}\\n'.encode())\n")
    running = [subprocess.Popen([sys.executable, "-c", program, str(number)],
                                cwd=work) for number in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    lines = (work_server.root / "log").read_text().splitlines()
    assert sorted(lines) == sorted(f"{a} {b}" for a in range(3)
                                   for b in range(200))


def test_mapped_pages_are_not_appended(work_server, work):
    work_server.write("a", b"-" * 10000)
    with opened(work / "a", os.O_RDWR | os.O_APPEND) as fd:
        with mmap.mmap(fd, 10000) as mapped:
            mapped[5000:5004] = b"here"
            mapped.flush()
        os.write(fd, b"end")
    wanted = b"-" * 5000 + b"here" + b"-" * 4996 + b"end"
    assert (work_server.root / "a").read_bytes() == wanted


def test_exclusive_creation_asks_the_server(work_server, work):
    assert not (work / "behind").exists()
    assert ".run" in os.listdir(work)
    work_server.write("behind", "keep")
    watch_for(JUST_ASKED)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    assert errno_of(os.open, work / "behind", flags) == errno.EEXIST
    assert not (work / "directory").exists()
    (work_server.root / "directory").mkdir()
    watch_for(JUST_ASKED)
    assert errno_of(os.mkdir, work / "directory") == errno.EEXIST
    assert (work_server.root / "behind").read_text() == "keep"


def test_exclusive_creation_asks_once_and_not_in_our_own_directory(
        work_server, work_mount):
    os.listdir(work_mount.path)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    with work_mount.counting() as first:
        os.close(os.open(work_mount.path / "lock", flags))
    assert first[0] <= 2
    os.unlink(work_mount.path / "lock")
    with work_mount.counting() as again:
        os.close(os.open(work_mount.path / "lock", flags))
    assert again[0] <= 1
    os.mkdir(work_mount.path / "ours")
    assert not (work_mount.path / "ours" / ".known").exists()
    with work_mount.counting() as below:
        os.mkdir(work_mount.path / "ours" / "d")
        os.close(os.open(work_mount.path / "ours" / "d" / ".x", flags))
    assert below[0] <= 2
    assert (work_server.root / "ours" / "d" / ".x").exists()


def test_truncation_at_open(work_server, work):
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY):
        work_server.write("a", b"0123456789")
        os.utime(work / "a", ns=(1000, 1000))
        with opened(work / "a", flags | os.O_TRUNC) as fd:
            assert os.fstat(fd).st_size == 0
        assert os.stat(work / "a").st_mtime > 1_700_000_000
        assert (work_server.root / "a").read_bytes() == b""


def test_truncation_down_and_up_leaves_zeros(work_server, work):
    work_server.write("a", b"x" * 100000)
    with opened(work / "a") as fd:
        os.ftruncate(fd, 50000)
        os.ftruncate(fd, 150000)
        os.pwrite(fd, b"y", 149999)
        wanted = b"x" * 50000 + bytes(99999) + b"y"
        assert os.pread(fd, 200000, 0) == wanted
    assert (work_server.root / "a").read_bytes() == wanted
    os.truncate(work / "a", 3)
    os.truncate(work / "a", 5)
    assert (work_server.root / "a").read_bytes() == b"xxx\0\0"


def test_fallocate_makes_longer_or_keeps_the_size(work_server, work):
    with opened(work / "a", os.O_CREAT | os.O_RDWR) as fd:
        os.write(fd, b"abc")
        os.posix_fallocate(fd, 0, 10)
        assert os.fstat(fd).st_size == 10
        keep_size = 1
        assert LIBC.fallocate(fd, keep_size, ctypes.c_long(0),
                              ctypes.c_long(100)) == 0
        assert os.fstat(fd).st_size == 10
        collapse = 8
        assert LIBC.fallocate(fd, collapse, ctypes.c_long(0),
                              ctypes.c_long(4096)) == -1
        assert ctypes.get_errno() == errno.EOPNOTSUPP
    assert (work_server.root / "a").read_bytes() == b"abc" + bytes(7)


def test_fallocate_makes_holes_and_zeros(work_server, work):
    punch_hole, zero_range = 3, 16
    with opened(work / "a", os.O_CREAT | os.O_RDWR) as fd:
        os.write(fd, b"0123456789")
        for mode, offset, length in ((punch_hole, 1, 2), (punch_hole, 8, 90),
                                     (zero_range, 5, 1), (zero_range, 9, 3)):
            assert LIBC.fallocate(fd, mode, ctypes.c_long(offset),
                                  ctypes.c_long(length)) == 0
        wanted = b"0\0\0" + b"34\0" + b"67" + bytes(4)
        assert os.pread(fd, 100, 0) == wanted
    assert (work_server.root / "a").read_bytes() == wanted


# --- mappings ----------------------------------------------------------------

def test_mapping_sees_writes_and_writes_are_read(work_server, work):
    work_server.write("a", b"-" * 3 * MIB)
    with opened(work / "a") as fd:
        with mmap.mmap(fd, 3 * MIB) as mapped:
            os.pwrite(fd, b"written", 2 * MIB)
            assert mapped[2 * MIB:2 * MIB + 7] == b"written"
            mapped[MIB:MIB + 6] = b"mapped"
            assert os.pread(fd, 6, MIB) == b"mapped"
            mapped.flush()
            os.fsync(fd)
            there = (work_server.root / "a").read_bytes()
            assert there[MIB:MIB + 6] == b"mapped"
            assert there[2 * MIB:2 * MIB + 7] == b"written"


def test_mapping_outlives_its_handle(work_server, work):
    work_server.write("a", b"-" * 10000)
    fd = os.open(work / "a", os.O_RDWR)
    mapped = mmap.mmap(fd, 10000)
    os.close(fd)
    mapped[4096:4104] = b"late one"
    mapped.flush()
    mapped[8000:8004] = b"last"
    mapped.close()
    wanted = (b"-" * 4096 + b"late one" + b"-" * (8000 - 4104) + b"last"
              + b"-" * 1996)
    assert (work / "a").read_bytes() == wanted
    # The last close was long ago: the mount's end is what waits for it.
    work.mount.finish()
    assert (work_server.root / "a").read_bytes() == wanted


def test_two_mappings_of_two_processes_share_pages(work_server, work):
    work_server.write("a", b"0" * 4096)
    program = ("import mmap, os\n"
               "fd = os.open('a', os.O_RDWR)\n"
               "with mmap.mmap(fd, 4096) as m:\n"
               "    m[100:105] = b'child'\n")
    with opened(work / "a") as fd, mmap.mmap(fd, 4096) as mapped:
        subprocess.run([sys.executable, "-c", program], cwd=work, check=True)
        assert mapped[100:105] == b"child"
    assert (work_server.root / "a").read_bytes()[100:105] == b"child"


# --- directories -------------------------------------------------------------

def getdents(fd, size):
    """The names in one getdents64 call with a buffer of that size."""
    buffer = ctypes.create_string_buffer(size)
    getdents64 = 217 if os.uname().machine == "x86_64" else 61
    count = LIBC.syscall(getdents64, fd, buffer, size)
    assert count >= 0, os.strerror(ctypes.get_errno())
    names, place = [], 0
    while place < count:
        length = int.from_bytes(buffer.raw[place + 16:place + 18],
                                sys.byteorder)
        names.append(buffer.raw[place + 19:place + length].split(b"\0")[0]
                     .decode())
        place += length
    return names


def test_walk_meets_every_name_once_while_others_come_and_go(
        work_server, work):
    for number in range(1000):
        work_server.write(f"d/stays{number}", "")
        if number % 10 == 0:
            work_server.write(f"d/goes{number}", "")
    met = []
    with opened(work / "d", os.O_RDONLY) as fd:
        turn = 0
        while names := getdents(fd, 512):
            met += names
            if turn % 3 == 0 and turn < 300:
                (work / "d" / f"comes{turn}").write_text("")
            going = work / "d" / f"goes{turn * 10}"
            if turn < 100 and going.exists():
                going.unlink()
            turn += 1
    stayed = [name for name in met if name.startswith("stays")]
    assert sorted(stayed) == sorted(f"stays{n}" for n in range(1000))
    assert len(set(met)) == len(met)
    now = set(os.listdir(work / "d"))
    assert now == set(os.listdir(work_server.root / "d"))
    assert "goes0" not in now and "comes0" in now


def test_removing_while_walking_removes_all(work_server, work):
    for number in range(1000):
        work_server.write(f"d/f{number}", "")
    with opened(work / "d", os.O_RDONLY) as fd:
        while names := getdents(fd, 256):
            for name in set(names) - {".", ".."}:
                os.unlink(work / "d" / name)
    os.rmdir(work / "d")
    assert not (work_server.root / "d").exists()


def test_rewound_walk_sees_the_present(work):
    os.mkdir(work / "d")
    (work / "d" / "old").write_text("")
    with opened(work / "d", os.O_RDONLY) as fd:
        assert set(getdents(fd, 4096)) == {".", "..", "old"}
        (work / "d" / "new").write_text("")
        os.unlink(work / "d" / "old")
        os.lseek(fd, 0, os.SEEK_SET)
        assert set(getdents(fd, 4096)) == {".", "..", "new"}


def test_directorys_time_moves_with_its_names(work):
    os.mkdir(work / "d")
    old = 10 ** 18
    for change in (lambda: (work / "d" / "a").write_text(""),
                   lambda: os.rename(work / "d" / "a", work / "d" / "b"),
                   lambda: os.mkdir(work / "d" / "c"),
                   lambda: os.rmdir(work / "d" / "c"),
                   lambda: os.symlink("b", work / "d" / "link"),
                   lambda: (work / "d" / ".b.swp").write_text(""),
                   lambda: os.rename(work / "d" / "link",
                                     work / "d" / "other"),
                   lambda: os.unlink(work / "d" / "other"),
                   lambda: os.unlink(work / "d" / "b")):
        os.utime(work / "d", ns=(old, old))
        assert os.stat(work / "d").st_mtime_ns == old
        change()
        assert os.stat(work / "d").st_mtime_ns > old


@pytest.mark.parametrize("arguments", [[], [
    "--FileContentsManager.delete_to_trash=False"]], ids=["trash", "delete"])
def test_rmdir_keeps_what_we_know_though_the_server_hides_it(
        mounter, make_server, arguments):
    server = make_server(arguments)
    mount = mount_server(mounter, server)
    os.mkdir(mount.path / "d")
    (mount.path / "d" / "module.pyc").write_text("keep")
    assert errno_of(os.rmdir, mount.path / "d") == errno.ENOTEMPTY
    assert (server.root / "d" / "module.pyc").read_text() == "keep"
    assert os.listdir(mount.path / "d") == ["module.pyc"]
    os.unlink(mount.path / "d" / "module.pyc")
    os.rmdir(mount.path / "d")
    assert not (server.root / "d").exists()


# --- beside others -----------------------------------------------------------

@pytest.mark.options("attr_timeout=30")
def test_open_never_gives_a_piece_of_a_version(server, tree):
    versions = [b"short", b"a longer version\n" * 1000, b"brief"]
    for version in versions:
        server.write("a", version)
        assert (tree / "a").stat().st_size > 0
        # Opening asks about what is older than a second.
        wait_until(lambda: read_whole(tree / "a", versions) == version,
                   "the new version")
        assert (tree / "a").stat().st_size == len(version)


def read_whole(path, versions):
    """A file's bytes, which must be those of one version."""
    content = path.read_bytes()
    assert content in versions, content[:100]
    return content
