"""The record of a run (supervisor_log.py), as the helper reads it: by record
offset, from segments that come and go meanwhile.
"""
import bisect
import errno
import os
import re

SEGMENT = re.compile(r"log\.(\d+)$")
LOOKS = 16


class Record:
    """Used by one thread."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.starts = []
        self.start = 0  # of the open segment
        self.fd = -1

    def look(self) -> int:
        """Sees which segments there are; the record's length."""
        for _ in range(LOOKS):
            found = map(SEGMENT.match, os.listdir(self.folder))
            self.starts = sorted(int(m.group(1)) for m in found if m)
            if self.fd >= 0 and self.start not in self.starts:
                self.close()
            if not self.starts:
                return 0
            try:
                last = self.starts[-1]
                return last + os.stat(self._path(last)).st_size
            except FileNotFoundError:
                pass  # two segments later by now
        raise OSError(errno.EIO, "the record does not hold still")

    def read(self, offset: int, size: int) -> tuple:
        """(offset, bytes, is_skipped): up to `size` bytes of one segment, from
        `offset`, or from the oldest that is kept."""
        for _ in range(LOOKS):
            if not self.starts:
                break
            is_skipped = offset < self.starts[0]
            begin = max(offset, self.starts[0])
            try:
                self._open(self.starts[bisect.bisect(self.starts, begin) - 1])
            except FileNotFoundError:
                self.look()
                continue
            data = os.pread(self.fd, size, begin - self.start)
            if data:
                return begin, data, is_skipped
            self.look()
        raise OSError(errno.EIO, "a hole in the record")

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _open(self, start: int) -> None:
        if self.fd < 0 or start != self.start:
            self.close()
            self.fd = os.open(self._path(start), os.O_RDONLY)
            self.start = start

    def _path(self, start: int) -> str:
        return os.path.join(self.folder, "log.%d" % start)
