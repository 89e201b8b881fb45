"""umount.pycloud: the mount goes at once, and whoever waits hears the end."""

import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import mount_server
from harness import LIMIT, descendants, is_alive, is_mounted, wait_until
from mute import Mute

USAGE = 1
INTERRUPTED = 8
FAILED = 32
KEPT = 64


def umount_command(mount, *arguments):
    """The program of the same build."""
    return [str(mount.program.with_name("umount.pycloud")), *arguments]


def umount(mount, *arguments, **kwargs):
    """Run it on the mount's directory, or on what is given."""
    return subprocess.run(
        umount_command(mount, *(arguments or [str(mount.directory)])),
        env=mount.env, capture_output=True, text=True, timeout=2 * LIMIT,
        check=False, **kwargs)


def assert_says(result, code, *words):
    """The exit code, and words in the last line."""
    assert result.returncode == code, result.stderr
    lines = result.stderr.splitlines()
    assert lines, "nothing said"
    for word in words:
        assert word in lines[-1], result.stderr


def is_sleeping(pid):
    """The process sleeps for a time that it has set itself."""
    return "nanosleep" in pathlib.Path(f"/proc/{pid}/wchan").read_text()


def write_late(mount, name, text):
    """A save that is not uploaded before the mount ends."""
    (mount.directory / name).write_text(text)


@pytest.fixture
def late(mounter, server):
    """A mount that uploads long after close."""
    yield mount_server(mounter, server, options="writeback=3600")
    server.signal(signal.SIGCONT)


def test_it_waits_until_all_is_uploaded_and_the_daemon_ended(late, server):
    write_late(late, "saved", "all of it")
    assert not (server.root / "saved").exists()
    result = umount(late)
    assert result.returncode == 0, result.stderr
    assert not is_mounted(late.directory)
    assert (server.root / "saved").read_text() == "all of it"
    assert late.wait_end(5) == 0
    assert not list(late.scratch.glob("state/pycloud/*/drain-*"))


def test_progress_says_files_and_bytes(late, server):
    for name in "abc":
        write_late(late, name, "1234")
    server.signal(signal.SIGSTOP)
    with subprocess.Popen(umount_command(late, str(late.directory)),
                          env=late.env, stderr=subprocess.PIPE,
                          text=True) as process:
        assert process.stderr.readline() == \
            "umount.pycloud: uploading: 3 files with 12 bytes left\n"
        server.signal(signal.SIGCONT)
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert (server.root / "c").read_text() == "1234"


def test_lazy_does_not_wait(late, server):
    write_late(late, "saved", "later")
    with open(late.directory / "saved", encoding="utf-8") as busy:
        result = umount(late, "-l", str(late.directory))
        assert (result.returncode, result.stderr) == (0, "")
        assert not is_mounted(late.directory)
        assert busy.read() == "later"
    assert late.wait_end() == 0
    assert (server.root / "saved").read_text() == "later"


def test_forced_gives_up_and_says_what_is_kept(late, server, mounter):
    write_late(late, "saved", "for the next mount")
    server.signal(signal.SIGSTOP)
    result = umount(late, "-f", str(late.directory))
    assert_says(result, KEPT, "1 file with 18 bytes", "next mount")
    assert not is_mounted(late.directory)
    late.crash()
    server.signal(signal.SIGCONT)
    again = mount_server(mounter, server)
    wait_until(lambda: (server.root / "saved").exists()
               and again.status()["pending"] == "0", "the upload")
    assert (server.root / "saved").read_text() == "for the next mount"
    late.pid = None


def test_daemon_that_is_killed_meanwhile_is_told(late, server):
    write_late(late, "saved", "kept")
    server.signal(signal.SIGSTOP)
    with subprocess.Popen(umount_command(late, str(late.directory)),
                          env=late.env, stderr=subprocess.PIPE,
                          text=True) as process:
        process.stderr.readline()
        late.crash()
        said = process.communicate(timeout=LIMIT)[1]
    server.signal(signal.SIGCONT)
    assert process.returncode == KEPT
    assert "1 file with 4 bytes" in said
    late.pid = None  # its end is not the fixture's to judge


def test_interrupt_leaves_the_daemon_to_it(late, server):
    write_late(late, "saved", "anyway")
    server.signal(signal.SIGSTOP)
    with subprocess.Popen(umount_command(late, str(late.directory)),
                          env=late.env, stderr=subprocess.PIPE,
                          text=True) as process:
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=LIMIT)[1]
    assert process.returncode == INTERRUPTED
    assert "goes on uploading" in said
    assert is_alive(late.pid)
    server.signal(signal.SIGCONT)
    assert late.wait_end() == 0
    assert (server.root / "saved").read_text() == "anyway"


def test_busy_mount_stays_and_says_what_to_do(mounter, server):
    server.write("file", "text")
    mount = mount_server(mounter, server)
    with open(mount.directory / "file", encoding="utf-8") as busy:
        result = umount(mount)
        assert_says(result, FAILED, "busy", "fuser", "umount -l")
        assert busy.read() == "text"
    assert is_mounted(mount.directory)
    assert umount(mount).returncode == 0


def test_who_only_looks_does_not_keep_it_busy(mounter, server):
    server.write("file", "text")
    mount = mount_server(mounter, server)
    with open(mount.directory / "file", encoding="utf-8") as busy, \
            subprocess.Popen(umount_command(mount, str(mount.directory)),
                             env=mount.env, stderr=subprocess.PIPE,
                             text=True) as process:
        wait_until(lambda: is_sleeping(process.pid), "its first try to fail")
        busy.close()
        said = process.communicate(timeout=LIMIT)[1]
    assert (process.returncode, said) == (0, "")
    assert not is_mounted(mount.directory)


def test_daemon_that_does_not_answer_holds_nobody_up(mounter, server):
    mount = mount_server(mounter, server)
    os.kill(mount.pid, signal.SIGSTOP)
    try:
        result = umount(mount)
    finally:
        os.kill(mount.pid, signal.SIGCONT)
    assert_says(result, KEPT, "did not answer")
    assert not is_mounted(mount.directory)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount(2)")
def test_who_reads_our_output_waits_for_no_child(build, tmp_path):
    """What asks the daemon may hang in the kernel for as long as that."""
    mute = Mute(tmp_path)
    try:
        result = subprocess.run(
            [str(build / "fs" / "umount.pycloud"), str(tmp_path)],
            capture_output=True, text=True, timeout=LIMIT, check=False)
        assert mute.taken.is_set()
        assert_says(result, KEPT, "did not answer")
        assert not is_mounted(tmp_path)
    finally:
        mute.end()


def test_stale_mount_is_just_detached(mounter, server):
    mount = mount_server(mounter, server)
    mount.crash()
    assert_says(umount(mount), 0, "had died")
    assert not is_mounted(mount.directory)
    mount.pid = None


def test_stale_mount_is_replaced_by_the_next_one(mounter, server):
    """Nobody has to know of fusermount3 -u to mount it again."""
    mount = mount_server(mounter, server)
    (mount.path / "f").write_text("x")
    mount.crash()
    mount.pid = None
    again = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                    name=mount.directory.name)
    assert again.attempt(make_directory=False).returncode == 0
    assert (again.path / "f").read_text() == "x"
    assert umount(again).returncode == 0
    assert not is_mounted(mount.directory)


def test_remount_is_refused(mounter, server):
    mount = mount_server(mounter, server)
    result = subprocess.run(
        [mount.program, server.url, str(mount.directory), "-o", "remount,ro"],
        env=mount.env, capture_output=True, text=True, timeout=LIMIT,
        check=False)
    assert_says(result, USAGE, "cannot be remounted")
    assert is_mounted(mount.directory)


def test_workspace_can_be_named_instead(mounter, server):
    mount = mount_server(mounter, server)
    source = subprocess.run(
        ["findmnt", "-nro", "SOURCE", str(mount.directory)],
        capture_output=True, text=True, check=True).stdout.strip()
    assert umount(mount, source).returncode == 0
    assert not is_mounted(mount.directory)


def test_symbolic_link_leads_to_the_mount(mounter, server):
    mount = mount_server(mounter, server)
    link = mount.scratch / "link"
    link.symlink_to(mount.directory)
    assert umount(mount, str(link)).returncode == 0
    assert not is_mounted(mount.directory)


@pytest.mark.parametrize("arguments, code, words", [
    ((), USAGE, "takes one"), (("a", "b"), USAGE, "takes one"),
    (("--bogus", "a"), USAGE, "--bogus"), (("-x", "a"), USAGE, "-x"),
    (("-N", "/proc/1/ns/mnt", "a"), USAGE, "namespace"),
    (("/nowhere",), FAILED, "not mounted"), (("/proc",), USAGE, "umount -i"),
])
def test_what_makes_no_sense_is_refused(mounter, arguments, code, words):
    mount = mounter("unused")
    result = subprocess.run(umount_command(mount, *arguments), env=mount.env,
                            capture_output=True, text=True, check=False)
    assert_says(result, code, words)
    assert len(result.stderr.splitlines()) == 1


def test_somebody_elses_mount_is_refused(mounter, server):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    mount = mount_server(mounter, server)
    program = umount_command(mount, str(mount.directory))
    result = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
         *program], env=mount.env, capture_output=True, text=True,
        check=False)
    assert_says(result, USAGE, "user 0")
    assert is_mounted(mount.directory)


def test_terminal_line_is_redrawn(late, server):
    write_late(late, "saved", "text")
    server.signal(signal.SIGSTOP)
    ours, theirs = os.openpty()
    with subprocess.Popen(umount_command(late, str(late.directory)),
                          env=late.env, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while b"left" not in seen:
            seen += os.read(ours, 4096)
        server.signal(signal.SIGCONT)
        with contextlib.suppress(OSError):  # EIO: nobody has it open
            while chunk := os.read(ours, 4096):
                seen += chunk
    os.close(ours)
    assert process.returncode == 0
    assert seen.startswith(b"\r\x1b[Kumount.pycloud: uploading: 1 file with 4")
    assert seen.endswith(b"\r\x1b[K")


# --- called by umount(8) ----------------------------------------------------

# Both programs under the names that mount(8) and umount(8) look for, in a
# mount namespace whose /usr/sbin shows them.
IN_NAMESPACE = """
set -e
mount -t overlay -o lowerdir="$HELPERS":/usr/sbin overlay /usr/sbin
mount -t pycloud "$URL" "$DIR" -o "$OPTIONS"
printf text > "$DIR/saved"
test ! -e "$ROOT/saved"
umount "$DIR"
cat "$ROOT/saved"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces")
def test_mount_8_and_umount_8_find_the_helpers(mounter, server):
    mount = mounter(server.url)
    helpers = mount.scratch / "helpers"
    for name in ("helpers", "home", "data", "cache", "state"):
        (mount.scratch / name).mkdir()
    mount.directory.mkdir()
    for name in ("mount.pycloud", "mount.fuse.pycloud"):
        (helpers / name).symlink_to(mount.program)
    for name in ("umount.pycloud", "umount.fuse.pycloud"):
        (helpers / name).symlink_to(umount_command(mount)[0])
    result = subprocess.run(
        ["unshare", "-m", "sh", "-c", IN_NAMESPACE], check=False,
        capture_output=True, text=True, timeout=LIMIT, env={
            **mount.env, "PYCLOUD_TOKEN": server.token,
            "HELPERS": str(helpers), "URL": server.url,
            "DIR": str(mount.directory), "ROOT": str(server.root),
            "OPTIONS": "writeback=3600,_netdev,nofail,x-systemd.automount"})
    if "overlay" in result.stderr and "mount" in result.stderr:
        pytest.skip(f"no overlay here: {result.stderr}")
    assert (result.returncode, result.stdout) == (0, "text"), result.stderr


def test_root_is_not_led_to_another_mount(mounter, server, scratch):
    """By who renames a directory above it while root waits."""
    if os.geteuid() != 0:
        pytest.skip("only root could be led")
    above, moved, other = (scratch / name
                           for name in ("above", "moved", "other"))
    for path in (above, other, other / "ws"):
        path.mkdir()
    mount = mount_server(mounter, server, name="above/ws")
    subprocess.run(["mount", "-t", "tmpfs", "other", other / "ws"], check=True)
    os.kill(mount.pid, signal.SIGSTOP)
    try:
        with subprocess.Popen(umount_command(mount, str(mount.directory)),
                              env=mount.env, text=True,
                              stderr=subprocess.PIPE) as waiting:
            wait_until(lambda: descendants(waiting.pid), "the question")
            above.rename(moved)
            above.symlink_to(other)
            assert waiting.wait(LIMIT) == FAILED
            assert "cannot unmount" in waiting.stderr.read()
        assert is_mounted(other / "ws")
        assert is_mounted(moved / "ws")
        above.unlink()
        moved.rename(above)
    finally:
        os.kill(mount.pid, signal.SIGCONT)
        subprocess.run(["umount", other / "ws"], check=False)
    assert umount(mount).returncode == 0
