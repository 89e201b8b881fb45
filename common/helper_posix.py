"""What POSIX has and the contents API has not, for the helper (helper_files.py
says how it is asked for).

Each is one system call on directories' descriptors, so that no link is
followed; what changes something does so under the saves' locks of the files
that it is about and of names, between whose last look and change it would be
unseen.
"""
import contextlib
import ctypes
import errno
import json
import os
import stat
import time

from helper_place import NUMBER_MAX, Place, components, entry, libc, open_in
from helper_save import Saves

RENAME_FLAGS = {"over": 0, "not over": 1, "exchange": 2}
# Where the C library is older than the system call.
RENAMEAT2 = {"x86_64": 316, "aarch64": 276, "riscv64": 276, "ppc64le": 357,
             "s390x": 347}
XATTR_FLAGS = {"any": 0, "create": os.XATTR_CREATE,
               "replace": os.XATTR_REPLACE}
XATTR_PREFIX = b"user."
XATTR_OURS = b"user.pycloud."  # what the mount shows itself
XATTR_BYTES_MAX = 1 << 16
# Of one answer: names that are looked at, and bytes of JSON.
XATTR_LOOKS = 100000
XATTR_ANSWER_BYTES = 2 << 20


class Posix:
    """Any thread may call."""

    def __init__(self, place: Place, saves: Saves) -> None:
        self.place = place
        self.saves = saves

    def verb(self, name: str):
        return getattr(self, "call_" + name, None)

    @contextlib.contextmanager
    def _changing(self, call: dict, *stats):
        """These files are changed within, or their names; not when nobody
        waits any more."""
        keys = {(st.st_dev, st.st_ino) for st in stats if st is not None}
        with contextlib.ExitStack() as held:
            for key in sorted(keys):  # in one order, or two would wait
                held.enter_context(self.saves.locks.hold(key))
            held.enter_context(self.saves.lock)
            if time.monotonic() >= call["received"] + call["within_ms"] / 1000:
                raise OSError(errno.ECANCELED, "nobody waits for it any more")
            yield

    # -- the volume

    def call_volume(self, _call: dict) -> dict:
        with self.place.open([]) as fd:
            v = os.fstatvfs(fd)
        found = {"block_bytes": v.f_frsize or v.f_bsize, "blocks": v.f_blocks,
                 "free": v.f_bfree, "available": v.f_bavail,
                 "files": v.f_files, "files_free": v.f_ffree,
                 "name_max": v.f_namemax}
        return {k: min(max(0, n), NUMBER_MAX) for k, n in found.items()}

    # -- names

    def call_rename(self, call: dict) -> dict:
        old, new = components(call["from"]), components(call["to"])
        flags = RENAME_FLAGS[call["how"]]
        if not old or not new or new[:len(old)] == old != new \
                or flags == RENAME_FLAGS["exchange"] and old[:len(new)] == new:
            raise OSError(errno.EINVAL, "not to be moved there")
        with self.place.open(old[:-1]) as a, self.place.open(new[:-1]) as b, \
                self._changing(call, look(a, old[-1]), look(b, new[-1])):
            was = listed(a, old[-1])
            other = listed(b, new[-1]) if flags == RENAME_FLAGS["exchange"] \
                else None
            rename(a, old[-1], b, new[-1], flags)
            reply = {"to": now(b, new[-1], was)}
            if other is not None:
                reply["from"] = now(a, old[-1], other)
            elif flags == 0:
                # rename(2): of two names of one file both stay.
                reply["same"] = is_same(a, old[-1], b, new[-1])
            return reply

    def call_link(self, call: dict) -> dict:
        old, new = components(call["from"]), components(call["to"])
        if not old or not new:
            raise OSError(errno.EPERM, "a directory")
        with self.place.open(old[:-1]) as a, self.place.open(new[:-1]) as b, \
                self._changing(call, look(a, old[-1])):
            st = os.lstat(old[-1], dir_fd=a)
            if stat.S_ISDIR(st.st_mode):
                raise OSError(errno.EPERM, "a directory")
            if not stat.S_ISREG(st.st_mode):
                raise OSError(errno.ENOTSUP, "not a regular file")
            was = listed(a, old[-1])
            try:
                os.link(old[-1], new[-1], src_dir_fd=a, dst_dir_fd=b,
                        follow_symlinks=False)
            except OSError as e:
                raise not_here(e) from None
            return {"to": now(b, new[-1], was), "from": now(a, old[-1], was)}

    # -- extended attributes

    def call_xattrs(self, call: dict) -> tuple:
        """Of a directory ("") and the names in it."""
        found, size = [], 0
        with self.place.open(components(call["dir"]), os.O_RDONLY) as fd:
            names = [b""] + [os.fsencode(n) for n in os.listdir(fd)]
            is_all = len(names) <= XATTR_LOOKS
            for name in names[:XATTR_LOOKS]:
                own = xattrs(fd, name)
                if not own:
                    continue
                size += len(name) + sum(map(len, own))
                if size > XATTR_ANSWER_BYTES:
                    is_all = False
                    break
                with contextlib.suppress(UnicodeDecodeError):
                    found.append([name.decode("utf-8"),
                                  [n.decode("utf-8") for n in own]])
        return {"all": is_all}, [json.dumps(found).encode("ascii")]

    def call_getxattr(self, call: dict) -> tuple:
        name = xattr_name(call)
        with self._open(call["path"]) as fd:
            value = os.getxattr(fd, name)
        if len(value) > XATTR_BYTES_MAX:
            raise OSError(errno.E2BIG, "too long")
        return {}, [value]

    def call_setxattr(self, call: dict, value: bytes = b"") -> None:
        name, flags = xattr_name(call), XATTR_FLAGS[call["how"]]
        if len(value) > XATTR_BYTES_MAX:
            raise OSError(errno.E2BIG, "too long")
        with self._open(call["path"]) as fd, \
                self._changing(call, os.fstat(fd)):
            os.setxattr(fd, name, value, flags)

    def call_removexattr(self, call: dict) -> None:
        name = xattr_name(call)
        with self._open(call["path"]) as fd, \
                self._changing(call, os.fstat(fd)):
            os.removexattr(fd, name)

    @contextlib.contextmanager
    def _open(self, path: str):
        """A file or directory, and nothing else."""
        found = components(path)
        with self.place.open(found[:-1]) as directory:
            fd = open_in(directory, found[-1] if found else b".", os.O_RDONLY)
        try:
            mode = os.fstat(fd).st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise OSError(errno.ENOTSUP, "not a regular file")
            yield fd
        finally:
            os.close(fd)


def look(directory: int, name: bytes):
    """None: nothing is there."""
    try:
        return os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return None


def listed(directory: int, name: bytes) -> list:
    """The entry of a name that is about to be changed."""
    found = entry(directory, name, os.lstat(name, dir_fd=directory), True)
    if found is None:
        raise OSError(errno.ENOTSUP, "not a file of a listing")
    return found


def now(directory: int, name: bytes, fallback: list) -> list:
    """It is done, whatever we may see of it."""
    try:
        return listed(directory, name)
    except OSError:
        return fallback


def is_same(a: int, old: bytes, b: int, new: bytes) -> bool:
    try:
        return os.path.samestat(os.lstat(old, dir_fd=a),
                                os.lstat(new, dir_fd=b))
    except OSError:
        return False


def not_here(e: OSError) -> OSError:
    """What this file system cannot do is not for us."""
    if e.errno in (errno.ENOSYS, errno.EXDEV):
        return OSError(errno.ENOTSUP, e.strerror)
    return e


def rename(a: int, old: bytes, b: int, new: bytes, flags: int) -> None:
    if flags == 0:
        try:
            os.rename(old, new, src_dir_fd=a, dst_dir_fd=b)
        except OSError as e:
            raise not_here(e) from None
        return
    arguments = [a, old, b, new, ctypes.c_uint(flags)]
    function = getattr(libc, "renameat2", None)
    if function is None:
        number = RENAMEAT2.get(os.uname().machine)
        if number is None:
            raise OSError(errno.ENOTSUP, "no such system call")
        function = libc.syscall
        arguments.insert(0, ctypes.c_long(number))
    if function(*arguments) == 0:
        return
    number = ctypes.get_errno()
    if number == errno.EINVAL:  # the flag: all else was looked at
        number = errno.ENOSYS
    raise not_here(OSError(number, os.strerror(number)))


def xattr_name(call: dict) -> bytes:
    name = call["name"].encode("utf-8")
    if not is_users(name) or b"\0" in name:
        raise OSError(errno.ENOTSUP, "not an attribute of the user's")
    return name


def is_users(name: bytes) -> bool:
    """May the mount show it, and change it?"""
    return name.startswith(XATTR_PREFIX) and name != XATTR_PREFIX \
        and not name.startswith(XATTR_OURS)


def xattrs(directory: int, name: bytes) -> list:
    """Those of a name in it, of links none; "": its own."""
    try:
        if not name:
            found = os.listxattr(directory)
        else:  # there is no llistxattrat(2) yet
            found = os.listxattr(b"/proc/self/fd/%d/%s" % (directory, name),
                                 follow_symlinks=False)
    except OSError:
        return []
    return [n for n in map(os.fsencode, found) if is_users(n)]
