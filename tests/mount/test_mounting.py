"""mount.pycloud as a program: what it refuses, says, hides and leaves."""

import http.server
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import pytest

import harness
from conftest import mount_server
from harness import free_port, is_mounted, wait_until

MOUNT_FAILED = 32
USAGE = 1


def assert_one_line(result, *words):
    """One line on stderr, which holds the words."""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0], lines[0]


@pytest.fixture
def not_jupyter():
    """A web server that is none of ours; yields its URL."""
    class Page(http.server.BaseHTTPRequestHandler):
        """Answers every GET with a page."""

        def do_GET(self):  # pylint: disable=invalid-name
            """A page."""
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "13")
            self.end_headers()
            self.wfile.write(b"<p>hello</p>\n")

        def log_message(self, *_):
            """Silence."""

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}/"
    web.shutdown()
    thread.join()
    web.server_close()


def test_wrong_token_is_refused(mounter, server, scratch):
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": "wrong"})
    result = mount.attempt()
    assert result.returncode == MOUNT_FAILED
    assert_one_line(result, "token")
    assert "wrong" not in result.stderr.replace("is wrong", "")
    assert not is_mounted(scratch / "mnt")


def test_no_token_is_refused(mounter, server):
    result = mounter(server.url).attempt()
    assert result.returncode == MOUNT_FAILED
    assert_one_line(result, "token")


def test_unreachable_server_is_refused(mounter):
    result = mounter(f"http://127.0.0.1:{free_port()}/",
                     env={"PYCLOUD_TOKEN": "x"}, options="timeout=5").attempt()
    assert result.returncode == MOUNT_FAILED
    assert_one_line(result, "127.0.0.1")


def test_unknown_host_is_refused(mounter):
    result = mounter("http://nohost.invalid/", env={"PYCLOUD_TOKEN": "x"},
                     options="timeout=5").attempt()
    assert result.returncode == MOUNT_FAILED
    assert_one_line(result, "nohost.invalid")


def test_other_web_server_is_refused(mounter, not_jupyter):
    result = mounter(not_jupyter, env={"PYCLOUD_TOKEN": "x"}).attempt()
    assert result.returncode == MOUNT_FAILED
    assert_one_line(result, "Jupyter")


def test_missing_mount_point_is_refused(mounter, server):
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token})
    result = mount.attempt(make_directory=False)
    assert result.returncode == MOUNT_FAILED
    assert_one_line(result, str(mount.path))
    assert not mount.path.exists()


def test_file_as_mount_point_is_refused(mounter, server, scratch):
    (scratch / "mnt").write_text("a file")
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token})
    result = mount.attempt(make_directory=False)
    assert result.returncode == MOUNT_FAILED
    assert_one_line(result, str(mount.path))


def test_full_mount_point_is_refused(mounter, server, scratch):
    (scratch / "mnt").mkdir()
    (scratch / "mnt" / "file").write_text("in the way")
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token})
    result = mount.attempt()
    assert result.returncode == MOUNT_FAILED
    assert_one_line(result, str(mount.path))


def test_busy_mount_point_is_refused(mounter, server, mount):
    second = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                     name=mount.path.name)
    result = second.attempt()
    assert result.returncode == MOUNT_FAILED
    assert_one_line(result, str(mount.path))
    assert os.listdir(mount.path) is not None


def test_mount_point_that_hangs_is_busy(mounter, server, mount):
    os.kill(mount.start().pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        second = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                         name=mount.directory.name)
        result = second.attempt(make_directory=False)
        assert time.monotonic() - began < harness.LIMIT / 2
    finally:
        os.kill(mount.pid, signal.SIGCONT)
    assert result.returncode == MOUNT_FAILED
    assert_one_line(result, "busy")


@pytest.mark.parametrize("spec", ["no such name", "ftp://host/",
                                  "http://ann:hush@host/"])
def test_bad_workspace_is_refused(mounter, spec):
    result = mounter(spec).attempt()
    assert result.returncode in (USAGE, MOUNT_FAILED)
    assert_one_line(result)
    assert "hush" not in result.stderr


@pytest.mark.parametrize("options", ["bogus", "timeout=soon", "uid=-x",
                                     "umask=9"])
def test_bad_option_is_a_usage_error(mounter, server, options):
    result = mounter(server.url, options=options,
                     env={"PYCLOUD_TOKEN": server.token}).attempt()
    assert result.returncode == USAGE
    assert options.partition("=")[0] in result.stderr


def test_sloppy_mount_accepts_unknown_options(mounter, server):
    mount_server(mounter, server, options="bogus", arguments=["-s"])


def test_options_of_mount_8_are_accepted(mounter, server):
    mount_server(mounter, server, options="rw,_netdev,nofail,noauto,user,"
                 "x-systemd.automount,noatime")


def test_fake_mount_mounts_nothing(mounter, server):
    mount = mounter(server.url, arguments=["-f"],
                    env={"PYCLOUD_TOKEN": server.token})
    assert mount.attempt().returncode == 0
    assert not is_mounted(mount.path)
    assert mount.pid is None


def test_help_and_version(build):
    program = build / "fs" / "mount.pycloud"
    for option in ("--help", "-h", "--version", "-V"):
        result = subprocess.run([program, option], check=True, text=True,
                                capture_output=True)
        assert "pycloud" in result.stdout
    assert subprocess.run([program], check=False,
                          capture_output=True).returncode == USAGE


def test_read_only_mount(mounter, server):
    server.write("a", "one")
    mount = mount_server(mounter, server, options="ro")
    assert (mount.path / "a").read_text() == "one"
    for attempt in (lambda: (mount.path / "a").write_text("x"),
                    lambda: os.mkdir(mount.path / "d"),
                    lambda: os.unlink(mount.path / "a")):
        with pytest.raises(OSError):
            attempt()
    assert (server.root / "a").read_text() == "one"


def test_masks_and_owner(mounter, server):
    server.write("d/a", "one")
    # As root another uid= is who the daemon is: test_identity.py.
    uid = 12345 if os.geteuid() != 0 else 0
    mount = mount_server(
        mounter, server,
        options=f"fmask=137,dmask=050,uid={uid},gid=54321")
    file = os.lstat(mount.path / "d" / "a")
    directory = os.lstat(mount.path / "d")
    assert file.st_mode & 0o777 == 0o640
    assert directory.st_mode & 0o777 == 0o705
    assert (file.st_uid, file.st_gid) == (uid, 54321)


def test_mount_table_names_the_workspace_without_secrets(mounter, server):
    mount = mount_server(mounter, server)
    mounts = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    line = [x for x in mounts if x.split()[1] == str(mount.path)][0]
    assert line.split()[2] == "fuse.pycloud"
    assert line.split()[0].startswith("pycloud:")
    assert "nosuid" in line and "nodev" in line
    assert server.token not in line


def test_token_of_the_url_is_hidden_at_once(mounter, server):
    server.write("a", "one")
    mount = mounter(f"{server.url}?token={server.token}").start()
    assert (mount.path / "a").read_text() == "one"
    command = pathlib.Path(f"/proc/{mount.pid}/cmdline").read_bytes()
    assert server.token.encode() not in command
    assert server.token not in pathlib.Path("/proc/self/mounts").read_text()
    assert server.token not in (mount.path / ".pycloud/status").read_text()


def test_token_leaves_the_environment_even_when_unused(mounter, server):
    mount = mounter(f"{server.url}?token={server.token}",
                    env={"PYCLOUD_TOKEN": "another-servers"}).start()
    environ = pathlib.Path(f"/proc/{mount.pid}/environ").read_bytes()
    assert b"another-servers" not in environ


def test_token_is_in_no_log(mounter, server):
    server.write("a", "one")
    mount = mounter(f"{server.url}?token={server.token}", arguments=["-d"])
    mount.start_foreground()
    assert (mount.path / "a").read_text() == "one"
    with pytest.raises(OSError):
        (mount.path / "none").read_text()
    mount.unmount()
    assert mount.wait_end() == 0
    assert server.token not in mount.log.read_text()


def test_exit_status_0_means_that_the_files_are_there(mounter, server):
    server.write("a", "one")
    mount = mount_server(mounter, server)
    assert (mount.path / "a").read_text() == "one"


def test_foreground_mount_ends_with_the_unmount(mounter, server):
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token})
    mount.start_foreground()
    assert mount.unmount().returncode == 0
    assert mount.wait_end() == 0


def test_mount_without_standard_files(mounter, server):
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token})
    mount.directory.mkdir()
    before = set(harness.children())
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *mount.command()],
        env=mount.env, check=False, timeout=harness.LIMIT)
    assert done.returncode == 0
    mount.pid, = [pid for pid in set(harness.children()) - before
                  if mount.comm(pid) == "mount.pycloud"]
    (mount.directory / "a").write_text("written")
    assert mount.unmount().returncode == 0
    assert (server.root / "a").read_text() == "written"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_unmounts_and_loses_nothing(mounter, server, number):
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token})
    mount.start_foreground()
    with open(mount.path / "a", "w") as file:
        file.write("written")
        file.flush()
        os.fsync(file.fileno())
    os.kill(mount.pid, number)
    assert mount.wait_end() == 0
    wait_until(lambda: not is_mounted(mount.path), "the unmount")
    assert (server.root / "a").read_text() == "written"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_mount_that_waits_for_its_server(
        mounter, build, number):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(harness.LIMIT)
        mount = mounter(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        mount.directory.mkdir()
        before = set(harness.children())
        with subprocess.Popen(mount.command(), env=mount.env, text=True,
                              stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL) as waiting:
            first, _ = silent.accept()
            os.kill(waiting.pid, number)
            assert waiting.wait(harness.LIMIT) == 8
            assert "interrupted" in waiting.stderr.read()
        first.close()
    assert not is_mounted(mount.directory)
    wait_until(lambda: not [pid for pid in harness.children()
                            if pid not in before
                            and mount.comm(pid) == "mount.pycloud"],
               "the end of what was to be the daemon")


def test_other_signals_do_not_unmount(mounter, server):
    server.write("a", "one")
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                    options="attr_timeout=3600", arguments=["-v"])
    mount.start_foreground()
    assert (mount.path / "a").read_text() == "one"
    server.write("b", "two")
    assert not (mount.path / "b").exists()
    os.kill(mount.pid, signal.SIGHUP)
    wait_until((mount.path / "b").exists, "the beliefs to be dropped")
    os.kill(mount.pid, signal.SIGUSR1)
    wait_until(lambda: "endpoint: " in mount.log.read_text(), "the status")
    os.kill(mount.pid, signal.SIGUSR2)
    assert (mount.path / "b").read_text() == "two"
    assert mount.unmount().returncode == 0
    assert mount.wait_end() == 0


def test_sigterm_uploads_what_an_open_handle_wrote(mounter, server):
    mount = mount_server(mounter, server)
    fd = os.open(mount.path / "a", os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"not closed")
    os.kill(mount.pid, signal.SIGTERM)
    assert mount.wait_end() == 0
    assert (server.root / "a").read_bytes() == b"not closed"
    with pytest.raises(OSError):
        os.fsync(fd)
    try:
        os.close(fd)
    except OSError:
        pass


def test_mount_again_after_a_kill(mounter, server):
    server.write("a", "one")
    mount = mount_server(mounter, server)
    mount.kill()
    mount.pid = None
    again = mount_server(mounter, server)
    assert (again.path / "a").read_text() == "one"


def test_two_mounts_of_one_server(mounter, server):
    first = mount_server(mounter, server, options="attr_timeout=0")
    second = mount_server(mounter, server, options="attr_timeout=0")
    (first.path / "a").write_text("from the first")
    assert (second.path / "a").read_text() == "from the first"
