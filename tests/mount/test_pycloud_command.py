"""pycloud: a script in the workspace as a program of this shell."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import threading

import pytest

from conftest import mount_server
from harness import LIMIT
from shells import Shells

ECHO = "import sys\nprint(ascii(sys.argv[1:]))\n"
# Says that it is there, and goes on until it is signalled.
# A handler would not do: a signal just before pause() is told after the next.
WAITING = """
import signal, sys
numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
if sys.argv[1] == "stubborn":
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
while sys.argv[1] != "stubborn":
    signal.pause()
while True:
    print(signal.Signals(signal.sigwait(numbers)).name, flush=True)
"""


@pytest.fixture
def pycloud(build):
    """Runs the command; the completed process."""
    def call(*arguments, cwd=None, stdin=b"", check=None, **kwargs):
        if isinstance(stdin, bytes):
            kwargs["input"] = stdin
        else:
            kwargs["stdin"] = stdin
        done = subprocess.run([build / "fs" / "pycloud", *arguments], cwd=cwd,
                              capture_output=True, timeout=2 * LIMIT,
                              check=False, **kwargs)
        if check is not None:
            assert done.returncode == check, done
        return done

    return call


@pytest.fixture
def begin(build):
    """Begins the command; whatever is left of it ends with the test."""
    begun = []

    def popen(*arguments, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.PIPE)
        begun.append(subprocess.Popen([build / "fs" / "pycloud", *arguments],
                                      **kwargs))
        return begun[-1]

    yield popen
    for process in begun:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


@pytest.fixture
def waiting(server, tree, begin):
    """Begins WAITING, and returns when it runs."""
    server.write("waiting.py", WAITING)

    def start(*arguments, **kwargs):
        process = begin("run", "waiting.py", *arguments, cwd=tree, **kwargs)
        assert process.stdout.readline() == b"ready\n"
        return process

    return start


def field(tree, key, run="last"):
    """A value of a run's status."""
    text = (tree / ".pycloud/runs" / run / "status").read_text()
    found = re.search(f"^{key}: (.*)$", text, re.MULTILINE)
    return found.group(1) if found else None


@pytest.mark.parametrize("code, status", [
    ("pass", 0), ("raise SystemExit(3)", 3), ("raise ValueError('why')", 1),
    ("import os; os.kill(os.getpid(), 9)", 137),
    ("import os; os.kill(os.getpid(), 11)", 139)])
def test_exit_status_is_the_scripts(tree, pycloud, code, status):
    done = pycloud("run", "-c", code, cwd=tree, check=status)
    assert (b"why" in done.stderr) == ("why" in code)


def test_stdout_and_stderr_stay_apart(server, tree, pycloud):
    server.write("both.py", "import os, sys\nfor i in range(1000):\n"
                            "    print('out', i)\n"
                            "    print('err', i, file=sys.stderr)\n")
    done = pycloud("run", "both.py", cwd=tree, check=0)
    assert done.stdout == b"".join(b"out %d\n" % i for i in range(1000))
    assert done.stderr == b"".join(b"err %d\n" % i for i in range(1000))


def test_stdout_that_was_not_kept_is_missed_aloud(mounter, server, pycloud):
    size = 4 << 20
    mount = mount_server(mounter, server, options="run_output_max=1M")
    code = f"import os; os.write(2, b'whole\\n'); print('x' * {size - 1})"
    (mount.path / ".run").write_text(f'-c "{code}"\n')
    (mount.path / ".run").read_bytes()
    done = pycloud("attach", "last", cwd=mount.path, check=0)
    missing = re.search(rb"(\d+) bytes of the run's stdout are missing",
                        done.stderr)
    assert missing and int(missing.group(1)) == size - len(done.stdout)


def test_in_one_place_they_keep_their_order(server, tree, begin):
    server.write("both.py", "import os\nfor i in range(300):\n"
                            "    os.write(1 + i % 2, b'%d\\n' % i)\n")
    process = begin("run", "both.py", cwd=tree, stderr=subprocess.STDOUT)
    seen = process.communicate(timeout=LIMIT)[0]
    assert sorted(seen.split(), key=int) == [b"%d" % i for i in range(300)]
    assert seen == (tree / ".pycloud/runs/last/output").read_bytes()


def test_output_is_live(waiting):
    process = waiting("stubborn")
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"SIGTERM\n"


def test_stdin_is_the_scripts(server, tree, pycloud):
    server.write("sum.py", "import hashlib, sys\n"
                 "print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())")
    data = os.urandom(10 << 20)
    there = pycloud("run", "sum.py", cwd=tree, stdin=data, check=0).stdout
    here = subprocess.run(["sha256sum"], input=data, capture_output=True,
                          check=True).stdout
    assert there.split() == here.split()[:1]


def test_empty_stdin_is_its_end(tree, pycloud):
    code = "import sys; print(repr(sys.stdin.read()))"
    for stdin in (subprocess.DEVNULL, b""):
        assert pycloud("run", "-c", code, cwd=tree, stdin=stdin,
                       check=0).stdout == b"''\n"


def test_input_asks_and_is_answered(tree, begin):
    process = begin("run", "-c", "print('you are ' + input('name? '))",
                    cwd=tree, stdin=subprocess.PIPE)
    assert process.stdout.read(6) == b"name? "
    process.stdin.write(b"Ann\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"you are Ann\n"
    assert process.wait(LIMIT) == 0


def test_end_of_the_run_does_not_wait_for_stdin(tree, begin):
    process = begin("run", "-c", "print(1)", cwd=tree, stdin=subprocess.PIPE)
    assert process.stdout.read() == b"1\n"
    assert process.wait(LIMIT) == 0


def test_closed_standard_files_do_no_harm(tree, build):
    assert subprocess.run(
        f"{build}/fs/pycloud run -c 'print(1)' <&- >&- 2>&-", shell=True,
        cwd=tree, timeout=LIMIT, check=False).returncode == 0


def test_interrupt_is_the_scripts(waiting, tree):
    process = waiting("willing")
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == 130
    assert b"KeyboardInterrupt" in process.stderr.read()
    assert field(tree, "state") == "ended"


def test_second_interrupt_kills(waiting, tree):
    process = waiting("stubborn")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == b"SIGINT\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == 137
    assert field(tree, "signal") == "9"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGQUIT"])
def test_other_signals_are_passed_on(waiting, name):
    process = waiting("stubborn")
    for _ in range(3):
        process.send_signal(signal.Signals[name])
        assert process.stdout.readline() == name.encode() + b"\n"


def test_signal_that_is_ignored_here_is_not_passed_on(server, tree, begin):
    server.write("waiting.py", WAITING)
    process = begin("run", "waiting.py", "stubborn", cwd=tree,
                    preexec_fn=lambda: signal.signal(signal.SIGHUP,
                                                     signal.SIG_IGN))
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"SIGTERM\n"


def test_on_a_terminal_keys_do_what_they_do(server, tree, build):
    server.write("waiting.py", WAITING)
    command = str(build / "fs" / "pycloud")
    directory = os.fspath(tree)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execv(command, [command, "run", "waiting.py", "stubborn"])
    seen = b""
    for expected, key in ((b"ready", b"\x03"), (b"SIGINT", b"\x03")):
        while expected not in seen:
            seen += os.read(terminal, 1000)
        os.write(terminal, key)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 137
    os.close(terminal)


def test_end_typed_on_a_terminal_is_the_inputs(server, tree, build):
    server.write("main.py", "import sys\nprint('ready', flush=True)\n"
                            "print('got', repr(sys.stdin.read()))\n")
    command = str(build / "fs" / "pycloud")
    directory = os.fspath(tree)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execv(command, [command, "run", "main.py"])
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 1000)
    os.write(terminal, b"one\ntwo\n\x04")
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 1000):
            seen += piece
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert rb"got 'one\ntwo\n'" in seen, seen
    os.close(terminal)


def test_in_the_background_the_terminal_is_left_alone(server, tree, build):
    server.write("waiting.py", WAITING)
    directory = os.fspath(tree)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execv("/bin/bash", ["bash", "--norc", "-c",
                               f"set -m; {build}/fs/pycloud run -c "
                               "'print(\"out\"); import sys; sys.exit(7)' & "
                               "wait $!; echo status $?; read x; echo got $x"])
    os.write(terminal, b"mine\n")
    seen = b""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 1000):
            seen += piece
    assert b"out\r\n" in seen and b"status 7" in seen, seen
    assert b"got mine" in seen, seen
    os.waitpid(pid, 0)
    os.close(terminal)


def test_closed_stdout_ends_us_and_not_the_run(server, tree, begin, scratch):
    gate = scratch / "gate"
    os.mkfifo(gate)
    server.write("main.py", f"open({str(gate)!r}).read()\nprint('x')\n"
                            f"open({str(gate)!r}).read()\nprint('y')\n")
    process = begin("run", "main.py", cwd=tree)
    process.stdout.close()
    with open(gate, "w"):
        pass
    assert process.wait(LIMIT) in (-signal.SIGPIPE, 141)
    assert field(tree, "state") == "running"
    with open(gate, "w"):
        pass
    assert (tree / ".run").read_text() == "x\ny\n"


def test_words_arrive_as_they_are(server, tree, pycloud):
    server.write("echo.py", ECHO)
    for word in ("two words", "", "'", '"', "'\"'", "\\", "\\\\", "a\\",
                 "\\'", "$HOME", "`id`", "a\nb", "\n", "a\\\nb", "'\n", "#",
                 " #x", "\t", "*", "~", "!", "ä€𝄞", "--", "-x", "-C",
                 "--help", "\x01\x7f", "a" * 30000):
        words = [word, "middle", word]
        done = pycloud("run", "echo.py", *words, cwd=tree, check=0)
        assert done.stdout.decode() == ascii(words) + "\n"


def test_what_is_no_option_of_ours_is_pythons(server, tree, pycloud):
    server.write("-odd.py", "print('odd')\n")
    server.write("pkg.py", ECHO)
    for line in (["-m", "pkg", "-C", "x"], ["--", "-m", "pkg", "-C", "x"]):
        assert pycloud("run", *line, cwd=tree, check=0).stdout \
            == b"['-C', 'x']\n"
    assert b"Python 3" in pycloud("run", "-V", cwd=tree, check=0).stdout
    assert pycloud("run", "./-odd.py", cwd=tree, check=0).stdout == b"odd\n"


def test_directory_is_the_runs(server, tree, pycloud):
    server.write("sub/dir with space/where.py",
                 "import os\nprint(os.path.basename(os.getcwd()))\n")
    below = tree / "sub" / "dir with space"
    expected = b"dir with space\n"
    assert pycloud("run", "where.py", cwd=below, check=0).stdout == expected
    for arguments in (["-C", below], [f"-C{below}"], ["--directory", below],
                      [f"--directory={below}"]):
        assert pycloud("run", *arguments, "where.py", cwd="/",
                       check=0).stdout == expected
    link = tree.mount.scratch / "link"
    link.symlink_to(below)
    assert pycloud("run", "where.py", cwd=link, check=0).stdout == expected


@pytest.mark.parametrize("command, status", [
    (["run", "x.py"], 125), (["attach", "1"], 125), (["runs"], 1),
    (["kill", "1"], 1)])
def test_outside_of_a_mount_it_says_so(pycloud, scratch, command, status):
    done = pycloud(*command, cwd=scratch, check=status)
    assert b"not inside a mounted workspace" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("command, status", [
    ([], 2), (["fly"], 2), (["run"], 125), (["run", "-C"], 125),
    (["run", ""], 125),
    (["attach"], 125), (["attach", "x"], 125), (["attach", "1", "2"], 125),
    (["kill", "--json", "1"], 2), (["kill"], 2), (["runs", "1"], 2)])
def test_wrong_usage_has_a_hint(pycloud, command, status):
    done = pycloud(*command, check=status)
    assert b"pycloud --help" in done.stderr and done.stdout == b""


def test_help_and_version(pycloud):
    for command in (["--help"], ["-h"], ["help"]):
        assert b"\n  attach N " in pycloud(*command, check=0).stdout
    for command in (["kill", "--help"], ["kill", "-h"], ["help", "kill"]):
        assert b"Usage: pycloud kill " in pycloud(*command, check=0).stdout
    assert pycloud("--version", check=0).stdout.startswith(b"pycloud 0.")


def test_failures_to_start_are_125_and_explained(server, tree, pycloud):
    (server.root / "d").mkdir()
    for name in ("x.py", "x.ipynb"):
        server.write(name, "")
    for words, text in ((["none.py"], b"no such script"),
                        (["d"], b"is a directory"),
                        (["-C", "x.py", "y"], b"x.py is no directory"),
                        (["x.ipynb", "y"], b"a notebook takes no arguments"),
                        (["a" * 70000], b"too long")):
        done = pycloud("run", *words, cwd=tree, check=125)
        assert text in done.stderr and done.stderr.count(b"\n") == 1


def test_two_at_once_keep_apart(server, tree, begin, scratch):
    gates = [scratch / "one", scratch / "two"]
    for gate in gates:
        os.mkfifo(gate)
    server.write("main.py", "import sys\nprint(open(sys.argv[1]).read())\n"
                            "sys.exit(len(sys.argv[2]))\n")
    processes = [begin("run", "main.py", gate, "x" * number, cwd=tree)
                 for number, gate in enumerate(gates, 1)]
    for gate in reversed(gates):
        gate.write_text(gate.name)
    for number, process in enumerate(processes, 1):
        out, err = process.communicate(timeout=LIMIT)
        assert out.decode() == gates[number - 1].name + "\n", err
        assert process.returncode == number


def test_attach_shows_all_of_a_run_and_ends_as_it(server, tree, pycloud):
    server.write("main.py", "import sys\nprint('out')\n"
                            "print('err', file=sys.stderr)\nsys.exit(4)\n")
    pycloud("run", "main.py", cwd=tree, check=4)
    number = field(tree, "number")
    for name in (number, "last"):
        done = pycloud("attach", name, cwd=tree, check=4)
        assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    assert b"no run 99" in pycloud("attach", "99", cwd=tree,
                                   check=125).stderr


def test_attach_without_following_shows_what_there_is(waiting, tree, pycloud,
                                                      begin):
    process = waiting("stubborn")
    done = pycloud("attach", "--no-follow", "last", cwd=tree, check=0)
    assert (done.stdout, done.stderr) == (b"ready\n", b"")
    one_place = begin("attach", "--no-follow", "1", cwd=tree,
                      stderr=subprocess.STDOUT)
    assert one_place.communicate(timeout=LIMIT)[0] == b"ready\n"
    pycloud("kill", "-s", "KILL", "last", cwd=tree, check=0)
    assert process.wait(LIMIT) == 137
    assert pycloud("attach", "--no-follow", "1", cwd=tree,
                   check=0).stdout == b"ready\n"


def test_attach_detaches_by_sigterm_and_interrupts_by_ctrl_c(
        waiting, tree, begin):
    first = waiting("willing")
    second, third = (begin("attach", "last", cwd=tree) for _ in range(2))
    for process in (second, third):
        assert process.stdout.readline() == b"ready\n"
    second.send_signal(signal.SIGTERM)
    assert second.wait(LIMIT) == 143
    assert b"goes on" in second.stderr.read()
    assert field(tree, "state") == "running"
    third.send_signal(signal.SIGINT)
    assert third.wait(LIMIT) == 130
    assert first.wait(LIMIT) == 130


def test_kill_sends_what_it_is_told(waiting, tree, pycloud):
    process = waiting("stubborn")
    for arguments, name in (([], b"SIGTERM"), (["-s", "INT"], b"SIGINT"),
                            (["--signal=1"], b"SIGHUP")):
        pycloud("kill", *arguments, "last", cwd=tree, check=0)
        assert process.stdout.readline() == name + b"\n"
    assert b"no signal" in pycloud("kill", "-s", "NO", "last", cwd=tree,
                                   check=2).stderr
    pycloud("kill", "last", "-s", "KILL", cwd=tree, check=0)
    assert process.wait(LIMIT) == 137
    over = pycloud("kill", "last", cwd=tree, check=1)
    assert b"run 1 is over" in over.stderr
    assert b"no run 99" in pycloud("kill", "99", cwd=tree, check=1).stderr


def test_runs_lists_them(server, tree, pycloud, waiting):
    assert pycloud("runs", cwd=tree, check=0).stdout == b""
    assert json.loads(pycloud("runs", "--json", cwd=tree).stdout) == []
    server.write("echo.py", ECHO)
    pycloud("run", "echo.py", "a\nb", '"\\', cwd=tree, check=0)
    pycloud("run", "-c", "raise SystemExit(3)", cwd=tree, check=3)
    waiting("willing")
    table = pycloud("runs", cwd=tree, check=0).stdout.decode().splitlines()
    assert [line.split()[0] for line in table] == ["RUN", "1", "2", "3"]
    assert "exit 0" in table[1] and "exit 3" in table[2]
    assert "running" in table[3] and table[3].endswith("willing")
    rows = json.loads(pycloud("runs", "--json", cwd=tree, check=0).stdout)
    assert [(r["number"], r["state"], r["exit"]) for r in rows] \
        == [(1, "ended", 0), (2, "ended", 3), (3, "running", None)]
    assert rows[0]["command"] == "echo.py 'a\nb' '\"\\'"
    assert rows[0]["stdout_bytes"] == rows[0]["output_bytes"] > 0
    assert 0 <= rows[0]["seconds"] < LIMIT and rows[2]["ended"] is None


def test_end_of_the_mount_is_said_and_the_run_goes_on(
        mounter, server, begin, pycloud, scratch):
    gate = scratch / "gate"
    os.mkfifo(gate)
    server.write("main.py", "print('ready', flush=True)\n"
                            f"print(open({str(gate)!r}).read())\n")
    mount = mount_server(mounter, server)
    process = begin("run", "main.py", cwd=mount.path)
    assert process.stdout.readline() == b"ready\n"
    os.kill(mount.pid, signal.SIGTERM)
    assert process.wait(LIMIT) == 125
    assert b"pycloud attach 1" in process.stderr.read()
    assert mount.wait_end() == 0
    again = mounter(mount.spec, env=mount.env, name=mount.path.name).start()
    writer = threading.Thread(target=gate.write_text, args=("after",))
    writer.start()
    assert pycloud("attach", "1", cwd=again.path, check=0).stdout \
        == b"ready\nafter\n"
    writer.join()


def test_lost_run_is_said(mounter, own_server, begin, pycloud):
    own_server.write("waiting.py", WAITING)
    mount = mount_server(mounter, own_server)
    process = begin("run", "waiting.py", "willing", cwd=mount.path)
    assert process.stdout.readline() == b"ready\n"
    own_server.kill()
    own_server.start()
    assert process.wait(LIMIT) == 125
    assert b"run 1 is lost: " in process.stderr.read()
    assert pycloud("attach", "1", cwd=mount.path, check=125).stdout \
        == b"ready\n"
    assert b"lost" in pycloud("runs", cwd=mount.path, check=0).stdout


def test_completion_knows_the_runs(tree, pycloud, build, scratch):
    for _ in range(2):
        pycloud("run", "-c", "pass", cwd=tree, check=0)
    for offered in Shells(build, scratch).all(
            f"pycloud attach -C {os.fspath(tree)} "):
        assert offered == {"last", "1", "2"}
