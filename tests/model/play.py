"""The model test: random operations on a mount and on a local directory at the
same time; both must say the same after every step, and at the end the server
must have what the local directory has.

A round is played in an empty directory and is determined by its seed.  A round
that fails is made as short as possible before it is reported.
"""

import os
import pathlib
import random
import shutil

import sides

DIRECTORIES_MAX = 12
FILES_MAX = 30
HANDLES_MAX = 8
DEPTH_MAX = 4
NAMES = ["a", "b", "c.txt", "with space", "50%", "%41", "a#b", "what?",
         "q?x=1", "na\u00efve", "\u6587\u4ef6", "\U0001f40d.py", "new\nline",
         "tab\t",
         "back\\slash", "\"quoted\"", "'", "&amp;", "checkpoints", "trust",
         "files", "api", ".hidden", ".git", ".a.b", "-", "--help", "~",
         "~tilde", "Makefile", "n.ipynb", "m.pyc", "lib.so", "__pycache__",
         "x" * 245, "\u00e9" * 122, "+", "a+b", ";", ":", "a:b", "*", "[a]",
         "{}", "$HOME", "COM1", "a.", " lead", "trail "]
ACCESS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR]
MODES = [0o600, 0o644, 0o640, 0o755, 0o700, 0o666, 0o777, 0o604]
SIZES = [0, 1, 10, 511, 4095, 4096, 4097, 10000, 65536, 70001, 131072, 200000]
BIG_SIZE = 4 * 1024 * 1024 + 12345
# How often each operation comes, in relation to the others.
WEIGHTS = {
    "open": 14, "close": 9, "read": 5, "pread": 6, "write": 9, "pwrite": 8,
    "seek": 3, "ftruncate": 4, "fsync": 3, "fstat": 4, "fchmod": 1,
    "fallocate": 2, "copy_range": 1, "map_write": 2, "map_read": 2,
    "stat": 6, "list": 4, "cat": 6, "save": 6, "truncate": 3, "unlink": 5,
    "mkdir": 6, "rmdir": 3, "rename": 10, "rename_new": 2, "chmod": 2,
    "utime": 3, "walk": 1, "symlink": 3, "readlink": 2,
}


class Author:
    """Thinks of the next step, from what the reference has now."""

    def __init__(self, seed, reference):
        self.random = random.Random(seed)
        self.reference = reference
        self.count = 0

    def look(self):
        """The directories and files that there are."""
        directories, files = [], []
        for place, below, names in os.walk(self.reference.root):
            short = os.path.relpath(place, self.reference.root)
            prefix = "" if short == "." else f"{short}/"
            directories += [f"{prefix}{name}" for name in sorted(below)]
            files += [f"{prefix}{name}" for name in sorted(names)]
        return sorted(directories), sorted(files)

    def next(self):
        """A step: a tuple that Side.play() understands."""
        directories, files = self.look()
        operations = list(WEIGHTS)
        operation = self.random.choices(
            operations, [WEIGHTS[x] for x in operations])[0]
        return getattr(self, f"make_{operation}", self.make_other)(
            operation, directories, files)

    def pick(self, things):
        """One of them, or none when there is none."""
        return self.random.choice(things) if things else None

    def new_name(self, directories):
        """A name that may or may not exist, in a directory that does."""
        deep = [x for x in directories if x.count("/") < DEPTH_MAX - 1]
        place = self.pick(["", *deep])
        name = self.pick(NAMES)
        return f"{place}/{name}" if place else name

    def any_name(self, directories, files):
        """Mostly something that exists; now and then what cannot be."""
        chance = self.random.random()
        if chance < 0.04 and files:
            return f"{self.pick(files)}/below"
        if chance < 0.06:
            return "no such/thing"
        if chance < 0.25:
            return self.new_name(directories)
        if chance < 0.4 and directories:
            return self.pick(directories)
        return self.pick(files) or self.new_name(directories)

    def handle(self):
        """One of the open ones."""
        return self.pick(sorted(self.reference.handles))

    def data(self):
        """Bytes that tell their place."""
        size = self.pick(SIZES)
        if self.random.random() < 0.01:
            size = BIG_SIZE
        self.count += 1
        piece = f"{self.count}:".encode() * 8
        return (piece * (size // len(piece) + 1))[:size]

    def size(self):
        """A size or an offset."""
        return max(0, self.pick(SIZES) + self.random.randint(-3, 3))

    # --- operations on handles; without one, a file is opened -------------

    def make_open(self, _, directories, files):
        """All mixes of flags; not too many at once."""
        if len(self.reference.handles) >= HANDLES_MAX:
            return ("close", self.handle())
        flags = self.pick(ACCESS)
        if self.random.random() < 0.6 and len(files) < FILES_MAX:
            flags |= os.O_CREAT
        if self.random.random() < 0.15:
            flags |= os.O_EXCL if flags & os.O_CREAT else 0
        if self.random.random() < 0.2 and flags & os.O_ACCMODE:
            flags |= os.O_TRUNC
        if self.random.random() < 0.2:
            flags |= os.O_APPEND
        if self.random.random() < 0.05:
            flags |= os.O_NOFOLLOW
        if flags & os.O_CREAT and not flags & os.O_ACCMODE:
            flags |= os.O_RDWR  # sides.PERMITTED: creator
        self.count += 1
        name = self.any_name(directories, files)
        return ("open", f"h{self.count}", name, flags, self.pick(MODES))

    def on_handle(self, directories, files, make):
        """A step on an open handle, or one that opens the first."""
        key = self.handle()
        if key is None:
            return self.make_open(None, directories, files)
        return make(key)

    def make_close(self, operation, directories, files):
        """Also fsync and fstat: nothing but the handle."""
        return self.on_handle(directories, files, lambda key: (operation, key))

    make_fsync = make_fstat = make_map_read = make_close

    def make_read(self, operation, directories, files):
        """From where it stands."""
        return self.on_handle(directories, files, lambda key: (
            operation, key, self.size()))

    make_ftruncate = make_read

    def make_pread(self, operation, directories, files):
        """From a place."""
        return self.on_handle(directories, files, lambda key: (
            operation, key, self.size(), self.size()))

    def make_write(self, operation, directories, files):
        """Some bytes."""
        return self.on_handle(directories, files, lambda key: (
            operation, key, self.data()))

    def make_pwrite(self, operation, directories, files):
        """Some bytes at a place."""
        return self.on_handle(directories, files, lambda key: (
            operation, key, self.data(), self.size()))

    make_map_write = make_pwrite

    def make_seek(self, operation, directories, files):
        """From the beginning, from here, from the end."""
        return self.on_handle(directories, files, lambda key: (
            operation, key, self.size(), self.pick([0, 1, 2])))

    def make_fchmod(self, operation, directories, files):
        """By handle."""
        return self.on_handle(directories, files, lambda key: (
            operation, key, self.pick(MODES)))

    def make_fallocate(self, operation, directories, files):
        """Longer, or only reserved."""
        return self.on_handle(directories, files, lambda key: (
            operation, key, self.pick([0, sides.FALLOC_FL_KEEP_SIZE]),
            self.size(), self.size() + 1))

    def make_copy_range(self, operation, directories, files):
        """From one handle to another, or within one."""
        return self.on_handle(directories, files, lambda key: (
            operation, key, self.handle(), self.size()))

    # --- operations on names ----------------------------------------------

    def make_save(self, operation, directories, files):
        """A whole file, new or not."""
        if len(files) >= FILES_MAX:
            return ("unlink", self.pick(files))
        return (operation, self.any_name(directories, files), self.data())

    def make_truncate(self, operation, directories, files):
        """By name."""
        return (operation, self.any_name(directories, files), self.size())

    def make_mkdir(self, operation, directories, files):
        """A directory, or one more chance for rmdir."""
        if len(directories) >= DIRECTORIES_MAX:
            return ("rmdir", self.pick(directories))
        name = self.new_name(directories)
        if self.random.random() < 0.2:
            name = self.any_name(directories, files)
        return (operation, name, self.pick([0o777, 0o755, 0o700]))

    def make_rmdir(self, operation, directories, files):
        """Mostly a directory."""
        if self.random.random() < 0.2 or not directories:
            return (operation, self.any_name(directories, files))
        return (operation, self.pick(directories))

    def make_rename(self, operation, directories, files):
        """Files and directories, over what is there or not."""
        return (operation, self.any_name(directories, files),
                self.any_name(directories, files)
                if self.random.random() < 0.5
                else self.new_name(directories))

    make_rename_new = make_rename

    def make_symlink(self, operation, directories, files):
        """To what is there or not; never out of the round."""
        name = self.new_name(directories)
        target = self.any_name(directories, files)
        place = os.path.dirname(name)
        return (operation, name, os.path.relpath(target, place or "."))

    def make_chmod(self, operation, directories, files):
        """A mode that lets us go on: everybody may be who plays."""
        name = self.any_name(directories, files)
        mode = self.pick(MODES)
        if name in directories:
            mode |= 0o700
        return (operation, name, mode)

    def make_utime(self, operation, directories, files):
        """A time of long ago, to the nanosecond."""
        return (operation, self.any_name(directories, files),
                self.random.randrange(10 ** 18))

    def make_list(self, operation, directories, files):
        """Mostly a directory."""
        if self.random.random() < 0.1:
            return (operation, self.any_name(directories, files))
        return (operation, self.pick(["", *directories]))

    def make_other(self, operation, directories, files):
        """stat, cat, unlink: a name; walk: everything."""
        if operation == "walk":
            return (operation,)
        return (operation, self.any_name(directories, files))


class Difference(Exception):
    """The mount did otherwise."""


def brief(value):
    """A value as one line of bearable length."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = repr(value)
    if len(text) > 200:
        text = f"{text[:120]}... ({len(text)} characters)"
    return text


def show(step):
    """A step as one line."""
    return f"{step[0]}({', '.join(brief(x) for x in step[1:])})"


def first_difference(wanted, got):
    """Of two large values, what is not equal."""
    if isinstance(wanted, bytes) and isinstance(got, bytes):
        for place, (left, right) in enumerate(zip(wanted, got)):
            if left != right:
                return (f"byte {place} of {len(wanted)}: "
                        f"{brief(wanted[place:place + 40])} is "
                        f"{brief(got[place:place + 40])}")
        return f"{len(wanted)} bytes are {len(got)}"
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in sorted({*wanted, *got}):
            if wanted.get(key) != got.get(key):
                return (f"{key!r}: "
                        f"{first_difference(wanted.get(key), got.get(key))}")
    if isinstance(wanted, tuple) and isinstance(got, tuple):
        for left, right in zip(wanted, got):
            if left != right:
                return first_difference(left, right)
    return f"{brief(wanted)} is {brief(got)}"


class Game:
    """Rounds on one mount; `server_root` is what the mount shows."""

    def __init__(self, mounted, server_root, scratch):
        self.mounted = pathlib.Path(mounted)
        self.server_root = pathlib.Path(server_root)
        self.scratch = pathlib.Path(scratch)
        self.rounds = 0
        self.steps = 0

    def begin(self):
        """Two empty directories."""
        self.rounds += 1
        name = f"round {self.rounds}"
        reference = self.scratch / name
        reference.mkdir()
        os.mkdir(self.mounted / name)
        return name, sides.Side(reference), sides.Side(self.mounted / name)

    def end(self, name, reference, mounted):
        """Everything closed: the server must have it all."""
        wanted, got = reference.close_all(), mounted.close_all()
        if wanted != got:
            raise Difference(f"at the end, close: "
                             f"{first_difference(wanted, got)}")
        wanted = reference.play(("walk",))
        got = mounted.play(("walk",))
        if wanted != got:
            raise Difference(f"at the end, in the mount: "
                             f"{first_difference(wanted, got)}")
        wanted = sides.tree_bytes(reference.root)
        got = sides.tree_bytes(self.server_root / name)
        if wanted != got:
            raise Difference(f"at the end, on the server: "
                             f"{first_difference(wanted, got)}")

    def clear(self, name, reference, mounted):
        """Whatever happened, the next round begins with nothing open."""
        reference.close_all()
        mounted.close_all()
        shutil.rmtree(reference.root)
        shutil.rmtree(self.mounted / name, ignore_errors=True)

    def step(self, reference, mounted, step):
        """One operation on both sides."""
        wanted = reference.play(step)
        got = mounted.play(step)
        self.steps += 1
        if wanted != got:
            raise Difference(f"{show(step)}: {first_difference(wanted, got)}")

    def write_and_play(self, seed, count):
        """A round of new steps: (None or what differed, the steps)."""
        name, reference, mounted = self.begin()
        author = Author(seed, reference)
        steps = []
        try:
            for _ in range(count):
                steps.append(author.next())
                self.step(reference, mounted, steps[-1])
            self.end(name, reference, mounted)
            return None, steps
        except Difference as difference:
            return str(difference), steps
        finally:
            self.clear(name, reference, mounted)

    def replay(self, steps):
        """The same steps again; what needs a handle that is not open is left
        out.  None, or what differed."""
        name, reference, mounted = self.begin()
        try:
            for step in steps:
                keys = [x for x in step[1:3] if isinstance(x, str)
                        and step[0] in HANDLE_OPERATIONS]
                if all(key in reference.handles for key in keys):
                    self.step(reference, mounted, step)
            self.end(name, reference, mounted)
            return None
        except Difference as difference:
            return str(difference)
        finally:
            self.clear(name, reference, mounted)

    def shorten(self, steps, attempts=400):
        """Fewer steps that still differ."""
        size = len(steps) // 2
        while size > 0 and attempts > 0:
            place = 0
            while place < len(steps) and attempts > 0:
                fewer = steps[:place] + steps[place + size:]
                attempts -= 1
                if self.replay(fewer) is not None:
                    steps = fewer
                else:
                    place += size
            size //= 2
        return steps

    def report(self, seed, count, difference, steps, is_short=False):
        """What a person needs to see, and to see it again."""
        lines = [f"seed {seed}, {count} steps: {difference}"]
        if not is_short:
            again = self.replay(steps)
            if again is None:
                lines.append("it does not differ when played again")
                steps = steps[-30:]
            else:
                steps = self.shorten(steps)
                lines.append(f"made short: {self.replay(steps)}")
        lines += [f"    {show(step)}" for step in steps]
        return "\n".join(lines)

    def play(self, seed, count):
        """One round; raises Difference with a report."""
        old = os.umask(0o022)
        try:
            difference, steps = self.write_and_play(seed, count)
            if difference is not None:
                raise Difference(self.report(seed, count, difference, steps))
        finally:
            os.umask(old)


HANDLE_OPERATIONS = {"close", "read", "pread", "write", "pwrite", "seek",
                     "ftruncate", "fsync", "fstat", "fchmod", "fallocate",
                     "copy_range", "map_write", "map_read"}
