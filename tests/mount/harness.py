"""What the mount tests stand on: real Jupyter servers and real mounts.

Time is controlled by events only: a pipe, a file, a process's end, a line of
.pycloud/status.  wait_until() looks for such an event; nothing here or in a
test waits for a number of seconds and then hopes.  watch_for() is the one
exception: it proves that something does *not* happen in a window of time.

This process is a "child subreaper", so a daemon that leaves its parent becomes
our child and its exit status can be asked for.
"""

import contextlib
import ctypes
import http.client
import itertools
import json
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from assist import ASSIST
from way import WAY

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x20000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
LIMIT = 60
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS = {"notebook": "/usr/bin/jupyter-notebook",
            "server": "/usr/bin/jupyter-server"}
SECTIONS = {"notebook": ("NotebookApp", "notebook_dir"),
            "server": ("ServerApp", "root_dir")}
# As a local workspace's server is set up; {scratch} is the server's own.
WORKSPACE_ARGUMENTS = ["--ContentsManager.allow_hidden=True",
                       "--FileContentsManager.delete_to_trash=False",
                       "--ContentsManager.hide_globs=[]",
                       "--FileCheckpoints.checkpoint_dir={scratch}/saved",
                       "--Application.log_level=50"]


LIBC = ctypes.CDLL(None)


def become_subreaper():
    """Let orphans of our descendants become our children."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


HAS_OWN_MOUNTS = False


def hide_mounts():
    """Have a table of mounts of our own, where we may. Who lists all mounts
    (`pycloud status`, `pycloud list`) looks into them, and whoever looks keeps
    a mount busy: other tests must not see ours. And what a test mounts over
    the machine's files is for that test alone."""
    global HAS_OWN_MOUNTS  # pylint: disable=global-statement
    if LIBC.unshare(CLONE_NEWNS) == 0:
        HAS_OWN_MOUNTS = LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE,
                                    None) == 0


def end_with_parent():
    """Leave nothing behind when the test itself is killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def wait_until(condition, what, limit=LIMIT):
    """Return the first true value of condition(); fail after `limit` s."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit} s in vain: {what}")
        threading.Event().wait(0.02)


def watch_for(seconds):
    """Let a window of time pass in which something must not happen."""
    threading.Event().wait(seconds)


# Below those that the kernel gives to whoever connects: a server's port stays
# its own while it is away. Each process of pytest-xdist has a range.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
PORTS = itertools.cycle(range(20000 + 1500 * WORKER, 21500 + 1500 * WORKER))


def free_port():
    """A TCP port of the loopback that nobody listens on."""
    while True:
        port = next(PORTS)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def processes():
    """(pid, state, parent's pid) of every process there is."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            stat = pathlib.Path("/proc", entry, "stat").read_text()
            fields = stat.rpartition(")")[2].split()
            yield int(entry), fields[0], int(fields[1])


def children():
    """Pids of this process's living children, the adopted ones too."""
    return [pid for pid, state, parent in processes()
            if parent == os.getpid() and state != "Z"]


def descendants(ancestor):
    """Pids of all processes below `ancestor`, with their command lines."""
    table = list(processes())
    found = {}
    wanted = [ancestor]
    while wanted:
        above = wanted.pop()
        for pid, _, parent in table:
            if parent == above:
                wanted.append(pid)
                with contextlib.suppress(OSError):
                    line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                    found[pid] = line.decode(errors="replace")
    return found


def is_alive(pid):
    """True while the process exists and is no zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def is_mounted(path):
    """True when `path` is a mount point; does not touch the mount itself."""
    mounts = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    return str(path) in [line.split()[1] for line in mounts]


def make_scratch():
    """A short-named directory that other users may enter."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="pyc-", dir="/tmp"))
    path.chmod(0o755)
    return path


def remove_scratch(path):
    """Remove it, but never reach through a mount into a server's files."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[1].startswith(f"{path}/"):
            subprocess.run(["umount", "-l", line.split()[1]], check=False)
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[1].startswith(f"{path}/"):
            return
    shutil.rmtree(path, ignore_errors=True)


class Server:
    """A real Jupyter server on the loopback with a root of its own."""

    def __init__(self, generation, arguments=(), unprivileged=False):
        self.generation = generation
        self.scratch = make_scratch()
        self.arguments = [argument.format(scratch=self.scratch)
                          for argument in arguments]
        self.root = self.scratch / "ws"
        self.home = self.scratch / "home"
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.user = None
        self.process = None
        self.attendant = None
        for path in (self.root, self.home):
            path.mkdir()
            if unprivileged and os.geteuid() == 0:
                self.user = pwd.getpwnam("nobody")
                os.chown(path, self.user.pw_uid, self.user.pw_gid)

    @property
    def url(self):
        """The base URL, without the token."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self):
        """Start (again, on the same port) and wait until it answers."""
        app, root = SECTIONS[self.generation]
        command = [PROGRAMS[self.generation], "--allow-root", "--no-browser",
                   "--ip=127.0.0.1", f"--port={self.port}",
                   f"--{app}.port_retries=0", f"--{app}.token={self.token}",
                   f"--{app}.{root}={self.root}", *self.arguments]
        identity = {}
        if self.user is not None:
            identity = {"user": self.user.pw_uid, "group": self.user.pw_gid,
                        "extra_groups": []}
        with open(self.scratch / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd=self.root, start_new_session=True,
                preexec_fn=end_with_parent,
                env={"HOME": str(self.home), "PATH": SYSTEM_PATH,
                     "LANG": "C.UTF-8"}, **identity)
        wait_until(self.answers, f"{self.generation} at {self.url}")
        if self.attendant is None:
            self.attendant = ASSIST.attend(self)
        return self

    def answers(self):
        """True when it is up and accepts our token."""
        if self.process.poll() is not None:
            log = (self.scratch / "log").read_text(errors="replace")
            raise AssertionError(f"{self.generation} ended:\n{log}")
        try:
            return "kernels" in self.api("status")
        except (OSError, http.client.HTTPException):
            return False

    def api(self, path, method="GET"):
        """One answer of the server's API, as Python values."""
        request = urllib.request.Request(
            f"{self.url}api/{path}", method=method,
            headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def signal(self, number):
        """Send the server process a signal."""
        self.process.send_signal(number)

    def kill(self):
        """End it and its kernels at once, as the crash of a pod would."""
        below = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self):
        """End it politely, and remove its files."""
        if self.attendant is not None:
            self.attendant.stop()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        remove_scratch(self.scratch)

    def empty(self):
        """Remove what a test left in the root, and its kernels."""
        for path in self.root.iterdir():
            if path.is_dir() and not path.is_symlink():
                subprocess.run(["chmod", "-R", "u+rwx", path], check=False)
                shutil.rmtree(path)
            else:
                path.unlink()
        for kernel in self.api("kernels"):
            with contextlib.suppress(urllib.error.HTTPError):
                self.api(f"kernels/{kernel['id']}", "DELETE")

    def write(self, name, text, mode=0o644):
        """Write a file behind the mount's back."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text)
        path.chmod(mode)
        return path


class Mount:
    """One mount.pycloud and the daemon it became."""

    def __init__(self, build, scratch, spec, options="", env=None, name="mnt",
                 arguments=()):
        spec, options, env = WAY.lead(spec, ASSIST.add(options), env)
        self.program = pathlib.Path(build) / "fs" / "mount.pycloud"
        self.scratch = scratch
        self.spec = spec
        self.options = options
        self.arguments = list(arguments)
        self.directory = scratch / name
        self.is_lazy = False
        self.reports = scratch / f"{name}.report"
        self.pid = None
        self.status_code = None
        self.result = None
        self.foreground = None
        sanitizer = f"log_path={self.reports}:print_stacktrace=1"
        self.env = {
            "PATH": SYSTEM_PATH, "LANG": "C.UTF-8",
            "HOME": str(scratch / "home"),
            "XDG_DATA_HOME": str(scratch / "data"),
            "XDG_CACHE_HOME": str(scratch / "cache"),
            "XDG_STATE_HOME": str(scratch / "state"),
            "XDG_RUNTIME_DIR": str(scratch / "run"),
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
            "ASAN_OPTIONS": f"{sanitizer}:detect_leaks=1",
            "UBSAN_OPTIONS": sanitizer, "TSAN_OPTIONS": sanitizer}
        self.env.update(env or {})

    @property
    def path(self):
        """The mount point; a lazy mount is mounted when it is first named,
        so that it sees what the test prepared on the server."""
        if self.is_lazy and self.result is None:
            self.start()
        return self.directory

    def command(self):
        """The command line, as mount(8) would give it."""
        options = ["-o", self.options] if self.options else []
        return [str(self.program), self.spec, str(self.directory), *options,
                *self.arguments]

    def attempt(self, make_directory=True):
        """Run it to the end of the parent process; no assumption."""
        for name in ("home", "data", "cache", "state"):
            (self.scratch / name).mkdir(exist_ok=True)
        run = self.scratch / "run"
        run.mkdir(mode=0o700, exist_ok=True)
        if make_directory:
            self.directory.mkdir(exist_ok=True)
        before = set(children())
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            # Files, not pipes: a daemon that keeps one open must not block.
            code = subprocess.run(self.command(), env=self.env, stdout=out,
                                  stderr=err, stdin=subprocess.DEVNULL,
                                  timeout=2 * LIMIT, check=False).returncode
            out.seek(0)
            err.seek(0)
            self.result = subprocess.CompletedProcess(
                self.command(), code, out.read().decode(),
                err.read().decode())
        fresh = [pid for pid in children() if pid not in before
                 and self.comm(pid).startswith("mount.")]
        if code == 0:
            self.pid = fresh[0] if fresh else None
        for pid in [] if code == 0 else fresh:
            # It told its parent that it failed, and is about to end.
            wait_until(lambda pid=pid: os.waitpid(pid, os.WNOHANG)[0],
                       "the failed daemon's end")
        return self.result

    @staticmethod
    def comm(pid):
        """The name of a process."""
        with contextlib.suppress(OSError):
            return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        return ""

    def start(self):
        """Mount, and insist that it worked."""
        result = self.attempt()
        assert result.returncode == 0, f"mount failed: {result.stderr}"
        assert is_mounted(self.directory), "exit status 0, but no mount"
        assert self.pid is not None, "no daemon is left"
        return self

    def start_foreground(self):
        """Mount with --foreground; its log is in self.log."""
        for name in ("home", "data", "cache", "state"):
            (self.scratch / name).mkdir(exist_ok=True)
        (self.scratch / "run").mkdir(mode=0o700, exist_ok=True)
        self.directory.mkdir(exist_ok=True)
        self.log = self.scratch / "foreground.log"
        with open(self.log, "wb") as log:
            self.foreground = subprocess.Popen(
                [*self.command(), "--foreground"], env=self.env, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL)
        self.pid = self.foreground.pid
        wait_until(lambda: is_mounted(self.directory)
                   or self.foreground.poll() is not None, "a mount")
        assert self.foreground.poll() is None, self.log.read_text()
        return self

    def status(self):
        """.pycloud/status as a dictionary."""
        text = (self.path / ".pycloud" / "status").read_text()
        pairs = [line.split(":", 1) for line in text.splitlines()
                 if ":" in line]
        return {key.strip(): value.strip() for key, value in pairs}

    def requests(self):
        """How many HTTP requests this mount has sent."""
        return int(self.status()["requests"])

    @contextlib.contextmanager
    def counting(self):
        """Yields a list; afterwards its one item is the requests sent."""
        counted = []
        before = self.requests()
        yield counted
        counted.append(self.requests() - before)

    def memory_kib(self, field):
        """VmRSS or VmHWM of the daemon."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        line = [x for x in text.splitlines() if x.startswith(f"{field}:")][0]
        return int(line.split()[1])

    def is_sanitized(self):
        """Built with a sanitizer, whose shadow memory distorts sizes."""
        program = self.program.read_bytes()
        return any(x in program for x in (b"libasan.so", b"libtsan.so"))

    def wait_end(self, limit=LIMIT):
        """The daemon's exit code (negative: a signal's number)."""
        if self.status_code is not None:
            return self.status_code
        if self.foreground is not None:
            self.status_code = self.foreground.wait(limit)
            return self.status_code

        def reaped():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                self.status_code = os.waitstatus_to_exitcode(status)
            return pid != 0

        wait_until(reaped, "the daemon's end", limit)
        return self.status_code

    def unmount(self):
        """umount(8), or fusermount3 for a plain user."""
        tool = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
        return subprocess.run([*tool, str(self.directory)], check=False,
                              capture_output=True, text=True, timeout=LIMIT)

    def crash(self):
        """kill -9; whoever is in the mount hears of it."""
        if self.pid is not None and self.status_code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(AssertionError):
                self.wait_end(10)

    def clear_away(self):
        """Unmount what a dead daemon left."""
        if is_mounted(self.directory):
            self.unmount()

    def kill(self):
        """Both, whatever is left."""
        self.crash()
        self.clear_away()

    def sanitizer_reports(self):
        """What a sanitizer wrote, if anything."""
        found = self.scratch.glob(f"{self.reports.name}.*")
        return "\n".join(path.read_text(errors="replace") for path in found)

    def finish(self):
        """Unmount if need be; the daemon must end with 0 and no report."""
        if self.pid is None:
            return
        if self.status_code is None and is_mounted(self.directory):
            result = self.unmount()
            assert result.returncode == 0, f"umount: {result.stderr}"
        code = self.wait_end()
        report = self.sanitizer_reports()
        assert not report, report
        assert code == 0, f"the daemon ended with {code}"


class Tree:
    """The path of a lazy mount, for os functions and for `tree / name`."""

    def __init__(self, mount):
        self.mount = mount

    def __fspath__(self):
        return str(self.mount.path)

    __str__ = __fspath__

    def __truediv__(self, name):
        return self.mount.path / name
