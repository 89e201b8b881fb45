"""The workspace's tree as the helper sees it: paths that lead nowhere else,
and entries as the contents API would describe them (helper_files.py).

A directory is found by its descriptor, one component after the other, and no
component may be a link: what is a directory now and a link in a moment can do
no harm. What is done to a name is done relative to its directory's descriptor.
"""
import ctypes
import errno
import math
import os
import re
import stat
import struct
import threading
import time

LISTED = (-62135596800, 253402300800)  # seconds that datetime knows
NUMBER_MAX = 1 << 53  # of those that JSON carries as they are
PATH_BYTES_MAX = 4095
LOOKS = 5
TEMPORARY = re.compile(rb"\.~pycloud-[0-9a-f]{32}\Z")
LEFT_BEHIND_SECONDS = 24 * 3600.0
UTIME_OMIT = (1 << 30) - 2
# Where the kernel hears of every change: nobody else has the disk. Of the
# others (NFS, CIFS, FUSE, 9p, Ceph, Lustre, ...) some would do, and are not
# worth a lie.
LOCAL_FILE_SYSTEMS = {
    0xEF53,  # ext2, ext3, ext4
    0x58465342,  # xfs
    0x9123683E,  # btrfs
    0x01021994,  # tmpfs
    0x858458F6,  # ramfs
    0x794C7630,  # overlay
    0xF2F52010,  # f2fs
    0x2FC12FC1,  # zfs
    0xCA451A4E,  # bcachefs
}
ESCAPED = re.compile(rb"\\([0-7]{3})")

libc = ctypes.CDLL(None, use_errno=True)


class Descriptor:
    """A file descriptor, closed in the end: `with ... as fd`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> int:
        return self.fd

    def __exit__(self, *_) -> None:
        os.close(self.fd)


class Refused(OSError):
    """An error with more to tell than its name: `more` is for the answer."""

    def __init__(self, number: int, text: str, **more) -> None:
        super().__init__(number, text)
        self.more = more


def components(path: str) -> list:
    """Of a workspace path; none of the root's."""
    if not isinstance(path, str):
        raise TypeError("a path is a text")
    if path == "":
        return []
    found = path.encode("utf-8").split(b"/")
    if any(c in (b"", b".", b"..") or b"\0" in c for c in found):
        raise ValueError("not a path of the workspace")
    return found


def is_link(name: bytes, directory: int) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(name, dir_fd=directory).st_mode)
    except OSError:
        return False


def open_in(directory: int, name: bytes, flags: int) -> int:
    """Opens what must not be a link."""
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK
                       | os.O_CLOEXEC, dir_fd=directory)
    except OSError as e:
        if e.errno in (errno.ELOOP, errno.ENOTDIR) \
                and is_link(name, directory):
            raise OSError(errno.ENOTSUP, "a link") from None
        raise


def open_file(directory: int, name: bytes, flags: int) -> tuple:
    """Opens what must be a regular file: (descriptor, stat)."""
    fd = open_in(directory, name, flags)
    st = os.fstat(fd)
    if stat.S_ISREG(st.st_mode):
        return fd, st
    os.close(fd)
    raise OSError(errno.EISDIR if stat.S_ISDIR(st.st_mode) else errno.ENOTSUP,
                  "not a regular file")


# --- entries ----------------------------------------------------------------

def microseconds(seconds: float) -> int:
    """What datetime.fromtimestamp makes of a float; 0 for what it refuses, as
    the contents API does."""
    if not LISTED[0] <= seconds < LISTED[1]:
        return 0
    fraction, whole = math.modf(seconds)
    return int(whole) * 1000000 + round(fraction * 1e6)


def times(st) -> list:
    """[mtime_us, ctime_us]; ENOTSUP when they cannot be said exactly."""
    found = [microseconds(st.st_mtime), microseconds(st.st_ctime)]
    if max(map(abs, found)) > NUMBER_MAX:
        raise OSError(errno.ENOTSUP, "a time too far away")
    return found


def version(st) -> list:
    return [st.st_size, microseconds(st.st_mtime)]


def entry(directory: int, name, st, is_all: bool):
    """As helper_files.py says, of a name with that lstat; None for what is not
    listed. A directory that cannot be read is hidden like a dot name: `is_all`
    shows both."""
    is_directory = stat.S_ISDIR(st.st_mode)
    leads_to = None
    if stat.S_ISLNK(st.st_mode):
        leads_to = link_target(directory, name)
        try:
            target = os.stat(name, dir_fd=directory)
            is_directory = stat.S_ISDIR(target.st_mode)
        except FileNotFoundError:
            pass
        except OSError:
            return None
    elif not is_directory and not stat.S_ISREG(st.st_mode):
        return None
    if is_directory and not is_all and not os.access(
            name, os.R_OK | os.X_OK, dir_fd=directory):
        return None
    mtime_us, ctime_us = times(st)
    return ["d" if is_directory else "f",
            None if is_directory else st.st_size, mtime_us, ctime_us,
            int(os.access(name, os.W_OK, dir_fd=directory)),
            attributes(st, mtime_us, leads_to)]


def attributes(st, mtime_us: int, leads_to) -> list:
    """Of what the contents API does not tell."""
    missing = st.st_mtime_ns - mtime_us * 1000 if mtime_us else 0
    return [stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_nlink,
            missing, leads_to]


def link_target(directory: int, name):
    """None where it cannot be said in JSON."""
    try:
        return os.fsencode(os.readlink(name, dir_fd=directory)).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def is_told_whole(st) -> bool:
    """Does the directory hear of all that happens to it? Not of what is done
    to what a link leads to, or by another of a file's names."""
    return stat.S_ISDIR(st.st_mode) or (
        not stat.S_ISLNK(st.st_mode) and st.st_nlink <= 1)


def is_local(fd: int) -> bool:
    buffer = ctypes.create_string_buffer(512)  # struct statfs and to spare
    if libc.fstatfs(fd, buffer) != 0:
        return False
    return ctypes.c_long.from_buffer(buffer).value in LOCAL_FILE_SYSTEMS


# --- the workspace ----------------------------------------------------------

class Temporaries:
    """Names that saves are put together under, and no listing shows, whoever
    made them. A kernel that was killed leaves them behind: they are removed
    from where others are made."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.swept = set()  # directories, once each; guarded by lock

    def __contains__(self, name: bytes) -> bool:
        return TEMPORARY.match(name) is not None

    def sweep(self, directory: int) -> None:
        try:
            st = os.fstat(directory)
            with self.lock:
                if (st.st_dev, st.st_ino) in self.swept:
                    return
                self.swept.add((st.st_dev, st.st_ino))
            with Descriptor(open_in(directory, b".", os.O_RDONLY
                                    | os.O_DIRECTORY)) as fd:
                for name in map(os.fsencode, os.listdir(fd)):
                    if name in self and is_left_behind(name, fd):
                        os.unlink(name, dir_fd=fd)
        except OSError:
            pass  # it is for tidiness alone


def is_left_behind(name: bytes, directory: int) -> bool:
    st = os.lstat(name, dir_fd=directory)
    return stat.S_ISREG(st.st_mode) and st.st_uid == os.geteuid() \
        and time.time() - st.st_mtime > LEFT_BEHIND_SECONDS


class Place:
    """The workspace's root. Any thread may ask."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)  # programs change directories
        self.temporaries = Temporaries()

    def open(self, path: list, flags: int = os.O_PATH) -> Descriptor:
        """The directory with these components."""
        flags |= os.O_DIRECTORY | os.O_CLOEXEC
        fd = os.open(self.root, flags if not path
                     else os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        for left, name in enumerate(path, 1 - len(path)):
            try:
                inner = open_in(fd, name, flags if left == 0
                                else os.O_PATH | os.O_DIRECTORY)
            finally:
                os.close(fd)
            fd = inner
        return Descriptor(fd)

    def entry(self, path: list) -> list:
        """Of any path."""
        if not path:
            path = [b"."]
        with self.open(path[:-1]) as fd:
            found = entry(fd, path[-1], os.lstat(path[-1], dir_fd=fd), False)
        if found is None:
            raise OSError(errno.ENOTSUP, "not a file of a listing")
        return found

    def mounts(self) -> set:
        """Paths of what is mounted inside; None when there is no telling."""
        root = os.path.join(os.fsencode(os.path.realpath(self.root)), b"")
        try:
            with open("/proc/self/mountinfo", "rb") as f:
                lines = f.read().splitlines()
        except OSError:
            return None
        found = set()
        for line in lines:
            point = ESCAPED.sub(lambda m: bytes([int(m.group(1), 8)]),
                                line.split()[4])
            if point.startswith(root) and point != root:
                found.add(point[len(root):].decode("utf-8", "replace"))
        return found

    def prove(self) -> int:
        """Gives the root another ctime; which."""
        with self.open([], os.O_RDONLY) as fd:
            before = os.fstat(fd).st_ctime
            for _ in range(LOOKS):
                change_ctime(fd)
                after = os.fstat(fd).st_ctime
                if microseconds(after) != microseconds(before):
                    break
                time.sleep(0.005)  # the clock of files ticks this coarsely
        return microseconds(after)


def change_ctime(fd: int) -> None:
    """By setting the time of the last access to what it is; who is not the
    owner may set an attribute, and remove it."""
    seconds, rest = divmod(os.fstat(fd).st_atime_ns, 10**9)
    times = struct.pack("@4l", seconds, rest, 0, UTIME_OMIT)
    if libc.futimens(fd, times) == 0:
        return
    why = ctypes.get_errno()
    try:
        os.setxattr(fd, "user.pycloud", b"")
        os.removexattr(fd, "user.pycloud")
    except OSError:
        raise OSError(why, "the root's ctime cannot be changed") from None
