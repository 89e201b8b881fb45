"""Real Jupyter servers behind the stand-in's proxy and port-forward."""

import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import urllib.parse
import uuid

import pytest

import kube_pods
from kube import frames, proxy

pytest_plugins = ["kube_fixtures"]

PROGRAMS = {"notebook": "/usr/bin/jupyter-notebook",
            "server": "/usr/bin/jupyter-server"}
SECTIONS = {"notebook": ("NotebookApp", "notebook_dir"),
            "server": ("ServerApp", "root_dir")}
PREFIX = "/api/v1/namespaces/jrec/services/lab:8888/proxy"
FORWARD = "/api/v1/namespaces/jrec/pods/lab/portforward?ports=8888"
MASK = b"\x01\x02\x03\x04"
SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
PAGE = '<a href="/x">1</a><IMG src=/y.png>\n'
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def end_with_parent():
    """Leave nothing behind when the test itself is killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Jupyter:
    """A server as a pod would have it, on an address of its own."""

    def __init__(self, program, folder):
        app, root = SECTIONS[program]
        self.ip, self.port = "127.1.0.8", free_port("127.1.0.8")
        self.token = secrets.token_hex(16)
        self.log = folder / "log"
        (folder / "work").mkdir()
        command = [PROGRAMS[program], "--allow-root", "--no-browser",
                   f"--ip={self.ip}", f"--port={self.port}",
                   f"--{app}.port_retries=0", f"--{app}.token={self.token}",
                   f"--{app}.{root}={folder / 'work'}",
                   f"--{app}.allow_remote_access=True"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd=folder / "work", preexec_fn=end_with_parent,
                env={"HOME": str(folder), "LANG": "C.UTF-8",
                     "PATH": os.environ["PATH"]})
        self.wait()

    def wait(self):
        """Until it listens."""
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text()
            try:
                socket.create_connection((self.ip, self.port)).close()
                return
            except OSError:
                kube_pods.NEVER.wait(0.1)
        raise AssertionError(self.log.read_text())

    def stop(self):
        """End it, and its kernels with it."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port(ip):
    """A port nobody has at the moment."""
    with socket.socket() as sock:
        sock.bind((ip, 0))
        return sock.getsockname()[1]


@pytest.fixture(scope="module", params=sorted(PROGRAMS))
def jupyter(request, targets, forwards, tmp_path_factory):
    """Both generations that Debian has, behind the front."""
    if not os.access(PROGRAMS[request.param], os.X_OK):
        pytest.skip(f"{PROGRAMS[request.param]} is not installed")
    server = Jupyter(request.param, tmp_path_factory.mktemp("jupyter"))
    target = proxy.Target(server.ip, server.port, "http")
    targets["lab:8888"] = target
    forwards[8888] = target
    yield server
    server.stop()
    del targets["lab:8888"], forwards[8888]


def ask(connection, method, path, body=None, **headers):
    """One request through the proxy: (status, headers, body)."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {PREFIX}{path} HTTP/1.1", "Host: 127.0.0.1:6443",
             f"Content-Length: {len(data)}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    connection.send((kube_pods.CRLF.join(lines) + kube_pods.CRLF * 2)
                    .encode() + data)
    return connection.answer(method)


def test_contents(connect, jupyter):
    """Files are written and read, under a name that needs escapes."""
    name = urllib.parse.quote("sp ace%#?+\u00e9.txt")
    path = f"/api/contents/{name}?token={jupyter.token}"
    model = {"type": "file", "format": "text", "content": "hello\n"}
    with connect() as connection:
        code, headers, _ = ask(connection, "PUT", path, model)
        assert code in (200, 201)
        code, headers, body = ask(connection, "GET", path)
        assert code == 200 and json.loads(body)["content"] == "hello\n"
        assert dict(headers)["Server"].startswith("TornadoServer")
        assert "Audit-Id" in dict(headers)
        code, _, body = ask(connection, "DELETE", path)
        assert (code, body) == (204, b"")
        code, _, body = ask(connection, "GET", path)
        assert code == 404 and "kind" not in json.loads(body)


def test_authorization_is_lost(connect, jupyter):
    """Jupyter's token in the usual header never arrives; its refusal does."""
    with connect() as connection:
        code, headers, body = ask(connection, "GET", "/api/status",
                                  Authorization=f"token {jupyter.token}")
    assert code == 403 and json.loads(body)["message"] == "Forbidden"
    assert "Server" in dict(headers)


def test_page_of_a_file(connect, jupyter):
    """A page as a file is changed, the contents API has its true bytes."""
    token = f"?token={jupyter.token}"
    model = {"type": "file", "format": "text", "content": PAGE}
    with connect() as connection:
        ask(connection, "PUT", f"/api/contents/t.html{token}", model)
        code, headers, body = ask(connection, "GET", f"/files/t.html{token}")
        assert code == 200 and dict(headers)["Content-Length"] == \
            str(len(body))
        assert body.decode() == (f'<a href="{PREFIX}/x">1</a>'
                                 f'<img src="{PREFIX}/y.png">\n')
        _, _, body = ask(connection, "GET", f"/api/contents/t.html{token}")
        assert json.loads(body)["content"] == PAGE


def cookie_of(connection, jupyter):
    """The cookie that a request with the token is answered with."""
    _, headers, _ = ask(connection, "GET",
                        f"/api/status?token={jupyter.token}")
    return next(value.split(";")[0] for name, value in headers
                if name == "Set-Cookie" and value.startswith("username-"))


def new_kernel(connection, jupyter):
    """Start a kernel: its id."""
    code, headers, body = ask(connection, "POST",
                              f"/api/kernels?token={jupyter.token}", {})
    assert code == 201
    kernel = json.loads(body)["id"]
    assert dict(headers)["Location"] == f"{PREFIX}/api/kernels/{kernel}"
    return kernel


def execute(code):
    """The text of a message that runs this code, and its id."""
    number = uuid.uuid4().hex
    message = {
        "header": {"msg_id": number, "username": "u", "session": "s",
                   "msg_type": "execute_request", "version": "5.3",
                   "date": "2026-11-22T00:00:00Z"},
        "parent_header": {}, "metadata": {}, "channel": "shell",
        "content": {"code": code, "silent": False, "store_history": True,
                    "user_expressions": {}, "allow_stdin": False}}
    return json.dumps(message).encode(), number


def printed(connection, number):
    """What the message's code has printed."""
    for opcode, payload in iter(connection.frame, None):
        if opcode != frames.TEXT:
            continue
        message = json.loads(payload)
        if message["parent_header"].get("msg_id") == number \
                and message["msg_type"] == "stream":
            return message["content"]["text"]
    raise AssertionError("the kernel's connection has ended")


def channels_request(path, host, *headers):
    """A request for the WebSocket of a kernel."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket",
             "Connection: Upgrade", "Sec-WebSocket-Version: 13",
             f"Sec-WebSocket-Key: {SAMPLE_KEY}", *headers]
    return (kube_pods.CRLF.join(lines) + kube_pods.CRLF * 2).encode()


def test_kernel_by_cookie(connect, jupyter):
    """The query is dropped on an upgrade: a token there is refused, a cookie
    is not."""
    with connect() as connection:
        kernel = new_kernel(connection, jupyter)
        cookie = cookie_of(connection, jupyter)
    path = f"{PREFIX}/api/kernels/{kernel}/channels"
    with connect() as connection:
        connection.send(channels_request(
            f"{path}?token={jupyter.token}", "127.0.0.1:6443"))
        assert connection.answer()[0] == 403
        assert connection.rest() == b""
    with connect() as connection:
        connection.send(channels_request(path, "127.0.0.1:6443",
                                         f"Cookie: {cookie}"))
        assert connection.head()[0] == "HTTP/1.1 101 Switching Protocols"
        text, number = execute("print(6 * 7)")
        connection.send(frames.encode(frames.TEXT, text, MASK))
        assert printed(connection, number) == "42\n"
    with connect() as connection:
        code, _, _ = ask(connection, "DELETE",
                         f"/api/kernels/{kernel}?token={jupyter.token}")
        assert code == 204


class Tunnel(kube_pods.Connection):
    """A connection to port 8888 of the pod, inside a WebSocket."""

    def __init__(self, outer):
        self.outer = outer
        self.buffer = b""
        outer.send(channels_request(
            FORWARD, "127.0.0.1:6443",
            "Sec-WebSocket-Protocol: v4.channel.k8s.io"))
        assert outer.head()[0] == "HTTP/1.1 101 Switching Protocols"
        assert outer.frame() == (frames.BINARY, b"\x00\xb8\x22")
        assert outer.frame() == (frames.BINARY, b"\x01\xb8\x22")

    def send(self, data):
        """All of it, on the data channel."""
        self.outer.send(frames.encode(frames.BINARY, b"\0" + data, MASK))

    def more(self):
        """Read more; False at the end."""
        found = self.outer.frame()
        if found is None or found[0] != frames.BINARY:
            return False
        assert found[1][0] == 0, found[1]
        self.buffer += found[1][1:]
        return True


def test_kernel_by_port_forward(connect, jupyter):
    """Authorization and the query arrive whole, WebSockets too."""
    with connect() as connection:
        kernel = new_kernel(connection, jupyter)
    with connect() as outer:
        tunnel = Tunnel(outer)
        tunnel.send(channels_request(
            f"/api/kernels/{kernel}/channels?session_id=mine",
            "localhost:8888", f"Authorization: token {jupyter.token}"))
        assert tunnel.head()[0] == "HTTP/1.1 101 Switching Protocols"
        text, number = execute("print(7 * 8)")
        tunnel.send(frames.encode(frames.TEXT, text, MASK))
        assert printed(tunnel, number) == "56\n"
    with connect() as outer:
        tunnel = Tunnel(outer)
        tunnel.send((f"DELETE /api/kernels/{kernel} HTTP/1.1\r\n"
                     "Host: localhost:8888\r\nConnection: close\r\n"
                     f"Authorization: token {jupyter.token}\r\n\r\n")
                    .encode())
        assert tunnel.head()[0].startswith("HTTP/1.1 204")
