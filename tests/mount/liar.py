"""A Jupyter server that lies: what it answers is said byte by byte.

Honest by default, with one directory of a few files.  A lie is a function that
is given the connection's socket and the request, and writes what it likes; the
connection ends with it.  lies[PREFIX] is told whenever a request's target
begins with PREFIX.
"""

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
import time

from harness import free_port

TIME = "2026-11-22T07:16:21.143629Z"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ENDLESS = 1 << 30  # bytes; more than anybody may take
KERNEL = "11111111-2222-3333-4444-555555555555"


def model(name, size=4, **more):
    """A file, as a listing has it."""
    return {"name": name, "path": name, "type": "file", "size": size,
            "last_modified": TIME, "created": TIME, "writable": True,
            "content": None, "format": None, "mimetype": None, **more}


def listing(children):
    """The root with these."""
    return {"name": "", "path": "", "type": "directory", "size": None,
            "last_modified": TIME, "created": TIME, "writable": True,
            "format": "json", "mimetype": None, "content": children}


def answer(body, status="200 OK", headers=()):
    """The bytes of a whole answer."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", "Server: TornadoServer/6",
             f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Request:
    """One request's head and body."""

    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        pairs = (line.split(":", 1) for line in lines[1:] if ":" in line)
        self.headers = {name.lower(): value.strip() for name, value in pairs}
        self.body = body


class Liar:
    """Listens on the loopback until stop()."""

    token = "the-token-of-the-liar"

    def __init__(self):
        self.files = {"honest": b"true"}
        self.lies = {}
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.is_over = False
        threading.Thread(target=self.accept, daemon=True).start()

    def stop(self):
        """No further connection; lies under way see is_over."""
        self.is_over = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        """A thread for each connection."""
        while not self.is_over:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,),
                             daemon=True).start()

    def serve(self, sock):
        """Answers until one side has enough."""
        with sock, contextlib.suppress(OSError, ValueError):
            sock.settimeout(30)
            pending = b""
            while not self.is_over:
                while b"\r\n\r\n" not in pending:
                    more = sock.recv(65536)
                    if not more:
                        return
                    pending += more
                head, _, pending = pending.partition(b"\r\n\r\n")
                request = Request(head, b"")
                length = int(request.headers.get("content-length", 0))
                while len(pending) < length:
                    pending += sock.recv(65536)
                request.body, pending = pending[:length], pending[length:]
                self.requests.append(request)
                lie = self.lie_for(request)
                if lie is not None:
                    lie(sock, request)
                    return
                sock.sendall(self.honest(request))

    def lie_for(self, request):
        """The lie with the longest prefix."""
        path = request.target.lstrip("/")
        found = [prefix for prefix in list(self.lies)
                 if path.startswith(prefix)]
        return self.lies[max(found, key=len)] if found else None

    def honest(self, request):
        """What a Jupyter server would say."""
        path = request.target.lstrip("/").partition("?")[0].rstrip("/")
        if path == "api":
            return answer({"version": "2.0"})
        if path == "api/contents":
            return answer(listing([model(name, len(data)) for name, data
                                   in self.files.items()]))
        if path == "api/kernelspecs":
            return answer({"default": "python3", "kernelspecs": {
                "python3": {"name": "python3",
                            "spec": {"language": "python"}}}})
        if path.startswith("api/kernels"):
            return answer({"id": KERNEL, "name": "python3"}, "201 Created")
        name = path.rpartition("/")[2]
        if name not in self.files:
            return answer({"message": "no such file"}, "404 Not Found")
        data = self.files[name]
        if not path.startswith("files/"):
            return answer(model(name, len(data)))
        span = request.headers.get("range", "").partition("=")[2]
        if not span or not data:
            return answer(data)
        first, _, last = span.partition("-")
        last = min(int(last or len(data) - 1), len(data) - 1)
        part = data[int(first):last + 1]
        if not part:
            return answer(b"", "416 Requested Range Not Satisfiable",
                          [f"Content-Range: bytes */{len(data)}"])
        return answer(part, "206 Partial Content", [
            f"Content-Range: bytes {first}-{last}/{len(data)}"])


# --- lies --------------------------------------------------------------------

def say(data):
    """These bytes, and the end."""
    return lambda sock, request: sock.sendall(data)


def endless(head, piece):
    """More than anybody may take, in equal pieces."""
    def lie(sock, _):
        sock.sendall(head)
        block = piece * max(1, 65536 // len(piece))
        for _ in range(ENDLESS // len(block)):
            sock.sendall(block)
    return lie


def endless_declared(data=b" ", status="200 OK", headers=()):
    """An answer that says how much too long it is."""
    lines = [f"HTTP/1.1 {status}", "Server: TornadoServer/6",
             f"Content-Length: {ENDLESS}", *headers, "", ""]
    return endless("\r\n".join(lines).encode(), data)


def endless_chunked(data=b" "):
    """An answer that never says how long it is."""
    piece = data * (4096 // len(data))
    return endless(b"HTTP/1.1 200 OK\r\nServer: T\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n",
                   b"%x\r\n%s\r\n" % (len(piece), piece))


def endless_headers(sock, _):
    """Header lines without an end."""
    return endless(b"HTTP/1.1 200 OK\r\n", b"X-Flood: " + b"x" * 100
                   + b"\r\n")(sock, _)


def dribble(head, seconds=60):
    """A byte now and then, for longer than anybody waits."""
    def lie(sock, _):
        sock.sendall(head)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sock.sendall(b" ")
            threading.Event().wait(0.2)
    return lie


def redirect(location, status="302 Found"):
    """To somewhere else."""
    return say(answer(b"", status, [f"Location: {location}"]))


def frame(first, data, masked=False, length=None):
    """A WebSocket frame; `length` is what it claims. Only the shortest way to
    say a length is allowed."""
    size = len(data) if length is None else length
    mask = 0x80 if masked else 0
    if size < 126:
        head = bytes([first, mask | size])
    elif size < 1 << 16:
        head = bytes([first, mask | 126]) + struct.pack(">H", size)
    else:
        head = bytes([first, mask | 127]) + struct.pack(">Q", size)
    return head + (bytes(4) if masked else b"") + data


def agree(sock, request, accept=None):
    """To a WebSocket."""
    key = request.headers["sec-websocket-key"] + GUID
    digest = base64.b64encode(hashlib.sha1(key.encode()).digest())
    digest = accept or digest.decode()
    sock.sendall("\r\n".join([
        "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket",
        "Connection: Upgrade", f"Sec-WebSocket-Accept: {digest}", "",
        ""]).encode())


def upgrade(then, accept=None):
    """Agrees to a WebSocket, waits for the first word, and lets `then` go on.
    """
    def lie(sock, request):
        agree(sock, request, accept)
        sock.recv(65536)
        then(sock)
        # The end is the client's to make.
        while sock.recv(65536):
            pass
    return lie
