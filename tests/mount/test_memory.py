"""What the daemon needs of memory does not grow with the files."""

import os

import pytest

MIB = 1024 * 1024
PEAK_KIB = 64 * 1024
READ_BYTES = 2048 * MIB
WRITE_BYTES = 512 * MIB
# Between zeros, so that something can be wrong.
MARK = b"a few real bytes in between"


def make_sparse(path):
    """Two gigabytes of holes, with a mark at every 64 MiB."""
    with open(path, "wb") as file:
        for place in range(0, READ_BYTES, 64 * MIB):
            file.seek(place + 12345)
            file.write(MARK)
        file.truncate(READ_BYTES)


def read_all(path):
    """Reads it to the end; the marks found, and the size."""
    marks = size = 0
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(4 * MIB):
            marks += piece.count(MARK)
            size += len(piece)
    return marks, size


@pytest.mark.plain
@pytest.mark.limit(500)
@pytest.mark.options("stall=120,cache_size=256M")
def test_gigabytes_pass_in_64_mib(work_server, work_mount):
    if work_mount.is_sanitized():
        pytest.skip("memory is not measured: the build has a sanitizer")
    make_sparse(work_server.root / "big")
    assert read_all(work_mount.path / "big") == (32, READ_BYTES)
    after_reading = work_mount.memory_kib("VmHWM")
    piece = os.urandom(MIB)
    with open(work_mount.path / "written", "wb", buffering=0) as file:
        for number in range(WRITE_BYTES // MIB):
            file.write(number.to_bytes(8, "little") + piece[8:])
    peak = work_mount.memory_kib("VmHWM")
    print(f"peak after reading {after_reading} KiB, after writing {peak} KiB")
    with open(work_server.root / "written", "rb") as file:
        for number in range(WRITE_BYTES // MIB):
            there = file.read(MIB)
            assert there == number.to_bytes(8, "little") + piece[8:]
        assert file.read() == b""
    assert peak < PEAK_KIB
