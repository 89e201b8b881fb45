"""select, poll and epoll on .run and the files of a run; its number."""

import array
import errno
import fcntl
import os
import select
import signal
import time

import pytest

from harness import LIMIT

RUN_IOC_NUMBER = 0x80087001  # _IOR('p', 1, uint64_t)
LAST = ".pycloud/runs/last"
# What is asleep for longer has missed the news.
SOON = 5.0


def number_of(handle):
    """The number of the run that this descriptor started."""
    answer = array.array("Q", [0])
    fcntl.ioctl(handle, RUN_IOC_NUMBER, answer)
    return answer[0]


@pytest.fixture
def gated(server, scratch):
    """A script that writes a line for every line of a fifo, and the gate."""
    gate = scratch / "gate"
    os.mkfifo(gate)
    server.write("gated.py", "import sys\n"
                             f"for line in open({str(gate)!r}):\n"
                             "    word, stream = line.split()\n"
                             "    getattr(sys, stream).write(word + '\\n')\n")
    return gate


def start(tree, line):
    """A descriptor that has started this line."""
    handle = os.open(tree / ".run", os.O_RDWR)
    os.write(handle, line.encode() + b"\n")
    return handle


def readable(handle, seconds):
    """Does poll() call it readable within that time?"""
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def test_poll_sleeps_until_there_is_output_or_the_end(tree, gated):
    handle = start(tree, "gated.py")
    with open(gated, "w") as gate:
        assert not readable(handle, 0)
        gate.write("one stdout\n")
        gate.flush()
        assert readable(handle, LIMIT)
        assert os.read(handle, 100) == b"one\n"
        assert not readable(handle, 0)
    assert readable(handle, LIMIT)
    assert os.read(handle, 100) == b""
    assert readable(handle, 0)
    os.close(handle)


def test_epoll_wakes_each_stream_for_its_own_bytes(tree, gated):
    handle = start(tree, "gated.py")
    out = os.open(tree / LAST / "stdout", os.O_RDONLY)
    err = os.open(tree / LAST / "stderr", os.O_RDONLY)
    with select.epoll() as epoll, open(gated, "w") as gate:
        epoll.register(out, select.EPOLLIN)
        epoll.register(err, select.EPOLLIN)
        assert epoll.poll(0) == []
        for stream, descriptor in (("stdout", out), ("stderr", err)) * 3:
            gate.write(f"word {stream}\n")
            gate.flush()
            assert epoll.poll(LIMIT) == [(descriptor, select.EPOLLIN)]
            assert os.read(descriptor, 100) == b"word\n"
            assert epoll.poll(0) == []
    for descriptor in (out, err, handle):
        assert readable(descriptor, LIMIT)
        os.close(descriptor)


def test_output_wakes_at_once(tree, gated):
    handle = start(tree, "gated.py")
    waits = []
    with open(gated, "w") as gate:
        for number in range(20):
            gate.write(f"{number} stdout\n")
            begun = time.monotonic()
            gate.flush()
            assert select.select([handle], [], [], LIMIT)[0] == [handle]
            waits.append(time.monotonic() - begun)
            assert os.read(handle, 100) == f"{number}\n".encode()
    os.close(handle)
    assert sorted(waits)[len(waits) // 2] < SOON
    print(f"median {sorted(waits)[10] * 1000:.1f} ms")


def test_sleepers_take_no_worker_of_the_mount(tree, gated):
    handle = start(tree, "gated.py")
    asleep = [os.open(tree / ".run", os.O_RDONLY) for _ in range(100)]
    with select.epoll() as epoll, open(gated, "w") as gate:
        for descriptor in asleep:
            epoll.register(descriptor, select.EPOLLIN)
        assert epoll.poll(0) == []
        assert "gated.py" in os.listdir(tree)
        gate.write("word stdout\n")
        gate.flush()
        woken = set()
        while len(woken) < len(asleep):
            ready = epoll.poll(LIMIT)
            assert ready
            for descriptor, _ in ready:
                woken.add(descriptor)
                epoll.unregister(descriptor)
        assert woken == set(asleep)
    for descriptor in (*asleep, handle):
        os.close(descriptor)


def test_where_nothing_ran_and_on_files_nobody_sleeps(server, tree):
    server.write("file", "text")
    for name in ("file", ".run", ".pycloud/status"):
        handle = os.open(tree / name, os.O_RDONLY)
        assert select.select([handle], [handle], [], 0) \
            == ([handle], [handle], [])
        os.close(handle)


def test_who_started_a_run_can_ask_its_number(server, tree):
    server.write("main.py", "print(1)\n")
    handle = os.open(tree / ".run", os.O_RDWR)
    with pytest.raises(OSError) as caught:
        number_of(handle)
    assert caught.value.errno == errno.ENODATA
    os.write(handle, b"main.py\n")
    other = start(tree, "main.py")
    assert number_of(other) == number_of(handle) + 1
    with pytest.raises(OSError) as caught:
        fcntl.ioctl(handle, 0x7002, b"12345678")
    assert caught.value.errno == errno.ENOTTY
    os.close(handle)
    os.close(other)


def test_sleeper_hears_of_the_mounts_end(mount, gated):
    handle = start(mount.path, "gated.py")
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    assert not poller.poll(0)
    os.kill(mount.pid, signal.SIGTERM)
    assert poller.poll(LIMIT * 1000)
    with pytest.raises(OSError):
        os.read(handle, 100)
    with pytest.raises(OSError):
        os.close(handle)
    assert mount.wait_end(10) == 0
    with open(gated, "w"):
        pass  # the script ends, too
