"""What is compared: pycloud on a Jupyter server, sshfs on an sshd, both on the
same files of this computer and each through a relay that is as far away as it
is told to be."""

import contextlib
import getpass
import os
import pathlib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "mount"))
import harness  # noqa: E402
from relay import Relay  # noqa: E402

# As a local workspace's server is set up.
SERVER_ARGUMENTS = ["--ContentsManager.allow_hidden=True",
                    "--FileContentsManager.delete_to_trash=False",
                    "--Application.log_level=50"]
SFTP_SERVER = "/usr/lib/openssh/sftp-server"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Sshd:
    """A private sshd on the loopback: own keys, own configuration."""

    def __init__(self):
        self.scratch = harness.make_scratch()
        self.port = harness.free_port()
        self.process = None

    def start(self):
        """Make its keys, start it and wait until it speaks."""
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                            "-f", str(self.scratch / name)], check=True)
        self.scratch.joinpath("authorized").write_text(
            (self.scratch / "user.pub").read_text())
        config = self.scratch / "sshd_config"
        config.write_text(
            f"Port {self.port}\n"
            "ListenAddress 127.0.0.1\n"
            f"HostKey {self.scratch}/host\n"
            f"AuthorizedKeysFile {self.scratch}/authorized\n"
            "PidFile none\n"
            "UsePAM no\n"
            "StrictModes no\n"
            "PermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "PrintMotd no\n"
            "LogLevel ERROR\n"
            f"Subsystem sftp {SFTP_SERVER}\n")
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with open(self.scratch / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL,
                preexec_fn=harness.end_with_parent)
        harness.wait_until(self.speaks, "sshd")
        return self

    def speaks(self):
        """True when somebody says SSH on the port."""
        if self.process.poll() is not None:
            log = (self.scratch / "log").read_text(errors="replace")
            raise AssertionError(f"sshd ended:\n{log}")
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                return s.recv(4) == b"SSH-"
        return False

    def client_config(self, port):
        """Writes what ssh must know to reach it by way of `port`."""
        key = (self.scratch / "host.pub").read_text()
        (self.scratch / "known_hosts").write_text(f"bench {key}")
        path = self.scratch / "ssh_config"
        path.write_text(
            "Host bench\n"
            "    HostName 127.0.0.1\n"
            "    HostKeyAlias bench\n"
            f"    Port {port}\n"
            f"    User {getpass.getuser()}\n"
            f"    IdentityFile {self.scratch}/user\n"
            "    IdentitiesOnly yes\n"
            f"    UserKnownHostsFile {self.scratch}/known_hosts\n"
            "    StrictHostKeyChecking yes\n"
            "    LogLevel ERROR\n")
        return path

    def stop(self):
        """End it and remove its files."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(harness.LIMIT)
        harness.remove_scratch(self.scratch)


def cpu_seconds(pid):
    """Processor time of one process so far."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def peak_kib(pid):
    """The largest resident size that one process ever had."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0])


class Pycloud:
    """Mounts of the Jupyter server, with nothing remembered between them."""

    name = "pycloud"

    def __init__(self, build, server, options=""):
        self.build = build
        self.server = server
        self.options = options
        self.relay = Relay(build, f"127.0.0.1:{server.port}")
        self.scratch = None
        self.mounted = None

    def mount(self):
        """A fresh mount; returns its directory."""
        self.scratch = harness.make_scratch()
        self.mounted = harness.Mount(
            self.build, self.scratch, self.relay.url, options=self.options,
            env={"PYCLOUD_TOKEN": self.server.token}).start()
        self.settle()
        return self.mounted.path

    def settle(self):
        """What is to be there before the work begins."""

    def counts(self):
        """What this mount has cost so far."""
        return {"requests": self.mounted.requests(),
                "cpu": cpu_seconds(self.mounted.pid),
                **self.relay.counts()}

    def peak_kib(self):
        """The daemon's largest resident size."""
        return peak_kib(self.mounted.pid)

    def unmount(self):
        """End the mount; the daemon must end well."""
        if self.mounted is None:
            return
        try:
            self.mounted.finish()
        finally:
            self.mounted.kill()
            harness.remove_scratch(self.scratch)
            self.mounted = None

    def run(self, script):
        """The command that, in the mount, runs a script of the root."""
        return ["sh", "-c", f"echo {script} > .run; cat .run"]


class Assisted(Pycloud):
    """The same with the helper, which is there when the work begins: a mount
    starts it, and it takes as long as a kernel takes."""

    name = "assist"

    def __init__(self, build, server, options=""):
        super().__init__(build, server,
                         ",".join(x for x in (options, "assist=on") if x))

    def settle(self):
        harness.wait_until(
            lambda: self.mounted.status().get("assist") == "on", "the helper")


class Sshfs:
    """Mounts of the same root by sshfs, as it is by default."""

    name = "sshfs"

    def __init__(self, build, server, sshd):
        self.root = server.root
        self.relay = Relay(build, f"127.0.0.1:{sshd.port}")
        self.config = sshd.client_config(self.relay.port)
        self.scratch = None
        self.pids = {}

    def mount(self):
        """A fresh mount; returns its directory."""
        self.scratch = harness.make_scratch()
        directory = self.scratch / "mnt"
        directory.mkdir()
        before = set(harness.children())
        subprocess.run(
            ["sshfs", "-F", str(self.config), f"bench:{self.root}",
             str(directory)], check=True, stdin=subprocess.DEVNULL,
            env={"PATH": harness.SYSTEM_PATH, "HOME": str(self.scratch),
                 "LANG": "C.UTF-8"}, timeout=harness.LIMIT)
        self.pids = {pid: harness.Mount.comm(pid)
                     for pid in harness.children() if pid not in before}
        return directory

    def _daemon(self):
        return next(pid for pid, name in self.pids.items() if name == "sshfs")

    def counts(self):
        """What the relay saw; sshfs does not count its requests."""
        return {"cpu": sum(cpu_seconds(pid) for pid in self.pids),
                **self.relay.counts()}

    def peak_kib(self):
        """sshfs's largest resident size, without its ssh's."""
        return peak_kib(self._daemon())

    def unmount(self):
        """End the mount, and wait for sshfs and its ssh."""
        if self.scratch is None:
            return
        tool = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
        if harness.is_mounted(self.scratch / "mnt"):
            subprocess.run([*tool, str(self.scratch / "mnt")], check=True,
                           timeout=harness.LIMIT)
        for pid, name in self.pids.items():
            harness.wait_until(
                lambda pid=pid: os.waitpid(pid, os.WNOHANG)[0],
                f"the end of {name}")
        self.pids = {}
        harness.remove_scratch(self.scratch)
        self.scratch = None

    def run(self, script):
        """The command that runs a script of the root over there."""
        return ["ssh", "-F", str(self.config), "bench",
                f"cd {self.root} && /usr/bin/python3 {script}"]
