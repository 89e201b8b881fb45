"""Real programs on the mount, as people use them."""

import filecmp
import os
import shutil
import subprocess

import pytest


def run(tree, *command, **kwargs):
    """Run a command in the mount; it must succeed."""
    result = subprocess.run(command, cwd=tree, check=False, text=True,
                            stdin=subprocess.DEVNULL, capture_output=True,
                            timeout=120, **kwargs)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("backupcopy", ["yes", "no", "auto"])
def test_vim_saves(server, tree, backupcopy):
    vim = shutil.which("vim") or shutil.which("vi")
    if vim is None:
        pytest.skip("vim is not installed")
    server.write("a.txt", "old line\n")
    run(tree, vim, "-u", "NONE", "-N", "-es", "-c",
        f"set backupcopy={backupcopy} writebackup", "-c", "normal Onew line",
        "-c", "wq", "a.txt", env={"TERM": "dumb", "PATH": os.environ["PATH"],
                                  "HOME": "/nonexistent"})
    assert (server.root / "a.txt").read_text() == "new line\nold line\n"
    assert (tree / "a.txt").read_text() == "new line\nold line\n"
    assert [x for x in os.listdir(server.root)
            if x != ".ipynb_checkpoints"] == ["a.txt"]


def test_vim_saves_twice_with_a_swap_file(server, tree):
    vim = shutil.which("vim") or shutil.which("vi")
    if vim is None:
        pytest.skip("vim is not installed")
    run(tree, vim, "-u", "NONE", "-N", "-es", "-c", "normal Oone", "-c", "w",
        "-c", "normal Otwo", "-c", "wq", "new.txt",
        env={"TERM": "dumb", "PATH": os.environ["PATH"],
             "HOME": "/nonexistent"})
    assert (server.root / "new.txt").read_text() == "two\none\n\n"
    assert ".new.txt.swp" not in os.listdir(server.root)


def test_sed_in_place(server, tree):
    server.write("a.txt", "hello world\n")
    run(tree, "sed", "-i", "s/world/pod/", "a.txt")
    assert (server.root / "a.txt").read_text() == "hello pod\n"
    assert [x for x in os.listdir(server.root)
            if x != ".ipynb_checkpoints"] == ["a.txt"]


def test_cp_r_in_and_out(server, tree, scratch):
    source = scratch / "source"
    for number in range(30):
        path = source / f"d{number % 3}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 1000))
    run(tree, "cp", "-r", str(source), "copy")
    run(tree, "cp", "-r", "copy", str(scratch / "back"))
    for other in (server.root / "copy", scratch / "back"):
        run(tree, "diff", "-r", str(source), str(other))


def test_mv_over_an_existing_file(server, tree):
    server.write("a", "new")
    server.write("b", "old")
    run(tree, "mv", "-f", "a", "b")
    assert (server.root / "b").read_text() == "new"
    assert not (server.root / "a").exists()


def test_mv_across_file_systems(server, tree, scratch):
    (scratch / "outside").write_text("moved")
    run(tree, "mv", str(scratch / "outside"), "inside")
    assert (server.root / "inside").read_text() == "moved"
    run(tree, "mv", "inside", str(scratch / "outside"))
    assert (scratch / "outside").read_text() == "moved"
    assert not (server.root / "inside").exists()


def test_rm_r(server, tree):
    for number in range(20):
        server.write(f"d/sub{number % 4}/f{number}", "x")
    run(tree, "rm", "-r", "d")
    assert not (server.root / "d").exists()


def test_find_and_grep_walk_to_the_end(server, tree):
    server.write("d/a", "needle\n")
    server.write("b", "hay\n")
    assert run(tree, "grep", "-r", "needle", ".") == "./d/a:needle\n"
    assert "./d/a" in run(tree, "find", ".", "-type", "f").splitlines()


def test_shell_redirections(server, tree):
    run(tree, "sh", "-c", "echo one > log; echo two >> log; : > empty")
    assert (server.root / "log").read_text() == "one\ntwo\n"
    assert (server.root / "empty").read_text() == ""


def test_touch_makes_a_file(server, tree):
    run(tree, "touch", "made")
    assert (server.root / "made").read_bytes() == b""


def test_tar_packs_what_is_there(server, tree, scratch):
    for number in range(10):
        server.write(f"d/f{number}", os.urandom(5000))
    run(tree, "tar", "cf", str(scratch / "x.tar"), "d")
    run(scratch, "tar", "xf", "x.tar")
    same = filecmp.dircmp(scratch / "d", server.root / "d",
                          ignore=[".ipynb_checkpoints"])
    assert not same.left_only and not same.right_only and not same.diff_files
