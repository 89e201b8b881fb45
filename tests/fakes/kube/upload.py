"""The body of a request, on its way from the client to the pod.

It is read and sent on in pieces and never waits by itself: who waits for the
pod's answer calls pump() as well, so that a pod may answer before it has all.
"""

import socket
import time

from . import ends

LINE_MAX = 4096
LINGER_S = 0.5
DISCARD_MAX = 256 * 1024


class ClientGone(Exception):
    """The client has ended its connection, or sent what is no HTTP."""


class Upload:
    """What is left of the body, and in which framing it comes.

    Raises ClientGone when that is not to be understood.
    """

    def __init__(self, handler):
        self.handler = handler
        headers = handler.headers
        coding = (headers.get("Transfer-Encoding") or "").strip().lower()
        length = headers.get("Content-Length")
        self.is_chunked = coding == "chunked"
        self.length = 0 if self.is_chunked else length_of(length or "0")
        self.left = self.length
        self.line = b""
        self.state = "size" if self.is_chunked else "data"
        self.is_done = not self.is_chunked and self.left == 0
        self.is_stopped = False

    def has_body(self):
        """There was a body at all."""
        return self.is_chunked or self.length > 0

    def is_wanted(self):
        """More of it has to be read from the client."""
        return not (self.is_done or self.is_stopped)

    def stop(self):
        """The pod takes no more of it."""
        self.is_stopped = True

    def pump(self, pod):
        """Send on what has come. True when anything moved.

        Raises ClientGone.
        """
        moved = pod.flush()
        if pod.is_broken:
            self.stop()
        if not self.is_wanted() or pod.is_full():
            return moved
        piece = self.take()
        if piece is None:
            return moved
        if self.is_chunked:
            piece = b"%x\r\n%s\r\n" % (len(piece), piece)
        pod.send(piece)
        return True

    def take(self):
        """The next bytes of the body: b"" when a chunked one has ended, None
        when none have come yet."""
        while self.state in ("size", "gap", "trailer"):
            line = self._take_line()
            if line is None:
                return None
            if self._see_line(line):
                return b""
        data = self._read(min(self.left, ends.RECEIVE_SIZE))
        if data is None:
            return None
        self.left -= len(data)
        if self.left == 0:
            self.state = "gap"
            self.is_done = not self.is_chunked
        return data

    def _see_line(self, line):
        """Take a line of the framing. True at the end of the body."""
        if self.state == "gap":
            self.state = "size"
        elif self.state == "trailer":
            self.is_done = not line.strip()
        else:
            try:
                self.left = int(line.split(b";")[0], 16)
            except ValueError:
                raise ClientGone("no size of a chunk") from None
            self.state = "data" if self.left else "trailer"
        return self.is_done

    def _take_line(self):
        while not self.line.endswith(b"\n"):
            data = self._read(1)
            if data is None:
                return None
            self.line += data
            if len(self.line) > LINE_MAX:
                raise ClientGone("too long a line")
        line, self.line = self.line, b""
        return line

    def _read(self, size):
        """Bytes or None, without waiting."""
        connection = self.handler.connection
        connection.setblocking(False)
        try:
            data = self.handler.rfile.read1(size)
        except ends.NOT_YET:
            return None
        except OSError as error:
            raise ClientGone(str(error)) from error
        finally:
            connection.setblocking(True)
        if data:
            return data
        if is_ended(connection):
            raise ClientGone("the body is not complete")
        return None


def length_of(text):
    """The number in a Content-Length.  Raises ClientGone."""
    if not (text.isascii() and text.isdigit()):
        raise ClientGone("no length of a body")
    return int(text)


def is_ended(connection):
    """An empty read meant the end, and not that nothing has come yet."""
    if not hasattr(connection, "context"):
        try:
            return connection.recv(
                1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


def discard(handler, upload=None):
    """Read what is left of a body that nobody wants; if that is too much, the
    connection ends after the answer."""
    upload = upload or Upload(handler)
    taken = 0
    while not upload.is_done:
        if taken > DISCARD_MAX or upload.left > DISCARD_MAX:
            handler.close_connection = True
            return
        try:
            piece = upload.take()
        except ClientGone:
            handler.close_connection = True
            return
        if piece is None:
            ends.wait([handler.connection], [])
        else:
            taken += len(piece)


def linger(handler, upload):
    """The answer to a body that was not wanted is out, and the connection
    ends: let the client read it before what it still sends resets it."""
    until = time.monotonic() + LINGER_S
    try:
        while not upload.is_done and time.monotonic() < until:
            if upload.take() is None:
                ends.wait([handler.connection], [],
                          until - time.monotonic())
    except ClientGone:
        return
