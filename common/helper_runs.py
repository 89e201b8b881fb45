"""Runs as the helper (helper.py) sees them: the folder of each, the supervisor
(supervisor.py) that owns it, and a bell that rings when a record grows.

A run's folder is the truth about it. Nothing here has to be remembered: a
helper in another kernel, later, finds the same folder by the run's name.
"""
import ctypes
import errno
import json
import os
import re
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time

RUNS_KEEP = 20
RUNS_ACTIVE_MAX = 64
INPUT_MAX = 1 << 30
# A run younger than this without a supervisor may be about to get one.
STARTING_SECONDS = 60.0
STUB = ("import sys;s=sys.stdin.buffer;"
        "exec(compile(s.read(int(s.readline())),'pycloud-run','exec'))")
IN_MODIFY, IN_MOVED_TO = 0x2, 0x80
OURS = re.compile(r"JPY_|JUPYTER_TOKEN$")


# --- the command line -------------------------------------------------------

def find_script(argv: list):
    """The script in what follows `python3`, or None (-m, -c, -, nothing)."""
    words = iter(argv)
    for word in words:
        if word == b"-":
            return None
        if not word.startswith(b"-"):
            return word
        if word.startswith(b"--"):
            if word == b"--check-hash-based-pycs":
                next(words, None)
            continue
        for i, letter in enumerate(word[1:].decode("latin-1"), 2):
            if letter in "cm":
                return None
            if letter in "WX":
                if i == len(word):
                    next(words, None)
                break
    return None


def check_script(argv: list, directory: bytes) -> None:
    script = find_script(argv)
    if script is None:
        return
    path = os.path.join(directory, script)
    if stat.S_ISDIR(os.stat(path).st_mode):
        raise OSError(errno.EISDIR, "a directory")
    if script.endswith(b".ipynb"):
        raise OSError(errno.EOPNOTSUPP, "notebooks")


def child_environment() -> dict:
    """The environment the kernel was started with: ipykernel has since put
    colours and its own matplotlib backend into os.environ."""
    try:
        with open("/proc/self/environ", "rb") as f:
            pairs = [p.partition(b"=") for p in f.read().split(b"\0") if p]
        env = {k: v for k, _, v in pairs if k}
    except OSError:
        env = dict(os.environb)
    env = {k: v for k, v in env.items() if not OURS.match(os.fsdecode(k))}
    env[b"PYTHONUNBUFFERED"] = b"1"
    return env


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
    return tempfile.mkdtemp(prefix="pycloud-runs-")


class Spare:
    """A supervisor that is already waiting for its job, and who is reaped."""

    def __init__(self, source: str) -> None:
        self.source = source.encode()
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
        self.log = -1
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

    def length(self) -> int:
        if self.log < 0:
            self.log = os.open(self.path("log"), os.O_RDONLY)
        return os.fstat(self.log).st_size

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

    def close(self) -> None:
        if self.log >= 0:
            os.close(self.log)
            self.log = -1


def make_room(folder: str, in_use: set) -> None:
    """Removes the oldest runs that are over; EAGAIN when too many are not."""
    runs = [Run(os.path.join(folder, n)) for n in os.listdir(folder)
            if n not in in_use]
    ages = [(r.age(), r) for r in runs if not r.is_alive()]
    if len(runs) - len(ages) + len(in_use) >= RUNS_ACTIVE_MAX:
        raise OSError(errno.EAGAIN, "too many runs")
    ages.sort(key=lambda pair: pair[0])
    for age, run in ages[RUNS_KEEP - 1:]:
        if age > STARTING_SECONDS:
            shutil.rmtree(run.folder, ignore_errors=True)


# --- noticing that records grow ---------------------------------------------

class Bell:
    """Rings when a followed record grows, or when rung. inotify where there
    is some (it needs no help from the supervisor and serves any number of
    helpers), else looking often."""

    def __init__(self) -> None:
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
        try:
            os.write(self.theirs, b"!")
        except BlockingIOError:
            pass

    def wait(self, seconds) -> None:
        fds = [self.ours] + ([self.fd] if self.fd >= 0 else [])
        is_deaf = self.fd < 0 or -1 in self.watches.values()
        if is_deaf and seconds is not None:
            seconds = min(seconds, 0.02)
        for fd in select.select(fds, [], [], seconds)[0]:
            os.read(fd, 65536)
