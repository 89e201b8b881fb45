"""The record of a run, as its supervisor writes it.

A byte stream, of which a reader knows any part by its *record offset*; frames
of one byte (the kind), four bytes length (big endian), and the bytes:

    1 stdout   as the child wrote them
    2 stderr
    3 mark     "R O E": R is the record offset of the byte right after this
               frame, O and E how many bytes of stdout and of stderr the child
               had written before this point, kept or not
    4 figure   name, NUL, a piece of its PNG; a piece without bytes ends it

It lies in segments, files `log.R`, R being the record offset of the first
byte. Each begins with a mark, and a figure is never in two of them. When there
are more than output_max bytes the oldest segments go, so the tail is kept.
What a full disk did not take shows as a jump in the mark that follows it.

Readers look at the files while they grow: what was written is never taken
back. A frame that found the disk full half-way is completed later; `room`, a
file as large as any frame, is given up for the last one.
"""
import os
import struct

FRAME = struct.Struct(">BI")
STDOUT, STDERR, MARK, FIGURE = 1, 2, 3, 4
SEGMENTS = 8
OUTPUT_MIN = 64 * 1024
PIECE_BYTES = 64 * 1024
ROOM_BYTES = PIECE_BYTES + 4096


class Log:
    """The segments of one run. A full disk makes gaps, no harm."""

    def __init__(self, folder: bytes, output_max: int) -> None:
        self.folder = folder
        self.output_max = max(output_max, OUTPUT_MIN)
        self.segment_max = self.output_max // SEGMENTS
        self.counts = {STDOUT: 0, STDERR: 0}
        self.length = 0  # of the record, self.rest included
        self.rest = b""  # of the last frame; the disk did not take it yet
        self.is_gap = False
        self.segments = []
        self.fd = -1
        with open(self._path(b"room"), "wb") as f:
            f.write(bytes(ROOM_BYTES))
        self._begin_segment()

    def write(self, stream: int, data: bytes) -> None:
        """Records what the child wrote, or counts it as lost."""
        size = min(PIECE_BYTES, self.segment_max)
        for at in range(0, len(data), size):
            piece = data[at:at + size]
            if self._is_ready():
                self._put(stream, piece)
            else:
                self.is_gap = True
            self.counts[stream] += len(piece)

    def has_space(self, size: int) -> bool:
        """Would a figure of that size fit, on the disk and in the record?"""
        disk = os.statvfs(self.folder)
        return (self._is_ready() and size < self.output_max
                and size + ROOM_BYTES < disk.f_bavail * disk.f_frsize)

    def write_figure(self, name: bytes, fd: int, size: int) -> bool:
        """Records a PNG. Without its end it is none: False."""
        if self.length - self.segments[-1] + size > self.segment_max:
            self._begin_segment()
        while True:
            data = os.read(fd, PIECE_BYTES)
            if not self._is_whole():
                return False
            self._put(FIGURE, name + b"\0" + data)
            if not data:
                return True

    def close(self) -> int:
        """Ends the record; its length."""
        for _ in range(2):
            if self._is_whole() and self.is_gap:
                self._put_mark()
            if not self.rest:
                break
            self._give_up_room()
        self._give_up_room()
        os.close(self.fd)
        return self.length - len(self.rest)

    def _is_ready(self) -> bool:
        """Makes the log ready for the next frame; False: the disk is full."""
        if not self._is_whole():
            return False
        if self.length - self.segments[-1] >= self.segment_max:
            self._begin_segment()
        if self.is_gap and not self.rest:
            self._put_mark()
        return not self.rest

    def _is_whole(self) -> bool:
        """Completes the last frame, if it can be."""
        try:
            while self.rest:
                self.rest = self.rest[os.write(self.fd, self.rest):]
        except OSError:
            return False
        return True

    def _put(self, kind: int, data: bytes) -> None:
        self.rest = FRAME.pack(kind, len(data)) + data
        self.length += len(self.rest)
        self._is_whole()
        while (self.length - self.segments[0] > self.output_max
               and len(self.segments) > 1):
            self._remove(b"log.%d" % self.segments.pop(0))

    def _put_mark(self) -> None:
        text = b""
        while True:  # the text names the offset after itself
            size = len(text)
            text = b"%d %d %d" % (self.length + FRAME.size + size,
                                  self.counts[STDOUT], self.counts[STDERR])
            if len(text) == size:
                break
        self.is_gap = False
        self._put(MARK, text)

    def _begin_segment(self) -> None:
        try:
            fd = os.open(self._path(b"log.%d" % self.length),
                         os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            if self.fd < 0:
                raise
            return  # no inode is left; this segment grows
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = fd
        self.segments.append(self.length)
        self._put_mark()

    def _give_up_room(self) -> None:
        self._remove(b"room")

    def _remove(self, name: bytes) -> None:
        try:
            os.unlink(self._path(name))
        except OSError:
            pass

    def _path(self, name: bytes) -> bytes:
        return os.path.join(self.folder, name)
