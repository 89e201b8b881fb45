"""The embedded default: a workspace of this computer, by its name."""

import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

from harness import descendants, is_alive, wait_until


@pytest.fixture
def local(mounter):
    """The workspace `demo` of this computer, mounted."""
    return mounter("demo").start()


def test_files_stand_in_the_data_directory(local):
    (local.path / "main.py").write_text("print('hello')\n")
    root = local.scratch / "data" / "pycloud" / "workspaces" / "demo"
    assert (root / "main.py").read_text() == "print('hello')\n"
    assert root.stat().st_mode & 0o777 == 0o700


def test_prefix_of_fstab_means_the_same(mounter, scratch):
    mount = mounter("pycloud:demo").start()
    (mount.path / "a").write_text("x")
    root = scratch / "data" / "pycloud" / "workspaces" / "demo"
    assert (root / "a").read_text() == "x"


def test_script_runs(local):
    (local.path / "main.py").write_text("import sys\nprint(sys.argv[1:])\n")
    (local.path / ".run").write_text("main.py a 'b c'\n")
    assert (local.path / ".run").read_text() == "['a', 'b c']\n"


def test_rm_r_leaves_nothing(local):
    """The server's own directories for checkpoints are not in the way."""
    tree = local.path / "tree"
    (tree / "below").mkdir(parents=True)
    for name in ("a", "b", ".hidden"):
        (tree / "below" / name).write_text(name)
    (tree / "below" / "a").rename(tree / "c")
    root = local.scratch / "data" / "pycloud" / "workspaces" / "demo"
    names = {entry.name for entry in root.rglob("*")}
    assert names == {"tree", "below", "b", ".hidden", "c"}
    subprocess.run(["rm", "-r", tree], check=True)
    assert list(root.iterdir()) == []


def test_dot_names_are_real_files(local):
    (local.path / ".hidden").write_text("x")
    root = local.scratch / "data" / "pycloud" / "workspaces" / "demo"
    assert (root / ".hidden").read_text() == "x"
    assert ".hidden" in os.listdir(local.path)


def test_unmount_ends_the_server_and_its_kernels(local):
    (local.path / "main.py").write_text("print('hello')\n")
    (local.path / ".run").write_text("main.py\n")
    assert (local.path / ".run").read_text() == "hello\n"
    below = descendants(local.pid)
    assert below
    local.unmount()
    assert local.wait_end() == 0
    for pid, line in below.items():
        wait_until(lambda pid=pid: not is_alive(pid), line)
    assert not list((local.scratch / "run").iterdir())


def test_server_ends_when_the_daemon_is_killed(local):
    (local.path / "main.py").write_text("print('hello')\n")
    (local.path / ".run").write_text("main.py\n")
    assert (local.path / ".run").read_text() == "hello\n"
    below = descendants(local.pid)
    assert below
    local.kill()
    for pid, line in below.items():
        wait_until(lambda pid=pid: not is_alive(pid), line)
    local.pid = None


def test_what_a_killed_daemon_left_is_cleared_away(local, mounter):
    below = descendants(local.pid)
    local.kill()
    for pid, line in below.items():
        wait_until(lambda pid=pid: not is_alive(pid), line)
    left = set((local.scratch / "run").iterdir())
    local.pid = None
    again = mounter("demo").start()
    now = set((again.scratch / "run").iterdir())
    assert not left & now
    assert len(now) == 1


def test_sigterm_ends_the_server_too(local):
    below = descendants(local.pid)
    os.kill(local.pid, signal.SIGTERM)
    assert local.wait_end() == 0
    for pid, line in below.items():
        wait_until(lambda pid=pid: not is_alive(pid), line)


def test_token_is_in_no_command_line_and_no_environment(local):
    private, = (local.scratch / "run").iterdir()
    settings = (private / "settings.py").read_text()
    token = settings.split("app.token = '")[1].split("'")[0]
    assert len(token) >= 32
    (local.path / "env.py").write_text("import os\nprint(os.environ)\n")
    (local.path / ".run").write_text("env.py\n")
    assert token not in (local.path / ".run").read_text()
    for pid, line in descendants(local.pid).items():
        assert token not in line
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            assert token.encode() not in environment
    assert token not in (private / "log").read_text()
    assert token not in pathlib.Path("/proc/self/mounts").read_text()


def test_works_without_home_and_path_as_from_fstab(build, mounter, scratch):
    mount = mounter("demo", env={"PATH": ""})
    del mount.env["PATH"], mount.env["HOME"]
    mount.start()
    (mount.path / "a").write_text("x")
    root = scratch / "data" / "pycloud" / "workspaces" / "demo"
    assert (root / "a").read_text() == "x"
