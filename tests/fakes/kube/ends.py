"""The ends of a connection that is passed on: sockets that never block.

One thread serves both ends, because a TLS connection must not be read and
written by two threads at once.
"""

import contextlib
import select
import socket
import ssl
import time

RECEIVE_SIZE = 64 * 1024
PENDING_MAX = 256 * 1024
LINGER_S = 10
NOT_YET = (BlockingIOError, InterruptedError, ssl.SSLWantReadError,
           ssl.SSLWantWriteError)


class End:
    """A socket, what came early from it, and what still waits to go out.

    The socket is the caller's, who closes it.
    """

    def __init__(self, sock, early=b""):
        sock.setblocking(False)
        hurry(sock)
        self.sock = sock
        self.early = early
        self.out = bytearray()
        self.is_broken = False

    def fileno(self):
        """The descriptor to wait for."""
        return self.sock.fileno()

    def receive(self, size=RECEIVE_SIZE):
        """Bytes; b"" at the end or after an error; None for not yet."""
        if self.early:
            data, self.early = self.early[:size], self.early[size:]
            return data
        try:
            return self.sock.recv(size)
        except NOT_YET:
            return None
        except OSError:
            return b""

    def send(self, data):
        """Send these bytes now or when the socket has room."""
        self.out += data
        self.flush()

    def flush(self):
        """Send what has room. True when anything went out."""
        sent = 0
        while self.out and not self.is_broken:
            try:
                count = self.sock.send(bytes(self.out[:RECEIVE_SIZE]))
            except NOT_YET:
                break
            except OSError:
                self.is_broken = True
                self.out.clear()
                break
            del self.out[:count]
            sent += count
        return sent > 0

    def is_full(self):
        """Nobody should read more for this end at the moment."""
        return len(self.out) >= PENDING_MAX

    def has_more(self):
        """There are bytes that no poll would tell of."""
        if self.early:
            return True
        return isinstance(self.sock, ssl.SSLSocket) \
            and self.sock.pending() > 0


def take_early(handler):
    """What the client sent behind its request and a buffer holds already."""
    connection = handler.connection
    connection.setblocking(False)
    early = b""
    with contextlib.suppress(OSError):
        while True:
            data = handler.rfile.read1(RECEIVE_SIZE)
            if not data:
                break
            early += data
    return early


def wait(readers, writers, timeout_s=None, gone=None):
    """Wait until one can be read or written.

    Returns the events by descriptor.  GONE is a socket that is looked at only
    for a peer that has gone away.
    """
    poll = select.poll()
    wanted = {}
    for end in readers:
        wanted[end.fileno()] = wanted.get(end.fileno(), 0) | select.POLLIN
    for end in writers:
        wanted[end.fileno()] = wanted.get(end.fileno(), 0) | select.POLLOUT
    if gone is not None:
        wanted[gone.fileno()] = wanted.get(gone.fileno(), 0) \
            | select.POLLRDHUP
    for descriptor, events in wanted.items():
        poll.register(descriptor, events)
    milliseconds = None if timeout_s is None else max(0, timeout_s) * 1000
    return dict(poll.poll(milliseconds))


def is_gone(events, sock):
    """What wait() returned tells that the peer of the socket has gone."""
    return bool(events.get(sock.fileno(), 0) & (
        select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL))


def drain(end):
    """Let the last bytes go out, for a while."""
    until = time.monotonic() + LINGER_S
    while end.out and not end.is_broken:
        left = until - time.monotonic()
        if left <= 0 or not wait([], [end], left):
            return
        end.flush()


def relay(one, other):
    """Pass bytes both ways until one end has ended; the rest goes out."""
    pairs = [(one, other), (other, one)]
    while True:
        moved = False
        for source, sink in pairs:
            sink.flush()
            if sink.is_full():
                continue
            data = source.receive()
            if data == b"":
                drain(sink)
                return
            if data is not None:
                sink.send(data)
                moved = True
        if one.is_broken or other.is_broken:
            return
        if not moved:
            wait([source for source, sink in pairs if not sink.is_full()],
                 [end for end in (one, other) if end.out])


def dial(ip, port):
    """A connected socket, or OSError."""
    return socket.create_connection((ip, port))


def hurry(sock):
    """Small pieces go out at once, if this is TCP and still connected."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
