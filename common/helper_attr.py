"""Modes and times of files and directories, for the helper (helper_files.py
says how they are asked for).

What is changed is what a descriptor was opened for, by its name in /proc: that
asks for no permission to read it, and is no link, whatever the name becomes.
"""
import errno
import os
import stat

from helper_place import (LISTED, NUMBER_MAX, Place, Refused, components,
                          entry, open_in, version)

NS_PER_S = 10 ** 9


def mode_of(call: dict):
    """None: it stays."""
    mode = call.get("mode")
    if mode is None:
        return None
    if not isinstance(mode, int) or not 0 <= mode <= 0o7777:
        raise ValueError("not a mode")
    return mode


def mtime_ns_of(call: dict):
    """Of [seconds, ns]; None: it stays. ENOTSUP for what the contents API, or
    JSON, could not tell."""
    pair = call.get("mtime")
    if pair is None:
        return None
    seconds, ns = map(int, pair)
    if not 0 <= ns < NS_PER_S:
        raise ValueError("not a time")
    if not LISTED[0] <= seconds < LISTED[1] - 1 \
            or abs(seconds) * 1000000 > NUMBER_MAX - 2000000:
        raise OSError(errno.ENOTSUP, "a time too far away")
    return seconds * NS_PER_S + ns


def set_mtime(file, mtime_ns: int) -> None:
    """Of a descriptor or a path; the time of the last access stays."""
    os.utime(file, ns=(os.stat(file).st_atime_ns, mtime_ns))


class Wish:
    """The mode and time that a save brings along: as far as they can be had,
    for the save is more than they are."""

    def __init__(self, call: dict) -> None:
        self.mode = mode_of(call)
        self.mtime_ns = mtime_ns_of(call)

    def set_mode(self, fd: int) -> None:
        if self.mode is not None:
            try:
                os.fchmod(fd, self.mode)
            except OSError:
                pass

    def set_mtime(self, fd: int) -> None:
        if self.mtime_ns is not None:
            try:
                set_mtime(fd, self.mtime_ns)
            except OSError:
                pass


def version_of(st) -> list:
    found = version(st)
    return [None, found[1]] if stat.S_ISDIR(st.st_mode) else found


def set_attributes(place: Place, call: dict, locks) -> list:
    """The entry that it is now. No save comes between (`locks`: those of
    helper_save.py)."""
    mode, mtime_ns, base = mode_of(call), mtime_ns_of(call), call.get("base")
    path = components(call["path"]) or [b"."]
    with place.open(path[:-1]) as directory:
        fd = open_in(directory, path[-1], os.O_PATH)
        try:
            st = os.fstat(fd)
            if not stat.S_ISREG(st.st_mode) and not stat.S_ISDIR(st.st_mode):
                raise OSError(errno.ENOTSUP, "neither file nor directory")
            with locks.hold((st.st_dev, st.st_ino)):
                st = os.fstat(fd)
                if base is not None and version_of(st) != base:
                    raise Refused(errno.ESTALE, "not what it was",
                                  now=entry(directory, path[-1], st, True))
                itself = "/proc/self/fd/%d" % fd
                if mode is not None:
                    os.chmod(itself, mode)
                if mtime_ns is not None:
                    set_mtime(itself, mtime_ns)
            return entry(directory, path[-1], os.fstat(fd), True)
        finally:
            os.close(fd)
