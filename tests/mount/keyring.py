"""A real keyring on a private bus, for the tests of credentials.

gnome-keyring-daemon behind a dbus-daemon whose configuration knows no services
to start: what the tests see is theirs, and nothing of the desktop's that they
may run on.
"""

import contextlib
import os
import pathlib
import socket
import subprocess

import harness

CONFIG = """<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
SECRETS = "org.freedesktop.secrets"
PATH = "/org/freedesktop/secrets"
PASSWORD = b"k3yring"


class Bus:
    """A session bus without anybody on it."""

    def __init__(self, scratch):
        self.scratch = scratch / "desktop"
        self.scratch.mkdir(mode=0o700)
        self.path = self.scratch / "bus"
        self.config = self.scratch / "bus.conf"
        self.config.write_text(CONFIG.format(path=self.path))
        self.process = None

    @property
    def address(self):
        """What DBUS_SESSION_BUS_ADDRESS says."""
        return f"unix:path={self.path}"

    @property
    def env(self):
        """How a program finds it."""
        return {"DBUS_SESSION_BUS_ADDRESS": self.address}

    def start(self):
        """Start (again), and wait until it listens."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self.process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={self.config}", "--nofork",
             "--nopidfile"], stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=harness.end_with_parent)
        harness.wait_until(self.path.exists, "the bus")
        return self

    def stop(self):
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def call(self, path, member, *arguments):
        """One call of the keyring's, as dbus-send prints its answer."""
        return subprocess.run(
            ["dbus-send", f"--bus={self.address}", "--print-reply",
             f"--dest={SECRETS}", path, member, *arguments], check=False,
            capture_output=True, text=True, timeout=harness.LIMIT)


class Keyring(Bus):
    """The bus, and an unlocked keyring on it."""

    def __init__(self, scratch):
        super().__init__(scratch)
        self.daemon = None

    @property
    def folder(self):
        """Where it keeps its items, encrypted."""
        return self.scratch / "share" / "keyrings"

    def start(self):
        """Both; the keyring's collection is there afterwards."""
        super().start()
        self.start_daemon()
        return self

    def start_daemon(self):
        """The keyring alone."""
        self.daemon = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--components=secrets",
             "--unlock", f"--control-directory={self.scratch}/control"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=harness.end_with_parent,
            env={"HOME": str(self.scratch), "PATH": harness.SYSTEM_PATH,
                 "XDG_DATA_HOME": str(self.scratch / "share"),
                 "XDG_RUNTIME_DIR": str(self.scratch), **self.env})
        self.daemon.stdin.write(PASSWORD)
        self.daemon.stdin.close()
        harness.wait_until(self.is_unlocked, "the keyring")

    def is_unlocked(self):
        """Its default collection is there and open."""
        answer = self.call(
            f"{PATH}/aliases/default", "org.freedesktop.DBus.Properties.Get",
            "string:org.freedesktop.Secret.Collection", "string:Locked")
        return "boolean false" in answer.stdout

    def lock(self):
        """As a desktop's user would."""
        answer = self.call(PATH, "org.freedesktop.Secret.Service.Lock",
                           f"array:objpath:{PATH}/collection/login")
        assert answer.returncode == 0, answer.stderr
        assert not self.is_unlocked()

    def search(self, **attributes):
        """How many items there are with these attributes."""
        words = ",".join(f"{k},{v}" for k, v in attributes.items())
        answer = self.call(PATH, "org.freedesktop.Secret.Service.SearchItems",
                           f"dict:string:string:{words}")
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.count("object path")

    def stop_daemon(self):
        """The keyring alone."""
        if self.daemon is not None:
            self.daemon.kill()
            self.daemon.wait()
            self.daemon = None

    def stop(self):
        """End both."""
        self.stop_daemon()
        super().stop()


class SilentBus(Bus):
    """Takes every connection, and says nothing."""

    def start(self):
        """Listen."""
        self.process = None
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        self.socket.listen()
        return self

    def stop(self):
        """End it."""
        self.socket.close()


def files_with(needle, *roots, skip=()):
    """The files below `roots` that hold these bytes."""
    found = []
    skipped = [os.fspath(path) for path in skip]
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders
                          if os.path.join(folder, name) not in skipped]
            for name in names:
                path = pathlib.Path(folder, name)
                if path.is_file() and needle in path.read_bytes():
                    found.append(str(path))
    return found
