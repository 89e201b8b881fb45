"""The contract with mount(8) and umount(8): exit codes one by one, fstab(5), a
plain user's `mount DIR`, and directories that are mounted when used."""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess

import pytest

import harness
from harness import LIMIT, children, is_mounted
from test_umount import assert_says

OK, USAGE, SYSTEM, BUG, INTERRUPTED, FAILED = 0, 1, 2, 4, 8, 32
FSTAB_OPTIONS = "noauto,nofail,_netdev,x-systemd.automount,user"


# --- each exit code, whoever calls -------------------------------------------

def direct(mount, _):
    """The helper by itself."""
    return mount.command()


def by_type(mount, _):
    """What mount(8) makes of a type."""
    options = ["-o", mount.options] if mount.options else []
    return ["mount", "-t", "pycloud", mount.spec, str(mount.directory),
            *options]


def by_kernels_type(mount, machine):
    """The type that the kernel shows."""
    return [word.replace("pycloud", "fuse.pycloud") if word == "pycloud"
            else word for word in by_type(mount, machine)]


def by_fstab(mount, machine):
    """A line of fstab, and its directory alone."""
    options = ",".join(filter(None, [FSTAB_OPTIONS, mount.options]))
    machine.fstab.write_text(
        f"{mount.spec} {mount.directory} pycloud {options} 0 0\n")
    return ["mount", str(mount.directory)]


@pytest.fixture(name="call", params=[direct, by_type, by_kernels_type,
                                     by_fstab])
def call_fixture(request, machine, mounter):
    """Makes a mount that is called in one of the ways."""
    def make(spec, **kwargs):
        mount = mounter(spec, **kwargs)
        command = request.param(mount, machine)
        mount.command = lambda: command
        return mount

    return make


def test_0_is_mounted_and_unmounted(call, server):
    server.write("file", "text")
    mount = call(server.url, env={"PYCLOUD_TOKEN": server.token}).start()
    assert (mount.directory / "file").read_text() == "text"
    done = subprocess.run(["umount", mount.directory], env=mount.env,
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (OK, "")
    assert mount.wait_end(5) == 0  # umount(8) has waited for it


def test_1_is_wrong_usage(call, server):
    mount = call(server.url, options="colour=red")
    assert_says(mount.attempt(), USAGE, "unknown option 'colour'", "--help")


def test_1_is_a_remount(call, server, machine):
    mount = call(server.url, env={"PYCLOUD_TOKEN": server.token}).start()
    assert machine
    done = subprocess.run(["mount", "-o", "remount,ro", mount.directory],
                          env=mount.env, capture_output=True, text=True,
                          check=False)
    assert_says(done, USAGE, "cannot be remounted; unmount it")
    assert is_mounted(mount.directory)
    (mount.directory / "file").write_text("writable")


def test_32_is_a_mount_that_failed(call, server):
    mount = call(server.url, env={"PYCLOUD_TOKEN": "wrong"})
    assert_says(mount.attempt(), FAILED, "refuses the token")
    assert not is_mounted(mount.directory)


@contextlib.contextmanager
def waiting(call):
    """A start that waits for its server: (process, pids of helper and of what
    is to be the daemon)."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(LIMIT)
        mount = call(f"http://127.0.0.1:{silent.getsockname()[1]}/",
                     env={"PYCLOUD_TOKEN": "x"})
        mount.directory.mkdir()
        with subprocess.Popen(mount.command(), env=mount.env, text=True,
                              stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL) as process:
            first, _ = silent.accept()
            family = [process.pid, *harness.descendants(process.pid)]
            *_, helper, daemon = [pid for pid in family
                                  if mount.comm(pid).startswith("mount.")]
            yield process, helper, daemon
        first.close()
        assert not is_mounted(mount.directory)


def test_4_is_a_daemon_that_died(call):
    with waiting(call) as (process, _, daemon):
        os.kill(daemon, signal.SIGKILL)
        said = process.communicate(timeout=LIMIT)[1]
    assert process.returncode == BUG
    assert "daemon died before the mount was there" in said
    assert "--foreground" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_8_is_interrupted(call, number):
    with waiting(call) as (process, helper, _):
        os.kill(helper, number)
        said = process.communicate(timeout=LIMIT)[1]
    assert process.returncode == INTERRUPTED, said
    assert said == "mount.pycloud: interrupted\n"


def test_2_is_a_system_that_has_no_room(machine, server):
    """Not one process more: only the helper itself can meet that."""
    def no_processes():
        os.setresgid(machine.ann.gid, machine.ann.gid, machine.ann.gid)
        os.setresuid(machine.ann.uid, machine.ann.uid, machine.ann.uid)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))

    (machine.ann.home / "mnt").mkdir()
    done = subprocess.run(
        [machine.helpers / "mount.pycloud", server.url,
         machine.ann.home / "mnt"], preexec_fn=no_processes, check=False,
        capture_output=True, text=True, cwd="/", timeout=LIMIT,
        env={"HOME": str(machine.ann.home), "ASAN_OPTIONS": "detect_leaks=0"})
    assert_says(done, SYSTEM, "cannot start a process")


# --- values with commas ------------------------------------------------------

@pytest.mark.parametrize("options", ['overlay="*.a,*.b",uid=0',
                                     "overlay=*.a\\,*.b,uid=0"])
def test_a_comma_in_a_value_gets_through(call, server, options):
    mount = call(server.url, env={"PYCLOUD_TOKEN": server.token},
                 options=options).start()
    (mount.directory / "x.a,y.b").write_text("here")
    (mount.directory / "x.a").write_text("there")
    assert not (server.root / "x.a,y.b").exists()
    assert (server.root / "x.a").read_text() == "there"


# --- a plain user ------------------------------------------------------------

@pytest.fixture(name="place")
def place_fixture(machine):
    """A directory of ann's."""
    path = machine.ann.home / "mnt"
    path.mkdir()
    os.chown(path, machine.ann.uid, machine.ann.gid)
    machine.ann.home.chmod(0o755)
    return path


@pytest.fixture(name="line")
def line_fixture(machine, place, server):
    """A line of fstab for that directory; the environment to mount with."""
    machine.fstab.write_text(
        f"{server.url} {place} pycloud {FSTAB_OPTIONS} 0 0\n")
    yield {"PYCLOUD_TOKEN": server.token}
    subprocess.run(["umount", "-il", place], check=False, capture_output=True)


def line_url(machine):
    """What is mounted by the line."""
    return machine.fstab.read_text().split()[0]


def daemon_pid():
    """Of the only mount there is."""
    pid, = [pid for pid in children() if pathlib.Path(
        f"/proc/{pid}/comm").read_text() == "mount.pycloud\n"]
    return pid


def test_a_plain_user_mounts_and_unmounts_by_fstab(machine, place, line,
                                                   server):
    ann = machine.ann
    done = ann.run("mount", place, env=line)
    assert (done.returncode, done.stderr) == (OK, "")
    daemon = daemon_pid()
    status = pathlib.Path(f"/proc/{daemon}/status").read_text()
    assert f"Uid:\t{ann.uid}\t{ann.uid}\t{ann.uid}\t{ann.uid}\n" in status
    # mount(8) gives it no HOME.
    assert (ann.home / ".local" / "state" / "pycloud").is_dir()
    done = ann.run("sh", "-c", f"echo text > {place}/file; ls {place}")
    assert done.stdout == "file\n"
    assert machine.bob.run("ls", place).returncode != 0
    done = ann.run("umount", place)
    assert (done.returncode, done.stderr) == (OK, "")
    assert os.waitpid(daemon, 0)[1] == 0
    assert (server.root / "file").read_text() == "text\n"


def test_a_plain_user_is_told_what_is_wrong(machine, place, line):
    done = machine.ann.run("mount", place, env={"PYCLOUD_TOKEN": "wrong"})
    assert_says(done, FAILED, "refuses the token")
    # The line is for everybody, but the directory is not.
    done = machine.bob.run("mount", place, env=line)
    assert done.returncode == FAILED
    assert "is the directory yours?" in done.stderr.splitlines()[-1]
    assert not is_mounted(place)


def test_others_do_not_unmount_it_and_root_does(machine, place, line):
    assert machine.ann.run("mount", place, env=line).returncode == OK
    daemon = daemon_pid()
    assert machine.bob.run("umount", place).returncode != OK
    assert machine.bob.run("umount.pycloud", place).returncode == USAGE
    assert is_mounted(place)
    done = subprocess.run(["umount", place], capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stderr) == (OK, "")
    assert os.waitpid(daemon, 0)[1] == 0


def test_a_link_on_the_way_is_none_at_the_end(machine, place, line):
    """The kernel knows the mount by another name than the user."""
    link = place.parent / "link"
    link.symlink_to(place.parent)
    done = machine.ann.run("mount.pycloud", line_url(machine), link / "mnt",
                           env=line)
    assert (done.returncode, done.stderr) == (OK, "")
    daemon = daemon_pid()
    assert is_mounted(place)
    os.kill(daemon, signal.SIGTERM)
    assert os.waitpid(daemon, 0)[1] == 0
    assert not is_mounted(place)


def test_what_a_killed_daemon_left_is_replaced_by_its_user(machine, place,
                                                           line):
    for _ in range(2):
        done = machine.ann.run("mount", place, env=line)
        assert (done.returncode, done.stderr) == (OK, "") \
            or "had died was taken away" in done.stderr
        daemon = daemon_pid()
        os.kill(daemon, signal.SIGKILL)
        os.waitpid(daemon, 0)
    done = machine.ann.run("umount", place)
    assert_says(done, OK, "had died")
    assert not is_mounted(place)


# --- mounted when it is used -------------------------------------------------

AUTOFS_READY, AUTOFS_FAIL = 0x9360, 0x9361


class Automount:
    """What systemd does for x-systemd.automount: whoever uses the directory
    waits until something is mounted there by our process group."""

    def __init__(self, path):
        self.path = path
        self.requests, theirs = os.pipe()
        options = f"fd={theirs},pgrp={os.getpgrp()},minproto=5,maxproto=5," \
            "direct"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"test", bytes(path), b"autofs", 0,
                      options.encode()) != 0:
            pytest.skip(f"no autofs: {os.strerror(ctypes.get_errno())}")
        os.close(theirs)
        self.handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def request(self):
        """Waits for somebody to use it; returns what to answer to."""
        return struct.unpack_from("iiI", os.read(self.requests, 4096))[2]

    def answer(self, token, is_mounted_now):
        """Lets go whoever waits."""
        fcntl.ioctl(self.handle,
                    AUTOFS_READY if is_mounted_now else AUTOFS_FAIL, token)

    def close(self):
        """Nothing is mounted there any more."""
        os.close(self.handle)
        os.close(self.requests)
        subprocess.run(["umount", "-il", self.path], check=False)


@pytest.mark.parametrize("options", ["", "uid=ann"])
def test_an_automount_is_mounted_on_when_it_is_used(machine, mounter, server,
                                                    options):
    server.write("file", "text")
    mount = mounter(server.url, env={"PYCLOUD_TOKEN": server.token},
                    options=options)
    mount.directory.mkdir()
    automount = Automount(mount.directory)
    reader = {"user": machine.ann.uid, "group": machine.ann.gid,
              "extra_groups": []} if options else {}
    try:
        with subprocess.Popen(["cat", mount.directory / "file"], text=True,
                              stdout=subprocess.PIPE, start_new_session=True,
                              **reader) as user:
            token = automount.request()
            result = mount.attempt(make_directory=False)
            automount.answer(token, result.returncode == OK)
            assert result.returncode == OK, result.stderr
            assert user.communicate(timeout=LIMIT)[0] == "text"
        mount.finish()
    finally:
        automount.close()
