"""The helper and its supervisor by themselves: a fake comm, no kernel.

Scripts wait at a gate, a FIFO in the workspace, until the test opens it. What
must not happen is proven by another run, which the pump serves afterwards.
"""
import json
import os
import shutil
import signal
import sys
import threading
import time
import uuid

import pytest

from pod import (DEADLINE, STDERR, STDOUT, Client, await_pump,
                 await_status, code, helper_child, helper_module, helper_runs,
                 run_to_end)


def test_hello_tells_version_and_root(client, root):
    assert client.hello["version"] == 3
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


def test_no_stream_tears_the_others_lines(client):
    """print() writes a line and its end apart; both streams are read by one
    that knows not which came first."""
    run, _ = run_to_end(
        client, "-c", "import os, sys\nfor n in range(30000):\n"
        "    print(n, file=sys.stderr if n % 3 == 0 else sys.stdout)\n"
        "    if n % 100 == 0: os.sched_yield()")
    both = b"".join(data for kind, data in client.frames(run)
                    if kind in (STDOUT, STDERR))
    lines = both.decode().splitlines()
    assert sorted(lines, key=lambda n: int(n or 0)) == [
        str(n) for n in range(30000)]


def test_a_line_without_end_holds_nothing_up(client):
    """A prompt on one stream, and then the other one is written to."""
    out, _ = code(client, "import sys; sys.stdout.write('name? ')\n"
                  "for n in range(1000): print(n, file=sys.stderr)\n"
                  "sys.stdout.write('bye')")
    assert out == {1: b"name? bye", 2: b"".join(b"%d\n" % n
                                               for n in range(1000))}


def test_bytes_are_not_interpreted(client):
    out, _ = code(client, "import sys; sys.stdout.buffer.write("
                  "bytes(range(256)) * 3)")
    assert out == {1: bytes(range(256)) * 3}


@pytest.mark.parametrize("argv, name", [
    (["missing.py"], "ENOENT"), (["folder"], "EISDIR"),
    (["-u", "-W", "ignore", "missing.py"], "ENOENT"),
    (["missing.ipynb"], "ENOENT"), (["folder.ipynb"], "EISDIR"),
    (["-u", "nb.ipynb", "x"], "EINVAL"),
])
def test_what_cannot_start_says_why(client, root, argv, name):
    (root / "folder").mkdir()
    (root / "folder.ipynb").mkdir()
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
    found = helper_child.find_script([a.encode() for a in argv])
    assert (found if found is None else argv[found]) == script


def test_input_is_fed_and_ends(client):
    run, _ = client.start("-c", "import sys; print(sys.stdin.read()[::-1])")
    assert client.call("feed", b"abc", run=run, offset=0,
                       eof=False)["error"] == ""
    # Repeated and overlapping: only what is new counts.
    client.call("feed", b"bcd", run=run, offset=1, eof=False)
    client.call("feed", b"", run=run, offset=4, eof=True)
    client.finish(run)
    assert client.output(run) == {1: b"dcba\n"}


def test_much_input_to_a_slow_reader(client, gate):
    run, _ = client.start("-c", "import sys\n" + gate.wait_code +
                          "print(len(sys.stdin.buffer.read()))")
    data = bytes(1 << 20)
    for i in range(3):
        client.call("feed", data, run=run, offset=i << 20, eof=i == 2)
    gate.open()
    client.finish(run)
    assert client.output(run) == {1: b"%d\n" % (3 << 20)}


def test_input_that_nobody_reads_does_no_harm(client, gate):
    run, _ = client.start("-c", "import os\nos.close(0)\nprint(1)\n" +
                          gate.wait_code)
    client.await_output(run, {1: b"1\n"})
    client.call("feed", b"x" * 100000, run=run, offset=0, eof=False)
    gate.open()
    assert client.finish(run)["exit"] == 0
    reply = client.call("feed", b"x", run=run, offset=100000, eof=True)
    assert reply["error"] == "ESRCH"


def test_signal_reaches_the_script(client):
    run, _ = client.start("-c", "import signal; print(1); signal.pause()")
    client.await_output(run, {1: b"1\n"})
    client.call("signal", run=run, number=signal.SIGINT)
    end = client.finish(run)
    if sys.version_info >= (3, 8):  # before, -c made it status 1
        assert (end["exit"], end["signal"]) == (0, 2)
    assert b"KeyboardInterrupt" in client.output(run)[2]


def test_grandchild_does_not_delay_the_end(client, gate):
    out, end = code(client, "import subprocess, sys\n"
                    "subprocess.Popen(['cat', 'gate'])\nprint('done')")
    assert out == {1: b"done\n"}
    assert end["exit"] == 0


def test_environment_is_clean(client, monkeypatch):
    out, _ = code(client, "import os; print(sorted(k for k in os.environ "
                  "if 'JPY' in k or 'TOKEN' in k),"
                  "os.environ['PYTHONUNBUFFERED'])")
    assert out == {1: b"[] 1\n"}


def test_secrets_of_the_server_are_not_handed_on():
    names = ("JPY_PARENT_PID", "JUPYTER_TOKEN", "JUPYTER_TOKENS", "PATH")
    assert [n for n in names if not helper_child.OURS.match(n)] == [
        "JUPYTER_TOKENS", "PATH"]


def test_window_stops_the_sender(helper):
    client = Client(helper, window=100000)
    client.acks = False
    run, _ = client.start("-c", "print('x' * 1000000)")
    client.wait(lambda d: d.get("event") == "output" and
                len(client.records[run]) == 100000)
    await_status(helper, run)
    await_pump(client)
    assert len(client.records[run]) == 100000
    assert client.events.empty()
    client.acks = True
    client.post("ack", run=run, offset=100000)
    client.finish(run)
    assert client.output(run) == {1: b"x" * 1000000 + b"\n"}


def test_dropped_output_is_sent_again_from_where_the_client_is(client):
    is_dropped = threading.Event()

    def drop(data):
        if data.get("event") == "ended":
            is_dropped.set()
        return data.get("event") in ("output", "ended")

    client.drop = drop
    run, _ = client.start("-c", "print('hello')")
    assert is_dropped.wait(DEADLINE)
    client.drop = lambda d: False
    assert client.call("follow", run=run, offset=0)["error"] == ""
    assert client.finish(run)["exit"] == 0
    assert client.output(run) == {1: b"hello\n"}


def test_end_is_repeated(client):
    run, end = run_to_end(client, "-c", "print(1)")
    client.call("follow", run=run, offset=end["length"])
    again = client.finish(run)
    assert again.pop("ago_ms") >= end.pop("ago_ms") >= 0
    assert again == end


def test_who_is_late_hears_how_long_ago_it_ended(client, helper):
    run, end = run_to_end(client, "-c", "print(1)")
    path = os.path.join(helper.runs_folder, run, "status")
    with open(path) as f:
        status = json.load(f)
    status["ended"] -= 1000
    with open(path, "w") as f:
        json.dump(status, f)
    client.call("follow", run=run, offset=end["length"])
    assert 1000000 <= client.finish(run)["ago_ms"] < 1000000 + 1000 * DEADLINE


def test_an_answer_alone_is_asked_for_again(client):
    run, _ = client.start("-c", "0")
    client.finish(run)
    reply = client.call("follow", call_id=900, run=run, offset=0)
    assert reply["error"] == ""
    client.post("follow", id=901, again=True)  # which never came
    client.post("follow", id=900, again=True)
    assert client.wait(lambda d: "reply" in d) == reply


def test_repeated_call_is_not_done_twice(client, root, gate):
    run = uuid.uuid4().hex
    text = "open('n', 'a').write('x')\n" + gate.wait_code
    line = b"-c\0" + text.encode()
    first = client.call("start", line, call_id=900, run=run, directory="")
    again = client.call("start", line, call_id=900, run=run, directory="")
    assert first == again
    gate.open()
    client.finish(run)
    assert (root / "n").read_text() == "x"


def test_run_outlives_its_helper(helper, another_helper, root, gate):
    first = Client(helper)
    run, _ = first.start("-c", "for i in range(5):\n print(i)\n " +
                         gate.wait_code)
    first.await_output(run, {1: b"0\n"})
    second = Client(another_helper())
    assert second.start("-c", "x", run=run)[1]["error"] == ""
    gate.open(5)
    assert second.finish(run)["exit"] == 0
    assert second.output(run) == {1: b"0\n1\n2\n3\n4\n"}


def test_lost_supervisor_is_said(client, gate):
    run, reply = client.start("-c", gate.wait_code)
    stat_line = open("/proc/%d/stat" % reply["pid"]).read()
    os.kill(int(stat_line.rpartition(")")[2].split()[1]), signal.SIGKILL)
    assert client.finish(run)["error"] == "EIO"
    os.kill(reply["pid"], signal.SIGKILL)


def test_forgotten_run_goes_on_in_silence(helper, client, root, gate):
    run, _ = client.start("-c", "print(1)\n" + gate.wait_code +
                          "print(2)\nopen('done', 'w')")
    client.await_output(run, {1: b"1\n"})
    client.post("forget", run=run)
    gate.open()
    await_status(helper, run)
    assert (root / "done").exists()
    await_pump(client)
    assert client.events.empty()
    assert client.output(run) == {1: b"1\n"}
    client.call("follow", run=run, offset=len(client.records[run]))
    client.finish(run)
    assert client.output(run) == {1: b"1\n2\n"}


def abandon(client, run):
    """Until the helper says that this is settled."""
    client.post("abandon", run=run)
    client.finish(run)


def status_of(helper, run):
    await_status(helper, run)
    return helper_runs.Run(os.path.join(helper.runs_folder, run)).status()


def test_abandoned_run_is_killed(helper, client, gate):
    run, _ = client.start("-c", "print(1)\n" + gate.wait_code)
    client.await_output(run, {1: b"1\n"})
    abandon(client, run)
    assert status_of(helper, run)["signal"] == signal.SIGKILL
    await_pump(client)
    assert client.events.empty()
    abandon(client, run)  # again: the answer may have been lost


def test_abandoned_start_does_not_begin(client, root):
    run = uuid.uuid4().hex
    abandon(client, run)
    assert client.start("-c", "open('on', 'w')", run=run)[1]["error"] != ""
    assert not (root / "on").exists()


def test_run_abandoned_while_it_is_started_is_killed(helper, client, gate,
                                                     monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    give = helper.spare.give

    def give_late(job):
        begun.set()
        assert go_on.wait(DEADLINE)
        return give(job)

    monkeypatch.setattr(helper.spare, "give", give_late)
    run = uuid.uuid4().hex
    client.post("start", b"-c\0" + gate.wait_code.encode(), id=1000, run=run,
                directory="")
    assert begun.wait(DEADLINE)
    client.post("abandon", run=run)  # there is nothing to kill yet
    go_on.set()
    assert status_of(helper, run)["signal"] == signal.SIGKILL
    abandon(client, run)


def test_run_that_is_being_started_is_not_lost(another_helper, monkeypatch):
    """Its start was sent to a helper before this one."""
    monkeypatch.setattr(helper_module, "LOOK_SECONDS", 0.01)
    helper = another_helper()
    client = Client(helper)
    run = uuid.uuid4().hex
    helper_runs.Run(os.path.join(helper.runs_folder, run)).create()
    assert client.call("follow", run=run, offset=0)["error"] == ""
    await_pump(client)
    client.post("abandon", run=run)
    await_pump(client)
    assert not [d for d in client.seen if d["run"] == run]
    assert client.events.empty()
    monkeypatch.setattr(helper_runs, "STARTING_SECONDS", 0.0)
    abandon(client, run)
    assert client.call("follow", run=run, offset=0)["error"] == ""
    assert client.finish(run)["error"] == "EIO"


def test_ten_runs_at_once(client, gate):
    runs = [client.start("-c", "print(%d)\n%sprint(%d)\n"
                         "raise SystemExit(%d)" % (i, gate.wait_code, i, i))[0]
            for i in range(10)]
    for i, run in enumerate(runs):
        client.await_output(run, {1: b"%d\n" % i})
    gate.open(10)
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


def test_old_runs_are_removed(helper, client, root, monkeypatch):
    monkeypatch.setattr(helper_runs, "STARTING_SECONDS", 0)
    for _ in range(6):
        run, _ = run_to_end(client, "-c", "0", runs_keep=3)
        client.post("forget", run=run)
        # A run is over when its supervisor is.
        for process in list(helper.spare.children):
            process.wait(DEADLINE)
    folder = root.parent / "state" / "pycloud" / "runs"
    assert len(os.listdir(folder)) == 3
    assert os.stat(folder.parent).st_mode & 0o777 == 0o700


def test_forgotten_run_makes_room_before_the_pump_drops_it(
        helper, client, monkeypatch):
    monkeypatch.setattr(helper_runs, "STARTING_SECONDS", -1)
    run, _ = run_to_end(client, "-c", "0")
    for process in list(helper.spare.children):
        process.wait(DEADLINE)
    monkeypatch.setattr(helper, "_drop_unfollowed", list)
    client.post("forget", run=run)
    other, _ = client.start("-c", "0", runs_keep=1)
    assert os.listdir(helper.runs_folder) == [other]


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


def test_folders_that_were_cleaned_away_are_made_again(helper, client):
    helper.children.has_figures = True
    code(client, "0")
    place = os.path.dirname(helper.runs_folder)
    lib, = [n for n in os.listdir(place) if n.startswith("lib-")]
    os.unlink(os.path.join(place, lib, "sitecustomize.py"))
    code(client, "0")
    assert "sitecustomize.py" in os.listdir(os.path.join(place, lib))
    shutil.rmtree(place)
    out, end = code(client, "print(1)")
    assert (out, end["exit"]) == ({1: b"1\n"}, 0)
    assert os.stat(place).st_mode & 0o777 == 0o700


def test_only_active_runs_are_too_many(client, gate, monkeypatch):
    monkeypatch.setattr(helper_runs, "RUNS_ACTIVE_MAX", 2)
    for _ in range(3):
        run_to_end(client, "-c", "0")  # and stays followed
    for error in ("", "", "EAGAIN"):
        assert client.start("-c", gate.wait_code)[1]["error"] == error
    gate.open(2)
    for _ in range(2):
        client.wait(lambda d: d.get("event") == "ended")


def test_run_is_over_before_its_supervisor_has_left(tmp_path):
    run = helper_runs.Run(str(tmp_path / "run"))
    run.create()
    supervisor = os.open(run.path("ctl"), os.O_RDWR)
    try:
        assert not run.is_over()
        with open(run.path("status"), "w") as f:
            f.write("{}")
        assert run.is_alive() and run.is_over()
    finally:
        os.close(supervisor)
    os.unlink(run.path("status"))
    assert run.is_over()
