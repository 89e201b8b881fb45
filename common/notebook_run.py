"""Executes a notebook: notebook_run.py NOTEBOOK [OPTION OF PYTHON]...

Cell by cell in a fresh kernel, as a script would run: what is printed comes
out as it comes, input is read from standard input, and the exit status is 1
when a cell failed. The outputs are put into the file.
"""
import os
import re
import signal
import sys
import tempfile
import time

from notebook_outputs import Sheet
from notebook_text import Notebook, NotebookError

SAVE_SECONDS = 5.0
SAVE_SHARE = 20  # of the time may go into saving
ALIVE_SECONDS = 1.0
IDLE_SECONDS = 10.0
READ_BYTES = 65536
MESSAGES_AT_ONCE = 500
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Stopped(Exception):
    """By a signal, or because the kernel died: the run is over."""


def write_all(fd: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(fd, data):]


def say(text: str) -> None:
    write_all(2, "pycloud: %s\n" % text)


# --- the file ---------------------------------------------------------------

class File:
    """A notebook's file, which others may change meanwhile: then the result
    goes to another."""

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self.known = self._read()

    def _read(self):
        try:
            with open(self.path, "rb") as f:
                return f.read()
        except FileNotFoundError:
            return None

    def save(self, data: bytes) -> None:
        if data == self.known:
            return
        if self._read() != self.known:
            self._turn_aside()
        self._replace(data)
        self.known = data

    def _turn_aside(self) -> None:
        base, dot = os.path.splitext(self.path)
        number = 1
        while True:
            name = "%s.executed%s%s" % (
                base, "" if number == 1 else "-%d" % number, dot)
            try:
                fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                break
            except FileExistsError:
                number += 1
        try:
            os.fchmod(fd, os.stat(self.path).st_mode & 0o777)
        except FileNotFoundError:
            os.fchmod(fd, 0o644)
        finally:
            os.close(fd)
        say("%s was changed by somebody else; the result is in %s"
            % (os.path.basename(self.path), os.path.basename(name)))
        self.path = name

    def _replace(self, data: bytes) -> None:
        folder, name = os.path.split(self.path)
        fd, new = tempfile.mkstemp(prefix=".~" + name[:200], dir=folder)
        try:
            with open(fd, "wb") as f:
                f.write(data)
                f.flush()
                st = os.stat(self.path)
                os.fchmod(fd, st.st_mode & 0o7777)
                if st.st_uid != os.geteuid() or st.st_gid != os.getegid():
                    self._give(fd, st)
                os.fsync(fd)
            os.replace(new, self.path)
        except BaseException:
            os.unlink(new)
            raise

    @staticmethod
    def _give(fd: int, st) -> None:
        try:
            os.fchown(fd, st.st_uid, st.st_gid)
        except OSError:
            pass  # it is ours then


# --- signals and input ------------------------------------------------------

class Signals:
    """Which signals came; readable when one did."""

    def __init__(self) -> None:
        self.seen = []
        self.fd, theirs = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(theirs, False)
        signal.set_wakeup_fd(theirs)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda n, _: self.seen.append(n))

    def take(self) -> list:
        try:
            os.read(self.fd, 4096)
        except BlockingIOError:
            pass
        seen, self.seen[:] = list(self.seen), []
        return seen


class Input:
    """Lines of standard input, for cells that ask."""

    def __init__(self) -> None:
        self.data = b""
        self.is_end = False

    def read(self) -> None:
        data = os.read(0, READ_BYTES)
        self.data += data
        self.is_end = not data

    def line(self):
        """The next one; None: not there yet. "\\x04" is what kernels take for
        the end."""
        line, newline, rest = self.data.partition(b"\n")
        if not newline and not self.is_end:
            return None
        if not newline and not line:
            return "\x04"
        self.data = rest
        return line.decode("utf-8", "replace")


# --- the run ----------------------------------------------------------------

class Run:
    """A notebook in its kernel."""

    def __init__(self, notebook: Notebook, file: File, kernel,
                 signals: Signals) -> None:
        self.notebook = notebook
        self.file = file
        self.kernel = kernel
        self.signals = signals
        self.input = Input()
        self.sheet = Sheet()
        self.is_too_much = False
        self.died_of = None
        self.look_at = 0.0
        self.save_at = 0.0
        self.cells = {}  # those that were sent, by message
        # Of the cell that is executed:
        self.sent = None
        self.is_begun = self.is_idle = self.is_asked = False
        self.interrupts = 0
        self.heard_at = 0.0

    def start(self) -> None:
        self.kernel.start()
        self.kernel.watch(self.signals.fd)
        self.kernel.await_ready(self._pass_time)
        self.save_at = time.monotonic() + SAVE_SECONDS

    def _pass_time(self, seconds: float) -> None:
        """While no cell is executed, a signal ends the run."""
        self.kernel.wait(seconds)
        for self.died_of in self.signals.take():
            raise Stopped()

    def execute_all(self) -> bool:
        """False when a cell failed."""
        for cell in self.notebook.cells:
            if not cell.is_code or not cell.source.strip() \
                    or "skip-execution" in cell.tags:
                continue
            for self.died_of in self.signals.take():
                raise Stopped()
            reply = self._execute(cell)
            if reply["status"] != "ok" \
                    and "raises-exception" not in cell.tags:
                return False
            if any(p.get("source") == "ask_exit"
                   for p in reply.get("payload", [])):
                return True
            if time.monotonic() >= self.save_at:
                self.save()
        return True

    def save(self) -> str:
        """Why it failed; a later attempt may succeed."""
        begin, error = time.monotonic(), ""
        try:
            self.file.save(self.notebook.render())
        except OSError as e:
            error = e.strerror or str(e)
        except (RecursionError, ValueError) as e:  # not what JSON can hold
            error = str(e)
        end = time.monotonic()
        self.save_at = end + max(SAVE_SECONDS, (end - begin) * SAVE_SHARE)
        return error

    def _execute(self, cell) -> dict:
        """Until the kernel has said that it is done; its reply."""
        cell.outputs, cell.count = [], None
        self.sent = self.kernel.send("shell", "execute_request", {
            "code": cell.source, "silent": False, "store_history": True,
            "user_expressions": {}, "allow_stdin": True,
            # For a while it would refuse the next cell too.
            "stop_on_error": False})
        self.cells[self.sent] = cell
        self.is_begun = self.is_idle = self.is_asked = False
        self.interrupts = 0
        self.heard_at = time.monotonic()
        reply = None
        while reply is None or not self.is_idle:
            self._wait()
            reply = reply or self._take_reply()
            if reply is not None \
                    and time.monotonic() > self.heard_at + IDLE_SECONDS:
                break  # it will not say it any more
        if cell.count is None:
            cell.count = reply.get("execution_count")
        if reply.get("ename") == "KeyboardInterrupt" or self.interrupts:
            self.died_of = signal.SIGINT
            raise Stopped()
        return reply

    def _wait(self) -> None:
        """For anything, and works it off but for replies."""
        if 0 in self.kernel.wait(ALIVE_SECONDS):
            self.input.read()
        for number in self.signals.take():
            if number != signal.SIGINT:
                self.died_of = number
                raise Stopped()
            self.interrupts += 1
        self._take_iopub()
        # A kernel that has not begun yet would not notice.
        if self.interrupts and self.is_begun and not self.is_idle:
            self.interrupts = 0
            self.kernel.interrupt()
        self._serve_input()
        if time.monotonic() >= self.look_at:
            self.look_at = time.monotonic() + ALIVE_SECONDS
            if not self.kernel.is_alive():
                while self._take_iopub():
                    pass
                say("the kernel died")
                raise Stopped()

    def _take_reply(self):
        message = self.kernel.receive("shell")
        if message is None:
            return None
        self.heard_at = time.monotonic()
        is_ours = message["parent_header"].get("msg_id") == self.sent \
            and message["msg_type"] == "execute_reply"
        return message["content"] if is_ours else None

    def _take_iopub(self) -> bool:
        """Takes a share of a flood, so that signals are seen; is there more?
        """
        for _ in range(MESSAGES_AT_ONCE):
            message = self.kernel.receive("iopub")
            if message is None:
                return False
            self.heard_at = time.monotonic()
            number = message["parent_header"].get("msg_id")
            # Threads may still print for a cell that is done.
            cell = self.cells.get(number)
            if cell is not None:
                self._take(cell, message["msg_type"], message["content"],
                           number == self.sent)
        return True

    def _take(self, cell, kind: str, content: dict, is_now: bool) -> None:
        if kind == "status" and is_now:
            self.is_idle = content.get("execution_state") == "idle"
        elif kind == "execute_input":
            self.is_begun = self.is_begun or is_now
            cell.count = content.get("execution_count")
        else:
            self._print(kind, content)
            if not self.sheet.take(cell, kind, content) \
                    and not self.is_too_much:
                self.is_too_much = True
                say("too much output for the notebook; the rest is only here")

    @staticmethod
    def _print(kind: str, content: dict) -> None:
        if kind == "stream":
            write_all(2 if content.get("name") == "stderr" else 1,
                      content.get("text", ""))
        elif kind in ("execute_result", "display_data"):
            text = content.get("data", {}).get("text/plain")
            if isinstance(text, str):
                write_all(1, text + "\n")
        elif kind == "error":
            text = "\n".join(content.get("traceback") or [
                "%s: %s" % (content.get("ename"), content.get("evalue"))])
            write_all(2, COLOURS.sub("", text) + "\n")

    def _serve_input(self) -> None:
        message = self.kernel.receive("stdin")
        if message is not None and message["msg_type"] == "input_request":
            self.is_asked = True
            write_all(1, message["content"].get("prompt", ""))
        line = self.input.line() if self.is_asked else None
        if line is not None:
            self.kernel.send("stdin", "input_reply", {"value": line})
            self.is_asked = False
        self.kernel.watch(0, self.is_asked and not self.input.is_end)


def execute(path: str, options: list, signals: Signals):
    """(exit status, signal to die of) of a notebook."""
    try:
        file = File(path)
        notebook = Notebook(file.known or b"")
        from notebook_kernel import Kernel, KernelError, choose
    except (OSError, NotebookError) as e:
        say("%s: %s" % (path, e))
        return 1, None
    except ImportError as e:
        say("notebooks cannot be executed here: %s" % e)
        return 1, None
    try:
        kernel = Kernel(choose(notebook.metadata, say), options,
                        os.path.dirname(os.path.abspath(path)))
    except (OSError, KernelError) as e:
        say("%s: %s" % (path, e))
        return 1, None
    run = Run(notebook, file, kernel, signals)
    status = 1
    try:
        run.start()
        status = 0 if run.execute_all() else 1
    except KernelError as e:
        say(str(e))
    except Stopped:
        pass
    error = run.save()
    if error:
        say("the outputs could not be written: " + error)
        status = 1
    kernel.stop(run.died_of is not None)
    return status, run.died_of


def main() -> None:
    path, *options = sys.argv[1:]
    status, died_of = execute(path, options, Signals())
    if died_of is not None:
        signal.signal(died_of, signal.SIG_DFL)
        os.kill(os.getpid(), died_of)
    sys.exit(status)


if __name__ == "__main__":
    main()
