"""A helper that lies about runs: a run ends in an error or is what was said,
nothing is written outside, and the mount goes on."""

import contextlib
import os
import threading

import pytest

import liar
from harness import LIMIT, wait_until
from liar_helper import helper

pytestmark = pytest.mark.direct("the liar is not in a cluster")

LIMITS = "timeout=2,stall=2,attr_timeout=0,prefetch=off"
CHANNELS = f"api/kernels/{liar.KERNEL}/channels"
PLACE_MAX = 1 << 53


def piece(kind, data):
    """A frame of a record."""
    return bytes([kind]) + len(data).to_bytes(4, "big") + data


MARK = piece(3, b"10 0 0")
END = {"exit": 0, "signal": 0}


@pytest.fixture
def server():
    """A liar whose kernel does not lie yet."""
    made = liar.Liar()
    yield made
    made.stop()


@pytest.fixture
def mount(mounter, server):
    """Its mount."""
    return mounter(server.url, options=LIMITS,
                   env={"PYCLOUD_TOKEN": server.token}).start()


def outcome(mount, server, started):
    """What a run printed and how it ended, by a helper that says started()."""
    # One helper serves all runs of a mount.
    server.started = started
    server.lies[CHANNELS] = helper(lambda told: server.started(told))
    printed = []

    def run():
        with contextlib.suppress(OSError), \
                open(mount.path / ".run", "r+b", buffering=0) as file:
            file.write(b"-c pass\n")
            while True:
                data = file.read(65536)
                if not data:
                    return
                printed.append(data)

    runner = threading.Thread(target=run, daemon=True)
    runner.start()
    runner.join(LIMIT)
    assert not runner.is_alive(), "the run has no end"
    number = os.readlink(mount.path / ".pycloud/runs/last")
    status = (mount.path / ".pycloud/runs" / number / "status").read_text()
    return b"".join(printed), status


def said(*events):
    """A helper that says these, one after the other."""
    def started(told):
        for name, buffer, more in events:
            told.event(name, buffer, **more)
    return started


def output(buffer, offset, **more):
    """A piece of the record."""
    return ("output", buffer, {"offset": offset, **more})


def ended(length, **more):
    """The end."""
    return ("ended", None, {"length": length, **END, **more})


WHOLE = MARK + piece(1, b"fine\n")


def test_an_honest_helper_is_believed(mount, server):
    printed, status = outcome(mount, server, said(
        output(WHOLE, 0), ended(len(WHOLE))))
    assert printed == b"fine\n"
    assert "exit: 0" in status


# Each ends with something that ends the run.
LIES = {
    "a negative offset": [output(WHOLE, -1)],
    "an offset past all places": [output(WHOLE, PLACE_MAX)],
    "an offset that is none": [output(WHOLE, 1.5)],
    "an offset that is a word": [output(WHOLE, "0")],
    "a skip past all places": [output(WHOLE, PLACE_MAX, skipped=True)],
    "no record": [output(b"\xff" * 100, 0)],
    "a frame that is too long": [output(MARK + b"\x01\xff\xff\xff\xff", 0)],
    "a negative mark": [output(piece(3, b"-5 0 0") + piece(1, b"x"), 0)],
    "a mark that is too far": [
        output(piece(3, b"9" * 30 + b" 0 0") + piece(1, b"x"), 0)],
    "an exit status that is none": [
        output(WHOLE, 0), ended(len(WHOLE), exit=256)],
    "a negative exit status": [output(WHOLE, 0), ended(len(WHOLE), exit=-1)],
    "a signal that is none": [output(WHOLE, 0), ended(len(WHOLE), signal=-9)],
    "an end of another kind": [
        output(WHOLE, 0), ended(len(WHOLE), exit=[0])],
    "an end without a length": [output(WHOLE, 0), ended(-1)],
    "an end before its time": [
        output(WHOLE, 0), ended(0, ago_ms=-PLACE_MAX)],
    "an end before all time": [
        output(WHOLE, 0), ended(len(WHOLE), ago_ms=PLACE_MAX)],
    "an error that is none": [ended(0, error="../../etc")],
    "overlapping pieces": [
        output(WHOLE, 0), output(WHOLE, 3), output(WHOLE, 0),
        ended(len(WHOLE))],
}


@pytest.mark.parametrize("name", LIES)
def test_lies_end_the_run_and_nothing_else(mount, server, name):
    printed, status = outcome(mount, server, said(*LIES[name]))
    assert printed in (b"", b"fine\n")
    assert "state: running" not in status
    assert (mount.path / "honest").read_bytes() == b"true"
    # The next one is another's word.
    printed, status = outcome(mount, server, said(
        output(WHOLE, 0), ended(len(WHOLE))))
    assert printed == b"fine\n" and "exit: 0" in status


def test_figures_stay_in_their_directory(mount, server):
    names = [b"../../../outside.png", b"/etc/outside.png", b".hidden",
             b"..", b"", b"a/b.png", b"x" * 200, b"good.png"]
    record = MARK + b"".join(
        piece(4, name + b"\0\x89PNG") + piece(4, name + b"\0")
        for name in names)
    _, status = outcome(mount, server, said(
        output(record, 0), ended(len(record))))
    assert "state: running" not in status
    last = mount.path / ".pycloud/runs/last/figures"
    with contextlib.suppress(FileNotFoundError):
        assert set(os.listdir(last)) <= {"good.png"}
    assert not list(mount.scratch.rglob("outside.png"))


def test_a_record_without_end_does_not_fill_memory(mount, server):
    """Faster than anybody takes it, and never acknowledged."""
    def started(told):
        data = piece(1, b"x" * 60000)
        at = 0
        with contextlib.suppress(OSError):
            told.event("output", MARK, offset=0)
            at += len(MARK)
            for _ in range(3000):
                told.event("output", data, offset=at)
                at += len(data)
            told.event("ended", length=at, **END)

    server.lies[CHANNELS] = helper(started)
    with open(mount.path / ".run", "r+b", buffering=0) as file:
        file.write(b"-c pass\n")
        assert file.read(10) == b"x" * 10
        wait_until(lambda: (mount.path / ".pycloud/runs/last/exit")
                   .read_text() != "", "the end")
    assert mount.memory_kib("VmHWM") < 1024 * 1024
    assert (mount.path / ".pycloud/runs/last/output").stat().st_size \
        == 3000 * 60000
