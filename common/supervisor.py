"""The process that owns one run in the pod.

The helper (helper.py) starts one supervisor per run. It is a session of its
own, so it outlives the kernel, the connection and whoever asked. It owns the
child (``python3 LINE``), records what the child writes, feeds it and signals
it, and leaves the truth in the run's folder:

    log      what the child wrote, in the order it was read: frames of one byte
             (1 stdout, 2 stderr, 3 gap), four bytes length (big endian), and
             the bytes. A gap's bytes are a decimal count of what was dropped.
    status   JSON, appears whole and last: {"exit", "signal", "length",
             "ended"}
    stdin    what the child is to read; the helper appends, we follow
    ctl      a FIFO; lines: "stdin" (the file has grown), "eof", "signal N"

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
import select
import signal
import struct
import sys
import termios
import time

READ_BYTES = 65536
PIPE_BYTES = 1 << 20
LOG_MAX = 1 << 30
FRAME = struct.Struct(">BI")
STDOUT, STDERR, GAP = 1, 2, 3


class Log:
    """The record of what the child wrote; a full disk makes gaps, no harm."""

    def __init__(self, path: bytes) -> None:
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.length = 0
        self.dropped = 0

    def write(self, stream: int, data: bytes) -> None:
        if self.dropped or self.length + len(data) > LOG_MAX:
            self.dropped += len(data)
        elif not self._append(FRAME.pack(stream, len(data)) + data):
            self.dropped += len(data)

    def close(self) -> None:
        if self.dropped:
            text = b"%d" % self.dropped
            self._append(FRAME.pack(GAP, len(text)) + text)
        os.close(self.fd)

    def _append(self, frame: bytes) -> bool:
        done = 0
        try:
            while done < len(frame):
                done += os.write(self.fd, frame[done:])
        except OSError:
            # A torn frame would make everything after it unreadable.
            os.ftruncate(self.fd, self.length)
            os.lseek(self.fd, self.length, os.SEEK_SET)
            return False
        self.length += done
        return True


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
        self.log = Log(self.path(b"log"))
        self.child_ended = self._watch_child()
        self.pid, self.stdin, out, err = spawn(job)
        self.streams = {out: STDOUT, err: STDERR}
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
            for fd in list(self.streams):
                if fd in ready and not self._record(fd, READ_BYTES):
                    poll.unregister(fd)
            if self.ctl in ready:
                self._obey()
            if self.stdin in ready or self.ctl in ready:
                self._feed(poll)
            if self.child_ended in ready:
                status = self._reap()
        self._drain()
        self._write_status(status)

    def _record(self, fd: int, size: int) -> bool:
        """Moves up to `size` bytes of a pipe to the log; False at its end."""
        try:
            data = os.read(fd, size)
        except BlockingIOError:
            return True
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
        self.log.close()
        by_signal = os.WIFSIGNALED(status)
        text = json.dumps({
            "exit": 0 if by_signal else os.WEXITSTATUS(status),
            "signal": os.WTERMSIG(status) if by_signal else 0,
            "length": self.log.length,
            "ended": time.time(),
        })
        write_atomically(self.path(b"status"), text.encode())


def write_atomically(path: bytes, data: bytes) -> None:
    fd = os.open(path + b".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
    os.rename(path + b".new", path)


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


if __name__ == "__main__":
    main()
