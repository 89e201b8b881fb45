"""For the tests of the stand-in's proxy: pods that answer as the recordings'
echo server did, a front that does no more than call the proxy, and the
recordings themselves.
"""

import contextlib
import hashlib
import http.server
import json
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse

from kube import frames, portforward, proxy

RECORDINGS = pathlib.Path(__file__).parent / "recordings" / "kube"
LIMIT_S = 60
CRLF = "\r\n"
WHO = "echo-6cff4bdcfd-675vp"
PEER = "10.77.0.1"
PATTERN = bytes(range(256)) * 4096
PAGE = (b'<html><head></head><body><a href="/abs/path">x</a><a href="rel">y'
        b'</a><script src="/s.js"></script></body></html>')
NEVER = threading.Event()


class Recording:
    """One recorded exchange; texts are bytes, as on the wire."""

    def __init__(self, name):
        text = (RECORDINGS / name).read_bytes()
        request, _, answer = text.partition(b"\n----\n")
        head, _, self.body = (request + b"\n").partition(b"\n\n")
        lines = head.decode("latin-1").split("\n")
        self.method, self.url, _ = lines[0].split(" ")
        self.headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
        head, _, self.answer_body = answer.partition(b"\n\n")
        self.answer_head = head.decode("latin-1").split("\n")
        self.frames = [line for line in self.answer_body.decode(
            "latin-1").split("\n") if line[:2] in ("< ", "> ")]

    def answer_headers(self):
        """Names and values of the answer."""
        return [tuple(line.split(": ", 1)) for line in self.answer_head[1:]]

    def request(self, url=None):
        """The request as it was on the wire."""
        lines = [f"{self.method} {url or self.url} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        text = (CRLF.join(lines) + CRLF * 2).encode("latin-1")
        length = dict(self.headers).get("Content-Length")
        if length is not None:
            return text + self.body[:int(length)]
        if ("Transfer-Encoding", "chunked") in self.headers:
            return text + self.body.rstrip(b"\r\n") + b"\r\n\r\n"
        return text


class EchoHandler(http.server.BaseHTTPRequestHandler):
    """What the recordings' pod answered."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def version_string(self):
        """The Server header of the recordings."""
        return "BaseHTTP/0.6 Python/3.11.2"

    def log_message(self, *_arguments):
        """Nothing is logged."""

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self):
        """Any method."""
        path = urllib.parse.urlsplit(self.path)
        word = path.path.split("/")[1]
        known = {"html": self.page, "redir": self.redirect, "blob": self.blob,
                 "cookie": self.cookies, "chunks": self.chunks,
                 "abort": self.abort, "status": self.own_status,
                 "wsx": self.web_socket}
        known.get(word, self.echo)(path)

    def body(self):
        """The request's body."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while True:
            size = int(self.rfile.readline(), 16)
            data += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return data

    def send(self, code, data, headers):
        """A whole answer."""
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def echo(self, _path):
        """What has arrived."""
        body = self.body()
        seen = {"who": WHO, "peer": PEER, "method": self.command,
                "path": self.path, "headers": self.headers.items(),
                "body_bytes": len(body),
                "sha256": hashlib.sha256(body).hexdigest()}
        self.send(200, json.dumps(seen).encode(), [
            ("Content-Type", "application/json"),
            ("Set-Cookie", "srv=1; Path=/"), ("X-App", "yes")])

    def page(self, _path):
        """A page with links."""
        self.send(200, PAGE, [("Content-Type", "text/html")])

    def redirect(self, path):
        """To where the query says."""
        to = urllib.parse.parse_qs(path.query)["to"][0]
        self.send(302, b"", [("Location", to)])

    def blob(self, _path):
        """A MiB, or a range of it."""
        found = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not found:
            self.send(200, PATTERN, [])
            return
        first, last = int(found[1]), int(found[2])
        self.send(206, PATTERN[first:last + 1], [
            ("Content-Range", f"bytes {first}-{last}/{len(PATTERN)}"),
            ("Accept-Ranges", "bytes"), ("Etag", '"v1"')])

    def cookies(self, _path):
        """Two of them."""
        self.send(200, b"ck", [
            ("Set-Cookie", "a=1; Path=/; HttpOnly"),
            ("Set-Cookie", "b=2; Path=/base/; SameSite=Lax")])

    def chunks(self, path):
        """Pieces, with some time between them."""
        query = urllib.parse.parse_qs(path.query)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(int(query["n"][0])):
            piece = b"chunk %d 1795337354.70\n" % i
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            NEVER.wait(float(query["s"][0]))
        self.wfile.write(b"0\r\n\r\n")

    def abort(self, path):
        """100 of 1000 bytes, and after the query's seconds the end."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 100)
        NEVER.wait(float(path.query or 0))
        self.close_connection = True

    def own_status(self, path):
        """The status in the path."""
        self.send(int(path.path.split("/")[2]), b"body of status\n",
                  [("Content-Type", "text/plain"), ("X-App", "yes")])

    def web_socket(self, _path):
        """Say what has arrived, then echo."""
        self.close_connection = True
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", frames.accept_key(
            self.headers["Sec-WebSocket-Key"]))
        if "my.proto" in self.headers.get("Sec-WebSocket-Protocol", ""):
            self.send_header("Sec-WebSocket-Protocol", "my.proto")
        self.end_headers()
        seen = {"path": self.path, "headers": self.headers.items()}
        self.wfile.write(frames.encode(frames.TEXT,
                                       json.dumps(seen).encode()))
        decoder = frames.Decoder(is_masked=True)
        while True:
            for opcode, payload in decoder.feed(self.rfile.read1(65536)):
                if opcode == frames.PING:
                    opcode = frames.PONG
                elif opcode != frames.CLOSE:
                    payload = b"echo:" + payload
                self.wfile.write(frames.encode(opcode, payload))
                if opcode == frames.CLOSE or payload == b"echo:end":
                    return


class Server(http.server.ThreadingHTTPServer):
    """A server in threads, on a loopback address of its own."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler, ip, context=None):
        self.context = context
        super().__init__((ip, 0), handler)
        self.thread = threading.Thread(target=self.serve_forever,
                                       args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def port(self):
        """Where it listens."""
        return self.server_address[1]

    def finish_request(self, request, client_address):
        """TLS is begun in the connection's own thread."""
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with contextlib.suppress(OSError):
            with self.context.wrap_socket(request, server_side=True) as sock:
                super().finish_request(sock, client_address)
                sock.unwrap()

    def handle_error(self, _request, _client_address):
        """Who breaks off a connection means it."""

    def stop(self):
        """End it."""
        self.shutdown()
        self.server_close()


class CannedPod:
    """A pod that answers each connection with the same bytes.

    ANSWER: a list of bytes, and of Events to wait for between them.  What it
    was sent until its answer began is in `requests`.
    """

    def __init__(self, answer, ip="127.1.0.9"):
        self.answer = answer
        self.requests = []
        self.ended = threading.Event()
        self.listener = socket.create_server((ip, 0))
        self.ip, self.port = self.listener.getsockname()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        """Serve one connection after the other."""
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                with sock, contextlib.suppress(OSError):
                    self.serve(sock)

    def serve(self, sock):
        """One connection."""
        request = b""
        while b"\r\n\r\n" not in request:
            data = sock.recv(65536)
            if not data:
                break
            request += data
        self.requests.append(request)
        for part in self.answer:
            if isinstance(part, bytes):
                sock.sendall(part)
            elif callable(part):
                part(sock)
            else:
                part.wait(LIMIT_S)
        self.ended.set()

    def stop(self):
        """No more connections."""
        self.listener.close()


def front_handler(targets, connect):
    """A handler that passes all to the proxy; TARGETS by what stands between
    /services/ or /pods/ and /proxy."""

    class Front(http.server.BaseHTTPRequestHandler):
        """Does no more than the proxy's callers have to."""

        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments):
            """Nothing is logged."""

        def __getattr__(self, name):
            if name.startswith("do_"):
                return self.pass_on
            raise AttributeError(name)

        def pass_on(self):
            """To one of the two."""
            found = re.match(r"(.*/(?:services|pods)/([^/]+)/proxy)(.*)",
                             self.path)
            if found:
                target = targets.get(found[2]) or targets["*"]
                proxy.serve(self, target, found[1], found[3])
                return
            query = urllib.parse.parse_qs(
                urllib.parse.urlsplit(self.path).query)
            portforward.serve(self, portforward.parse_ports(
                query.get("ports", [])), connect)

    return Front


def tls_contexts(folder):
    """(server's, client's) with a certificate made for this."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=stand-in",
         "-days", "2", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cert)
    return server, client


class Connection:
    """A client's connection to a front."""

    def __init__(self, port, context=None):
        self.sock = socket.create_connection(("127.0.0.1", port),
                                             timeout=LIMIT_S)
        if context is not None:
            self.sock = context.wrap_socket(self.sock)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.sock.close()

    def send(self, data):
        """All of it."""
        self.sock.sendall(data)

    def more(self):
        """Read more; False at the end."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def take(self, size):
        """So many bytes, or fewer at the end."""
        while len(self.buffer) < size and self.more():
            pass
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def take_until(self, mark):
        """Up to the mark and with it, or what there is at the end."""
        while mark not in self.buffer and self.more():
            pass
        at = self.buffer.find(mark)
        return self.take(at + len(mark) if at >= 0 else len(self.buffer))

    def head(self):
        """The lines of an answer's head."""
        return self.take_until(b"\r\n\r\n").decode("latin-1").split(
            CRLF)[:-2]

    def rest(self):
        """All until the end."""
        while self.more():
            pass
        return self.take(len(self.buffer))

    def chunk(self):
        """One chunk of a chunked body."""
        data = self.take(int(self.take_until(b"\r\n"), 16))
        assert self.take(2) == b"\r\n"
        return data

    def answer(self, method="GET"):
        """(status, [(name, value)], body)."""
        lines = self.head()
        if not lines:
            return None, [], b""
        headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
        values = dict(headers)
        code = int(lines[0].split(" ")[1])
        if method == "HEAD" or code in (204, 304):
            body = b""
        elif "Content-Length" in values:
            body = self.take(int(values["Content-Length"]))
        elif values.get("Transfer-Encoding") == "chunked":
            body = b"".join(iter(self.chunk, b""))
        else:
            body = self.rest()
        return code, headers, body

    def frame(self):
        """The next frame of a server, or None at the end."""
        head = self.take(2)
        if len(head) < 2:
            return None
        size = head[1] & 0x7f
        if size > 125:
            size = int.from_bytes(self.take(2 if size == 126 else 8), "big")
        return head[0] & 0x0f, self.take(size)
