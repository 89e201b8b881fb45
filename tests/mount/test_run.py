""".run: what is written runs in the pod, what is read is its output."""

import errno
import os
import signal
import subprocess
import threading

import pytest

from conftest import mount_server
from harness import wait_until


def start(directory, line):
    """Start a run as `echo LINE > .run` does."""
    with open(directory / ".run", "w") as control:
        control.write(line + "\n")


def output(directory):
    """The whole output of the newest run."""
    return (directory / ".run").read_text()


def run(directory, line):
    """Start a run and return its output once it ended."""
    start(directory, line)
    return output(directory)


def exit_status(directory):
    """What the xattr says about the newest run."""
    return int(os.getxattr(directory / ".run", "user.pycloud.exit"))


def blocks(process):
    """True when the program waits for something."""
    with open(f"/proc/{process.pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] in "SD"


def test_script_prints_what_it_prints_there(server, tree):
    server.write("main.py", "import sys\nprint(sys.argv)\n")
    shown = subprocess.run(
        "echo 'main.py a \"b c\"' > .run; cat .run", shell=True, cwd=tree,
        check=True, capture_output=True, text=True, timeout=120).stdout
    there = subprocess.run(["/usr/bin/python3", "main.py", "a", "b c"],
                           cwd=server.root, check=True, capture_output=True,
                           text=True).stdout
    assert shown == there == "['main.py', 'a', 'b c']\n"
    assert exit_status(tree) == 0


def test_exit_status_is_kept(server, tree):
    server.write("fails.py", "import sys\nprint('bye')\nsys.exit(3)\n")
    assert run(tree, "fails.py") == "bye\n"
    assert exit_status(tree) == 3
    assert int((tree / ".pycloud/runs/last/exit").read_text()) == 3


def test_exception_shows_and_is_status_1(server, tree):
    server.write("broken.py", "raise ValueError('why')\n")
    assert "ValueError: why" in run(tree, "broken.py")
    assert exit_status(tree) == 1


def test_what_was_just_saved_is_what_runs(tree):
    for word in ("one", "two"):
        (tree / "main.py").write_text(f"print('{word}')\n")
        assert run(tree, "main.py") == f"{word}\n"


def test_options_of_python_are_accepted(tree):
    assert run(tree, '-c "print(6 * 7)"') == "42\n"
    assert "Python 3" in run(tree, "-V")


def test_missing_script_is_enoent(tree):
    with pytest.raises(FileNotFoundError):
        start(tree, "none.py")


def test_directory_as_script_is_eisdir(server, tree):
    (server.root / "d").mkdir()
    with pytest.raises(IsADirectoryError):
        start(tree, "d")


@pytest.mark.parametrize("line", ["main.py 'open", 'main.py "open',
                                  "main.py \\"])
def test_bad_quoting_is_einval(server, tree, line):
    server.write("main.py", "print('no')\n")
    with pytest.raises(OSError) as caught:
        start(tree, line)
    assert caught.value.errno == errno.EINVAL


def test_output_is_live(server, tree, scratch):
    gate = scratch / "gate"
    os.mkfifo(gate)
    server.write("slow.py", f"print('first')\nopen({str(gate)!r}).read()\n"
                            "print('second')\n")
    start(tree, "slow.py")
    with open(tree / ".run", "rb", buffering=0) as reader:
        seen = b""
        while not seen.endswith(b"\n"):
            piece = reader.read(100)
            assert piece, "the output ended before the script"
            seen += piece
        assert seen == b"first\n"
        with open(gate, "w"):
            pass
        rest = b""
        while piece := reader.read(100):
            rest += piece
    assert rest == b"second\n"


def test_script_is_not_buffered_and_stderr_shows(server, tree):
    server.write("both.py", "import sys\nprint('out')\n"
                            "print('err', file=sys.stderr)\n")
    seen = run(tree, "both.py")
    assert sorted(seen.splitlines()) == ["err", "out"]


def test_listing_shows_at_once_what_the_run_made(server, tree):
    server.write("make.py", "import os\nopen('made.txt', 'w').write('x')\n"
                            "os.mkdir('dir')\nos.unlink('old.txt')\n")
    server.write("old.txt", "old")
    assert "old.txt" in os.listdir(tree)
    run(tree, "make.py")
    seen = os.listdir(tree)
    assert "made.txt" in seen and "dir" in seen and "old.txt" not in seen
    assert (tree / "made.txt").read_text() == "x"
    assert not (tree / "old.txt").exists()


def test_file_that_the_run_changed_is_read_anew(server, tree):
    server.write("data", "before")
    server.write("change.py", "open('data', 'w').write('after, longer')\n")
    assert (tree / "data").read_text() == "before"
    run(tree, "change.py")
    assert (tree / "data").read_text() == "after, longer"


def test_run_in_a_subdirectory_works_there(server, tree):
    server.write("sub/dir/where.py", "import os\n"
                 "print(os.path.basename(os.getcwd()))\n")
    assert run(tree / "sub" / "dir", "where.py") == "dir\n"
    server.write("top.py", "import os\nprint(sorted(os.listdir()))\n")
    assert "where.py" in run(tree / "sub" / "dir", "../../top.py")


def test_output_can_be_read_again(server, tree):
    server.write("main.py", "print('again')\n")
    assert run(tree, "main.py") == "again\n"
    assert output(tree) == "again\n"
    with open(tree / ".run") as reader:
        assert reader.read() == "again\n"
        reader.seek(0)
        assert reader.read() == "again\n"


def test_two_runs_at_once_keep_their_outputs_apart(server, tree, scratch):
    gate = scratch / "gate"
    os.mkfifo(gate)
    server.write("first.py", f"print('first')\nopen({str(gate)!r}).read()\n"
                             "print('end of first')\n")
    server.write("second.py", "print('second')\n")
    with open(tree / ".run", "r+b", buffering=0) as mine:
        mine.write(b"first.py\n")
        assert run(tree, "second.py") == "second\n"
        with open(gate, "w"):
            pass
        seen = b""
        while piece := mine.read(100):
            seen += piece
    assert seen == b"first\nend of first\n"


def test_much_output_arrives_whole(server, tree):
    server.write("much.py", "for i in range(200000): print(i)\n")
    seen = run(tree, "much.py").splitlines()
    assert seen == [str(i) for i in range(200000)]


def test_output_that_is_not_utf8_arrives(server, tree):
    server.write("raw.py", "import sys\n"
                 "sys.stdout.buffer.write(bytes(range(256)))\n")
    start(tree, "raw.py")
    assert (tree / ".run").read_bytes() == bytes(range(256))


def test_reader_can_be_interrupted_and_the_run_goes_on(server, tree, scratch):
    gate = scratch / "gate"
    os.mkfifo(gate)
    server.write("slow.py", f"open({str(gate)!r}).read()\nprint('done')\n")
    start(tree, "slow.py")
    cat = subprocess.Popen(["cat", ".run"], cwd=tree,
                           stdout=subprocess.DEVNULL)
    wait_until(lambda: blocks(cat), "cat to block")
    cat.terminate()
    assert cat.wait(20) != 0
    with open(gate, "w"):
        pass
    assert output(tree) == "done\n"


def test_sigterm_ends_a_mount_whose_run_is_watched(mounter, server, scratch):
    gate = scratch / "gate"
    os.mkfifo(gate)
    server.write("slow.py", f"open({str(gate)!r}).read()\n")
    mount = mount_server(mounter, server)
    start(mount.path, "slow.py")
    cat = subprocess.Popen(["cat", mount.path / ".run"],
                           stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    wait_until(lambda: blocks(cat), "cat to block")
    os.kill(mount.pid, signal.SIGTERM)
    assert cat.wait(20) != 0
    assert mount.wait_end(10) == 0


def test_runs_are_recorded(server, tree):
    server.write("main.py", "print('hello')\n")
    run(tree, "main.py")
    last = tree / ".pycloud" / "runs" / "last"
    assert (last / "output").read_text() == "hello\n"
    assert (last / "command").read_text().strip() == "main.py"
    assert (last / "exit").read_text().strip() == "0"
    assert "1" in os.listdir(tree / ".pycloud" / "runs")


def test_fresh_run_file_reads_as_empty(tree):
    assert output(tree) == ""


def test_run_file_cannot_be_removed_or_renamed(tree):
    for attempt in (lambda: os.unlink(tree / ".run"),
                    lambda: os.rename(tree / ".run", tree / "x"),
                    lambda: os.rmdir(tree / ".pycloud")):
        with pytest.raises(OSError):
            attempt()


def test_pycloud_directory_can_be_named_but_is_not_listed(tree):
    assert ".pycloud" not in os.listdir(tree)
    assert (tree / ".pycloud").is_dir()
    assert "status" in os.listdir(tree / ".pycloud")
    assert not (tree / "sub" / ".pycloud").exists()


def test_status_is_a_page_of_keys_and_values(mount):
    status = mount.status()
    for key in ("endpoint", "requests"):
        assert key in status
    with mount.counting() as looking:
        mount.status()
    assert looking[0] == 0


def test_walkers_do_not_block_on_the_run_file(server, tree):
    server.write("d/a", "needle\n")
    found = subprocess.run(["grep", "-rs", "needle", tree], check=False,
                           capture_output=True, text=True, timeout=60).stdout
    assert found.endswith("d/a:needle\n")


def test_server_without_python_kernels_is_eopnotsupp(mounter, own_server):
    server = own_server
    server.write("main.py", "print('hello')\n")
    section = ("KernelSpecManager.ensure_native_kernel=False",
               "KernelSpecManager.allowed_kernelspecs=['none']",
               "KernelSpecManager.whitelist=['none']")
    server.kill()
    server.arguments += [f"--{x}" for x in section]
    server.start()
    mount = mount_server(mounter, server)
    assert (mount.path / "main.py").exists()
    with pytest.raises(OSError) as caught:
        start(mount.path, "main.py")
    assert caught.value.errno == errno.EOPNOTSUPP


def test_killed_kernel_ends_the_run_or_the_next_one_works(server, tree):
    server.write("main.py", "print('hello')\n")
    assert run(tree, "main.py") == "hello\n"
    for kernel in server.api("kernels"):
        server.api(f"kernels/{kernel['id']}", "DELETE")
    assert run(tree, "main.py") == "hello\n"


def test_unmount_ends_the_helpers_kernel(mounter, server):
    server.write("main.py", "print('hello')\n")
    mount = mount_server(mounter, server)
    before = len(server.api("kernels"))
    run(mount.path, "main.py")
    assert len(server.api("kernels")) > before
    assert mount.unmount().returncode == 0
    mount.wait_end()
    assert len(server.api("kernels")) == before


def test_several_threads_run_at_once(server, tree):
    server.write("say.py", "import sys\nprint(sys.argv[1])\n")
    seen = {}
    assert "say.py" in os.listdir(tree)

    def work(word):
        with open(tree / ".run", "r+b", buffering=0) as control:
            control.write(f"say.py {word}\n".encode())
            text = b""
            while piece := control.read(100):
                text += piece
        seen[word] = text.decode()

    threads = [threading.Thread(target=work, args=(f"w{n}",))
               for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {f"w{n}": f"w{n}\n" for n in range(4)}
