"""Without a server: what is known stays of use, nothing hangs, nothing that
was there counts as deleted, and the server is found again."""

import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from conftest import mount_server
from harness import processes, wait_until, watch_for

LIMITS = "timeout=2,stall=2"
# A request that times out, the probe that confirms it, the question what
# became of a change; and a sanitizer's slowness.
DEADLINE = 9
MOMENT = 1


@pytest.fixture
def away(mounter, own_server):
    """A mount whose files are known; the test takes its server away."""
    own_server.write("a", "one")
    own_server.write("b", "two")
    own_server.write("d/e", "three")
    mount = mount_server(mounter, own_server, options=LIMITS)
    assert (mount.path / "a").read_text() == "one"
    assert sorted(os.listdir(mount.path)) == [".run", "a", "b", "d"]
    assert os.listdir(mount.path / "d") == ["e"]
    return mount


def stop(server):
    """Stop it: connections are accepted, and never answered."""
    server.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(server.process.pid) == "T", "it to stop")


def state_of(pid):
    """The letter of a process's state."""
    return [state for number, state, _ in processes() if number == pid][0]


def notice(mount):
    """Ask until the mount has noticed that the server is away."""
    def is_offline():
        list(os.scandir(mount.path / "d"))
        return mount.status()["state"] == "offline"

    os.kill(mount.pid, signal.SIGHUP)
    wait_until(is_offline, "the mount to notice")


def is_online(mount):
    """Ask for something, and see what the status says."""
    try:
        os.stat(mount.path / "d" / "x")
    except OSError:
        pass
    return mount.status()["state"] == "online"


@pytest.mark.direct("a relay says more generally that it is not there")
def test_what_is_known_is_answered_without_a_server(own_server, away):
    assert away.status()["state"] == "online"
    assert "why" not in away.status()
    own_server.kill()
    notice(away)
    status = away.status()
    assert status["why"] == "nobody listens at the server's address"
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", status["since"])
    assert (away.path / "a").read_text() == "one"
    assert sorted(os.listdir(away.path)) == [".run", "a", "b", "d"]
    assert os.stat(away.path / "d" / "e").st_size == 5
    assert not (away.path / "none").exists()
    with pytest.raises(OSError) as caught:
        (away.path / "b").read_text()
    assert caught.value.errno == errno.EHOSTUNREACH


def test_changes_fail_at_once_without_a_server(own_server, away):
    own_server.kill()
    notice(away)
    path = away.path
    for change in (lambda: os.mkdir(path / "n"), lambda: os.unlink(path / "a"),
                   lambda: os.rename(path / "a", path / "n"),
                   lambda: os.rmdir(path / "d"),
                   lambda: (path / "b").write_text("x"),
                   lambda: (path / "new").write_text("y")):
        began = time.monotonic()
        with pytest.raises(OSError) as caught:
            change()
        assert caught.value.errno in (errno.EHOSTUNREACH, errno.ENOTEMPTY)
        assert time.monotonic() - began < DEADLINE
    # What was written is kept, and goes up when the mount ends.
    assert (path / "new").read_text() == "y"
    assert away.status()["pending"] == "2"
    own_server.start()
    wait_until(lambda: is_online(away), "the mount to find the server")
    away.finish()
    assert (own_server.root / "b").read_text() == "x"
    assert (own_server.root / "new").read_text() == "y"


def test_server_is_found_again(own_server, away):
    own_server.kill()
    notice(away)
    (own_server.root / "a").write_text("changed")
    own_server.start()
    wait_until(lambda: is_online(away), "the mount to find the server")
    assert "why" not in away.status()
    wait_until(lambda: (away.path / "a").read_text() == "changed",
               "the new bytes")
    os.mkdir(away.path / "n")
    assert (own_server.root / "n").is_dir()


def test_nobody_asks_for_the_server_unasked(own_server, away):
    own_server.kill()
    notice(away)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", own_server.port))
        listener.listen()
        listener.setblocking(False)
        watch_for(2.5)  # longer than the first back-offs
        with pytest.raises(BlockingIOError):
            listener.accept()
        os.kill(away.pid, signal.SIGHUP)

        def was_asked():
            list(os.scandir(away.path / "d"))
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        wait_until(was_asked, "a probe")


OPERATIONS = {
    "stat": "os.stat('d/e')", "ls": "os.listdir('.')",
    "cat": "open('b').read()", "save": "open('n1', 'w').write('x')",
    "overwrite": "open('b', 'w').write('x')", "mkdir": "os.mkdir('n2')",
    "mv": "os.rename('a', 'n3')", "mv_over": "os.rename('a', 'b')",
    "rm": "os.unlink('a')", "rmdir": "os.rmdir('d')",
    "readlink": "os.readlink('a')", "statfs": "os.statvfs('.')",
    "truncate": "os.truncate('a', 1)", "chmod": "os.chmod('a', 0o600)"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_stopped_server_holds_nobody_longer_than_the_limit(
        own_server, away, operation):
    stop(own_server)
    os.kill(away.pid, signal.SIGHUP)
    began = time.monotonic()
    subprocess.run([sys.executable, "-c",
                    f"import os; {OPERATIONS[operation]}"], cwd=away.path,
                   check=False, stderr=subprocess.DEVNULL, timeout=60)
    assert time.monotonic() - began < DEADLINE
    own_server.signal(signal.SIGCONT)


def test_stopped_server_is_waited_for_once(own_server, away):
    stop(own_server)
    notice(away)
    taken = []
    for _ in range(5):
        began = time.monotonic()
        assert sorted(os.listdir(away.path)) == [".run", "a", "b", "d"]
        assert (away.path / "a").read_text() == "one"
        taken.append(time.monotonic() - began)
    # One of them may have been the one that probes.
    assert sorted(taken)[3] < MOMENT, taken
    own_server.signal(signal.SIGCONT)
    wait_until(lambda: is_online(away), "the mount to find the server")


def test_many_callers_wait_for_one_deadline(mounter, own_server):
    for number in range(10):
        own_server.write(f"d{number}/f", "x")
    mount = mount_server(mounter, own_server,
                         options=LIMITS + ",attr_timeout=0")
    stop(own_server)
    began = time.monotonic()
    callers = [subprocess.Popen(["stat", f"d{number}/f"], cwd=mount.path,
                                stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
               for number in range(10)]
    for caller in callers:
        assert caller.wait(60) != 0
    assert time.monotonic() - began < DEADLINE
    own_server.signal(signal.SIGCONT)


def test_many_readers_wait_for_one_limit(mounter, own_server):
    for number in range(24):
        own_server.write(f"f{number}", "x")
    mount = mount_server(mounter, own_server,
                         options=LIMITS + ",prefetch=off")
    stop(own_server)
    began = time.monotonic()
    readers = [subprocess.Popen(["cat", f"f{number}"], cwd=mount.path,
                                stderr=subprocess.DEVNULL)
               for number in range(24)]
    for reader in readers:
        assert reader.wait(60) != 0
    assert time.monotonic() - began < DEADLINE
    own_server.signal(signal.SIGCONT)


def test_interrupted_program_ends_at_once(mounter, own_server):
    own_server.write("a", "one")
    mount = mount_server(mounter, own_server, options="timeout=60,stall=60")
    stop(own_server)
    cat = subprocess.Popen(["cat", mount.path / "a"], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL)

    def waits_in_fuse():
        with open(f"/proc/{cat.pid}/wchan") as where:
            place = where.read()
        return place in ("request_wait_answer", "folio_wait_bit_common")

    wait_until(waits_in_fuse, "cat to block")
    began = time.monotonic()
    cat.send_signal(signal.SIGINT)
    assert cat.wait(DEADLINE) == -signal.SIGINT
    assert time.monotonic() - began < MOMENT
    own_server.signal(signal.SIGCONT)


def test_emptied_root_is_a_fault(own_server, away):
    for name in ("a", "b", "d"):
        (own_server.root / name).rename(own_server.scratch / name)
    notice(away)
    assert "root is empty" in away.status()["why"]
    assert sorted(os.listdir(away.path)) == [".run", "a", "b", "d"]
    assert (away.path / "a").read_text() == "one"
    for name in ("a", "b", "d"):
        (own_server.scratch / name).rename(own_server.root / name)
    wait_until(lambda: is_online(away), "the names to be back")
    assert (away.path / "b").read_text() == "two"


def test_root_that_is_gone_is_a_fault(own_server, away):
    own_server.root.rename(own_server.scratch / "elsewhere")
    notice(away)
    assert "root is" in away.status()["why"]
    assert sorted(os.listdir(away.path)) == [".run", "a", "b", "d"]
    assert (away.path / "a").read_text() == "one"
    (own_server.scratch / "elsewhere").rename(own_server.root)
    wait_until(lambda: is_online(away), "the root to be back")
    assert (away.path / "b").read_text() == "two"


def test_what_was_removed_here_is_no_fault(own_server, away):
    subprocess.run(["rm", "-r", "a", "b", "d"], cwd=away.path, check=True)
    os.kill(away.pid, signal.SIGHUP)
    wait_until(lambda: os.listdir(away.path) == [".run"], "an empty root")
    assert away.status()["state"] == "online"


def test_dropped_beliefs_are_known_without_a_server(own_server, away):
    own_server.kill()
    notice(away)
    os.kill(away.pid, signal.SIGHUP)
    assert sorted(os.listdir(away.path)) == [".run", "a", "b", "d"]
    assert (away.path / "a").read_text() == "one"


def test_state_is_logged_on_demand(mounter, own_server):
    own_server.write("d/e", "three")
    mount = mounter(own_server.url, options=LIMITS, arguments=["-v"],
                    env={"PYCLOUD_TOKEN": own_server.token})
    mount.start_foreground()
    assert os.listdir(mount.path / "d") == ["e"]
    own_server.kill()
    notice(mount)
    os.kill(mount.pid, signal.SIGUSR1)
    wait_until(lambda: "state: offline" in mount.log.read_text(), "the log")
    assert "the workspace is offline: " in mount.log.read_text()


def test_told_to_end_it_ends_without_a_server(own_server, away):
    stop(own_server)
    notice(away)
    with pytest.raises(OSError):
        (away.path / "new").write_text("unsaved")
    os.kill(away.pid, signal.SIGTERM)
    assert away.wait_end() == 0
    kept = [path.read_bytes() for path in (away.scratch / "state").rglob("*")
            if path.is_file()]
    assert b"unsaved" in kept
    own_server.signal(signal.SIGCONT)


@pytest.mark.limit(180)
def test_run_never_takes_an_older_file_than_ours(own_server, away):
    (away.path / "a.py").write_text("print('old')\n")
    assert run_file(away) == "old\n"
    own_server.kill()
    with pytest.raises(OSError):
        (away.path / "a.py").write_text("print('new')\n")
    for _ in range(3):  # the waits between probes grow
        notice(away)
    own_server.start()
    seen = []

    def new_was_run():
        with contextlib.suppress(OSError):
            seen.append(run_file(away))
        return "new\n" in seen

    wait_until(new_was_run, "a run of the new file")
    assert seen == ["new\n"]


def run_file(mount):
    """What a run of a.py prints."""
    with open(mount.path / ".run", "w", encoding="utf-8") as handle:
        handle.write("a.py\n")
    return (mount.path / ".run").read_text()
