"""A load of writes and reads that knows at every moment what each file may
hold: what fsync or close acknowledged, and what was written since.

Each Worker has files of its own, so what it reads has one right answer, or,
after an error, a few.
"""

import collections
import contextlib
import errno
import os
import random
import time

PIECE = 100_000
# What calls fail with in the mount of a dead daemon.
DEAD = {errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV}
NAMES = 4


class Wrong(Exception):
    """The mount gave bytes that were never written, or forgot some."""


class Text:
    """A line over and over, kept as what it takes to make it: of a storm's
    saves most fail, and all that fail are remembered."""

    def __init__(self, line, size):
        self.line = line
        self.size = size

    def __len__(self):
        return self.size + len(self.line)

    def __bytes__(self):
        times = self.size // len(self.line) + 1
        return (self.line * times)[:self.size] + self.line


class Beginning:
    """The first bytes of two contents, one after the other."""

    def __init__(self, start, rest, length):
        self.parts = (start, rest)
        self.length = length

    def __len__(self):
        return self.length

    def __bytes__(self):
        return b"".join(map(bytes, self.parts))[:self.length]

    def __eq__(self, other):
        return (other is not None and len(other) == self.length
                and bytes(self) == bytes(other))

    __hash__ = None


def name_of(content):
    """A content as a few words; its first line tells its version."""
    if content is None:
        return "no file"
    first = bytes(content).split(b"\n")[0].decode(errors="replace")[:40]
    return f"'{first}' ({len(content)} bytes)"


class Ledger:
    """What one file may hold. A content is bytes, or None: no file."""

    def __init__(self):
        self.acknowledged = None
        self.since = []  # in order: (content, the call returned well)

    def possible(self):
        """Everything that it may hold."""
        return [self.acknowledged, *(content for content, _ in self.since)]

    def accepted(self):
        """What it holds if nothing is lost that a call accepted; and what
        calls that failed after it may have made of it."""
        content, attempts = self.acknowledged, []
        for wanted, is_accepted in self.since:
            if is_accepted:
                content, attempts = wanted, []
            else:
                attempts.append(wanted)
        return content, attempts

    def keeps(self, content):
        """This is what was accepted, or an attempt, or a part of its write."""
        accepted, attempts = self.accepted()
        return content == accepted or any(
            content == wanted or (
                content is not None and wanted is not None
                and bytes(wanted).startswith(content)
                and content.startswith(bytes(accepted or b"")))
            for wanted in attempts)

    def is_sure(self):
        """Nothing was begun since the last acknowledgement."""
        return not self.since

    @contextlib.contextmanager
    def change(self, content):
        """A call that makes the content so, if it succeeds."""
        self.since.append((content, False))
        yield
        self.since[-1] = (content, True)

    def acknowledge(self):
        """fsync or close returned 0."""
        last = self.possible()[-1]
        self.acknowledged = None if last is None else bytes(last)
        self.since = []

    def check(self, content, what):
        """It must be one of the possible ones."""
        if content not in self.possible():
            raise Wrong(f"{what} is {name_of(content)}, not {self}")

    def __str__(self):
        """What was acknowledged, and since then the last state of each call's
        series of writes."""
        told = [name_of(self.acknowledged)]
        for place, (content, is_accepted) in enumerate(self.since):
            rest = self.since[place + 1:place + 2]
            if not rest or not (content and rest[0][0]
                                and bytes(rest[0][0]).startswith(
                                    bytes(content))):
                told.append(("" if is_accepted else "tried ")
                            + name_of(content))
        return "; then ".join(told)


class Worker:
    """Saves, appends, replaces, removes and reads a few files."""

    def __init__(self, number, seed, big_bytes, deadline):
        self.number = number
        self.random = random.Random(f"{seed} {number}")
        self.big_bytes = big_bytes
        self.deadline = deadline
        self.ledgers = {}
        self.version = 0
        self.directory = None
        self.slowest = 0.0
        self.done = collections.Counter()
        self.is_over = False  # the daemon is dead

    def ledger(self, name):
        """The ledger of a file."""
        return self.ledgers.setdefault(name, Ledger())

    def path(self, name):
        """Where a file is, on the mount."""
        return os.path.join(self.directory, name)

    def names(self):
        """The files it works on."""
        return [f"w{self.number}-{index}" for index in range(NAMES)]

    def content(self):
        """New bytes, unlike any before."""
        self.version += 1
        size = self.random.choice([0, 10, 1000, 5000, 100_000, 300_000])
        if self.random.random() < 0.06:
            size = self.big_bytes
        line = f"{self.number} version {self.version}\n".encode()
        return Text(line, size)

    def step(self):
        """One operation; an OSError is no failure of the test."""
        operation = self.random.choices(
            [self.save, self.save_synced, self.append, self.replace,
             self.remove, self.read], [4, 3, 5, 4, 1, 5])[0]
        began = time.monotonic()
        try:
            operation(self.random.choice(self.names()))
            self.done["ok"] += 1
        except OSError as error:
            self.done[f"{operation.__name__} "
                      f"{errno.errorcode.get(error.errno)}"] += 1
            self.is_over = error.errno in DEAD
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        if took > self.deadline:
            raise Wrong(f"{operation.__name__} took {took:.1f} s")

    @contextlib.contextmanager
    def opened(self, name, flags):
        """A handle whose close counts: its error is the block's."""
        fd = os.open(self.path(name), flags, 0o644)
        try:
            yield fd
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(fd)
            raise
        os.close(fd)

    def write(self, ledger, fd, start, data):
        """Piece by piece after `start`."""
        all_bytes = bytes(data)
        for place in range(0, len(data), PIECE):
            piece = all_bytes[place:place + PIECE]
            with ledger.change(Beginning(
                    start, data, len(start) + place + len(piece))):
                while piece:
                    piece = piece[os.write(fd, piece):]

    @contextlib.contextmanager
    def truncated(self, name, ledger):
        """A handle of the emptied file."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with contextlib.ExitStack() as stack:
            with ledger.change(b""):
                fd = stack.enter_context(self.opened(name, flags))
            yield fd

    def save(self, name):
        """As an editor that truncates."""
        ledger = self.ledger(name)
        with self.truncated(name, ledger) as fd:
            self.write(ledger, fd, b"", self.content())
        ledger.acknowledge()

    def save_synced(self, name):
        """fsync in the middle acknowledges, too."""
        ledger = self.ledger(name)
        with self.truncated(name, ledger) as fd:
            data = self.content()
            self.write(ledger, fd, b"", data)
            os.fsync(fd)
            ledger.acknowledge()
            self.write(ledger, fd, data, b"and a line after it\n")
        ledger.acknowledge()

    def append(self, name):
        """A line more; from a file whose content is sure."""
        ledger = self.ledger(name)
        if not ledger.is_sure():
            self.save(name)
        start = ledger.acknowledged or b""
        self.version += 1
        with contextlib.ExitStack() as stack:
            with ledger.change(start):
                fd = stack.enter_context(self.opened(
                    name, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
            self.write(ledger, fd, start,
                       f"line of version {self.version}\n".encode())
        ledger.acknowledge()

    def replace(self, name):
        """As an editor that renames."""
        other = f"{name}.tmp"
        self.save_synced(other)
        ledger, source = self.ledger(name), self.ledger(other)
        content = source.acknowledged
        with ledger.change(content), source.change(None):
            os.rename(self.path(other), self.path(name))
        ledger.acknowledge()
        source.acknowledge()

    def remove(self, name):
        """A file that may not be there."""
        ledger = self.ledger(name)
        with ledger.change(None):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(name))
        ledger.acknowledge()

    def read(self, name):
        """All of it, and it must be right."""
        self.ledger(name).check(read_or_none(self.path(name)),
                                f"{name}, read by the mount,")

    def check_server(self, root):
        """What the server has of its files."""
        for name, ledger in self.ledgers.items():
            ledger.check(read_or_none(os.path.join(root, name)),
                         f"{name} on the server")


def read_or_none(path):
    """A file's bytes; None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def work(workers, directory, stop):
    """Threads' targets: each worker works until `stop` is set; what went wrong
    comes into the list."""
    wrong = []

    def run(worker):
        worker.directory = directory
        worker.is_over = False
        try:
            while not stop.is_set() and not worker.is_over:
                worker.step()
        except BaseException as error:  # a thread's own would be lost
            wrong.append(error)
            stop.set()

    return [lambda worker=worker: run(worker) for worker in workers], wrong
