"""A run goes on whatever happens to the network, the kernel or the daemon, and
nothing of its output is lost or comes twice.

PYCLOUD_RUN_SECONDS=180 for a long one."""

import os
import subprocess
import threading

import pytest

import harness
from conftest import mount_server
from harness import wait_until
from relay import Relay

SECONDS = float(os.environ.get("PYCLOUD_RUN_SECONDS", "5"))
# How long the network is away, of a run that goes on longer than that.
AWAY = SECONDS / 3
LAST = ".pycloud/runs/last"

# A line each time, to both streams by turns, until the time is over.
SPEAKER = """
import sys, time
end, n = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    print(n, file=sys.stderr if n % 3 == 0 else sys.stdout, flush=True)
    n += 1
    time.sleep(0.01)
open(sys.argv[2], "w").write(str(n))
sys.exit(5)
"""


class Speech:
    """A run of SPEAKER, and what it must have said."""

    def __init__(self, server, directory):
        self.said = server.root / "said"
        self.said.unlink(missing_ok=True)
        server.write("speaker.py", SPEAKER)
        (directory / ".run").write_text(f"speaker.py {SECONDS} {self.said}\n")

    def wait_end(self):
        """The script itself has ended."""
        wait_until(lambda: self.said.exists() and self.said.read_text(),
                   "the script's end", SECONDS + harness.LIMIT)

    def check(self, directory, number="1"):
        """All of it is there, once; waits for its end."""
        run = directory / ".pycloud" / "runs" / number
        output = (run / "output").read_text()
        count = int(self.said.read_text())
        assert sorted(output.split(), key=int) == [str(n)
                                                   for n in range(count)]
        assert (run / "stdout").read_text() == "".join(
            f"{n}\n" for n in range(count) if n % 3)
        assert (run / "stderr").read_text() == "".join(
            f"{n}\n" for n in range(0, count, 3))
        assert (run / "exit").read_text() == "5\n"
        assert state(directory, number) == "ended"


def state(directory, number="last"):
    """What the run's status says."""
    text = (directory / ".pycloud" / "runs" / number / "status").read_text()
    return dict(line.split(": ", 1) for line in text.splitlines())["state"]


def wait_output(directory):
    """Some of the output has come."""
    with open(directory / LAST / "output", "rb", buffering=0) as output:
        assert output.read(1)


@pytest.fixture
def far(build, server, mounter):
    """A mount behind a relay, and the relay."""
    relay = Relay(build, f"127.0.0.1:{server.port}")
    mount = mounter(relay.url, options="timeout=3,stall=3",
                    env={"PYCLOUD_TOKEN": server.token}).start()
    yield mount, relay
    mount.finish()
    relay.stop()


@pytest.fixture
def doomed(build, scratch, server):
    """Makes mounts whose daemons are killed: they do not end well."""
    made = []

    def make():
        made.append(harness.Mount(build, scratch, server.url,
                                  name=f"doomed{len(made)}",
                                  env={"PYCLOUD_TOKEN": server.token}))
        return made[-1].start()

    yield make
    for mount in made:
        mount.kill()


def end_daemon(mount):
    """As kill -9 of the daemon, or a crash of this computer."""
    mount.crash()
    mount.clear_away()


@pytest.mark.limit(SECONDS + 120)
def test_run_survives_a_network_that_is_away(server, far):
    mount, relay = far
    speech = Speech(server, mount.path)
    wait_output(mount.path)
    relay.tell("refuse")
    relay.tell("cut")
    wait_until(lambda: state(mount.path) == "unreachable", "it to be noticed")
    threading.Event().wait(AWAY)
    relay.tell("accept")
    speech.check(mount.path)


@pytest.mark.limit(SECONDS + 120)
def test_run_survives_a_network_that_goes_silent(server, far):
    mount, relay = far
    speech = Speech(server, mount.path)
    wait_output(mount.path)
    relay.tell("stall")
    threading.Event().wait(AWAY)
    relay.tell("cut")
    relay.tell("go")
    speech.check(mount.path)


@pytest.mark.limit(SECONDS + 120)
def test_reader_of_the_output_waits_through_a_cut(server, far):
    mount, relay = far
    speech = Speech(server, mount.path)
    with open(mount.path / ".run", "rb") as control:
        seen = control.read(10)
        relay.tell("cut")
        seen += control.read()
    speech.check(mount.path)
    assert seen == (mount.path / LAST / "output").read_bytes()


@pytest.mark.limit(SECONDS + 120)
def test_run_survives_kill_9_of_the_daemon(mounter, doomed, server):
    mount = doomed()
    speech = Speech(server, mount.path)
    wait_output(mount.path)
    end_daemon(mount)
    mount = mount_server(mounter, server, name="again")
    wait_until(lambda: state(mount.path) == "running", "the run")
    speech.check(mount.path)


@pytest.mark.limit(SECONDS + 120)
def test_run_survives_many_kills_of_the_daemon(mounter, doomed, server):
    mount = doomed()
    speech = Speech(server, mount.path)
    for _ in range(3):
        wait_output(mount.path)
        end_daemon(mount)
        mount = doomed()
    end_daemon(mount)
    speech.check(mount_server(mounter, server).path)


@pytest.mark.limit(SECONDS + 120)
def test_run_survives_unmounting_and_is_found_at_another_place(
        mounter, server):
    mount = mount_server(mounter, server)
    speech = Speech(server, mount.path)
    wait_output(mount.path)
    mount.finish()
    mount = mount_server(mounter, server, name="elsewhere")
    speech.check(mount.path)


@pytest.mark.limit(SECONDS + 120)
def test_run_survives_its_kernels_death(server, tree):
    speech = Speech(server, tree)
    wait_output(tree)
    for kernel in server.api("kernels"):
        server.api(f"kernels/{kernel['id']}", "DELETE")
    speech.check(tree)


@pytest.mark.limit(SECONDS + 120)
def test_run_survives_its_kernels_restart(server, tree):
    speech = Speech(server, tree)
    wait_output(tree)
    for kernel in server.api("kernels"):
        server.api(f"kernels/{kernel['id']}/restart", "POST")
    speech.check(tree)


@pytest.mark.limit(SECONDS + 120)
def test_run_that_ended_while_nobody_looked_is_whole(mounter, server):
    mount = mount_server(mounter, server)
    speech = Speech(server, mount.path)
    wait_output(mount.path)
    mount.finish()
    speech.wait_end()
    mount = mount_server(mounter, server, name="again")
    speech.check(mount.path)


def test_ended_runs_stay_and_cost_no_request(mounter, server):
    server.write("main.py", "print('hello')\n")
    mount = mount_server(mounter, server)
    (mount.path / ".run").write_text("main.py\n")
    assert (mount.path / ".run").read_text() == "hello\n"
    mount.finish()
    mount = mount_server(mounter, server, name="again")
    with mount.counting() as looking:
        assert (mount.path / ".run").read_text() == "hello\n"
        assert (mount.path / LAST / "exit").read_text() == "0\n"
        assert (mount.path / LAST / "ended").read_text()
    assert looking[0] == 0
    assert server.api("kernels") == []
    (mount.path / ".run").write_text("main.py\n")
    assert os.readlink(mount.path / LAST) == "2"
    assert (mount.path / ".run").read_text() == "hello\n"


def test_script_that_waits_for_input_hears_its_end_after_a_crash(
        mounter, doomed, server):
    server.write("reader.py", "import os, sys\nos.write(1, b'ready')\n"
                              "print(len(sys.stdin.read()))\n")
    mount = doomed()
    control = os.open(mount.path / ".run", os.O_RDWR)
    os.write(control, b"reader.py\nabc")
    assert os.read(control, 5) == b"ready"
    mount.crash()
    with pytest.raises(OSError):
        os.close(control)
    mount.clear_away()
    mount = mount_server(mounter, server, name="again")
    assert (mount.path / ".run").read_text() == "ready3\n"


def test_pod_that_died_is_said(mounter, own_server):
    server = own_server
    server.write("main.py", "import time\nprint('begun', flush=True)\n"
                            "time.sleep(600)\n")
    mount = mount_server(mounter, server)
    (mount.path / ".run").write_text("main.py\n")
    wait_output(mount.path)
    server.kill()
    server.start()
    assert (mount.path / ".run").read_text() == "begun\n"
    status = (mount.path / LAST / "status").read_text()
    assert "state: lost\n" in status and "\nwhy: " in status
    assert (mount.path / LAST / "exit").read_text() == ""


def test_second_mount_follows_the_same_run(mounter, server):
    mount = mount_server(mounter, server)
    speech = Speech(server, mount.path)
    wait_output(mount.path)
    other = mount_server(mounter, server, name="other")
    speech.check(other.path)
    speech.check(mount.path)


def test_run_killed_by_ctl_is_told_by_its_signal(server, tree):
    server.write("main.py", "import time\nprint('begun', flush=True)\n"
                            "time.sleep(600)\n")
    (tree / ".run").write_text("main.py\n")
    wait_output(tree)
    subprocess.run("echo TERM > .pycloud/runs/last/ctl", shell=True, cwd=tree,
                   check=True)
    assert (tree / ".run").read_text() == "begun\n"
    assert (tree / LAST / "exit").read_text() == "143\n"
    with pytest.raises(ProcessLookupError):
        (tree / LAST / "ctl").write_text("KILL\n")
    with pytest.raises(OSError):
        (tree / LAST / "ctl").write_text("NONSENSE\n")


def test_killed_daemons_kernel_is_used_again_and_ended(
        mounter, doomed, server):
    server.write("main.py", "print('hello')\n")
    mount = doomed()
    (mount.path / ".run").write_text("main.py\n")
    assert (mount.path / ".run").read_text() == "hello\n"
    left = [kernel["id"] for kernel in server.api("kernels")]
    assert len(left) == 1
    end_daemon(mount)
    mount = mount_server(mounter, server)
    (mount.path / ".run").write_text("main.py\n")
    assert (mount.path / ".run").read_text() == "hello\n"
    assert [kernel["id"] for kernel in server.api("kernels")] == left
    mount.finish()
    assert server.api("kernels") == []
