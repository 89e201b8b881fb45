"""A file in the making, for the helper's saves (helper_save.py): beside what
it will replace, without a name where the file system can do that, else with a
hidden one that goes away with it.
"""
import errno
import os
import re
import stat
import tempfile
import uuid

from helper_place import Place, open_in

PIECE_BYTES = 1 << 20
UMASK = re.compile(rb"^Umask:\s*([0-7]+)", re.MULTILINE)
NOT_HERE = {errno.EACCES, errno.EPERM, errno.EROFS}


def umask() -> int:
    """Asking the system for it would change it."""
    try:
        with open("/proc/self/status", "rb") as f:
            found = UMASK.search(f.read())
    except OSError:
        found = None
    return int(found.group(1), 8) if found else 0o022


def write_all(fd: int, data, at: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, at)
        view, at = view[count:], at + count


def copy(source: int, start: int, target: int, at: int, length: int) -> None:
    """From one file to another; EAGAIN when the source has become shorter."""
    clone = getattr(os, "copy_file_range", None)  # since Python 3.8
    while length > 0:
        try:
            count = clone(source, target, length, start, at) if clone else -1
        except OSError as e:
            if e.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
                raise
            count = -1
        if count < 0:
            clone = None
            data = os.pread(source, min(length, PIECE_BYTES), start)
            write_all(target, data, at)
            count = len(data)
        if count == 0:
            raise OSError(errno.EAGAIN, "the file has become shorter")
        start, at, length = start + count, at + count, length - count


class Temporary:
    """Opened in a directory; `is_beside` tells whether it can become a file
    there. To be closed."""

    def __init__(self, place: Place, directory: int) -> None:
        self.place = place
        self.name = None
        self.is_beside = True
        self.is_named = False  # without one it has its mode already
        self.directory = open_in(directory, b".", os.O_PATH)
        try:
            self.fd = self._open()
        except BaseException:
            os.close(self.directory)
            raise

    def _open(self) -> int:
        try:
            return os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666,
                           dir_fd=self.directory)
        except OSError as e:
            if e.errno in NOT_HERE:
                return self._open_elsewhere()
        self.is_named = True
        self._choose_name()
        self.place.temporaries.sweep(self.directory)
        try:
            return os.open(self.name, os.O_CREAT | os.O_EXCL | os.O_RDWR
                           | os.O_CLOEXEC, 0o600, dir_fd=self.directory)
        except OSError as e:
            self.name = None
            if e.errno in NOT_HERE:
                return self._open_elsewhere()
            raise

    def _open_elsewhere(self) -> int:
        """Only to keep what will be written in place."""
        self.is_beside = self.is_named = False
        with tempfile.TemporaryFile() as f:
            return os.dup(f.fileno())

    def _choose_name(self) -> None:
        self.name = b".~pycloud-" + uuid.uuid4().hex.encode("ascii")

    def close(self) -> None:
        os.close(self.fd)
        if self.name is not None:
            self._remove_name()
        os.close(self.directory)

    def _remove_name(self) -> None:
        try:
            os.unlink(self.name, dir_fd=self.directory)
        except OSError:
            pass
        self.name = None

    # -- becoming a file

    def be_new(self) -> None:
        """Gets the mode of a file that was not there before."""
        if self.is_named:
            os.fchmod(self.fd, 0o666 & ~umask())

    def be_like(self, old: int) -> bool:
        """Gets the mode, owner and attributes of the old file; False: they
        cannot all be kept."""
        st, now = os.fstat(old), os.fstat(self.fd)
        try:
            if (now.st_uid, now.st_gid) != (st.st_uid, st.st_gid):
                os.fchown(self.fd,
                          -1 if now.st_uid == st.st_uid else st.st_uid,
                          -1 if now.st_gid == st.st_gid else st.st_gid)
            copy_attributes(old, self.fd)  # an access list, too
            os.fchmod(self.fd, stat.S_IMODE(st.st_mode))
        except OSError as e:
            if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise
            return False
        now = os.fstat(self.fd)
        return (now.st_mode, now.st_uid, now.st_gid) == (
            st.st_mode, st.st_uid, st.st_gid)

    def become(self, directory: int, name: bytes) -> None:
        """Becomes a file where none is; else EEXIST."""
        if self.name is None:
            self._link(directory, name)
            return
        try:
            os.link(self.name, name, src_dir_fd=self.directory,
                    dst_dir_fd=directory, follow_symlinks=False)
        except OSError as e:
            if e.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS,
                               errno.EMLINK):
                raise
            # No links here: an empty file keeps others out, for a moment.
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY
                             | os.O_CLOEXEC, 0o600, dir_fd=directory))
            self.replace(directory, name)
            return
        self._remove_name()

    def replace(self, directory: int, name: bytes) -> None:
        """Takes the place of a file."""
        if self.name is None:
            self._choose_name()
            try:
                self._link(self.directory, self.name)
            except OSError:
                self.name = None
                raise
        os.rename(self.name, name, src_dir_fd=self.directory,
                  dst_dir_fd=directory)
        self.name = None

    def _link(self, directory: int, name: bytes) -> None:
        os.link("/proc/self/fd/%d" % self.fd, name, dst_dir_fd=directory)


def attributes(fd: int) -> dict:
    try:
        return {n: os.getxattr(fd, n) for n in os.listxattr(fd)}
    except OSError as e:
        if e.errno in (errno.EOPNOTSUPP, errno.ENOSYS):
            return {}
        raise


def copy_attributes(old: int, new: int) -> None:
    wanted, found = attributes(old), attributes(new)
    for name in found.keys() - wanted.keys():
        os.removexattr(new, name)
    for name, value in wanted.items():
        if found.get(name) != value:
            os.setxattr(new, name, value)
