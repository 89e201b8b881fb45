"""One directory that the model test plays in: the reference or the mount.

A Side carries out one operation at a time and says what came of it, in words
that can be compared: a value, or the name of an errno.
"""

import ctypes
import errno
import mmap
import os
import stat

# What the mount is allowed to do otherwise; nothing else is.  Each is the
# word by which the code below finds it, and why.
PERMITTED = {
    "links": "hard links cannot be made: not played; the server has no "
             "symbolic ones",
    "owner": "chown to others is EPERM: not played",
    "st_nlink": "a directory's links are not counted; an unlinked file's are",
    "st_size": "of a directory means nothing",
    "st_blocks": "holes are not kept by the server",
    "st_atime": "is the mtime",
    "st_ctime": "is the server's",
    "st_mtime": "is the server's, unless utimens set it",
    "order": "in which names are listed",
    "creator": "a file made by a handle that only reads is on the server a "
               "moment after the close: not played",
    "seek": "in a directory, to where no walk has been",
    ".run": "stands in the root's listing",
}
# Times that only utimens sets lie before this (2002).
SET_TIMES_END = 1010000000
# Names that a listing of the mount may have beside ours.
EXTRA_NAMES = {".run", ".ipynb_checkpoints"}
RENAME_NOREPLACE = 1
AT_FDCWD = -100
FALLOC_FL_KEEP_SIZE = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result):
    """Raise what a C function of LIBC reports."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def describe(status):
    """What must be equal of two stat results."""
    seen = {"mode": oct(status.st_mode)}
    if not stat.S_ISDIR(status.st_mode):
        seen["size"] = status.st_size
    was_set = status.st_mtime < SET_TIMES_END
    seen["mtime"] = status.st_mtime_ns if was_set else "now"
    return seen


class Side:
    """The operations, on one of the two directories."""

    def __init__(self, root):
        self.root = str(root)
        self.handles = {}

    def path(self, name):
        """An absolute path; `name` is relative to the root."""
        return f"{self.root}/{name}" if name else self.root

    def play(self, step):
        """Carry out (operation, arguments...); its value or errno."""
        operation, *arguments = step
        try:
            return getattr(self, f"do_{operation}")(*arguments)
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error.errno))

    def close_all(self):
        """Close what is open; the results by handle."""
        return {key: self.play(("close", key)) for key in list(self.handles)}

    # --- handles ----------------------------------------------------------

    def do_open(self, key, name, flags, mode):
        """Opens a handle of the name `key`."""
        self.handles[key] = os.open(self.path(name), flags, mode)
        return "open"

    def do_close(self, key):
        """Closes it."""
        os.close(self.handles.pop(key))
        return "closed"

    def do_read(self, key, size):
        """From where the handle stands."""
        return os.read(self.handles[key], size)

    def do_pread(self, key, size, offset):
        """From a place."""
        return os.pread(self.handles[key], size, offset)

    def do_write(self, key, data):
        """Where the handle stands, or at the end with O_APPEND."""
        return os.write(self.handles[key], data)

    def do_pwrite(self, key, data, offset):
        """At a place, which may lie past the end."""
        return os.pwrite(self.handles[key], data, offset)

    def do_seek(self, key, offset, whence):
        """Where the next read or write goes."""
        if self.is_directory(key):
            return "seek"
        return os.lseek(self.handles[key], offset, whence)

    def do_ftruncate(self, key, size):
        """Shorter or longer."""
        return os.ftruncate(self.handles[key], size)

    def do_fsync(self, key):
        """On the server when it returns."""
        return os.fsync(self.handles[key])

    def do_fstat(self, key):
        """Of a file that may have no name any more."""
        return describe(os.fstat(self.handles[key]))

    def do_fchmod(self, key, mode):
        """By handle."""
        return os.fchmod(self.handles[key], mode)

    def do_fallocate(self, key, mode, offset, length):
        """Mode 0, and FALLOC_FL_KEEP_SIZE."""
        check(LIBC.fallocate(self.handles[key], mode, ctypes.c_long(offset),
                             ctypes.c_long(length)))
        return "allocated"

    def do_copy_range(self, source, target, size):
        """copy_file_range from where both handles stand."""
        return os.copy_file_range(self.handles[source], self.handles[target],
                                  size)

    def is_directory(self, key):
        """What the handle is of."""
        return stat.S_ISDIR(os.fstat(self.handles[key]).st_mode)

    def size(self, key):
        """A file's size; a directory's has no meaning."""
        if self.is_directory(key):
            return 0
        return os.fstat(self.handles[key]).st_size

    def do_map_write(self, key, data, offset):
        """Writes through a shared mapping and synchronises it."""
        size = self.size(key)
        if size == 0 or offset + len(data) > size:
            return "too short to map"
        with mmap.mmap(self.handles[key], size) as mapped:
            mapped[offset:offset + len(data)] = data
            mapped.flush()
        return "mapped"

    def do_map_read(self, key):
        """All of it through a mapping."""
        size = self.size(key)
        if size == 0:
            return b""
        with mmap.mmap(self.handles[key], size,
                       access=mmap.ACCESS_READ) as mapped:
            return mapped[:]

    # --- names ------------------------------------------------------------

    def do_stat(self, name):
        """Mode, size, and the time if it was set."""
        return describe(os.lstat(self.path(name)))

    def do_list(self, name):
        """The names, sorted."""
        return sorted(set(os.listdir(self.path(name))) - EXTRA_NAMES)

    def do_cat(self, name):
        """The whole file, by a handle of its own."""
        with open(self.path(name), "rb") as file:
            return file.read()

    def do_save(self, name, data):
        """The whole file anew, by a handle of its own."""
        with open(self.path(name), "wb") as file:
            return file.write(data)

    def do_truncate(self, name, size):
        """By name."""
        return os.truncate(self.path(name), size)

    def do_unlink(self, name):
        """A file."""
        return os.unlink(self.path(name))

    def do_mkdir(self, name, mode):
        """A directory."""
        return os.mkdir(self.path(name), mode)

    def do_rmdir(self, name):
        """An empty directory."""
        return os.rmdir(self.path(name))

    def do_symlink(self, name, target):
        """A symbolic link."""
        return os.symlink(target, self.path(name))

    def do_readlink(self, name):
        """Where it leads."""
        return os.readlink(self.path(name))

    def do_rename(self, name, to_name):
        """Over what is there."""
        return os.rename(self.path(name), self.path(to_name))

    def do_rename_new(self, name, to_name):
        """Not over what is there."""
        check(LIBC.renameat2(AT_FDCWD, os.fsencode(self.path(name)), AT_FDCWD,
                             os.fsencode(self.path(to_name)),
                             RENAME_NOREPLACE))
        return "renamed"

    def do_chmod(self, name, mode):
        """By name."""
        return os.chmod(self.path(name), mode)

    def do_utime(self, name, nanoseconds):
        """Sets a time; nanoseconds since 1970."""
        return os.utime(self.path(name), ns=(nanoseconds, nanoseconds))

    def do_walk(self):
        """Everything there is: names, attributes and bytes."""
        seen = {}
        for place, directories, files in os.walk(self.root):
            directories[:] = [x for x in directories if x not in EXTRA_NAMES]
            short = os.path.relpath(place, self.root)
            seen[short] = sorted(directories)
            for name in sorted({*directories, *files} - EXTRA_NAMES):
                path = os.path.join(place, name)
                if os.path.islink(path):
                    seen[f"{short}/{name}"] = os.readlink(path)
                    continue
                if name in directories:
                    continue
                with open(path, "rb") as file:
                    seen[f"{short}/{name}"] = (describe(os.lstat(path)),
                                               file.read())
        return seen


def tree_bytes(root):
    """Names, kinds and bytes below `root`, as the server has them."""
    seen = {}
    for place, directories, files in os.walk(root):
        directories[:] = [x for x in directories if x not in EXTRA_NAMES]
        short = os.path.relpath(place, root)
        seen[short] = "directory"
        for name in set(files) - EXTRA_NAMES:
            if os.path.islink(os.path.join(place, name)):
                continue
            with open(os.path.join(place, name), "rb") as file:
                seen[f"{short}/{name}"] = file.read()
    return seen
