"""A connection to a pod: a request out, an answer back, piece by piece."""

import ssl
import time

from . import ends, upload

HEAD_MAX = 256 * 1024
NO_BODY = (204, 304)


class PodError(Exception):
    """Nothing came of it; the text is what Go's HTTP client would say."""


class PodDied(Exception):
    """The pod ended the connection in the middle of a body."""


def dial(target):
    """A connected socket to the pod, with TLS when it is to be https.

    Raises PodError.
    """
    address = f"{target.ip}:{target.port}"
    try:
        sock = ends.dial(target.ip, target.port)
    except OSError as error:
        raise PodError(f"dial tcp {address}: connect: "
                       f"{lower(error.strerror)}") from error
    if target.scheme != "https":
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sock.settimeout(10)
    try:
        return context.wrap_socket(sock)
    except TimeoutError as error:
        sock.close()
        raise PodError("net/http: TLS handshake timeout") from error
    except OSError as error:
        sock.close()
        raise PodError(tls_text(error)) from error


def lower(text):
    """An errno's words as Go has them."""
    return (text or "unknown error").lower()


def tls_text(error):
    """A failed handshake in Go's words."""
    if getattr(error, "reason", "") in ("WRONG_VERSION_NUMBER",
                                        "HTTP_REQUEST"):
        return "tls: first record does not look like a TLS handshake"
    if isinstance(error, (ssl.SSLEOFError, ConnectionError)):
        return "EOF"
    return f"tls: {error}"


def parse_head(text):
    """Status code and headers of a head without its empty line.

    Raises PodError.
    """
    lines = text.decode("latin-1").replace("\r\n", "\n").split("\n")
    words = lines[0].split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") \
            or not words[1].isdigit() or len(words[1]) != 3:
        raise PodError("net/http: HTTP/1.x transport connection broken: "
                       f'malformed HTTP response "{quoted(lines[0])}"')
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or not name:
            raise PodError("net/http: HTTP/1.x transport connection broken: "
                           f'malformed MIME header line: {line}')
        headers.append((canonical(name), value.strip()))
    return int(words[1]), headers


def quoted(text):
    """Bytes that are no text, as Go's %q shows them."""
    return "".join(character if " " <= character <= "~"
                   else f"\\x{ord(character):02x}" for character in text)


def canonical(name):
    """The name of a header as Go writes it."""
    return "-".join(part[:1].upper() + part[1:].lower()
                    for part in name.split("-"))


def header(headers, name):
    """The first value of a header, or None."""
    return next((value for key, value in headers if key == name), None)


class Exchange:
    """One request and its answer.

    It watches the client all the while: ClientGone when it has ended.  The
    socket is closed by close().
    """

    def __init__(self, sock, handler, body):
        self.end = ends.End(sock)
        self.handler = handler
        self.body = body
        self.buffer = b""
        self.is_ended = False

    def close(self):
        """End the connection to the pod."""
        self.end.sock.close()

    def send(self, head):
        """Send the head of the request; the body follows by itself."""
        self.end.send(head)

    def fill(self, timeout_s=None):
        """Wait for more of the answer. False when the time is over."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            moved = self.body.pump(self.end)
            data = self.end.receive()
            if data is not None:
                self.buffer += data
                self.is_ended = data == b""
                return True
            if moved:
                continue
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return False
            self._wait(left)

    def _wait(self, left):
        client = self.handler.connection
        readers = [self.end]
        if self.body.is_wanted() and not self.end.is_full():
            readers.append(client)
        events = ends.wait(readers, [self.end] if self.end.out else [], left,
                           gone=client)
        if ends.is_gone(events, client) and not self.body.is_wanted():
            raise upload.ClientGone("the client has ended the connection")

    def read_head(self):
        """(raw head, status, headers) of the final answer.

        Raises PodError and ClientGone.
        """
        while True:
            raw = self._read_raw_head()
            code, headers = parse_head(raw.rstrip(b"\r\n"))
            if code == 101 or code >= 200:
                return raw, code, headers

    def _read_raw_head(self):
        while True:
            for mark in (b"\r\n\r\n", b"\n\n"):
                at = self.buffer.find(mark)
                if at >= 0:
                    raw = self.buffer[:at + len(mark)]
                    self.buffer = self.buffer[at + len(mark):]
                    return raw
            if self.is_ended or len(self.buffer) > HEAD_MAX:
                raise PodError(self._no_head())
            self.fill()

    def _no_head(self):
        """Why there is no answer."""
        first = self.buffer.split(b"\n")[0].decode("latin-1")
        if not self.buffer:
            return "EOF"
        if not first.startswith("HTTP/"):
            return "net/http: HTTP/1.x transport connection broken: " \
                f'malformed HTTP response "{quoted(first)}"'
        return "unexpected EOF"


class Answer:
    """The body of an answer; the exchange is the caller's."""

    def __init__(self, exchange, method, code, headers):
        self.exchange = exchange
        self.is_done = method == "HEAD" or code in NO_BODY
        coding = (header(headers, "Transfer-Encoding") or "").lower()
        length = header(headers, "Content-Length")
        self.is_chunked = coding == "chunked"
        self.length = None
        if not self.is_chunked and length is not None and length.isdigit():
            self.length = int(length)
        self.left = self.length
        self.state = "size" if self.is_chunked else "data"
        if self.length == 0:
            self.is_done = True

    def read(self, timeout_s=None):
        """A piece; b"" at the end, None when none came in time.

        Raises PodDied and ClientGone.
        """
        while True:
            if self.is_done:
                return b""
            piece = self._next()
            if piece is not None:
                return piece
            if self.exchange.is_ended:
                if self.left is None and not self.is_chunked:
                    return b""
                raise PodDied("unexpected EOF")
            if not self.is_done and not self.exchange.fill(timeout_s):
                return None

    def _next(self):
        """What the buffer has of it, or None."""
        while self.state != "data":
            line, newline, rest = self.exchange.buffer.partition(b"\n")
            if not newline:
                return None
            self.exchange.buffer = rest
            self._see_line(line)
            if self.is_done:
                return b""
        size = ends.RECEIVE_SIZE if self.left is None else self.left
        piece = self.exchange.buffer[:size]
        if not piece:
            return None
        self.exchange.buffer = self.exchange.buffer[len(piece):]
        if self.left is not None:
            self.left -= len(piece)
            self.is_done = self.left == 0 and not self.is_chunked
            if self.left == 0 and self.is_chunked:
                self.state = "gap"
        return piece

    def _see_line(self, line):
        if self.state == "gap":
            self.state = "size"
        elif self.state == "trailer":
            self.is_done = not line.strip()
        else:
            try:
                self.left = int(line.split(b";")[0], 16)
            except ValueError:
                raise PodDied("malformed chunked encoding") from None
            self.state = "data" if self.left else "trailer"
