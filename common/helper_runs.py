"""Runs as the helper (helper.py) sees them: the folder of each, the supervisor
(supervisor.py) that owns it, and a bell that rings when a record grows.

A run's folder is the truth about it. Nothing here has to be remembered: a
helper in another kernel, later, finds the same folder by the run's name.
"""
import ctypes
import errno
import json
import os
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time

from helper_record import SEGMENT, Record

RUNS_ACTIVE_MAX = 64
INPUT_MAX = 1 << 30
# A run younger than this without a supervisor may be about to get one.
STARTING_SECONDS = 60.0
STUB = ("import sys;s=sys.stdin.buffer;"
        "exec(compile(s.read(int(s.readline())),'pycloud-run','exec'))")
IN_MODIFY, IN_MOVED_TO = 0x2, 0x80


# --- the workspace's root ----------------------------------------------------

def workspace_root(connection_file: str) -> str:
    """The directory the server shows. Notebook 6 starts kernels wherever it
    was started itself, but every server says what it shows in a file beside
    the kernels' own (of which only that is read: it holds the token too)."""
    folder = os.path.dirname(connection_file)
    for name, key in (("jpserver-%d.json", "root_dir"),
                      ("nbserver-%d.json", "notebook_dir")):
        try:
            with open(os.path.join(folder, name % os.getppid())) as f:
                root = json.load(f)[key]
            if os.path.isdir(root):
                return root
        except (OSError, ValueError, KeyError, TypeError):
            pass
    return os.getcwd()


# --- folders ----------------------------------------------------------------

def is_private(path: str) -> bool:
    try:
        st = os.lstat(path)
    except OSError:
        return False
    return (stat.S_ISDIR(st.st_mode) and st.st_uid == os.getuid()
            and st.st_mode & 0o077 == 0)


def runs_folder(root: str) -> str:
    """Where runs are recorded: private, and outside the workspace's tree."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser(
        "~/.local/state")
    shared = os.path.join(tempfile.gettempdir(), "pycloud-%d" % os.getuid())
    root = os.path.join(os.path.realpath(root), "")
    places = [os.path.join(state, "pycloud"), shared]
    if os.path.realpath(places[0]).startswith(root):
        places.reverse()
    for place in places:
        try:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if not os.path.isdir(place):
                os.mkdir(place, 0o700)
            if is_private(place):
                runs = os.path.join(place, "runs")
                os.makedirs(runs, 0o700, exist_ok=True)
                return runs
        except OSError:
            pass
    runs = os.path.join(tempfile.mkdtemp(prefix="pycloud-"), "runs")
    os.mkdir(runs, 0o700)
    return runs


def bundle(texts: dict, *names: str) -> bytes:
    """One program of several modules: each may import those before it, and
    the last one's main() runs."""
    code = "import sys, types\n"
    for name in names:
        code += ("m = sys.modules[%r] = types.ModuleType(%r)\n"
                 "exec(compile(%r, %r, 'exec'), m.__dict__)\n"
                 % (name, name, texts[name], name + ".py"))
    return (code + "m.main()\n").encode()


class Spare:
    """A supervisor that is already waiting for its job, and who is reaped."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.lock = threading.Lock()
        self.waiting = None
        self.children = []

    def reap(self) -> None:
        with self.lock:
            self.children = [c for c in self.children if c.poll() is None]

    def prepare(self) -> None:
        self.reap()
        with self.lock:
            if self.waiting is None:
                self.waiting = self._spawn()

    def take(self) -> subprocess.Popen:
        with self.lock:
            process, self.waiting = self.waiting, None
            if process is None or process.poll() is not None:
                process = self._spawn()
            self.children.append(process)
            return process

    def _spawn(self) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", STUB, "pycloud-run"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, cwd="/", start_new_session=True)
        process.stdin.write(b"%d\n" % len(self.source) + self.source)
        process.stdin.flush()
        return process

    def give(self, job: dict) -> dict:
        """Hands the job to a supervisor; its answer, or OSError."""
        process = self.take()
        with process.stdin, process.stdout:
            process.stdin.write(json.dumps(job).encode("ascii") + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        reply = json.loads(line) if line else {"errno": errno.EIO}
        if "errno" in reply:
            raise OSError(reply["errno"], "the run did not start")
        return reply


# --- one run ----------------------------------------------------------------

class Run:
    """A run's folder, and how far the client is with its record."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.record = Record(folder)
        self.sent = 0
        self.acked = 0
        self.is_followed = False
        self.is_told = False  # `ended` was sent
        self.input_lock = threading.Lock()

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def create(self) -> None:
        os.mkdir(self.folder, 0o700)
        os.mkfifo(self.path("ctl"), 0o600)
        os.close(os.open(self.path("stdin"), os.O_CREAT | os.O_WRONLY, 0o600))

    def status(self):
        """How it ended; None while it goes on."""
        try:
            with open(self.path("status"), "rb") as f:
                return json.loads(f.read().decode())
        except OSError:
            return None

    def tell(self, line: bytes) -> None:
        """A line for the supervisor; ESRCH when it does not live."""
        try:
            if os.path.exists(self.path("status")):
                raise OSError(errno.ESRCH, "the run is over")
            fd = os.open(self.path("ctl"), os.O_WRONLY | os.O_NONBLOCK)
        except OSError as e:
            raise OSError(errno.ESRCH, "the run is over") from e
        try:
            os.write(fd, line + b"\n")
        finally:
            os.close(fd)

    def age(self) -> float:
        """Seconds since the folder's last entry came (its status, at last)."""
        try:
            return time.time() - os.stat(self.folder).st_mtime
        except OSError:
            return 0.0

    def is_alive(self) -> bool:
        try:
            os.close(os.open(self.path("ctl"), os.O_WRONLY | os.O_NONBLOCK))
            return True
        except OSError:
            return False

    def is_over(self) -> bool:
        """Its supervisor may still be about to leave."""
        return os.path.exists(self.path("status")) or not self.is_alive()

    def is_starting(self) -> bool:
        """Is its supervisor still on its way? (In another thread, or of a
        helper that is gone.)"""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return False
        return (not any(SEGMENT.match(n) for n in names)
                and self.age() < STARTING_SECONDS)

    def feed(self, offset: int, data: bytes, eof: bool) -> None:
        """Appends what is new of `data`: the call may be a repetition."""
        with self.input_lock:
            fd = os.open(self.path("stdin"), os.O_WRONLY | os.O_APPEND)
            try:
                have = os.fstat(fd).st_size
                if offset > have:
                    raise OSError(errno.EINVAL, "a gap in the input")
                if offset + len(data) > INPUT_MAX:
                    raise OSError(errno.EFBIG, "too much input")
                rest = data[have - offset:]
                while rest:
                    rest = rest[os.write(fd, rest):]
            finally:
                os.close(fd)
        self.tell(b"stdin" + (b"\neof" if eof else b""))

    def signal(self, number: int) -> None:
        if not 0 < number < 65:
            raise OSError(errno.EINVAL, "no such signal")
        self.tell(b"signal %d" % number)


def make_room(folder: str, in_use: set, keep: int) -> None:
    """Removes the oldest runs that are over, so that with a new one there are
    `keep`, but none that is in use; EAGAIN when too many are not over."""
    runs = [Run(os.path.join(folder, n)) for n in os.listdir(folder)]
    over = [(r.age(), r) for r in runs if r.is_over()]
    if len(runs) - len(over) >= RUNS_ACTIVE_MAX:
        raise OSError(errno.EAGAIN, "too many runs")
    over.sort(key=lambda pair: pair[0])
    for age, run in over[max(keep, 1) - 1:]:
        if age > STARTING_SECONDS \
                and os.path.basename(run.folder) not in in_use:
            shutil.rmtree(run.folder, ignore_errors=True)


# --- noticing that records grow ---------------------------------------------

class Bell:
    """Rings when a followed record grows, or when rung. inotify where there
    is some (it needs no help from the supervisor and serves any number of
    helpers), else looking often."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # of ringing it, and of its end
        self.ours, self.theirs = os.pipe()
        os.set_blocking(self.ours, False)
        os.set_blocking(self.theirs, False)
        self.watches = {}
        self.fd = -1
        try:
            self.libc = ctypes.CDLL(None, use_errno=True)
            self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):
            pass

    def watch(self, folder: str) -> None:
        if self.fd >= 0 and folder not in self.watches:
            self.watches[folder] = self.libc.inotify_add_watch(
                self.fd, os.fsencode(folder), IN_MODIFY | IN_MOVED_TO)

    def unwatch(self, folder: str) -> None:
        watch = self.watches.pop(folder, -1)
        if watch >= 0:
            self.libc.inotify_rm_watch(self.fd, watch)

    def ring(self) -> None:
        with self.lock:
            if self.theirs < 0:
                return
            try:
                os.write(self.theirs, b"!")
            except BlockingIOError:
                pass

    def close(self) -> None:
        """By the one who watches and waits."""
        with self.lock:
            for fd in (self.ours, self.theirs, self.fd):
                if fd >= 0:
                    os.close(fd)
            self.ours = self.theirs = self.fd = -1

    def wait(self, seconds) -> None:
        fds = [self.ours] + ([self.fd] if self.fd >= 0 else [])
        is_deaf = self.fd < 0 or -1 in self.watches.values()
        if is_deaf and seconds is not None:
            seconds = min(seconds, 0.02)
        for fd in select.select(fds, [], [], seconds)[0]:
            os.read(fd, 65536)
