"""Names that stay here, and attributes the API cannot hold, for real."""

import errno
import os
import shutil
import stat
import subprocess

import pytest

import conftest
import harness


def run(tree, *command, env=None):
    """Run a command in the mount; it must succeed."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent",
           "TERM": "dumb", "LANG": "C.UTF-8", **(env or {})}
    result = subprocess.run(command, cwd=tree, check=False, text=True,
                            stdin=subprocess.DEVNULL, capture_output=True,
                            timeout=120, env=env)
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


def server_names(server):
    """What stands in the server's root, without what it litters."""
    return sorted(name for name in os.listdir(server.root)
                  if name != ".ipynb_checkpoints")


def again(mount):
    """The mount's state, mounted anew."""
    mount.finish()
    mount.pid = mount.status_code = None
    return mount.start()


@pytest.fixture
def open_server(generation):
    """A server that allows hidden names."""
    server = harness.Server(
        generation, ["--ContentsManager.allow_hidden=True"]).start()
    yield server
    server.stop()


def test_refused_dot_names_live_here(server, mount):
    tree = mount.path
    (tree / ".env").write_text("SECRET=1\n")
    os.mkdir(tree / ".config")
    (tree / ".config" / "a").write_text("a")
    os.mkdir(tree / "d")
    (tree / "d" / ".hidden").write_text("h")
    (tree / "d" / "seen").write_text("s")
    assert server_names(server) == ["d"]
    assert os.listdir(server.root / "d") == ["seen"]
    assert mount.status()["hidden"] == "kept here"
    again(mount)
    assert (tree / ".env").read_text() == "SECRET=1\n"
    assert sorted(os.listdir(tree)) == [".config", ".env", ".run", "d"]
    assert sorted(os.listdir(tree / "d")) == [".hidden", "seen"]
    os.rename(tree / "d", tree / "e")
    assert (tree / "e" / ".hidden").read_text() == "h"
    with pytest.raises(OSError) as caught:
        os.unlink(tree / "e" / "seen")
        os.rmdir(tree / "e")
    assert caught.value.errno == errno.ENOTEMPTY
    shutil.rmtree(tree / "e")
    assert server_names(server) == []


def test_dot_names_cost_no_request(server, mount):
    server.write("d/f", "x")
    tree = mount.path
    os.listdir(tree / "d")
    assert not (tree / ".first").exists()  # the probe
    with mount.counting() as requests:
        for number in range(50):
            assert not (tree / f".none{number}").exists()
            (tree / "d" / f".f{number}").write_text("x")
        shutil.rmtree(tree / ".git", ignore_errors=True)
    assert requests == [0]


@pytest.mark.options("hidden=refuse")
def test_hidden_can_be_refused(mount):
    tree = mount.path
    with pytest.raises(OSError) as caught:
        (tree / ".env").write_text("x")
    assert caught.value.errno == errno.EPERM
    assert not (tree / ".env").exists()
    (tree / "a~").write_text("an editor's own")
    assert mount.status()["hidden"] == "refused"


def test_allowed_dot_names_are_native(mounter, open_server):
    mount = conftest.mount_server(mounter, open_server)
    (mount.path / ".env").write_text("x")
    (mount.path / ".a.swp").write_text("vim's")
    assert (open_server.root / ".env").read_text() == "x"
    assert not (open_server.root / ".a.swp").exists()
    assert mount.status()["hidden"] == "native"


@pytest.mark.options("overlay=*.tmp:build")
def test_patterns_of_the_user_stay_here(server, tree):
    (tree / "a.tmp").write_text("x")
    os.mkdir(tree / "build")
    (tree / "build" / "out").write_text("x")
    (tree / "a").write_text("x")
    assert server_names(server) == ["a"]
    os.rename(tree / "a.tmp", tree / "a2")
    assert (server.root / "a2").read_text() == "x"
    with pytest.raises(OSError) as caught:
        os.rename(tree / "build", tree / "dist")
    assert caught.value.errno == errno.EXDEV
    shutil.move(tree / "build", tree / "dist")
    assert (server.root / "dist" / "out").read_text() == "x"


def test_git_works_where_dot_names_are_refused(server, mount):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    tree = mount.path
    (tree / "main.py").write_text("print(1)\n")
    run(tree, "git", "init", "-q")
    run(tree, "git", "config", "user.email", "a@b.c")
    run(tree, "git", "config", "user.name", "A")
    run(tree, "git", "add", ".")
    with mount.counting() as requests:
        run(tree, "git", "commit", "-qm", "first")
    assert requests[0] <= 2
    assert server_names(server) == ["main.py"]
    again(mount)
    assert run(tree, "git", "status", "--porcelain") == ""
    (tree / "main.py").write_text("print(2)\n")
    assert run(tree, "git", "status", "--porcelain") == " M main.py\n"
    run(tree, "git", "fsck", "--strict")
    run(tree, "git", "gc", "-q")
    run(tree, "git", "checkout", "-q", "main.py")
    assert (server.root / "main.py").read_text() == "print(1)\n"


VIM = shutil.which("vim")


@pytest.mark.skipif(VIM is None, reason="vim is not installed")
@pytest.mark.parametrize("backupcopy", ["yes", "no", "auto"])
def test_vim_saves_in_two_requests(server, mount, backupcopy):
    server.write("main.py", "old\n")
    inode = os.stat(server.root / "main.py").st_ino
    tree = mount.path
    assert (tree / "main.py").read_text() == "old\n"
    with mount.counting() as requests:
        run(tree, VIM, "-u", "NONE", "-N", "-es", "-c",
            f"set backupcopy={backupcopy} writebackup swapfile", "-c",
            "normal Onew", "-c", "w", "-c", "q", "main.py")
    assert (server.root / "main.py").read_text() == "new\nold\n"
    assert (tree / "main.py").read_text() == "new\nold\n"
    assert requests[0] <= 2
    assert os.stat(server.root / "main.py").st_ino == inode
    assert server_names(server) == ["main.py"]
    assert sorted(os.listdir(tree)) == [".run", "main.py"]


def test_vims_swap_file_costs_nothing_and_is_kept(server, mount):
    server.write("a.txt", "old\n")
    tree = mount.path
    assert (tree / "a.txt").read_text() == "old\n"
    with mount.counting() as requests:
        (tree / ".a.txt.swp").write_text("swap")
        os.chmod(tree / ".a.txt.swp", 0o600)
        assert not (tree / "4913").exists()
        fd = os.open(tree / "4913",
                     os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_NOFOLLOW)
        os.close(fd)
        os.unlink(tree / "4913")
    assert requests == [0]
    again(mount)
    assert (tree / ".a.txt.swp").read_text() == "swap"
    assert stat.S_IMODE(os.stat(tree / ".a.txt.swp").st_mode) == 0o600


def test_symbolic_links(server, mount):
    server.write("target", "bytes")
    server.write("replaced", "x")
    tree = mount.path
    os.symlink("target", tree / "link")
    os.symlink("/nonexistent" + "/x" * 400, tree / "broken")
    assert (tree / "link").read_text() == "bytes"
    assert os.path.islink(tree / "link")
    assert not os.path.exists(tree / "broken")
    with pytest.raises(FileExistsError):
        os.symlink("x", tree / "target")
    again(mount)
    assert os.readlink(tree / "link") == "target"
    os.rename(tree / "link", tree / "other")
    assert sorted(os.listdir(tree)) == [".run", "broken", "other", "replaced",
                                        "target"]
    os.replace(tree / "other", tree / "replaced")
    assert os.readlink(tree / "replaced") == "target"
    assert server_names(server) == ["target"]
    os.unlink(tree / "replaced")
    os.unlink(tree / "broken")
    assert sorted(os.listdir(tree)) == [".run", "target"]


def make_source(scratch):
    """A tree with modes, times and links."""
    source = scratch / "source"
    (source / "sub" / ".dot").mkdir(parents=True)
    for number in range(20):
        path = source / "sub" / f"f{number}"
        path.write_text(f"{number}\n" * number)
        path.chmod([0o644, 0o755, 0o600, 0o444][number % 4])
        os.utime(path, ns=(1, 1_500_000_000_123_456_789 + number))
    (source / "sub" / ".dot" / "deep").write_text("deep")
    os.symlink("f1", source / "sub" / "link")
    os.utime(source / "sub", ns=(1, 1_400_000_000_000_000_001))
    return source


def describe(top):
    """Every name with its mode, time and bytes."""
    found = {}
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(directory, name)
            st = os.lstat(path)
            what = os.readlink(path) if stat.S_ISLNK(st.st_mode) else (
                open(path).read() if stat.S_ISREG(st.st_mode) else "")
            found[os.path.relpath(path, top)] = (
                st.st_mode, None if stat.S_ISDIR(st.st_mode)
                else st.st_mtime_ns, what)
    return found


def test_cp_a_is_the_same_after_a_remount(server, mount, scratch):
    source = make_source(scratch)
    tree = mount.path
    run(tree, "cp", "-a", str(source), "copy")
    assert describe(tree / "copy") == describe(source)
    again(mount)
    assert describe(tree / "copy") == describe(source)
    if shutil.which("rsync"):
        moved = run(tree, "rsync", "-ai", f"{source}/", "copy/")
        assert [x for x in moved.splitlines() if x[:2] != ".d"] == []
    assert "link" not in os.listdir(server.root / "copy" / "sub")


def test_tar_comes_out_as_it_went_in(tree, scratch):
    source = make_source(scratch)
    run(source, "tar", "cf", str(scratch / "a.tar"), "--format=posix",
        "--transform=s,^\\.,copy,", ".")
    run(tree, "tar", "xf", str(scratch / "a.tar"))
    assert describe(tree / "copy") == describe(source)


def test_make_builds_nothing_after_a_remount(server, mount):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    tree = mount.path
    (tree / "Makefile").write_text("out: in\n\tcp in out\n")
    (tree / "in").write_text("x")
    assert "cp in out" in run(tree, "make")
    again(mount)
    assert "up to date" in run(tree, "make")
    os.utime(tree / "out", ns=(1, 1))
    again(mount)
    assert os.stat(tree / "out").st_mtime_ns == 1
    assert "cp in out" in run(tree, "make")
    os.chmod(tree / "out", 0o750)
    server.write("out", "changed over there")
    again(mount)
    assert stat.S_IMODE(os.stat(tree / "out").st_mode) == 0o750
    assert os.stat(tree / "out").st_mtime_ns > 10 ** 18


def test_a_virtual_environment_works(mount):
    tree = mount.path
    run(tree, "python3", "-m", "venv", "--without-pip", "venv")
    out = run(tree, "venv/bin/python3", "-c", "import sys; print(sys.prefix)")
    assert out.strip() == f"{tree}/venv"
    again(mount)
    run(tree, "venv/bin/python3", "-c", "pass")


def test_open_files_outlive_their_names(tree):
    with open(tree / ".a", "w+") as file:
        file.write("first ")
        file.flush()
        os.rename(tree / ".a", tree / ".b")
        file.write("second")
        file.flush()
        assert (tree / ".b").read_text() == "first second"
        os.unlink(tree / ".b")
        assert os.fstat(file.fileno()).st_size == 12
        os.fchmod(file.fileno(), 0o600)
        os.ftruncate(file.fileno(), 5)
        file.seek(0)
        assert file.read() == "first"
    assert ".b" not in os.listdir(tree)


def test_a_save_by_rename_is_one_upload(server, mount):
    server.write("doc.txt", "old")
    tree = mount.path
    assert (tree / "doc.txt").read_text() == "old"
    inode = os.stat(server.root / "doc.txt").st_ino
    with mount.counting() as requests:
        (tree / ".goutputstream-ABC").write_text("newer")
        os.utime(tree / ".goutputstream-ABC", ns=(1, 1_600_000_000_5))
        os.replace(tree / ".goutputstream-ABC", tree / "doc.txt")
        assert (tree / "doc.txt").read_text() == "newer"
        assert os.stat(tree / "doc.txt").st_mtime_ns == 1_600_000_000_5
    assert requests == [1]
    assert (server.root / "doc.txt").read_text() == "newer"
    assert os.stat(server.root / "doc.txt").st_ino == inode


def test_a_backup_name_takes_the_file_here(server, tree):
    server.write("a", "bytes")
    os.rename(tree / "a", tree / "a~")
    assert not (tree / "a").exists()
    assert sorted(os.listdir(tree)) == [".run", "a~"]
    assert (tree / "a~").read_text() == "bytes"
    harness.wait_until(lambda: server_names(server) == [], "the removal")
    os.rename(tree / "a~", tree / "b")
    assert (server.root / "b").read_text() == "bytes"


def test_a_removal_is_not_late_for_a_run_or_the_unmount(server, mount):
    server.write("a", "bytes")
    os.rename(mount.path / "a", mount.path / "a~")
    mount.finish()
    assert server_names(server) == []
