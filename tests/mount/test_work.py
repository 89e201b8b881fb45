"""Work as it is done on a local disk, on a workspace's server: versions,
builds, databases, editors, copies; by real programs."""

import concurrent.futures
import errno
import os
import pathlib
import pty
import select
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest

from harness import watch_for

LIMIT = 180


def run(place, *command, code=0, **kwargs):
    """Run a command in a directory; its output. It must succeed."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent",
           "LANG": "C.UTF-8", "TERM": "dumb", "GIT_CONFIG_NOSYSTEM": "1",
           "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
           "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
           **kwargs.pop("env", {})}
    result = subprocess.run(command, cwd=place, env=env, check=False,
                            text=True, stdin=subprocess.DEVNULL,
                            capture_output=True, timeout=LIMIT, **kwargs)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def need(*programs):
    """The first of them that is installed; skips when none is."""
    for program in programs:
        found = shutil.which(program)
        if found is not None:
            return found
    pytest.skip(f"{programs[0]} is not installed")


# --- git ---------------------------------------------------------------------

def make_repository(place):
    """Some commits on two branches, in a directory that exists."""
    run(place, "git", "init", "-q", "-b", "main")
    for number in range(3):
        for name in ("a.txt", "d/b.txt", "d/e/c.txt"):
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} {number}\n" * 50)
        run(place, "git", "add", "-A")
        run(place, "git", "commit", "-q", "-m", f"commit {number}")
    run(place, "git", "checkout", "-q", "-b", "other", "HEAD~1")
    (place / "other.txt").write_text("other\n")
    (place / "run.sh").write_text("#!/bin/sh\n")
    (place / "run.sh").chmod(0o755)
    run(place, "git", "add", "-A")
    run(place, "git", "commit", "-q", "-m", "other")
    run(place, "git", "checkout", "-q", "main")


def test_git_works_in_the_mount(work_server, work):
    need("git")
    place = work / "repo"
    place.mkdir()
    make_repository(place)
    assert run(place, "git", "status", "--porcelain") == ""
    run(place, "git", "merge", "-q", "--no-edit", "other")
    assert run(place, "git", "status", "--porcelain") == ""
    run(place, "git", "fsck", "--strict")
    run(place, "git", "gc", "-q", "--prune=now")
    run(place, "git", "fsck", "--strict")
    assert run(place, "git", "status", "--porcelain") == ""
    (place / "a.txt").write_text("changed\n")
    assert run(place, "git", "status", "--porcelain") == " M a.txt\n"
    run(place, "git", "stash", "-q")
    run(place, "git", "stash", "pop", "-q")
    assert (place / "a.txt").read_text() == "changed\n"
    there = work_server.root / "repo"
    assert run(there, "git", "-c", "safe.directory=*", "log",
               "--format=%s", "-1") == "Merge branch 'other'\n"
    run(there, "git", "-c", "safe.directory=*", "fsck", "--strict")


def test_git_clones_into_the_mount_and_out_of_it(work, scratch):
    need("git")
    origin = scratch / "origin"
    origin.mkdir()
    make_repository(origin)
    run(work, "git", "clone", "-q", str(origin), "inside")
    place = work / "inside"
    assert run(place, "git", "status", "--porcelain") == ""
    run(place, "git", "fsck", "--strict")
    assert os.access(place / "d" / "b.txt", os.X_OK) is False
    (place / "d" / "b.txt").write_text("mine\n")
    run(place, "git", "commit", "-q", "-a", "-m", "mine")
    run(place, "git", "push", "-q", "origin", "HEAD:refs/heads/mine")
    run(scratch, "git", "clone", "-q", f"file://{place}", "outside")
    run(scratch / "outside", "git", "fsck", "--strict")
    assert (scratch / "outside" / "d" / "b.txt").read_text() == "mine\n"
    run(place, "git", "checkout", "-q", "-b", "there", "origin/other")
    assert os.access(place / "run.sh", os.X_OK)
    assert run(place, "git", "status", "--porcelain") == ""


# --- copies ------------------------------------------------------------------

def make_tree(place):
    """Files of several sizes, modes and times, without links."""
    for number in range(24):
        path = place / f"d{number % 4}" / f"s{number % 2}" / f"f {number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * number * 100))
        path.chmod([0o644, 0o600, 0o755, 0o444][number % 4])
        os.utime(path, ns=(10 ** 18 + number, 10 ** 18 + 12345 * number))
    (place / ".hidden").mkdir()
    (place / ".hidden" / "x").write_text("x")


def facts(place):
    """Name, mode, size, time and bytes of every file."""
    found = {}
    for path in sorted(pathlib.Path(place).rglob("*")):
        status = path.stat()
        name = str(path.relative_to(place))
        found[name] = oct(status.st_mode)
        if path.is_file():
            found[name] = (oct(status.st_mode), status.st_mtime_ns,
                           path.read_bytes())
    return found


def test_tar_unpacks_what_it_packed(work, scratch):
    source = scratch / "source"
    source.mkdir()
    make_tree(source)
    run(source, "tar", "--format=posix", "-cf", str(scratch / "x.tar"),
        ".")
    (work / "unpacked").mkdir()
    run(work / "unpacked", "tar", "xf", str(scratch / "x.tar"))
    assert facts(work / "unpacked") == facts(source)


def test_cp_a_keeps_modes_and_times(work, scratch):
    source = scratch / "source"
    source.mkdir()
    make_tree(source)
    run(work, "cp", "-a", str(source), "copy")
    assert facts(work / "copy") == facts(source)
    run(work, "cp", "-a", "copy", str(scratch / "back"))
    assert facts(scratch / "back") == facts(source)


@pytest.mark.options("attr_timeout=1")
def test_times_of_directories_outlive_what_is_believed(work, scratch):
    """The server's times move with each file that we make in a directory."""
    need("rsync")
    source = scratch / "source"
    source.mkdir()
    make_tree(source)
    run(work, "rsync", "-a", f"{source}/", "copy/")
    watch_for(1.2)  # all is asked for again
    os.listdir(work / "copy")
    assert run(work, "rsync", "-a", "-i", f"{source}/", "copy/") == ""


def test_rsync_moves_nothing_the_second_time(work, scratch):
    need("rsync")
    source = scratch / "source"
    source.mkdir()
    make_tree(source)
    first = run(work, "rsync", "-a", "-i", f"{source}/", "copy/")
    assert "f 23" in first
    assert facts(work / "copy") == facts(source)
    assert run(work, "rsync", "-a", "-i", f"{source}/", "copy/") == ""
    (source / "d1" / "s1" / "f 1").write_bytes(b"longer than before" * 10)
    second = run(work, "rsync", "-a", "-i", f"{source}/", "copy/")
    assert [line.split(maxsplit=1)[1] for line in second.splitlines()
            if line.startswith(">f")] == ["d1/s1/f 1"]
    assert facts(work / "copy") == facts(source)


# --- programs that are made and run ------------------------------------------

def test_venv_is_made_and_its_python_runs(work):
    run(work, sys.executable, "-m", "venv", "--without-pip", "env")
    python = work / "env" / "bin" / "python"
    assert run(work, str(python), "-c",
               "import sys; print(sys.prefix)") == f"{work}/env\n"
    (work / "module.py").write_text("print('imported')\n")
    assert run(work, str(python), "-c", "import module") == "imported\n"
    assert (work / "__pycache__").is_dir()
    assert run(work, str(python), "-c", "import module") == "imported\n"


def test_gcc_compiles_and_the_program_runs(work):
    need("gcc")
    (work / "main.c").write_text('#include <stdio.h>\n#include "sum.h"\n'
                                 'int main(void)\n{\n'
                                 '    printf("%d\\n", sum(20, 22));\n'
                                 '    return 3;\n}\n')
    (work / "sum.h").write_text("int sum(int, int);\n")
    (work / "sum.c").write_text('#include "sum.h"\n'
                                "int sum(int a, int b) { return a + b; }\n")
    run(work, "gcc", "-c", "sum.c")
    run(work, "gcc", "-c", "main.c")
    run(work, "ar", "rcs", "libsum.a", "sum.o")
    run(work, "gcc", "-o", "program", "main.o", "libsum.a")
    assert run(work, "./program", code=3) == "42\n"


MAKEFILE = """\
program: main.o other.o
\tgcc -o $@ main.o other.o
%.o: %.c
\tgcc -c $<
"""


def make_project(place):
    """Two sources and a Makefile."""
    (place / "Makefile").write_text(MAKEFILE)
    (place / "other.c").write_text("int other(void) { return 7; }\n")
    (place / "main.c").write_text("int other(void);\n"
                                  "int main(void) { return other(); }\n")


def test_make_builds_once(work):
    need("make")
    make_project(work / ".")
    assert "gcc -c main.c" in run(work, "make")
    assert "up to date" in run(work, "make")
    run(work, "./program", code=7)
    (work / "other.c").write_text("int other(void) { return 8; }\n")
    rebuilt = run(work, "make")
    assert "other.c" in rebuilt and "main.c" not in rebuilt
    run(work, "./program", code=8)
    assert "up to date" in run(work, "make")


def test_make_builds_nothing_after_a_new_mount(mounter, work_server):
    need("make")
    env = {"PYCLOUD_TOKEN": work_server.token}
    first = mounter(work_server.url, env=env).start()
    make_project(first.path)
    # Sources as tar and cp -a leave them: of long ago.
    for name in ("Makefile", "main.c", "other.c"):
        os.utime(first.path / name, ns=(10 ** 18, 10 ** 18))
    run(first.path, "make")
    first.finish()
    second = mounter(work_server.url, env=env).start()
    assert "up to date" in run(second.path, "make")
    run(second.path, "./program", code=7)


# --- databases ---------------------------------------------------------------

@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "wal"])
def test_sqlite_keeps_its_promises(work_server, work, mode):
    path = work / "data.db"
    with sqlite3.connect(path) as first:
        answer = first.execute(f"pragma journal_mode={mode}").fetchone()[0]
        assert answer == mode
        first.execute("create table t (n integer primary key, text)")
    with sqlite3.connect(path, timeout=20) as second:
        for number in range(20):
            with first if number % 2 else second as writer:
                writer.execute("insert into t values (?, ?)",
                               (number, "x" * 5000))
        with pytest.raises(sqlite3.IntegrityError):
            second.execute("insert into t values (1, 'again')")
        second.rollback()
        first.execute("delete from t where n > 15")
        first.rollback()
        assert second.execute("select count(*) from t").fetchone()[0] == 20
        assert second.execute("pragma integrity_check").fetchone()[0] == "ok"
    first.close()
    second.close()
    with sqlite3.connect(work_server.root / "data.db") as there:
        assert there.execute("select count(*) from t").fetchone()[0] == 20
        assert there.execute("pragma integrity_check").fetchone()[0] == "ok"
    there.close()


def test_sqlite_locks_out_a_second_writer(work):
    path = work / "data.db"
    with sqlite3.connect(path) as first:
        first.execute("create table t (n)")
    second = sqlite3.connect(path, timeout=0)
    first.execute("begin immediate")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        second.execute("begin immediate")
    first.rollback()
    second.execute("begin immediate")
    second.rollback()
    first.close()
    second.close()


# --- editors -----------------------------------------------------------------

class Terminal:
    """A program on a terminal of its own, typed to and read from."""

    def __init__(self, place, *command):
        self.screen = b""
        directory = os.fspath(place)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(directory)
                os.environ.update(TERM="xterm", HOME="/nonexistent",
                                  LANG="C.UTF-8", LINES="24", COLUMNS="80")
                os.execvp(command[0], command)
            finally:
                os._exit(127)

    def read(self):
        """What it printed by now; False at its end."""
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.screen += data
        return bool(data)

    def expect(self, *words, limit=60):
        """Wait until it printed one of the words since the last type()."""
        end = time.monotonic() + limit
        while not any(word in self.screen for word in words):
            ready, _, _ = select.select([self.fd], [], [], 1)
            if ready and not self.read():
                break
            assert time.monotonic() < end, (words, self.screen)
        return self.screen

    def type(self, keys):
        """Press keys; forgets what is on the screen."""
        self.screen = b""
        os.write(self.fd, keys)

    def wait_end(self):
        """Read to the end; the exit code."""
        while self.read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.parametrize("backupcopy", ["yes", "no", "auto"])
def test_vim_saves_again_without_a_question(work_server, work, backupcopy):
    vim = need("vim", "vi")
    work_server.write("a.txt", "old\n")
    terminal = Terminal(work, vim, "-u", "NONE", "-N", "-i", "NONE", "-c",
                        f"set backupcopy={backupcopy} writebackup autoread",
                        "a.txt")
    terminal.expect(b"old")
    for number in range(3):
        terminal.type(f"Oline {number}\x1b:w\r".encode())
        screen = terminal.expect(b"written", b"WARNING", b"changed")
        assert b"WARNING" not in screen and b"changed" not in screen
        terminal.type(b":checktime\r:echo 'don' . 'e'\r")
        screen = terminal.expect(b"done", b"W11", b"W12", b"W16")
        assert b"done" in screen and b"W1" not in screen
    terminal.type(b":q\r")
    assert terminal.wait_end() == 0
    wanted = "line 2\nline 1\nline 0\nold\n"
    assert (work_server.root / "a.txt").read_text() == wanted
    assert [x for x in os.listdir(work) if x != ".run"] == ["a.txt"]


def test_nano_saves_again_without_a_question(work_server, work):
    nano = need("nano")
    work_server.write("a.txt", "old\n")
    terminal = Terminal(work, nano, "--ignorercfiles", "a.txt")
    terminal.expect(b"old")
    for number in range(3):
        terminal.type(f"line {number}\r\x0f\r".encode())
        screen = terminal.expect(b"Wrote", b"modified", b"changed", b"(Y")
        assert b"Wrote" in screen, screen
    terminal.type(b"\x18")
    assert terminal.wait_end() == 0
    wanted = "line 0\nline 1\nline 2\nold\n"
    assert (work_server.root / "a.txt").read_text() == wanted


EMACS = """
(progn
  (setq make-backup-files t create-lockfiles t
        backup-enable-predicate (lambda (_) t))
  (find-file "a.txt")
  (dotimes (number 3)
    (goto-char (point-min))
    (insert (format "line %d\\n" number))
    (save-buffer)
    (unless (verify-visited-file-modtime (current-buffer))
      (error "the file has changed")))
  (princ "done"))
"""


def test_emacs_saves_again_without_a_question(work_server, work):
    emacs = need("emacs")
    work_server.write("a.txt", "old\n")
    assert "done" in run(work, emacs, "-Q", "-nw", "--batch", "--eval", EMACS)
    wanted = "line 2\nline 1\nline 0\nold\n"
    assert (work_server.root / "a.txt").read_text() == wanted
    assert (work / "a.txt~").read_text() == "old\n"


def test_sed_saves_in_place(work_server, work):
    work_server.write("a.txt", "one two\n", mode=0o755)
    run(work, "sed", "-i", "s/one/1/", "a.txt")
    assert (work_server.root / "a.txt").stat().st_mode & 0o777 == 0o755
    run(work, "sed", "-i.bak", "s/two/2/", "a.txt")
    assert (work_server.root / "a.txt").read_text() == "1 2\n"
    assert (work_server.root / "a.txt.bak").read_text() == "1 two\n"


# --- many at once ------------------------------------------------------------

def test_64_writers_at_once(work_server, work):
    def write(number):
        path = work / f"f{number}"
        for turn in range(3):
            data = f"{number} {turn}\n".encode() * (1000 * turn + 1)
            path.write_bytes(data)
            assert path.read_bytes() == data
        return data

    work.mount.path.joinpath("x").write_text("")
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        wanted = list(pool.map(write, range(64)))
    for number, data in enumerate(wanted):
        assert (work_server.root / f"f{number}").read_bytes() == data


def test_1000_files_open_at_once(work_server, work):
    for number in range(1000):
        work_server.write(f"d/f{number}", f"content {number}")
    files = []
    try:
        for number in range(1000):
            files.append(os.open(work / "d" / f"f{number}", os.O_RDWR))
        for number, file in enumerate(files):
            assert os.read(file, 100) == f"content {number}".encode()
        for file in files[::10]:
            os.write(file, b" and more")
    finally:
        for file in files:
            os.close(file)
    for number in range(1000):
        wanted = f"content {number}" + " and more" * (number % 10 == 0)
        assert (work_server.root / f"d/f{number}").read_text() == wanted


@pytest.mark.options("attr_timeout=120")
def test_directory_of_10000_names(work_server, work_mount):
    (work_server.root / "big").mkdir()
    for number in range(10000):
        (work_server.root / "big" / f"f{number}").touch()
    place = work_mount.path / "big"
    with work_mount.counting() as listing:
        assert len(run(place, "ls").splitlines()) == 10000
        assert len(run(place, "find", ".", "-type", "f",
                       "-size", "0").splitlines()) == 10000
    assert listing[0] <= 4
    with work_mount.counting() as changing:
        (place / "one more").write_text("x")
        (place / "f77").unlink()
    assert changing[0] <= 8
    assert sorted(set(os.listdir(place)) ^ {f"f{n}" for n in range(10000)}) \
        == ["f77", "one more"]
    assert (work_server.root / "big" / "one more").exists()
    with pytest.raises(OSError) as caught:
        (place / "f77").stat()
    assert caught.value.errno == errno.ENOENT
