"""What a save (helper_save.py) is made of when it comes in pieces, which are
not answered: each belongs to a file in the making that the client has named.
"""
import collections
import errno
import threading
import time

from helper_place import Place, components
from helper_temporary import Temporary, write_all

UPLOADS_MAX = 8
UPLOAD_SECONDS = 120.0


class Upload:
    """The pieces of a save, of which some may be on their way through the
    threads (`coming`). Guarded by its Uploads' condition, but for the file."""

    def __init__(self) -> None:
        self.temporary = None
        self.lock = threading.Lock()  # of opening it
        self.have = []  # [start, end] of what is there, in order and apart
        self.coming = 0
        self.error = None
        self.then = time.monotonic()

    def add(self, start: int, end: int) -> None:
        joined = []
        for a, b in sorted(self.have + [[start, end]]):
            if joined and a <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], b)
            else:
                joined.append([a, b])
        self.have = joined

    def close(self) -> None:
        if self.temporary is not None:
            self.temporary.close()
            self.temporary = None


class Uploads:
    """All of them, the oldest first."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.changed = threading.Condition()
        self.found = collections.OrderedDict()

    def announce(self, file: str) -> Upload:
        """A piece has come, and will be put where it belongs; a save that
        comes after it waits for that."""
        with self.changed:
            upload = self.found.setdefault(file, Upload())
            upload.coming += 1
            upload.then = time.monotonic()
            self.found.move_to_end(file)
            self._reap_locked(UPLOADS_MAX, UPLOAD_SECONDS)
            return upload

    def put(self, upload: Upload, call: dict, data: bytes) -> None:
        try:
            start = int(call["offset"])
            if start < 0:
                raise OSError(errno.EINVAL, "no such offset")
            with upload.lock:
                if upload.temporary is None:
                    parent = components(call["path"])[:-1]
                    with self.place.open(parent) as fd:
                        upload.temporary = Temporary(self.place, fd)
            write_all(upload.temporary.fd, data, start)
            with self.changed:
                upload.add(start, start + len(data))
        except OSError as e:
            upload.error = e
        finally:
            with self.changed:
                upload.coming -= 1
                self.changed.notify_all()

    def take(self, file: str, size: int) -> Upload:
        """The one whose pieces are all there. Nobody else has it then, until
        it is given back."""
        with self.changed:
            upload = self.found.get(file)
            while upload is not None and upload.coming:
                self.changed.wait()
                upload = self.found.get(file)
            if upload is not None and upload.error is not None:
                self.found.pop(file).close()
                raise upload.error
            if upload is None or upload.have != [[0, size]]:
                raise OSError(errno.EAGAIN, "pieces are missing")
            return self.found.pop(file)

    def give_back(self, file: str, upload: Upload) -> None:
        with self.changed:
            upload.then = time.monotonic()
            self.found[file] = upload
            self._reap_locked(UPLOADS_MAX, UPLOAD_SECONDS)

    def reap(self) -> bool:
        """Drops what is too old; are there any left?"""
        with self.changed:
            self._reap_locked(UPLOADS_MAX, UPLOAD_SECONDS)
            return bool(self.found)

    def forget(self) -> None:
        with self.changed:
            self._reap_locked(0, 0.0)

    def _reap_locked(self, keep: int, seconds: float) -> None:
        now = time.monotonic()
        idle = [f for f, u in self.found.items() if not u.coming]
        for file in idle:
            if len(self.found) > keep \
                    or now - self.found[file].then >= seconds:
                self.found.pop(file).close()
