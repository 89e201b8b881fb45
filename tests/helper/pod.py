"""What the tests of the pod's side share: the helper with a fake comm, no
kernel; a gate that scripts wait at; and a reader of records.
"""
import importlib
import os
import pathlib
import queue
import struct
import sys
import time
import uuid

COMMON = pathlib.Path(__file__).resolve().parents[2] / "common"
sys.path.insert(0, str(COMMON))
sys.dont_write_bytecode = True
helper_module = importlib.import_module("helper")
helper_runs = importlib.import_module("helper_runs")
helper_child = importlib.import_module("helper_child")
supervisor_log = importlib.import_module("supervisor_log")

DEADLINE = 20
TEXTS = {path.stem: path.read_text() for path in COMMON.glob("*.py")}
STDOUT, STDERR, MARK, FIGURE = 1, 2, 3, 4


class Client:
    """The other end of the comm: calls, and what came of them."""

    def __init__(self, helper, window=4 << 20):
        self.replies = {}
        self.events = queue.Queue()
        self.drop = lambda data: False
        self.number = 0
        self.seen = []
        self.acks = True
        self.handler = None
        self.records = {}
        self.begins = {}  # of records: what was skipped
        helper.open(self, {"content": {"data": {"window": window}}})
        self.hello = self.events.get(timeout=DEADLINE)[0]

    def on_msg(self, handler):
        self.handler = handler

    def send(self, data, buffers=None):
        if not self.drop(data):
            self.events.put((data, buffers))

    def post(self, verb, *buffers, **data):
        self.handler({"content": {"data": dict(data, call=verb)},
                      "buffers": [memoryview(b) for b in buffers]})

    def call(self, verb, *buffers, call_id=None, **data):
        if call_id is None:
            self.number += 1
            call_id = self.number
        self.post(verb, *buffers, id=call_id, **data)
        return self.wait(lambda d: d.get("reply") == call_id)

    def start(self, *argv, directory="", run=None, **more):
        run = run or uuid.uuid4().hex
        line = b"\0".join(os.fsencode(a) for a in argv)
        return run, self.call("start", line, run=run, directory=directory,
                              **more)

    def wait(self, matches, timeout=DEADLINE):
        """The first message that matches; the others stay for later waits,
        and output is collected on the way."""
        end = time.monotonic() + timeout
        for data in self.seen:
            if matches(data):
                self.seen.remove(data)
                return data
        while True:
            data = self.take(end - time.monotonic())
            if matches(data):
                return data
            self.seen.append(data)

    def take(self, timeout):
        data, buffers = self.events.get(timeout=timeout)
        if data.get("event") == "output":
            self.collect(data, buffers[0])
        elif buffers:
            data = dict(data, bytes=b"".join(buffers))
        return data

    def await_output(self, run, expected):
        """Until that, and no more, is what came of a run's streams."""
        while self.output(run) != expected:
            self.seen.append(self.take(DEADLINE))

    def collect(self, data, piece):
        """Appends it; what was skipped makes a record begin anew."""
        run, offset = data["run"], data["offset"]
        end = self.begins.get(run, 0) + len(self.records.get(run, b""))
        if data.get("skipped"):
            assert offset > end
            self.begins[run] = end = offset
            self.records[run] = bytearray()
        assert offset == end, "a gap or a repetition"
        assert 0 < len(piece) <= helper_module.PIECE_BYTES
        self.records.setdefault(run, bytearray()).extend(piece)
        if self.acks:
            self.post("ack", run=run, offset=end + len(piece))

    def finish(self, run):
        return self.wait(
            lambda d: d.get("event") == "ended" and d["run"] == run)

    def frames(self, run):
        """[(kind, bytes)] of a record that is complete."""
        found, end = split(self.records.get(run, b""))
        assert end == len(self.records.get(run, b""))
        return found

    def output(self, run):
        """{stream: bytes} of a record."""
        out = {}
        for kind, data in split(self.records.get(run, b""))[0]:
            if kind in (STDOUT, STDERR):
                out.setdefault(kind, bytearray()).extend(data)
        return {kind: bytes(data) for kind, data in out.items()}

    def figures(self, run):
        """{name: PNG} of a record, of those that are whole."""
        pieces, whole = {}, {}
        for kind, data in self.frames(run):
            if kind == FIGURE:
                name, _, piece = data.partition(b"\0")
                pieces[name] = pieces.get(name, b"") + piece
                if not piece:
                    whole[name.decode()] = pieces.pop(name)
        return whole


def split(record):
    """[(kind, bytes)] of the frames that are whole, and where they end."""
    found, at = [], 0
    while at + 5 <= len(record):
        kind, size = struct.unpack_from(">BI", record, at)
        assert 1 <= kind <= 4 and size <= 1 << 20
        if at + 5 + size > len(record):
            break
        found.append((kind, bytes(record[at + 5:at + 5 + size])))
        at += 5 + size
    return found, at


class Gate:
    """A FIFO in the workspace, of which every pass takes a byte."""

    wait_code = "open('gate', 'rb', 0).read(1)\n"

    def __init__(self, root):
        os.mkfifo(root / "gate")
        # Both ends, so that neither side waits for the other to open it.
        self.fd = os.open(root / "gate", os.O_RDWR)

    def open(self, count=1):
        os.write(self.fd, b"!" * count)

    def close(self):
        os.close(self.fd)


def run_to_end(client, *argv, **kw):
    run, reply = client.start(*argv, **kw)
    assert reply["error"] == ""
    return run, client.finish(run)


def code(client, text, **kw):
    run, end = run_to_end(client, "-c", text, **kw)
    return client.output(run), end


def await_status(helper, run):
    """Waits until the run's supervisor has said how it ended."""
    bell = helper_runs.Bell()
    seen = helper_runs.Run(os.path.join(helper.runs_folder, run))
    bell.watch(seen.folder)
    end = time.monotonic() + DEADLINE
    while seen.status() is None:
        assert time.monotonic() < end
        bell.wait(DEADLINE)
    bell.close()


def await_pump(client):
    """Makes the pump look at every run that came before."""
    run, _ = run_to_end(client, "-c", "0")
    client.post("forget", run=run)
