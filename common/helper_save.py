"""Saves that are all or nothing, for the helper (helper_files.py says how they
are asked for).

What is to be saved is put together in a temporary beside the target, made like
the file that is there, and takes its place if what is there is still what the
client thinks it is. That last look and the change are done by one save of a
file at a time, and not when its client has given it up by then: it may have
saved something newer since, in whatever way. Where the new file could not be
like the old one (other names lead to it, it is mounted there, somebody else's,
or nothing can be created beside it), the old one is written to instead, and
also where only one page of it changes: this nobody sees half of.
"""
import contextlib
import errno
import os
import stat
import threading
import time

from helper_attr import Wish
from helper_place import (Place, Refused, attributes, components, entry,
                          is_local, microseconds, open_file, open_in, version)
from helper_temporary import NOT_HERE, Temporary, copy, write_all
from helper_upload import Uploads

PAGE_BYTES = 4096
LINKS_MAX = 8


class Bytes:
    """What is to be written, from the call itself or from pieces."""

    def __init__(self, data, upload) -> None:
        self.data = data
        self.upload = upload

    def put(self, start: int, length: int, target: int, at: int) -> None:
        if self.upload is None:
            write_all(target, memoryview(self.data)[start:start + length], at)
        else:
            copy(self.upload.temporary.fd, start, target, at, length)

    def read(self, start: int, length: int) -> bytes:
        if self.upload is None:
            return self.data[start:start + length]
        return os.pread(self.upload.temporary.fd, length, start)


class Change:
    """What a save asks for, checked."""

    def __init__(self, call: dict) -> None:
        self.size = int(call["size"])
        self.condition = call["condition"]
        self.base = call["base"]
        self.ranges = call["ranges"]
        self.is_synced = bool(call["sync"])
        self.is_owners = bool(call.get("owner"))
        self.wish = Wish(call)
        self.until = call["received"] + call["within_ms"] / 1000
        if call.get("until_ms") is not None:
            self.until = min(self.until, call["until_ms"] / 1000)
        end = 0
        for start, length in self.ranges or []:
            if start < end or length <= 0:
                raise ValueError("ranges must be in order and apart")
            end = start + length
        if self.condition not in ("any", "version", "absent") \
                or not 0 <= end <= self.size \
                or (self.condition == "version") != (self.base is not None) \
                or self.ranges is not None and self.base is None:
            raise ValueError("not a change")

    def bytes(self) -> int:
        """How many there must be."""
        if self.ranges is None:
            return self.size
        return sum(length for _, length in self.ranges)

    def old_size(self) -> int:
        return self.base[0]

    def page(self):
        """(start, length) of what changes, if this is one page of the file or
        less, and the rest of it stays where it is; else None."""
        if not self.ranges or self.size < self.old_size():
            return None
        start = self.ranges[0][0]
        end = sum(self.ranges[-1])
        if start // PAGE_BYTES != (end - 1) // PAGE_BYTES or (
                self.size != self.old_size()
                and (end != self.size or start > self.old_size())):
            return None
        return start, end - start


class Target:
    """The name to be saved to, by its directory; `shown`, when this is a link
    that leads to it: the link's, which is what listings show."""

    def __init__(self, place: Place, path: list) -> None:
        self.place = place
        self.name = path[-1]
        self.opened = [place.open(path[:-1])]
        self.directory = self.opened[-1].fd
        self.shown = None
        try:
            self._follow(path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for descriptor in self.opened:
            os.close(descriptor.fd)

    def _follow(self, path: list) -> None:
        for _ in range(LINKS_MAX):
            st = self.look()
            if st is None or not stat.S_ISLNK(st.st_mode):
                return
            if self.shown is None:
                self.shown = (self.directory, self.name)
            path = self._read_link(path)
            self.opened.append(self.place.open(path[:-1]))
            self.directory, self.name = self.opened[-1].fd, path[-1]
        raise OSError(errno.ENOTSUP, "too many links")

    def _read_link(self, path: list) -> list:
        """The workspace path a link leads to, if it is one."""
        text = os.readlink(self.name, dir_fd=self.directory)
        root = os.path.join(os.fsencode(os.path.realpath(self.place.root)),
                            b"")
        path = path[:-1]
        if text.startswith(b"/"):
            if not text.startswith(root):
                raise OSError(errno.ENOTSUP, "a link out of the workspace")
            text, path = text[len(root):], []
        names = text.split(b"/")
        while names and names[0] in (b"..", b"."):
            if names.pop(0) == b"..":
                if not path:
                    raise OSError(errno.ENOTSUP, "a link out of the workspace")
                path.pop()
        if not names or any(n in (b"", b".", b"..") for n in names):
            raise OSError(errno.ENOTSUP, "a link too winding")
        return path + names

    def is_writable(self) -> bool:
        return os.access(self.name, os.W_OK, dir_fd=self.directory)

    def look(self):
        try:
            return os.lstat(self.name, dir_fd=self.directory)
        except FileNotFoundError:
            return None

    def check(self, change: Change):
        """The lstat of what is there, None: nothing; if the save may be."""
        directory, name = self.shown or (self.directory, self.name)
        try:
            shown = os.lstat(name, dir_fd=directory)
        except FileNotFoundError:
            shown = None
        st = shown if self.shown is None else self.look()
        if shown is not None and stat.S_ISDIR(shown.st_mode) \
                or st is not None and stat.S_ISDIR(st.st_mode):
            raise OSError(errno.EISDIR, "a directory")
        if change.condition == "absent" and shown is not None \
                or change.condition == "version" and (
                    shown is None or version(shown) != change.base):
            raise self.stale()
        if st is not None and not stat.S_ISREG(st.st_mode):
            raise OSError(errno.ENOTSUP, "not a regular file")
        return st

    def stale(self) -> Refused:
        directory, name = self.shown or (self.directory, self.name)
        try:
            now = entry(directory, name, os.lstat(name, dir_fd=directory),
                        True)
        except FileNotFoundError:
            now = None
        return Refused(errno.ESTALE, "not what it was", now=now)

    def check_again(self, change: Change, seen):
        """As check(), directly before the change; `seen`: what it said when
        the save began. EAGAIN: somebody else was quicker."""
        if time.monotonic() >= change.until:
            raise OSError(errno.ECANCELED, "nobody waits for it any more")
        st = self.check(change)
        if (st is None) != (seen is None) or st is not None and (
                identity(st) != identity(seen) or change.condition == "any"
                and version(st) != version(seen)):
            raise OSError(errno.EAGAIN, "replaced meanwhile")
        return st

    def open(self, flags: int, st) -> int:
        """The file that was looked at."""
        fd, now = open_file(self.directory, self.name, flags)
        if (now.st_dev, now.st_ino) == (st.st_dev, st.st_ino):
            return fd
        os.close(fd)
        raise OSError(errno.EAGAIN, "replaced meanwhile")

    def entry(self, written) -> list:
        """What to answer: the version that was written, whatever has become
        of it in the meantime."""
        directory, name = self.shown or (self.directory, self.name)
        try:
            st = os.lstat(name, dir_fd=directory)
        except OSError:  # it is done, whatever we may see of it
            st = written
        found = entry(directory, name, st, True)
        if self.shown is None or found is None:
            made = version(written)
            found = ["f", *made, microseconds(max(
                st.st_ctime, written.st_ctime)), found[4] if found else 0,
                attributes(written, made[1], None)]
        return found

    def sync(self) -> None:
        """Of what is done. Not every directory can be: some may not be
        opened, some file systems know no such thing."""
        try:
            fd = open_in(self.directory, b".", os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return
        try:
            os.fsync(fd)
        except OSError:
            pass
        finally:
            os.close(fd)


class Locks:
    """One for each key that somebody holds, or waits for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held = {}  # key: [lock, how many want it]; guarded by lock

    @contextlib.contextmanager
    def hold(self, key):
        with self.lock:
            found = self.held.setdefault(key, [threading.Lock(), 0])
            found[1] += 1
        try:
            with found[0]:
                yield
        finally:
            with self.lock:
                found[1] -= 1
                if found[1] == 0:
                    del self.held[key]


class Saves:
    """Any thread may save."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.uploads = Uploads(place)
        self.locks = Locks()  # of files, from the last look to the change
        self.lock = threading.Lock()  # the same of names; inside a file's

    def save(self, call: dict, data=None) -> list:
        """The entry that it is now."""
        change = Change(call)
        path = components(call["path"])
        if not path:
            raise OSError(errno.EISDIR, "the root")
        if call["file"] is None:
            if len(data) != change.bytes():
                raise ValueError("not as many bytes as promised")
            return self._save(path, change, Bytes(data, None))
        upload = self.uploads.take(call["file"], change.bytes())
        try:
            found = self._save(path, change, Bytes(None, upload))
        except BaseException:
            self.uploads.give_back(call["file"], upload)
            raise
        upload.close()
        return found

    def _save(self, path: list, change: Change, source: Bytes) -> list:
        for is_last in (False, False, True):
            target = Target(self.place, path)
            try:
                return self._save_once(target, change, source)
            except OSError as e:
                if e.errno != errno.EAGAIN:
                    raise
                # What came meanwhile may be newer than this.
                if change.condition == "any":
                    raise target.stale() from None
                if is_last:
                    raise
            finally:
                target.close()

    def _save_once(self, target: Target, change: Change,
                   source: Bytes) -> list:
        """EAGAIN: somebody else was quicker."""
        if target.shown and change.ranges is not None:
            raise OSError(errno.ENOTSUP, "a link, of which versions "
                          "say nothing")
        st = target.check(change)
        if st is not None and not target.is_writable() and not (
                change.is_owners and is_own_read_only(st)):
            raise OSError(errno.EACCES, "not writable")
        return target.entry(self._write(target, change, source, st))

    def _write(self, target: Target, change: Change, source: Bytes, st):
        """The stat of what was written."""
        if change.ranges is not None and target.is_writable() and (
                change.page() or (not change.ranges
                                  and change.size == st.st_size)):
            with self._alone(st):
                return self._write_page(target, change, source, st)
        if st is not None and st.st_nlink > 1:
            return self._write_in_place(target, change, source, st)
        temporary = self._begin(target, change, source)
        try:
            written = None
            if temporary.is_beside:
                written = self._swap(target, change, source, temporary, st)
            elif st is None:
                raise OSError(errno.EACCES, "nothing can be created there")
        finally:
            if source.upload is None or source.upload.temporary != temporary:
                temporary.close()
        if written is None:
            return self._write_in_place(target, change, source, st)
        return written

    def _alone(self, seen):
        """With what was seen at the name, which the last look finds there
        again; whoever creates a file is refused by the system where one is."""
        if seen is None:
            return contextlib.nullcontext()
        return self.locks.hold((seen.st_dev, seen.st_ino))

    # -- another file takes its place

    def _begin(self, target: Target, change: Change,
               source: Bytes) -> Temporary:
        if source.upload is not None and change.ranges is None:
            return source.upload.temporary
        return Temporary(self.place, target.directory)

    def _fill(self, fd: int, old: int, change: Change, source: Bytes) -> None:
        """Puts the new file together; `old`: the old one's, or -1."""
        if change.ranges is None:
            if source.upload is None:
                source.put(0, change.size, fd, 0)
            else:
                os.utime(fd)  # the pieces may have come long ago
            return
        copy(old, 0, fd, 0, min(change.old_size(), change.size))
        os.ftruncate(fd, change.size)
        put_ranges(fd, change, source)

    def _swap(self, target: Target, change: Change, source: Bytes,
              temporary: Temporary, st):
        """None: not to be done so."""
        fd = temporary.fd
        if st is None:
            self._fill(fd, -1, change, source)
            temporary.be_new()
        else:
            old = target.open(os.O_RDONLY, st)
            try:
                self._fill(fd, old, change, source)
                if not temporary.be_like(old):
                    return None
            finally:
                os.close(old)
            make_newer(fd, st)
        change.wish.set_mode(fd)
        # What is not local may choose the times when it writes at last.
        if change.is_synced or not is_local(fd):
            os.fsync(fd)
        change.wish.set_mtime(fd)
        if st is not None:
            make_newer(fd, st)
        written = os.fstat(fd)
        with self._alone(st), self.lock:
            if not self._change_names(target, change, temporary, st):
                return None
        if change.is_synced:
            target.sync()
        return stat_after(fd, written)

    @staticmethod
    def _change_names(target: Target, change: Change, temporary: Temporary,
                      seen) -> bool:
        st = target.check_again(change, seen)
        try:
            if st is None:
                temporary.become(target.directory, target.name)
            elif st.st_nlink > 1:
                return False
            else:
                temporary.replace(target.directory, target.name)
        except FileExistsError:
            target.check(change)  # which says what has come
            raise OSError(errno.EAGAIN, "created meanwhile") from None
        except OSError as e:
            if st is None or e.errno not in NOT_HERE | {errno.EBUSY,
                                                        errno.EXDEV}:
                raise
            return False
        return True

    # -- the file itself is written to

    def _write_in_place(self, target: Target, change: Change, source: Bytes,
                        seen):
        with self._alone(seen):
            st = target.check_again(change, seen)
            fd = target.open(os.O_RDWR, st)
            try:
                make_room(fd, st.st_size, change.size)
                if change.ranges is None:
                    source.put(0, change.size, fd, 0)
                else:
                    put_ranges(fd, change, source)
                os.ftruncate(fd, change.size)
                return self._end_in_place(fd, change, st)
            finally:
                os.close(fd)

    def _write_page(self, target: Target, change: Change, source: Bytes,
                    seen):
        st = target.check_again(change, seen)
        fd = target.open(os.O_RDWR, st)
        try:
            if change.ranges:
                start, length = change.page()
                page = bytearray(os.pread(fd, length, start))
                page.extend(bytes(length - len(page)))
                at = 0
                for begin, count in change.ranges:
                    page[begin - start:begin - start + count] = source.read(
                        at, count)
                    at += count
                if os.pwrite(fd, page, start) != length:
                    raise OSError(errno.EIO, "could not be written at once")
            return self._end_in_place(fd, change, st)
        finally:
            os.close(fd)

    @staticmethod
    def _end_in_place(fd: int, change: Change, st):
        change.wish.set_mode(fd)
        make_newer(fd, st)
        if change.is_synced or not is_local(fd):
            os.fsync(fd)
        change.wish.set_mtime(fd)
        make_newer(fd, st)
        return os.fstat(fd)


def identity(st) -> tuple:
    return st.st_dev, st.st_ino, st.st_mode, st.st_uid, st.st_gid


def is_own_read_only(st) -> bool:
    return st.st_uid == os.geteuid() and not st.st_mode & stat.S_IWUSR


def put_ranges(fd: int, change: Change, source: Bytes) -> None:
    at = 0
    for start, length in change.ranges:
        source.put(at, length, fd, start)
        at += length


def make_room(fd: int, size: int, wanted: int) -> None:
    """Before anything is overwritten: ENOSPC must come first."""
    if wanted <= size:
        return
    try:
        os.posix_fallocate(fd, size, wanted - size)
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            os.ftruncate(fd, size)
            raise


def make_newer(fd: int, old) -> None:
    """The clock of files ticks slowly: two versions of the same size and time
    would be the same to everybody."""
    st = os.fstat(fd)
    if version(st) != version(old):
        return
    try:
        os.utime(fd, ns=(st.st_atime_ns, st.st_mtime_ns + 2000))
    except PermissionError:  # somebody else's: only `now` can be set
        time.sleep(0.01)
        os.utime(fd)


def stat_after(fd: int, written):
    """Its own names have changed since, and so did its ctime."""
    now = os.fstat(fd)
    return now if version(now) == version(written) else written
