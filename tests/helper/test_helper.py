"""The helper and its supervisor by themselves: a fake comm, no kernel."""
import importlib
import json
import os
import pathlib
import queue
import signal
import struct
import sys
import threading
import time
import uuid

import pytest

COMMON = pathlib.Path(__file__).resolve().parents[2] / "common"
sys.path.insert(0, str(COMMON))
sys.dont_write_bytecode = True
helper_module = importlib.import_module("helper")
helper_runs = importlib.import_module("helper_runs")

DEADLINE = 20


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

    def start(self, *argv, directory="", run=None):
        run = run or uuid.uuid4().hex
        line = b"\0".join(os.fsencode(a) for a in argv)
        return run, self.call("start", line, run=run, directory=directory)

    def wait(self, matches, timeout=DEADLINE):
        """The first message that matches; the others stay for later waits,
        and output is collected on the way."""
        end = time.monotonic() + timeout
        for data in self.seen:
            if matches(data):
                self.seen.remove(data)
                return data
        while True:
            data, buffers = self.events.get(timeout=end - time.monotonic())
            if data.get("event") == "output":
                self.collect(data, buffers[0])
            if matches(data):
                return data
            self.seen.append(data)

    def collect(self, data, piece):
        record = self.records.setdefault(data["run"], bytearray())
        assert data["offset"] == len(record), "a gap or a repetition"
        assert len(piece) <= helper_module.PIECE_BYTES
        record += piece
        if self.acks:
            self.post("ack", run=data["run"], offset=len(record))

    def finish(self, run):
        return self.wait(
            lambda d: d.get("event") == "ended" and d["run"] == run)

    def output(self, run):
        """{stream: bytes} of a record."""
        record, out, at = bytes(self.records.get(run, b"")), {}, 0
        while at < len(record):
            stream, size = struct.unpack_from(">BI", record, at)
            out[stream] = out.get(stream, b"") + record[at + 5:at + 5 + size]
            at += 5 + size
        return out


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "ws").mkdir()
    return tmp_path / "ws"


@pytest.fixture
def helper(root):
    source = (COMMON / "supervisor.py").read_text()
    return helper_module.Helper(source, str(root))


@pytest.fixture
def client(helper):
    return Client(helper)


def run_to_end(client, *argv, **kw):
    run, reply = client.start(*argv, **kw)
    assert reply["error"] == ""
    return run, client.finish(run)


def code(client, text):
    run, end = run_to_end(client, "-c", text)
    return client.output(run), end


def until(condition):
    """Waits for what no event tells."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def test_hello_tells_version_and_root(client, root):
    assert client.hello["version"] == 1
    assert client.hello["root"] == str(root)


def test_output_and_status_arrive(client):
    out, end = code(client, "print('hello')")
    assert out == {1: b"hello\n"}
    assert (end["exit"], end["signal"]) == (0, 0)


def test_script_gets_arguments_and_directory(client, root):
    (root / "sub").mkdir()
    (root / "sub" / "s.py").write_text(
        "import sys, os; print(sys.argv, os.getcwd())")
    run, _ = run_to_end(client, "s.py", "a", "b c", directory="sub")
    assert client.output(run)[1].decode() == (
        "['s.py', 'a', 'b c'] %s\n" % (root / "sub"))


def test_arguments_need_not_be_utf8(client):
    run, _ = run_to_end(client, "-c", "import sys, os;"
                        "print(os.fsencode(sys.argv[1]))", "caf\udce9")
    assert client.output(run)[1] == b"b'caf\\xe9'\n"


@pytest.mark.parametrize("text, exit_status, number", [
    ("import sys; sys.exit(3)", 3, 0),
    ("import os; os._exit(7)", 7, 0),
    ("1/0", 1, 0),
    ("import os; os.kill(os.getpid(), 9)", 0, 9),
    ("import os; os.kill(os.getpid(), 11)", 0, 11),
])
def test_status_is_the_childs(client, text, exit_status, number):
    _, end = code(client, text)
    assert (end["exit"], end["signal"]) == (exit_status, number)


def test_stderr_is_apart(client):
    out, _ = code(client, "import sys; print('o'); sys.stderr.write('e')")
    assert out == {1: b"o\n", 2: b"e"}


def test_bytes_are_not_interpreted(client):
    out, _ = code(client, "import sys; sys.stdout.buffer.write("
                  "bytes(range(256)) * 3)")
    assert out == {1: bytes(range(256)) * 3}


@pytest.mark.parametrize("argv, name", [
    (["missing.py"], "ENOENT"), (["folder"], "EISDIR"),
    (["-u", "-W", "ignore", "missing.py"], "ENOENT"),
    (["nb.ipynb"], "ENOTSUP"),
])
def test_what_cannot_start_says_why(client, root, argv, name):
    (root / "folder").mkdir()
    (root / "nb.ipynb").write_text("{}")
    _, reply = client.start(*argv)
    assert reply["error"] == name
    assert os.listdir(root.parent / "state" / "pycloud" / "runs") == []


def test_missing_directory_is_enoent(client):
    assert client.start("-c", "0", directory="no")[1]["error"] == "ENOENT"


@pytest.mark.parametrize("argv, script", [
    (["a.py", "-m"], "a.py"), (["-m", "pytest", "x.py"], None),
    (["-Im", "x"], None), (["-Wd", "a.py"], "a.py"),
    (["-X", "dev", "a.py"], "a.py"), (["-uW", "x", "a.py"], "a.py"),
    (["-"], None), ([], None), (["-OO", "-c", "x"], None),
])
def test_script_is_the_first_word_that_is_no_option(argv, script):
    found = helper_runs.find_script([a.encode() for a in argv])
    assert found == (script.encode() if script else None)


def test_input_is_fed_and_ends(client):
    run, _ = client.start("-c", "import sys; print(sys.stdin.read()[::-1])")
    assert client.call("feed", b"abc", run=run, offset=0,
                       eof=False)["error"] == ""
    # Repeated and overlapping: only what is new counts.
    client.call("feed", b"bcd", run=run, offset=1, eof=False)
    client.call("feed", b"", run=run, offset=4, eof=True)
    client.finish(run)
    assert client.output(run) == {1: b"dcba\n"}


def test_much_input_to_a_slow_reader(client):
    run, _ = client.start("-c", "import sys, time; time.sleep(.3);"
                          "print(len(sys.stdin.buffer.read()))")
    data = bytes(1 << 20)
    for i in range(3):
        client.call("feed", data, run=run, offset=i << 20, eof=i == 2)
    client.finish(run)
    assert client.output(run) == {1: b"%d\n" % (3 << 20)}


def test_input_that_nobody_reads_does_no_harm(client):
    run, _ = client.start("-c", "import os, time; os.close(0);"
                          "print(1); time.sleep(.3)")
    client.wait(lambda d: d.get("event") == "output")
    client.call("feed", b"x" * 100000, run=run, offset=0, eof=False)
    assert client.finish(run)["exit"] == 0
    reply = client.call("feed", b"x", run=run, offset=100000, eof=True)
    assert reply["error"] == "ESRCH"


def test_signal_reaches_the_script(client):
    run, _ = client.start("-c", "import time\nprint(1)\ntime.sleep(60)")
    client.wait(lambda d: d.get("event") == "output")
    client.call("signal", run=run, number=signal.SIGINT)
    end = client.finish(run)
    if sys.version_info >= (3, 8):  # before, -c made it status 1
        assert (end["exit"], end["signal"]) == (0, 2)
    assert b"KeyboardInterrupt" in client.output(run)[2]


def test_grandchild_does_not_delay_the_end(client):
    out, end = code(client, "import subprocess, sys\n"
                    "subprocess.Popen(['sleep', '30'])\nprint('done')")
    assert out == {1: b"done\n"}
    assert end["exit"] == 0


def test_environment_is_clean(client, monkeypatch):
    out, _ = code(client, "import os; print(sorted(k for k in os.environ "
                  "if 'JPY' in k or 'TOKEN' in k),"
                  "os.environ['PYTHONUNBUFFERED'])")
    assert out == {1: b"[] 1\n"}


def test_secrets_of_the_server_are_not_handed_on():
    names = ("JPY_PARENT_PID", "JUPYTER_TOKEN", "JUPYTER_TOKENS", "PATH")
    assert [n for n in names if not helper_runs.OURS.match(n)] == [
        "JUPYTER_TOKENS", "PATH"]


def test_window_stops_the_sender(helper):
    client = Client(helper, window=100000)
    client.acks = False
    run, _ = client.start("-c", "print('x' * 1000000)")
    client.wait(lambda d: d.get("event") == "output" and
                len(client.records[run]) == 100000)
    time.sleep(0.2)  # window: nothing may come
    assert client.events.empty()
    client.acks = True
    client.post("ack", run=run, offset=100000)
    client.finish(run)
    assert client.output(run) == {1: b"x" * 1000000 + b"\n"}


def test_dropped_output_is_sent_again_from_where_the_client_is(client):
    dropped = []

    def drop(said):
        dropped.append(said.get("event"))
        return dropped[-1] in ("output", "ended")

    client.drop = drop
    run, _ = client.start("-c", "print('hello')")
    until(lambda: "ended" in dropped)
    client.drop = lambda d: False
    assert client.call("follow", run=run, offset=0)["error"] == ""
    assert client.finish(run)["exit"] == 0
    assert client.output(run) == {1: b"hello\n"}


def test_end_is_repeated(client):
    run, end = run_to_end(client, "-c", "print(1)")
    client.call("follow", run=run, offset=end["length"])
    assert client.finish(run) == end


def test_repeated_call_is_not_done_twice(client, root):
    run = uuid.uuid4().hex
    text = "open('n', 'a').write('x'); import time; time.sleep(.2)"
    line = b"-c\0" + text.encode()
    first = client.call("start", line, call_id=900, run=run, directory="")
    again = client.call("start", line, call_id=900, run=run, directory="")
    assert first == again
    client.finish(run)
    assert (root / "n").read_text() == "x"


def test_run_outlives_its_helper(helper, root):
    first = Client(helper)
    run, _ = first.start("-c", "import time\nfor i in range(5):\n"
                         " print(i)\n time.sleep(.1)")
    first.wait(lambda d: d.get("event") == "output")
    source = (COMMON / "supervisor.py").read_text()
    second = Client(helper_module.Helper(source, str(root)))
    assert second.start("-c", "x", run=run)[1]["error"] == ""
    assert second.finish(run)["exit"] == 0
    assert second.output(run) == {1: b"0\n1\n2\n3\n4\n"}


def test_lost_supervisor_is_said(client):
    run, reply = client.start("-c", "import time; time.sleep(5)")
    stat_line = open("/proc/%d/stat" % reply["pid"]).read()
    os.kill(int(stat_line.rpartition(")")[2].split()[1]), signal.SIGKILL)
    assert client.finish(run)["error"] == "EIO"
    os.kill(reply["pid"], signal.SIGKILL)


def test_forgotten_run_goes_on_in_silence(client, root):
    run, _ = client.start("-c", "import time\nprint(1)\ntime.sleep(.5)\n"
                          "print(2)\nopen('done', 'w')")
    client.wait(lambda d: d.get("event") == "output")
    client.post("forget", run=run)
    until((root / "done").exists)
    assert client.events.empty()
    client.call("follow", run=run, offset=len(client.records[run]))
    client.finish(run)
    assert client.output(run) == {1: b"1\n2\n"}


def test_ten_runs_at_once(client):
    runs = [client.start("-c", "import time; print(%d); time.sleep(.2);"
                         "print(%d); raise SystemExit(%d)" % (i, i, i))[0]
            for i in range(10)]
    ends = {}
    while len(ends) < 10:
        end = client.wait(lambda d: d.get("event") == "ended")
        ends[end["run"]] = end["exit"]
    for i, run in enumerate(runs):
        assert client.output(run) == {1: b"%d\n%d\n" % (i, i)}
        assert ends[run] == i


@pytest.mark.parametrize("name, key", [
    ("nbserver-%d.json", "notebook_dir"), ("jpserver-%d.json", "root_dir")])
def test_root_is_what_the_server_shows(tmp_path, name, key):
    connection_file = str(tmp_path / "kernel-1.json")
    assert helper_runs.workspace_root(connection_file) == os.getcwd()
    (tmp_path / (name % os.getppid())).write_text(
        json.dumps({key: str(tmp_path), "token": "x"}))
    assert helper_runs.workspace_root(connection_file) == str(tmp_path)


def test_old_runs_are_removed(client, root, monkeypatch):
    monkeypatch.setattr(helper_runs, "RUNS_KEEP", 3)
    monkeypatch.setattr(helper_runs, "STARTING_SECONDS", 0)
    for i in range(6):
        run, _ = run_to_end(client, "-c", "0")
        client.post("forget", run=run)
        time.sleep(0.05)  # window: the runs' times must differ
    folder = root.parent / "state" / "pycloud" / "runs"
    assert len(os.listdir(folder)) == 3
    assert os.stat(folder.parent).st_mode & 0o777 == 0o700


def test_runs_are_kept_outside_the_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local"))
    monkeypatch.setattr(helper_runs.tempfile, "gettempdir",
                        lambda: str(tmp_path.parent / "shared"))
    folder = helper_runs.runs_folder(str(tmp_path))
    assert not folder.startswith(str(tmp_path) + "/")


def test_flood_of_small_writes_is_few_messages(client):
    count = [0]

    def counted(data):
        count[0] += data.get("event") == "output"
        return False
    client.drop = counted
    begin = time.monotonic()
    out, _ = code(client, "for i in range(20000): print(i)")
    assert out[1] == b"".join(b"%d\n" % i for i in range(20000))
    spent = time.monotonic() - begin
    assert count[0] <= helper_module.MESSAGES_AT_ONCE + 1 + (
        spent * helper_module.MESSAGES_PER_SECOND)
