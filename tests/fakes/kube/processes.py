"""The processes of containers: started, found again, and surely ended.

Every process of a container has a mark in its environment, as a cgroup would
have it.  A guard, a process of its own, ends all that have the cluster's mark
when the cluster's process is gone, however that ended; what a container runs
first also gets a signal by itself then.
"""

import contextlib
import os
import pathlib
import secrets
import select
import signal
import subprocess
import sys
import time

KILL_MAX_S = 20
MARK = "PYCLOUD_KUBE_MARK"


def new_mark():
    """A mark that nothing else has."""
    return secrets.token_hex(8)


def marked(mark):
    """The pids of the processes whose mark begins so."""
    wanted = f"{MARK}={mark}".encode()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            environment = pathlib.Path("/proc", entry, "environ")
            if any(one.startswith(wanted) for one
                   in environment.read_bytes().split(b"\0")):
                yield int(entry)


def kill_all(mark):
    """End all of them, new ones that appear meanwhile too, and wait."""
    limit = time.monotonic() + KILL_MAX_S
    while time.monotonic() < limit:
        found = list(marked(mark))
        if not found:
            return
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                wait_for_end(os.pidfd_open(pid), KILL_MAX_S)


def memory_of(pid):
    """Bytes of a process and of what it started."""
    total, waiting = 0, [pid]
    page = os.sysconf("SC_PAGE_SIZE")
    while waiting:
        one = waiting.pop()
        with contextlib.suppress(OSError, IndexError):
            text = pathlib.Path(f"/proc/{one}/statm").read_text()
            total += int(text.split()[1]) * page
            for task in os.listdir(f"/proc/{one}/task"):
                children = pathlib.Path(
                    f"/proc/{one}/task/{task}/children").read_text()
                waiting.extend(map(int, children.split()))
    return total


def wait_for_end(descriptor, limit):
    """Until the process of a pidfd has ended; TimeoutError."""
    with open(descriptor, "rb", buffering=0):
        if not select.select([descriptor], [], [], limit)[0]:
            raise TimeoutError("the process has not ended")


class Guard:
    """Ends what has a mark when this process ends."""

    def __init__(self, mark):
        self.mark = mark
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, mark],
            stdin=subprocess.PIPE, start_new_session=True)

    def stop(self):
        """End everything now, and wait for it."""
        self.process.stdin.close()
        self.process.wait()


def start(command, environment, folder, mark):
    """Start what a container runs; its output comes through `stdout`.

    The thread that calls has to live as long as the process: the signal at
    the parent's death is sent when that *thread* ends."""
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "--", *command],
        env={**environment, MARK: mark}, cwd=folder,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True)


def guard(mark):
    """The guard's own process: wait for the other one's end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    kill_all(mark)


if __name__ == "__main__":
    guard(sys.argv[1])
