"""The work that is measured.

Each function that @scenario names is one fresh mount and what is done in it,
in one or more timed steps; a step is a row of the table.  Only what is inside
`with s.timed(row):` counts, and every step's bytes are checked after it.

`s` is a bench.Session: s.mount() mounts and returns the directory, s.root is
the same directory on the server, s.scratch is on this computer, and s.place is
pycloud or sshfs (places.py).
"""

import hashlib
import os
import random
import shutil
import statistics
import subprocess
import tarfile
import time

import trees
from places import harness

LIMIT = 900
OLD_SECONDS = 10  # twice attr_timeout
SAVES = 30
RUNS = 10
SAVED_BYTES = 8000
RANDOM_READS = 100
RANDOM_BYTES = 4096
MIB = 1 << 20
PATCHED = 70 * MIB + 1234


class Row:
    """What a row is called, and what we want: ratios to sshfs, or seconds."""

    def __init__(self, text, goal_20ms=None, goal_0ms=None, *, seconds=None,
                 assist=(None, None)):
        self.text = text
        self.goals = {"pycloud": {20: goal_20ms, 0: goal_0ms},
                      "assist": dict(zip((20, 0), assist))}
        self.seconds = seconds

    def goal(self, rtt_ms, place):
        """None when there is no opinion."""
        return self.goals[place].get(rtt_ms)


ROWS = {
    "find": Row("find, 1,000 files in 100 directories, cold", 0.12, 1.8,
                assist=(0.03, 1.0)),
    "grep-cold": Row("grep -r of them, cold", 0.06, 1.2,
                     assist=(0.015, 0.4)),
    "grep-warm": Row("grep -r of them, warm", 0.05, 0.4),
    "tar": Row("tar of them, cold", assist=(0.015, 0.4)),
    "git-cold": Row("git status, 1,000 files, cold", 0.05, 1.0,
                    assist=(0.015, 0.6)),
    "git-warm": Row("git status, warm", 0.2, 1.5),
    "git-later": Row("git status, when what was seen is old",
                     assist=(0.05, 0.7)),
    "head": Row("first 64 KiB of a 128 MiB file, cold", 0.7, 2),
    "random": Row("100 random 4 KiB reads in it, cold", 0.8, 2),
    "read-cold": Row("read 128 MiB, cold", 0.15, 0.5,
                     assist=(0.12, 0.7)),
    "read-warm": Row("read 128 MiB, warm", 0.05, 0.3),
    "write": Row("write 128 MiB with fsync", 0.6, 2, assist=(0.5, 1.2)),
    "patch": Row("100 changed bytes in 128 MiB, saved"),
    "copy-in": Row("copy 300 small files in", 0.3, 1.5),
    "rm": Row("rm -r of 300 files, cold", 0.9, 3.5),
    "save-rename": Row("30 editor saves by rename", 0.5, 2,
                       assist=(0.25, 1.0)),
    "save-place": Row("30 editor saves in place", 0.8, 3),
    "save-sed": Row("30 x sed -i"),
    "run-first": Row("first run after the mount (ssh: python3)", seconds=3),
    "run-hello": Row("10 runs, helper warm (ssh: python3)", 1.0, 1.0),
    "run-line": Row("a line of a run is seen (ssh: of python3)", seconds=0.2),
    "run-flood": Row("100 MB of lines of a run (ssh: of python3)", seconds=5),
}
SCENARIOS = []


class WrongBytes(Exception):
    """The work was done, and done wrong."""


def scenario(*rows):
    """Register a function and the rows it measures."""
    def register(function):
        SCENARIOS.append((function, rows))
        return function
    return register


def demand(is_right, what):
    """Fail the row unless it is so."""
    if not is_right:
        raise WrongBytes(what)


def sha256(data):
    """The hash of bytes."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path):
    """The hash of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def output(command, directory):
    """What a command prints; it must succeed."""
    return subprocess.run(command, cwd=directory, check=True, timeout=LIMIT,
                          stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE).stdout


# --- many small files -------------------------------------------------------

@scenario("find")
def find(s):
    directory = s.mount()
    with s.timed("find"):
        found = output(["find", "tree"], directory)
    there = output(["find", "tree"], s.root)
    demand(sorted(found.split()) == sorted(there.split()), "other names")


@scenario("grep-cold", "grep-warm")
def grep(s):
    command = ["grep", "-r", trees.NEEDLE, "tree"]
    there = sorted(output(command, s.root).splitlines())
    directory = s.mount()
    for row in ("grep-cold", "grep-warm"):
        with s.timed(row):
            found = output(command, directory)
        demand(sorted(found.splitlines()) == there, "other lines")


@scenario("tar")
def tar(s):
    directory = s.mount()
    archive = s.scratch / "tree.tar"
    with s.timed("tar"), open(archive, "wb") as file:
        subprocess.run(["tar", "cf", "-", "tree"], cwd=directory, check=True,
                       stdout=file, timeout=LIMIT)
    with tarfile.open(archive) as members:
        found = {member.name: members.extractfile(member).read()
                 for member in members if member.isfile()}
    there = {f"tree/{name}": data for name, data
             in trees.contents(s.root / "tree").items()}
    demand(found == there, "other bytes in the archive")


@scenario("git-cold", "git-warm", "git-later")
def git_status(s):
    """Cold is what a fresh clone's index costs on a mount: git knows none of
    the numbers it sees, and compares the bytes. Then it knows them."""
    index = s.root / "repo" / ".git" / "index"
    shutil.copy2(s.root / "index", index)
    directory = s.mount()
    for row in ("git-cold", "git-warm", "git-later"):
        if row == "git-later":
            harness.watch_for(OLD_SECONDS)
        with s.timed(row):
            changed = trees.git(directory / "repo", "status", "--porcelain")
        demand(changed == "", f"git status shows {changed[:200]}")
    names = trees.git(s.root / "repo", "ls-files").splitlines()
    demand(len(names) == trees.DIRECTORIES * trees.FILES_EACH,
           "an index that git cannot read")


@scenario("copy-in")
def copy_in(s):
    trees.remake(s.root / "in")
    directory = s.mount()
    there = s.root / "in" / "small"
    wanted = trees.contents(s.small)
    with s.timed("copy-in") as timer:
        subprocess.run(["cp", "-r", s.small, directory / "in" / "small"],
                       check=True, timeout=LIMIT)
    while trees.contents(there) != wanted:
        # cp is done and the bytes are not there: the clock goes on.
        demand(timer.passed() < LIMIT, "files that never arrive")
        timer.extend()


@scenario("rm")
def remove(s):
    there = trees.remake(s.root / "out") / "small"
    shutil.copytree(s.small, there)
    directory = s.mount()
    with s.timed("rm"):
        subprocess.run(["rm", "-r", directory / "out" / "small"], check=True,
                       timeout=LIMIT)
    demand(not there.exists(), "files that are still there")


# --- a big file -------------------------------------------------------------

@scenario("head")
def head(s):
    directory = s.mount()
    with s.timed("head"):
        found = output(["head", "-c", "65536", "big"], directory)
    with open(s.root / "big", "rb") as file:
        demand(found == file.read(65536), "other bytes")


@scenario("random")
def random_reads(s):
    rng = random.Random(5)
    offsets = [rng.randrange(trees.BIG_BYTES - RANDOM_BYTES)
               for _ in range(RANDOM_READS)]
    found = []
    directory = s.mount()
    with s.timed("random"), open(directory / "big", "rb", 0) as file:
        for offset in offsets:
            found.append(os.pread(file.fileno(), RANDOM_BYTES, offset))
    with open(s.root / "big", "rb", 0) as file:
        demand(found == [os.pread(file.fileno(), RANDOM_BYTES, offset)
                         for offset in offsets], "other bytes")


@scenario("read-cold", "read-warm")
def read_big(s):
    wanted = file_sha256(s.root / "big")
    buffer = bytearray(trees.BIG_BYTES)
    directory = s.mount()
    for row in ("read-cold", "read-warm"):
        view = memoryview(buffer)
        with s.timed(row), open(directory / "big", "rb", 0) as file:
            while len(view) > 0:
                count = file.readinto(view[:MIB])
                demand(count > 0, "an early end")
                view = view[count:]
        demand(sha256(buffer) == wanted, "other bytes")
        buffer[:] = bytes(trees.BIG_BYTES)


@scenario("write")
def write_big(s):
    data = random.Random(6).randbytes(trees.BIG_BYTES)
    there = trees.remake(s.root / "in") / "written"
    directory = s.mount()
    os.sync()
    with s.timed("write"), open(directory / "in/written", "wb", 0) as file:
        for offset in range(0, len(data), MIB):
            file.write(data[offset:offset + MIB])
        os.fsync(file.fileno())
    demand(file_sha256(there) == sha256(data), "other bytes")
    there.unlink()


@scenario("patch")
def patch_big(s):
    there = trees.remake(s.root / "in") / "patched"
    shutil.copy2(s.root / "big", there)
    wanted = bytearray(there.read_bytes())
    wanted[PATCHED:PATCHED + 100] = b"x" * 100
    directory = s.mount()
    os.sync()
    with s.timed("patch"):
        with open(directory / "in/patched", "rb+", 0) as file:
            file.seek(PATCHED)
            file.write(b"x" * 100)
    demand(file_sha256(there) == sha256(wanted), "other bytes")
    there.unlink()


# --- an editor --------------------------------------------------------------

def saves(s, row, save):
    """Saves a file again and again; only save() is timed."""
    there = trees.remake(s.root / "in") / "main.py"
    for number in range(10):
        there.with_name(f"beside{number}.py").write_text("pass\n")
    there.write_text(trees.text(random.Random(8), SAVED_BYTES))
    directory = s.mount()
    path = directory / "in" / "main.py"
    os.listdir(path.parent)
    path.read_bytes()
    rng = random.Random(9)
    with s.timed(row) as timer:
        for number in range(SAVES):
            timer.pause()
            wanted = trees.text(rng, SAVED_BYTES).encode()
            wanted += b"# %d\n" % number
            timer.go()
            wanted = save(path, number, wanted) or wanted
            timer.pause()
            demand(there.read_bytes() == wanted, f"other bytes, save {number}")
            timer.go()
    demand(path.read_bytes() == wanted, "other bytes in the mount")


@scenario("save-rename")
def save_by_rename(s):
    """As GNOME's editors do."""
    def save(path, number, data):
        beside = path.with_name(f".goutputstream-{number:06X}")
        with open(beside, "xb", 0) as file:
            file.write(data)
        beside.rename(path)

    saves(s, "save-rename", save)


@scenario("save-place")
def save_in_place(s):
    """As vim and nano do with a file they may write to."""
    def save(path, _, data):
        with open(path, "wb", 0) as file:
            file.write(data)

    saves(s, "save-place", save)


@scenario("save-sed")
def save_by_sed(s):
    """A temporary file whose name tells nobody that it is one."""
    def save(path, number, _):
        subprocess.run(["sed", "-i", f"$a # line {number}", path], check=True,
                       timeout=LIMIT)
        return (s.root / "in" / "main.py").read_bytes()

    saves(s, "save-sed", save)
    added = [line for line in (s.root / "in/main.py").read_text().splitlines()
             if line.startswith("# line ")]
    demand(added == [f"# line {number}" for number in range(SAVES)],
           "other lines")


# --- runs -------------------------------------------------------------------

@scenario("run-first", "run-hello")
def runs(s):
    """As a user types them: over there, a connection for each."""
    command = s.place.run("hello.py")
    directory = s.mount()
    for row, count in (("run-first", 1), ("run-hello", RUNS)):
        printed = []
        with s.timed(row):
            for _ in range(count):
                printed.append(output(command, directory))
        demand(printed == [b"hello\n"] * count, f"it printed {printed[:9]}")


@scenario("run-line")
def line(s):
    """From a script's write to its reader, both by the clock of the one
    computer that both are on."""
    directory = s.mount()
    output(s.place.run("hello.py"), directory)
    ages = []
    with s.timed("run-line") as timer, subprocess.Popen(
            s.place.run("ticks.py"), cwd=directory, bufsize=0,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        for text in process.stdout:
            ages.append(time.time() - float(text))
    timer.seconds = statistics.median(ages)
    demand(process.returncode == 0 and len(ages) == trees.TICKS,
           f"{len(ages)} lines, status {process.returncode}")


@scenario("run-flood")
def flood(s):
    directory = s.mount()
    output(s.place.run("hello.py"), directory)
    wanted = s.scratch / "wanted"
    if not wanted.exists():
        with open(wanted, "wb") as file:
            subprocess.run(["/usr/bin/python3", s.root / "flood.py"],
                           check=True, stdout=file, timeout=LIMIT)
    printed = s.scratch / "printed"
    with s.timed("run-flood"), open(printed, "wb") as file:
        subprocess.run(s.place.run("flood.py"), cwd=directory, check=True,
                       stdin=subprocess.DEVNULL, stdout=file, timeout=LIMIT)
    demand(printed.stat().st_size == trees.FLOOD_BYTES, "too few bytes")
    demand(file_sha256(printed) == file_sha256(wanted), "other bytes")
