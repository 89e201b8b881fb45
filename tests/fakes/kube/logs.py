"""The logs of containers: lines with the time at which they came."""

import pathlib
import threading

from . import text


class Log:
    """One run of a container: a file, and who waits for more of it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self.more = threading.Condition()
        self.size = 0
        self.ended = False

    def collect(self, pipe):
        """Read all that comes through a pipe, in a thread of its own."""
        def run():
            with pipe, self.path.open("ab") as file:
                for line in pipe:
                    entry = text.now_nano().encode() + b" " + line
                    file.write(entry)
                    file.flush()
                    with self.more:
                        self.size += len(entry)
                        self.more.notify_all()
            self.end()
        threading.Thread(target=run, daemon=True, name="kube-log").start()

    def end(self):
        """Nothing more will come."""
        with self.more:
            self.ended = True
            self.more.notify_all()

    def read(self, start):
        """(bytes from there on, where they end)."""
        with self.path.open("rb") as file:
            file.seek(start)
            found = file.read()
        whole = found.rfind(b"\n") + 1
        if self.ended:
            whole = len(found)
        return found[:whole], start + whole

    def wait(self, position, timeout):
        """Until there is more; false when nothing more comes."""
        with self.more:
            self.more.wait_for(lambda: self.size > position or self.ended,
                               timeout)
            return self.size > position or not self.ended


def shown(entries, timestamps):
    """Lines as the client gets them."""
    if timestamps:
        return entries
    return b"".join(line.partition(b" ")[2]
                    for line in entries.splitlines(keepends=True))


def tail(entries, count):
    """The last lines; all without a count."""
    if count is None:
        return entries
    lines = entries.splitlines(keepends=True)
    return b"".join(lines[-count:] if count else ())
