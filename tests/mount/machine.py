"""A machine of a test's own: its users, its fstab, mount(8)'s helpers, and a
/dev/fuse for everybody.

All of it is mounted over the machine's files, in the mount namespace that only
this process and its children have (harness.hide_mounts)."""

import os
import pathlib
import shutil
import subprocess

import harness

HELPERS = {"mount.pycloud": ["mount.pycloud", "mount.fuse.pycloud"],
           "umount.pycloud": ["umount.pycloud", "umount.fuse.pycloud"]}


class User:
    """Somebody with a home, and with rights to nothing else."""

    def __init__(self, name, number, home):
        self.name = name
        self.uid = self.gid = number
        self.home = home

    def run(self, *command, env=None, **kwargs):
        """Runs a command as this user, with an environment as after su -."""
        kwargs.setdefault("timeout", 2 * harness.LIMIT)
        return subprocess.run(
            [str(word) for word in command], user=self.uid, group=self.gid,
            extra_groups=[], cwd="/", check=False, capture_output=True,
            text=True, stdin=subprocess.DEVNULL,
            env={"PATH": harness.SYSTEM_PATH, "HOME": str(self.home),
                 "LANG": "C.UTF-8", **(env or {})}, **kwargs)

    def config(self, text):
        """Writes the user's pycloud.conf(5)."""
        file = self.home / ".config" / "pycloud" / "config"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o600)
        for path in (file, file.parent, file.parent.parent):
            os.chown(path, self.uid, self.gid)
        return file


class Machine:
    """What is mounted over the machine's own, until close()."""

    def __init__(self, build, scratch):
        self.scratch = scratch / "machine"
        self.scratch.mkdir()
        self.covered = []
        self.helpers = self.scratch / "helpers"
        self.add_helpers(build)
        self.add_device()
        self.fstab = self.cover("/etc/fstab", "")
        self.fuse_conf = self.cover("/etc/fuse.conf", "")
        self.passwd = self.cover("/etc/passwd")
        self.group = self.cover("/etc/group")
        self.ann = self.add_user("ann", 4242)
        self.bob = self.add_user("bob", 4343)

    @staticmethod
    def problem():
        """Why there can be none, or None."""
        if os.geteuid() != 0:
            return "only root can mount over the machine's files"
        if not harness.HAS_OWN_MOUNTS:
            return "no mount namespace of our own is to be had"
        return None

    def mount(self, *arguments):
        """mount(8), with what it mounts on as the last argument."""
        subprocess.run(["mount", *map(str, arguments)], check=True)
        self.covered.append(str(arguments[-1]))

    def cover(self, path, text=None):
        """Puts a file of ours over the machine's; None: a copy of it."""
        own = self.scratch / pathlib.Path(path).name
        own.write_text(pathlib.Path(path).read_text() if text is None
                       else text)
        own.chmod(0o644)
        self.mount("--bind", own, path)
        return own

    def add_helpers(self, build):
        """Both programs, copied: the build may lie where nobody can go."""
        self.helpers.mkdir()
        for program, names in HELPERS.items():
            shutil.copy(build / "fs" / program, self.helpers / names[0])
            (self.helpers / names[1]).symlink_to(names[0])
        self.mount("-t", "overlay", "-o",
                   f"lowerdir={self.helpers}:/usr/sbin", "overlay",
                   "/usr/sbin")

    def add_device(self):
        """Plain users need it; a container's is often root's alone."""
        node = self.scratch / "fuse"
        os.mknod(node, 0o20666, os.stat("/dev/fuse").st_rdev)
        node.chmod(0o666)
        self.mount("--bind", node, "/dev/fuse")

    def add_user(self, name, number):
        """Makes a user with a home."""
        home = self.scratch / name
        home.mkdir(mode=0o700)
        os.chown(home, number, number)
        with open(self.passwd, "a", encoding="utf-8") as file:
            file.write(f"{name}:x:{number}:{number}::{home}:/bin/sh\n")
        with open(self.group, "a", encoding="utf-8") as file:
            file.write(f"{name}:x:{number}:\n")
            file.write(f"{name}s:x:{number + 1}:{name}\n")
        return User(name, number, home)

    def close(self):
        """Everything is as it was."""
        for path in reversed(self.covered):
            subprocess.run(["umount", "-i", "-l", path], check=False)
