"""The process that owns one run in the pod.

The helper (helper.py) starts one supervisor per run. It is a session of its
own, so it outlives the kernel, the connection and whoever asked. It owns the
child (``python3 LINE``), records what the child writes, feeds it and signals
it, and leaves the truth in the run's folder:

    log.R    the record (supervisor_log.py)
    status   JSON, appears whole and last: {"exit", "signal", "length" (of the
             record), "ended" (Unix time)}, and spaces
    stdin    what the child is to read; the helper appends, we follow
    ctl      a FIFO; lines: "stdin" (the file has grown), "eof", "signal N",
             and from the child "figure NAME": a PNG in the folder is complete

It is read from standard input (so no file of ours lies about), waits there for
one job, a line of JSON, and answers with one line: {"pid": N} or {"errno": N}.
End of file instead of a job means that nobody needs it any more; the helper
keeps one supervisor waiting, because starting Python takes longer than
anything else on the way to a script's first line.

Paths, arguments and environment are bytes; JSON carries them as Latin-1.
"""
import errno
import fcntl
import json
import os
import re
import select
import signal
import stat
import struct
import sys
import termios
import time

from supervisor_log import STDERR, STDOUT, Log

READ_BYTES = 65536
PIPE_BYTES = 1 << 20
STATUS_BYTES = 512
LINE_END_SECONDS = 0.05
LINE_END_READS = 32
FIGURE_NAME = re.compile(br"figure-(\d{1,9})\.png$")


def spawn(job: dict) -> tuple:
    """Starts the child; returns (pid, stdin, stdout, stderr), our ends."""
    stdin, stdout, stderr, failure = (os.pipe() for _ in range(4))
    pid = os.fork()
    if pid == 0:
        try:
            become_child(job, stdin[0], stdout[1], stderr[1])
        except OSError as e:
            os.write(failure[1], b"%d" % e.errno)
        finally:
            os._exit(127)
    for fd in (stdin[0], stdout[1], stderr[1], failure[1]):
        os.close(fd)
    text = os.read(failure[0], 16)
    os.close(failure[0])
    if text:
        os.waitpid(pid, 0)
        raise OSError(int(text), "the child could not be started")
    return pid, stdin[1], stdout[0], stderr[0]


def become_child(job: dict, stdin: int, stdout: int, stderr: int) -> None:
    os.setsid()
    # Python ignores SIGPIPE, we ignore more; an exec would hand that on.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT,
                   signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.chdir(to_bytes(job["cwd"]))
    for fd, target in ((stdin, 0), (stdout, 1), (stderr, 2)):
        os.dup2(fd, target)
    os.execve(to_bytes(job["argv"][0]), [to_bytes(a) for a in job["argv"]],
              {to_bytes(k): to_bytes(v) for k, v in job["env"].items()})


class Supervisor:
    """One child, from its start to its status file."""

    def __init__(self, folder: bytes, job: dict) -> None:
        self.folder = folder
        self.is_eof = False
        self.backlog = b""
        # Read and write: the FIFO never reports an end while we live, and a
        # writer finds out that we do not live.
        self.ctl = os.open(self.path(b"ctl"), os.O_RDWR | os.O_NONBLOCK)
        self.source = os.open(self.path(b"stdin"), os.O_RDONLY)
        # Its room on the disk is taken now: a full one must not hide the end.
        self.status = os.open(self.path(b"status.new"),
                              os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        if os.write(self.status, b" " * STATUS_BYTES) < STATUS_BYTES:
            raise OSError(errno.ENOSPC, "no room for the status")
        self.log = Log(folder, int(job["output_max"]))
        self.child_ended = self._watch_child()
        self.pid, self.stdin, out, err = spawn(job)
        self.streams = {out: STDOUT, err: STDERR}
        self.torn = -1  # the stream whose last piece ended within a line
        os.set_blocking(self.stdin, False)
        for fd in self.streams:
            os.set_blocking(fd, False)
            try:
                fcntl.fcntl(fd, 1031, PIPE_BYTES)  # F_SETPIPE_SZ
            except OSError:
                pass

    def path(self, name: bytes) -> bytes:
        return os.path.join(self.folder, name)

    @staticmethod
    def _watch_child() -> int:
        """A descriptor that becomes readable when a child has ended."""
        ours, pythons = os.pipe()
        os.set_blocking(ours, False)
        os.set_blocking(pythons, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(pythons)
        return ours

    def run(self) -> None:
        poll = select.poll()
        for fd in [self.ctl, self.child_ended, *self.streams]:
            poll.register(fd, select.POLLIN)
        status = None
        while status is None:
            ready = dict(poll.poll())
            for fd in [fd for fd in self.streams if fd in ready]:
                self._end_line(fd, poll)
                if fd in self.streams and not self._record(fd, READ_BYTES):
                    poll.unregister(fd)
            if self.ctl in ready:
                self._obey()
            if self.stdin in ready or self.ctl in ready:
                self._feed(poll)
            if self.child_ended in ready:
                status = self._reap()
        self._drain()
        for name in self._figures_left():
            self._take_figure(name)
        self._write_status(status)

    def _end_line(self, fd: int, poll: "select.poll") -> None:
        """Before `fd` is read: the other stream may stand within a line, as
        an unbuffered print() writes the text and the line's end apart. What
        is about to come does come first, so that neither tears the other's
        lines; a prompt, which has no end, waits for nothing."""
        torn = self.torn
        for _ in range(LINE_END_READS):
            if self.torn in (-1, fd) or not select.select(
                    [torn], [], [], LINE_END_SECONDS)[0]:
                break
            if not self._record(torn, READ_BYTES):
                poll.unregister(torn)

    def _record(self, fd: int, size: int) -> bool:
        """Moves up to `size` bytes of a pipe to the log; False at its end."""
        try:
            data = os.read(fd, size)
        except BlockingIOError:
            return True
        self.torn = -1 if data.endswith((b"\n", b"\r")) or not data else fd
        if data:
            self.log.write(self.streams[fd], data)
            return True
        del self.streams[fd]
        os.close(fd)
        return False

    def _drain(self) -> None:
        """What was written before the child ended, and not a byte that some
        grandchild goes on writing."""
        for fd in list(self.streams):
            left = struct.unpack(
                "i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]
            while left > 0 and fd in self.streams:
                size = min(left, READ_BYTES)
                self._record(fd, size)
                left -= size

    def _obey(self) -> None:
        try:
            lines = (self.backlog + os.read(self.ctl, 4096)).split(b"\n")
        except BlockingIOError:
            return
        self.backlog = lines.pop()
        for line in lines:
            if line == b"eof":
                self.is_eof = True
            elif line.startswith(b"signal "):
                try:
                    os.killpg(self.pid, int(line[7:]))
                except (ValueError, OSError):
                    pass
            elif line.startswith(b"figure "):
                self._drain()  # it comes after what was printed before it
                self._take_figure(line[7:])

    def _figures_left(self) -> list:
        """Figures that the child had no time to tell of."""
        found = map(FIGURE_NAME.match, os.listdir(self.folder))
        return [m.group() for m in sorted(
            (m for m in found if m), key=lambda m: int(m.group(1)))]

    def _take_figure(self, name: bytes) -> None:
        """Moves a PNG from the folder to the record."""
        if not FIGURE_NAME.match(name):
            return
        try:
            fd = os.open(self.path(name),
                         os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return  # taken before
        try:
            st = os.fstat(fd)
            if stat.S_ISREG(st.st_mode):
                os.unlink(self.path(name))
                if not (self.log.has_space(st.st_size) and
                        self.log.write_figure(name, fd, st.st_size)):
                    self.log.write(STDERR, b"pycloud: no room for %s\n" % name)
        except OSError:
            pass
        finally:
            os.close(fd)

    def _feed(self, poll: "select.poll") -> None:
        """Gives the child what its standard input takes without blocking."""
        if self.stdin < 0:
            return
        try:
            while True:
                data = os.read(self.source, READ_BYTES)
                if not data:
                    break
                taken = os.write(self.stdin, data)
                os.lseek(self.source, taken - len(data), os.SEEK_CUR)
        except BlockingIOError:
            os.lseek(self.source, -len(data), os.SEEK_CUR)
            poll.register(self.stdin, select.POLLOUT)
            return
        except OSError:  # EPIPE: it does not want more
            self.is_eof = True
        self._stop_polling(poll)
        if self.is_eof:
            os.close(self.stdin)
            self.stdin = -1

    def _stop_polling(self, poll: "select.poll") -> None:
        try:
            poll.unregister(self.stdin)
        except KeyError:
            pass

    def _reap(self):
        try:
            os.read(self.child_ended, 4096)
        except BlockingIOError:
            pass
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return status if pid else None

    def _write_status(self, status: int) -> None:
        length = self.log.close()
        by_signal = os.WIFSIGNALED(status)
        text = json.dumps({
            "exit": 0 if by_signal else os.WEXITSTATUS(status),
            "signal": os.WTERMSIG(status) if by_signal else 0,
            "length": length,
            "ended": time.time(),
        })
        os.pwrite(self.status, text.encode().ljust(STATUS_BYTES), 0)
        os.close(self.status)
        os.rename(self.path(b"status.new"), self.path(b"status"))


def to_bytes(text: str) -> bytes:
    return text.encode("latin-1")


def answer(message: dict) -> None:
    """Tells the helper once, and lets go of its pipes."""
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except OSError:
        pass  # the helper is gone; the run is not
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    os.close(null)


def main() -> None:
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return
    job = json.loads(line.decode("ascii"))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        supervisor = Supervisor(to_bytes(job["folder"]), job)
    except OSError as e:
        answer({"errno": e.errno or errno.EIO})
        return
    answer({"pid": supervisor.pid})
    supervisor.run()
