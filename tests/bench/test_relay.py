"""The relay by itself: what it delays, and what it breaks."""

import hashlib
import http.client
import http.server
import os
import pathlib
import random
import socket
import socketserver
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "mount"))
from relay import Relay  # noqa: E402

LIMIT = 30
RTT_MS = 40


@pytest.fixture(scope="session")
def build():
    """The build directory whose relay is tested."""
    path = pathlib.Path(os.environ.get("PYCLOUD_BUILD", "build")).resolve()
    if not (path / "tests" / "bench" / "relay").exists():
        pytest.exit(f"{path}/tests/bench/relay does not exist; "
                    "set PYCLOUD_BUILD to a build directory", 2)
    return path


class Echo(socketserver.BaseRequestHandler):
    """Says everything back, then that it is over."""

    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                data = self.request.recv(1 << 16)
                if not data:
                    break
                self.request.sendall(data)
        except OSError:
            self.server.resets.release()


class TcpServer(socketserver.ThreadingTCPServer):
    """With room for those who connect at the same time."""

    request_queue_size = 128


class UnixEcho(socketserver.BaseRequestHandler):
    """The same on a Unix socket."""

    def handle(self):
        self.request.sendall(self.request.recv(1 << 16))


class Web(http.server.BaseHTTPRequestHandler):
    """Answers with the body it got, and remembers who asked what."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.do_PUT()

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, len(body)))
        answer = body or b"hello"
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format, *args):
        pass


def serve(handler, family=TcpServer, address=("127.0.0.1", 0)):
    """A server in threads of its own."""
    server = family(address, handler)
    server.daemon_threads = True
    server.resets = threading.Semaphore(0)
    server.seen = []
    threading.Thread(target=server.serve_forever, args=(0.02,),
                     daemon=True).start()
    return server


@pytest.fixture
def echo():
    server = serve(Echo)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def web():
    server = serve(Web)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def relays(build):
    """Makes relays and ends them."""
    made = []

    def make(server, rtt_ms=0):
        address = server.server_address
        if isinstance(address, tuple):
            address = f"{address[0]}:{address[1]}"
        made.append(Relay(build, address, rtt_ms))
        return made[-1]

    yield make
    for relay in made:
        relay.stop()


def connect(relay):
    """A connection to the relay that sends small things at once."""
    sock = socket.create_connection(("127.0.0.1", relay.port), LIMIT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def receive(sock, size):
    """Exactly so many bytes, or what came before the end."""
    parts = []
    while size > 0:
        data = sock.recv(min(size, 1 << 20))
        if not data:
            break
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def ask(sock, text):
    """Send it and get it back."""
    sock.sendall(text)
    return receive(sock, len(text))


def timed_ask(sock, text):
    """Milliseconds until it is back."""
    began = time.monotonic()
    assert ask(sock, text) == text
    return (time.monotonic() - began) * 1000


def test_round_trip_takes_as_long_as_told(relays, echo):
    with connect(relays(echo, RTT_MS)) as sock:
        ask(sock, b"first")
        times = sorted(timed_ask(sock, b"x") for _ in range(9))
    assert times[0] >= RTT_MS - 0.5
    assert times[0] < RTT_MS + 10


def test_connecting_costs_a_round_trip(relays, echo):
    with connect(relays(echo, RTT_MS)) as sock:
        assert timed_ask(sock, b"first") >= 2 * RTT_MS - 1


def test_what_is_under_way_does_not_wait_for_itself(relays, echo):
    """Latency, not throughput: many messages take one round trip."""
    with connect(relays(echo, RTT_MS)) as sock:
        ask(sock, b"first")
        began = time.monotonic()
        for number in range(100):
            sock.sendall(b"%4d" % number)
        answer = receive(sock, 400)
        passed = (time.monotonic() - began) * 1000
    assert answer == b"".join(b"%4d" % number for number in range(100))
    assert passed < 20 * RTT_MS


def test_rtt_can_be_changed(relays, echo):
    relay = relays(echo, 0)
    with connect(relay) as sock:
        ask(sock, b"first")
        relay.tell("rtt 60.5")
        assert timed_ask(sock, b"x") >= 60
        relay.tell("rtt 0")
        assert min(timed_ask(sock, b"x") for _ in range(9)) < 60


@pytest.mark.parametrize("rtt", [0, RTT_MS])
def test_every_byte_arrives_in_order(relays, echo, rtt):
    relay = relays(echo, rtt)
    data = random.Random(3).randbytes(96 << 20)
    got = hashlib.sha256()
    with connect(relay) as sock:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        left = len(data)
        while left > 0:
            part = sock.recv(1 << 20)
            assert part
            got.update(part)
            left -= len(part)
        sender.join(LIMIT)
    assert got.digest() == hashlib.sha256(data).digest()
    counts = relay.counts()
    assert counts["up"] == counts["down"] == len(data)


def test_slow_reader_stops_the_sender(relays, echo):
    """The relay holds a bounded number of bytes, then its sender waits."""
    with connect(relays(echo)) as sock:
        sock.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 4 << 30:
                sent += sock.send(bytes(1 << 20))
        assert sent < 512 << 20
        sock.settimeout(LIMIT)
        assert receive(sock, sent) == bytes(sent)


def test_each_direction_ends_by_itself(relays, echo):
    with connect(relays(echo, RTT_MS)) as sock:
        sock.sendall(b"last words")
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock, 100) == b"last words"


def test_reset_is_passed_on(relays, echo):
    with connect(relays(echo, RTT_MS)) as sock:
        ask(sock, b"first")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        b"\1\0\0\0\0\0\0\0")
    assert echo.resets.acquire(timeout=LIMIT)


def test_unix_socket_can_be_the_server(relays, tmp_path):
    server = serve(UnixEcho, socketserver.ThreadingUnixStreamServer,
                   str(tmp_path / "socket"))
    try:
        with connect(relays(server)) as sock:
            assert ask(sock, b"hello") == b"hello"
    finally:
        server.shutdown()
        server.server_close()


def test_connections_are_counted(relays, echo):
    relay = relays(echo)
    with connect(relay) as one, connect(relay) as two:
        ask(one, b"abc")
        ask(two, b"de")
        assert relay.counts() == {"connections": 2, "open": 2, "up": 5,
                                  "down": 5}


def test_many_connections_at_once(relays, echo):
    relay = relays(echo, RTT_MS)
    socks = [connect(relay) for _ in range(64)]
    for number, sock in enumerate(socks):
        sock.sendall(b"%d" % number)
    for number, sock in enumerate(socks):
        assert receive(sock, len(str(number))) == b"%d" % number
        sock.close()


def test_server_that_is_not_there_resets(relays, echo):
    relay = relays(echo)
    echo.shutdown()
    echo.server_close()
    with pytest.raises(ConnectionResetError), connect(relay) as sock:
        receive(sock, 1)


def test_cut_resets_everybody_and_welcomes_the_next(relays, echo):
    relay = relays(echo)
    with connect(relay) as one, connect(relay) as two:
        ask(one, b"first")
        relay.tell("cut")
        for sock in (one, two):
            with pytest.raises(ConnectionResetError):
                receive(sock, 1)
        assert echo.resets.acquire(timeout=LIMIT)
    assert relay.counts()["open"] == 0
    with connect(relay) as sock:
        assert ask(sock, b"again") == b"again"


def test_stall_holds_everything_until_go(relays, echo):
    relay = relays(echo)
    with connect(relay) as sock:
        ask(sock, b"first")
        relay.tell("stall")
        sock.sendall(b"held")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(LIMIT)
        assert relay.counts()["up"] == len(b"first")
        relay.tell("go")
        assert receive(sock, 4) == b"held"


def test_hang_up_during_a_stall_costs_no_time(relays, echo):
    relay = relays(echo)
    with connect(relay) as sock:
        ask(sock, b"first")
        relay.tell("stall")
    cpu = pathlib.Path(f"/proc/{relay.process.pid}/stat")
    ticks = sum(map(int, cpu.read_text().split()[13:15]))
    threading.Event().wait(0.3)
    assert sum(map(int, cpu.read_text().split()[13:15])) - ticks < 10
    relay.tell("go")


def test_refuse_and_accept(relays, echo):
    relay = relays(echo)
    with connect(relay) as old:
        ask(old, b"first")
        relay.tell("refuse")
        with pytest.raises(ConnectionRefusedError):
            connect(relay)
        assert ask(old, b"still") == b"still"
        relay.tell("accept")
        with connect(relay) as sock:
            assert ask(sock, b"again") == b"again"


def test_truncate_ends_the_next_answer(relays, web):
    relay = relays(web, RTT_MS)
    client = http.client.HTTPConnection("127.0.0.1", relay.port, LIMIT)
    client.request("GET", "/a")
    head = client.getresponse()
    assert head.read() == b"hello"
    relay.tell("truncate 3")
    client.request("GET", "/b")
    with pytest.raises((http.client.BadStatusLine, ConnectionError)):
        client.getresponse()
    relay.wait_done("truncate")
    client.close()
    client.request("GET", "/c")
    assert client.getresponse().read() == b"hello"
    client.close()


def test_truncate_counts_bytes(relays, echo):
    relay = relays(echo)
    relay.tell("truncate 5")
    with connect(relay) as sock:
        sock.sendall(b"0123456789")
        assert receive(sock, 100) == b"01234"
        relay.wait_done("truncate")


def test_truncate_0_loses_an_answer_that_was_carried_out(relays, web):
    relay = relays(web)
    relay.tell("truncate 0")
    client = http.client.HTTPConnection("127.0.0.1", relay.port, LIMIT)
    client.request("PUT", "/a", b"body")
    with pytest.raises(http.client.RemoteDisconnected):
        client.getresponse()
    relay.wait_done("truncate")
    assert web.seen == [("PUT", "/a", 4)]
    client.close()


def test_corrupt_flips_one_bit(relays, echo):
    relay = relays(echo)
    with connect(relay) as sock:
        relay.tell("corrupt 6")
        assert ask(sock, b"aaaa") == b"aaaa"
        assert ask(sock, b"aaaa") == b"aa`a"
        relay.wait_done("corrupt")
        assert ask(sock, b"aaaa") == b"aaaa"


def test_status_answers_in_the_servers_place(relays, web):
    relay = relays(web)
    client = http.client.HTTPConnection("127.0.0.1", relay.port, LIMIT)
    relay.tell("status 503 7")
    client.request("PUT", "/a", bytes(1 << 20))
    answer = client.getresponse()
    assert (answer.status, answer.getheader("Retry-After")) == (503, "7")
    assert answer.read() == b""
    relay.wait_done("status")
    client.request("PUT", "/a", b"again")
    assert client.getresponse().read() == b"again"
    assert web.seen == [("PUT", "/a", 5)]
    client.close()


def test_status_takes_a_chunked_request(relays, web):
    relay = relays(web)
    client = http.client.HTTPConnection("127.0.0.1", relay.port, LIMIT)
    relay.tell("status 502")
    client.request("PUT", "/a", iter([b"one", b"two"]), encode_chunked=True,
                   headers={"Transfer-Encoding": "chunked"})
    answer = client.getresponse()
    assert (answer.status, answer.getheader("Retry-After")) == (502, None)
    answer.read()
    client.request("GET", "/b")
    assert client.getresponse().read() == b"hello"
    assert web.seen == [("GET", "/b", 0)]
    client.close()


def test_status_several_times_and_then_no_more(relays, web):
    relay = relays(web, RTT_MS)
    client = http.client.HTTPConnection("127.0.0.1", relay.port, LIMIT)
    relay.tell("status 500 - 2")
    seen = []
    for _ in range(3):
        began = time.monotonic()
        client.request("GET", "/a")
        answer = client.getresponse()
        answer.read()
        seen.append(answer.status)
        assert (time.monotonic() - began) * 1000 >= RTT_MS - 0.5
    assert seen == [500, 500, 200]
    client.close()


def test_clear_forgets_what_waits(relays, web):
    relay = relays(web)
    for command in ("status 500", "truncate 3", "corrupt 3", "clear"):
        relay.tell(command)
    client = http.client.HTTPConnection("127.0.0.1", relay.port, LIMIT)
    client.request("GET", "/a")
    answer = client.getresponse()
    assert (answer.status, answer.read()) == (200, b"hello")
    client.close()


def test_what_is_no_http_never_meets_a_status(relays, echo):
    relay = relays(echo)
    relay.tell("status 500")
    with connect(relay) as sock:
        assert ask(sock, b"SSH-2.0-OpenSSH\r\n\r\n") == \
            b"SSH-2.0-OpenSSH\r\n\r\n"


@pytest.mark.parametrize("command", ["dance", "truncate", "truncate -1",
                                     "status", "status 1", "rtt x",
                                     "status 500 soon"])
def test_nonsense_is_refused(relays, echo, command):
    relay = relays(echo)
    with pytest.raises(ValueError):
        relay.tell(command)
    relay.tell("go")


def test_commands_come_from_a_fifo(build, echo, tmp_path):
    fifo = tmp_path / "control"
    os.mkfifo(fifo)
    port = echo.server_address[1]
    process = subprocess.Popen(
        [str(build / "tests/bench/relay"), "--control", str(fifo),
         f"127.0.0.1:{port}"], text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE)
    assert process.stdout.readline().startswith("port ")
    fifo.write_text("stall\n")
    assert process.stdout.readline() == "ok stall\n"
    fifo.write_text("quit\n")
    assert process.wait(LIMIT) == 0
    process.stdout.close()
