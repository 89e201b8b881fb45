"""mount.pycloud --foreground as a service of systemd's: Type=notify."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest

from harness import LIMIT, is_mounted
from relay import Relay

SOURCE = pathlib.Path(__file__).resolve().parents[2]


class Manager:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0", 1))
        self.socket.settimeout(LIMIT)

    def next(self):
        """The next message's assignments."""
        text = self.socket.recv(4096).decode()
        return [tuple(line.split("=", 1)) for line in text.split("\n")]

    def until(self, key, pattern):
        """All assignments up to one that is so."""
        seen = []
        while not any(name == key and re.search(pattern, value)
                      for name, value in seen):
            seen += self.next()
        return seen

    def is_silent(self):
        """Nothing has been sent."""
        self.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.socket.recv(4096)
        return True


@pytest.fixture(name="manager")
def manager_fixture(scratch):
    """A manager that listens in the abstract space."""
    made = Manager(f"@{scratch}/notify")
    yield made
    made.socket.close()


def service(mounter, server, manager, **kwargs):
    """A mount that the manager is to hear from."""
    return mounter(server.url, env={"PYCLOUD_TOKEN": server.token,
                                    "NOTIFY_SOCKET": manager.name}, **kwargs)


def test_a_service_says_how_it_is(mounter, server, manager):
    mount = service(mounter, server, manager,
                    options="writeback=3600").start_foreground()
    seen = manager.until("READY", "1")
    assert seen[0][0] == "EXTEND_TIMEOUT_USEC"
    assert int(seen[0][1]) >= 600 * 10**6
    assert seen[-2][0] == "STATUS"
    assert str(mount.path) in seen[-2][1]
    assert is_mounted(mount.path)
    assert server.token not in str(seen)
    (mount.path / "late").write_text("not uploaded yet")
    os.kill(mount.pid, signal.SIGTERM)
    seen = manager.until("STATUS", "on the server")
    assert seen[0] == ("STOPPING", "1")
    assert seen[1][0] == "EXTEND_TIMEOUT_USEC"
    assert int(seen[1][1]) >= 30 * 10**6
    assert seen[2][0] == "STATUS"
    assert re.fullmatch(r"uploading 1 file, 16\Wbytes", seen[2][1])
    assert mount.wait_end() == 0
    assert (server.root / "late").read_text() == "not uploaded yet"


FAR_FILES = 24


def test_a_stop_counts_down(build, mounter, server, manager):
    relay = Relay(build, f"127.0.0.1:{server.port}")
    try:
        mount = mounter(relay.url, options="writeback=3600",
                        env={"PYCLOUD_TOKEN": server.token,
                             "NOTIFY_SOCKET": manager.name})
        mount.start_foreground()
        for i in range(FAR_FILES):
            (mount.path / f"f{i}").write_text("x" * (i + 1))
        manager.until("READY", "1")
        # So far away that several at a time take several turns.
        relay.tell("rtt 200")
        os.kill(mount.pid, signal.SIGTERM)
        seen = manager.until("STATUS", "on the server")
        assert mount.wait_end() == 0
    finally:
        relay.stop()
    left = [int(re.match(r"uploading (\d+) files?, ", value)[1])
            for key, value in seen[:-1] if key == "STATUS"]
    assert left[0] == FAR_FILES
    assert left == sorted(left, reverse=True)
    assert len(set(left)) > 2
    assert len(list(server.root.iterdir())) == FAR_FILES


def test_a_start_that_fails_says_why(mounter, server, manager):
    mount = mounter(server.url, arguments=["--foreground"],
                    env={"PYCLOUD_TOKEN": "wrong",
                         "NOTIFY_SOCKET": manager.name})
    assert mount.attempt().returncode == 32
    seen = manager.until("STATUS", "refuses the token")
    assert ("READY", "1") not in seen
    assert "wrong" not in str(seen)


def test_a_daemon_does_not_speak_for_a_service(mounter, server, manager):
    mount = service(mounter, server, manager).start()
    mount.finish()
    assert manager.is_silent()


def test_units_are_good(build, scratch):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = pathlib.Path(build, "packaging", "systemd", "pycloud@.service")
    text = unit.read_text()
    assert "@sbindir@" not in text
    stop = int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[1])
    limits = (SOURCE / "fs" / "fs_limits.h").read_text()
    drain = int(re.search(r"^#define DRAIN_MS\s+(\d+)$", limits,
                          re.MULTILINE)[1])
    assert stop * 1000 > drain
    # The program stands in the build yet.
    program = pathlib.Path(build, "fs", "mount.pycloud")
    copy = scratch / "pycloud@lab.service"
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={program}",
                           text))
    shutil.copy(SOURCE / "packaging" / "systemd" / "srv-lab.mount", scratch)
    shutil.copy(SOURCE / "packaging" / "systemd" / "srv-lab.automount",
                scratch)
    for mode, name in [("--user", copy.name), ("--system", "srv-lab.mount"),
                       ("--system", "srv-lab.automount")]:
        result = subprocess.run(
            ["systemd-analyze", mode, "--man=no", "verify", scratch / name],
            capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(scratch),
                 "XDG_RUNTIME_DIR": str(scratch)})
        assert result.returncode == 0, result.stderr
        assert not result.stderr.strip(), result.stderr
