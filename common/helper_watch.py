"""Being told of changes, for the helper (helper_files.py says what is told).

One inotify watch for a directory, set before it is listed. A directory is full
when its changes are told to the client; every directory above it is at least
guarded, so that it is noticed when one of them is moved away, and the paths
below it lead elsewhere. So are those in a full one, as far as there is room,
for it is their own times that change with what they have.

`telling` is held from before a listing's watches are set until its answer is
sent, and by the teller while it reads what happened and tells it: so what
happened after a listing is told after it. `lock` guards the rest; it is taken
inside `telling`, and never held while anything is sent.

The watches are in the order of their last use, those above always after those
below them; the oldest go when there are too many.
"""
import collections
import json
import os
import select
import stat
import struct
import threading
import time

from helper_place import (Descriptor, Place, entry, is_local, is_told_whole,
                          libc, open_in)

WATCHES_MAX = 4096
DIRS_INSIDE_MAX = 256
NAMES_MAX = 2000
GATHER_SECONDS = 0.02  # after the first
APART_SECONDS = 0.05
READ_BYTES = 1 << 16

IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE = 0x2, 0x4, 0x8
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
IN_DELETE_SELF, IN_MOVE_SELF = 0x400, 0x800
IN_UNMOUNT, IN_Q_OVERFLOW, IN_IGNORED = 0x2000, 0x4000, 0x8000
IN_ONLYDIR, IN_EXCL_UNLINK = 0x01000000, 0x04000000
IN_MASK_ADD, IN_ISDIR = 0x20000000, 0x40000000

COMES_OR_GOES = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
GUARD = (IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF
         | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK
         | IN_MASK_ADD)
NAMES = GUARD | IN_CREATE
FULL = NAMES | IN_MODIFY | IN_CLOSE_WRITE
EVENT = struct.Struct("iIII")


class Watch:
    """Of one directory."""

    def __init__(self, number: int, identity: tuple) -> None:
        self.number = number  # inotify's
        self.identity = identity
        self.is_full = False
        self.is_hidden = False  # dot names are told, too


def parents(path: str):
    """"a/b/c": "a/b", "a", ""."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def identity(fd: int) -> tuple:
    st = os.fstat(fd)
    return st.st_dev, st.st_ino


def join(path: str, name: str) -> str:
    return path + "/" + name if path else name


def split(path: str) -> list:
    return path.encode("utf-8").split(b"/") if path else []


class Watches:
    """`send` sends an event to the client: data, buffers."""

    def __init__(self, place: Place, send) -> None:
        self.place = place
        self.send = send
        self.telling = threading.Lock()
        self.lock = threading.Lock()
        # Guarded by lock:
        self.fd = -1
        self.teller = None
        self.is_closed = False
        self.by_path = collections.OrderedDict()
        self.by_number = {}  # paths
        self.lost = []  # full ones of which nothing is told any more
        self.told = 0
        self.inside_max = DIRS_INSIDE_MAX  # of one directory
        # The teller's own: {directory: {name: it went away}}.
        self.changed = {}
        self.mounts = set()
        self.ours, self.theirs = os.pipe()
        os.set_blocking(self.ours, False)
        os.set_blocking(self.theirs, False)

    # -- for listings, with `telling` held

    def can_tell(self, fd: int) -> bool:
        with self.lock:
            return is_local(fd) and self._start_locked()

    def guard(self, path: list) -> None:
        """Notices when this directory, or one above it, goes away."""
        for n in range(len(path) + 1):
            with self.place.open(path[:n]) as fd:
                self.begin(b"/".join(path[:n]).decode("utf-8"), fd)

    def begin(self, path: str, fd: int) -> bool:
        """Watches the directory `fd`, which is to be listed now. Those above
        have begun before it was opened."""
        with self.lock:
            if not is_local(fd) or not self._start_locked() \
                    or any(p not in self.by_path for p in parents(path)):
                self._lose_locked(path)
                return False
            is_watched = self._add_locked(path, fd)
            self._make_room_locked()
            return is_watched

    def begin_inside(self, path: str, directory: int, name: bytes) -> bool:
        """Notices when a directory's own entry becomes another one by what
        comes and goes in it: the directory above it, which is listed, does not
        hear of that. False: there is no room for more."""
        inner = join(path, name.decode("utf-8"))
        with self.lock:
            if inner in self.by_path or len(self.by_path) >= WATCHES_MAX:
                return inner in self.by_path
        try:
            opened = Descriptor(open_in(directory, name,
                                        os.O_PATH | os.O_DIRECTORY))
        except OSError:
            return True
        with opened as fd, self.lock:
            if path in self.by_path and is_local(fd):
                self._add_locked(inner, fd, NAMES)
            self._make_room_locked()
        return True

    def settle(self, path: str, is_whole: bool, is_hidden: bool) -> bool:
        """It was listed; whether it is told of from now on."""
        with self.lock:
            watch = self.by_path.get(path)
            if watch is None:
                return False
            if not is_whole:
                self._demote_locked(path)
                return False
            watch.is_full, watch.is_hidden = True, is_hidden
            return True

    def _start_locked(self) -> bool:
        if self.fd < 0 and not self.is_closed:
            try:
                self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            except AttributeError:
                pass
        if self.fd >= 0 and self.teller is None:
            self.teller = threading.Thread(
                target=self._run, name="pycloud-watch", daemon=True)
            self.teller.start()
        return self.fd >= 0

    def _add_locked(self, path: str, fd: int, mask: int = FULL) -> bool:
        number = self._watch_locked(fd, mask)
        other = self.by_number.get(number, path)
        if other != path:  # it was moved here, or there are two ways to it
            self._lose_below_locked(other)
            number = self._watch_locked(fd, mask)
        watch = self.by_path.get(path)
        if watch is not None and watch.number != number:
            self._lose_below_locked(path)
            watch = None
        if number < 0:
            return False
        if watch is None:
            watch = self.by_path[path] = Watch(number, identity(fd))
            self.by_number[number] = path
        self.by_path.move_to_end(path)
        for above in parents(path):
            self.by_path.move_to_end(above)
        return True

    def _watch_locked(self, fd: int, mask: int) -> int:
        return libc.inotify_add_watch(self.fd, b"/proc/self/fd/%d" % fd, mask)

    def _make_room_locked(self) -> None:
        while len(self.by_path) > WATCHES_MAX:
            self._lose_locked(next(iter(self.by_path)))

    # -- losing

    def _lose_locked(self, path: str) -> None:
        """It is not watched any more, in any way."""
        watch = self.by_path.get(path)
        if watch is None:
            return
        self._demote_locked(path)
        del self.by_path[path]
        self.by_number.pop(watch.number, None)
        libc.inotify_rm_watch(self.fd, watch.number)

    def _demote_locked(self, path: str) -> None:
        """It is not told of any more, but guarded."""
        watch = self.by_path.get(path)
        if watch is not None and watch.is_full:
            watch.is_full = False
            self.lost.append(path)
            self._ring()

    def _lose_below_locked(self, path: str) -> None:
        prefix = path + "/" if path else ""
        for found in list(self.by_path):
            if found == path or found.startswith(prefix):
                self._lose_locked(found)

    def _lose_all_locked(self) -> None:
        for path in list(self.by_path):
            self._lose_locked(path)

    def _lose_everything_locked(self) -> None:
        self._lose_all_locked()
        self.lost = ["*"]
        self._ring()

    def unwatch(self, paths: list) -> None:
        """The client does not want to hear of them."""
        with self.lock:
            for path in paths:
                watch = self.by_path.get(path)
                if watch is not None:
                    watch.is_full = False

    def forget(self) -> None:
        """A client has come that knows of nothing."""
        with self.lock:
            self._lose_all_locked()
            self.lost = []
            self.told = 0

    def close(self) -> None:
        """Nothing is watched or told any more."""
        with self.lock:
            self.is_closed = True
            self._ring()
            teller = self.teller
        if teller is not None:
            teller.join()
        with self.lock:
            self.by_path.clear()
            self.by_number.clear()
            for fd in (self.ours, self.theirs, self.fd):
                if fd >= 0:
                    os.close(fd)
            self.ours = self.theirs = self.fd = -1

    def _ring(self) -> None:
        try:
            if self.theirs >= 0:
                os.write(self.theirs, b"!")
        except BlockingIOError:
            pass

    # -- the teller

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(self.ours, select.POLLIN)
        mountinfo = self._watch_mounts(poll)
        last = 0.0
        while not self.is_closed:
            happened = [fd for fd, _ in poll.poll()]
            now = time.monotonic()
            time.sleep(max(GATHER_SECONDS, last + APART_SECONDS - now))
            try:
                with self.telling:
                    if mountinfo in happened:
                        self._look_at_mounts(mountinfo)
                    self._take_events()
                    sent = self._tell()
            except Exception:  # zmq's; what was to be told is forgotten
                sent = 1
                with self.lock:
                    self._lose_everything_locked()
            last = time.monotonic() + APART_SECONDS * (sent - 1)
        if mountinfo >= 0:
            os.close(mountinfo)

    def _watch_mounts(self, poll) -> int:
        try:
            fd = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1
        poll.register(fd, select.POLLPRI)
        self._look_at_mounts(fd)
        return fd

    def _look_at_mounts(self, fd: int) -> None:
        """What is mounted hides what it is mounted on."""
        os.lseek(fd, 0, os.SEEK_SET)
        while os.read(fd, READ_BYTES):  # else it is reported again
            pass
        mounts = self.place.mounts() or set()
        with self.lock:
            for path in mounts ^ self.mounts:
                self._lose_below_locked(path)
                self._demote_locked(path.rpartition("/")[0])
        self.mounts = mounts

    def _take_events(self) -> None:
        try:
            os.read(self.ours, READ_BYTES)
        except BlockingIOError:
            pass
        while True:
            try:
                data = os.read(self.fd, READ_BYTES)
            except BlockingIOError:
                return
            at = 0
            with self.lock:
                while at < len(data):
                    number, mask, _, length = EVENT.unpack_from(data, at)
                    at += EVENT.size + length
                    name = data[at - length:at].rstrip(b"\0")
                    self._take_locked(number, mask, name)

    def _take_locked(self, number: int, mask: int, name: bytes) -> None:
        if mask & IN_Q_OVERFLOW:
            self._lose_everything_locked()
        path = self.by_number.get(number)
        if path is None:
            return
        if mask & IN_MOVE_SELF:
            self._lose_below_locked(path)
        elif mask & (IN_UNMOUNT | IN_DELETE_SELF | IN_IGNORED):
            self._lose_locked(path)
        elif name:
            self._take_name_locked(path, mask, name)
        elif mask & IN_ATTRIB:
            self._note_itself_locked(path)
            if not os.access(os.path.join(os.fsencode(self.place.root),
                                          path.encode("utf-8")),
                             os.R_OK | os.X_OK):
                self._lose_below_locked(path)

    def _take_name_locked(self, path: str, mask: int, name: bytes) -> None:
        watch = self.by_path[path]
        try:
            text = name.decode("utf-8")
        except UnicodeDecodeError:
            self._demote_locked(path)  # a listing counts them
            return
        if mask & IN_ISDIR and mask & COMES_OR_GOES & ~IN_CREATE:
            inner = join(path, text)
            if mask & IN_DELETE:
                self._lose_locked(inner)
            else:
                self._lose_below_locked(inner)
        if mask & COMES_OR_GOES:
            self._note_itself_locked(path)
        if not watch.is_full or name.startswith(b".") and (
                not watch.is_hidden or name in self.place.temporaries):
            return
        self._note(path, text, mask & (IN_DELETE | IN_MOVED_FROM))

    def _note_itself_locked(self, path: str) -> None:
        """Its own entry is another one now."""
        above, _, name = path.rpartition("/")
        watch = self.by_path.get(above) if path else None
        if watch is not None and watch.is_full and (
                watch.is_hidden or not name.startswith(".")):
            self._note(above, name, False)

    def _note(self, path: str, name: str, went) -> None:
        names = self.changed.setdefault(path, {})
        names[name] = names.get(name, False) or bool(went)

    def _tell(self) -> int:
        """How many events it took."""
        changed, self.changed = self.changed, {}
        if sum(map(len, changed.values())) > NAMES_MAX:
            with self.lock:
                for path in changed:
                    self._demote_locked(path)
            changed = {}
        found = []
        for path, names in changed.items():
            with self.lock:
                watch = self.by_path.get(path)
            if watch is not None and watch.is_full:
                found.extend(self._look(path, watch, names))
        if found:
            self._tell_event({"event": "changed"}, [json.dumps(
                found, ensure_ascii=False,
                separators=(",", ":")).encode("utf-8")])
        with self.lock:
            lost, self.lost = self.lost, []
        if lost:
            self._tell_event({"event": "unwatched", "dirs": lost}, None)
        return bool(found) + bool(lost)

    def _look(self, path: str, watch: Watch, names: dict) -> list:
        try:
            with self.place.open(split(path)) as fd:
                if identity(fd) == watch.identity:
                    looked = [(n, self._look_at(fd, path, watch, n, went))
                              for n, went in names.items()]
                    return [[path, n] + e for n, e in looked if e]
        except OSError:
            pass
        with self.lock:
            self._lose_below_locked(path)
        return []

    def _look_at(self, fd: int, path: str, watch: Watch, name: str,
                 went: bool):
        raw = name.encode("utf-8")
        nothing = [None, None, 0, 0, 0]
        try:
            st = os.lstat(raw, dir_fd=fd)
            if stat.S_ISDIR(st.st_mode):
                self.begin_inside(path, fd, raw)
                st = os.lstat(raw, dir_fd=fd)
        except FileNotFoundError:
            # Either it will be heard that it went, or it never had this name:
            # what is done to a file without one is heard as well.
            return nothing if went else None
        except OSError:
            return ["?"] + nothing[1:]
        if not is_told_whole(st):
            with self.lock:
                self._demote_locked(path)
        try:
            return entry(fd, raw, st, watch.is_hidden) or nothing
        except OSError:
            return ["?"] + nothing[1:]

    def _tell_event(self, event: dict, buffers) -> None:
        with self.lock:
            number = self.told + 1
        try:
            self.send(dict(event, told=number), buffers)
        finally:
            with self.lock:
                self.told = number
