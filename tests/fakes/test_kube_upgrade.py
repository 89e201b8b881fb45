"""The stand-in's upgrades and port-forwards against what a real API server
was seen to do."""

import json
import re
import threading

import pytest

import kube_pods
from kube import frames, portforward, proxy

pytest_plugins = ["kube_fixtures"]

NAMESPACE = "/api/v1/namespaces/jtest"
ECHO = f"{NAMESPACE}/services/echo:80/proxy"
MASK = b"\x01\x02\x03\x04"
UPGRADE = ["Host: API:6443", "Upgrade: websocket", "Connection: Upgrade",
           "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
# The pod's own refusals, and conversations with a kernel.
ERRORS = ["ws-pod-token-refused-403.txt", "ws-pod-unknown-kernel-404.txt",
          "ws-old-cookie-after-restart-403.txt",
          "ws-new-cookie-after-restart-404.txt", "ws-pod-origin-403.txt",
          "ws-pod-origin-upper-case-host-403.txt"]
KERNELS = ["ws-container-killed-eof-101.txt", "ws-pod-stopped-eof-101.txt",
           "ws-pod-cookie-kernel-101.txt", "ws-service-cookie-kernel-101.txt",
           "ws-pod-v1-subprotocol-101.txt"]
ECHOES = ["ws-echo-101.txt", "ws-subprotocol-bearer-101.txt"]
FORWARDS = ["portforward-v4-101.txt", "portforward-authorization-101.txt",
            "portforward-two-ports-101.txt", "portforward-dead-port-101.txt",
            "portforward-client-close-101.txt",
            "portforward-kernel-ws-101.txt"]
REFUSALS = ["portforward-no-ports-400.txt", "portforward-no-upgrade-400.txt",
            "portforward-v5-offered-403.txt"]


def upgrade(connection, path, *headers, behind=b""):
    """Ask for an upgrade."""
    lines = [f"GET {path} HTTP/1.1", *UPGRADE, *headers]
    connection.send((kube_pods.CRLF.join(lines) + kube_pods.CRLF * 2)
                    .encode() + behind)


def recorded_frames(recording):
    """(direction, opcode, payload) of a recording's frames, None for EOF."""
    found = []
    for line in recording.frames:
        direction, word, *rest = line.split(" ", 3)
        payload = rest[1] if len(rest) > 1 else ""
        if word == "text":
            found.append((direction, frames.TEXT, payload.encode("latin-1")))
        elif word == "eof":
            found.append((direction, None, b""))
        elif word == "close":
            code = int(rest[0]).to_bytes(2, "big")
            found.append((direction, frames.CLOSE, code + payload.encode()))
        elif word != "wire":
            opcode = {"bin": frames.BINARY, "ping": frames.PING,
                      "pong": frames.PONG}[word]
            data = bytes.fromhex(payload.split(" ")[0])
            found.append((direction, opcode, data))
    return found


def head_without_date(lines):
    """The lines of a head that two answers have in common."""
    return [line for line in lines
            if not line.startswith(("Date: ", "Audit-Id: "))]


def taken(expected, connection):
    """Play the client's part of recorded frames."""
    for direction, opcode, payload in expected:
        if direction == ">":
            connection.send(frames.encode(opcode, payload, MASK))
        elif opcode is None:
            assert connection.frame() is None
        else:
            assert connection.frame() == (opcode, payload)


def taker(frame):
    """What a pod does that waits for this frame of a client."""
    def take(sock):
        left = len(frame)
        while left:
            left -= len(sock.recv(left))
    return take


def pod_script(expected):
    """The pod's part of recorded frames."""
    return [taker(frames.encode(opcode, payload, MASK))
            if direction == ">" else frames.encode(opcode, payload)
            for direction, opcode, payload in expected if opcode is not None]


@pytest.mark.parametrize("name", ECHOES)
def test_recorded_echo(connect, name):
    """What arrives at the pod, and frames both ways."""
    recording = kube_pods.Recording(name)
    with connect() as connection:
        connection.send(recording.request())
        assert head_without_date(connection.head()) == \
            head_without_date(recording.answer_head)
        taken(recorded_frames(recording), connection)


@pytest.mark.parametrize("name", KERNELS)
def test_recorded_kernel(connect, canned, use_pod, name):
    """Conversations with a kernel, up to their end."""
    recording = kube_pods.Recording(name)
    expected = recorded_frames(recording)
    pod = use_pod(canned(
        (kube_pods.CRLF.join(recording.answer_head) + kube_pods.CRLF * 2)
        .encode("latin-1"), *pod_script(expected)))
    with connect() as connection:
        connection.send(recording.request())
        assert connection.head() == recording.answer_head
        taken(expected, connection)
        assert connection.frame() is None
    asked = pod.requests[0].decode("latin-1").split(kube_pods.CRLF)
    path = re.search(r"/proxy([^?]*)", recording.url)[1]
    assert asked[0] == f"GET {path} HTTP/1.1"
    assert "Cookie: " + dict(recording.headers)["Cookie"] in asked


@pytest.mark.parametrize("name", ERRORS)
def test_recorded_error(connect, canned, use_pod, name):
    """The pod's own error passes unchanged, and ends the connection."""
    recording = kube_pods.Recording(name)
    length = int(dict(recording.answer_headers())["Content-Length"])
    body = recording.answer_body[:length]
    head = list(recording.answer_head)
    head[1:] = reversed(head[1:])
    use_pod(canned((kube_pods.CRLF.join(head) + kube_pods.CRLF * 2)
                   .encode("latin-1") + body))
    with connect() as connection:
        connection.send(recording.request())
        assert connection.head() == recording.answer_head
        assert connection.rest() == body


def test_error_in_chunks(connect, canned, use_pod):
    """An error without a length is no reason to wait."""
    use_pod(canned(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n"
                   b"\r\n3\r\none\r\n0\r\n\r\n"))
    with connect() as connection:
        upgrade(connection, f"{ECHO}/x")
        code, _, body = connection.answer()
        assert (code, body) == (404, b"one")
        assert connection.rest() == b""


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 10", b"\0\r\n\r\n"])
def test_no_answer(connect, canned, use_pod, answer):
    """500 without a reason, and the connection lives on."""
    use_pod(canned(answer))
    with connect() as connection:
        for _ in range(2):
            upgrade(connection, f"{ECHO}/x")
            code, _, body = connection.answer()
            assert code == 500
            assert "reason" not in json.loads(body)


def test_upgrade_over_https(connect):
    """The pod's own TLS, both ways."""
    with connect() as connection:
        upgrade(connection,
                f"{NAMESPACE}/services/https:echo:443/proxy/wsx?q=1")
        assert connection.head()[0] == "HTTP/1.1 101 Switching Protocols"
        assert json.loads(connection.frame()[1])["path"] == "/wsx"
        connection.send(frames.encode(frames.TEXT, b"hello", MASK))
        assert connection.frame() == (frames.TEXT, b"echo:hello")


def test_frames_before_the_answer(connect):
    """A client need not wait for the 101."""
    with connect() as connection:
        upgrade(connection, f"{ECHO}/wsx",
                behind=frames.encode(frames.TEXT, b"early", MASK))
        assert connection.head()[0] == "HTTP/1.1 101 Switching Protocols"
        connection.frame()
        assert connection.frame() == (frames.TEXT, b"echo:early")


def test_large_frames(connect):
    """Frames of 4 MiB, which no buffer holds at once."""
    data = bytes(range(256)) * (4 << 12)
    with connect() as connection:
        upgrade(connection, f"{ECHO}/wsx")
        connection.head()
        connection.frame()
        for _ in range(3):
            connection.send(frames.encode(frames.BINARY, data, MASK))
            assert connection.frame() == (frames.BINARY, b"echo:" + data)


def test_pod_ends(connect):
    """EOF comes as EOF, without a close frame."""
    with connect() as connection:
        upgrade(connection, f"{ECHO}/wsx")
        connection.head()
        connection.frame()
        connection.send(frames.encode(frames.TEXT, b"end", MASK))
        assert connection.frame() == (frames.TEXT, b"echo:end")
        assert connection.frame() is None


def test_client_ends(connect, canned, use_pod):
    """The pod sees the end of the client's connection."""
    ended = threading.Event()

    def wait_for_end(sock):
        if sock.recv(1) == b"":
            ended.set()

    use_pod(canned(b"HTTP/1.1 101 Switching Protocols\r\n"
                   b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                   wait_for_end))
    with connect() as connection:
        upgrade(connection, f"{ECHO}/x")
        connection.head()
    assert ended.wait(kube_pods.LIMIT_S)


def test_slow_client_holds_the_pod_back(connect, canned, use_pod):
    """What the client does not read is not kept in memory without end."""
    sent = []
    full = threading.Event()

    def send_until_full(sock):
        sock.settimeout(1)
        try:
            while sum(sent) < 1 << 30:
                sent.append(sock.send(b"x" * 65536))
        except TimeoutError:
            full.set()

    use_pod(canned(b"HTTP/1.1 101 Switching Protocols\r\n"
                   b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                   send_until_full))
    with connect() as connection:
        upgrade(connection, f"{ECHO}/x")
        assert full.wait(kube_pods.LIMIT_S)
        assert sum(sent) < 64 << 20
        connection.head()
        assert len(connection.rest()) == sum(sent)


def forward_url(*ports):
    """Where a port-forward is asked for."""
    query = "&".join(f"ports={port}" for port in ports)
    return f"{NAMESPACE}/pods/x/portforward?{query}"


def channel_data(found):
    """What the binary frames of a server carry, by channel, without the
    ports; and the other frames."""
    data = {}
    others = []
    for opcode, payload in found:
        if opcode == frames.BINARY:
            data.setdefault(payload[0], []).append(payload[1:])
        else:
            others.append((opcode, payload))
    return {channel: (pieces[0], b"".join(pieces[1:]))
            for channel, pieces in data.items()}, others


@pytest.fixture
def forward_to(forwards):
    """Lets a port of the pod lead to this pod, for the test."""
    def lead(port, pod):
        forwards[port] = proxy.Target(pod.ip, pod.port, "http")
        return pod

    yield lead
    forwards.clear()


def frames_until(connection, count):
    """The server's frames up to its close or until channel 0 has brought so
    many bytes behind the port."""
    found = []
    while True:
        frame = connection.frame()
        if frame is None:
            return found
        found.append(frame)
        data, _ = channel_data(found)
        if count is not None and len(data.get(0, (b"", b""))[1]) >= count:
            return found


@pytest.mark.parametrize("name", FORWARDS)
def test_recorded_forward(connect, canned, forward_to, name):
    """Port frames, data, error texts and the end, byte for byte."""
    recording = kube_pods.Recording(name)
    expected = recorded_frames(recording)
    want, want_others = channel_data([
        (opcode, payload) for direction, opcode, payload in expected
        if direction == "<" and opcode is not None])
    client_closes = (">", frames.CLOSE, b"\x03\xe8") in expected
    stays = client_closes or not want_others
    over = threading.Event()
    pod = forward_to(8888, canned(want[0][1], *([over] if stays else [])))
    asked = b"".join(payload[1:] for direction, opcode, payload in expected
                     if direction == ">" and opcode == frames.BINARY)
    with connect() as connection:
        connection.send(recording.request())
        assert connection.head() == recording.answer_head
        for line in recording.frames:
            if line.startswith("> wire 82"):
                connection.send(bytes.fromhex(line.split(" ")[2]))
        found = frames_until(connection, len(want[0][1]) if stays else None)
        if client_closes:
            connection.send(frames.encode(frames.CLOSE, b"\x03\xe8", MASK))
            found += frames_until(connection, None)
            assert connection.rest() == b""
    over.set()
    data, others = channel_data(found)
    assert (data, others) == (want, want_others)
    assert not asked or pod.requests == [asked]


@pytest.mark.parametrize("name", REFUSALS)
def test_recorded_refusal(connect, name):
    """What is no port-forward is told before the upgrade."""
    recording = kube_pods.Recording(name)
    with connect() as connection:
        connection.send(recording.request())
        assert head_without_date(connection.head()) == \
            head_without_date(recording.answer_head)
        length = int(dict(recording.answer_headers()).get(
            "Content-Length", 0))
        assert connection.take(length) == recording.answer_body[:length]
        if "portforward-no-upgrade" not in name:
            assert connection.rest() == b""


def test_ports_of_a_query():
    """Numbers, or the text of the real server's refusal."""
    assert portforward.parse_ports(["8888", "1"]) == [8888, 1]
    recording = kube_pods.Recording("portforward-bad-port-400.txt")
    with pytest.raises(portforward.BadPorts) as caught:
        portforward.parse_ports(["abc"])
    assert str(caught.value) == json.loads(recording.answer_body)["message"]


def test_forward_without_subprotocol(connect, canned, forward_to):
    """It is taken, and none is named in the answer."""
    forward_to(8888, canned(b"data"))
    with connect() as connection:
        upgrade(connection, forward_url(8888),
                behind=frames.encode(frames.BINARY, b"\0\r\n\r\n", MASK))
        assert not any("Protocol:" in line for line in connection.head())
        data, others = channel_data(frames_until(connection, None))
    assert data[0][1] == b"data"
    assert others == [(frames.CLOSE, b"\x03\xe8")]


def test_forward_of_much(connect, canned, forward_to):
    """32 MiB down in frames of at most 32 KiB of data, and a ping between."""
    piece = bytes(range(256)) * 4096
    forward_to(8888, canned(*[piece] * 32))
    with connect() as connection:
        upgrade(connection, forward_url(8888),
                "Sec-WebSocket-Protocol: v4.channel.k8s.io",
                behind=frames.encode(frames.BINARY, b"\0\r\n\r\n", MASK)
                + frames.encode(frames.PING, b"?", MASK))
        connection.head()
        got = bytearray()
        others = []
        for opcode, payload in iter(connection.frame, None):
            if opcode != frames.BINARY:
                others.append((opcode, payload))
            elif payload[0] == 0:
                assert len(payload) <= portforward.DATA_SIZE + 1
                got += payload[1:]
    assert bytes(got[2:]) == piece * 32
    assert others == [(frames.PONG, b"?"), (frames.CLOSE, b"\x03\xe8")]


def test_forward_up(connect, canned, forward_to):
    """16 MiB up, in frames of any size."""
    got = []

    def take(sock):
        got.append(pod.requests[0].removeprefix(b"\r\n\r\n"))
        while sum(map(len, got)) < 16 << 20:
            got.append(sock.recv(1 << 16))

    pod = forward_to(8888, canned(take, b"done"))
    with connect() as connection:
        upgrade(connection, forward_url(8888),
                "Sec-WebSocket-Protocol: v4.channel.k8s.io",
                behind=frames.encode(frames.BINARY, b"\0\r\n\r\n", MASK))
        connection.head()
        for size in (1, 125, 126, 65535, 65536, (16 << 20) - 131323):
            connection.send(frames.encode(frames.BINARY, b"\0" + b"u" * size,
                                          MASK))
        data, _ = channel_data(frames_until(connection, None))
    assert data[0][1] == b"done"
    assert b"".join(got) == b"u" * (16 << 20)


@pytest.mark.parametrize("broken", [
    b"\x02\x81" + MASK + b"\0", b"\x82\x01\0", b"\xf2\x81" + MASK + b"\0",
    b"\x82\xff" + b"\x7f" * 8 + MASK])
def test_broken_frames(connect, canned, forward_to, broken):
    """They end a port-forward, and the pod's connection with it."""
    ended = threading.Event()

    def wait_for_end(sock):
        if sock.recv(1) == b"":
            ended.set()

    forward_to(8888, canned(wait_for_end))
    with connect() as connection:
        upgrade(connection, forward_url(8888),
                "Sec-WebSocket-Protocol: v4.channel.k8s.io",
                behind=frames.encode(frames.BINARY, b"\0\r\n\r\n", MASK))
        connection.head()
        connection.send(broken)
        assert frames_until(connection, None)[-1][0] == frames.CLOSE
    assert ended.wait(kube_pods.LIMIT_S)


def test_client_leaves_a_forward(connect, canned, forward_to):
    """The pod sees it, even without a close frame."""
    ended = threading.Event()

    def wait_for_end(sock):
        if sock.recv(1) == b"":
            ended.set()

    forward_to(8888, canned(wait_for_end))
    with connect() as connection:
        upgrade(connection, forward_url(8888),
                "Sec-WebSocket-Protocol: v4.channel.k8s.io",
                behind=frames.encode(frames.BINARY, b"\0\r\n\r\n", MASK))
        connection.head()
        connection.frame()
    assert ended.wait(kube_pods.LIMIT_S)
