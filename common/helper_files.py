"""The workspace's files, for the helper (helper.py): what the contents API
cannot do, or only one file at a time.

Paths are the workspace's: "" is its root, "a/b" a name below it, in UTF-8. A
path is walked one component at a time by directory descriptors, and no link is
followed on the way, so nothing leads out of the workspace, not even what is
changed meanwhile. ENOTSUP says: this is not for us (a link, a FIFO), ask the
contents API. Errors that belong to what a path names are errno's, as always.

An entry is [kind, size, mtime_us, ctime_us, writable, attr], and says what the
contents API would: kind "f" or "d" is what a link leads to, all else is the
link's own; size is null for a directory; the times are microseconds since the
epoch, rounded as datetime.fromtimestamp rounds a float (0 for years that it
does not know; what has a time that JSON would round is not for us, nor is a
directory that has it); writable is 0 or 1. attr is what it would not say:
[mode, uid, gid, nlink, ns, target] as of lstat: the permission bits; ns is
what mtime_us lacks of the time in nanoseconds; target is where a link leads,
null where that is not UTF-8, or it is none. A version is [size, mtime_us] of a
file.

From the client. All with an `id` but those marked with -; `buf` is the first
binary buffer. What only reads may be repeated: it is done again.

    prove     {} -> {"ctime_us", "tells", "uid", "told", "now_ms"}
                  changes the root's ctime, and nothing else, and says what it
                  is now: the contents API must say the same. tells: watching
                  can work here. now_ms: of the clock that saves go by
    list_tree {top, after, entries_max, hidden, watch}
              -> {"all", "next", "told"} buf
                  buf is JSON: [[path, watched, dropped, [[name, (an entry's
                  members)], ...]], ...] of `top` and the directories below it
                  (not through links), in the order of a walk: a directory, all
                  below it, its next sibling, names by their bytes. Those
                  before `after` are left out, `after` itself is not ("" or
                  top: nothing is). Ends after the directory with which there
                  are entries_max entries, or before the one that would make
                  the answer larger than 4 MiB. all: there are no more; else
                  next is where to go on: the next call's `after`. A directory
                  that cannot be listed (or fits in no answer) is left out,
                  which for `top` is an error (EFBIG where it does not fit).
                  Names that are not UTF-8 are counted in dropped. hidden: dot
                  names, too. watched: 1 if from before it was read every
                  change of these entries is told; never with "watch": false
    read_many {paths, bytes_max}
              -> {"files": [[error name or "", size, mtime_us, ctime_us,
                  length], ...]} buf
                  all bytes, one file after the other. EFBIG: did not fit any
                  more (nor will more than 4 MiB together, ever); EAGAIN: was
                  written to meanwhile. A path that is none: EINVAL for all
    read      {path, offset, length} -> {"size", "mtime_us"} buf
                  at most 4 MiB
    stat      {path} -> {"kind", "size", "mtime_us", "ctime_us", "writable",
                  "attr", "told"}
    piece   - {file, path, offset} buf
                  a piece of a save of `path`. `file`: a name of the client's
                  choice, the same in each of its pieces and in the save. Kept
                  for two minutes after the last one; at most eight files, the
                  oldest goes. What goes wrong is told by the save. With an
                  id it is answered when it was put, for who wants to have few
                  on their way: they wait in the kernel's memory
    save      {path, size, condition, base, file, ranges, sync, within_ms,
              until_ms, mode, mtime, owner} [buf]
              -> {"kind", "size", "mtime_us", "ctime_us", "writable", "attr"}
                  condition "any", "version" (what is there must have the
                  version `base`, of a file) or "absent". Else ESTALE with
                  "now": an entry, or null when nothing is there. The bytes are
                  buf, or the pieces when `file` is not null (EAGAIN: not all
                  are there). ranges: null, or with "version" [[start, length],
                  ...], in order and apart: these follow each other in the
                  bytes, the rest is as in the old file. sync: to the disk
                  before the answer. The pieces are kept until a save went
                  well, or one of them had not. EISDIR: a directory is there;
                  EAGAIN: others write there all the time (with "any", which
                  does not say whose is newer, this is ESTALE at once);
                  ENOTSUP: a link out of the workspace, or with ranges;
                  ECANCELED: could not be done within_ms of when the call came,
                  or before until_ms of prove's clock (not given: any time), as
                  a call may be long on its way; and nothing is changed. mode,
                  mtime: as of setattr, and given to the file as far as that
                  can be done: the answer tells. owner: true lets what only
                  lacks its owner's permission to write be replaced, for
                  whoever had it open before it did
    setattr   {path, base, mode, mtime}
              -> {"kind", "size", "mtime_us", "ctime_us", "writable", "attr"}
                  of a file or directory, not of a link (ENOTSUP). mode: the
                  permission bits; mtime: [seconds, ns]; null or missing:
                  stays. base: null, or the version that it must have (a
                  directory's with null for a size), else ESTALE with "now" as
                  of save. ENOTSUP: a time that an entry could not tell
    unwatch - {dirs}

What POSIX has besides (helper_posix.py). What changes something is not done
later than within_ms after the call came (ECANCELED). ENOTSUP also: this file
system cannot.

    volume    {} -> {"block_bytes", "blocks", "free", "available", "files",
                  "files_free", "name_max"}
    rename    {from, to, how, within_ms} -> {"to", "from", "same"}
                  rename(2), renameat2(2). how: "over", "not over" (EEXIST) or
                  "exchange". Both are an entry; from only when exchanged.
                  same: with "over", both were names of one file and stay
    link      {from, to, within_ms} -> {"to", "from"}
                  link(2) of a regular file
    xattrs    {dir} -> {"all"} buf
                  buf is JSON: [[name, [attribute, ...]], ...] of the names in
                  the directory that have any, and of "", which is its own.
                  Attributes are those of the user's (user.*, without pycloud's
                  own), and so they are below. Not all, when it is too large
    getxattr  {path, name} -> {} buf
                  ENODATA: there is none
    setxattr  {path, name, how, within_ms} [buf]
                  how: "any", "create" (EEXIST) or "replace" (ENODATA)
    removexattr {path, name, within_ms}

To the client, each with "told": how many of these two were sent since the
client came, with this one. Some answers say it, too: at least so many were
sent before them. A gap means that the server dropped one.

    {"event": "changed", "told"} buf
                  JSON: [[dir, name, (an entry's members)], ...] of what
                  changed in watched directories: an entry as it is now, or
                  kind null (nothing is there that a listing would show) or "?"
                  (cannot be said: ask). Each name once, gathered for at most
                  50 ms
    {"event": "unwatched", "told", "dirs"}
                  of these, and not of those below them, nothing is told any
                  more; "*": of all. It may be said of what has been listed and
                  is watched again since

Not told: what is written through a mapping until it is unmapped and closed,
and through another name that a file gets (link(2)) where nobody watches. Nor
that the times of a directory are others by what comes and goes in it, when it
is not watched itself and very many others are.

Threads: four that do the calls, at a lower priority than the kernel's own; the
teller (helper_watch.py). Both are started when they are needed. Pieces are put
by the four, too, and a save waits for those that came before it.
"""
import contextlib
import errno
import os
import queue
import threading
import time

from helper_attr import set_attributes
from helper_place import Place, components, open_file, times, version
from helper_posix import Posix
from helper_save import Saves
from helper_tree import Walk
from helper_watch import Watches

THREADS = 4
NICE = 5
READ_BYTES = 4 << 20
# So many bytes of pieces wait for a thread; more are put by the one that
# brings them, which keeps the client from sending.
WAITING_BYTES = 4 << 20
REAP_SECONDS = 30.0
ENTRY_NAMES = ("kind", "size", "mtime_us", "ctime_us", "writable", "attr")


class Files:
    """`answer(verb, call, buffers, comm)` does a call and answers it, `send`
    sends an event. Threads are started when they are needed."""

    def __init__(self, root: str, answer, send) -> None:
        self.place = Place(root)
        self.watches = Watches(self.place, send)
        self.saves = Saves(self.place)
        self.posix = Posix(self.place, self.saves)
        self.answer = answer
        self.calls = queue.Queue()
        self.is_started = False
        self.is_closed = False
        self.lock = threading.Lock()
        self.waiting_bytes = 0  # guarded by lock

    def open(self) -> None:
        """A client has come, the one before is gone."""
        self.watches.forget()
        self.saves.uploads.forget()

    def close(self) -> None:
        self.is_closed = True
        for _ in range(THREADS if self.is_started else 0):
            self.calls.put((self.saves.uploads.forget,))  # and look
        self.watches.close()

    def verb(self, name: str):
        return getattr(self, "call_" + name, None) or self.posix.verb(name)

    # -- threads

    def post(self, verb, call: dict, buffers: list, comm) -> None:
        """Has a call done by another thread; only the kernel's own calls."""
        call["received"] = time.monotonic()
        if call["call"] == "piece":
            self._post_piece(call, buffers, comm)
        else:
            self._put(self._do, verb, call, buffers, comm)

    def _post_piece(self, call: dict, buffers: list, comm) -> None:
        if len(buffers) != 1 or not isinstance(call.get("file"), str):
            return
        upload = self.saves.uploads.announce(call["file"])
        size = len(buffers[0])
        with self.lock:
            is_inline = self.waiting_bytes + size > WAITING_BYTES
            self.waiting_bytes += 0 if is_inline else size
        if is_inline:
            self._put_piece(upload, call, buffers, comm)
        else:
            self._put(self._put_waiting_piece, upload, call, buffers, comm)

    def _put_waiting_piece(self, upload, call: dict, buffers: list,
                           comm) -> None:
        try:
            self._put_piece(upload, call, buffers, comm)
        finally:
            with self.lock:
                self.waiting_bytes -= len(buffers[0])

    def _put_piece(self, upload, call: dict, buffers: list, comm) -> None:
        def put(piece: dict, data: bytes) -> None:
            self.saves.uploads.put(upload, piece, data)
        self.answer(put, call, buffers, comm)

    def _put(self, *call) -> None:
        if not self.is_started:
            self.is_started = True
            for _ in range(THREADS):
                threading.Thread(target=self._work, name="pycloud-files",
                                 daemon=True).start()
        self.calls.put(call)

    def _do(self, verb, call: dict, buffers: list, comm) -> None:
        with self._order(call):
            self.answer(verb, call, buffers, comm)

    def _order(self, call: dict):
        """What is told of a directory must come after its listing."""
        if call["call"] == "list_tree" and call.get("watch"):
            return self.watches.telling
        return contextlib.nullcontext()

    def _work(self) -> None:
        try:  # on Linux, 0 is this thread alone
            os.setpriority(os.PRIO_PROCESS, 0,
                           os.getpriority(os.PRIO_PROCESS, 0) + NICE)
        except OSError:
            pass
        has_uploads = False
        while not self.is_closed:
            try:
                function, *args = self.calls.get(
                    timeout=REAP_SECONDS if has_uploads else None)
                function(*args)
            except queue.Empty:
                pass
            except Exception:  # zmq's; the client will ask again
                pass
            function = args = None  # bytes are not kept while asleep
            has_uploads = self.saves.uploads.reap()

    # -- verbs

    def _told(self, reply: dict) -> dict:
        reply["told"] = self.watches.told
        return reply

    def call_prove(self, _call: dict) -> dict:
        told = self._told({})
        with self.place.open([], os.O_RDONLY) as fd:
            tells = self.watches.can_tell(fd)
        return dict(told, ctime_us=self.place.prove(), tells=tells,
                    uid=os.geteuid(), now_ms=int(time.monotonic() * 1000))

    def call_stat(self, call: dict) -> dict:
        told = self._told({})
        return dict(told, **named(self.place.entry(components(call["path"]))))

    def call_list_tree(self, call: dict) -> tuple:
        reply, buffers = Walk(self.place, self.watches, call).run()
        return self._told(reply), buffers

    def call_read(self, call: dict) -> tuple:
        length = min(int(call["length"]), READ_BYTES)
        with Reader(self.place) as reader:
            st, data = reader.read(call["path"], int(call["offset"]), length)
        size, mtime = version(st)
        return {"size": size, "mtime_us": mtime}, [data]

    def call_read_many(self, call: dict) -> tuple:
        left = min(int(call["bytes_max"]), READ_BYTES)
        files, pieces = [], []
        with Reader(self.place) as reader:
            for path in call["paths"]:
                try:
                    st, data = reader.read(path, 0, None, left)
                    when = times(st)
                except OSError as e:
                    name = errno.errorcode.get(e.errno, "EIO")
                    files.append([name, 0, 0, 0, 0])
                    continue
                left -= len(data)
                pieces.append(data)
                files.append(["", st.st_size, *when, len(data)])
        return {"files": files}, [b"".join(pieces)]

    def call_save(self, call: dict, data=None) -> dict:
        return named(self.saves.save(call, data))

    def call_setattr(self, call: dict) -> dict:
        return named(set_attributes(self.place, call, self.saves.locks))

    def call_unwatch(self, call: dict) -> None:
        self.watches.unwatch(call["dirs"])

    def call_piece(self, _call: dict, _data: bytes) -> None:
        """Is not called: post() knows where pieces go."""


def named(entry: list) -> dict:
    return dict(zip(ENTRY_NAMES, entry))


class Reader:
    """Reads files; those of one directory, one after the other, from the same
    descriptor."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.parent = None
        self.directory = None

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        if self.directory is not None:
            os.close(self.directory.fd)

    def read(self, path: str, offset: int, length,
             bytes_max: int = READ_BYTES) -> tuple:
        """(stat, bytes) of one version; `length` None: all of it."""
        components(path)
        parent, _, name = path.rpartition("/")
        if not name:
            raise OSError(errno.EISDIR, "the root")
        if parent != self.parent or self.directory is None:
            opened = self.place.open(components(parent))
            self.__exit__()
            self.parent, self.directory = parent, opened
        return read_file(self.directory.fd, name.encode("utf-8"), offset,
                         length, bytes_max)


def read_file(directory: int, name: bytes, offset: int, length,
              bytes_max: int) -> tuple:
    fd, st = open_file(directory, name, os.O_RDONLY)
    try:
        if length is None:
            length = st.st_size
        if length > bytes_max:
            raise OSError(errno.EFBIG, "does not fit")
        if offset < 0 or length < 0:
            raise OSError(errno.EINVAL, "no such bytes")
        data = read_all(fd, offset, min(length, max(0, st.st_size - offset)))
        now = os.fstat(fd)
        if (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (
                st.st_size, st.st_mtime_ns, st.st_ctime_ns):
            raise OSError(errno.EAGAIN, "written to meanwhile")
        return st, data
    finally:
        os.close(fd)


def read_all(fd: int, offset: int, length: int) -> bytes:
    data = os.pread(fd, length, offset)
    while len(data) < length:
        more = os.pread(fd, length - len(data), offset + len(data))
        if not more:
            raise OSError(errno.EAGAIN, "has become shorter")
        data += more
    return data
